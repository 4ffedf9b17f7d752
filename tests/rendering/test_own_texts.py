"""Messages in the merchant's own words: what stands where, what customers differ in, and that nothing breaks out."""

import re
from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.message import Message
from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.rendering.notices import VoucherNotice, render_notice
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rendering.text_checks import check_text
from invite_service.rendering.text_fields import FIELDS, words_of
from invite_service.rendering.texts import LANGUAGES, texts_of
from invite_service.rules.sms_segments import SmsEncoding, count_segments
from invite_service.storage.sending import ProductCard
from tests.rendering.messages import (
    ATTEMPT_ID,
    LINKS,
    MUG,
    SENDER,
    TENT,
    build_slowly,
    make_service_invitation,
    make_sms,
    render_message,
)
from tests.support.builders import NOON, make_branding, make_invitation, make_merchant

ANY_TEXT = st.text(st.characters(codec=None), max_size=120)

SAVED_TEXT = st.text(max_size=120)
"""What a merchant may save: without unpaired surrogates, which the API refuses and PostgreSQL does not hold."""

OURS: Mapping[str, FieldValue] = {
    "subject": "{{ customer_name | default: 'Du' }}, hva synes du om {{ product_name }}?",
    "preheader": "Ordre {{ order_id }}",
    "greeting": "Kjære {{ customer_name }}",
    "heading": "Hva synes du & dine?",
    "body": ("Takk fra {{ merchant_name }}.", "{% for p in products %}{{ p.name }}\n{% endfor %}", "  "),
    "button_yes": "Alt er her",
    "button_no": "Nei",
    "footer": "Gaver AS\nStorgata 1",
}


def make_text(
    fields: Mapping[str, FieldValue], *, name: TextName = TextName.PRODUCT_1, language: str = "nb", **changes: Any
) -> MerchantText:
    return MerchantText(name=name, language=language, version=7, fields=fields, **changes)


def make_texts(*texts: MerchantText) -> OwnTexts:
    return OwnTexts(texts)


def write(fields: Mapping[str, FieldValue], **changes: Any) -> Message:
    return render_message(own_texts=make_texts(make_text(fields)), **changes)


def parse(message: Message) -> EmailMessage:
    assert message.raw is not None
    parsed = message_from_bytes(message.raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


class Page(HTMLParser):
    """The tags of a document in their order, with their attributes, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def page_of(message: Message) -> Page:
    assert message.html is not None
    return Page(message.html)


def test_own_words_stand_in_both_parts_and_the_rest_is_the_catalogues() -> None:
    message = write(OURS, products=(MUG, TENT))
    assert message.subject == "Kari Nordmann, hva synes du om Blue mug?"
    assert (message.own_text_version, message.own_text_fault) == (7, None)
    lines = message.text.splitlines()
    assert lines[:8] == [
        "Kjære Kari Nordmann",
        "",
        "Hva synes du & dine?",
        "",
        "Takk fra The Gift Shop.",
        "",
        "Blue mug",
        "Telt «Fjell»",
    ]
    assert "Alt er her:" in lines
    assert lines[lines.index("Gaver AS") + 1] == "Storgata 1"
    assert "Meld meg av disse e-postene:" in lines
    html = message.html or ""
    assert re.search(r"<p [^>]*>Takk fra The Gift Shop.</p>\s*<p [^>]*>Blue mug<br>Telt «Fjell»</p>\s*<", html)
    assert "Gaver AS<br>Storgata 1" in html
    assert "<title>Kari Nordmann, hva synes du om Blue mug?</title>" in html
    assert "Hva synes du &amp; dine?" in html
    assert ">Ordre 1001</div>" in html
    assert f"{LINKS.page}?received=yes" in html


def test_paragraphs_look_like_the_catalogues() -> None:
    style = re.compile(r'<p [^>]*style="([^"]*)"[^>]*>([^<]*)')
    ours = {words: css for css, words in style.findall(write({"body": ("Our words.",)}).html or "")}
    plain = [css for css, words in style.findall(render_message().html or "") if "Kari Nordmann" in words]
    assert ours["Our words."] == plain[0]


@pytest.mark.parametrize("step", Step)
def test_assembled_mail_is_what_the_standard_library_builds(step: Step) -> None:
    invitation = make_service_invitation() if step is Step.SERVICE else make_invitation()
    fields = {field: value for field, value in OURS.items() if not field.startswith("button")}
    message = render_message(
        invitation, step=step, own_texts=make_texts(make_text(fields, name=TextName(step.value))), products=(MUG, TENT)
    )
    expected = message_from_bytes(build_slowly(message).as_bytes(), policy=default)
    parsed = parse(message)
    assert {**dict(parsed.items()), "Content-Type": ""} == {**dict(expected.items()), "Content-Type": ""}
    contents = [part.get_content().replace("\r\n", "\n") for part in parsed.iter_parts()]
    assert contents == [message.text, message.html]
    assert message.own_text_fault is None


def test_blank_fields_show_nothing() -> None:
    message = write({"greeting": "", "preheader": " ", "footer": "{% if customer_name == 'x' %}x{% endif %}"})
    assert message.text.startswith(texts_of("nb")("product_1_heading"))
    assert texts_of("nb")("footer_reason", merchant="The Gift Shop") not in message.text
    assert message.own_text_fault is None


def test_first_message_asks_for_stars_where_the_merchant_wants_it() -> None:
    stars = make_text({"heading": "Dine stjerner"}, asks_for=AsksFor.STARS)
    message = render_message(own_texts=make_texts(stars))
    assert "received=" not in message.text
    assert f"{LINKS.page}?stars=4&product_id=mug" in message.text
    assert "Dine stjerner" in message.text
    assert message.subject == texts_of("nb")("product_1_stars_subject", merchant="The Gift Shop")
    assert message.headers["Feedback-ID"].startswith("product_1:")
    second = render_message(step=Step.PRODUCT_2, own_texts=make_texts(stars))
    assert second.own_text_version is None


def test_texts_are_of_one_message_and_language() -> None:
    own_texts = make_texts(make_text({"subject": "Norsk"}), make_text({"subject": "English"}, language="en"))
    assert render_message(own_texts=own_texts).subject == "Norsk"
    assert render_message(make_invitation(language="en"), own_texts=own_texts).subject == "English"
    assert "own" not in render_message(step=Step.PRODUCT_2, own_texts=own_texts).subject
    assert render_message(step=Step.PRODUCT_2, own_texts=own_texts).own_text_version is None


def test_what_is_the_same_for_all_customers_is_prepared_once() -> None:
    own_texts = make_texts(make_text({"subject": "Fra {{ merchant_name }}", "body": ("Takk!",)}))
    one, other = (render_message(make_invitation(customer_name=name), own_texts=own_texts) for name in ("Kari", "Ola"))
    assert one.subject == other.subject == "Fra The Gift Shop"
    assert one.text.replace("Kari", "Ola") == other.text


def test_text_that_fails_for_a_customer_gives_way_to_the_catalogues_and_says_so() -> None:
    body = ("{% if product_count == 3 %}{{ products[9].name }}{% endif %}Takk",)
    own = make_text({"subject": "Vår", "body": body})
    assert check_text(own) == []
    own_texts = make_texts(own)
    assert render_message(own_texts=own_texts).own_text_fault is None
    products = [ProductCard(str(number), f"P{number}", None, None) for number in range(3)]
    message = render_message(own_texts=own_texts, products=products)
    assert (message.own_text_version, message.own_text_fault) == (7, "body:unknown_variable")
    assert message.html == render_message(products=products).html
    assert message.subject == texts_of("nb")("product_1_subject", merchant="The Gift Shop")


def test_long_own_text_with_many_products_stays_below_what_gmail_clips() -> None:
    body = ("漢" * 2_000, "漢" * 900)
    fields: dict[str, FieldValue] = {"subject": "漢" * 200, "heading": "漢" * 200, "footer": "漢" * 500, "body": body}
    own = make_text(fields)
    assert check_text(own) == []
    products = [ProductCard("漢" * 30 + str(number), "漢" * 120, None, None) for number in range(12)]
    message = render_message(own_texts=make_texts(own), products=products)
    assert message.own_text_fault is None
    assert message.raw is not None
    assert len(message.raw) < 102_000


def test_notices_have_own_words_too() -> None:
    voucher = make_text({"subject": "Kode til {{ customer_name }}", "body": ("Takk!",)}, name=TextName.VOUCHER)

    def render(own_texts: OwnTexts) -> Message:
        return render_notice(
            VoucherNotice(code="TAKK10"),
            make_invitation(),
            merchant=make_merchant(),
            branding=make_branding(),
            links=LINKS,
            attempt_id=ATTEMPT_ID,
            sender=SENDER.email,
            at=NOON,
            own_texts=own_texts,
        )

    message = render(make_texts(voucher))
    assert (message.subject, message.own_text_version) == ("Kode til Kari Nordmann", 7)
    assert "Takk!" in message.text
    assert "TAKK10" in message.text
    failing = render(make_texts(make_text({"body": ("{{ products[0].name }}",)}, name=TextName.VOUCHER)))
    assert failing.own_text_fault == "body:unknown_variable"
    assert failing.raw == render(make_texts()).raw


def test_sms_is_the_own_text_with_our_links_after_it() -> None:
    own = make_text({"text": "{{ merchant_name }}: Hei {{ customer_name }}!\nSvar her:"}, name=TextName.PRODUCT_SMS)
    message = render_message(make_sms(), own_texts=make_texts(own), merchant=make_merchant(name="Kari\u2019s"))
    assert message.text == (f"Kari's: Hei Kari Nordmann!\nSvar her: {LINKS.page}\nMeld deg av: {LINKS.unsubscribe}")
    assert count_segments(message.text).encoding is SmsEncoding.GSM_7
    assert message.own_text_version == 7


def test_sms_that_fails_gives_way_to_the_catalogues() -> None:
    own = make_text({"text": "{{ products[5].name }}"}, name=TextName.PRODUCT_SMS)
    message = render_message(make_sms(), own_texts=make_texts(own))
    assert message.text == render_message(make_sms()).text
    assert message.own_text_fault == "text:unknown_variable"


def test_text_that_cannot_be_read_any_more_is_as_if_it_were_not_there() -> None:
    assert write({"subject": "{% gone %}"}).subject == texts_of("nb")("product_1_subject", merchant="The Gift Shop")


@pytest.mark.parametrize(
    ("name", "fields", "faults"),
    [
        (
            TextName.PRODUCT_1,
            {"subject": "{{ nobody }}", "body": ("ok", "{{ a }} {{ b"), "button_yes": "{% x %}"},
            {
                ("/fields/subject", "unknown_variable", "Line 1, column 4: there is no such variable here."),
                ("/fields/body/1", "template_syntax", "Line 1, column 9: this is never closed."),
                ("/fields/button_yes", "unknown_tag", "Line 1, column 1: there is no such tag here."),
            },
        ),
        (
            TextName.PRODUCT_2,
            {"heading": "{{ customer_name }}", "subject": "", "body": (" ", "")},
            {
                (f"/fields/{field}", "blank", "It comes out blank for some customers.")
                for field in ("heading", "subject", "body")
            },
        ),
        (
            TextName.SERVICE,
            {"body": ("{{ products.first.name }}",)},
            {
                (
                    "/fields/body/0",
                    "unknown_variable",
                    "Line 1, column 4: there is no such variable here, or it has no such part.",
                )
            },
        ),
        (
            TextName.SERVICE_SMS,
            {"text": "x{{ customer_name }}" * 20},
            {("/fields/text", "too_long", "It comes out longer than 400 characters for some customers.")},
        ),
        (TextName.PAGE, {"ask_title": "{{ customer_name }}"}, {("/fields/ask_title", "unknown_variable", None)}),
        (
            TextName.PRODUCT_1,
            {"body": ("{% for a in products %}{% for b in products %}{{ a }}{% endfor %}{% endfor %}",)},
            {("/fields/body/0", "template_limit", None), ("/fields/body", "blank", None)},
        ),
    ],
)
def test_text_is_checked_with_the_worst_customers(
    name: TextName, fields: Mapping[str, FieldValue], faults: set[tuple[str, str, str | None]]
) -> None:
    found = check_text(make_text(fields, name=name))
    assert {(fault.pointer, fault.code) for fault in found} == {(pointer, code) for pointer, code, _ in faults}
    told = {(fault.pointer, fault.code): fault.detail for fault in found}
    assert all(told[pointer, code] == detail for pointer, code, detail in faults if detail is not None)


def test_shape_of_a_text_is_checked() -> None:
    fields: dict[str, FieldValue] = {
        "subject": ("x",),
        "body": "x",
        "heading": "x" * 501,
        "no/field": "x",
        "footer": "{{ x }}",
    }
    found = check_text(make_text(fields, name=TextName.SERVICE, asks_for=AsksFor.STARS))
    assert {fault.pointer: (fault.code, fault.detail) for fault in found} == {
        "/asks_for": ("unknown_field", "Only product_1 can be told what to ask for."),
        "/fields/subject": ("invalid_type", "Must be a string."),
        "/fields/body": ("invalid_type", "Must be a list of strings, one for each paragraph."),
        "/fields/heading": ("too_long", "At most 500 characters."),
        "/fields/no~1field": ("unknown_field", "This text has no field of this name."),
        "/fields/footer": ("unknown_variable", "Line 1, column 4: there is no such variable here."),
    }
    many = check_text(make_text({"body": ("x",) * 11}))
    assert [(fault.pointer, fault.code) for fault in many] == [("/fields/body", "too_long")]


def test_long_names_are_no_reason_to_refuse_a_text() -> None:
    body = ("{{ customer_name }} {{ merchant_name }} {{ product_names }} {{ order_id }}",)
    subject = "{{ customer_name }} {{ merchant_name }} {{ product_name }}{{ order_id }}"
    assert check_text(make_text({"subject": f"Hei {subject}", "body": (f"x{body[0]}",)})) == []


@settings(max_examples=100, deadline=None)
@given(SAVED_TEXT, ANY_TEXT, ANY_TEXT)
@example("x\r\nBcc: a@example.com", "Kari\r\nBcc: b@example.com", "</p><script>alert(1)</script>")
@example("=?utf-8?q?Bcc:_x?=", "<img src=x onerror=alert(1)>", "\ue000unsubscribe\ue001<!--part product-->x<!--end-->")
@example("漢" * 200, "Å" * 500, "a" * 500)
def test_no_template_and_no_value_can_inject_a_header_or_html(template: str, name: str, product: str) -> None:
    source = re.sub("[{}%]", "", template)
    fields: dict[str, FieldValue] = {
        "subject": f"x{source}{{{{ customer_name }}}}",
        "heading": f"x{source}{{{{ product_name }}}}",
        "greeting": f"x{source}{{{{ customer_name | upcase }}}}",
        "body": (f"x{source}", "x{{ product_names }}"),
        "footer": f"x{source}",
        "button_yes": f"x{source}",
    }
    products = (ProductCard("mug", product, None, None),)
    message = write(fields, products=products, invitation=make_invitation(customer_name=name))
    plain = write(
        {field: ("x", "x") if field == "body" else "x" for field in fields},
        products=(ProductCard("mug", "x", None, None),),
        invitation=make_invitation(customer_name="x"),
    )
    parsed = parse(message)
    assert parsed.keys() == parse(plain).keys()
    assert parsed["Subject"] == message.subject
    assert [part.defects for part in parsed.walk()] == [[], [], []]
    assert message.html is not None
    assert [tag for tag in page_of(message).tags if tag[0] != "br"] == page_of(plain).tags
    assert not re.search("[\ue000-\uf8ff\u202a-\u202e\x00-\x08]", message.html + message.text + message.subject)
    assert "\r" not in message.text


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT)
def test_no_value_is_read_as_a_template(name: str) -> None:
    message = write(
        {"heading": "x{{ customer_name }}"}, invitation=make_invitation(customer_name="{{ order_id }}" + name)
    )
    assert "x{{ order_id }}" in message.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TextName)
def test_every_field_stands_for_words_of_the_catalogue(name: TextName, language: str) -> None:
    placeholders = {"merchant": "x", "name": "x", "page": "x", "code": "x"}
    for asks_for in AsksFor if name is TextName.PRODUCT_1 else (AsksFor.DELIVERY,):
        for field in FIELDS[name]:
            assert texts_of(language)(field.key.format(text=words_of(name, asks_for)), **placeholders)


def test_merchants_contacts_can_be_named() -> None:
    branding = make_branding(support_phone="22 00 00 00", homepage_url="https://other.example")
    fields = {"body": ("{{ support_phone }} {{ support_email }} {{ support_url }} {{ homepage_url }}",)}
    message = write(fields, branding=branding)
    assert "22 00 00 00 help@gifts.example https://gifts.example/help https://other.example" in message.text
    assert message.channel is Channel.EMAIL
