"""E-mails that follow an answer: what they say, that text and HTML say the same, and that no name breaks them."""

import re
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invite_service.domain.branding import Branding
from invite_service.domain.message import Message, Notice
from invite_service.rendering.links import Links
from invite_service.rendering.notices import (
    GivenAnswer,
    NoticeContent,
    ReplyNotice,
    SupportNotice,
    VoucherNotice,
    render_notice,
)
from invite_service.rendering.texts import LANGUAGES
from invite_service.storage.sending import ProductCard
from tests.rendering.messages import ATTEMPT_ID, LINKS, MUG, SENDER, TENT, build_slowly
from tests.rendering.reading import (
    GMAIL_CLIPS_AT,
    check_mail,
    contents_of,
    elements_of,
    headers_of,
    links_of,
    parse,
    preheader_of,
)
from tests.support.builders import NOON, make_branding, make_invitation, make_merchant

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)

MAILS = Path(__file__).parents[1] / "data" / "mails"
"""What is said in a language: subject, preheader and plain text."""

REVIEW = "Lovely mug.\n\nThe handle is small, though."
REPLY = "Thank you, Kari!\nA larger handle is on its way."

CONTENTS: dict[Notice, NoticeContent] = {
    Notice.REPLY_NOTICE: ReplyNotice(
        answer=GivenAnswer(product=MUG, stars=4, text=REVIEW), reply=REPLY, editable_until=date(2026, 4, 9)
    ),
    Notice.VOUCHER: VoucherNotice(code="TAKK-7K2P9", terms="10 % off everything.\nOnce per customer."),
    Notice.SUPPORT_NOTICE: SupportNotice(
        answer=GivenAnswer(product=TENT, stars=1, text=REVIEW), shown_by=date(2026, 3, 17)
    ),
}


def render(content: NoticeContent, **changes: Any) -> Message:
    arguments: dict[str, Any] = {
        "invitation": make_invitation(),
        "merchant": make_merchant(),
        "branding": make_branding(),
        "links": LINKS,
        "attempt_id": ATTEMPT_ID,
        "sender": SENDER.email,
        "at": NOON,
    }
    return render_notice(content, **{**arguments, **changes})


@pytest.mark.parametrize("language", ["en", "nb"])
@pytest.mark.parametrize("notice", CONTENTS)
def test_notice_says_this(notice: Notice, language: str) -> None:
    message = render(CONTENTS[notice], invitation=make_invitation(language=language))
    said = f"{message.subject}\n{preheader_of(message)}\n\n{message.text}"
    assert said == (MAILS / f"{notice}_{language}.txt").read_text()
    assert message.step is notice


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("notice", CONTENTS)
def test_assembled_mail_is_what_the_standard_library_builds(notice: Notice, language: str) -> None:
    message = render(
        CONTENTS[notice],
        invitation=make_invitation(language=language),
        branding=make_branding(reply_to="help@gifts.example"),
    )
    expected = message_from_bytes(build_slowly(message).as_bytes(), policy=default)
    assert isinstance(expected, EmailMessage)
    parsed = parse(message)
    assert headers_of(parsed) == headers_of(expected)
    assert contents_of(parsed) == contents_of(expected)
    assert parsed["Feedback-ID"] == f"{notice}:gift-shop:invitation:f20592729ed2"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("notice", CONTENTS)
def test_html_says_what_the_plain_text_says(notice: Notice, language: str) -> None:
    message = render(CONTENTS[notice], invitation=make_invitation(language=language))
    elements = elements_of(message)
    spoken = [*elements.words, *(span["aria-label"] or "" for span in elements.of("span") if "aria-label" in span)]
    said = " ".join(" ".join(spoken).split())
    shown = [
        line.removesuffix(":") for line in message.text.splitlines() if line and not line.startswith(("http", "-"))
    ]
    assert [line for line in shown if " ".join(line.split()) not in said] == []
    links = set(re.findall(r"https://\S+", message.text))
    assert set(links_of(message)) == links


@pytest.mark.parametrize("notice", CONTENTS)
def test_html_holds_in_outlook_and_for_screen_readers(notice: Notice) -> None:
    message = render(CONTENTS[notice])
    elements = elements_of(message)
    assert {table["role"] for table in elements.of("table")} == {"presentation"}
    assert all("alt" in picture for picture in elements.of("img"))
    assert elements.of("html")[0]["lang"] == "nb"
    assert [tag for tag in ("script", "link", "form", "iframe") if elements.of(tag)] == []
    assert all(cell.get("style") for cell in elements.of("h1", "h2", "p"))
    assert message.html is not None
    assert "prefers-color-scheme: dark" in message.html
    assert "<!--part" not in message.html
    assert not re.search("[\ue000\ue001]", message.html + message.text)


def test_service_is_named_and_has_no_picture() -> None:
    answer = GivenAnswer(product=None, stars=2)
    message = render(ReplyNotice(answer=answer, reply="Thanks."), invitation=make_invitation(language="en"))
    assert "Your review:\n\nYour experience with The Gift Shop\n2 of 5 stars\n\nSee your review:" in message.text
    assert [picture["alt"] for picture in elements_of(message).of("img")] == ["The Gift Shop"]


def test_stars_stand_as_they_were_given() -> None:
    message = render(SupportNotice(answer=GivenAnswer(product=MUG, stars=2)))
    assert [words for words in elements_of(message).words if "★" in words] == ["★★", "★★★"]


def test_review_that_can_no_longer_be_changed_is_not_said_to_be() -> None:
    answer = GivenAnswer(product=MUG, stars=5, text="Fine.")
    message = render(ReplyNotice(answer=answer, reply="Thanks."), invitation=make_invitation(language="en"))
    assert "edit" not in message.text


def test_voucher_without_terms_or_shop_has_neither() -> None:
    content = VoucherNotice(code="X1", terms=" \n ")
    message = render(content, merchant=make_merchant(homepage_url=""), invitation=make_invitation(language="en"))
    assert "About this voucher" not in message.text
    assert "Go to" not in message.text
    assert "Enter the code at the checkout.\n\n----\nThe Gift Shop\n\nYou are" in message.text


def test_support_that_has_no_address_has_no_button() -> None:
    message = render(CONTENTS[Notice.SUPPORT_NOTICE], branding=Branding())
    assert "Kontakt" not in message.text
    assert "Svaret ditt:" in message.text


@pytest.mark.parametrize("notice", CONTENTS)
def test_mail_stays_below_what_gmail_clips(notice: Notice) -> None:
    long = "製😀" * 5_000
    answer = GivenAnswer(
        product=ProductCard("1", long, None, f"https://gifts.example/{'p' * 1900}.jpg"), stars=1, text=long
    )
    contents: dict[Notice, NoticeContent] = {
        Notice.REPLY_NOTICE: ReplyNotice(answer=answer, reply=long, editable_until=date(2026, 4, 9)),
        Notice.VOUCHER: VoucherNotice(code=long, terms=long),
        Notice.SUPPORT_NOTICE: SupportNotice(answer=answer, shown_by=date(2026, 4, 9)),
    }
    message = render(
        contents[notice],
        invitation=make_invitation(customer_name=long),
        merchant=make_merchant(name=long, homepage_url="https://gifts.example/" + "h" * 400),
        links=Links(LINKS.page + "x" * 300, LINKS.unsubscribe),
    )
    assert message.raw is not None
    assert len(message.raw) < 100_000 < GMAIL_CLIPS_AT


def test_markup_in_what_people_write_is_text() -> None:
    nasty = "<script>alert(1)</script>\"'&amp;\n{{ 7 * 7 }} <!--part x-->y<!--end--> \ue000page\ue001"
    answer = GivenAnswer(product=ProductCard(nasty, nasty, None, None), stars=3, text=nasty)
    for content in (ReplyNotice(answer=answer, reply=nasty), VoucherNotice(code=nasty, terms=nasty)):
        message = render(content, invitation=make_invitation(customer_name=nasty, language="en"))
        elements = elements_of(message)
        assert elements.of("script") == []
        lines = ["<script>alert(1)</script>\"'&amp;", "{{ 7 * 7 }} <!--part x-->y<!--end--> page"]
        assert [line for line in lines if line not in elements.words] == []
        assert "\n".join(lines) in message.text


@given(name=ANY_TEXT, reply=ANY_TEXT, review=ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_nothing_that_people_write_breaks_a_mail(name: str, reply: str, review: str) -> None:
    answer = GivenAnswer(product=ProductCard("1", name, None, None), stars=3, text=review)
    invitation = make_invitation(customer_name=name)
    merchant = make_merchant(name=name)
    check_mail(render(ReplyNotice(answer=answer, reply=reply), invitation=invitation, merchant=merchant))
    check_mail(render(VoucherNotice(code=reply, terms=review), invitation=invitation, merchant=merchant))


def test_link_that_is_no_web_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        render(CONTENTS[Notice.VOUCHER], links=Links("javascript:alert(1)", LINKS.unsubscribe))
