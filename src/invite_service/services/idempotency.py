"""Calls with an Idempotency-Key: done once, and answered alike however often they are sent (docs/adr/0012)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from invite_service.bell import Bell
from invite_service.domain.errors import DomainError, IdempotencyConflictError
from invite_service.domain.merchant import MerchantId
from invite_service.services.conflicts import try_again
from invite_service.services.sealing import AnswerSeal, SealBrokenError
from invite_service.storage.database import Database
from invite_service.storage.idempotency import KeyPlace, StoredCall
from invite_service.storage.joined import JoinedDatabase

KEPT_FOR: Final = timedelta(hours=24)
"""How long an answer is given again."""

RUNS_FOR: Final = timedelta(minutes=10)
"""How long a call that is done apart may take; then its process counts as dead, and the call may be made again."""

WAIT_SECONDS: Final = 30.0
"""How long a call waits for the same one that is done apart."""

LOOK_AGAIN_SECONDS: Final = 0.05


class IdempotencyKeyBusyError(DomainError):
    """The same call is still being done; nothing was done by this one."""

    code: ClassVar[str] = "idempotency_key_busy"


class IdempotencyAnswerLostError(DomainError):
    """The call was done, and what was answered to it can no longer be read; it is not done again."""

    code: ClassVar[str] = "idempotency_answer_lost"


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """A call with a key."""

    merchant_id: MerchantId
    path: str
    key: str
    """As the client chose it."""
    fingerprint: bytes
    """Of the body."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered, as it goes over the wire."""

    status: int
    body: bytes
    is_replayed: bool = False


class HeldBell:
    """Remembers whom to ring for until the transaction that is waited for has committed."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._held: dict[MerchantId, None] = {}

    def ring(self, merchant_id: MerchantId) -> None:
        """Remember a merchant."""
        self._held[merchant_id] = None

    async def is_heard(self) -> bool | None:
        """Say what the real one says."""
        return await self._bell.is_heard()

    def let_go(self) -> None:
        """Ring for all that were remembered."""
        for merchant_id in self._held:
            self._bell.ring(merchant_id)


@dataclass(frozen=True, slots=True)
class Joined:
    """What services are made of that take part in the transaction of a key."""

    database: JoinedDatabase
    bell: HeldBell


class IdempotencyService:
    """Does a call at most once per key, keeps what was answered, and answers it again.

    Whatever an effect raises is not kept: the same call then starts anew. Both ways of doing it raise
    IdempotencyConflictError when the key was used with another body, and IdempotencyAnswerLostError when the answer is
    sealed under another secret, or by a version that sealed otherwise.
    """

    def __init__(
        self,
        database: Database,
        *,
        seal: AnswerSeal,
        bell: Bell,
        clock: Callable[[], datetime],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._seal = seal
        self._bell = bell
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def run(self, call: KeyedCall, effect: Callable[[Joined], Awaitable[KeptAnswer]]) -> KeptAnswer:
        """Do a call whose effect joins the key's transaction: both are stored, or neither is.

        The same call meanwhile waits in the database until this one has committed.
        """
        return await try_again(lambda: self._run_once(call, effect))

    async def run_apart(self, call: KeyedCall, effect: Callable[[], Awaitable[KeptAnswer]]) -> KeptAnswer:
        """Do a call whose effect takes many transactions of its own.

        A process that dies in the middle leaves it half done, and the key free after RUNS_FOR.

        Raises:
            IdempotencyKeyBusyError: the same call is still being done after WAIT_SECONDS.
        """
        loop = asyncio.get_running_loop()
        waits_until = loop.time() + self._wait_seconds
        while found := await self._claim_apart(call):
            if found.status is not None:
                return self._replay(call, found)
            self._require_same_body(call, found)
            if loop.time() > waits_until:
                raise IdempotencyKeyBusyError("The same call is still being done; send it again to get its answer.")
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        try:
            answer = await effect()
        except BaseException:
            async with self._database.autocommit() as stores:
                await stores.idempotency_keys.release(self._place(call))
            raise
        async with self._database.autocommit() as stores:
            await stores.idempotency_keys.keep(
                self._place(call), status=answer.status, answer=self._seal.seal(answer.body, owner=call.key)
            )
        return answer

    async def clean(self) -> int:
        """Delete what need not be answered any more, and tell how much it was."""
        expired_at = self._clock() - KEPT_FOR
        deleted = 0
        async with self._database.autocommit() as stores:
            for merchant_id in await stores.idempotency_keys.list_merchants_with_expired(expired_at=expired_at):
                deleted += await stores.idempotency_keys.delete_expired(merchant_id, expired_at=expired_at)
        return deleted

    async def _run_once(self, call: KeyedCall, effect: Callable[[Joined], Awaitable[KeptAnswer]]) -> KeptAnswer:
        bell = HeldBell(self._bell)
        place = self._place(call)
        now = self._clock()
        async with self._database.transaction() as stores:
            found = await stores.idempotency_keys.claim(
                place, call.fingerprint, now=now, running_until=None, expired_at=now - KEPT_FOR
            )
            if found is not None:
                return self._replay(call, found)
            answer = await effect(Joined(JoinedDatabase(stores), bell))
            sealed = self._seal.seal(answer.body, owner=call.key)
            await stores.idempotency_keys.keep(place, status=answer.status, answer=sealed)
        bell.let_go()
        return answer

    async def _claim_apart(self, call: KeyedCall) -> StoredCall | None:
        now = self._clock()
        async with self._database.transaction() as stores:
            return await stores.idempotency_keys.claim(
                self._place(call), call.fingerprint, now=now, running_until=now + RUNS_FOR, expired_at=now - KEPT_FOR
            )

    def _place(self, call: KeyedCall) -> KeyPlace:
        return KeyPlace(call.merchant_id, call.path, self._seal.hash(call.key))

    def _require_same_body(self, call: KeyedCall, found: StoredCall) -> None:
        if found.fingerprint != call.fingerprint:
            raise IdempotencyConflictError("The key was used with another body; take a new one.")

    def _replay(self, call: KeyedCall, found: StoredCall) -> KeptAnswer:
        self._require_same_body(call, found)
        assert found.status is not None, "a key is committed with its answer"
        assert found.answer is not None, "a key is committed with its answer"
        try:
            body = self._seal.open(found.answer, owner=call.key)
        except SealBrokenError:
            raise IdempotencyAnswerLostError(
                "This call was done before, and its answer can no longer be read; look at what it made."
            ) from None
        return KeptAnswer(found.status, body, is_replayed=True)
