"""Writing a text in the alphabet that an SMS is cheapest in: 160 characters instead of 70.

Letters lose the marks that GSM 03.38 does not know, Cyrillic is written as English readers read it, typographic signs
become plain ones. What has no such form (kana, emoji) leaves the whole text as it was, since one letter decides.
"""

import unicodedata
from collections.abc import Mapping
from typing import Final

from invite_service.rules.sms_segments import GSM_BASIC, GSM_EXTENDED, SmsEncoding, encoding_of

_RUSSIAN: Final = "абвгґдеєёжзиіїйклмнопрстуфхцчшщыэюя"
_READ_AS: Final = "a b v g g d e ye yo zh z i i yi y k l m n o p r s t u f kh ts ch sh shch y e yu ya"

_CYRILLIC: Final[Mapping[str, str]] = {
    **dict(zip(_RUSSIAN, _READ_AS.split(), strict=True)),
    **dict.fromkeys("ъь", ""),
}
"""As BGN/PCGN write Russian, hard and soft signs left out."""

_LETTERS: Final[Mapping[str, str]] = {
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ħ": "h",
    "\u0131": "i",
    "ł": "l",
    "ŋ": "n",
    "œ": "oe",
    "ŧ": "t",
}
"""What no decomposition leads from to a letter of the alphabet; capitals follow their small letters."""

_SIGNS: Final[Mapping[str, str]] = {
    **dict.fromkeys("\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033", '"'),
    **dict.fromkeys("\u0060\u00b4\u2018\u2019\u201a\u201b\u2032\u2039\u203a", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00b7\u2022\u25cf", "*"),
    **dict.fromkeys("\u00ad\u200b\u2060\ufeff", ""),
    "\u00d7": "x",
    "\u00f7": "/",
    "\u00b0": " ",
    "\t": " ",
    "©": "(c)",
    "®": "(r)",
    "ẞ": "SS",
}
"""Quotation marks, apostrophes, dashes, bullets, what has no width, and a few signs."""


def transliterate(text: str) -> str:
    """Write a text in the GSM alphabet, or give it back as it is where that cannot be done.

    What is in that alphabet already stays, so that links do; a text twice written is the same.
    """
    if encoding_of(text) is SmsEncoding.GSM_7:
        return text
    written = "".join(_write(character) for character in unicodedata.normalize("NFC", text))
    return written if encoding_of(written) is SmsEncoding.GSM_7 else text


def _write(character: str) -> str:
    if character in GSM_BASIC or character in GSM_EXTENDED:
        return character
    if character in _SIGNS or unicodedata.combining(character):
        return _SIGNS.get(character, "")
    small = character.lower()
    plain = _CYRILLIC.get(small, _LETTERS.get(small))
    if plain is not None:
        return plain if small == character else plain.capitalize()
    decomposed = unicodedata.normalize("NFKD", character)
    if decomposed == character:
        return character
    return "".join(_write(part) for part in decomposed)
