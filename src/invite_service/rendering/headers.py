"""E-mail header lines: RFC 5322 and RFC 2047, safe for any text.

What goes in has been through `cleaning.one_line`; addresses are refused here when they could end a line or a phrase.
"""

import re
from binascii import b2a_base64

MAX_LINE = 998
"""RFC 5322 section 2.1.1, without the line end."""

_ADDRESS = re.compile(r"[^\s<>\"(),:;\\@\x00-\x1f\x7f\[\]]+@[A-Za-z0-9.-]+")
_WORD_BYTES = 39
"""Bytes of text in one encoded word: with the longest header name of ours the line stays under RFC 2047's 76."""

_FOLD = 76


def header_line(name: str, value: str) -> bytes:
    """Write one header line from a value that is already encoded."""
    return f"{name}: {value}\r\n".encode()


def encode_text(text: str, *, name: str) -> str:
    """Encode clean text as the value of the unstructured header `name`, folded."""
    if not text.isascii() or "=?" in text:
        return "\r\n ".join(_encoded_words(text))
    lines = [""]
    room = _FOLD - len(name) - 2
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = _FOLD - 1
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\r\n ".join(lines)


def encode_mailbox(display_name: str, address: str) -> str:
    """Encode a mailbox for From, To or Reply-To from a clean display name, which may be empty, and an address.

    Raises ValueError for an address that no reader of contacts lets through.
    """
    check_address(address)
    if not display_name:
        return address
    if display_name.isascii() and "=?" not in display_name:
        escaped = display_name.replace("\\", "\\\\").replace('"', '\\"')
        phrase = f'"{escaped}"'
    else:
        phrase = "\r\n ".join(_encoded_words(display_name))
    short = len(phrase) + len(address) < _FOLD - 16
    return f"{phrase} <{address}>" if short else f"{phrase}\r\n <{address}>"


def check_address(address: str) -> None:
    """Raise ValueError for an address that could break out of its header."""
    if len(address) > MAX_LINE // 2 or not _ADDRESS.fullmatch(address):
        raise ValueError("not an address that can stand in a header")


def _encoded_words(text: str) -> list[str]:
    """Cut text into RFC 2047 words between characters, never inside one."""
    whole = text.encode()
    words, chunk = [], b""
    if len(whole) <= _WORD_BYTES:
        text, chunk = "", whole
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return [f"=?utf-8?b?{b2a_base64(word, newline=False).decode('ascii')}?=" for word in words]
