"""Reading contacts: e-mail addresses and phone numbers as they are compared (RULES.md section 1, "contact").

What cannot be read counts as absent, with a fault word that the trace shows; it is never an error of the order.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberType

MAX_EMAIL_LENGTH = 254
"""RFC 5321 section 4.5.3.1.3, less the angle brackets."""

_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"

_ASCII_EMAIL = re.compile(r"(?P<local>[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@" + _DOMAIN)
"""RFC 5321 dot-string at a domain of at least two labels; quoted local parts and address literals are not read."""

_ASCII_DOMAIN = re.compile(_DOMAIN)

_MAX_LOCAL_LENGTH = 64

_SMS_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class ReadContact(NamedTuple):
    """What a posted contact was read as: the normalised contact, or why it counts as absent."""

    contact: str | None
    fault: str | None


ABSENT = ReadContact(None, None)
"""Nothing was given."""


def read_email(text: str | None) -> ReadContact:
    """Read an e-mail address: NFC, trimmed, lower-cased, IDNA domain; no folding of dots or plus tags."""
    if text is None:
        return ABSENT
    address = text.strip().lower()
    if not address:
        return ABSENT
    if address.isascii() and "xn--" not in address:
        match = _ASCII_EMAIL.fullmatch(address)
        if match and len(address) <= MAX_EMAIL_LENGTH and len(match["local"]) <= _MAX_LOCAL_LENGTH:
            return ReadContact(address, None)
        return ReadContact(None, "email_unreadable")
    return _read_international_email(unicodedata.normalize("NFC", address))


def _read_international_email(address: str) -> ReadContact:
    try:
        # test_environment: addresses under .test are read, as they are among ASCII addresses.
        checked = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ReadContact(None, "email_unreadable")
    if not _ASCII_DOMAIN.fullmatch(checked.ascii_domain):
        return ReadContact(None, "email_unreadable")
    contact = f"{checked.local_part}@{checked.ascii_domain}".lower()
    return ReadContact(unicodedata.normalize("NFC", contact), None)


@lru_cache(maxsize=4096)
def read_phone(text: str | None, country: str | None) -> ReadContact:
    """Read a phone number as E.164; a national one is read with `country` (ISO 3166 alpha-2).

    Fixed lines and numbers of other kinds that cannot take SMS count as absent.
    """
    if text is None or not text.strip():
        return ABSENT
    try:
        number = phonenumbers.parse(text, country.upper() if country else None)
    except NumberParseException as error:
        needs_country = error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not country
        return ReadContact(None, "phone_needs_country" if needs_country else "phone_unreadable")
    if not phonenumbers.is_valid_number(number):
        return ReadContact(None, "phone_unreadable")
    if phonenumbers.number_type(number) not in _SMS_TYPES:
        return ReadContact(None, "phone_not_mobile")
    return ReadContact(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None)


def normalise_contact(text: str, *, country: str | None = None) -> str | None:
    """Read an address of either kind as it is stored and compared, or None when it cannot be read."""
    read = read_email(text) if "@" in text else read_phone(text, country)
    return read.contact
