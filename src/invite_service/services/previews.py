"""Previews of messages and pages, and test messages to the merchant's own addresses."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.channel import UNSET_CHANNEL, ChannelState, Price, signed_by
from invite_service.domain.errors import Fault, InvalidInputError, QuotaExceededError
from invite_service.domain.invitation import Channel, Step
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message
from invite_service.domain.order import Order
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.texts import FixedText, MerchantText, TextName
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rendering.text_checks import check_text
from invite_service.rendering.text_fields import PAGE_TEXTS, SMS_TEXTS
from invite_service.rendering.text_previews import (
    NO_INVITATION,
    SAMPLE_COMPLAINT,
    SAMPLE_FEW_STARS,
    PageView,
    PreviewScene,
    marked_as_test,
    preheader_of,
    preview_message,
    preview_page,
)
from invite_service.rendering.text_samples import USUAL, SampleCustomer, SampleProduct
from invite_service.rules.publishing import decide_publishing
from invite_service.rules.sms_segments import Segments, SmsEncoding, count_segments
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.holidays import end_of_hold_by
from invite_service.services.notice_writing import language_of_alerts
from invite_service.services.outlets import NoPlaceError, Outlet, Outlets
from invite_service.services.own_contacts import read_own_contact
from invite_service.services.pacing import Pacing
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores
from invite_service.storage.texts import TestMessage

log = structlog.get_logger()

TESTS_AN_HOUR: Final = 20
"""Test messages of a merchant: enough to try every text, too few for anything else."""

HOUR: Final = timedelta(hours=1)

PLACE_SECONDS: Final = 10.0
"""How long a test message waits for a place among the provider's open calls."""

LONG_SUBJECT: Final = 60
"""Characters of a subject that phones show whole, more or less."""

MANY_SEGMENTS: Final = 3

BY_EITHER: Final = frozenset({TextName.REPLY_NOTICE, TextName.VOUCHER})
"""Notices whose channel is the invitation's; by SMS they have the catalogue's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPreview:
    """What to show: the saved text, or `text` where that is given, for a made-up customer or a real order."""

    name: TextName | FixedText
    language: str
    """support_alert has its own: that of the merchant's support."""
    order_id: str | None = None
    text: MerchantText | None = None
    view: PageView = PageView.RATE
    channel: Channel | None = None
    """By SMS a notice is as customers get it who have no e-mail address; None for the channel that a text has."""


@dataclass(frozen=True, slots=True)
class PreviewWarning:
    """Something to know about how a text comes out."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsPreview:
    """An SMS, and what it takes."""

    text: str
    segments: Segments
    cost: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a customer would get; of a page there is only HTML, of an SMS only that."""

    subject: str | None = None
    preheader: str | None = None
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    sms: SmsPreview | None = field(default=None, repr=False)
    warnings: tuple[PreviewWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class SentTest:
    """What became of a test message; `sent_at` is on the merchant's clock."""

    id: UUID
    receipt: Receipt
    channel: Channel
    subject: str = field(repr=False)
    sent_at: datetime


class PreviewService:
    """Shows texts as customers would get them, and sends them to the merchant itself."""

    def __init__(
        self,
        database: Database,
        *,
        signer: TokenSigner,
        public_base_url: str,
        sender: SenderDefaults,
        outlets: Outlets,
        pacing: Pacing,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time, `public_base_url` is where customers reach the hosted pages."""
        self._database = database
        self._signer = signer
        self._public_base_url = public_base_url
        self._sender = sender
        self._outlets = outlets
        self._pacing = pacing
        self._clock = clock
        self._new_id = new_id

    async def preview(self, merchant_id: MerchantId, wanted: WantedPreview) -> Preview:
        """Show a text; nothing is stored and nobody is written to.

        Raises:
            InvalidInputError: the unsaved text has faults.
            OrderNotFoundError: the merchant has no such order.
        """
        _check(wanted)
        async with self._database.autocommit() as stores:
            scene, channels = await self._scene(stores, merchant_id, wanted)
        if not isinstance(wanted.name, FixedText) and wanted.name in PAGE_TEXTS:
            return Preview(html=preview_page(wanted.name, wanted.view, scene))
        message = preview_message(wanted.name, scene, by_sms=wanted.channel is Channel.SMS)
        if message.channel is Channel.SMS:
            cost = channels[Channel.SMS].settings.price_of_sms
            sms = SmsPreview(text=message.text, segments=count_segments(message.text), cost=cost)
            return Preview(sms=sms, warnings=tuple(_warnings(message)))
        return Preview(
            subject=message.subject,
            preheader=preheader_of(message.html or ""),
            html=message.html,
            text=message.text,
            warnings=tuple(_warnings(message)),
        )

    async def send_test(self, merchant_id: MerchantId, wanted: WantedPreview, *, to: str, actor: str) -> SentTest:
        """Send a text to one of the merchant's own addresses, marked as a test, the way real messages leave.

        Own addresses are those of the branding and the channels: reply-to, support and sender. It is counted and told
        in the timeline; the address is kept nowhere. Its links lead nowhere, and no invitation is made.

        Raises:
            InvalidInputError: it is a page, the address is none of the merchant's, or the unsaved text has faults.
            OrderNotFoundError: the merchant has no such order.
            QuotaExceededError: too many test messages within an hour, or as many messages have left as may now.
        """
        _check(wanted)
        if wanted.name in PAGE_TEXTS:
            fault = Fault("/text", "not_a_choice", "Is no message that tests are sent of.")
            raise InvalidInputError("This text cannot be sent.", faults=[fault])
        by_sms = wanted.channel is Channel.SMS
        channel = Channel.SMS if by_sms or wanted.name in SMS_TEXTS else Channel.EMAIL
        async with self._database.autocommit() as stores:
            scene, channels = await self._scene(stores, merchant_id, wanted)
            contact = await read_own_contact(stores, merchant_id, scene.branding, to, is_sms=channel is Channel.SMS)
        test = TestMessage(
            id=scene.attempt_id,
            text=wanted.name,
            language=wanted.language,
            channel=channel,
            sent_at=scene.at,
            sent_by=actor,
        )
        async with self._database.transaction() as stores:
            await stores.merchants.lock(merchant_id)
            await _count(stores, merchant_id, test)
        await self._take_token(scene.merchant, channels[channel], test)
        message = marked_as_test(preview_message(wanted.name, replace(scene, contact=contact), by_sms=by_sms))
        receipt = await self._hand_over(scene.merchant, message, channels[message.channel])
        sent = SentTest(scene.attempt_id, receipt, message.channel, message.subject, scene.merchant.now(self._clock()))
        async with self._database.transaction() as stores:
            await stores.timeline.add(merchant_id, [_entry(sent, wanted, actor=actor)])
        log.info("Sent a test message", merchant_id=merchant_id, text=wanted.name, outcome=receipt.outcome)
        return sent

    async def _scene(
        self, stores: Stores, merchant_id: MerchantId, wanted: WantedPreview
    ) -> tuple[PreviewScene, dict[Channel, ChannelState]]:
        merchant = await stores.merchants.get(merchant_id)
        look = await stores.branding.get_look(merchant_id)
        stored = await stores.channels.read(merchant_id)
        channels = {channel: stored.get(channel, UNSET_CHANNEL) for channel in Channel}
        saved = await stores.texts.list_at(merchant_id, look.texts_version)
        if wanted.text is not None:
            saved = [text for text in saved if (text.name, text.language) != (wanted.name, wanted.language)]
            saved.append(wanted.text)
        order = await stores.orders.get(merchant_id, wanted.order_id) if wanted.order_id is not None else None
        real_now = self._clock()
        scene = PreviewScene(
            merchant=merchant,
            branding=signed_by(
                look.branding, email=channels[Channel.EMAIL].settings, sms=channels[Channel.SMS].settings
            ),
            own_texts=OwnTexts(saved),
            language=wanted.language,
            customer=USUAL if order is None else _customer_of(order),
            links=self._links(merchant, at=real_now),
            sender=self._sender,
            attempt_id=self._new_id(),
            at=real_now,
        )
        if isinstance(wanted.name, FixedText):
            scene = await _after_few_stars(stores, scene)
        return scene, channels

    def _links(self, merchant: Merchant, *, at: datetime) -> Links:
        """Make links as long as real ones; the invitation in them does not exist, so that they lead nowhere."""
        page, unsubscribe = (
            self._signer.make(merchant.id, NO_INVITATION, purpose=purpose, step=Step.PRODUCT_1, at=merchant.now(at))
            for purpose in (TokenPurpose.PAGE, TokenPurpose.UNSUBSCRIBE)
        )
        return Links(f"{self._public_base_url}/i/{page}", f"{self._public_base_url}/u/{unsubscribe}")

    async def _take_token(self, merchant: Merchant, state: ChannelState, test: TestMessage) -> None:
        """Take the token that any message needs: somebody waits for the answer, so that this one does not wait.

        One that is refused counts no more among those of the hour.
        """
        opens_at = await self._pacing.take(merchant, test.channel, state)
        if opens_at is None:
            return
        async with self._database.autocommit() as stores:
            await stores.texts.remove_test_message(merchant.id, test.id)
        raise QuotaExceededError(
            "As many messages have left as the limit of the channel, or of the installation, lets through.",
            retry_after_seconds=math.ceil((opens_at - self._clock()).total_seconds()),
        )

    async def _hand_over(self, merchant: Merchant, message: Message, state: ChannelState) -> Receipt:
        try:
            with self._outlets.lend(merchant, message.channel, state.settings) as outlet:
                return await self._call(outlet, merchant, message)
        except ProviderUnusableError as error:
            return Receipt(outcome=OutcomeWord.MISCONFIGURED, reason=error.reason, provider="")

    async def _call(self, outlet: Outlet, merchant: Merchant, message: Message) -> Receipt:
        """Call the provider in one of its places; what it asked of real messages holds for this one too."""
        name = outlet.sender.name
        rest = outlet.rests_until - self._clock() if outlet.rests_until is not None else timedelta(0)
        if rest > timedelta(0):
            return Receipt(outcome=OutcomeWord.RATE_LIMITED, reason="provider_rests", provider=name, retry_after=rest)
        try:
            async with outlet.places.hold_one(merchant.id, within=PLACE_SECONDS):
                return await outlet.sender.send(message)
        except NoPlaceError:
            return Receipt(outcome=OutcomeWord.NOT_SENT, reason="busy", provider=name)


def _check(wanted: WantedPreview) -> None:
    if wanted.channel is not None and wanted.channel not in _channels_of(wanted.name):
        detail = "Only reply_notice and voucher go by either channel; other SMS are texts of their own."
        raise InvalidInputError("The text has no such form.", faults=[Fault("/channel", "not_a_choice", detail)])
    faults = check_text(wanted.text) if wanted.text is not None else []
    if faults:
        raise InvalidInputError("The text has faults.", faults=faults)


def _channels_of(name: TextName | FixedText) -> Collection[Channel]:
    """Tell by which channels a text goes; a page by none."""
    if name in BY_EITHER:
        return tuple(Channel)
    if name in PAGE_TEXTS:
        return ()
    return (Channel.SMS if name in SMS_TEXTS else Channel.EMAIL,)


async def _after_few_stars(stores: Stores, scene: PreviewScene) -> PreviewScene:
    """Add what support's messages tell besides: what the merchant's settings make of few stars that are left now."""
    merchant = scene.merchant
    settings = await stores.publishing.get(merchant.id)
    publishing = decide_publishing(
        SAMPLE_FEW_STARS,
        SAMPLE_COMPLAINT,
        stored=None,
        settings=settings,
        now=merchant.now(scene.at),
        end_of_hold=await end_of_hold_by(settings, zone=merchant.time_zone),
    )
    language = await language_of_alerts(stores, merchant)
    return replace(scene, publish_at=publishing.publish_at, alert_language=language)


async def _count(stores: Stores, merchant_id: MerchantId, test: TestMessage) -> None:
    """Count a test message under the merchant's lock, so that there are never more than may be."""
    if await stores.texts.count_test_messages(merchant_id, since=test.sent_at - HOUR) >= TESTS_AN_HOUR:
        raise QuotaExceededError(
            f"No more than {TESTS_AN_HOUR} test messages leave within an hour.",
            retry_after_seconds=round(HOUR.total_seconds()),
        )
    await stores.texts.add_test_message(merchant_id, test)


def _customer_of(order: Order) -> SampleCustomer:
    """Show a real order's customer and the products that are asked about."""
    lines = {line.id: line for line in order.lines if not line.returned}
    return SampleCustomer(
        customer_name=order.customer_name,
        order_id=order.order_id,
        products=[SampleProduct(line.id, line.name, line.image_url, line.url) for line in lines.values()],
    )


def _warnings(message: Message) -> Iterator[PreviewWarning]:
    if message.own_text_fault is not None:
        yield PreviewWarning(
            "text_fails", f"The own text fails for this customer ({message.own_text_fault}); the catalogue's is sent."
        )
    if message.channel is not Channel.SMS:
        if len(message.subject) > LONG_SUBJECT:
            yield PreviewWarning("long_subject", f"Phones show about {LONG_SUBJECT} characters of a subject.")
        return
    segments = count_segments(message.text)
    if segments.encoding is SmsEncoding.UCS_2:
        yield PreviewWarning(
            "not_gsm",
            "A letter outside the GSM alphabet leaves room for 70 characters in a segment instead of 160; "
            "sms_transliterate, of the branding, writes most of them without.",
        )
    if segments.count > MANY_SEGMENTS:
        yield PreviewWarning("many_segments", f"More than {MANY_SEGMENTS} segments; providers may charge for each.")


def _entry(sent: SentTest, wanted: WantedPreview, *, actor: str) -> TimelineEntry:
    return TimelineEntry(
        at=sent.sent_at,
        actor=actor,
        event=TimelineEvent.TEST_MESSAGE_SENT,
        reason=sent.receipt.reason,
        data={
            "text": wanted.name.value,
            "language": wanted.language,
            "channel": sent.channel.value,
            "provider": sent.receipt.provider,
            "outcome": sent.receipt.outcome.value,
            "test_id": str(sent.id),
        },
    )
