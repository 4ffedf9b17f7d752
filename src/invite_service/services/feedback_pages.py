"""What the page of a message's link shows: read in one transaction, for the hosted page and a merchant's own alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.notice import Reply
from invite_service.domain.timeline import TimelineEvent
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rules.feedback import is_editable
from invite_service.rules.publishing import display_name
from invite_service.services.text_versions import TextVersions
from invite_service.services.visits import Visit
from invite_service.storage.sending import ProductCard
from invite_service.storage.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackPage:
    """What a link's page is about, and what was answered on it so far."""

    merchant: Merchant
    branding: Branding
    own_texts: OwnTexts
    invitation: Invitation
    step: Step
    """The message that brought the customer here."""
    products: tuple[ProductCard, ...]
    """Everything the invitation asks or ever asked about; empty for the service."""
    ratings: tuple[Rating, ...]
    replies: Mapping[UUID, Reply] = field(default_factory=dict)
    """What the merchant says to reviews, by the rating's id."""
    displayed_name: str
    """The name that a review left now is shown with; "" for none."""
    is_delivery_confirmed: bool
    """The customer said that the order has arrived, and has not said otherwise since."""
    now: datetime
    """On the merchant's clock."""
    takes_pictures: bool = False
    """This installation keeps pictures."""

    def find_rating(self, product_id: str | None) -> Rating | None:
        """Find what was answered about a product, or about the service."""
        return next((rating for rating in self.ratings if rating.product_id == product_id), None)

    def is_open(self, product_id: str | None) -> bool:
        """Say whether the customer may rate something, for the first time or anew."""
        rating = self.find_rating(product_id)
        return rating is None or is_editable(rating, now=self.now)


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """Whose messages a link unsubscribes from, and the language to say so in."""

    merchant: Merchant
    branding: Branding
    own_texts: OwnTexts
    language: str


@dataclass(frozen=True, slots=True)
class LastVisits:
    """When a customer was last here, or said something about delivery; None for never."""

    viewed_at: datetime | None
    confirmed_at: datetime | None
    denied_at: datetime | None

    @classmethod
    async def read(cls, visit: Visit) -> "LastVisits":
        """Read them; views are those of the visit's own step."""
        events = await visit.stores.pages.find_last_events(visit.merchant.id, visit.invitation.id, visit.step)
        return cls(
            viewed_at=events.get(TimelineEvent.PAGE_VIEWED),
            confirmed_at=events.get(TimelineEvent.DELIVERY_CONFIRMED),
            denied_at=events.get(TimelineEvent.NOT_RECEIVED),
        )

    @property
    def is_delivery_confirmed(self) -> bool:
        """Whether the order has arrived, by what the customer said last."""
        return self.confirmed_at is not None and (self.denied_at is None or self.confirmed_at >= self.denied_at)


async def read_page(visit: Visit, *, is_delivery_confirmed: bool, texts: TextVersions) -> FeedbackPage:
    """Read what the page of a visit shows."""
    stores, merchant, invitation = visit.stores, visit.merchant, visit.invitation
    asked = set(invitation.ever_asked_ids)
    cards = await stores.pages.list_cards(merchant.id, invitation.id)
    ratings = await stores.ratings.list_of_invitation(merchant.id, invitation.id)
    branding, own_texts = await read_look(stores, merchant, texts=texts)
    settings = await stores.publishing.get(merchant.id)
    return FeedbackPage(
        merchant=merchant,
        branding=branding,
        own_texts=own_texts,
        invitation=invitation,
        step=visit.step,
        products=tuple(card for card in cards if card.product_id in asked),
        ratings=tuple(map(as_left, ratings)),
        replies=await stores.replies.find(merchant.id, [rating.id for rating in ratings]) if ratings else {},
        displayed_name=display_name(invitation.customer_name, settings.review_name_display),
        is_delivery_confirmed=is_delivery_confirmed,
        now=visit.now,
    )


async def read_look(stores: Stores, merchant: Merchant, *, texts: TextVersions) -> tuple[Branding, OwnTexts]:
    """Read how a merchant's pages look and read."""
    look = await stores.branding.get_look(merchant.id)
    return look.branding, await texts.get(stores, merchant.id, look.texts_version)


def as_left(rating: Rating) -> Rating:
    """Show a rating to its customer: under the product they rated, wherever the merchant counts it."""
    return rating if rating.moved_from is None else replace(rating, product_id=rating.moved_from)
