"""What an SMS costs in segments: its alphabet, and where the network cuts it (3GPP TS 23.038 and 23.040)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038 section 6.2.1, the default alphabet without its escape: one septet each."""

GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""The same, section 6.2.1.1, the extension table: an escape and a septet each."""


class SmsEncoding(StrEnum):
    """The alphabets an SMS is written in."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


SINGLE_UNITS: Final = {SmsEncoding.GSM_7: 160, SmsEncoding.UCS_2: 70}
"""Units of an SMS that is not cut: septets, or UTF-16 code units."""

PART_UNITS: Final = {SmsEncoding.GSM_7: 153, SmsEncoding.UCS_2: 67}
"""Units of each part of one that is: the header that joins the parts takes the rest."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What an SMS is cut into on its way."""

    encoding: SmsEncoding
    count: int
    """At least 1: an empty SMS is one too."""


def count_segments(text: str) -> Segments:
    """Count the segments of a text; a lone surrogate counts as the one unit it would be."""
    return Segments(encoding_of(text), sum(1 for _ in split_segments(text)))


def encoding_of(text: str) -> SmsEncoding:
    """Tell the alphabet a text needs: one letter outside the GSM alphabet makes all of it UCS-2."""
    is_gsm = all(character in GSM_BASIC or character in GSM_EXTENDED for character in text)
    return SmsEncoding.GSM_7 if is_gsm else SmsEncoding.UCS_2


def split_segments(text: str) -> Iterator[str]:
    """Cut a text as the network does: nothing that takes two units is torn apart.

    That is an escape and its letter, or a surrogate pair; such a one goes to the next part as a whole.
    """
    encoding = encoding_of(text)
    widths = [_width(character, encoding) for character in text]
    if sum(widths) <= SINGLE_UNITS[encoding]:
        yield text
        return
    start, used = 0, 0
    for place, width in enumerate(widths):
        if used + width > PART_UNITS[encoding]:
            yield text[start:place]
            start, used = place, 0
        used += width
    yield text[start:]


def _width(character: str, encoding: SmsEncoding) -> int:
    if encoding is SmsEncoding.GSM_7:
        return 2 if character in GSM_EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1
