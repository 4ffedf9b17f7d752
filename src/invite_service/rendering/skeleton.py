"""A rendered template cut at its gaps, so that filling it in is joining strings (PERFORMANCE.md, "One mail").

Every piece is kept twice: as text, and as quoted-printable lines that begin and end at a line's start. Encoded pieces
can therefore be joined without looking at them again; only what fills a gap is encoded per mail.
"""

import re
from binascii import b2a_qp
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

_GAP = re.compile("\ue000([a-z_]+)\ue001")
"""Private-use characters: `cleaning.one_line` takes them out of everything that comes from outside."""

_PART = re.compile(r"<!--part ([a-z_]+)-->(.*?)<!--end-->\n?", re.DOTALL)


_LINE = 76
"""Characters of an encoded line, the sign of a soft break included (RFC 2045 section 6.7, rule 5)."""


class Piece(NamedTuple):
    """A stretch of content and its quoted-printable lines, each ended by CR LF (RFC 2045 section 6.7)."""

    text: str
    encoded: bytes


EMPTY = Piece("", b"")


def piece_of(text: str) -> Piece:
    """Encode a stretch of content whose line ends are bare line feeds."""
    if not text:
        return EMPTY
    encoded = b2a_qp(text.encode(), istext=True)
    if not text.endswith("\n"):
        encoded = _end_softly(encoded)
    return Piece(text, encoded.replace(b"\n", b"\r\n"))


def _end_softly(encoded: bytes) -> bytes:
    """End the last line with a soft line break; one that fills its line gives up its last sign to make room for it."""
    if len(encoded) - encoded.rfind(b"\n") - 1 < _LINE:
        return encoded + b"=\n"
    cut_at = len(encoded) - (3 if encoded[-3:-2] == b"=" else 1)
    return encoded[:cut_at] + b"=\n" + encoded[cut_at:] + b"=\n"


def joined(pieces: list[Piece]) -> Piece:
    """Join pieces into one."""
    return Piece("".join([piece.text for piece in pieces]), b"".join([piece.encoded for piece in pieces]))


class Gaps:
    """Stands for the values of a template while it is prepared: any attribute is the mark of a gap of that name."""

    def __getattr__(self, name: str) -> Markup:
        return Markup(f"\ue000{name}\ue001")  # noqa: S704 - the mark is made of our own template's words


class Skeleton:
    """Content with named gaps."""

    __slots__ = ("_encoded", "_gaps", "_texts")

    def __init__(self, content: str) -> None:
        # Literals stand at the even places, gaps at the odd ones.
        parts = _GAP.split(content)
        self._set([piece_of(part) for part in parts[::2]], parts[1::2])

    def _set(self, literals: Sequence[Piece], gaps: Sequence[str]) -> None:
        """Take in the gaps and what stands between them: one literal more than there are gaps."""
        self._texts = [literals[0].text]
        self._encoded = [literals[0].encoded]
        self._gaps: list[tuple[int, str]] = []
        for gap, literal in zip(gaps, literals[1:], strict=True):
            self._gaps.append((len(self._texts), gap))
            self._texts += ("", literal.text)
            self._encoded += (b"", literal.encoded)

    def fill(self, values: Mapping[str, Piece]) -> Piece:
        """Put the values into the gaps of their names; a gap may occur more than once."""
        texts, encoded = self._texts.copy(), self._encoded.copy()
        for place, gap in self._gaps:
            texts[place], encoded[place] = values[gap]
        return Piece("".join(texts), b"".join(encoded))

    def bind(self, values: Mapping[str, Piece]) -> "Skeleton":
        """Fill in, for good, the gaps that a value is given for; the others stay gaps."""
        names = dict(self._gaps)
        runs: list[list[Piece]] = [[]]
        gaps = []
        for place, literal in enumerate(zip(self._texts, self._encoded, strict=True)):
            name = names.get(place)
            if name is not None and name not in values:
                gaps.append(name)
                runs.append([])
            else:
                runs[-1].append(Piece(*literal) if name is None else values[name])
        bound = Skeleton("")
        bound._set([joined(run) for run in runs], gaps)
        return bound


class Template(NamedTuple):
    """A prepared body: the whole, and the parts that are repeated or left out per mail."""

    whole: Skeleton
    parts: Mapping[str, Skeleton]


def cut(content: str) -> Template:
    """Cut a rendered body into the whole and the parts that stand between `<!--part name-->` and `<!--end-->`."""
    parts = {name: Skeleton(part) for name, part in _PART.findall(content)}
    return Template(Skeleton(_PART.sub("", content)), parts)
