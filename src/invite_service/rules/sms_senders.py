"""Who an SMS may be from: numbers, short codes and names, and what a country's networks do to names.

The table holds what companies publish of the countries they reach: AWS End User Messaging ("Supported countries",
2026), Vonage (SMS features and restrictions by country, 2024), and ACMA's register of sender ids (since July 2026).
docs/providers/README.md shows it. A country that is not in it takes names as they are, as far as anybody says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException

NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164."""

_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_NAME: Final = re.compile(r"(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{1,11}")


class SenderKind(StrEnum):
    """What a sender of an SMS is."""

    NUMBER = "number"
    """Customers can answer it."""
    SHORT_CODE = "short_code"
    """Customers of its country can answer it."""
    NAME = "name"
    """At most 11 letters and digits, at least one of them a letter; nobody can answer it."""


class NameRule(StrEnum):
    """What becomes of a message from a name in a country where names are not simply shown."""

    REFUSED = "refused"
    """Networks drop it: senders must be numbers of the country's own."""
    REPLACED = "replaced"
    """It arrives from a number of the company's choice."""
    REGISTERED = "registered"
    """The name must be registered there first; else it is dropped, replaced or marked as unverified."""


_REFUSED: Final = "CA GU PR US"
_REPLACED: Final = "AR BE BO BR CL CN CO CR DO EC HN HU KR MX MY NZ PE PY SV TM TW UY VE"
_REGISTERED: Final = "AE AM AU BD BY CZ EG ID IN KH KZ LK NO OM PH PK QA RO RU SA SG SI TH UA VN"

NAME_RULES: Final[Mapping[str, NameRule]] = {
    **dict.fromkeys(_REFUSED.split(), NameRule.REFUSED),
    **dict.fromkeys(_REPLACED.split(), NameRule.REPLACED),
    **dict.fromkeys(_REGISTERED.split(), NameRule.REGISTERED),
}
"""By ISO 3166 alpha-2 country of the customer's number."""


@dataclass(frozen=True, slots=True)
class SenderWarning:
    """Something that a merchant should know of the sender it chose."""

    code: str
    detail: str


def kind_of_sender(sender: str) -> SenderKind | None:
    """Tell what a sender is; None where it is none of them."""
    if NUMBER.fullmatch(sender):
        return SenderKind.NUMBER
    if _SHORT_CODE.fullmatch(sender):
        return SenderKind.SHORT_CODE
    return SenderKind.NAME if _NAME.fullmatch(sender) else None


def rule_for(sender: str, number: str) -> NameRule | None:
    """Say what becomes of a message from the sender to an E.164 number; None where it arrives as it is."""
    if kind_of_sender(sender) is not SenderKind.NAME:
        return None
    return NAME_RULES.get(country_of(number) or "")


@lru_cache(maxsize=4096)
def country_of(number: str) -> str | None:
    """Tell the country of an E.164 number; None where it has none, as satellite numbers."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except NumberParseException:
        return None


def warn_of_sender(sender: str) -> Iterator[SenderWarning]:
    """Name what a merchant should know before the first message."""
    if kind_of_sender(sender) is not SenderKind.NAME:
        return
    yield SenderWarning(
        "sender_takes_no_answers",
        "Nobody can answer a name: customers leave by the link in each message, not by STOP.",
    )
    yield SenderWarning(
        "sender_refused_in_countries",
        f"Messages from a name are not delivered to numbers of {_countries(NameRule.REFUSED)}, and so not sent there; "
        "they need a number of that country.",
    )
    yield SenderWarning(
        "sender_registered_in_countries",
        f"Register the name with the provider before messages go to {_countries(NameRule.REGISTERED)}.",
    )
    yield SenderWarning(
        "sender_replaced_in_countries",
        f"Messages to {_countries(NameRule.REPLACED)} arrive from a number instead.",
    )


def _countries(rule: NameRule) -> str:
    return ", ".join(sorted(country for country, one in NAME_RULES.items() if one is rule))
