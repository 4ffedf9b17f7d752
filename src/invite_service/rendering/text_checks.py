"""Whether a text can be saved: every template read, and written out for the worst customers there could be."""

from collections.abc import Iterator, Mapping
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.domain.errors import Fault
from invite_service.domain.texts import FieldValue, MerchantText, TextName
from invite_service.rendering.liquid import TemplateFault, TemplateFaultsError, read_template
from invite_service.rendering.own_texts import OwnField, OwnTextFailedError, as_sources
from invite_service.rendering.text_fields import FIELDS, TextField
from invite_service.rendering.text_samples import WORST, sample_variables
from invite_service.rendering.text_variables import names_for

_FULL: Final = Branding(
    support_email="help@example.com",
    support_phone="+47 22 00 00 00",
    support_url="https://example.com/" + "help/" * 50,
)
"""Contacts of a merchant that has set them all."""


def check_fields(name: TextName, given: Mapping[str, FieldValue]) -> list[Fault]:
    """Name everything that is wrong with the fields of a text, by pointers to them; what is no field is passed over."""
    return [
        fault for field in FIELDS[name] if field.name in given for fault in _check_field(name, field, given[field.name])
    ]


def check_text(text: MerchantText) -> list[Fault]:
    """Name everything that is wrong with a text."""
    return check_fields(text.name, text.fields)


def _check_field(name: TextName, field: TextField, value: FieldValue) -> Iterator[Fault]:
    names = names_for(name)
    is_list = not isinstance(value, str)
    is_readable = True
    for place, source in enumerate(as_sources(value)):
        try:
            read_template(source, names=names)
        except TemplateFaultsError as error:
            is_readable = False
            for fault in error.faults:
                yield _fault(field, fault, place if is_list else None)
    if is_readable:
        yield from _check_writing(name, OwnField(field, value, names), is_list=is_list)


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
    pointer = f"/{field.name}" if place is None else f"/{field.name}/{place}"
    return Fault(pointer, fault.code, fault.detail)
