"""Merchants' own texts: every version kept, the current ones found by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.texts import AsksFor, FixedText, MerchantText, TextName
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import json_text

ASKS_FOR: Final = "asks_for"
"""Where the stored fields keep what a text asks for."""

ADD_TEXT: Final = """
INSERT INTO texts (merchant_id, version, text, language, fields, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

FIND_LAST_VERSION: Final = """
SELECT version FROM texts WHERE merchant_id = $1 ORDER BY version DESC LIMIT 1
"""

FIND_TEXT: Final = """
SELECT version, text, language, fields, created_at, created_by FROM texts
WHERE merchant_id = $1 AND text = $2 AND language = $3
ORDER BY version DESC
LIMIT 1
"""

LIST_TEXTS_AT: Final = """
SELECT DISTINCT ON (text, language) version, text, language, fields, created_at, created_by FROM texts
WHERE merchant_id = $1 AND version <= $2
ORDER BY text, language, version DESC
"""

COUNT_TEST_MESSAGES: Final = "SELECT count(*) FROM test_messages WHERE merchant_id = $1 AND sent_at > $2"

ADD_TEST_MESSAGE: Final = """
INSERT INTO test_messages (merchant_id, id, text, language, channel, sent_at, sent_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

REMOVE_TEST_MESSAGE: Final = "DELETE FROM test_messages WHERE merchant_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMessage:
    """A test message that was, or is about to be, handed over; `sent_at` is real time."""

    id: UUID
    text: TextName | FixedText
    language: str
    channel: Channel
    sent_at: datetime
    sent_by: str


class TextStore:
    """A merchant's own texts; a version never changes once it is saved."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_last_version(self, merchant_id: MerchantId) -> int:
        """Find the version of the last change of any text; 0 where there was none."""
        version: int | None = await self._driver.fetchval(FIND_LAST_VERSION, merchant_id)
        return version or 0

    async def get(self, merchant_id: MerchantId, name: TextName, language: str) -> MerchantText:
        """Get a text; version 0, with nothing of its own, where none was ever set."""
        row = await self._driver.fetchrow(FIND_TEXT, merchant_id, name, language)
        return MerchantText(name=name, language=language) if row is None else _text(row)

    async def list_at(self, merchant_id: MerchantId, version: int) -> list[MerchantText]:
        """List every text as it was at a version."""
        return [_text(row) for row in await self._driver.fetch(LIST_TEXTS_AT, merchant_id, version)]

    async def add(self, merchant_id: MerchantId, text: MerchantText) -> None:
        """Save a version; numbers are given under the merchant's lock."""
        await self._driver.execute(
            ADD_TEXT,
            merchant_id,
            text.version,
            text.name,
            text.language,
            json_text(_fields(text)),
            text.changed_at,
            text.changed_by,
        )

    async def count_test_messages(self, merchant_id: MerchantId, *, since: datetime) -> int:
        """Count the test messages sent after an instant of real time."""
        count: int = await self._driver.fetchval(COUNT_TEST_MESSAGES, merchant_id, since)
        return count

    async def add_test_message(self, merchant_id: MerchantId, message: TestMessage) -> None:
        """Count a test message, before it is handed over."""
        await self._driver.execute(
            ADD_TEST_MESSAGE,
            merchant_id,
            message.id,
            message.text,
            message.language,
            message.channel,
            message.sent_at,
            message.sent_by,
        )

    async def remove_test_message(self, merchant_id: MerchantId, test_id: UUID) -> None:
        """Take back the count of a test message that nobody was handed."""
        await self._driver.execute(REMOVE_TEST_MESSAGE, merchant_id, test_id)


def _fields(text: MerchantText) -> dict[str, Any]:
    asks_for = {ASKS_FOR: text.asks_for.value} if text.asks_for is not AsksFor.DELIVERY else {}
    return {**text.fields, **asks_for}


def _text(row: Row) -> MerchantText:
    version, name, language, stored, created_at, created_by = row
    fields: Mapping[str, Any] = stored
    return MerchantText(
        name=TextName(name),
        language=language,
        version=version,
        fields={
            field: tuple(value) if isinstance(value, list) else value
            for field, value in fields.items()
            if field != ASKS_FOR
        },
        asks_for=AsksFor(fields.get(ASKS_FOR, AsksFor.DELIVERY)),
        changed_at=created_at,
        changed_by=created_by,
    )
