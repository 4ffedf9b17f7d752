"""Webhooks out: endpoints, events queued in the transaction of what happened, and telling them (Standard Webhooks).

A listener is told at least once: the same event has the same id each time, by which it knows what it has heard.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import orjson
import structlog

from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import ActionRefusedError, WebhookEndpointNotFoundError, WebhookEventNotFoundError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.webhook import (
    DeliveryStatus,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKind,
)
from invite_service.rules.webhooks import conclude_delivery
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.services.sealing import CredentialSeal, SealBrokenError
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

log = structlog.get_logger()

MAX_ENDPOINTS: Final = 10
"""Of one merchant."""

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets begin
SECRET_BYTES: Final = 32

OLD_SECRET_SIGNS_FOR: Final = timedelta(hours=24)
"""After a rotation both keys sign, so that a listener can change over in its own time."""

BATCH_SIZE: Final = 20
"""Deliveries of a merchant that are under way at once."""

LEASE: Final = timedelta(seconds=60)
"""Longer than any call takes."""


class Caller(Protocol):
    """Who calls merchants' systems."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> str:
        """Post a body, and give the status that was answered, or the word for why there is none."""


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint with its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)


async def announce(
    stores: Stores,
    merchant: Merchant,
    kind: WebhookKind,
    data: Mapping[str, JsonFigure],
    *,
    event_id: UUID,
    real_now: datetime,
) -> None:
    """Queue an event for whoever of the merchant's systems wants it, in the transaction of what happened."""
    event = WebhookEvent(id=event_id, kind=kind, at=merchant.now(real_now), data=data)
    await stores.webhooks.announce(merchant.id, event, real_now=real_now)


class WebhookService:
    """Keeps endpoints, and tells them. Raises WebhookEndpointNotFoundError where the merchant has none of that id."""

    def __init__(
        self,
        database: Database,
        *,
        caller: Caller,
        seal: CredentialSeal,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._caller = caller
        self._seal = seal
        self._clock = clock
        self._new_id = new_id

    async def list_(self, merchant_id: MerchantId) -> list[WebhookEndpoint]:
        """List a merchant's endpoints, the oldest first."""
        async with self._database.autocommit() as stores:
            return await stores.webhooks.list_endpoints(merchant_id)

    async def add(
        self, merchant_id: MerchantId, url: str, *, kinds: Collection[WebhookKind], description: str | None
    ) -> NewEndpoint:
        """Add an endpoint, which is told what happens from now on; no kinds stand for all.

        Raises:
            ActionRefusedError: `too_many_endpoints`.
        """
        endpoint_id, secret = self._new_id(), _new_secret()
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            url=url,
            kinds=frozenset(kinds),
            secret=self._seal.seal({"secret": secret}, place=_place(merchant_id, endpoint_id)),
            description=description,
            created_at=self._clock(),
        )
        async with self._database.transaction() as stores:
            await stores.merchants.lock(merchant_id)
            if len(await stores.webhooks.list_endpoints(merchant_id)) >= MAX_ENDPOINTS:
                raise ActionRefusedError("too_many_endpoints", f"A merchant has at most {MAX_ENDPOINTS}.")
            await stores.webhooks.add_endpoint(merchant_id, endpoint)
        return NewEndpoint(endpoint, secret)

    async def rotate(self, merchant_id: MerchantId, endpoint_id: UUID) -> NewEndpoint:
        """Give an endpoint another secret; for a day the one before signs as well."""
        secret = _new_secret()
        async with self._database.transaction() as stores:
            await stores.merchants.lock(merchant_id)
            endpoint = await _find(stores, merchant_id, endpoint_id)
            place = _place(merchant_id, endpoint_id)
            before = self._seal.open(endpoint.secret, place=place)
            until = self._clock() + OLD_SECRET_SIGNS_FOR
            kept = {"secret": secret, "before": before["secret"], "before_until": until.isoformat()}
            await stores.webhooks.save_secret(merchant_id, endpoint_id, self._seal.seal(kept, place=place))
        return NewEndpoint(endpoint, secret)

    async def delete(self, merchant_id: MerchantId, endpoint_id: UUID) -> None:
        """Delete an endpoint; what waits for it is not sent any more."""
        async with self._database.transaction() as stores:
            if not await stores.webhooks.delete_endpoint(merchant_id, endpoint_id, real_now=self._clock()):
                raise _unknown_endpoint()

    async def list_events(
        self, merchant_id: MerchantId, endpoint_id: UUID, *, statuses: Collection[DeliveryStatus], page: PageRequest
    ) -> Page[WebhookDelivery]:
        """List what an endpoint was or is to be told."""
        async with self._database.autocommit() as stores:
            await _find(stores, merchant_id, endpoint_id)
            found = await stores.webhooks.list_deliveries(
                merchant_id, endpoint_id, statuses=statuses, part=page.to_slice()
            )
        return page_of(found, page)

    async def redeliver(self, merchant_id: MerchantId, endpoint_id: UUID, event_id: UUID) -> None:
        """Send an event once more; one that still waits is sent anyway.

        Raises:
            WebhookEventNotFoundError: the endpoint was never to be told of it.
        """
        async with self._database.transaction() as stores:
            await _find(stores, merchant_id, endpoint_id)
            if not await stores.webhooks.redeliver(merchant_id, endpoint_id, event_id, real_now=self._clock()):
                raise WebhookEventNotFoundError("No event of that id has ended at this endpoint.")

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants whose systems are to be told something now."""
        async with self._database.autocommit() as stores:
            return await stores.webhooks.find_merchants_with_due(self._clock())

    async def tell(self, merchant_id: MerchantId) -> int:
        """Tell a merchant's systems what is due, some at a time, and say how many took it."""
        taken = 0
        while True:
            async with self._database.transaction() as stores:
                real_now = self._clock()
                until = real_now + LEASE
                claimed = await stores.webhooks.claim_due(merchant_id, real_now=real_now, limit=BATCH_SIZE, until=until)
                if not claimed:
                    return taken
                endpoints = {one.id: one for one in await stores.webhooks.list_endpoints(merchant_id)}
            told = await asyncio.gather(
                *(self._tell(merchant_id, one, endpoints.get(one.endpoint_id), until=until) for one in claimed)
            )
            taken += sum(told)

    async def _tell(
        self,
        merchant_id: MerchantId,
        delivery: WebhookDelivery,
        endpoint: WebhookEndpoint | None,
        *,
        until: datetime,
    ) -> bool:
        answer = await self._call(merchant_id, delivery, endpoint) if endpoint is not None else "endpoint_deleted"
        is_taken = answer.startswith("2")
        concluded = conclude_delivery(delivery, answer, taken=is_taken, now=self._clock())
        async with self._database.transaction() as stores:
            await stores.webhooks.finish(merchant_id, concluded, until=until)
        return is_taken

    async def _call(self, merchant_id: MerchantId, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> str:
        try:
            kept = self._seal.open(endpoint.secret, place=_place(merchant_id, endpoint.id))
        except SealBrokenError:
            log.warning("Failed to open a webhook's secret", merchant_id=merchant_id, endpoint_id=str(endpoint.id))
            return "secret_unreadable"
        body = body_of(delivery.event)
        real_now = self._clock()
        keys = [kept["secret"]]
        if "before" in kept and datetime.fromisoformat(kept["before_until"]) > real_now:
            keys.append(kept["before"])
        headers = sign(delivery.event.id, body, keys=keys, at=real_now)
        return await self._caller.post(endpoint.url, headers=headers, body=body)


def body_of(event: WebhookEvent) -> bytes:
    """Write what a listener gets: `type`, `timestamp` and `data`."""
    return orjson.dumps(
        {
            "type": event.kind.value,
            "timestamp": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": dict(event.data),
        }
    )


def sign(event_id: UUID, body: bytes, *, keys: Collection[str], at: datetime) -> dict[str, str]:
    """Write the headers that prove a body (Standard Webhooks): a signature by each key over id, time and body."""
    timestamp = str(int(at.timestamp()))
    content = f"{event_id}.{timestamp}.".encode() + body
    signatures = [
        "v1," + base64.b64encode(hmac.new(_key_of(key), content, hashlib.sha256).digest()).decode() for key in keys
    ]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def _place(merchant_id: MerchantId, endpoint_id: UUID) -> tuple[str, ...]:
    return ("webhook", merchant_id, str(endpoint_id))


async def _find(stores: Stores, merchant_id: MerchantId, endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = await stores.webhooks.find_endpoint(merchant_id, endpoint_id)
    if endpoint is None:
        raise _unknown_endpoint()
    return endpoint


def _unknown_endpoint() -> WebhookEndpointNotFoundError:
    return WebhookEndpointNotFoundError("No webhook endpoint of that id exists.")
