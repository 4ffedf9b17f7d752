"""Header lines hold whatever they are given, and never more than one header."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invite_service.rendering.cleaning import one_line
from invite_service.rendering.headers import check_address, encode_mailbox, encode_text, header_line

ANY_TEXT = st.text(st.characters(codec=None), max_size=400)


def parse(raw: bytes) -> EmailMessage:
    parsed = message_from_bytes(raw + b"\r\n", policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def check_lines(raw: bytes, *, longest: int) -> None:
    assert raw.endswith(b"\r\n")
    first, *others = raw[:-2].split(b"\r\n")
    assert b"\n" not in first
    assert b"\r" not in first
    assert all(line[:1] == b" " for line in others)
    assert all(len(line) <= longest for line in (first, *others))


def read_name(raw: bytes) -> str:
    """Read a mailbox's name by the older reader: the newer one of Python 3.11 keeps the space between encoded words."""
    name, _ = parseaddr(raw.decode().split(":", 1)[1].replace("\r\n", ""))
    return str(make_header(decode_header(name)))


@given(ANY_TEXT)
@example("a" * 10_000)
@example("å" * 10_000)
@example("Hello\r\nBcc: all@example.com")
@example("=?utf-8?q?Bcc:_x?=")
@example("👩‍👧 x" * 50)
@example(" ".join(["word"] * 35))
def test_subject_comes_back_as_it_was_cleaned(text: str) -> None:
    cleaned = one_line(text, limit=200)
    raw = header_line("Subject", encode_text(cleaned, name="Subject"))
    check_lines(raw, longest=998)
    parsed = parse(raw)
    assert parsed.keys() == ["Subject"]
    assert parsed["Subject"] == cleaned


@given(ANY_TEXT)
@example('"quoted" \\ name')
@example("Nordmann, Kari <x@y.example>")
@example("=?utf-8?q?Bcc:_x?=")
@example("مريم אבגד")
@example("\u202eKari\u202c\r\nBcc: all@example.com")
@example("n" * 10_000)
def test_name_comes_back_as_it_was_cleaned(text: str) -> None:
    cleaned = one_line(text, limit=80)
    raw = header_line("To", encode_mailbox(cleaned, "kari@example.com"))
    check_lines(raw, longest=200)
    parsed = parse(raw)
    assert parsed.keys() == ["To"]
    (mailbox,) = parsed["To"].addresses
    assert mailbox.addr_spec == "kari@example.com"
    assert read_name(raw) == cleaned


def test_encoded_words_are_short_enough_for_rfc_2047() -> None:
    lines = encode_text("å" * 200, name="Subject").split("\r\n")
    assert all(len(line.strip()) <= 75 for line in lines)
    assert len(f"Subject: {lines[0]}") <= 76


def test_short_mailbox_stays_on_one_line() -> None:
    assert encode_mailbox("Kari Nordmann", "kari@example.com") == '"Kari Nordmann" <kari@example.com>'


@pytest.mark.parametrize(
    "address",
    [
        "kari@example.com\r\nBcc: all@example.com",
        "kari@example.com, all@example.com",
        "<kari@example.com>",
        "kari example@example.com",
        "kari@exa\x00mple.com",
        "kari",
        "kari@" + "a" * 600 + ".com",
        "",
    ],
)
def test_address_that_could_break_out_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        check_address(address)
