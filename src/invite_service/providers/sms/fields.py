"""An SMS as companies' APIs take it: its fields checked before anything is written, and the forms they are told in."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.http_answers import Receipts
from invite_service.rules.sms_senders import NUMBER, NameRule, kind_of_sender, rule_for

FORM: Final = "application/x-www-form-urlencoded"

_UNFIT: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no network carries: control characters but the line feed, and halves of characters."""


def find_unfit_sms(message: Message, receipts: Receipts, *, chooses_sender: bool = False) -> Receipt | None:
    """Say what makes an SMS unfit to be sent; a company that chooses the sender is not told ours."""
    if not NUMBER.fullmatch(message.to_address):
        return receipts.make(OutcomeWord.REJECTED, "invalid_address")
    if not chooses_sender:
        if kind_of_sender(message.from_address) is None:
            return receipts.make(OutcomeWord.MISCONFIGURED, "invalid_sender_address")
        # The merchant's other messages may leave: only those to this country need another sender.
        if rule_for(message.from_address, message.to_address) is NameRule.REFUSED:
            return receipts.make(OutcomeWord.REJECTED, "sender_not_allowed_in_country")
    if not message.text.strip() or _UNFIT.search(message.text):
        return receipts.make(OutcomeWord.REJECTED, "malformed_message")
    return None


def read_form(body: bytes) -> Mapping[str, str]:
    """Read a form; of a field that comes several times, the last. What is no form has no fields."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return {}


def write_international(digits: str | None) -> str | None:
    """Write a number as E.164 that a company tells without its plus."""
    if digits is None:
        return None
    number = f"+{digits.removeprefix('+')}"
    return number if NUMBER.fullmatch(number) else digits
