"""The merchant's own part of an e-mail: what all customers read is prepared once, the rest is written per mail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Step
from invite_service.rendering.own_texts import OwnField, OwnText, OwnWords, with_breaks
from invite_service.rendering.skeleton import Gaps, Piece, Template, joined, piece_of
from invite_service.rendering.text_fields import BODY, GREETING
from invite_service.rendering.text_variables import merchant_variables
from invite_service.rendering.texts import Texts

SUBJECT: Final = "own_subject"
"""The gap of a subject that is written per mail."""

_PARAGRAPHS: Final = (GREETING.name, BODY.name)
"""Fields that are whole paragraphs, or none."""


class Layout(NamedTuple):
    """Which template a mail is drawn by, its words of the catalogue, and which paragraphs are the merchant's."""

    template: str
    words: str
    has_own_greeting: bool = False
    has_own_body: bool = False


def layout_of(step: StrEnum, own: OwnText | None) -> Layout:
    """Lay out a step or a notice, for which the merchant may have an own text."""
    if own is None:
        return Layout(step.value, step.value)
    template = Step.PRODUCT_2.value if own.asks_for_stars else step.value
    return Layout(template, own.words, GREETING.name in own.fields, BODY.name in own.fields)


@dataclass(frozen=True, slots=True)
class OwnValues:
    """What stands in the gaps of the text and the HTML."""

    text: dict[str, Piece]
    html: dict[str, Piece]

    @property
    def size(self) -> int:
        """Encoded bytes of it in one mail, both parts together."""
        return sum(len(piece.encoded) for values in (self.text, self.html) for piece in values.values())


@dataclass(frozen=True, slots=True)
class OwnParts:
    """A merchant's own text as it is kept with a prepared mail."""

    own: OwnText
    variables: Mapping[str, object]
    """Those that are the same for all customers."""
    fixed: OwnValues
    per_mail: tuple[OwnField, ...]

    def write(self, variables: Mapping[str, object], text: Template, html: Template) -> OwnValues:
        """Write what differs from customer to customer; raises OwnTextFailedError."""
        values = OwnValues(dict(self.fixed.text), dict(self.fixed.html))
        if self.per_mail:
            _write(self.per_mail, {**self.variables, **variables}, values, text=text, html=html)
        return values


def variables_of(own: OwnText, *, merchant_name: str, homepage_url: str, branding: Branding) -> Mapping[str, object]:
    """Give the variables of a mail that are the same for all customers."""
    return merchant_variables(own.name, merchant_name=merchant_name, homepage_url=homepage_url, branding=branding)


def email_words(texts: Texts, own: OwnText, variables: Mapping[str, object], *, is_html: bool) -> Texts:
    """Give the words that a mail is prepared with: gaps stand where something is written per mail."""

    def write(key: str) -> str | None:
        field = own.find(key)
        if field is None:
            return None
        if not field.is_fixed:
            return getattr(Gaps(), gap_of(field)) if is_html else str(getattr(Gaps(), gap_of(field)))
        text = "\n".join(field.write(variables))
        return with_breaks(text) if is_html else text

    return OwnWords(texts, write)


def prepare_own(own: OwnText, variables: Mapping[str, object], *, text: Template, html: Template) -> OwnParts:
    """Write what is the same in all mails; raises OwnTextFailedError."""
    fixed = OwnValues({}, {})
    paragraphs = [field for name, field in own.fields.items() if name in _PARAGRAPHS and field.is_fixed]
    _write(paragraphs, variables, fixed, text=text, html=html)
    per_mail = tuple(field for field in own.fields.values() if not field.is_fixed)
    return OwnParts(own, variables, fixed, per_mail)


def gap_of(field: OwnField) -> str:
    """Name the gap that a field is put into."""
    return f"own_{field.field.name}"


def _write(
    fields: Iterable[OwnField], variables: Mapping[str, object], values: OwnValues, *, text: Template, html: Template
) -> None:
    for field in fields:
        written = field.write(variables)
        if field.field.name in _PARAGRAPHS:
            values.text[gap_of(field)] = _paragraphs(text, [piece_of(paragraph) for paragraph in written])
            values.html[gap_of(field)] = _paragraphs(html, [piece_of(with_breaks(each)) for each in written])
        else:
            whole = "\n".join(written)
            values.text[gap_of(field)] = piece_of(whole)
            values.html[gap_of(field)] = piece_of(with_breaks(whole))


def _paragraphs(template: Template, pieces: Sequence[Piece]) -> Piece:
    return joined([template.parts["own_paragraph"].fill({"paragraph": piece}) for piece in pieces])
