"""A mailbox in memory."""

from uuid import UUID

from invite_service.domain.message import Message
from invite_service.providers.base import Mailbox


class FakeMailbox:
    """Keeps by attempt id; fails when told to, before or after it has kept."""

    def __init__(self, *, fails: bool = False) -> None:
        self.kept: dict[UUID, Message] = {}
        self._fails = fails

    async def keep(self, message: Message) -> None:
        self.kept.setdefault(message.attempt_id, message)
        if self._fails:
            raise ConnectionError("kari@example.net was not kept")


_IS_A_MAILBOX: type[Mailbox] = FakeMailbox
