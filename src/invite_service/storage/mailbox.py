"""The mailbox: messages that are kept instead of sent, for sandbox merchants and local runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.storage.choosing import Slice
from invite_service.storage.driver import Driver, Row

# An attempt's row tells when its customer was written to; a message without one is kept at the merchant's time.
KEEP_MESSAGE: Final = """
INSERT INTO mailbox_messages (
    merchant_id, id, invitation_id, step, channel, recipient, subject, text, html, headers, sent_at
)
SELECT merchants.id, $2, $3, $4, $5, $6, $7, $8, $9, ($10::text)::jsonb,
       COALESCE(
           (SELECT attempts.asked_at FROM attempts WHERE attempts.merchant_id = $1 AND attempts.id = $2),
           $11::timestamptz + merchants.clock_offset
       )
FROM merchants
WHERE merchants.id = $1
  AND NOT EXISTS (
      SELECT FROM invitations AS i WHERE i.merchant_id = $1 AND i.id = $3 AND i.status = 'erased'
  )
ON CONFLICT (merchant_id, id) DO NOTHING
"""

_STEPS: Final = frozenset(Step)

LIST_MESSAGES: Final = """
SELECT id, invitation_id, step, channel, recipient, subject, text, html, headers, sent_at
FROM mailbox_messages
WHERE merchant_id = $1{condition}
ORDER BY sent_at {direction}, id {direction}
LIMIT $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A message in the mailbox."""

    id: UUID
    """The attempt's."""
    invitation_id: UUID
    step: Step | Notice
    channel: Channel
    to: str
    """An e-mail address or an E.164 number."""
    subject: str
    """Empty for an SMS."""
    text: str
    html: str | None
    headers: Mapping[str, str]
    sent_at: datetime
    """On the merchant's clock."""


class MailboxStore:
    """A merchant's mailbox."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def keep(self, message: Message, *, real_now: datetime) -> None:
        """Keep a message under its attempt's id, unless the customer was erased; keeping it again changes nothing."""
        await self._driver.execute(
            KEEP_MESSAGE,
            message.merchant_id,
            message.attempt_id,
            message.invitation_id,
            message.step,
            message.channel,
            message.to_address,
            message.subject,
            message.text,
            message.html,
            orjson.dumps(_headers(message)).decode(),
            real_now,
        )

    async def list_(self, merchant_id: MerchantId, *, part: Slice) -> list[KeptMessage]:
        """List messages by the time they were sent."""
        parameters: list[object] = [merchant_id, part.limit]
        condition = ""
        if part.beyond is not None:
            condition = f" AND (sent_at, id) {'>' if part.ascending else '<'} ($3, $4)"
            parameters += part.beyond
        statement = LIST_MESSAGES.format(condition=condition, direction="ASC" if part.ascending else "DESC")
        return [_message(row) for row in await self._driver.fetch(statement, *parameters)]


def _headers(message: Message) -> dict[str, str]:
    """Show the headers that an e-mail's reader sees, decoded, and the rest of those that rendering chose."""
    if message.channel is Channel.SMS:
        return {"From": message.from_address}
    headers = {
        "From": _decoded_mailbox(message.from_name, message.from_address),
        "To": _decoded_mailbox(message.to_name, message.to_address),
        "Subject": message.subject,
        "Message-ID": message.message_id,
    }
    if message.reply_to is not None:
        headers["Reply-To"] = message.reply_to
    return headers | dict(message.headers)


def _decoded_mailbox(name: str | None, address: str) -> str:
    return f"{name} <{address}>" if name else address


def _step(word: str) -> Step | Notice:
    return Step(word) if word in _STEPS else Notice(word)


def _message(row: Row) -> KeptMessage:
    return KeptMessage(
        id=row["id"],
        invitation_id=row["invitation_id"],
        step=_step(row["step"]),
        channel=Channel(row["channel"]),
        to=row["recipient"],
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        headers=row["headers"],
        sent_at=row["sent_at"],
    )
