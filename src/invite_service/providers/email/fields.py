"""An e-mail as companies' APIs take it: in fields, each of them checked before anything is written."""

import re
from collections.abc import Mapping

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.http_answers import Receipts

MAX_ADDRESS_LENGTH = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""

ATTEMPT = "attempt_id"
"""The name under which our attempt id travels with a message, to come back in the company's events."""

_UNSAFE = frozenset(' <>\\"')
# Patterns that begin with one certain octet are found several times faster than `in` finds two.
_LONE_CR = re.compile(rb"\r(?!\n)")
_LONE_LF = re.compile(rb"\n(?<!\r\n)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")


def find_unfit(message: Message, receipts: Receipts) -> Receipt | None:
    """Say what makes the message unfit to be sent as fields: control characters, addresses that are none."""
    if not is_safe_address(message.to_address):
        return receipts.make(OutcomeWord.REJECTED, "invalid_address")
    if not is_safe_address(message.from_address) or not _is_one_line(message.from_name or ""):
        return receipts.make(OutcomeWord.MISCONFIGURED, "invalid_sender_address")
    if message.reply_to is not None and not is_safe_address(message.reply_to):
        return receipts.make(OutcomeWord.MISCONFIGURED, "invalid_sender_address")
    if not all(_HEADER_NAME.fullmatch(name) and _is_one_line(value) for name, value in write_headers(message).items()):
        return receipts.make(OutcomeWord.REJECTED, "malformed_message")
    if not (_is_one_line(message.subject) and _is_one_line(message.to_name or "")):
        return receipts.make(OutcomeWord.REJECTED, "malformed_message")
    return None


def find_unfit_raw(message: Message, receipts: Receipts) -> Receipt | None:
    """Say what makes the message unfit to be sent as bytes; its head is the renderer's, but for the envelope."""
    if not is_safe_address(message.to_address):
        return receipts.make(OutcomeWord.REJECTED, "invalid_address")
    if not is_safe_address(message.from_address):
        return receipts.make(OutcomeWord.MISCONFIGURED, "invalid_sender_address")
    if message.raw is None or not has_proper_lines(message.raw):
        return receipts.make(OutcomeWord.REJECTED, "malformed_message")
    return None


def write_headers(message: Message) -> dict[str, str]:
    """List the headers that are no fields of their own anywhere, our Message-ID among them."""
    return {**message.headers, "Message-ID": message.message_id}


def write_mailbox(name: str | None, address: str) -> str:
    """Write a name and an address as one text; the company encodes what is not ASCII."""
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def write_person(name: str | None, address: str, *, name_field: str, address_field: str) -> Mapping[str, str]:
    """Write a name and an address as two fields."""
    return {address_field: address, name_field: name} if name else {address_field: address}


def is_safe_address(address: str) -> bool:
    """Say whether an address can be written anywhere without being taken for something else."""
    local_part, at, domain = address.rpartition("@")
    return (
        bool(local_part and at and domain)
        and len(address) <= MAX_ADDRESS_LENGTH
        and address.isprintable()
        and _UNSAFE.isdisjoint(address)
    )


def has_proper_lines(raw: bytes) -> bool:
    """Every line ends with CR LF and neither stands alone: servers differ on lone ones, which smuggles mails."""
    return raw.endswith(b"\r\n") and not _LONE_LF.search(raw) and not _LONE_CR.search(raw)


def _is_one_line(text: str) -> bool:
    """True without control characters; what Unicode calls unprintable otherwise may be in a name."""
    return _CONTROL.search(text) is None
