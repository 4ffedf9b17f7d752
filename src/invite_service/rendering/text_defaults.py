"""The catalogue's words as templates: what a merchant's own text begins with."""

from typing import Final

from invite_service.domain.texts import AsksFor, FieldValue, TextName
from invite_service.rendering.text_fields import BODY, FIELDS, words_of
from invite_service.rendering.texts import texts_of

_PLACEHOLDERS: Final = {"merchant": "{{ merchant_name }}", "name": "{{ customer_name }}", "page": ""}
"""What stands for the catalogue's placeholders; the link of an SMS is ours and follows its text."""


def default_fields(name: TextName, language: str, asks_for: AsksFor) -> dict[str, FieldValue]:
    """Write what stands in each field that the merchant has not set, in an available language."""
    texts, words = texts_of(language), words_of(name, asks_for)
    fields: dict[str, FieldValue] = {}
    for field in FIELDS[name]:
        text = texts(field.key.format(text=words), **_PLACEHOLDERS).strip()
        fields[field.name] = (text,) if field is BODY else text
    return fields
