"""What visitors of a shop do about its reviews: say whether one helped them, and report what is wrong with one.

Nobody has to say who they are. A visitor is a random word that the shop's page keeps, an address where a request comes
from; both are known by keyed hashes only, and the address for no longer than the day (docs/adr/0022).
"""

import hmac
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID

from invite_service.domain.errors import QuotaExceededError, RatingNotFoundError
from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.publishing import RejectReason
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.visitor import ReviewReport, Votes
from invite_service.rules.feedback import tidy_text
from invite_service.rules.publishing import shown_text_state
from invite_service.services.approvals import open_case
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

VISITOR: Final = "visitor"
"""The actor of what visitors report."""

MAX_VOTES: Final = 10
"""Votes on one review that are taken from one address on a day: an office or a train may share one."""

MAX_REPORTS: Final = 3
"""Reports of one review, likewise."""

MAX_REPORTS_OF_REVIEW: Final = 100
"""Reports of one review that are kept: by then its merchant has heard."""

_KEY_BYTES: Final = 16
_IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that are one subscriber's: the rest is theirs to choose."""


class VisitorKeys:
    """Hashes what a visitor is known by, so that nobody without the secret could try words or addresses."""

    def __init__(self, secret: str) -> None:
        self._secret = hmac.digest(secret.encode(), b"visitors of public pages", "sha256")

    def of_visitor(self, merchant_id: MerchantId, visitor: str) -> bytes:
        """Hash a visitor's word, for one merchant: two of them cannot tell that it is the same visitor."""
        return self._hash("visitor", merchant_id, visitor)

    def of_address(self, address: str, day: date) -> bytes:
        """Hash an address for a day: on another day it is another hash."""
        return self._hash("address", day.isoformat(), _subscriber(address))

    def of_minute(self, address: str) -> str:
        """Hash an address for what is only counted in memory."""
        return self._hash("minute", _subscriber(address)).hex()

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), "sha256")[:_KEY_BYTES]


def _subscriber(address: str) -> str:
    """Tell what of an address a subscriber cannot change at will."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, _IPV6_PREFIX), strict=False))


class VisitorService:
    """Takes votes and reports on what is published.

    Both raise MerchantNotFoundError where there is no such merchant, RatingNotFoundError where it has no review of that
    id that is shown, and QuotaExceededError where too many came from the same address that day.
    """

    def __init__(
        self, database: Database, *, keys: VisitorKeys, clock: Callable[[], datetime], new_id: Callable[[], UUID]
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._keys = keys
        self._clock = clock
        self._new_id = new_id

    async def vote(
        self, merchant_id: MerchantId, rating_id: UUID, *, visitor: str, address: str, is_helpful: bool
    ) -> Votes:
        """Take a visitor's word on a review, in the place of an earlier one; the same word changes nothing."""
        visitor_key = self._keys.of_visitor(merchant_id, visitor)
        async with self._database.transaction() as stores:
            merchant, rating = await self._lock(stores, merchant_id, rating_id)
            was = await stores.visitors.find_vote(merchant_id, rating_id, visitor_key)
            if was is not is_helpful:
                await self._count_address(stores, merchant_id, rating_id, address, votes=1)
                at = merchant.now(self._clock())
                await stores.visitors.save_vote(
                    merchant_id, rating_id, visitor_key, is_helpful=is_helpful, was=was, at=at
                )
                await stores.totals.raise_version(merchant_id, rating.product_id)
            return await stores.visitors.find_votes(merchant_id, rating_id)

    async def report(
        self,
        merchant_id: MerchantId,
        rating_id: UUID,
        reason: RejectReason,
        *,
        comment: str | None,
        visitor: str,
        address: str,
    ) -> None:
        """Take a visitor's report, and open a support case; the review stays where it is until the merchant decides.

        A second report of the same visitor, and any when there are more than enough, changes nothing.
        """
        visitor_key = self._keys.of_visitor(merchant_id, visitor)
        async with self._database.transaction() as stores:
            merchant, rating = await self._lock(stores, merchant_id, rating_id)
            if await stores.visitors.has_reported(merchant_id, rating_id, visitor_key):
                return
            await self._count_address(stores, merchant_id, rating_id, address, reports=1)
            kept = await stores.visitors.count_reports(merchant_id, rating_id, up_to=MAX_REPORTS_OF_REVIEW)
            if kept >= MAX_REPORTS_OF_REVIEW:
                return
            at = merchant.now(self._clock())
            report = ReviewReport(
                id=self._new_id(), rating_id=rating_id, reason=reason, comment=tidy_text(comment), reported_at=at
            )
            await stores.visitors.add_report(merchant_id, report, visitor_key)
            entry = TimelineEntry(
                at=at,
                actor=VISITOR,
                event=TimelineEvent.REVIEW_REPORTED,
                invitation_id=rating.invitation_id,
                reason=reason,
                data={"rating_id": str(rating_id), "report_id": str(report.id)},
            )
            await stores.timeline.add(merchant_id, [entry])
            await open_case(stores, merchant, rating, new_id=self._new_id, actor=VISITOR, at=at)

    async def list_reports(
        self, merchant_id: MerchantId, *, rating_id: UUID | None = None, page: PageRequest
    ) -> Page[ReviewReport]:
        """List reports by when they came; only those of one rating where that is asked for."""
        async with self._database.autocommit() as stores:
            found = await stores.visitors.list_reports(merchant_id, rating_id=rating_id, part=page.to_slice())
            return page_of(found, page)

    async def clean(self) -> None:
        """Forget the addresses of days that are over."""
        today = self._clock().astimezone(UTC).date()
        async with self._database.autocommit() as stores:
            for merchant_id in await stores.visitors.list_merchants_with_past_counts(today):
                await stores.visitors.delete_past_counts(merchant_id, today)

    async def _lock(self, stores: Stores, merchant_id: MerchantId, rating_id: UUID) -> tuple[Merchant, Rating]:
        """Lock a rating whose review is shown."""
        merchant = await stores.merchants.get(merchant_id)
        rating = await stores.ratings.get(merchant_id, rating_id, lock=True)
        if rating.state is not PublishState.PUBLISHED or shown_text_state(rating) is not PublishState.PUBLISHED:
            raise RatingNotFoundError("No rating of that id exists.")
        return merchant, rating

    async def _count_address(
        self,
        stores: Stores,
        merchant_id: MerchantId,
        rating_id: UUID,
        address: str,
        *,
        votes: int = 0,
        reports: int = 0,
    ) -> None:
        now = self._clock().astimezone(UTC)
        key = self._keys.of_address(address, now.date())
        votes, reports = await stores.visitors.count_address(
            merchant_id, rating_id, key, day=now.date(), votes=votes, reports=reports
        )
        if votes > MAX_VOTES or reports > MAX_REPORTS:
            tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
            raise QuotaExceededError(
                "Enough was said about this review from your address today.",
                retry_after_seconds=int((tomorrow - now).total_seconds()) + 1,
            )
