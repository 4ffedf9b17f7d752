"""Merchants' own texts: every change a version, and messages written by the newest within a batch."""

import asyncio
from datetime import timedelta
from io import StringIO

import pytest
import structlog

from invite_service.domain.errors import InvalidInputError, PreconditionFailedError
from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import RecordingSender
from invite_service.rendering.own_texts import NO_OWN_TEXTS
from invite_service.services.send_report import SendReport
from invite_service.services.text_versions import TextVersions
from invite_service.services.texts import TextService
from tests.support.builders import MERCHANT_ID
from tests.support.sending import SendingHouse


def make_text(fields: dict[str, FieldValue], asks_for: AsksFor = AsksFor.DELIVERY) -> MerchantText:
    return MerchantText(name=TextName.PRODUCT_1, language="nb", fields=fields, asks_for=asks_for)


@pytest.fixture
def texts(house: SendingHouse) -> TextService:
    return TextService(house.database, clock=house.clock)


async def save(texts: TextService, text: MerchantText, *, replacing: int | None = None) -> MerchantText:
    return (await texts.replace(MERCHANT_ID, text, replacing=replacing, actor="key:shop")).text


async def test_change_makes_a_version_and_tells_the_timeline(house: SendingHouse, texts: TextService) -> None:
    shown = await texts.get(MERCHANT_ID, TextName.PRODUCT_1, "nb")
    assert (shown.text.version, shown.text.fields) == (0, {})
    assert shown.defaults["greeting"] == "Hei, {{ customer_name }}!"
    saved = await save(texts, make_text({"subject": "Hei"}), replacing=0)
    assert (saved.version, saved.changed_at, saved.changed_by) == (1, house.clock.now, "key:shop")
    assert await save(texts, make_text({"subject": "Hei"}), replacing=1) == saved
    deleted = await save(texts, make_text({}), replacing=1)
    assert (deleted.version, deleted.fields, deleted.is_set) == (2, {}, False)
    assert await texts.list_(MERCHANT_ID) == []
    stars = await save(texts, make_text({}, asks_for=AsksFor.STARS))
    assert await texts.list_(MERCHANT_ID) == [stars]
    told = await house.rows(
        "SELECT actor, reason, data FROM timeline_entries WHERE merchant_id = $1 AND event = $2 ORDER BY id",
        MERCHANT_ID,
        TimelineEvent.TEXT_CHANGED,
    )
    assert [tuple(row) for row in told] == [
        ("key:shop", None, {"text": "product_1", "language": "nb", "version": 1}),
        ("key:shop", "deleted", {"text": "product_1", "language": "nb", "version": 2}),
        ("key:shop", None, {"text": "product_1", "language": "nb", "version": 3}),
    ]


async def test_text_is_not_replaced_unseen_nor_by_a_bad_one(texts: TextService) -> None:
    await save(texts, make_text({"subject": "Hei"}), replacing=0)
    with pytest.raises(PreconditionFailedError):
        await save(texts, make_text({"subject": "Hallo"}), replacing=0)
    with pytest.raises(InvalidInputError) as raised:
        await save(texts, make_text({"subject": "{{ x }}", "heading": ""}))
    assert {fault.pointer for fault in raised.value.faults} == {"/fields/subject", "/fields/heading"}
    assert (await texts.get(MERCHANT_ID, TextName.PRODUCT_1, "nb")).text.fields == {"subject": "Hei"}


async def test_texts_saved_at_once_have_versions_of_their_own(texts: TextService) -> None:
    saved = await asyncio.gather(
        *(
            texts.replace(
                MERCHANT_ID,
                MerchantText(name=name, language="nb", fields={"subject": "Hei"}),
                replacing=0,
                actor="key:shop",
            )
            for name in (TextName.PRODUCT_1, TextName.PRODUCT_2, TextName.SERVICE)
        )
    )
    assert sorted(shown.text.version for shown in saved) == [1, 2, 3]


async def test_running_worker_writes_by_the_newest_version(house: SendingHouse, texts: TextService) -> None:
    sender = RecordingSender()
    written = []
    for number, subject in enumerate((None, "Første", "Andre {{ order_id }}")):
        if subject is not None:
            await save(texts, make_text({"subject": subject}))
        invitation = await house.invite(order_id=f"A{number}", email=f"a{number}@example.com", language="nb")
        await house.send(sender)
        [message] = [sent for sent in sender.messages if sent.invitation_id == invitation.id]
        written.append((message.own_text_version, message.own_text_fault, message.subject))
    assert written[1:] == [(1, None, "Første"), (2, None, "Andre A2")]
    assert written[0][:2] == (None, None)


async def test_text_that_fails_at_last_is_recorded_and_the_message_still_leaves(
    house: SendingHouse, texts: TextService
) -> None:
    body = ("{% if order_id == 'A-7' %}{{ products[9].name }}{% endif %}Takk",)
    await save(texts, make_text({"subject": "Vår", "body": body}))
    invitation = await house.invite(order_id="A-7", language="nb")
    sender = RecordingSender()
    stream = StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))
    try:
        assert await house.send(sender) == SendReport(sent=1)
    finally:
        structlog.reset_defaults()
    assert sender.messages[0].subject != "Vår"
    [entry] = await house.told(invitation.id)
    assert entry.event is TimelineEvent.MESSAGE_SENT
    assert (entry.data["text_version"], entry.data["text_fault"]) == (1, "body:unknown_variable")
    logged = stream.getvalue()
    assert "Wrote a message in the catalogue's words" in logged
    assert "body:unknown_variable" in logged


async def test_snapshot_is_read_once_per_version(house: SendingHouse, texts: TextService) -> None:
    await save(texts, make_text({"subject": "Hei"}))
    versions = TextVersions()
    async with house.database.transaction() as stores:
        assert await versions.get(stores, MERCHANT_ID, 0) is NO_OWN_TEXTS
        first = await versions.get(stores, MERCHANT_ID, 1)
        assert await versions.get(stores, MERCHANT_ID, 1) is first
        assert first.find(TextName.PRODUCT_1, "nb") is first.find(TextName.PRODUCT_1, "nb")
    house.clock.now += timedelta(hours=1)
    await save(texts, make_text({"subject": "Hallo"}))
    async with house.database.transaction() as stores:
        assert await versions.get(stores, MERCHANT_ID, 2) is not first


async def test_few_merchants_are_remembered_at_once(house: SendingHouse, texts: TextService) -> None:
    await save(texts, make_text({"subject": "Hei"}))
    versions = TextVersions(max_remembered=0)
    async with house.database.transaction() as stores:
        first = await versions.get(stores, MERCHANT_ID, 1)
        assert await versions.get(stores, MERCHANT_ID, 1) is not first
