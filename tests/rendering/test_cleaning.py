"""Text and addresses of others, made safe."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.rendering.cleaning import one_line, picture_address, some_lines, web_address

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (None, ""),
        ("Kari Nordmann", "Kari Nordmann"),
        ("  Kari \t\r\n Nordmann ", "Kari Nordmann"),
        ("Kari\x00\x1b[31m", "Kari[31m"),
        ("Kari\u2028Bcc: all@example.com", "Kari Bcc: all@example.com"),
        ("\u202eirak\u202c", "irak"),
        ("A\u030ase", "Åse"),
        ("\ue000greeting\ue001", "greeting"),
        ("مريم", "مريم"),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_line_is_cleaned(text: str | None, cleaned: str) -> None:
    assert one_line(text, limit=100) == cleaned


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a" * 10, "a" * 10),
        ("a" * 11, "a" * 9 + "…"),
        ("12345678 abc", "12345678…"),
        ("1234567 👩\u200d👧", "1234567 👩…"),
    ],
)
def test_long_line_is_cut_where_nothing_dangles(text: str, cut: str) -> None:
    assert one_line(text, limit=10) == cut


@given(ANY_TEXT)
def test_cleaned_line_holds_nothing_that_steers(text: str) -> None:
    cleaned = one_line(text, limit=50)
    assert len(cleaned) <= 50
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"} for character in cleaned)
    assert not any("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069" for character in cleaned)


@given(ANY_TEXT)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = one_line(text, limit=50)
    assert one_line(cleaned, limit=50) == cleaned


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://gifts.example/p/1?a=b&c=d#e", "https://gifts.example/p/1?a=b&c=d#e"),
        ("http://gifts.example", "http://gifts.example"),
        (" https://gifts.example/blå kopp.jpg ", "https://gifts.example/bl%C3%A5%20kopp.jpg"),
        ("https://blåbær.example/kopp", "https://xn--blbr-roah.example/kopp"),
        ('https://gifts.example/"><script>', "https://gifts.example/%22%3E%3Cscript%3E"),
        ("https://gifts.example/%C3%A5", "https://gifts.example/%C3%A5"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//gifts.example/x", None),
        ("https://", None),
        ("https://gifts.example@evil.example/", None),
        ('https://gifts".example/', None),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_only_web_addresses_pass(url: str | None, address: str | None) -> None:
    assert web_address(url) == address


def test_picture_over_plain_http_is_left_out() -> None:
    assert picture_address("http://gifts.example/i.jpg") is None
    assert picture_address("https://gifts.example/i.jpg") == "https://gifts.example/i.jpg"


@given(ANY_TEXT)
def test_web_address_never_breaks_out(text: str) -> None:
    for url in (text, f"https://{text}", f"https://gifts.example/{text}"):
        address = web_address(url)
        if address is not None:
            assert address.isascii()
            assert address.isprintable()
            assert not set(address) & set(' "<>\\')
            assert web_address(address) == address


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (None, ""),
        (" \n \n", ""),
        ("One\r\ntwo\rthree\u2028four", "One\ntwo\nthree\nfour"),
        ("\n\nOne\n\n\n\ntwo\n", "One\n\ntwo"),
        ("One\x00 \ue000\n\u202etwo", "One\ntwo"),
        ("a" * 19 + "\nb", "a" * 19 + "…"),
        ("a" * 17 + "\n\n\nbcd", "a" * 17 + "…"),
        ("a" * 30 + "\nb", "a" * 19 + "…"),
    ],
)
def test_lines_are_cleaned(text: str | None, cleaned: str) -> None:
    assert some_lines(text, limit=20) == cleaned


@given(ANY_TEXT)
def test_lines_are_clean_and_within_their_limit(text: str) -> None:
    cleaned = some_lines(text, limit=50)
    assert len(cleaned) <= 50
    assert some_lines(cleaned, limit=50) == cleaned
    assert "\n\n\n" not in cleaned
    unsafe = {"Cc", "Co", "Cs"}
    assert not any(unicodedata.category(c) in unsafe for c in cleaned.replace("\n", ""))
