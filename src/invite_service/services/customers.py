"""What customers may ask of a merchant about their data: a copy of all of it, and that it is erased (docs/adr/0027)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from invite_service.domain.customer import CustomerRecord, Erasure
from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import DomainError
from invite_service.domain.feedback import Rating
from invite_service.domain.merchant import Merchant
from invite_service.domain.suppression import NewSuppression, Subject, SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.suppressions import decide_reach
from invite_service.services.conflicts import try_again
from invite_service.storage.customers import Customer
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.stores import Stores

MAX_EXPORTED: Final = 5_000
"""Orders of one export: more than anybody buys of one shop, and what a process holds in memory."""


class TooManyOrdersError(DomainError):
    """More orders carry the contact than an export holds: it is nobody's own."""

    code: ClassVar[str] = "too_many_orders"


@dataclass(frozen=True, slots=True)
class _Erased:
    """What was taken away, by where it lay."""

    customer: Customer
    orders: Sequence[str]
    statuses: dict[UUID, str]
    """Of the invitations, the status that each had."""
    changes: Sequence[tuple[Rating, Rating]]
    """Ratings that lost words or pictures, as they stood and as they stand."""
    ratings: Sequence[Rating]
    cases: dict[UUID, UUID]
    """Support cases that were closed, with their ratings."""
    pictures: int

    @property
    def reviews(self) -> int:
        return sum(before.review_text is not None and after.review_text is None for before, after in self.changes)


class CustomerService:
    """Exports and erases customers. A customer is a contact, and whatever its orders tell beside it."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def export(self, merchant: Merchant, subject: Subject) -> CustomerRecord:
        """Read everything that `erase` would take away, and what hangs on it.

        Raises:
            TooManyOrdersError: there are more orders than an export holds.
        """
        async with self._database.transaction(by_key=True) as stores:
            customer = await stores.customers.find(merchant.id, stores.suppressions.key_of(subject), subject.kind)
            if len(customer.order_ids) > MAX_EXPORTED:
                raise TooManyOrdersError(f"More than {MAX_EXPORTED} orders carry this contact.")
            parts = await stores.customer_records.read(merchant.id, customer)
        return CustomerRecord(merchant.now(self._clock()), parts)

    async def erase(self, merchant: Merchant, subject: Subject, *, keeps_reviews: bool, actor: str) -> Erasure:
        """Take a customer's personal data away, end what is planned, and never write to their contacts again.

        Stars stay counted. `keeps_reviews` leaves texts to be read, without a name. Where nothing is left to be erased
        and no support case to be closed, what an earlier erasure by the same contact took is told again.
        """
        return await try_again(lambda: self._erase(merchant, subject, keeps_reviews=keeps_reviews, actor=actor))

    async def _erase(self, merchant: Merchant, subject: Subject, *, keeps_reviews: bool, actor: str) -> Erasure:
        async with self._database.transaction(by_key=True) as stores:
            key = stores.suppressions.key_of(subject)
            customer = await stores.customers.find(merchant.id, key, subject.kind)
            await stores.customers.lock(merchant.id, customer)
            # With the contacts locked nobody adds to what they carry; what was added before is locked as well.
            if await stores.customers.find(merchant.id, key, subject.kind) != customer:
                raise TransactionConflictError("Something was added before the contacts were locked.")
            now = merchant.now(self._clock())
            erased = await self._take_away(
                stores, merchant, customer, keeps_reviews=keeps_reviews, actor=actor, now=now
            )
            erasure = Erasure(
                id=self._new_id(),
                erased_at=now,
                erased_by=actor,
                keeps_reviews=keeps_reviews,
                contacts=len(customer.contacts),
                orders=len(erased.orders),
                invitations=len(erased.statuses),
                ratings=len(erased.ratings),
                reviews=erased.reviews,
                pictures=erased.pictures,
            )
            await _suppress(stores, merchant, customer, at=erasure.erased_at)
            earlier = await stores.erasures.find_last(merchant.id, key)
            if erasure.found_nothing and not erased.cases and earlier is not None:
                return earlier
            await stores.erasures.add(merchant.id, erasure, key)
            await stores.timeline.add(merchant.id, _entries(erasure, erased))
            await stores.erasures.count_words(merchant.id, erased.changes, zone=merchant.time_zone)
        return erasure

    async def _take_away(
        self,
        stores: Stores,
        merchant: Merchant,
        customer: Customer,
        *,
        keeps_reviews: bool,
        actor: str,
        now: datetime,
    ) -> _Erased:
        rating_ids = await stores.customers.lock_ratings(merchant.id, customer.invitation_ids)
        ratings = await stores.ratings.list_by_id(merchant.id, rating_ids)
        orders = await stores.erasures.erase_orders(merchant.id, customer.order_ids)
        statuses = await stores.erasures.erase_invitations(merchant.id, customer.invitation_ids)
        pictures = await stores.erasures.erase_words(merchant.id, rating_ids, keeps_reviews=keeps_reviews)
        cases = await stores.erasures.close_cases(merchant.id, rating_ids, at=now, actor=actor)
        await stores.erasures.erase_notes(merchant.id, customer, rating_ids)
        changes = [
            (rating, wordless)
            for rating in ratings
            for wordless in (_without_words(rating, keeps_reviews=keeps_reviews),)
            if wordless != rating or rating.invitation_id in statuses
        ]
        return _Erased(customer, orders, statuses, changes, ratings, cases, pictures)


def _without_words(rating: Rating, *, keeps_reviews: bool) -> Rating:
    if keeps_reviews:
        return replace(rating, picture_ids=())
    return replace(rating, review_text=None, review_state=None, reviewed_at=None, picture_ids=(), is_review_fixed=False)


async def _suppress(stores: Stores, merchant: Merchant, customer: Customer, *, at: datetime) -> None:
    """Close every channel to the customer for good, by keys: texts are not needed, and soon not known."""
    await stores.suppressions.enter(
        merchant.id,
        [
            NewSuppression(
                subject=Subject(kind, None, key),
                reason=SuppressionReason.ERASED,
                channel=decide_reach(kind, SuppressionReason.ERASED, None),
                source=SuppressionSource.ERASURE,
                created_at=at,
            )
            for key, kind in customer.contacts
        ],
    )


def _entries(erasure: Erasure, erased: _Erased) -> list[TimelineEntry]:
    def entry(
        event: TimelineEvent,
        data: dict[str, JsonFigure],
        *,
        order_id: str | None = None,
        invitation_id: UUID | None = None,
    ) -> TimelineEntry:
        return TimelineEntry(
            at=erasure.erased_at,
            actor=erasure.erased_by,
            event=event,
            order_id=order_id,
            invitation_id=invitation_id,
            data={"erasure_id": str(erasure.id), **data},
        )

    invitation_of = {rating.id: rating.invitation_id for rating in erased.ratings}
    counts: dict[str, JsonFigure] = {
        "contacts": erasure.contacts,
        "orders": erasure.orders,
        "invitations": erasure.invitations,
        "ratings": erasure.ratings,
        "reviews": erasure.reviews,
        "pictures": erasure.pictures,
    }
    return [
        entry(TimelineEvent.CUSTOMER_ERASED, counts),
        *(entry(TimelineEvent.ORDER_ERASED, {}, order_id=order_id) for order_id in sorted(erased.orders)),
        *(
            entry(TimelineEvent.INVITATION_ERASED, {"earlier_status": status}, invitation_id=invitation_id)
            for invitation_id, status in sorted(erased.statuses.items())
        ),
        *(
            entry(
                TimelineEvent.SUPPORT_CASE_CLOSED,
                {"rating_id": str(rating_id), "support_case_id": str(case_id)},
                invitation_id=invitation_of[rating_id],
            )
            for case_id, rating_id in sorted(erased.cases.items())
        ),
    ]
