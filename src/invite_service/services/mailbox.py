"""The mailbox as the provider sees it: a sandbox merchant's messages are kept in the database."""

from collections.abc import Callable
from datetime import datetime

from invite_service.domain.message import Message
from invite_service.providers.base import Mailbox
from invite_service.storage.database import Database


class DatabaseMailbox(Mailbox):
    """Keeps each message in a transaction of its own."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, message: Message) -> None:
        """Keep a message under its attempt's id; keeping it again changes nothing."""
        async with self._database.autocommit() as stores:
            await stores.mailbox.keep(message, real_now=self._clock())
