"""What becomes of stars and text."""

from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.errors import Fault
from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.publishing import Approval, HoldScope, NameDisplay, PublishingSettings, RejectReason
from invite_service.rules.publishing import (
    Publishing,
    RatingPart,
    check_settings,
    decide_publishing,
    display_name,
    has_media_link,
    hold,
    publish,
    publish_when_due,
    reject,
)
from tests.support.builders import NOON

PUBLISHED, PENDING = PublishState.PUBLISHED, PublishState.PENDING
NEEDS_ATTENTION, REJECTED = PublishState.NEEDS_ATTENTION, PublishState.REJECTED

AUTOMATIC = PublishingSettings()

PICTURE = "See https://img.example/mug.jpg"


TRIGGER = PublishingSettings(approval=Approval.SUPPORT_TRIGGER)
MANUAL = PublishingSettings(approval=Approval.MANUAL)
EVERYONE = replace(TRIGGER, support_hold_scope=HoldScope.ALL_RATINGS)
WITH_TEXT = replace(TRIGGER, support_requires_review=True)

FIVE_DAYS = timedelta(days=5)


def make_rating(
    *,
    stars: int = 4,
    state: PublishState = PUBLISHED,
    text: str | None = "Nice.",
    review_state: PublishState | None = PUBLISHED,
    **changes: Any,
) -> Rating:
    return Rating(
        id=UUID(int=1),
        invitation_id=UUID(int=2),
        product_id="mug",
        stars=stars,
        state=state,
        review_text=text,
        review_state=review_state,
        created_at=NOON,
        updated_at=NOON,
        **changes,
    )


def decide(
    stars: int,
    text: str | None = None,
    *,
    stored: Rating | None = None,
    settings: PublishingSettings = AUTOMATIC,
    now: datetime = NOON,
) -> Publishing:
    """Decide with holds of five days, whatever weekdays they are."""
    return decide_publishing(
        stars, text, stored=stored, settings=settings, now=now, end_of_hold=lambda began_at: began_at + FIVE_DAYS
    )


def waiting(text: PublishState | None, *, since: datetime = NOON, alerts: bool = True) -> Publishing:
    return Publishing(stars=PENDING, text=text, publish_at=since + FIVE_DAYS, held_since=since, alerts_support=alerts)


@pytest.mark.parametrize(
    ("settings", "stars", "text", "expected"),
    [
        (AUTOMATIC, 1, None, Publishing(stars=PUBLISHED, text=None)),
        (AUTOMATIC, 1, "Bad.", Publishing(stars=PUBLISHED, text=PUBLISHED)),
        (AUTOMATIC, 5, PICTURE, Publishing(stars=PUBLISHED, text=NEEDS_ATTENTION)),
        (MANUAL, 1, None, Publishing(stars=PUBLISHED, text=None)),
        (MANUAL, 1, "Bad.", Publishing(stars=PUBLISHED, text=NEEDS_ATTENTION)),
        (TRIGGER, 4, None, Publishing(stars=PUBLISHED, text=None)),
        (TRIGGER, 4, "Fine.", Publishing(stars=PUBLISHED, text=PUBLISHED)),
        (TRIGGER, 3, None, waiting(None)),
        (TRIGGER, 1, "Bad.", waiting(PENDING)),
        (TRIGGER, 1, PICTURE, waiting(NEEDS_ATTENTION)),
        (EVERYONE, 5, None, waiting(None, alerts=False)),
        (EVERYONE, 5, "Fine.", waiting(PENDING, alerts=False)),
        (EVERYONE, 2, "Bad.", waiting(PENDING)),
        (WITH_TEXT, 1, None, Publishing(stars=PUBLISHED, text=None)),
        (WITH_TEXT, 1, "Bad.", waiting(PENDING)),
        (WITH_TEXT, 4, "Fine.", Publishing(stars=PUBLISHED, text=PUBLISHED)),
        (replace(TRIGGER, support_max_stars=1), 2, None, Publishing(stars=PUBLISHED, text=None)),
    ],
)
def test_first_word_is_published_or_waits(
    settings: PublishingSettings, stars: int, text: str | None, expected: Publishing
) -> None:
    assert decide(stars, text, settings=settings) == expected


def test_pictures_wait_for_the_merchant_like_links_to_them() -> None:
    decided = decide_publishing(
        5,
        "Nice.",
        stored=None,
        settings=AUTOMATIC,
        now=NOON,
        end_of_hold=lambda began_at: began_at,
        has_pictures=True,
    )
    assert decided == Publishing(stars=PUBLISHED, text=NEEDS_ATTENTION)


def test_states_are_decided_again_when_the_customer_edits() -> None:
    low = make_rating(
        stars=2, state=PENDING, text=None, review_state=None, held_since=NOON, publish_at=NOON + FIVE_DAYS
    )
    later = NOON + timedelta(days=2)
    assert decide(5, stored=low, settings=TRIGGER, now=later) == Publishing(stars=PUBLISHED, text=None, held_since=NOON)
    # Neither a text nor a low rating that comes back restarts the clock.
    assert decide(1, "Bad.", stored=low, settings=TRIGGER, now=later) == waiting(PENDING)
    # A hold that has run out holds nothing any more.
    assert decide(1, "Bad.", stored=low, settings=TRIGGER, now=NOON + FIVE_DAYS) == Publishing(
        stars=PUBLISHED, text=PUBLISHED, held_since=NOON, alerts_support=True
    )


def test_clock_starts_with_the_first_text_where_stars_alone_do_not_wait() -> None:
    stored = make_rating(stars=1, text=None, review_state=None)
    later = NOON + timedelta(days=2)
    assert decide(1, "Bad.", stored=stored, settings=WITH_TEXT, now=later) == waiting(PENDING, since=later)


@pytest.mark.parametrize("state", [PENDING, REJECTED])
def test_what_the_merchant_held_or_rejected_stands(state: PublishState) -> None:
    whole = make_rating(state=state, is_fixed=True, review_state=state, is_review_fixed=True)
    assert decide(5, "New.", stored=whole) == Publishing(stars=state, text=state)
    text_only = make_rating(review_state=state, is_review_fixed=True)
    assert decide(5, "New.", stored=text_only) == Publishing(stars=PUBLISHED, text=state)
    stars_only = make_rating(state=state, is_fixed=True)
    assert decide(5, "New.", stored=stars_only) == Publishing(stars=state, text=PUBLISHED)


def test_text_that_joins_rejected_stars_is_rejected_too() -> None:
    stored = make_rating(state=REJECTED, is_fixed=True, text=None, review_state=None)
    assert decide(5, "New.", stored=stored) == Publishing(stars=REJECTED, text=REJECTED)


def test_what_the_merchant_published_is_judged_anew_when_it_is_edited() -> None:
    approved = publish(make_rating(review_state=NEEDS_ATTENTION))
    assert approved.review_state is PUBLISHED
    assert decide(4, "New.", stored=approved, settings=MANUAL) == Publishing(stars=PUBLISHED, text=NEEDS_ATTENTION)


def test_merchant_publishes_holds_and_rejects() -> None:
    held_by_rule = make_rating(
        stars=1, state=PENDING, review_state=PENDING, held_since=NOON, publish_at=NOON + FIVE_DAYS
    )
    published = publish(held_by_rule)
    assert published == make_rating(stars=1, held_since=NOON)
    assert publish(published) == published
    held = hold(held_by_rule)
    fixed: dict[str, Any] = {"is_fixed": True, "is_review_fixed": True, "held_since": NOON}
    assert held == make_rating(stars=1, state=PENDING, review_state=PENDING, **fixed)
    rejected = reject(held, RejectReason.SPAM)
    assert rejected == make_rating(
        stars=1, state=REJECTED, review_state=REJECTED, reject_reason=RejectReason.SPAM, **fixed
    )
    assert publish(rejected) == published


def test_parts_are_settled_apart() -> None:
    stored = make_rating(stars=1, state=PENDING, review_state=PENDING, held_since=NOON, publish_at=NOON + FIVE_DAYS)
    without_text = reject(stored, RejectReason.PERSONAL_DATA, [RatingPart.REVIEW])
    assert without_text == replace(
        stored, review_state=REJECTED, is_review_fixed=True, reject_reason=RejectReason.PERSONAL_DATA
    )
    # The stars' hold goes on, and ends by itself.
    after = publish_when_due(without_text, now=NOON + FIVE_DAYS)
    assert after == replace(without_text, state=PUBLISHED, publish_at=None)
    assert publish(after, [RatingPart.REVIEW]) == make_rating(stars=1, held_since=NOON)


def test_hold_ends_on_its_day_and_not_before() -> None:
    pending = make_rating(stars=1, state=PENDING, review_state=PENDING, held_since=NOON, publish_at=NOON + FIVE_DAYS)
    assert publish_when_due(pending, now=NOON + FIVE_DAYS - timedelta(seconds=1)) == pending
    assert publish_when_due(pending, now=NOON + FIVE_DAYS) == make_rating(stars=1, held_since=NOON)
    waiting_for_merchant = replace(pending, review_state=NEEDS_ATTENTION)
    assert publish_when_due(waiting_for_merchant, now=NOON + FIVE_DAYS).review_state is NEEDS_ATTENTION


@given(
    stars=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    text=st.sampled_from([None, "Word.", PICTURE]),
    approval=st.sampled_from(Approval),
    scope=st.sampled_from(HoldScope),
    requires_review=st.booleans(),
    max_stars=st.integers(1, 4),
    age=st.integers(0, 10),
)
def test_time_of_publishing_depends_on_the_stars_under_low_ratings_only(
    stars: tuple[int, int],
    text: str | None,
    approval: Approval,
    scope: HoldScope,
    requires_review: bool,
    max_stars: int,
    age: int,
) -> None:
    settings = PublishingSettings(
        approval=approval,
        support_hold_scope=scope,
        support_requires_review=requires_review,
        support_max_stars=max_stars,
    )
    first = make_rating(text=None, review_state=None, held_since=NOON - timedelta(days=age))
    for stored in (None, first):
        one, other = (
            replace(decide(count, text, stored=stored, settings=settings), alerts_support=False) for count in stars
        )
        assert one == other or (
            approval is Approval.SUPPORT_TRIGGER
            and scope is HoldScope.LOW_RATINGS
            and min(stars) <= max_stars < max(stars)
        )


def test_faulty_settings_are_all_named() -> None:
    settings = PublishingSettings(
        support_max_stars=5, support_hold_working_days=0, working_days=("mon", "someday"), holiday_region="OSL"
    )
    assert [(fault.pointer, fault.code) for fault in check_settings(settings)] == [
        ("/support_max_stars", "out_of_range"),
        ("/support_hold_working_days", "out_of_range"),
        ("/working_days", "unknown_day"),
        ("/holiday_region", "country_missing"),
    ]
    assert check_settings(PublishingSettings(working_days=())) == [
        Fault("/working_days", "empty", "At least one day is needed.")
    ]
    assert check_settings(AUTOMATIC) == []


@pytest.mark.parametrize(
    "text",
    [
        "https://img.example/mug.jpg",
        "http://img.example/a/b.PNG?size=2",
        "www.img.example/mug.webp",
        "img.example/x/mug.mp4",
        "https://youtu.be/abc",
        "(https://www.youtube.com/watch?v=abc)",
        "Look: m.youtube.com/watch?v=abc",
        "vimeo.com/1234",
        "https://photos.app.goo.gl/abc",
        "https://www.instagram.com/p/abc",
    ],
)
def test_link_to_a_picture_or_a_video_is_seen(text: str) -> None:
    assert has_media_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nice mug.",
        "I saw it on instagram.com",
        "https://gifts.example/p/mug",
        "mug.jpg",
        "Send it to e@youtube.com/x",
        "Great.Thanks/mate",
        "notyoutube.com/x",
        "The png/jpg files came too.",
    ],
)
def test_other_text_has_no_media_link(text: str) -> None:
    assert not has_media_link(text)


@pytest.mark.parametrize(
    "text", ["a" * 5000, "a." * 2500, "http://" * 700, "a.aa/" * 1000, "youtube.com" * 450, ".jpg" * 1250]
)
def test_looking_for_links_takes_no_time(text: str) -> None:
    started = perf_counter()
    has_media_link(text)
    assert perf_counter() - started < 5


@pytest.mark.parametrize(
    ("name", "displayed"),
    [
        (None, ""),
        ("", ""),
        ("  ", ""),
        ("Kari", "Kari"),
        ("Kari Nordmann", "Kari N."),
        ("kari nordmann", "kari N."),
        ("Nordmann, Kari", "Kari N."),
        ("Ola Per Hansen", "Ola H."),
        ("Hansen, Per, Dr.", ""),
        (", Kari", "Kari"),
        ("kari@example.com", ""),
        ("李小龍", "李小龍"),
    ],
)
def test_name_is_shown_as_first_name_and_initial(name: str | None, displayed: str) -> None:
    assert display_name(name) == displayed


@given(st.text())
def test_shown_name_is_short_whatever_was_posted(name: str) -> None:
    assert len(display_name(name)) <= 45


@pytest.mark.parametrize(
    ("display", "displayed"),
    [(NameDisplay.FULL, "Kari Nordmann"), (NameDisplay.FIRST_NAME_INITIAL, "Kari N."), (NameDisplay.ANONYMOUS, "")],
)
def test_name_is_shown_as_the_merchant_chose(display: NameDisplay, displayed: str) -> None:
    assert display_name("Nordmann,  Kari", display) == displayed
    assert display_name("kari@example.com", display) == ""
    assert len(display_name("Kari " * 1000, display)) <= 100
