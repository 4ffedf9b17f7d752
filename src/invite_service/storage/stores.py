"""The bundle of stores that a transaction hands to a service."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from invite_service.storage.account_health import AccountHealthStore
from invite_service.storage.account_insights import AccountInsightStore
from invite_service.storage.attempts import AttemptStore
from invite_service.storage.batch_changes import BatchChangeStore
from invite_service.storage.batch_orders import BatchOrderStore
from invite_service.storage.batch_updates import BatchUpdateStore
from invite_service.storage.branding import BrandingStore
from invite_service.storage.channels import ChannelStore
from invite_service.storage.circuits import CircuitStore
from invite_service.storage.clocks import ClockStore
from invite_service.storage.contacts import ContactKeys, ContactStore
from invite_service.storage.customer_records import CustomerRecordStore
from invite_service.storage.customers import CustomerStore
from invite_service.storage.decisions import DecisionStore
from invite_service.storage.doubts import DoubtStore
from invite_service.storage.driver import Driver
from invite_service.storage.due import DueStore
from invite_service.storage.erasures import ErasureStore
from invite_service.storage.explanations import ExplanationStore
from invite_service.storage.funnels import FunnelStore
from invite_service.storage.history import HistoryStore
from invite_service.storage.idempotency import IdempotencyStore
from invite_service.storage.insights import InsightStore
from invite_service.storage.invitations import InvitationStore
from invite_service.storage.keys import ApiKeyStore, OperatorKeyStore
from invite_service.storage.listing import ListingStore
from invite_service.storage.mailbox import MailboxStore
from invite_service.storage.merchants import MerchantStore
from invite_service.storage.notices import NoticeStore
from invite_service.storage.orders import OrderStore
from invite_service.storage.paces import PaceStore
from invite_service.storage.pages import PageStore
from invite_service.storage.pictures import PictureStore
from invite_service.storage.policies import PolicyStore
from invite_service.storage.product_feed import ProductFeedStore
from invite_service.storage.provider_events import ProviderEventStore
from invite_service.storage.public_products import PublicProductStore
from invite_service.storage.public_reviews import PublicReviewStore
from invite_service.storage.publishing import PublishingStore
from invite_service.storage.ratings import RatingStore
from invite_service.storage.recorded_events import RecordedEventStore
from invite_service.storage.replies import ReplyStore
from invite_service.storage.reputation import ReputationStore
from invite_service.storage.response_periods import ResponsePeriodStore
from invite_service.storage.review_versions import ReviewVersionStore
from invite_service.storage.sending import SendingStore
from invite_service.storage.support_cases import SupportCaseStore
from invite_service.storage.suppressions import SuppressionStore
from invite_service.storage.texts import TextStore
from invite_service.storage.timeline import TimelineStore
from invite_service.storage.totals import TotalStore
from invite_service.storage.visitors import VisitorStore
from invite_service.storage.webhooks import WebhookStore


class Stores:
    """Every store, made when it is first asked for, all on one connection and in one transaction.

    `driver` is the connection as asyncpg knows it, `open_core` gives the same one as SQLAlchemy does; both are inside
    the same transaction, so that a use case may go either way for each statement. Stores never commit.
    """

    def __init__(
        self,
        driver: Driver,
        open_core: Callable[[], AsyncConnection],
        *,
        contact_keys: ContactKeys,
        new_id: Callable[[], UUID],
    ) -> None:
        self._driver = driver
        self._open_core = open_core
        self._contact_keys = contact_keys
        self._new_id = new_id

    @cached_property
    def core(self) -> AsyncConnection:
        """The connection for statements of SQLAlchemy Core; SQL that is short or hot is the stores' own text."""
        return self._open_core()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Take back what is written within the block when it raises, and leave the rest of the transaction alone."""
        await self._driver.execute("SAVEPOINT part")
        try:
            yield
        except Exception:
            await self._driver.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            raise
        await self._driver.execute("RELEASE SAVEPOINT part")

    @cached_property
    def merchants(self) -> MerchantStore:
        """Merchants."""
        return MerchantStore(self._driver)

    @cached_property
    def policies(self) -> PolicyStore:
        """Policy versions."""
        return PolicyStore(self._driver)

    @cached_property
    def api_keys(self) -> ApiKeyStore:
        """Keys of merchants."""
        return ApiKeyStore(self._driver)

    @cached_property
    def operator_keys(self) -> OperatorKeyStore:
        """Keys of those who run the installation."""
        return OperatorKeyStore(self._driver)

    @cached_property
    def contacts(self) -> ContactStore:
        """Contacts."""
        return ContactStore(self._driver, self._contact_keys)

    @cached_property
    def customers(self) -> CustomerStore:
        """Who is behind contacts."""
        return CustomerStore(self._driver)

    @cached_property
    def customer_records(self) -> CustomerRecordStore:
        """Everything that is kept of a customer."""
        return CustomerRecordStore(self._driver)

    @cached_property
    def erasures(self) -> ErasureStore:
        """Taking personal data away."""
        return ErasureStore(self._driver)

    @cached_property
    def suppressions(self) -> SuppressionStore:
        """Who must not be written to."""
        return SuppressionStore(self._driver, self._contact_keys, new_id=self._new_id)

    @cached_property
    def orders(self) -> OrderStore:
        """Orders."""
        return OrderStore(self._driver)

    @cached_property
    def invitations(self) -> InvitationStore:
        """Invitations."""
        return InvitationStore(self._driver, self._contact_keys)

    @cached_property
    def history(self) -> HistoryStore:
        """What shares a contact with some orders."""
        return HistoryStore(self._driver, self._contact_keys)

    @cached_property
    def decisions(self) -> DecisionStore:
        """Writing what was decided."""
        return DecisionStore(self._driver, self._contact_keys, new_id=self._new_id)

    @cached_property
    def timeline(self) -> TimelineStore:
        """The timeline."""
        return TimelineStore(self._driver, new_id=self._new_id)

    @cached_property
    def due(self) -> DueStore:
        """What waits for a worker."""
        return DueStore(self._driver)

    @cached_property
    def sending(self) -> SendingStore:
        """Due invitations and the leases on them."""
        return SendingStore(self._driver, self._contact_keys)

    @cached_property
    def circuits(self) -> CircuitStore:
        """What keeps messages from providers."""
        return CircuitStore(self._driver)

    @cached_property
    def paces(self) -> PaceStore:
        """How many messages may leave."""
        return PaceStore(self._driver)

    @cached_property
    def attempts(self) -> AttemptStore:
        """Tries to hand messages over."""
        return AttemptStore(self._driver, new_id=self._new_id)

    @cached_property
    def provider_events(self) -> ProviderEventStore:
        """What providers told later."""
        return ProviderEventStore(self._driver, self._contact_keys, new_id=self._new_id)

    @cached_property
    def reputation(self) -> ReputationStore:
        """How merchants' e-mails are received."""
        return ReputationStore(self._driver)

    @cached_property
    def listing(self) -> ListingStore:
        """Lists of orders and invitations."""
        return ListingStore(self._driver, self._contact_keys)

    @cached_property
    def explanations(self) -> ExplanationStore:
        """What explains an invitation."""
        return ExplanationStore(self._driver)

    @cached_property
    def batch_changes(self) -> BatchChangeStore:
        """What batch updates change."""
        return BatchChangeStore(self._driver, self._contact_keys)

    @cached_property
    def batch_orders(self) -> BatchOrderStore:
        """Orders that batch updates decide."""
        return BatchOrderStore(self._driver)

    @cached_property
    def batch_updates(self) -> BatchUpdateStore:
        """Batch updates."""
        return BatchUpdateStore(self._driver, self._contact_keys)

    @cached_property
    def recorded_events(self) -> RecordedEventStore:
        """The record of order events."""
        return RecordedEventStore(self._driver)

    @cached_property
    def insights(self) -> InsightStore:
        """Figures."""
        return InsightStore(self._driver)

    @cached_property
    def account_health(self) -> AccountHealthStore:
        """What an account's self-check looks at."""
        return AccountHealthStore(self._driver)

    @cached_property
    def account_insights(self) -> AccountInsightStore:
        """How an account does, by part."""
        return AccountInsightStore(self._driver)

    @cached_property
    def funnels(self) -> FunnelStore:
        """From orders to reviews, whole and by part."""
        return FunnelStore(self._driver)

    @cached_property
    def branding(self) -> BrandingStore:
        """How messages and pages look."""
        return BrandingStore(self._driver)

    @cached_property
    def texts(self) -> TextStore:
        """Merchants' own texts."""
        return TextStore(self._driver)

    @cached_property
    def ratings(self) -> RatingStore:
        """Ratings and reviews."""
        return RatingStore(self._driver)

    @cached_property
    def public_reviews(self) -> PublicReviewStore:
        """Reviews as the public sees them."""
        return PublicReviewStore(self._driver)

    @cached_property
    def public_products(self) -> PublicProductStore:
        """Products as search engines are told of them."""
        return PublicProductStore(self._driver)

    @cached_property
    def product_feed(self) -> ProductFeedStore:
        """Reviews as Google is told of them."""
        return ProductFeedStore(self._driver)

    @cached_property
    def visitors(self) -> VisitorStore:
        """What visitors say about reviews."""
        return VisitorStore(self._driver)

    @cached_property
    def totals(self) -> TotalStore:
        """Counters of ratings and reviews."""
        return TotalStore(self._driver)

    @cached_property
    def response_periods(self) -> ResponsePeriodStore:
        """Counters of invitations sent and ratings received."""
        return ResponsePeriodStore(self._driver)

    @cached_property
    def pictures(self) -> PictureStore:
        """Pictures of reviews."""
        return PictureStore(self._driver)

    @cached_property
    def review_versions(self) -> ReviewVersionStore:
        """What ratings said before they were changed."""
        return ReviewVersionStore(self._driver)

    @cached_property
    def publishing(self) -> PublishingStore:
        """How ratings and reviews get published."""
        return PublishingStore(self._driver)

    @cached_property
    def support_cases(self) -> SupportCaseStore:
        """Customers who were not content."""
        return SupportCaseStore(self._driver)

    @cached_property
    def doubts(self) -> DoubtStore:
        """Messages in doubt."""
        return DoubtStore(self._driver)

    @cached_property
    def webhooks(self) -> WebhookStore:
        """What merchants' systems are told."""
        return WebhookStore(self._driver)

    @cached_property
    def notices(self) -> NoticeStore:
        """Messages that follow an answer."""
        return NoticeStore(self._driver)

    @cached_property
    def replies(self) -> ReplyStore:
        """What merchants say to reviews."""
        return ReplyStore(self._driver)

    @cached_property
    def pages(self) -> PageStore:
        """Hosted pages."""
        return PageStore(self._driver)

    @cached_property
    def clocks(self) -> ClockStore:
        """Leases on sandboxes' clocks."""
        return ClockStore(self._driver)

    @cached_property
    def mailbox(self) -> MailboxStore:
        """What the `mailbox` provider keeps."""
        return MailboxStore(self._driver)

    @cached_property
    def idempotency_keys(self) -> IdempotencyStore:
        """Answers that were given to calls with a key."""
        return IdempotencyStore(self._driver)

    @cached_property
    def channels(self) -> ChannelStore:
        """Channels: their settings, pauses and checks."""
        return ChannelStore(self._driver)
