"""Amazon SES: our bytes unchanged, its signature, its error names."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.aws_signature import AwsKey, sign
from invite_service.providers.email.ses import parse_ses
from tests.providers.played import make_api_message, open_api
from tests.providers.played_ses import Ses
from tests.support.vendor_server import Said

ATTEMPT = make_api_message().attempt_id

# The key, the instant and the requests of Amazon's own test suite of Signature Version 4.
SUITE_KEY = AwsKey(
    key_id="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region="us-east-1", service="service"
)
SUITE_NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "headers", "names", "signature"),
    [
        ("GET", {}, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", {}, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
    ids=["get-vanilla", "post-vanilla"],
)
def test_signature_is_the_one_of_amazons_suite(
    method: str, headers: dict[str, str], names: str, signature: str
) -> None:
    signed = sign(
        SUITE_KEY, method, "/", headers={"host": "example.amazonaws.com", **headers}, content=b"", now=SUITE_NOW
    )

    assert signed["x-amz-date"] == "20150830T123600Z"
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


async def test_request_is_whole_and_our_bytes_unchanged() -> None:
    message = make_api_message()
    async with open_api(Ses(), configuration_set="invitations") as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="ses",
        provider_message_id=f"ses-{ATTEMPT}",
    )
    [asked] = server.requests
    content = asked.json()
    assert b64decode(content["Content"]["Raw"].pop("Data")) == message.raw
    assert content == {
        "FromEmailAddress": "shop@example.com",
        "Destination": {"ToAddresses": ["kari@example.net"]},
        "Content": {"Raw": {}},
        "EmailTags": [{"Name": "attempt_id", "Value": str(ATTEMPT)}],
        "ConfigurationSetName": "invitations",
    }
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert asked.headers["x-amz-date"] == "20261110T080000Z"


async def test_wrong_secret_is_found_out_by_the_signature() -> None:
    async with open_api(Ses()) as (server, right):
        settings = parse_ses(
            {"region": "eu-north-1", "access_key_id": "AKID", "secret_access_key": "wrong", "api_url": server.url}
        )
        await right.send(make_api_message())
        played = Ses()
        played.secret_key = settings.secret_access_key
        wrong = played.open(server.url)
        receipt = await wrong.send(make_api_message())
        await wrong.close()

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.MISCONFIGURED, "credentials_refused")


@pytest.mark.parametrize(
    ("status", "error", "text", "outcome", "reason"),
    [
        (400, "MessageRejected", "Email address is not verified.", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "MessageRejected", "Message contains a virus", OutcomeWord.REJECTED, "message_refused"),
        (400, "BadRequestException", "Illegal address", OutcomeWord.REJECTED, "message_refused"),
        (400, "MailFromDomainNotVerifiedException", "x", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "AccountSuspendedException", "x", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (400, "SendingPausedException", "x", OutcomeWord.MISCONFIGURED, "sending_paused"),
        (404, "NotFoundException", "Configuration set", OutcomeWord.MISCONFIGURED, "configuration_not_found"),
        (403, "AccessDeniedException", "Not authorized", OutcomeWord.MISCONFIGURED, "access_denied"),
        (403, "SignatureDoesNotMatch", "x", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (403, "UnrecognizedClientException", "x", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (400, "RequestExpired", "x", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (429, "TooManyRequestsException", "Too many", OutcomeWord.RATE_LIMITED, "rate_limited"),
        (400, "ThrottlingException", "Rate exceeded", OutcomeWord.RATE_LIMITED, "rate_limited"),
        (400, "LimitExceededException", "x", OutcomeWord.RATE_LIMITED, "rate_limited"),
        (500, "InternalFailure", "x", OutcomeWord.UNKNOWN, "server_error"),
        (503, "ThrottlingException", "x", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
@pytest.mark.parametrize("place", ["header", "body"])
async def test_name_of_an_error_gives_its_outcome(
    status: int, error: str, text: str, outcome: OutcomeWord, reason: str, place: str
) -> None:
    if place == "header":
        said = Said.json({"message": text}, status=status, headers={"x-amzn-ErrorType": f"{error}:http://internal/"})
    else:
        said = Said.json({"__type": f"com.amazon.coral.service#{error}", "Message": text}, status=status)
    async with open_api(Ses(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("Maximum sending rate exceeded.", timedelta(seconds=1)),
        ("Daily message quota exceeded.", timedelta(hours=1)),
        ("Slow down", timedelta(minutes=1)),
    ],
)
async def test_pause_is_as_long_as_what_ran_out(text: str, pause: timedelta) -> None:
    named = {"x-amzn-ErrorType": "TooManyRequestsException"}
    async with open_api(Ses(), [Said.json({"message": text}, status=429, headers=named)]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert receipt.retry_after == pause


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said.json({"SendingEnabled": False}), "sending_paused"),
        (Said.json({}, status=403, headers={"x-amzn-ErrorType": "AccessDeniedException"}), "settings_work"),
        (Said.json({}, status=403, headers={"x-amzn-ErrorType": "InvalidClientTokenId"}), "credentials_refused"),
        (Said.json({"SendingEnabled": "yes"}), "answer_unreadable"),
    ],
)
async def test_check_tells_a_key_that_may_only_send_from_a_wrong_one(said: Said, reason: str) -> None:
    async with open_api(Ses(), [said]) as (_, sender):
        receipt = await sender.check()

    assert receipt.reason == reason
