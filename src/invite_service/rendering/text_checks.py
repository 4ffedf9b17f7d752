"""Whether a text can be saved: every template read, and written out for the worst customers there could be."""

from collections.abc import Iterator
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.domain.errors import Fault
from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.rendering.own_texts import OwnField, OwnTextFailedError, as_sources, read_own
from invite_service.rendering.template_faults import TemplateFault, TemplateFaultsError
from invite_service.rendering.text_fields import BODY, FIELDS, MAX_PARAGRAPHS, TextField
from invite_service.rendering.text_samples import WORST, sample_variables
from invite_service.rendering.text_variables import names_for

MAX_NAME: Final = 100
"""Characters of a field's name that are told again."""

_FIELDS: Final = "/fields"

_FULL: Final = Branding(
    support_email="help@example.com",
    support_phone="+47 22 00 00 00",
    support_url="https://example.com/" + "help/" * 50,
)
"""Contacts of a merchant that has set them all."""


def check_text(text: MerchantText) -> list[Fault]:
    """Name everything that is wrong with a text, by pointers into the body that brought it."""
    fields = {field.name: field for field in FIELDS[text.name]}
    faults = []
    if text.asks_for is not AsksFor.DELIVERY and text.name is not TextName.PRODUCT_1:
        faults.append(Fault("/asks_for", "unknown_field", "Only product_1 can be told what to ask for."))
    for name, value in text.fields.items():
        if name in fields:
            faults += _check_field(text.name, fields[name], value)
        else:
            pointer = name[:MAX_NAME].replace("~", "~0").replace("/", "~1")
            faults.append(Fault(f"{_FIELDS}/{pointer}", "unknown_field", "This text has no field of this name."))
    return faults


def _check_field(name: TextName, field: TextField, value: FieldValue) -> Iterator[Fault]:
    if isinstance(value, str) is (field is BODY):
        kind = "a list of strings, one for each paragraph" if field is BODY else "a string"
        yield Fault(_pointer(field, None), "invalid_type", f"Must be {kind}.")
        return
    long = list(_too_long(field, value))
    if long:
        yield from long
        return
    names = names_for(name)
    is_list = not isinstance(value, str)
    is_readable = True
    for place, source in enumerate(as_sources(value)):
        try:
            read_own(source, names=names)
        except TemplateFaultsError as error:
            is_readable = False
            for fault in error.faults:
                yield _fault(field, fault, place if is_list else None)
    if is_readable:
        yield from _check_writing(name, OwnField(field, value, names), is_list=is_list)


def _too_long(field: TextField, value: FieldValue) -> Iterator[Fault]:
    """Name what is too long to be read at all."""
    if not isinstance(value, str) and len(value) > MAX_PARAGRAPHS:
        yield Fault(_pointer(field, None), "too_long", f"At most {MAX_PARAGRAPHS} entries.")
        return
    for place, source in enumerate(as_sources(value)):
        if len(source) > field.source_limit:
            pointer = _pointer(field, None if isinstance(value, str) else place)
            yield Fault(pointer, "too_long", f"At most {field.source_limit} characters.")


def _check_writing(name: TextName, own: OwnField, *, is_list: bool) -> Iterator[Fault]:
    """Write a field for each of the worst customers; a fault that several bring out is named once."""
    seen: set[tuple[int | None, TemplateFault]] = set()
    for sample in WORST:
        variables = sample_variables(
            name, sample, merchant_name="Merchant", homepage_url="https://example.com", branding=_FULL
        )
        try:
            own.write(variables)
        except OwnTextFailedError as error:
            place = error.paragraph if is_list else None
            if (place, error.fault) not in seen:
                seen.add((place, error.fault))
                yield _fault(own.field, error.fault, place)


def _fault(field: TextField, fault: TemplateFault, place: int | None) -> Fault:
    return Fault(_pointer(field, place), fault.code, fault.detail)


def _pointer(field: TextField, place: int | None) -> str:
    return f"{_FIELDS}/{field.name}" if place is None else f"{_FIELDS}/{field.name}/{place}"
