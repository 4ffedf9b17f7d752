"""The companies that send SMS as the tests play them: each takes what is in order, and refuses what is not."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from invite_service.domain.invitation import Channel
from invite_service.providers.base import EventReader, EventRequest, Sender
from invite_service.providers.sms.elks import ElksEvents, ElksSender, ElksSettings
from invite_service.providers.sms.link_mobility import LinkMobilityEvents, LinkMobilitySender, LinkMobilitySettings
from invite_service.providers.sms.sinch import SinchEvents, SinchSender, SinchSettings
from invite_service.providers.sms.twilio import TwilioEvents, TwilioSender, TwilioSettings
from invite_service.providers.sms.vonage import VonageEvents, VonageSender, VonageSettings
from tests.providers.played import ATTEMPT, REFUSED, SECRET, basic
from tests.support.vendor_server import Asked, Said

NO_SUCH_NUMBER = REFUSED[Channel.SMS]


def attempt_in(text: str) -> str:
    """Read which of the tests' messages a text is: its links end in the message's number."""
    return str(type(ATTEMPT)(int=ATTEMPT.int + int(text.rpartition("/")[2])))


def form_of(asked: Asked) -> dict[str, str]:
    """Read a form as strictly as it is written."""
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    pairs = parse_qsl(asked.body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(asked.body))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


class Twilio:
    """Answers as shown in Twilio's reference of the Messages resource and of its errors."""

    name = "twilio"
    channel = Channel.SMS
    account = "AC" + "1" * 32
    key = ("SK" + "2" * 32, "5a1b9c7e")
    url = "https://reviews.example.com/provider-events/twilio/gift-shop?attempt_id=01936f00-0000-7000-8000-000000000001"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.listed: list[dict[str, Any]] = []

    def open(self, url: str, **changes: Any) -> Sender:
        events = {"events": changes.pop("events")} if "events" in changes else {}
        sid, secret = self.key
        options = {"account_sid": self.account, "api_key_sid": sid, "api_key_secret": secret} | changes
        return TwilioSender(TwilioSettings(api_url=url, **options), **events)

    def read_events(self) -> EventReader:
        return TwilioEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        signed = self.url + "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
        signature = b64encode(hmac.digest(SECRET.encode(), signed.encode(), "sha1")).decode()
        return EventRequest(body=body, headers={"x-twilio-signature": signature}, url=self.url)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        content = {"code": 20001, "message": "No, kari@example.net", "more_info": "https://x.example", "status": status}
        return Said.json(content, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != self.key:
            return self._error(20003, "Authenticate", status=401)
        if asked.path != f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return self._error(20404, "The requested resource was not found", status=404)
        if asked.method == "GET":
            assert asked.query.keys() == {"DateSent>", "DateSent<", "PageSize"}
            return Said.json({"messages": self.listed, "next_page_uri": None})
        form = form_of(asked)
        if "To" not in form:
            return self._error(21604, "A 'To' phone number is required.")
        assert form.keys() - {"StatusCallback", "MessagingServiceSid"} <= {"To", "From", "Body"}
        if form["To"] == NO_SUCH_NUMBER:
            return self._error(21614, f"'To' number: {NO_SUCH_NUMBER}, is not a valid mobile number")
        attempt = attempt_in(form["Body"])
        self.taken.append(attempt)
        message = {
            "sid": f"SM{attempt.replace('-', '')}",
            "status": "queued",
            "to": form["To"],
            "direction": "outbound-api",
            "body": form["Body"],
            "error_code": None,
        }
        self.listed.append(message)
        return Said.json(message, status=201)

    @staticmethod
    def _error(code: int, text: str, *, status: int = 400) -> Said:
        return Said.json({"code": code, "message": text, "more_info": "", "status": status}, status=status)


class Vonage:
    """Answers as shown in Vonage's reference of the Messages API and of its errors."""

    name = "vonage"
    channel = Channel.SMS
    keys = ("5a1b9c7e", "e7c9b1a5")

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        events = {"events": changes.pop("events")} if "events" in changes else {}
        key, secret = self.keys
        return VonageSender(VonageSettings(api_url=url, **{"api_key": key, "api_secret": secret} | changes), **events)

    def read_events(self) -> EventReader:
        return VonageEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        claims = {
            "iat": int(now.timestamp()),
            "jti": "1",
            "iss": "Vonage",
            "payload_hash": sha256(body).hexdigest(),
            "api_key": self.keys[0],
        }
        return EventRequest(body=body, headers={"authorization": f"Bearer {sign_token({'alg': 'HS256'}, claims)}"})

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return self._error("9999", "Some error", "No, kari@example.net", status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != self.keys:
            return self._error("unauthorized", "Unauthorized", "You did not provide correct credentials.", status=401)
        if (asked.method, asked.path) != ("POST", "/v1/messages"):
            return self._error("not-found", "Not found", "", status=404)
        sent = asked.json()
        if not sent:
            return self._error("1020", "Invalid params", "The value of one or more parameters is invalid.", status=422)
        assert sent.keys() - {"webhook_url"} == {"channel", "message_type", "to", "from", "text", "client_ref"}
        assert sent["to"].isdigit()
        if f"+{sent['to']}" == NO_SUCH_NUMBER:
            return self._error("1170", "Invalid or Missing MSISDN Param", "", status=422)
        self.taken.append(sent["client_ref"])
        return Said.json({"message_uuid": f"vo-{sent['client_ref']}"}, status=202)

    @staticmethod
    def _error(code: str, title: str, detail: str, *, status: int, headers: Mapping[str, str] | None = None) -> Said:
        kind = f"https://developer.vonage.com/api-errors/messages#{code}"
        content = {"type": kind, "title": title, "detail": detail, "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf"}
        return Said.json(content, status=status, headers=headers)


def sign_token(head: Mapping[str, Any], claims: Mapping[str, Any], *, secret: str = SECRET) -> str:
    """Write a JSON Web Token as RFC 7519 does, signed by HMAC-SHA256 whatever its head says."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signed = b".".join(parts)
    digest = hmac.digest(secret.encode(), signed, "sha256")
    return b".".join([signed, urlsafe_b64encode(digest).rstrip(b"=")]).decode()


class Sinch:
    """Answers as shown in Sinch's reference of batches and groups."""

    name = "sinch"
    channel = Channel.SMS
    token = "5a1b9c7e"
    plan = "shop-plan"

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        events = {"events": changes.pop("events")} if "events" in changes else {}
        options = {"service_plan_id": self.plan, "api_token": self.token} | changes
        return SinchSender(SinchSettings(api_url=url, **options), **events)

    def read_events(self) -> EventReader:
        return SinchEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        stamp = str(int(now.timestamp()))
        signed = body + f".nonce-1.{stamp}".encode()
        headers = {
            "x-sinch-webhook-signature-timestamp": stamp,
            "x-sinch-webhook-signature-nonce": "nonce-1",
            "x-sinch-webhook-signature-algorithm": "HmacSHA256",
            "x-sinch-webhook-signature": b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode(),
        }
        return EventRequest(body=body, headers=headers)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"code": "some_error", "text": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return Said(401, b"")
        match asked.method, asked.path.removeprefix(f"/xms/v1/{self.plan}"):
            case "POST", "/batches":
                return self._take(asked.json())
            case "GET", "/batches":
                assert asked.query.keys() == {"client_reference", "start_date", "page_size"}
                found = [one for one in self.taken if one == asked.query["client_reference"]]
                batches = [{"id": f"si-{one}", "client_reference": one} for one in found]
                return Said.json({"count": len(found), "page": 0, "page_size": 1, "batches": batches})
            case "GET", "/groups":
                return Said.json({"count": 0, "page": 0, "page_size": 1, "groups": []})
            case _:
                return self.refuse(404, {})

    def _take(self, sent: Any) -> Said:
        wanted = {"from", "to", "body", "delivery_report", "client_reference"}
        assert sent.keys() - {"callback_url", "type"} == wanted
        assert sent.get("type", "mt_text") == "mt_text"
        if sent["to"] == [NO_SUCH_NUMBER]:
            text = "Invalid parameter format: to"
            return Said.json({"code": "syntax_invalid_parameter_format", "text": text}, status=400)
        self.taken.append(sent["client_reference"])
        return Said.json({"id": f"si-{sent['client_reference']}", **sent}, status=201)


class Elks:
    """Answers as shown on 46elks' pages of sending SMS and of the account."""

    name = "46elks"
    channel = Channel.SMS
    login = ("u5a1b", "e7c9b1a5")

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        events = {"events": changes.pop("events")} if "events" in changes else {}
        username, password = self.login
        options = {"api_username": username, "api_password": password} | changes
        return ElksSender(ElksSettings(api_url=url, **options), **events)

    def read_events(self) -> EventReader:
        return ElksEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        url = Twilio.url.replace("twilio", "46elks")
        return EventRequest(body=body, headers={}, url=url, url_secret=SECRET)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said(status, b"No, kari@example.net", {"Content-Type": "text/plain; charset=utf-8"} | dict(headers))

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != self.login:
            return self.refuse(401, {})
        match asked.method, asked.path:
            case "POST", "/a1/sms":
                form = form_of(asked)
                assert form.keys() - {"whendelivered"} == {"from", "to", "message"}
                if form["to"] == NO_SUCH_NUMBER:
                    return Said(400, b"Invalid to number", {"Content-Type": "text/plain"})
                attempt = attempt_in(form["message"])
                self.taken.append(attempt)
                return Said.json({"status": "created", "direction": "outgoing", "id": f"s{attempt}", "parts": 1})
            case "GET", "/a1/me":
                return Said.json({"id": "u5a1b", "displayname": "Gift Shop", "balance": 100})
            case _:
                return self.refuse(404, {})


class LinkMobility:
    """Answers as shown in LINK's "SMS REST API - MT and Delivery Reports", 1.18."""

    name = "link_mobility"
    channel = Channel.SMS
    login = ("shop", "e7c9b1a5")

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        username, password = self.login
        options = {"username": username, "password": password, "platform_id": "10", "platform_partner_id": "20"}
        return LinkMobilitySender(LinkMobilitySettings(api_url=url, **options | changes))

    def read_events(self) -> EventReader:
        return LinkMobilityEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        return EventRequest(body=body, headers=basic("anybody", SECRET))

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"status": 999999, "description": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.basic() != self.login:
            return Said.json({"status": 106100, "description": "Invalid authentication"}, status=401)
        sent = asked.json()
        assert (sent["platformId"], sent["platformPartnerId"], sent["ignoreResponse"]) == ("10", "20", False)
        match asked.method, asked.path:
            case "POST", "/sms/send":
                if "destination" not in sent:
                    return Said.json({"status": 106000, "description": "Unknown Error"}, status=400)
                return Said.json(self._take(sent))
            case "POST", "/sms/sendbatch":
                assert 1 <= len(sent["sendRequestMessages"]) <= 1000
                return Said.json([self._take(message) for message in sent["sendRequestMessages"]])
            case _:
                return self.refuse(404, {})

    def _take(self, message: Any) -> dict[str, Any]:
        reference = {"refId": message["refId"]}
        if message["destination"] == NO_SUCH_NUMBER:
            return {"messageId": "", "resultCode": 2104, "description": "Unknown subscriber", **reference}
        self.taken.append(message["refId"])
        return {"messageId": f"lm-{message['refId']}", "resultCode": 1005, "description": "Queued", **reference}
