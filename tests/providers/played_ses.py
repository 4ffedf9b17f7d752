"""Amazon SES as the tests play it, certificate and signature included."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from invite_service.domain.invitation import Channel
from invite_service.providers.aws_signature import AwsKey, sign
from invite_service.providers.base import EventReader, EventRequest, Sender
from invite_service.providers.calls import ApiAnswer
from invite_service.providers.email.ses import SesSender, SesSettings
from invite_service.providers.email.ses_events import SesEvents
from invite_service.providers.http import ApiClient
from tests.providers.played import SECRET
from tests.support.vendor_server import Asked, Said

CERTIFICATE_URL = "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-1.pem"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKID/(\d{8})/eu-north-1/ses/aws4_request, "
    r"SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}"
)


class Certificates(ApiClient):
    """Serves Amazon's certificate, and remembers what was asked for."""

    def __init__(self, host: str, *, asked: list[str], is_there: bool = True) -> None:
        super().__init__(host)
        self._host = host
        self._asked = asked
        self._is_there = is_there

    async def call(self, method: str, path: str, **rest: Any) -> ApiAnswer:
        query = "&".join(f"{name}={value}" for name, value in (rest.get("query") or {}).items())
        self._asked.append(f"{method} {self._host}{path}{f'?{query}' if query else ''}")
        body = make_certificate()[1] if path.endswith(".pem") else b"<ConfirmSubscriptionResponse/>"
        return ApiAnswer(status=200 if self._is_there else 503, headers={}, body=body)


@cache
def make_certificate() -> tuple[rsa.RSAPrivateKey, bytes]:
    """Make SNS's key and its certificate, once a run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(key, SHA256())
    )
    return key, certificate.public_bytes(Encoding.PEM)


def sign_notification(told: Mapping[str, str], *, version: str = "2") -> dict[str, str]:
    """Sign as Amazon does: the fields that count, each with its name, a line each."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    algorithm = SHA256() if version == "2" else SHA1()  # noqa: S303 - as Amazon's version 1 does
    signature = make_certificate()[0].sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {
        **told,
        "SignatureVersion": version,
        "Signature": b64encode(signature).decode(),
        "SigningCertURL": CERTIFICATE_URL,
    }


class Ses:
    """Answers as shown in the SES v2 API reference for outbound-emails and account, signatures checked."""

    name = "ses"
    channel = Channel.EMAIL
    secret_key = "wJalrXUtnFEMI-5a1b9c7e"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.asked: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        settings = SesSettings(
            api_url=url, region="eu-north-1", access_key_id="AKID", secret_access_key=self.secret_key, **changes
        )
        return SesSender(settings, clock=lambda: datetime(2026, 11, 10, 8, tzinfo=UTC))

    def read_events(self) -> EventReader:
        return SesEvents(SECRET, open_client=lambda host: Certificates(host, asked=self.asked))

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        told = {
            "Type": "Notification",
            "MessageId": "sns-1",
            "TopicArn": "arn:aws:sns:eu-north-1:1:mail",
            "Message": body.decode(errors="replace"),
            "Timestamp": now.isoformat(),
        }
        return self.notify(sign_notification(told))

    def notify(self, told: Mapping[str, str]) -> EventRequest:
        headers = {"content-type": "text/plain; charset=UTF-8"}
        return EventRequest(body=json.dumps(told).encode(), headers=headers, url_secret=SECRET)

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        named = {"x-amzn-ErrorType": "SomeException:http://internal.amazon.com/coral/", **headers}
        return Said.json({"message": "No, kari@example.net"}, status=status, headers=named)

    def __call__(self, asked: Asked) -> Said:
        if not self._is_signed(asked):
            named = {"x-amzn-ErrorType": "SignatureDoesNotMatch"}
            return Said.json({"message": "The request signature does not match"}, status=403, headers=named)
        match asked.method, asked.path:
            case "POST", "/v2/email/outbound-emails":
                content = asked.json()
                mail = message_from_bytes(
                    b64decode(content["Content"]["Raw"]["Data"], validate=True), policy=policy.SMTP
                )
                assert mail["Message-ID"]
                [tag] = content["EmailTags"]
                self.taken.append(tag["Value"])
                return Said.json({"MessageId": f"ses-{tag['Value']}"})
            case "GET", "/v2/email/account":
                return Said.json({"SendingEnabled": True, "ProductionAccessEnabled": True})
            case _:
                return Said.json({}, status=404, headers={"x-amzn-ErrorType": "NotFoundException"})

    def _is_signed(self, asked: Asked) -> bool:
        authorization = asked.headers.get("authorization", "")
        if not AUTHORIZATION.fullmatch(authorization):
            return False
        key = AwsKey(key_id="AKID", secret=self.secret_key, region="eu-north-1", service="ses")
        headers = {name: asked.headers[name] for name in ("content-type", "host")}
        at = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expected = sign(key, asked.method, asked.path, headers=headers, content=asked.body, now=at)
        return expected["authorization"] == authorization
