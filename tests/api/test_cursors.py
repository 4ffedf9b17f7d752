"""Cursors: they come back as they went, and anything else is refused."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import orjson
import pytest

from invite_service.api.cursors import Cursor, read_cursor, write_cursor
from invite_service.api.schemas.listing import InvitationListParameters
from invite_service.domain.errors import Fault, InvalidInputError

LISTING = {"sort": "-created_at", "status": ["sent"]}
CURSOR = Cursor(at=datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC), id="A/1#ø", backwards=True)

NOT_OURS = Fault("?cursor", "invalid_cursor", "Is not a cursor of this service.")
OF_ANOTHER_LIST = Fault("?cursor", "invalid_cursor", "Belongs to a list with another sorting or other filters.")


def encode(parts: object) -> str:
    return urlsafe_b64encode(orjson.dumps(parts)).decode()


def test_no_cursor_is_the_start_of_the_list() -> None:
    assert read_cursor(None, listing=LISTING) is None


def test_a_cursor_comes_back_as_it_went() -> None:
    assert read_cursor(write_cursor(CURSOR, listing=LISTING), listing=LISTING) == CURSOR


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_cursor(write_cursor(CURSOR, listing=LISTING), listing={**LISTING, "sort": "created_at"})
    assert caught.value.faults == (OF_ANOTHER_LIST,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        "ø",
        "abc",
        encode([]),
        encode({"at": 1}),
        encode(["yesterday", "A-1", False, "x"]),
        encode([5, "A-1", False, "x"]),
        encode(["2026-03-02T09:00:00", "A-1", False, "x"]),
        encode(["2026-03-02T09:00:00Z", 5, False, "x"]),
        encode(["2026-03-02T09:00:00Z", "A-1", "no", "x"]),
        encode(["2026-03-02T09:00:00Z", "A\0", False, "x"]),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_cursor(text, listing=LISTING)
    assert caught.value.faults == (NOT_OURS,)


def test_a_cursor_into_orders_leads_nowhere_in_invitations() -> None:
    listing = InvitationListParameters().listing()
    parameters = InvitationListParameters(cursor=write_cursor(CURSOR, listing=listing))
    with pytest.raises(InvalidInputError) as caught:
        parameters.to_page()
    assert caught.value.faults == (Fault("?cursor", "invalid_cursor", "Is not a cursor of this list."),)
