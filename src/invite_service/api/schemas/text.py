"""Merchants' own texts, on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer
from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.rendering.text_variables import names_for
from invite_service.services.texts import ShownText

MAX_FIELDS = 50
"""More than any text has: others are refused by name."""


def read_field(value: Any) -> FieldValue:
    """Read a template, or a list of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise PydanticCustomError("invalid_type", "Must be a string; of a body, a list of strings.")


Template = Annotated[
    FieldValue,
    PlainValidator(read_field),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Fields = Annotated[dict[str, Template], Field(max_length=MAX_FIELDS)]
AsksForWord = Annotated[AsksFor, Field(strict=False)]


class TextRequest(BaseModel):
    """A whole text: a field that is left out is written as the catalogue does."""

    model_config = STRICT

    fields: Fields
    """Liquid templates by the field's name; a body is a list of paragraphs. GET names the fields, in `defaults`."""
    asks_for: AsksForWord = AsksFor.DELIVERY
    """Of product_1: whether the order has arrived, or stars at once."""

    def to_text(self, name: TextName, language: str) -> MerchantText:
        """Translate to the domain."""
        return MerchantText(name=name, language=language, fields=self.fields, asks_for=self.asks_for)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextResponse(Answer):
    """A text in one language."""

    text: TextName
    language: str
    version: int
    """0 while it was never set; the ETag is this number. Versions count all changes of the merchant's texts."""
    fields: Mapping[str, Any]
    """What the merchant has set."""
    asks_for: AsksFor | None
    """Of product_1; null of the others."""
    defaults: Mapping[str, Any]
    """The catalogue's words as templates: what stands in each field that is not set."""
    variables: tuple[str, ...]
    """What its templates may name."""
    changed_at: datetime | None
    changed_by: str | None

    @classmethod
    def of(cls, shown: ShownText) -> Self:
        """Shape a text of the domain."""
        text = shown.text
        return cls(
            text=text.name,
            language=text.language,
            version=text.version,
            fields=text.fields,
            asks_for=text.asks_for if text.name is TextName.PRODUCT_1 else None,
            defaults=shown.defaults,
            variables=tuple(sorted(names_for(text.name))),
            changed_at=text.changed_at,
            changed_by=text.changed_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTextResponse(Answer):
    """One text that differs from the catalogue."""

    text: TextName
    language: str
    version: int
    fields: tuple[str, ...]
    """The names of those that are set."""
    changed_at: datetime | None
    changed_by: str | None


@dataclass(frozen=True, slots=True)
class TextListResponse(Answer):
    """Every text that differs from the catalogue, by name and language."""

    items: list[ListedTextResponse]

    @classmethod
    def of(cls, texts: list[MerchantText]) -> Self:
        """Shape texts of the domain."""
        return cls(
            [
                ListedTextResponse(
                    text=text.name,
                    language=text.language,
                    version=text.version,
                    fields=tuple(sorted(text.fields)),
                    changed_at=text.changed_at,
                    changed_by=text.changed_by,
                )
                for text in texts
            ]
        )
