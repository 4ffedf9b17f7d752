"""What merchants' systems are told: queued with what happened, signed, tried again, and not lost."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError, WebhookEndpointNotFoundError, WebhookEventNotFoundError
from invite_service.domain.webhook import DeliveryStatus, WebhookDelivery, WebhookKind
from invite_service.services.paging import PageRequest
from invite_service.services.sealing import CredentialSeal
from invite_service.services.webhooks import MAX_ENDPOINTS, NewEndpoint, WebhookService, announce
from tests.support.builders import new_id
from tests.support.sending import SECRET, SendingHouse

URL = "https://hooks.gifts.example/reviews?shop=1"


@dataclass
class RecordingCaller:
    """Answers with the given words, then 204, and remembers what was posted."""

    answers: list[str] = field(default_factory=list)
    posted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> str:
        self.posted.append((url, headers, body))
        await asyncio.sleep(0)
        return self.answers.pop(0) if self.answers else "204"


class Hooks:
    """A merchant with systems that listen."""

    def __init__(self, house: SendingHouse) -> None:
        self.house = house
        self.caller = RecordingCaller()
        self.service = WebhookService(
            house.database,
            caller=self.caller,
            seal=CredentialSeal.create(SECRET, {}),
            clock=house.clock,
            new_id=new_id,
        )

    async def listen(self, *kinds: WebhookKind) -> NewEndpoint:
        return await self.service.add(self.house.merchant.id, URL, kinds=kinds, description=None)

    async def happen(self, kind: WebhookKind = WebhookKind.RATING_CREATED, **data: Any) -> UUID:
        event_id = new_id()
        async with self.house.database.transaction() as stores:
            await announce(stores, self.house.merchant, kind, data, event_id=event_id, real_now=self.house.clock.now)
        return event_id

    async def tell(self) -> int:
        return await self.service.tell(self.house.merchant.id)

    async def deliveries(self, endpoint: NewEndpoint) -> list[WebhookDelivery]:
        page = await self.service.list_events(
            self.house.merchant.id, endpoint.endpoint.id, statuses=(), page=PageRequest(ascending=False)
        )
        return list(page.items)


@pytest.fixture
async def hooks(house: SendingHouse) -> Hooks:
    return Hooks(house)


def signature(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """Sign as the specification says, by hand."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}"
    return "v1," + base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()


async def test_listener_is_told_once_with_a_signature(hooks: Hooks) -> None:
    new = await hooks.listen()
    event_id = await hooks.happen(stars=4, rating_id="r1")
    assert await hooks.service.find_due() == [hooks.house.merchant.id]
    assert (await hooks.tell(), await hooks.tell()) == (1, 0)

    [(url, headers, body)] = hooks.caller.posted
    now = hooks.house.clock.now
    assert url == URL
    assert json.loads(body) == {
        "type": "rating.created",
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "data": {"stars": 4, "rating_id": "r1"},
    }
    assert headers == {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature(new.secret, headers, body),
    }
    [delivery] = await hooks.deliveries(new)
    assert (delivery.status, delivery.tries, delivery.last_answer, delivery.ended_at) == (
        DeliveryStatus.DELIVERED,
        1,
        "204",
        now,
    )


async def test_only_who_wants_an_event_is_told_and_nothing_is_kept_for_nobody(hooks: Hooks) -> None:
    await hooks.happen()
    assert await hooks.house.rows("SELECT 1 FROM webhook_events") == []
    await hooks.listen(WebhookKind.RATING_REJECTED)
    await hooks.happen()
    assert await hooks.tell() == 0
    await hooks.happen(WebhookKind.RATING_REJECTED)
    assert await hooks.tell() == 1


async def test_what_is_not_taken_is_tried_ten_times_over_three_days(hooks: Hooks) -> None:
    new = await hooks.listen()
    await hooks.happen()
    began_at = hooks.house.clock.now
    hooks.caller.answers = ["500", "302", "timeout_after_request", "404"] + ["503"] * 20
    waited = []
    while await hooks.service.find_due() or (await hooks.deliveries(new))[0].next_attempt_at is not None:
        assert await hooks.tell() == 0
        [delivery] = await hooks.deliveries(new)
        if delivery.next_attempt_at is not None:
            waited.append(delivery.next_attempt_at - hooks.house.clock.now)
            hooks.house.clock.now = delivery.next_attempt_at
    assert (len(hooks.caller.posted), delivery.status, delivery.last_answer) == (10, DeliveryStatus.FAILED, "503")
    assert waited == sorted(waited)
    assert timedelta(days=3) < hooks.house.clock.now - began_at < timedelta(days=4)

    await hooks.service.redeliver(hooks.house.merchant.id, new.endpoint.id, delivery.event.id)
    hooks.caller.answers = []
    assert await hooks.tell() == 1
    assert hooks.caller.posted[-1][1]["webhook-id"] == hooks.caller.posted[0][1]["webhook-id"]


async def test_both_keys_sign_for_a_day_after_a_rotation(hooks: Hooks) -> None:
    old = await hooks.listen()
    new = await hooks.service.rotate(hooks.house.merchant.id, old.endpoint.id)
    await hooks.happen()
    await hooks.tell()
    _, headers, body = hooks.caller.posted[-1]
    assert headers["webhook-signature"].split() == [
        signature(new.secret, headers, body),
        signature(old.secret, headers, body),
    ]
    hooks.house.clock.now += timedelta(days=1)
    await hooks.happen()
    await hooks.tell()
    _, headers, body = hooks.caller.posted[-1]
    assert headers["webhook-signature"] == signature(new.secret, headers, body)


async def test_deleted_endpoint_is_told_nothing_more(hooks: Hooks) -> None:
    new = await hooks.listen()
    await hooks.happen()
    await hooks.service.delete(hooks.house.merchant.id, new.endpoint.id)
    assert await hooks.tell() == 0
    assert hooks.caller.posted == []
    assert await hooks.service.list_(hooks.house.merchant.id) == []
    with pytest.raises(WebhookEndpointNotFoundError):
        await hooks.service.delete(hooks.house.merchant.id, new.endpoint.id)


async def test_what_a_dead_process_had_begun_is_told_by_another(hooks: Hooks) -> None:
    new = await hooks.listen()
    event_id = await hooks.happen()
    async with hooks.house.database.transaction() as stores:
        now = hooks.house.clock.now
        claimed = await stores.webhooks.claim_due(
            hooks.house.merchant.id, real_now=now, limit=5, until=now + timedelta(seconds=60)
        )
    assert [delivery.event.id for delivery in claimed] == [event_id]
    assert await hooks.tell() == 0
    hooks.house.clock.now += timedelta(minutes=1)
    assert await hooks.tell() == 1
    assert [delivery.status for delivery in await hooks.deliveries(new)] == [DeliveryStatus.DELIVERED]


async def test_several_workers_tell_each_event_once(hooks: Hooks) -> None:
    await hooks.listen()
    events = [await hooks.happen() for _ in range(30)]
    assert sum(await asyncio.gather(*(hooks.tell() for _ in range(3)))) == 30
    assert sorted(headers["webhook-id"] for _, headers, _ in hooks.caller.posted) == sorted(map(str, events))


async def test_limits_and_unknown_ids_are_refused(hooks: Hooks) -> None:
    new = await hooks.listen()
    for _ in range(MAX_ENDPOINTS - 1):
        await hooks.listen()
    with pytest.raises(ActionRefusedError) as refused:
        await hooks.listen()
    assert refused.value.reason == "too_many_endpoints"
    with pytest.raises(WebhookEventNotFoundError):
        await hooks.service.redeliver(hooks.house.merchant.id, new.endpoint.id, new_id())
    with pytest.raises(WebhookEndpointNotFoundError):
        await hooks.service.rotate(hooks.house.merchant.id, new_id())


async def test_secret_is_nowhere_in_the_clear(hooks: Hooks) -> None:
    new = await hooks.listen()
    [row] = await hooks.house.rows("SELECT * FROM webhook_endpoints")
    assert new.secret not in str(dict(row))
    assert new.secret not in repr(new)
