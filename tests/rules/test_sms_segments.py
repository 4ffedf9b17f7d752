"""Segments as networks count them; the law is read once more from the standard's own arithmetic."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.rules.sms_segments import (
    GSM_BASIC,
    GSM_EXTENDED,
    Segments,
    SmsEncoding,
    count_segments,
    encoding_of,
    split_segments,
)

GSM = SmsEncoding.GSM_7
UCS = SmsEncoding.UCS_2

GSM_TEXTS = st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENDED)), max_size=700)
TEXTS = st.one_of(GSM_TEXTS, st.text(max_size=300), st.text(st.sampled_from("aы😀€"), max_size=300))


def units(text: str, encoding: SmsEncoding) -> int:
    """Count in the alphabet itself: UTF-16 as Python writes it, and an escape before each letter of the extension."""
    if encoding is UCS:
        return len(text.encode("utf-16-be", "surrogatepass")) // 2
    return len("".join(f"\x1b{letter}" if letter in GSM_EXTENDED else letter for letter in text))


def test_alphabet_is_that_of_the_standard() -> None:
    assert (len(GSM_BASIC), len(GSM_EXTENDED), GSM_BASIC & GSM_EXTENDED) == (127, 10, frozenset())


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", Segments(GSM, 1)),
        ("a" * 160, Segments(GSM, 1)),
        ("a" * 161, Segments(GSM, 2)),
        ("a" * 306, Segments(GSM, 2)),
        ("a" * 307, Segments(GSM, 3)),
        ("€" * 80, Segments(GSM, 1)),
        ("€" * 81, Segments(GSM, 2)),
        ("€" * 152, Segments(GSM, 2)),
        ("€" * 153, Segments(GSM, 3)),
        ("a" * 152 + "€" + "a" * 10, Segments(GSM, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments(GSM, 3)),
        ("ç", Segments(UCS, 1)),
        ("ы" * 70, Segments(UCS, 1)),
        ("ы" * 71, Segments(UCS, 2)),
        ("ы" * 134, Segments(UCS, 2)),
        ("ы" * 135, Segments(UCS, 3)),
        ("a" * 70 + "ы", Segments(UCS, 2)),
        ("😀" * 35, Segments(UCS, 1)),
        ("😀" * 66, Segments(UCS, 2)),
        ("😀" * 67, Segments(UCS, 3)),
        ("ы" * 66 + "😀" + "ы" * 3, Segments(UCS, 2)),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, segments: Segments) -> None:
    assert count_segments(text) == segments


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 152 + "€" + "b" * 10, ["a" * 152, "€" + "b" * 10]),
        ("ы" * 66 + "😀" + "ы" * 3, ["ы" * 66, "😀" + "ы" * 3]),
        ("a" * 158 + "€", ["a" * 158 + "€"]),
    ],
)
def test_what_takes_two_units_goes_to_the_next_part_as_a_whole(text: str, parts: list[str]) -> None:
    assert list(split_segments(text)) == parts


@given(TEXTS)
def test_parts_are_the_whole_text_and_each_is_as_full_as_it_can_be(text: str) -> None:
    encoding, parts = encoding_of(text), list(split_segments(text))
    assert "".join(parts) == text
    assert count_segments(text) == Segments(encoding, len(parts))
    single, part = (160, 153) if encoding is GSM else (70, 67)
    if units(text, encoding) <= single:
        assert parts == [text]
        return
    assert all(0 < units(piece, encoding) <= part for piece in parts)
    assert all(units(piece + following[0], encoding) > part for piece, following in pairwise(parts))


@given(GSM_TEXTS)
def test_more_text_never_needs_fewer_segments(text: str) -> None:
    counts = [count_segments(text[:end]).count for end in range(0, len(text) + 1, 20)]
    assert all(shorter <= longer for shorter, longer in pairwise(counts))
