"""The companies as the tests play them: each takes what is in order, and refuses what is not, in its own form."""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from invite_service.domain.invitation import Channel
from invite_service.providers.base import EventReader, EventRequest, Sender
from invite_service.providers.email.brevo import BrevoEvents, BrevoSender, BrevoSettings
from invite_service.providers.email.mailgun import MailgunEvents, MailgunSender, MailgunSettings
from invite_service.providers.email.mailjet import MailjetEvents, MailjetSender, MailjetSettings
from invite_service.providers.email.postmark import PostmarkEvents, PostmarkSender, PostmarkSettings
from invite_service.providers.email.resend import ResendEvents, ResendSender, ResendSettings
from invite_service.providers.email.sendgrid import SendGridEvents, SendGridSender, SendGridSettings
from tests.providers.played import SECRET, PlayedCompany, basic
from tests.providers.played_ses import Ses
from tests.providers.sms_companies import Elks, LinkMobility, Sinch, Twilio, Vonage
from tests.support.vendor_server import Asked, Said


class Postmark:
    """Answers as shown in Postmark's API reference for /email, /email/batch, /server and /messages/outbound."""

    name = "postmark"
    channel = Channel.EMAIL
    token = "5a1b9c7e-token"

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        return PostmarkSender(PostmarkSettings(api_url=url, server_token=self.token, **changes))

    def read_events(self) -> EventReader:
        return PostmarkEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        return EventRequest(body=body, headers=basic("anybody", SECRET))

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"ErrorCode": 9, "Message": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("x-postmark-server-token") != self.token:
            return Said.json({"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"}, status=401)
        match asked.method, asked.path:
            case "POST", "/email":
                answer = self._take(asked.json())
                return Said.json(answer, status=422 if answer["ErrorCode"] else 200)
            case "POST", "/email/batch":
                assert len(asked.json()) <= 500
                return Said.json([self._take(message) for message in asked.json()])
            case "GET", "/server":
                return Said.json({"ID": 1, "Name": "Invitations"})
            case "GET", "/messages/outbound":
                assert asked.query.keys() == {"count", "offset", "metadata_attempt_id"}
                found = [attempt for attempt in self.taken if attempt == asked.query["metadata_attempt_id"]]
                messages = [{"MessageID": f"pm-{attempt}"} for attempt in found]
                return Said.json({"TotalCount": len(found), "Messages": messages})
            case _:
                return Said.json({"ErrorCode": 12, "Message": "Resource not found"}, status=404)

    def _take(self, message: Any) -> dict[str, Any]:
        if "inactive@" in message["To"]:
            text = "Found inactive addresses: inactive@example.net. Inactive recipients are ones that bounced."
            return {"ErrorCode": 406, "Message": f"You tried to send to a recipient marked as inactive. {text}"}
        attempt = message["Metadata"]["attempt_id"]
        self.taken.append(attempt)
        return {
            "To": message["To"],
            "SubmittedAt": "2026-11-10T08:00:00Z",
            "MessageID": f"pm-{attempt}",
            "ErrorCode": 0,
            "Message": "OK",
        }


class Resend:
    """Answers as shown in Resend's API reference for /emails and /domains, keys honoured."""

    name = "resend"
    channel = Channel.EMAIL
    key = "re_5a1b9c7e"
    signing_secret = "whsec_" + b64encode(SECRET.encode()).decode()

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._answered: dict[str, tuple[bytes, Said]] = {}

    def open(self, url: str, **changes: Any) -> Sender:
        return ResendSender(ResendSettings(api_url=url, api_key=self.key, **changes))

    def read_events(self) -> EventReader:
        return ResendEvents(self.signing_secret)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        stamp = str(int(now.timestamp()))
        digest = hmac.digest(SECRET.encode(), f"msg_1.{stamp}.".encode() + body, "sha256")
        signature = f"v1,{b64encode(b'old' * 10).decode()} v1,{b64encode(digest).decode()}"
        headers = {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": signature}
        return EventRequest(body=body, headers=headers)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        content = {"statusCode": status, "name": "some_error", "message": "No, kari@example.net"}
        return Said.json(content, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return self._error(401, "missing_api_key", "Missing API Key")
        match asked.method, asked.path:
            case "POST", "/emails":
                key = asked.headers["idempotency-key"]
                assert 1 <= len(key) <= 256
                if key not in self._answered:
                    self._answered[key] = (asked.body, self._send(asked))
                body, said = self._answered[key]
                if body != asked.body:
                    return self._error(409, "invalid_idempotent_request", "Used with another payload")
                return said
            case "GET", "/domains":
                return Said.json({"object": "list", "data": []})
            case _:
                return self._error(404, "not_found", "The requested endpoint does not exist")

    def _send(self, asked: Asked) -> Said:
        refusal = self._refusal_of(asked.json())
        return self._error(422, "validation_error", refusal) if refusal else Said.json(self._take(asked.json()))

    @staticmethod
    def _refusal_of(message: Any) -> str:
        return "Invalid `to` field. inactive@example.net" if "inactive@" in message["to"][0] else ""

    def _take(self, message: Any) -> dict[str, Any]:
        [tag] = message["tags"]
        self.taken.append(tag["value"])
        return {"id": f"re-{tag['value']}"}

    @staticmethod
    def _error(status: int, name: str, text: str) -> Said:
        return Said.json({"statusCode": status, "name": name, "message": text}, status=status)


class SendGrid:
    """Answers as shown in SendGrid's v3 API reference for /mail/send and /scopes."""

    name = "sendgrid"
    channel = Channel.EMAIL
    key = "SG.5a1b9c7e"
    signing_key = ec.generate_private_key(ec.SECP256R1())
    public_key = b64encode(
        signing_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        return SendGridSender(SendGridSettings(api_url=url, api_key=self.key, **changes))

    def read_events(self) -> EventReader:
        return SendGridEvents(self.public_key)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        stamp = str(int(now.timestamp()))
        signature = self.signing_key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        headers = {
            "x-twilio-email-event-webhook-timestamp": stamp,
            "x-twilio-email-event-webhook-signature": b64encode(signature).decode(),
        }
        return EventRequest(body=body, headers=headers)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        errors = [{"message": "No, kari@example.net", "field": None, "help": None}]
        return Said.json({"errors": errors}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return self.refuse(401, {})
        match asked.method, asked.path:
            case "POST", "/v3/mail/send":
                [personalization] = asked.json()["personalizations"]
                attempt = personalization["custom_args"]["attempt_id"]
                self.taken.append(attempt)
                return Said(202, b"", {"X-Message-Id": f"sg-{attempt}"})
            case "GET", "/v3/scopes":
                return Said.json({"scopes": ["mail.send", "alerts.read"]})
            case _:
                return self.refuse(404, {})


class Brevo:
    """Answers as shown in Brevo's API reference for /smtp/email and /account, keys honoured."""

    name = "brevo"
    channel = Channel.EMAIL
    key = "xkeysib-5a1b9c7e"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._keys: set[str] = set()

    def open(self, url: str, **changes: Any) -> Sender:
        return BrevoSender(BrevoSettings(api_url=f"{url}/v3", api_key=self.key, **changes))

    def read_events(self) -> EventReader:
        return BrevoEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        return EventRequest(body=body, headers={"authorization": f"Bearer {SECRET}"})

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"code": "some_error", "message": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("api-key") != self.key:
            return Said.json({"code": "unauthorized", "message": "Key not found"}, status=401)
        match asked.method, asked.path:
            case "POST", "/v3/smtp/email":
                headers = asked.json()["headers"]
                if headers["idempotencyKey"] in self._keys:
                    return Said.json({"code": "duplicate_parameter", "message": "Used before"}, status=400)
                self._keys.add(headers["idempotencyKey"])
                self.taken.append(headers["X-Mailin-custom"])
                return Said.json({"messageId": f"<{headers['X-Mailin-custom']}@smtp-relay.example.org>"}, status=201)
            case "GET", "/v3/account":
                return Said.json({"email": "shop@example.com", "plan": []})
            case _:
                return Said.json({"code": "document_not_found", "message": "Not found"}, status=404)


class Mailjet:
    """Answers as shown in Mailjet's guides for /send, /REST/message and /REST/sender: 400 for a partial failure."""

    name = "mailjet"
    channel = Channel.EMAIL
    keys = ("5a1b9c7e", "e7c9b1a5")

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        key, secret = self.keys
        return MailjetSender(MailjetSettings(api_url=url, api_key=key, secret_key=secret, **changes))

    def read_events(self) -> EventReader:
        return MailjetEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        return EventRequest(body=body, headers=basic("anybody", SECRET))

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        content = {"ErrorIdentifier": "1", "ErrorCode": "mj-9999", "StatusCode": status, "ErrorMessage": "No, k@b.no"}
        return Said.json(content, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != self.keys:
            return self.refuse(401, {})
        match asked.method, asked.path:
            case "POST", "/v3.1/send":
                messages = asked.json()["Messages"]
                assert 1 <= len(messages) <= 50
                items = [self._take(message) for message in messages]
                is_partial = any(item["Status"] == "error" for item in items)
                return Said.json({"Messages": items}, status=400 if is_partial else 200)
            case "GET", "/v3/REST/message":
                assert asked.query.keys() == {"CustomID", "Limit"}
                data = [{"ID": self._id_of(one)} for one in self.taken if one == asked.query["CustomID"]]
                return Said.json({"Count": len(data), "Data": data, "Total": len(data)})
            case "GET", "/v3/REST/sender":
                return Said.json({"Count": 0, "Data": [], "Total": 0})
            case _:
                return self.refuse(404, {})

    def _take(self, message: Any) -> dict[str, Any]:
        [to] = message["To"]
        forbidden = {name for name in message.get("Headers", {}) if name.lower() in {"message-id", "list-id"}}
        assert not forbidden, "send-0011"
        if to["Email"].startswith("inactive@"):
            error = {
                "ErrorIdentifier": "1",
                "ErrorCode": "mj-0013",
                "StatusCode": 400,
                "ErrorMessage": '"inactive@example.net" is an invalid email address.',
                "ErrorRelatedTo": ["To[0].Email"],
            }
            return {"Status": "error", "Errors": [error]}
        self.taken.append(message["CustomID"])
        person = {"Email": to["Email"], "MessageUUID": "1", "MessageID": self._id_of(message["CustomID"])}
        return {"Status": "success", "CustomID": message["CustomID"], "To": [person], "Cc": [], "Bcc": []}

    @staticmethod
    def _id_of(attempt: str) -> int:
        return 1152921504606846976 + int(attempt[-4:], 16)


class Mailgun:
    """Answers as shown in Mailgun's API reference for messages, messages.mime and events."""

    name = "mailgun"
    channel = Channel.EMAIL
    key = "key-5a1b9c7e"

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        return MailgunSender(MailgunSettings(api_url=url, api_key=self.key, domain="mg.example.com", **changes))

    def read_events(self) -> EventReader:
        return MailgunEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            stamp = str(int(now.timestamp()))
            signature = hmac.new(SECRET.encode(), f"{stamp}token-1".encode(), "sha256").hexdigest()
            content["signature"] = {"timestamp": stamp, "token": "token-1", "signature": signature}
            body = json.dumps(content).encode()
        return EventRequest(body=body, headers={"content-type": "application/json"})

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"message": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != ("api", self.key):
            return Said(401, b"Forbidden")
        match asked.method, asked.path:
            case "POST", "/v3/mg.example.com/messages.mime":
                form = read_form(asked)
                mail = message_from_bytes(form["message"], policy=policy.SMTP)
                self.taken.append(form["v:attempt_id"].decode())
                return Said.json({"id": mail["Message-ID"], "message": "Queued. Thank you."})
            case "POST", "/v3/mg.example.com/messages":
                return Said.json({"message": "from parameter is missing"}, status=400)
            case "GET", "/v3/mg.example.com/events":
                assert asked.query.keys() == {"message-id", "limit"}
                wanted = asked.query["message-id"]
                items = [
                    {"event": "accepted", "message": {"headers": {"message-id": wanted}}}
                    for attempt in self.taken
                    if wanted == f"{attempt}@example.com"
                ]
                return Said.json({"items": items[:1], "paging": {}})
            case _:
                return Said(200, b"<h1>Mailgun Magnificent API</h1>", {"Content-Type": "text/html"})


def read_form(asked: Asked) -> dict[str, bytes]:
    """Read a multipart form as strictly as it is written."""
    kind, _, boundary = asked.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    start, *parts, end = asked.body.split(b"--" + boundary.encode())
    assert (start, end) == (b"", b"--\r\n")
    form: dict[str, bytes] = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name is not None
        assert content.endswith(b"\r\n")
        form[name[1].decode()] = content[:-2]
    return form


EMAIL_COMPANIES: tuple[type[PlayedCompany], ...] = (Brevo, Mailgun, Mailjet, Postmark, Resend, SendGrid, Ses)
SMS_COMPANIES: tuple[type[PlayedCompany], ...] = (Elks, LinkMobility, Sinch, Twilio, Vonage)
COMPANIES = EMAIL_COMPANIES + SMS_COMPANIES
