"""What Amazon SES tells through SNS: signed, confirmed, read."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.providers.email.ses_events import SesEvents
from tests.providers.played import SECRET, make_api_message
from tests.providers.played_ses import CERTIFICATE_URL, Certificates, Ses, sign_notification

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)

# As in Amazon's pages of event publishing and notification contents, with our tag and addresses of example domains.
BOUNCE = {
    "eventType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "kari@example.net",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
        ],
        "timestamp": "2026-11-10T07:59:38.237Z",
        "feedbackId": "00000137860315fd",
    },
    "mail": {
        "timestamp": "2026-11-10T07:59:00.000Z",
        "source": "shop@example.com",
        "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        "destination": ["kari@example.net"],
        "headers": [{"name": "Message-ID", "value": f"<{ATTEMPT}@example.com>"}],
        "tags": {"ses:configuration-set": ["invitations"], "attempt_id": [str(ATTEMPT)]},
    },
}
TOLD = {
    "Type": "Notification",
    "MessageId": "sns-1",
    "TopicArn": "arn:aws:sns:eu-north-1:1:mail",
    "Subject": "Amazon SES Email Event Notification",
    "Message": json.dumps(BOUNCE),
    "Timestamp": "2026-11-10T08:00:00.000Z",
}


async def read(event: Any) -> EventReading:
    played = Ses()
    return await played.read_events().read(played.tell(json.dumps(event).encode(), now=NOW), now=NOW)


async def read_told(
    told: Mapping[str, str], *, now: datetime = NOW, is_there: bool = True
) -> tuple[EventVerdict, list[str]]:
    """Read a notification as it is, and tell what was asked of Amazon for it."""
    asked: list[str] = []
    reader = SesEvents(SECRET, open_client=lambda host: Certificates(host, asked=asked, is_there=is_there))
    reading = await reader.read(Ses().notify(told), now=now)
    return reading.verdict, asked


@pytest.mark.parametrize("version", ["1", "2"])
async def test_event_is_read_whole(version: str) -> None:
    played = Ses()
    reading = await played.read_events().read(played.notify(sign_notification(TOLD, version=version)), now=NOW)

    assert reading == EventReading(
        verdict=EventVerdict.TRUE,
        events=(
            ProviderEvent(
                provider="ses",
                kind=EventKind.BOUNCED_HARD,
                raw_kind="Bounce Permanent",
                event_id="sns-1",
                occurred_at=datetime(2026, 11, 10, 7, 59, 38, 237000, tzinfo=UTC),
                attempt_id=ATTEMPT,
                provider_message_id="EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
                message_id=f"<{ATTEMPT}@example.com>",
                address="kari@example.net",
                reason="General · smtp; 550 5.1.1 user unknown",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"eventType": "Send"}, EventKind.SENT),
        ({"eventType": "Delivery", "delivery": {"smtpResponse": "250 ok"}}, EventKind.DELIVERED),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}}, EventKind.DEFERRED),
        ({"notificationType": "Bounce", "bounce": {"bounceType": "Transient"}}, EventKind.BOUNCED_SOFT),
        ({"eventType": "Bounce", "bounce": {"bounceType": "Undetermined"}}, EventKind.BOUNCED_SOFT),
        (
            {"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bounceSubType": "Suppressed"}},
            EventKind.FAILED,
        ),
        ({"eventType": "Complaint", "complaint": {}}, EventKind.COMPLAINED),
        ({"eventType": "Complaint", "complaint": {"complaintSubType": "OnAccountSuppressionList"}}, EventKind.FAILED),
        ({"eventType": "Reject", "reject": {"reason": "Bad content"}}, EventKind.FAILED),
        ({"eventType": "Rendering Failure", "failure": {"errorMessage": "x"}}, EventKind.FAILED),
        (
            {"eventType": "Subscription", "subscription": {"newTopicPreferences": {"unsubscribeAll": True}}},
            EventKind.UNSUBSCRIBED,
        ),
        ({"eventType": "Subscription"}, EventKind.UNKNOWN),
        ({"eventType": "Open"}, EventKind.OPENED),
        ({"eventType": "Click"}, EventKind.CLICKED),
        ({"eventType": "Novelty"}, EventKind.UNKNOWN),
    ],
)
async def test_event_gives_its_kind(event: dict[str, Any], kind: EventKind) -> None:
    [told] = (await read(event)).events

    assert told.kind is kind
    assert told.raw_kind.startswith(str(event.get("eventType") or event["notificationType"]))


async def test_attempt_is_read_from_our_message_id_where_the_tag_is_missing() -> None:
    [event] = (await read({**BOUNCE, "mail": {**BOUNCE["mail"], "tags": {}}})).events  # type: ignore[dict-item]

    assert event.attempt_id == ATTEMPT


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"])
async def test_every_field_that_counts_is_signed(name: str) -> None:
    verdict, _ = await read_told({**sign_notification(TOLD), name: "changed"})

    assert verdict is EventVerdict.UNSIGNED


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-north-1.amazonaws.com.example.com/a.pem",
        "https://example.com/sns.eu-north-1.amazonaws.com/a.pem",
        "https://sns.eu-north-1.amazonaws.com@example.com/a.pem",
        "https://sns.eu-north-1.amazonaws.com:8443/a.pem",
        "https://s3.eu-north-1.amazonaws.com/a.pem",
        "https://bucket.s3.amazonaws.com/a.pem",
        "http://sns.eu-north-1.amazonaws.com/a.pem",
        "https://sns.eu-north-1.amazonaws.com/a.html",
        "https://SNS.evil#.amazonaws.com/a.pem",
        "https://[sns/a.pem",
        "file:///etc/passwd.pem",
        "",
    ],
)
async def test_certificate_is_fetched_from_amazon_alone(url: str) -> None:
    verdict, asked = await read_told({**sign_notification(TOLD), "SigningCertURL": url})

    assert (verdict, asked) == (EventVerdict.UNSIGNED, [])


async def test_certificate_is_fetched_once() -> None:
    played = Ses()
    reader = played.read_events()
    for _ in range(3):
        await reader.read(played.notify(sign_notification(TOLD)), now=NOW)

    assert played.asked == [f"GET {CERTIFICATE_URL}"]


async def test_certificate_that_is_not_to_be_had_leaves_the_request_for_later() -> None:
    verdict, asked = await read_told(sign_notification(TOLD), is_there=False)

    assert (verdict, asked) == (EventVerdict.UNCHECKED, [f"GET {CERTIFICATE_URL}"])


async def test_certificate_that_has_expired_signs_nothing() -> None:
    verdict, _ = await read_told(
        sign_notification({**TOLD, "Timestamp": "2027-02-01T00:00:00Z"}), now=NOW.replace(2027, 2)
    )

    assert verdict is EventVerdict.UNSIGNED


async def test_notification_of_the_day_before_yesterday_is_stale() -> None:
    verdict, _ = await read_told(sign_notification(TOLD), now=NOW + timedelta(hours=26))

    assert verdict is EventVerdict.STALE


async def test_request_without_our_secret_has_nothing_fetched_for_it() -> None:
    asked: list[str] = []
    reader = SesEvents("other", open_client=lambda host: Certificates(host, asked=asked))
    reading = await reader.read(Ses().notify(sign_notification(TOLD)), now=NOW)

    assert (reading.verdict, asked) == (EventVerdict.UNSIGNED, [])


CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "sns-2",
    "Token": "2336412f37",
    "TopicArn": "arn:aws:sns:eu-north-1:1:mail",
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    "Timestamp": "2026-11-10T08:00:00.000Z",
}


async def test_subscription_is_confirmed_at_amazon() -> None:
    verdict, asked = await read_told(sign_notification(CONFIRMATION))

    assert verdict is EventVerdict.TRUE
    assert asked == [
        f"GET {CERTIFICATE_URL}",
        "GET https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    ]


async def test_subscription_that_was_not_signed_or_leads_elsewhere_is_not_confirmed() -> None:
    forged = {**sign_notification(CONFIRMATION), "Token": "other"}
    elsewhere = sign_notification({**CONFIRMATION, "SubscribeURL": "https://example.com/"})

    assert await read_told(forged) == (EventVerdict.UNSIGNED, [f"GET {CERTIFICATE_URL}"])
    assert await read_told(elsewhere) == (EventVerdict.UNREADABLE, [f"GET {CERTIFICATE_URL}"])


async def test_first_sentence_of_a_topic_and_the_end_of_a_subscription_hold_no_event() -> None:
    greeting = {**TOLD, "Message": "Successfully validated SNS topic for Amazon SES event publishing."}
    end = {**CONFIRMATION, "Type": "UnsubscribeConfirmation"}

    assert (await read_told(sign_notification(greeting)))[0] is EventVerdict.TRUE
    assert await read_told(sign_notification(end)) == (EventVerdict.TRUE, [f"GET {CERTIFICATE_URL}"])
    assert (await read_told(sign_notification({**TOLD, "Type": "Novelty"})))[0] is EventVerdict.UNREADABLE
