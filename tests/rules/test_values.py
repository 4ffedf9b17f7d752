"""Values that are made and copied fast are as frozen, equal and named as the dataclasses they are."""

import dataclasses
from typing import Any

import pytest

from invite_service.domain.invitation import InvitedProduct
from invite_service.domain.order import Order, OrderLine
from invite_service.domain.values import quick, replace
from tests.rules.builders import make_invitation, make_order


@quick
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """As wide as it takes."""

    number: int
    label: str | None = None


@pytest.mark.parametrize("value", [make_order(), make_invitation(), OrderLine(id="t1"), InvitedProduct("t1", ())])
def test_copy_is_equal_and_another_object(value: Any) -> None:
    copied = replace(value)
    assert (copied == value, copied is value, type(copied)) == (True, False, type(value))
    assert hash(copied) == hash(value)


@pytest.mark.parametrize("made", [Parcel(number=1), replace(Parcel(number=2), number=1)], ids=["made", "copied"])
def test_value_stays_frozen(made: Parcel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.number = 2  # type: ignore[misc]  # what mypy refuses too
    assert (made, made.label) == (Parcel(number=1, label=None), None)


def test_copy_changes_what_is_named_and_leaves_the_original() -> None:
    before = make_order()
    after = replace(before, on_hold=True, version=7)
    assert dataclasses.replace(before, on_hold=True, version=7) == after
    assert (before.on_hold, before.version) == (False, 1)


def test_unknown_and_missing_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Parcel(number=1, colour="red")  # type: ignore[call-arg]  # refused by mypy too
    with pytest.raises(TypeError, match="number"):
        Parcel()  # type: ignore[call-arg]  # refused by mypy too
    with pytest.raises(AttributeError, match="colour"):
        replace(Parcel(number=1), colour="red")  # type: ignore[call-arg]  # refused by mypy too


def test_fields_are_those_of_the_dataclass() -> None:
    assert repr(Parcel(number=1)) == "Parcel(number=1, label=None)"
    assert [field.name for field in dataclasses.fields(Order)] == list(Order.__slots__)
