"""SMS texts: short, with the shop's name, the page's link and a way out."""

import pytest

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Step
from invite_service.rendering.links import Links
from invite_service.rules.sms_segments import Segments, SmsEncoding, count_segments
from tests.rendering.messages import ATTEMPT_ID, LINKS, make_service_invitation, make_sms, render_message
from tests.support.builders import make_branding, make_merchant


def test_product_text_says_who_asks_and_where_to_answer() -> None:
    message = render_message(make_sms(language="en"))
    assert message.text == (
        f"The Gift Shop: How do you like what you bought? Tell us here: {LINKS.page}\nOpt out: {LINKS.unsubscribe}"
    )
    assert (message.channel, message.to_address, message.from_address, message.subject, message.html, message.raw) == (
        Channel.SMS,
        "+4791234567",
        "GiftShop",
        "",
        None,
        None,
    )
    assert (message.headers, message.idempotency_key) == ({}, str(ATTEMPT_ID))


def test_service_text_asks_about_the_shop() -> None:
    invitation = make_service_invitation(channel=Channel.SMS, contact="+4791234567")
    message = render_message(invitation, step=Step.SERVICE)
    assert message.text == (
        f"The Gift Shop: Hvordan var det å handle hos oss? Svar her: {LINKS.page}\nMeld deg av: {LINKS.unsubscribe}"
    )


def test_text_fits_two_segments_with_links_of_usual_length() -> None:
    assert count_segments(render_message(make_sms()).text) == Segments(SmsEncoding.GSM_7, 2)


def test_sender_is_the_installations_where_the_merchant_has_none() -> None:
    assert render_message(make_sms(), branding=Branding()).from_address == "Reviews"


def test_typographic_signs_of_a_name_do_not_double_the_price() -> None:
    message = render_message(make_sms(), merchant=make_merchant(name="Kari\u2019s \u201cGifts\u201d \u2013 Oslo\u2026"))
    assert message.text.startswith('Kari\'s "Gifts" - Oslo...: ')
    assert count_segments(message.text).encoding is SmsEncoding.GSM_7


def test_long_or_nasty_name_is_cut_to_one_line() -> None:
    message = render_message(make_sms(), merchant=make_merchant(name="A\r\n\x00" + "b" * 10_000))
    assert message.text.splitlines()[0].startswith("A " + "b" * 27 + "...: ")
    assert len(message.text.splitlines()) == 2


def test_link_that_is_no_web_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        render_message(make_sms(), links=Links("x", LINKS.unsubscribe), branding=make_branding())


def test_text_is_written_in_the_cheaper_alphabet_where_the_merchant_wants_that() -> None:
    merchant, wanting = make_merchant(name="Prezenty z Łodzi"), make_branding(sms_transliterate=True)
    plain = render_message(make_sms(), merchant=merchant)
    spelled = render_message(make_sms(), merchant=merchant, branding=wanting)
    assert count_segments(plain.text) == Segments(SmsEncoding.UCS_2, 4)
    assert count_segments(spelled.text) == Segments(SmsEncoding.GSM_7, 2)
    assert spelled.text == plain.text.replace("Łodzi", "Lodzi")


def test_text_that_cannot_be_written_in_it_stays() -> None:
    merchant, wanting = make_merchant(name="贈り物 Ł"), make_branding(sms_transliterate=True)
    spelled = render_message(make_sms(), merchant=merchant, branding=wanting)
    assert spelled.text == render_message(make_sms(), merchant=merchant).text
