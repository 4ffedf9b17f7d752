"""Requests beside those that companies' own libraries write: for the same message, the same request."""

import asyncio
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from vonage_messages.models import Sms

from invite_service.domain.receipt import OutcomeWord
from invite_service.providers.base import LookUp
from invite_service.providers.event_addresses import EventAddresses
from tests.elsewhere.libraries import ASKS, POSTS, Ask, Made, Post
from tests.providers.played import SECRET, make_sms, message_for, open_api
from tests.providers.sms_companies import Vonage
from tests.support.vendor_server import Asked, VendorServer

NOW = datetime(2026, 11, 10, 8, 0, 7, tzinfo=UTC)

WRITTEN_OUT: dict[str, dict[str, Any]] = {"postmark": {"Attachments": []}, "sinch": {"type": "mt_text"}}
"""What a library writes that means the same where it is left out."""


@pytest.mark.parametrize(("company", "post"), POSTS.items(), ids=[made.__name__ for made in POSTS])
async def test_message_is_posted_as_the_companys_library_posts_it(company: Made, post: Post) -> None:
    played = company()
    message = message_for(played)
    async with VendorServer(company()) as server:
        await asyncio.to_thread(post, server.url, message)
        [theirs] = server.requests
    async with open_api(played) as (server, sender):
        receipt = await sender.send(message)
        [ours] = server.requests

    assert receipt.outcome is OutcomeWord.ACCEPTED
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert credentials_of(ours) == credentials_of(theirs)
    assert read(ours) | WRITTEN_OUT.get(played.name, {}) == read(theirs)


async def test_message_is_written_as_vonages_library_writes_it() -> None:
    message = make_sms()
    async with open_api(
        Vonage(), events=EventAddresses("https://reviews.example.com"), webhook_signature_secret=SECRET
    ) as (server, sender):
        await sender.send(message)
    [ours] = server.requests
    theirs = Sms(
        to=message.to_address.removeprefix("+"),
        from_=message.from_address,
        text=message.text,
        client_ref=str(message.attempt_id),
        webhook_url=ours.json()["webhook_url"],
    )

    assert ours.json() == theirs.model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize(("company", "ask"), ASKS.items(), ids=[made.__name__ for made in ASKS])
async def test_message_is_looked_for_as_the_companys_library_looks_for_it(company: Made, ask: Ask) -> None:
    played = company()
    message = message_for(played)
    async with VendorServer(company()) as server:
        await asyncio.to_thread(ask, server.url, message, NOW)
        [theirs] = server.requests
    async with open_api(played) as (server, sender):
        assert isinstance(sender, LookUp)
        await sender.look_up(message.message_id, to_address=message.to_address, attempted_at=NOW, content_hash="none")
        [ours] = server.requests

    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert credentials_of(ours) == credentials_of(theirs)
    assert query_of(ours) == query_of(theirs)


def credentials_of(asked: Asked) -> dict[str, str]:
    """What tells who asks, and the key of the message."""
    names = ("authorization", "api-key", "x-postmark-server-token")
    return {name: asked.headers[name] for name in names if name in asked.headers}


def query_of(asked: Asked) -> dict[str, str | datetime]:
    """The fields of a query, instants as such: companies take them in more than one form."""
    fields = dict(parse_qsl(urlsplit(asked.target).query))
    return {name: instant_in(value) or value for name, value in fields.items()}


def instant_in(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read(asked: Asked) -> dict[str, Any]:
    """Read the content, whose octets differ in the order of fields and the like."""
    kind = asked.headers["content-type"]
    match kind.partition(";")[0]:
        case "application/json":
            content = asked.json()
            assert isinstance(content, dict)
            return content
        case "application/x-www-form-urlencoded":
            return dict(parse_qsl(asked.body.decode(), strict_parsing=True))
        case "multipart/form-data":
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            form = message_from_bytes(head + asked.body, policy=policy.HTTP)
            return {str(part["content-disposition"]): part.as_bytes() for part in form.iter_parts()}
        case other:
            pytest.fail(f"unexpected content type {other}")
