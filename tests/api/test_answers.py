"""What stands in answers: instants in UTC, money as decimal strings, and nothing that has no place on the wire."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from invite_service.api.answers import to_json
from invite_service.domain.invitation import Kind


def test_values_of_the_domain_are_written_for_the_wire() -> None:
    oslo = timezone(timedelta(hours=1))
    written = to_json(
        {
            "at": datetime(2026, 3, 2, 14, 30, tzinfo=oslo).astimezone(UTC),
            "price": Decimal("1E+3"),
            "id": UUID(int=7),
            "kind": Kind.SERVICE,
            "products": ("t1",),
        }
    )
    assert written == (
        b'{"at":"2026-03-02T13:30:00Z","price":"1000","id":"00000000-0000-0000-0000-000000000007",'
        b'"kind":"service","products":["t1"]}'
    )


def test_what_has_no_place_on_the_wire_is_not_written() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_json({"secret": object()})
