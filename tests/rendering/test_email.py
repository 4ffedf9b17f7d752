"""E-mails: the assembled bytes are what the standard library would have built, and hold in every mail reader."""

import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Step
from invite_service.rendering.email import MAX_SHOWN_PRODUCTS
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.preparing import EmailSender
from invite_service.rendering.texts import LANGUAGES
from invite_service.storage.sending import ProductCard
from tests.rendering.messages import (
    ATTEMPT_ID,
    LINKS,
    MUG,
    TENT,
    build_slowly,
    make_service_invitation,
    render_message,
)
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
from tests.support.builders import make_branding, make_invitation, make_merchant

UNBROKEN_SPACES = ("\xa0", "\u202f")
"""Set before signs such as colons and question marks in some languages."""

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("customer_name", ["Kari Nordmann", 'Åse "Ås" Ødegård, jr.', None])
def test_assembled_mail_is_what_the_standard_library_builds(
    step: Step, language: str, customer_name: str | None
) -> None:
    make = make_service_invitation if step is Step.SERVICE else make_invitation
    invitation = make(language=language, customer_name=customer_name)
    message = render_message(
        invitation, step=step, products=(MUG, TENT), branding=make_branding(reply_to="help@gifts.example")
    )
    expected = message_from_bytes(build_slowly(message).as_bytes(), policy=default)
    assert isinstance(expected, EmailMessage)
    parsed = parse(message)
    assert headers_of(parsed) == headers_of(expected)
    assert contents_of(parsed) == contents_of(expected)
    assert contents_of(parsed) == [("text/plain", message.text), ("text/html", message.html)]
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.defects for part in parsed.walk()] == [[], [], []]


def test_headers_are_these() -> None:
    parsed = parse(render_message(branding=make_branding(reply_to="help@gifts.example")))
    assert dict(parsed.items()) == {
        "Message-ID": f"<{ATTEMPT_ID}@reviews.example.com>",
        "Date": "Tue, 10 Mar 2026 12:00:00 +0000",
        "To": "Kari Nordmann <kari@example.com>",
        "List-Unsubscribe": f"<{LINKS.unsubscribe}>",
        "From": "The Gift Shop <invitations@reviews.example.com>",
        "Reply-To": "help@gifts.example",
        "Subject": "Har du fått bestillingen din fra The Gift Shop?",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<gift-shop.invitations.reviews.example.com>",
        "Feedback-ID": "product_1:gift-shop:invitation:f20592729ed2",
        "Content-Language": "nb",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_invite_service_parts"',
    }


def test_date_is_the_instant_passed_in_whatever_its_zone() -> None:
    at = datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert parse(render_message(at=at))["Date"] == "Tue, 30 Jun 2026 23:30:00 +0000"


def test_message_says_of_itself_what_its_bytes_say() -> None:
    message = render_message()
    parsed = parse(message)
    assert (message.message_id, message.subject) == (parsed["Message-ID"], parsed["Subject"])
    assert message.headers == {
        name: parsed[name]
        for name in (
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            "List-Id",
            "Feedback-ID",
            "Content-Language",
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
        )
    }
    assert (message.attempt_id, message.idempotency_key) == (ATTEMPT_ID, str(ATTEMPT_ID))


def test_same_arguments_give_the_same_bytes() -> None:
    invitation = make_invitation()
    assert render_message(invitation).raw == render_message(invitation).raw


@pytest.mark.parametrize(
    ("branding", "sender", "expected"),
    [
        (Branding(), EmailSender("in@reviews.example"), "The Gift Shop <in@reviews.example>"),
        (Branding(), EmailSender("in@reviews.example", "Reviews"), "Reviews <in@reviews.example>"),
        (
            Branding(sender_name="Gifts", sender_email="shop@gifts.example"),
            EmailSender("in@reviews.example", "Reviews"),
            "Gifts <shop@gifts.example>",
        ),
    ],
)
def test_sender_is_the_merchants_else_the_installations(branding: Branding, sender: EmailSender, expected: str) -> None:
    message = render_message(branding=branding, sender=SenderDefaults(email=sender, sms_sender="X"))
    assert parse(message)["From"] == expected


def test_language_without_texts_is_written_in_english() -> None:
    message = render_message(make_invitation(language="is"))
    assert message.subject == "Has your order from The Gift Shop arrived?"
    assert elements_of(message).of("html")[0]["lang"] == "en"


def test_product_1_asks_about_delivery_with_both_links() -> None:
    message = render_message()
    answers = [link for link in links_of(message) if link.startswith(LINKS.page)]
    assert answers == [f"{LINKS.page}?received=yes", f"{LINKS.page}?received=no"]
    assert not any("stars=" in link for link in links_of(message))


def test_product_2_has_five_stars_for_each_product() -> None:
    message = render_message(step=Step.PRODUCT_2, products=(MUG, TENT))
    assert [link for link in links_of(message) if "stars=" in link] == [
        f"{LINKS.page}?stars={stars}&product_id={product_id}"
        for product_id in ("mug", "tents%2F2%23a")
        for stars in range(1, 6)
    ]


def test_service_has_five_stars_and_no_product() -> None:
    message = render_message(step=Step.SERVICE)
    assert [link for link in links_of(message) if "stars=" in link] == [
        f"{LINKS.page}?stars={stars}" for stars in range(1, 6)
    ]


def test_page_of_the_merchants_own_may_have_a_query() -> None:
    links = Links("https://gifts.example/p/mug?ref=mail&invite_token=T", LINKS.unsubscribe)
    message = render_message(links=links)
    for answer in ("yes", "no"):
        assert f"{links.page}&received={answer}" in links_of(message)
        assert f"{links.page}&received={answer}" in message.text


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_text_says_what_the_html_says(step: Step, language: str) -> None:
    make = make_service_invitation if step is Step.SERVICE else make_invitation
    message = render_message(make(language=language), step=step, products=(MUG, TENT))
    unseen = {character for character in message.text if not character.isprintable()}
    assert unseen <= {"\n", *UNBROKEN_SPACES}
    links = set(re.findall(r"https://\S+", message.text))
    assert {link for link in links_of(message) if link.startswith("https://")} == links
    stars = {"★", "1", "2", "3", "4", "5"}
    spoken = [" ".join(words.split()) for words in elements_of(message).words if "gifts.example" not in words]
    text = " ".join(message.text.split())
    missing = [words for words in spoken if words not in stars and words not in text]
    assert missing == [" ".join(words.split()) for words in (message.subject, preheader_of(message))][: len(missing)]


@pytest.mark.parametrize("step", Step)
def test_html_holds_in_outlook_and_for_screen_readers(step: Step) -> None:
    message = render_message(step=step, products=(MUG, TENT))
    elements = elements_of(message)
    assert {table["role"] for table in elements.of("table")} == {"presentation"}
    assert all("alt" in picture for picture in elements.of("img"))
    assert elements.of("html")[0]["lang"] == "nb"
    assert [tag for tag in ("script", "link", "form", "iframe") if elements.of(tag)] == []
    assert all(cell.get("style") for cell in elements.of("h1", "p"))
    assert message.html is not None
    assert "prefers-color-scheme: dark" in message.html
    assert "<!--[if mso]>" in message.html
    assert "<!--part" not in message.html
    assert not re.search("[\ue000\ue001]", message.html + message.text)


def test_logo_stands_for_its_alt_text_with_images_off() -> None:
    pictures = elements_of(render_message()).of("img")
    assert [picture["alt"] for picture in pictures] == ["The Gift Shop", ""]


def test_products_beyond_the_first_dozen_are_counted() -> None:
    products = [ProductCard(str(number), f"Product {number}", None, None) for number in range(30)]
    message = render_message(products=products)
    shown = [words for words in elements_of(message).words if words.startswith("Product ")]
    assert shown == [f"Product {number}" for number in range(MAX_SHOWN_PRODUCTS)]
    assert "og 18 varer til" in elements_of(message).words
    assert "og 18 varer til" in message.text


def test_product_without_a_name_has_a_stand_in() -> None:
    message = render_message(make_invitation(language="en"), products=[ProductCard("1", " ", None, None)])
    assert "A product you bought" in elements_of(message).words
    assert "A product you bought" in message.text


@pytest.mark.parametrize("step", Step)
def test_mail_stays_below_what_gmail_clips(step: Step) -> None:
    long = "製" * 600
    products = [
        ProductCard("製" * 99 + str(number), long, None, f"https://gifts.example/{'p' * 1900}.jpg")
        for number in range(200)
    ]
    message = render_message(
        make_service_invitation(customer_name=long) if step is Step.SERVICE else make_invitation(customer_name=long),
        step=step,
        products=products,
        merchant=make_merchant(name=long, homepage_url="https://gifts.example/" + "h" * 400),
        links=Links(LINKS.page + "x" * 300, LINKS.unsubscribe),
    )
    assert message.raw is not None
    assert len(message.raw) < 100_000 < GMAIL_CLIPS_AT


def test_markup_in_names_is_text() -> None:
    nasty = "<script>alert(1)</script>\"'&amp;"
    message = render_message(
        make_invitation(customer_name=nasty, language="en"),
        products=[ProductCard(nasty, nasty, None, 'https://gifts.example/"onerror="x')],
        merchant=make_merchant(name=nasty),
        branding=Branding(support_url='https://gifts.example/"><script>'),
    )
    elements = elements_of(message)
    assert elements.of("script") == []
    assert f"Hi {nasty}," in elements.words
    assert all("onerror" not in picture for picture in elements.of("img"))


def test_text_of_the_service_in_a_name_is_not_a_gap() -> None:
    message = render_message(make_invitation(customer_name="\ue000page\ue001<!--part x-->y<!--end-->"))
    assert message.to_name == "page<!--part x-->y<!--end-->"
    assert "Hei, page<!--part x-->y<!--end-->!" in message.text


@given(name=ANY_TEXT, merchant_name=ANY_TEXT, product_name=ANY_TEXT)
@settings(max_examples=150, deadline=None)
def test_no_name_can_break_or_inject_a_header(name: str, merchant_name: str, product_name: str) -> None:
    message = render_message(
        make_invitation(customer_name=name),
        merchant=make_merchant(name=merchant_name),
        branding=Branding(),
        products=[ProductCard("1", product_name, None, None)],
    )
    check_mail(message)


@pytest.mark.parametrize(
    "text",
    [
        "Kari\r\nBcc: all@example.com\r\n\r\n<h1>",
        "Kari\nBcc: all@example.com",
        "Kari\x00\x0b\x0c\x1c\x85\u2028\u2029Bcc: x",
        "\u202emoc.elpmaxe@kari\u2066",
        "x" * 10_000,
        "å " * 5_000,
        "👩‍👩‍👧‍👦" * 50,
        "مريم בת 1 <a@b.example>",
        "=?utf-8?q?=0D=0ABcc:_x?=",
        "--=_invite_service_parts",
        '", <all@example.com>, "',
    ],
)
def test_nasty_names_stay_names(text: str) -> None:
    message = render_message(
        make_invitation(customer_name=text),
        merchant=make_merchant(name=text),
        branding=Branding(sender_name=text),
        products=[ProductCard(text[:100], text, None, None)],
    )
    check_mail(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"links": Links("https://reviews.example.com/i/A\r\nBcc: x", LINKS.unsubscribe)},
        {"links": Links(LINKS.page, "javascript:alert(1)")},
        {"branding": Branding(sender_email="a@b.example\r\nBcc: all@example.com")},
        {"branding": Branding(reply_to="a@b.example, c@d.example")},
        {"invitation": make_invitation(contact="kari@example.com>\r\nBcc: <all@example.com")},
    ],
)
def test_address_that_could_break_out_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="address"):
        render_message(**changes)


def test_international_address_travels_as_utf_8() -> None:
    message = render_message(make_invitation(contact="kåre@example.com"))
    assert message.raw is not None
    assert '"Kari Nordmann" <kåre@example.com>'.encode() in message.raw
