"""What holds for every reader of providers' events: strangers and nonsense are verdicts, never exceptions."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invite_service.domain.provider_event import EventReading, EventVerdict
from invite_service.providers.base import EventRequest
from tests.providers.companies import COMPANIES
from tests.providers.played import PlayedCompany

NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)

every_company = pytest.mark.parametrize("company", COMPANIES, ids=lambda made: made.__name__)
Made = Callable[[], PlayedCompany]

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8)
FIELDS = (
    "RecordType Type Metadata ID type data created_at tags event timestamp event-data signature message headers "
    "Message eventType mail bounce MessageID time error ts_epoch date custom_args sg_event_id reason "
    "message_uuid status client_ref text channel error batch_id recipient code body id from resultCode source content "
    "userData refId route keyword MessageSid MessageStatus Body From To ErrorCode OptOutType direction delivered"
)
WORDS = st.sampled_from(FIELDS.split())
NONSENSE = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5)
)


@every_company
async def test_request_without_the_secret_is_from_anybody(company: Made) -> None:
    for body in (b"{}", b'{"event": "delivered", "type": "email.delivered", "RecordType": "Delivery"}', b"[]", b""):
        request = EventRequest(body=body, headers={"content-type": "application/json"})
        reading = await company().read_events().read(request, now=NOW)

        assert reading == EventReading(verdict=EventVerdict.UNSIGNED)


@every_company
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"<html>", b"null", b"7", b'"text"', b"[" * 100_000, b"[7]"])
async def test_body_that_is_no_event_is_unreadable_or_from_anybody(company: Made, body: bytes) -> None:
    played = company()
    reading = await played.read_events().read(played.tell(body, now=NOW), now=NOW)

    assert reading.events == ()
    assert reading.verdict in {EventVerdict.UNREADABLE, EventVerdict.UNSIGNED}


@every_company
@given(content=NONSENSE)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nonsense_is_never_raised(company: Made, content: Any) -> None:
    played = company()
    sent = (content, [content], {"event-data": content}, {"type": "email.bounced", "data": content})
    form = urlencode(content if isinstance(content, dict) else {"id": content, "MessageSid": content}).encode()
    for body in (*(json.dumps(one).encode() for one in sent), form):
        reading = await played.read_events().read(played.tell(body, now=NOW), now=NOW)
        for event in reading.events:
            assert event.provider == played.name
            assert event.event_id
            assert len(event.raw_kind) <= 100
            assert len(event.reason) <= 500


@every_company
async def test_secret_is_in_no_repr(company: Made) -> None:
    played = company()
    request = played.tell(b"{}", now=NOW)

    assert repr(request) == "EventRequest()"
    assert "secret-of-the-shop" not in repr(played.read_events())


@every_company
async def test_reader_can_be_closed_twice(company: Made) -> None:
    reader = company().read_events()
    await reader.close()
    await reader.close()
