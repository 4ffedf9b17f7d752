"""Contacts as RULES.md section 1 ('contact') and section 3 (suppression) know them."""

import unicodedata
from functools import cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

NARROW_REASONS = frozenset({"hard_bounce", "undeliverable"})
"""Section 3: a hard bounce, or an SMS that can never arrive, closes the address alone."""

SMS_TYPES = frozenset({phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Kinds of number that can take an SMS."""


@cache
def read_email(text: str | None) -> str | None:
    """Return the address NFC, trimmed, lower-cased, its domain in IDNA; None when it does not parse."""
    if text is None:
        return None
    tidy = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().lower())
    try:
        parsed = validate_email(tidy, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return f"{parsed.local_part}@{parsed.ascii_domain}"


@cache
def read_phone(text: str | None) -> str | None:
    """Return the number in E.164; None when it does not parse or cannot take SMS."""
    if text is None:
        return None
    try:
        number = phonenumbers.parse(text.strip(), None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in SMS_TYPES:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_contact(text: str) -> str:
    """Return an e-mail address or a phone number as it is compared; an unreadable one as it came."""
    read = read_email(text) if "@" in text else read_phone(text)
    return read or text.strip().lower()
