"""What becomes of stars and text."""

from time import perf_counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.feedback import PublishState, Rating
from invite_service.rules.publishing import Publishing, decide_publishing, display_name, has_media_link
from tests.support.builders import NOON

PUBLISHED, PENDING = PublishState.PUBLISHED, PublishState.PENDING
NEEDS_ATTENTION, REJECTED = PublishState.NEEDS_ATTENTION, PublishState.REJECTED

PICTURE = "See https://img.example/mug.jpg"


def make_rating(
    *,
    state: PublishState = PUBLISHED,
    text: str | None = "Nice.",
    review_state: PublishState | None = PUBLISHED,
) -> Rating:
    return Rating(
        id=UUID(int=1),
        invitation_id=UUID(int=2),
        product_id="mug",
        stars=4,
        state=state,
        review_text=text,
        review_state=review_state,
        created_at=NOON,
        updated_at=NOON,
    )


@pytest.mark.parametrize(
    ("text", "stored", "expected"),
    [
        (None, None, Publishing(PUBLISHED, None)),
        ("Nice.", None, Publishing(PUBLISHED, PUBLISHED)),
        (PICTURE, None, Publishing(PUBLISHED, NEEDS_ATTENTION)),
        ("New.", make_rating(), Publishing(PUBLISHED, PUBLISHED)),
        (PICTURE, make_rating(), Publishing(PUBLISHED, NEEDS_ATTENTION)),
        ("New.", make_rating(text=None, review_state=None), Publishing(PUBLISHED, PUBLISHED)),
        # The rule held it for its picture; without one nothing holds it.
        ("New.", make_rating(text=PICTURE, review_state=NEEDS_ATTENTION), Publishing(PUBLISHED, PUBLISHED)),
        # Whatever else it is, a merchant did it.
        ("New.", make_rating(review_state=NEEDS_ATTENTION), Publishing(PUBLISHED, NEEDS_ATTENTION)),
        ("New.", make_rating(review_state=PENDING), Publishing(PUBLISHED, PENDING)),
        ("New.", make_rating(review_state=REJECTED), Publishing(PUBLISHED, REJECTED)),
        ("New.", make_rating(state=REJECTED), Publishing(REJECTED, PUBLISHED)),
        (None, make_rating(state=NEEDS_ATTENTION, text=None, review_state=None), Publishing(NEEDS_ATTENTION, None)),
    ],
)
def test_states_are_decided(text: str | None, stored: Rating | None, expected: Publishing) -> None:
    assert decide_publishing(text, stored=stored) == expected


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
