"""What is taken as feedback."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.feedback import Feedback, PublishState, Rating
from invite_service.domain.invitation import InvitedProduct, Kind
from invite_service.rules.feedback import (
    EDITABLE_FOR,
    MAX_RATINGS,
    check_age,
    check_feedback,
    editable_until,
    is_editable,
    tidy,
    tidy_text,
)
from tests.support.builders import NOON, make_invitation, new_id


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        (None, None),
        ("", None),
        (" \r\n\t ", None),
        ("  Nice.  ", "Nice."),
        ("One\r\ntwo\rthree\nfour", "One\ntwo\nthree\nfour"),
        ("One\u2028two\u2029three", "One\ntwo\nthree"),
        ("a\tb", "a\tb"),
    ],
)
def test_text_is_tidied(text: str | None, tidied: str | None) -> None:
    assert tidy_text(text) == tidied


@given(st.text())
def test_tidying_twice_is_tidying_once(text: str) -> None:
    assert tidy_text(tidy_text(text)) == tidy_text(text)


def test_line_ends_do_not_count_twice_towards_the_limit() -> None:
    [given_] = tidy([Feedback(product_id="mug", stars=5, text="\r\n".join(["x"] * 2500))])
    assert check_feedback([given_], make_invitation()) == []


@pytest.mark.parametrize("product_id", ["asked", "taken-out"])
def test_everything_ever_asked_about_may_be_rated(product_id: str) -> None:
    products = (
        InvitedProduct("asked", ("1001",)),
        InvitedProduct("taken-out", (), asked=True),
        InvitedProduct("never-asked", ()),
    )
    invitation = replace(make_invitation(), products=products)
    assert check_feedback([Feedback(product_id=product_id, stars=1)], invitation) == []
    [fault] = check_feedback([Feedback(product_id="never-asked", stars=1)], invitation)
    assert (fault.pointer, fault.code) == ("/ratings/0/product_id", "product_unknown")


def test_service_invitation_takes_the_service_alone() -> None:
    invitation = make_invitation(kind=Kind.SERVICE, products=())
    assert check_feedback([Feedback(product_id=None, stars=5)], invitation) == []
    [fault] = check_feedback([Feedback(product_id="mug", stars=5)], invitation)
    assert fault.code == "product_unknown"


@pytest.mark.parametrize("stars", [-1, 0, 6, 10**9])
def test_stars_go_from_one_to_five(stars: int) -> None:
    [fault] = check_feedback([Feedback(product_id="mug", stars=stars)], make_invitation())
    assert (fault.pointer, fault.code) == ("/ratings/0/stars", "stars_out_of_range")


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "\u202egnp.exe", "\ud800"])
def test_text_that_is_not_plain_is_refused(text: str) -> None:
    [fault] = check_feedback([Feedback(product_id="mug", stars=5, text=text)], make_invitation())
    assert (fault.pointer, fault.code) == ("/ratings/0/review/text", "text_not_plain")


@pytest.mark.parametrize("text", ["Fint!\n\n👩\u200d👧 مرحبا\u200f 日本語\tOK", "x" * 5000])
def test_plain_text_of_any_language_is_taken(text: str) -> None:
    assert check_feedback([Feedback(product_id="mug", stars=5, text=text)], make_invitation()) == []


def test_more_ratings_than_an_order_has_lines_are_refused() -> None:
    [fault] = check_feedback([Feedback(product_id="mug", stars=5)] * (MAX_RATINGS + 1), make_invitation())
    assert (fault.pointer, fault.code) == ("/ratings", "too_long")


def test_text_needs_consent_and_stars_do_not() -> None:
    feedback = [Feedback(product_id="mug", stars=5, text="Nice.", consent=False)]
    [fault] = check_feedback(feedback, make_invitation())
    assert (fault.pointer, fault.code) == ("/ratings/0/review/consent", "consent_missing")
    assert check_feedback([replace(feedback[0], text=None)], make_invitation()) == []


def make_rating(text: str | None = "Nice.") -> Rating:
    return Rating(
        id=new_id(),
        invitation_id=new_id(),
        product_id="mug",
        stars=4,
        state=PublishState.PUBLISHED,
        review_text=text,
        review_state=PublishState.PUBLISHED if text is not None else None,
        reviewed_at=NOON if text is not None else None,
        created_at=NOON - timedelta(days=90),
        updated_at=NOON + timedelta(days=29),
    )


def test_rating_can_be_changed_until_its_text_is_thirty_days_old() -> None:
    rating = make_rating()
    assert editable_until(rating) == NOON + EDITABLE_FOR
    assert is_editable(rating, now=NOON + EDITABLE_FOR - timedelta(microseconds=1))
    assert not is_editable(rating, now=NOON + EDITABLE_FOR)


def test_rating_without_a_text_stays_open() -> None:
    assert editable_until(make_rating(text=None)) is None
    assert is_editable(make_rating(text=None), now=NOON + timedelta(days=3650))


@pytest.mark.parametrize(
    ("given_", "is_change"),
    [
        (Feedback(product_id="mug", stars=4), False),
        (Feedback(product_id="mug", stars=4, text="Nice."), False),
        (Feedback(product_id="mug", stars=5), True),
        (Feedback(product_id="mug", stars=4, text="No."), True),
        (Feedback(product_id="tent", stars=1), False),
    ],
)
def test_only_what_would_change_something_is_too_late(given_: Feedback, *, is_change: bool) -> None:
    fresh = Feedback(product_id="lamp", stars=1)
    faults = check_age([fresh, given_], {"mug": make_rating()}, now=NOON + EDITABLE_FOR)
    assert [(fault.pointer, fault.code) for fault in faults] == [("/ratings/1", "too_old_to_change")] * is_change
