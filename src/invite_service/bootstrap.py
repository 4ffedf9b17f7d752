"""The composition root: what a process is made of, and the only file that knows every class.

API, worker and commands make one ProcessContext when they start and ask its Factory for services.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

from uuid_utils.compat import uuid7

from invite_service.bell import ArqBell, Bell, SilentBell
from invite_service.config import Settings
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import OrderOutcome
from invite_service.domain.provider_event import EventKind, EventVerdict
from invite_service.domain.receipt import Receipt
from invite_service.providers import registry
from invite_service.providers.base import EventReader, Mailbox, Sender
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.merchant_providers import MerchantProviders
from invite_service.providers.reach import Reach
from invite_service.providers.s3_shelf import S3Settings, S3Shelf
from invite_service.providers.shelves import DirectoryShelf, Shelf
from invite_service.providers.webhooks import WebhookCaller
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.preparing import EmailSender
from invite_service.rules.paces import Pace, compute_pace
from invite_service.services.access import AccessService
from invite_service.services.account_health import AccountHealthService
from invite_service.services.account_insights import AccountInsightService
from invite_service.services.accounts import AccountReader
from invite_service.services.approvals import ApprovalService
from invite_service.services.batch_updates import BatchUpdateService
from invite_service.services.batch_work import BatchWorkService
from invite_service.services.branding import BrandingService
from invite_service.services.channel_checks import ChannelCheckService
from invite_service.services.channel_providers import StoredProviders
from invite_service.services.channels import ChannelService
from invite_service.services.contact_hashes import ContactHashes
from invite_service.services.credentials import CredentialService
from invite_service.services.customers import CustomerService
from invite_service.services.doubts import DoubtService
from invite_service.services.event_effects import EventEffects
from invite_service.services.event_readers import StoredEventReaders
from invite_service.services.feedback import FeedbackService
from invite_service.services.health import HealthService
from invite_service.services.idempotency import IdempotencyService, Joined
from invite_service.services.ingest import OrderIngestService
from invite_service.services.ingest_queue import IngestQueue
from invite_service.services.insights import InsightService
from invite_service.services.invitations import InvitationService
from invite_service.services.leases import LeaseService
from invite_service.services.lines import Lines
from invite_service.services.mailbox import DatabaseMailbox
from invite_service.services.merchant_outlets import MerchantOutlets
from invite_service.services.merchants import MerchantService
from invite_service.services.notice_settling import NoticeSettlingService
from invite_service.services.notice_writing import NoticeWriter
from invite_service.services.notices import NoticeService
from invite_service.services.orders import OrderService
from invite_service.services.pacing import Pacing
from invite_service.services.pictures import PICTURES_PER_MINUTE, PictureRoom, PictureService
from invite_service.services.policy import PolicyService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.previews import PreviewService
from invite_service.services.product_feed import ProductFeedService
from invite_service.services.provider_events import ProviderEventService
from invite_service.services.public_reviews import PublicReviewService
from invite_service.services.publishing import PublishingService
from invite_service.services.rate_limits import RateLimiter
from invite_service.services.ratings import RatingService
from invite_service.services.replanning import ReplanningService
from invite_service.services.replies import ReplyService
from invite_service.services.reputation import ReputationService
from invite_service.services.review_policy import ReviewPolicyService
from invite_service.services.same_key import SameKeyService
from invite_service.services.sandbox import SandboxService
from invite_service.services.sealing import AnswerSeal, CredentialSeal, read_keys
from invite_service.services.sending import SendingService
from invite_service.services.simulations import SimulationService
from invite_service.services.single_calls import SingleCalls
from invite_service.services.support_cases import SupportCaseService
from invite_service.services.suppressions import SuppressionService
from invite_service.services.text_versions import TextVersions
from invite_service.services.texts import TextService
from invite_service.services.timeline import TimelineService
from invite_service.services.tokens import TokenSigner
from invite_service.services.visitors import VisitorKeys, VisitorService
from invite_service.services.webhooks import WebhookService
from invite_service.services.writing import MessageWriter
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.telemetry import Metrics

TOKEN_KEY_ID: Final = 0
"""The id of the secret key in tokens; a second secret would get the next one."""

UNSET_SENDER: Final = "invitations@reviews.invalid"
"""From address where none is set: then nothing leaves but into the mailbox (RFC 2606 keeps the name from anybody)."""


MAX_ADDRESSES: Final = 50_000
"""Addresses of visitors that a process counts in a minute; past it nobody new is taken until the next."""


def utc_now() -> datetime:
    """Tell real time, aware; the one clock of this code base."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """Make an id: UUIDv7 (RFC 9562), which grows with time."""
    return uuid7()


@dataclass(frozen=True, slots=True)
class Senders:
    """What the installation itself can send through."""

    mailbox: Sender
    defaults: Mapping[Channel, Sender]
    """For merchants without a provider of their own."""
    event_readers: Mapping[Channel, EventReader]
    """Of the defaults that tell later what became of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """What lives as long as a process."""

    settings: Settings
    metrics: Metrics
    database: Database
    bell: Bell
    senders: Senders
    providers: StoredProviders
    outlets: MerchantOutlets
    event_readers: StoredEventReaders
    writer: MessageWriter
    notice_writer: NoticeWriter
    signer: TokenSigner
    policy_versions: PolicyVersions
    text_versions: TextVersions
    access: AccessService
    rate_limiter: RateLimiter | None
    visitor_limiter: RateLimiter | None
    visitor_keys: VisitorKeys
    ingest_queue: IngestQueue
    picture_room: PictureRoom
    clock: Callable[[], datetime]
    _resources: AsyncExitStack = field(repr=False)

    @classmethod
    async def create(
        cls,
        settings: Settings,
        *,
        name: str = "invite-service",
        clock: Callable[[], datetime] = utc_now,
        database: Database | None = None,
    ) -> Self:
        """Connect to what the settings name; `name` is what PostgreSQL calls the connections.

        A `database` that is passed in, in place of the settings', stays its maker's to close.

        Raises:
            SchemaOutdatedError: the database schema is not at head; the message names the command to run.
            DatabaseUnavailableError: the database cannot be reached.
            ProviderSettingsError: the installation's provider settings have faults.
        """
        async with AsyncExitStack() as resources:
            metrics = Metrics()
            secret = settings.secret_key.get_secret_value()
            if database is None:
                database = _make_database(settings, name=name)
                resources.push_async_callback(database.close)
            await database.check_schema()
            bell = _make_bell(settings, metrics)
            resources.push_async_callback(bell.close)
            mailbox = DatabaseMailbox(database, clock=clock)
            senders = _make_senders(settings, mailbox, clock=clock)
            providers = _make_providers(settings, mailbox, clock=clock)
            outlets = MerchantOutlets(mailbox=senders.mailbox, defaults=senders.defaults, providers=providers)
            resources.push_async_callback(outlets.close)
            event_readers = StoredEventReaders(database, providers=providers, defaults=senders.event_readers)
            resources.push_async_callback(event_readers.close)
            policy_versions = PolicyVersions()
            ingest = OrderIngestService(
                database,
                clock=clock,
                new_id=new_id,
                bell=bell,
                policy_versions=policy_versions,
                on_accepted=_counting_outcomes(metrics),
            )
            shelf = _make_shelf(settings, clock=clock)
            if shelf is not None:
                resources.push_async_callback(shelf.close)
            ingest_queue = IngestQueue(ingest, observe=metrics.ingest_seconds.observe)
            # Left first, so that what was taken is stored while everything is still there.
            resources.push_async_callback(ingest_queue.close)
            signer = TokenSigner({TOKEN_KEY_ID: secret.encode()}, current=TOKEN_KEY_ID)
            return cls(
                settings=settings,
                metrics=metrics,
                database=database,
                bell=bell,
                senders=senders,
                providers=providers,
                outlets=outlets,
                event_readers=event_readers,
                writer=MessageWriter(
                    signer, public_base_url=settings.public_base_url, sender=_sender_defaults(settings)
                ),
                notice_writer=NoticeWriter(
                    signer, public_base_url=settings.public_base_url, sender=_sender_defaults(settings)
                ),
                signer=signer,
                policy_versions=policy_versions,
                text_versions=TextVersions(),
                access=AccessService(database, clock=clock),
                rate_limiter=RateLimiter(settings.rate_limit, clock=clock) if settings.rate_limit else None,
                visitor_limiter=_make_visitor_limiter(settings, clock=clock),
                visitor_keys=VisitorKeys(secret),
                ingest_queue=ingest_queue,
                picture_room=PictureRoom(
                    shelf=shelf,
                    drawing=asyncio.Semaphore(1),
                    limiter=RateLimiter(PICTURES_PER_MINUTE, clock=clock),
                ),
                clock=clock,
                _resources=resources.pop_all(),
            )

    async def close(self) -> None:
        """Store what the ingest queue has taken, then close every connection."""
        await self._resources.aclose()


def _make_database(settings: Settings, *, name: str) -> Database:
    return Database(
        settings.database_url.get_secret_value(),
        contact_keys=ContactKeys(settings.secret_key.get_secret_value()),
        new_id=new_id,
        pool_size=settings.database_pool_size,
        name=name,
    )


def _make_visitor_limiter(settings: Settings, *, clock: Callable[[], datetime]) -> RateLimiter | None:
    if not settings.visitor_rate_limit:
        return None
    return RateLimiter(settings.visitor_rate_limit, clock=clock, max_keys=MAX_ADDRESSES)


def _make_bell(settings: Settings, metrics: Metrics) -> ArqBell | SilentBell:
    if settings.redis_url is None:
        return SilentBell()
    return ArqBell.connect(settings.redis_url.get_secret_value(), on_dropped=metrics.bell_failures.inc)


def _make_senders(settings: Settings, mailbox: Mailbox, *, clock: Callable[[], datetime]) -> Senders:
    defaults: dict[Channel, Sender] = {}
    readers: dict[Channel, EventReader] = {}
    for channel, url in ((Channel.EMAIL, settings.smtp_url or settings.email_url), (Channel.SMS, settings.sms_url)):
        if url is not None:
            chosen = registry.parse_url(url.get_secret_value(), channel=channel)
            events = EventAddresses(settings.public_base_url)
            defaults[channel] = registry.create_sender(chosen, mailbox=mailbox, clock=clock, events=events)
            reader = registry.create_event_reader(chosen)
            if reader is not None:
                readers[channel] = reader
    kept = registry.create_sender(registry.MAILBOX_SETTINGS, mailbox=mailbox, clock=clock)
    return Senders(kept, defaults, readers)


def _make_providers(settings: Settings, mailbox: Mailbox, *, clock: Callable[[], datetime]) -> StoredProviders:
    providers = MerchantProviders(
        mailbox=mailbox,
        clock=clock,
        reach=Reach(settings.provider_networks),
        events=EventAddresses(settings.public_base_url),
    )
    keys = settings.credential_keys
    given = read_keys(keys.get_secret_value()) if keys is not None else {}
    return StoredProviders(providers, CredentialSeal.create(settings.secret_key.get_secret_value(), given))


def _make_shelf(settings: Settings, *, clock: Callable[[], datetime]) -> Shelf | None:
    """Choose where pictures are kept; None where the settings name no place, and no pictures are taken."""
    if settings.picture_dir is not None:
        return DirectoryShelf(settings.picture_dir)
    key_id, secret = settings.picture_s3_access_key_id, settings.picture_s3_secret_access_key
    if settings.picture_s3_url is None or key_id is None or secret is None:
        return None
    bucket = S3Settings(
        url=settings.picture_s3_url,
        region=settings.picture_s3_region,
        access_key_id=key_id.get_secret_value(),
        secret_access_key=secret.get_secret_value(),
    )
    return S3Shelf(bucket, clock=clock)


def _paces(settings: Settings) -> dict[Channel, Pace]:
    """Make the paces of the installation's own providers, where any are set."""
    email = compute_pace(max_per_second=settings.email_max_per_second, max_per_hour=settings.email_max_per_hour)
    sms = compute_pace(max_per_second=settings.sms_max_per_second, max_per_hour=settings.sms_max_per_hour)
    given = {Channel.EMAIL: email, Channel.SMS: sms}
    return {channel: pace for channel, pace in given.items() if pace is not None}


def _sender_defaults(settings: Settings) -> SenderDefaults:
    address = settings.sender_email or UNSET_SENDER
    return SenderDefaults(email=EmailSender(address, settings.sender_name), sms_sender=settings.sms_sender)


def _counting_outcomes(metrics: Metrics) -> Callable[[Mapping[OrderOutcome, int]], None]:
    def count(outcomes: Mapping[OrderOutcome, int]) -> None:
        for outcome, events in outcomes.items():
            metrics.orders_ingested.labels(outcome.value).inc(events)

    return count


class Factory:
    """Makes services; each is light enough to be made for one request."""

    def __init__(self, context: ProcessContext) -> None:
        self._context = context

    @property
    def ingest_queue(self) -> IngestQueue:
        """The process's queue of single order events."""
        return self._context.ingest_queue

    @property
    def access(self) -> AccessService:
        """The process's keeper of keys, which remembers those it has seen."""
        return self._context.access

    @property
    def rate_limiter(self) -> RateLimiter | None:
        """The process's counts of requests; None where no limit is set."""
        return self._context.rate_limiter

    @property
    def visitor_limiter(self) -> RateLimiter | None:
        """The process's counts of what visitors send; None where no limit is set."""
        return self._context.visitor_limiter

    @property
    def visitor_keys(self) -> VisitorKeys:
        """The process's hashes of visitors."""
        return self._context.visitor_keys

    @property
    def metrics(self) -> Metrics:
        """The process's metrics."""
        return self._context.metrics

    def joined(self, joined: Joined) -> "Factory":
        """Make a factory whose services take part in the transaction of an idempotency key.

        Those that wait for others, or send, must not: they take transactions apart from it.
        """
        access = AccessService(joined.database, clock=self._context.clock)
        return Factory(replace(self._context, database=joined.database, bell=joined.bell, access=access))

    def create_idempotency(self) -> IdempotencyService:
        """Make the service that does a call with a key once."""
        context = self._context
        seal = AnswerSeal(context.settings.secret_key.get_secret_value())
        return IdempotencyService(context.database, seal=seal, bell=context.bell, clock=context.clock)

    def create_ingest(self) -> OrderIngestService:
        """Make the service that accepts order events."""
        context = self._context
        return OrderIngestService(
            context.database,
            clock=context.clock,
            new_id=new_id,
            bell=context.bell,
            policy_versions=context.policy_versions,
            on_accepted=_counting_outcomes(context.metrics),
        )

    def create_orders(self) -> OrderService:
        """Make the service that shows orders."""
        return OrderService(self._context.database)

    def create_invitations(self) -> InvitationService:
        """Make the service for what merchants do to invitations."""
        context = self._context
        return InvitationService(context.database, bell=context.bell, clock=context.clock)

    def create_batch_updates(self) -> BatchUpdateService:
        """Make the service that accepts changes to many invitations at once."""
        context = self._context
        return BatchUpdateService(
            context.database, clock=context.clock, new_id=new_id, policies=context.policy_versions
        )

    def create_batch_work(self) -> BatchWorkService:
        """Make the service that does what such changes ask for."""
        context = self._context
        return BatchWorkService(
            context.database,
            bell=context.bell,
            clock=context.clock,
            new_id=new_id,
            policies=context.policy_versions,
        )

    def create_simulations(self) -> SimulationService:
        """Make the service that tries policies on recorded orders."""
        return SimulationService(self._context.database)

    def create_channels(self) -> ChannelService:
        """Make the service for merchants' own providers and paused channels."""
        context = self._context
        return ChannelService(context.database, providers=context.providers, bell=context.bell, clock=context.clock)

    def create_channel_checks(self) -> ChannelCheckService:
        """Make the service that tries providers' settings."""
        context = self._context
        return ChannelCheckService(
            context.database,
            providers=context.providers,
            defaults=context.senders.defaults,
            mailbox=context.senders.mailbox,
            bell=context.bell,
            clock=context.clock,
        )

    def create_credentials(self) -> CredentialService:
        """Make the service that brings credentials under the current key."""
        return CredentialService(self._context.database, providers=self._context.providers)

    def create_merchants(self) -> MerchantService:
        """Make the service for merchants."""
        return MerchantService(self._context.database, clock=self._context.clock)

    def create_policy(self) -> PolicyService:
        """Make the service for policies."""
        context = self._context
        return PolicyService(context.database, policy_versions=context.policy_versions, clock=context.clock)

    def create_replanning(self) -> ReplanningService:
        """Make the service for changes of a policy that reach what is planned."""
        context = self._context
        return ReplanningService(
            context.database,
            policy=self.create_policy(),
            batches=self.create_batch_updates(),
            clock=context.clock,
            new_id=new_id,
        )

    def create_provider_events(self) -> ProviderEventService:
        """Make the service that takes what providers tell later."""
        context = self._context
        return ProviderEventService(
            context.database,
            readers=context.event_readers,
            effects=EventEffects(context.database, bell=context.bell, clock=context.clock),
            reputation=self.create_reputation(),
            clock=context.clock,
            observe=self._observe_events,
        )

    def create_reputation(self) -> ReputationService:
        """Make the service that pauses merchants whose e-mails do harm."""
        context = self._context
        return ReputationService(context.database, bell=context.bell, clock=context.clock, new_id=new_id)

    def address_of(self, path: str, query: str = "") -> str:
        """Write the address that the world calls a path and query of ours by."""
        return f"{self._context.settings.public_base_url.rstrip('/')}{path}{'?' if query else ''}{query}"

    def find_events_url(self, merchant_id: MerchantId, provider: str | None) -> str | None:
        """Find where a merchant's provider is to tell what became of messages; None for one that tells nothing."""
        if provider is None or not registry.tells_events(provider):
            return None
        return self.address_of(f"/provider-events/{provider}/{merchant_id}")

    def create_suppressions(self) -> SuppressionService:
        """Make the service for who must not be written to."""
        context = self._context
        hashes = ContactHashes(context.settings.secret_key.get_secret_value())
        return SuppressionService(context.database, hashes=hashes, clock=context.clock)

    def create_customers(self) -> CustomerService:
        """Make the service for what customers ask about their data."""
        return CustomerService(self._context.database, clock=self._context.clock, new_id=new_id)

    def create_branding(self) -> BrandingService:
        """Make the service for branding."""
        return BrandingService(self._context.database, clock=self._context.clock)

    def create_texts(self) -> TextService:
        """Make the service for merchants' own texts."""
        return TextService(self._context.database, clock=self._context.clock)

    def create_previews(self) -> PreviewService:
        """Make the service that shows texts, and sends them to the merchant itself."""
        context = self._context
        return PreviewService(
            context.database,
            signer=context.signer,
            public_base_url=context.settings.public_base_url,
            sender=_sender_defaults(context.settings),
            outlets=context.outlets,
            pacing=self._create_pacing(),
            clock=context.clock,
            new_id=new_id,
        )

    def create_timeline(self) -> TimelineService:
        """Make the service for the merchant's own timeline."""
        return TimelineService(self._context.database)

    def create_insights(self) -> InsightService:
        """Make the service for figures."""
        return InsightService(self._context.database)

    def create_account_insights(self) -> AccountInsightService:
        """Make the service that tells how an account does."""
        return AccountInsightService(self._context.database)

    def create_account_health(self) -> AccountHealthService:
        """Make the service that checks an account."""
        return AccountHealthService(self._context.database, clock=self._context.clock)

    def create_health(self) -> HealthService:
        """Make the service that looks at what this process depends on."""
        return HealthService(self._context.database, bell=self._context.bell)

    def create_ratings(self) -> RatingService:
        """Make the service that reads ratings."""
        return RatingService(self._context.database)

    def create_public_reviews(self) -> PublicReviewService:
        """Make the service that reads what is published."""
        return PublicReviewService(self._context.database)

    def create_product_feed(self) -> ProductFeedService:
        """Make the service for Google's product-review feed."""
        return ProductFeedService(self._context.database)

    def create_review_policy(self) -> ReviewPolicyService:
        """Make the service that tells how reviews are collected and checked."""
        return ReviewPolicyService(self._context.database, policies=self._context.policy_versions)

    def create_visitors(self) -> VisitorService:
        """Make the service for what visitors say about reviews."""
        context = self._context
        return VisitorService(context.database, keys=context.visitor_keys, clock=context.clock, new_id=new_id)

    def create_publishing(self) -> PublishingService:
        """Make the service for publishing settings."""
        return PublishingService(self._context.database, clock=self._context.clock)

    def create_approvals(self) -> ApprovalService:
        """Make the service that publishes, holds and rejects ratings."""
        return ApprovalService(self._context.database, clock=self._context.clock, new_id=new_id)

    def create_replies(self) -> ReplyService:
        """Make the service for replies to reviews."""
        return ReplyService(self._context.database, clock=self._context.clock, new_id=new_id)

    def create_notices(self) -> NoticeService:
        """Make the service that sends what follows a customer's answer."""
        context = self._context
        return NoticeService(
            context.database,
            outlets=context.outlets,
            writer=context.notice_writer,
            accounts=AccountReader(policies=context.policy_versions, texts=context.text_versions),
            calls=self._create_single_calls(),
            clock=context.clock,
            new_id=new_id,
            observe=self._observe_receipt,
        )

    def create_notice_settling(self) -> NoticeSettlingService:
        """Make the service for what operators do about notices."""
        context = self._context
        return NoticeSettlingService(
            context.database,
            writer=context.notice_writer,
            accounts=AccountReader(policies=context.policy_versions, texts=context.text_versions),
            clock=context.clock,
        )

    def create_support_cases(self) -> SupportCaseService:
        """Make the service for support cases."""
        return SupportCaseService(self._context.database, clock=self._context.clock)

    def create_feedback(self) -> FeedbackService:
        """Make the service for what customers answer."""
        context = self._context
        return FeedbackService(
            context.database,
            texts=context.text_versions,
            signer=context.signer,
            clock=context.clock,
            new_id=new_id,
            takes_pictures=context.picture_room.shelf is not None,
        )

    def create_pictures(self) -> PictureService:
        """Make the service for pictures of reviews."""
        context = self._context
        return PictureService(
            context.database,
            room=context.picture_room,
            feedback=self.create_feedback(),
            signer=context.signer,
            clock=context.clock,
            new_id=new_id,
        )

    def create_sending(self) -> SendingService:
        """Make the service that sends what is due."""
        context = self._context
        return SendingService(
            context.database,
            outlets=context.outlets,
            writer=context.writer,
            policies=context.policy_versions,
            texts=context.text_versions,
            clock=context.clock,
            new_id=new_id,
            observe=self._observe_receipt,
            observe_claim=context.metrics.claim_seconds.observe,
            lines=Lines(_paces(context.settings)),
        )

    def create_leases(self) -> LeaseService:
        """Make the service that settles what a worker left behind."""
        context = self._context
        return LeaseService(context.database, policies=context.policy_versions, clock=context.clock)

    def create_doubts(self) -> DoubtService:
        """Make the service that asks providers about messages in doubt."""
        context = self._context
        same_key = SameKeyService(
            context.database,
            writer=context.writer,
            notice_writer=context.notice_writer,
            policies=context.policy_versions,
            texts=context.text_versions,
            calls=self._create_single_calls(),
            clock=context.clock,
            new_id=new_id,
        )
        return DoubtService(
            context.database, outlets=context.outlets, same_key=same_key, bell=context.bell, clock=context.clock
        )

    def _create_pacing(self) -> Pacing:
        context = self._context
        return Pacing(context.database, shared=_paces(context.settings), clock=context.clock)

    def _create_single_calls(self) -> SingleCalls:
        return SingleCalls(self._context.database, pacing=self._create_pacing(), clock=self._context.clock)

    def create_webhooks(self) -> WebhookService:
        """Make the service for what merchants' systems are told.

        Their secrets are under the key derived from the installation's own, which no rotation takes away.
        """
        context = self._context
        return WebhookService(
            context.database,
            caller=WebhookCaller(reach=Reach(context.settings.provider_networks)),
            seal=CredentialSeal.create(context.settings.secret_key.get_secret_value(), {}),
            clock=context.clock,
            new_id=new_id,
        )

    def create_sandbox(self) -> SandboxService:
        """Make the service for sandbox merchants' clocks and mailboxes."""
        context = self._context
        return SandboxService(
            context.database,
            sending=self.create_sending(),
            approvals=self.create_approvals(),
            notices=self.create_notices(),
            leases=self.create_leases(),
            clock=context.clock,
            new_id=new_id,
        )

    def _observe_events(self, verdict: EventVerdict, provider: str | None, kinds: Sequence[EventKind]) -> None:
        metrics = self._context.metrics
        metrics.provider_event_requests.labels(verdict.value).inc()
        for kind in kinds:
            metrics.provider_events.labels(provider, kind.value).inc()

    def _observe_receipt(self, receipt: Receipt, channel: Channel, *, seconds: float) -> None:
        self._context.metrics.count_attempt(
            outcome=receipt.outcome.value, channel=channel.value, provider=receipt.provider, seconds=seconds
        )
