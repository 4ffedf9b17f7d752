"""Writing SMS in the cheaper alphabet: the whole of a text, or nothing of it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.rules.sms_segments import GSM_BASIC, GSM_EXTENDED, SmsEncoding, count_segments, encoding_of
from invite_service.rules.sms_transliteration import transliterate

QUOTES = "“”„\u2018\u2019"
GSM_TEXTS = st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENDED)))
EUROPEAN = st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from(f"{QUOTES}\u2013\u2014…•ёжщЪыïőűłßẞ"))
TEXTS = st.one_of(GSM_TEXTS, EUROPEAN, st.text())
CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Hvordan var det? Ærlig: ØÅ", "Hvordan var det? Ærlig: ØÅ"),
        ("Milyen volt? Őszintén: „jó” \u2013 köszönjük…", 'Milyen volt? Oszintén: "jo" - köszönjük...'),
        ("Łódź, żółć, ĄĘ", "Lodz, zolc, AE"),
        ("Příliš žluťoučký kůň", "Prilis zlutoucky kun"),
        ("Täällä — šeikki", "Täällä - seikki"),
        ("Ça va, l\u2019été?", "Ça va, l'été?"),
        ("ça", "ca"),
        ("Как вам заказ? Щёлкните", "Kak vam zakaz? Shchyolknite"),
        ("объём, Ёлка, ЮГ", "obyom, Yolka, YuG"),
        ("naïve\u00a0\u00d7 3 № 5™ «x» °", 'naive x 3 No 5TM "x"  '),
        ("a\u200bb\u00adc\ufeff", "abc"),
        ("STRAẞE Straße", "STRASSE Straße"),
        ("e\u0301", "é"),
        ("æsir þorn ðæt œuvre", "æsir thorn dæt oeuvre"),
    ],
)
def test_text_is_written_in_the_cheaper_alphabet(text: str, written: str) -> None:
    assert transliterate(text) == written
    assert encoding_of(written) is SmsEncoding.GSM_7


@pytest.mark.parametrize("text", ["ご注文はいかがでしたか", "Takk 😀 \u2013 hei", "שלום", "č 中", "\ud83d č"])
def test_text_with_a_letter_that_has_no_such_form_stays_as_it_is(text: str) -> None:
    assert transliterate(text) == text


def test_every_letter_of_the_languages_we_write_has_a_form() -> None:
    letters = "áčďéěíňóřšťúůýžäöõüßæøåàâçèêëîïôœùûÿñ¿¡ìòüāčēģīķļņšūžąćęłńóśźżãõĺľŕô" + CYRILLIC
    for letter in letters + letters.upper():
        assert encoding_of(transliterate(letter)) is SmsEncoding.GSM_7, letter


@given(GSM_TEXTS)
def test_text_of_that_alphabet_stays(text: str) -> None:
    assert transliterate(text) == text


@given(TEXTS)
def test_result_is_of_that_alphabet_or_the_text_itself(text: str) -> None:
    written = transliterate(text)

    assert written == text or encoding_of(written) is SmsEncoding.GSM_7
    assert transliterate(written) == written


@given(EUROPEAN)
def test_link_stays_a_link(text: str) -> None:
    link = "https://r.example.com/i/AbC-_9~" + string.ascii_letters

    assert transliterate(f"{text} {link}").endswith(f" {link}")


@given(st.text(st.sampled_from(CYRILLIC + " "), min_size=71, max_size=300))
def test_cyrillic_costs_no_more_than_before(text: str) -> None:
    assert count_segments(transliterate(text)).count <= count_segments(text).count
