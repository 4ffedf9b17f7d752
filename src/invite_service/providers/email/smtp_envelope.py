"""One message as SMTP sees it: the commands of its envelope and its bytes, checked before anything is written."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.fields import has_proper_lines, is_safe_address
from invite_service.providers.email.smtp_answers import Stage, receipt

# Patterns that begin with one certain octet are found several times faster than `in` finds two.
_DOT_AT_START = re.compile(rb"\n\.")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that is safe to put on the wire."""

    sender: str
    recipient: str
    raw: bytes
    is_eight_bit: bool
    needs_smtputf8: bool
    """An address or a header is not ASCII (RFC 6531)."""

    def commands(self, extensions: Collection[str]) -> tuple[tuple[Stage, bytes], ...] | Receipt:
        """Write MAIL, RCPT and DATA for a server of these extensions (lower case), or say what it lacks."""
        mail = f"MAIL FROM:<{self.sender}>"
        if "size" in extensions:
            mail += f" SIZE={len(self.raw)}"
        if self.needs_smtputf8:
            if "smtputf8" not in extensions:
                return receipt(OutcomeWord.REJECTED, "smtputf8_unsupported")
            mail += " SMTPUTF8"
        if self.is_eight_bit:
            if "8bitmime" not in extensions:
                return receipt(OutcomeWord.MISCONFIGURED, "eight_bit_unsupported")
            mail += " BODY=8BITMIME"
        return (
            (Stage.MAIL, f"{mail}\r\n".encode()),
            (Stage.RCPT, f"RCPT TO:<{self.recipient}>\r\n".encode()),
            (Stage.DATA, b"DATA\r\n"),
        )

    def data(self) -> bytes:
        """Write what follows the 354: the bytes, dots at line starts doubled, and the final dot (RFC 5321 4.5.2)."""
        raw = _DOT_AT_START.sub(b"\n..", self.raw)
        start = b"." if raw.startswith(b".") else b""
        return b"".join((start, raw, b".\r\n"))


def create_envelope(message: Message) -> Envelope | Receipt:
    """Check addresses and bytes; what is unsafe to write is answered here and never reaches a server."""
    if not is_safe_address(message.to_address):
        return receipt(OutcomeWord.REJECTED, "invalid_address")
    if not is_safe_address(message.from_address):
        return receipt(OutcomeWord.MISCONFIGURED, "invalid_sender_address")
    raw = message.raw
    if raw is None or not has_proper_lines(raw):
        return receipt(OutcomeWord.REJECTED, "malformed_message")
    is_eight_bit = not raw.isascii()
    return Envelope(
        sender=message.from_address,
        recipient=message.to_address,
        raw=raw,
        is_eight_bit=is_eight_bit,
        needs_smtputf8=not (message.to_address.isascii() and message.from_address.isascii())
        or (is_eight_bit and not raw.partition(b"\r\n\r\n")[0].isascii()),
    )
