"""Pieces of quoted-printable can be joined, and decode to what was put in."""

import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invite_service.rendering.skeleton import Gaps, Skeleton, cut, joined, piece_of

LINES = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=300)


def decode(encoded: bytes) -> str:
    return quopri.decodestring(encoded.replace(b"\r\n", b"\n")).decode()


@given(st.lists(LINES, max_size=6))
def test_joined_pieces_decode_to_the_joined_texts(texts: list[str]) -> None:
    whole = joined([piece_of(text) for text in texts])
    assert whole.text == "".join(texts)
    assert decode(whole.encoded) == "".join(texts)


@given(LINES)
@example("a" * 76)
@example("a" * 73 + "å")
@example("a" * 70 + "å")
def test_encoded_lines_are_short_ascii_and_end_in_crlf(text: str) -> None:
    encoded = piece_of(text).encoded
    lines = encoded.split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 76 and b"\n" not in line and line.isascii() for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)


@given(LINES, LINES, LINES)
def test_gaps_are_filled_wherever_they_are(before: str, value: str, after: str) -> None:
    gaps = Gaps()
    plain = [text.replace("\ue000", "").replace("\ue001", "") for text in (before, after)]
    skeleton = Skeleton(f"{plain[0]}{gaps.name}{plain[1]}{gaps.name}")
    filled = skeleton.fill({"name": piece_of(value)})
    assert filled.text == plain[0] + value + plain[1] + value
    assert decode(filled.encoded) == filled.text


@given(LINES, LINES, LINES)
def test_gaps_that_are_bound_first_are_filled_alike(between: str, name: str, link: str) -> None:
    gaps = Gaps()
    between = between.replace("\ue000", "").replace("\ue001", "")
    skeleton = Skeleton(f"{gaps.name}{between}{gaps.link}{between}{gaps.name}")
    values = {"name": piece_of(name), "link": piece_of(link)}
    bound = skeleton.bind({"name": values["name"]})
    assert bound.fill({"link": values["link"]}) == skeleton.fill(values)
    assert skeleton.bind(values).fill({}) == skeleton.fill(values)


def test_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Skeleton(f"x{Gaps().name}").fill({})


def test_parts_are_cut_out_of_the_whole() -> None:
    gaps = Gaps()
    template = cut(f"<b>{gaps.rows}</b>\n<!--part row--><i>{gaps.name}</i><!--end-->\n<p>")
    assert template.whole.fill({"rows": piece_of("R")}).text == "<b>R</b>\n<p>"
    assert template.parts["row"].fill({"name": piece_of("N")}).text == "<i>N</i>"
