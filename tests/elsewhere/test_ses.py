"""Amazon SES as moto plays it, which checks signatures and policies, and as botocore describes and signs it."""

import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import botocore.validate
import httpx
import pytest
from moto.server import ThreadedMotoServer

from invite_service.domain.receipt import OutcomeWord
from invite_service.providers.base import Sender
from invite_service.providers.calls import ApiAnswer
from invite_service.providers.email.ses import SesSender, SesSettings, judge
from tests.providers.played import make_api_message, open_api
from tests.providers.played_ses import Ses

REGION = "eu-north-1"
MAY_SEND = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["ses:SendEmail", "ses:SendRawEmail"], "Resource": "*"}],
}


@dataclass(frozen=True)
class Amazon:
    """moto's server, with an identity, a configuration set, a key that may send and one that may not."""

    url: str
    key: tuple[str, str]
    powerless_key: tuple[str, str]

    def look_into(self) -> Any:
        """Everything that moto holds of SES."""
        return httpx.get(f"{self.url}/moto-api/data.json").json()["ses"]


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    owner = {"endpoint_url": url, "region_name": REGION, "aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
    ses, iam = boto3.client("sesv2", **owner), boto3.client("iam", **owner)
    ses.create_email_identity(EmailIdentity="shop@example.com")
    ses.create_configuration_set(ConfigurationSetName="invitations")
    for name in ("mailer", "visitor"):
        iam.create_user(UserName=name)
    iam.put_user_policy(UserName="mailer", PolicyName="sending", PolicyDocument=json.dumps(MAY_SEND))
    keys = [iam.create_access_key(UserName=name)["AccessKey"] for name in ("mailer", "visitor")]
    # From now on, signatures and policies are looked at.
    httpx.post(f"{url}/moto-api/reset-auth", content=b"0").raise_for_status()
    try:
        yield Amazon(url, *((key["AccessKeyId"], key["SecretAccessKey"]) for key in keys))
    finally:
        httpx.post(f"{url}/moto-api/reset-auth", content=b"Infinity")
        httpx.post(f"{url}/moto-api/reset")
        server.stop()


@asynccontextmanager
async def open_ses(amazon: Amazon, key: tuple[str, str], **changes: Any) -> AsyncIterator[Sender]:
    key_id, secret = key
    settings = SesSettings(api_url=amazon.url, region=REGION, access_key_id=key_id, secret_access_key=secret, **changes)
    sender = SesSender(settings, clock=lambda: datetime.now(UTC))
    try:
        yield sender
    finally:
        await sender.close()


async def test_message_arrives_with_its_bytes(amazon: Amazon) -> None:
    message = make_api_message()
    async with open_ses(amazon, amazon.key, configuration_set="invitations") as sender:
        receipt = await sender.send(message)

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.ACCEPTED, "message_accepted")
    [kept] = amazon.look_into()["RawMessage"]
    assert kept["id"] == receipt.provider_message_id
    assert kept["source"] == "shop@example.com"
    assert "kari@example.net" in kept["destinations"]
    assert message.raw is not None
    assert kept["raw_data"] == message.raw.decode()


@pytest.mark.parametrize(
    ("from_address", "outcome", "reason"),
    [
        ("shop@example.com", OutcomeWord.ACCEPTED, "message_accepted"),
        ("else@example.org", OutcomeWord.MISCONFIGURED, "sender_refused"),
    ],
)
async def test_sender_has_to_be_known(amazon: Amazon, from_address: str, outcome: OutcomeWord, reason: str) -> None:
    message = make_api_message(from_address=from_address)
    async with open_ses(amazon, amazon.key) as sender:
        receipt = await sender.send(message)

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


async def test_key_without_its_secret_strange_key_and_key_without_rights_send_nothing(amazon: Amazon) -> None:
    outcomes = []
    for key in ((amazon.key[0], "wrong"), ("AKIAIOSFODNN7EXAMPLE", "wrong"), amazon.powerless_key):
        async with open_ses(amazon, key) as sender:
            outcomes.append((await sender.send(make_api_message())).outcome)

    # By the status alone: moto says why in XML, where SES v2 has a header.
    assert outcomes == [OutcomeWord.MISCONFIGURED] * 3
    assert amazon.look_into()["RawMessage"] == []


async def test_request_is_described_and_signed_as_botocore_does() -> None:
    message = make_api_message()
    async with open_api(Ses(), configuration_set="invitations") as (server, sender):
        await sender.send(message)
    [asked] = server.requests
    operation = botocore.session.get_session().get_service_model("sesv2").operation_model("SendEmail")
    content = asked.json()
    content["Content"]["Raw"]["Data"] = b64decode(content["Content"]["Raw"]["Data"], validate=True)
    faults = botocore.validate.ParamValidator().validate(content, operation.input_shape)

    assert (asked.method, asked.path) == (operation.http["method"], operation.http["requestUri"])
    assert not faults.has_errors(), faults.generate_report()
    assert _names_of(content) <= _names_in(operation.input_shape)

    signed = {name: asked.headers[name] for name in ("host", "content-type")}
    request = botocore.awsrequest.AWSRequest(asked.method, f"{server.url}{asked.path}", headers=signed, data=asked.body)
    stamp = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    request.context["timestamp"] = request.headers["X-Amz-Date"] = asked.headers["x-amz-date"]
    credentials = botocore.credentials.Credentials("AKID", Ses.secret_key)
    signer = botocore.auth.SigV4Auth(credentials, "ses", REGION)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)

    assert stamp == datetime(2026, 11, 10, 8, tzinfo=UTC)
    assert asked.headers["authorization"].endswith(f"Signature={signature}")


def test_every_error_that_botocore_knows_of_sending_is_judged() -> None:
    operation = botocore.session.get_session().get_service_model("sesv2").operation_model("SendEmail")
    outcomes = {}
    for shape in operation.error_shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        headers = {"x-amzn-errortype": f"{shape.name}:http://internal.amazon.com/coral/com.amazonaws.ses/"}
        receipt = judge(ApiAnswer(status=status, headers=headers, body=b'{"message": "No"}'))
        outcomes[shape.name] = (receipt.outcome, receipt.reason)

    assert outcomes == {
        "AccountSuspendedException": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
        "BadRequestException": (OutcomeWord.REJECTED, "message_refused"),
        "LimitExceededException": (OutcomeWord.RATE_LIMITED, "rate_limited"),
        "MailFromDomainNotVerifiedException": (OutcomeWord.MISCONFIGURED, "sender_refused"),
        "MessageRejected": (OutcomeWord.REJECTED, "message_refused"),
        "NotFoundException": (OutcomeWord.MISCONFIGURED, "configuration_not_found"),
        "SendingPausedException": (OutcomeWord.MISCONFIGURED, "sending_paused"),
        "TooManyRequestsException": (OutcomeWord.RATE_LIMITED, "rate_limited"),
    }


def _names_of(content: dict[str, Any]) -> set[str]:
    """Name the fields, and those inside them."""
    names = set(content)
    for inner in content.values():
        for one in inner if isinstance(inner, list) else [inner]:
            names |= _names_of(one) if isinstance(one, dict) else set()
    return names


def _names_in(shape: Any) -> set[str]:
    match shape.type_name:
        case "structure":
            return set(shape.members).union(*(_names_in(member) for member in shape.members.values()))
        case "list":
            return _names_in(shape.member)
        case _:
            return set()
