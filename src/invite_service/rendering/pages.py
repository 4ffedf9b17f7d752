"""The hosted pages: plain HTML with its one style sheet inside, no scripts, nothing from anywhere else but pictures.

Addresses on a page are relative to the page's own, so that an installation may live under a path of its host.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from markupsafe import Markup

from invite_service.domain.branding import Branding
from invite_service.domain.merchant import Merchant
from invite_service.domain.texts import TextName
from invite_service.rendering.brand import Brand, brand_of
from invite_service.rendering.cleaning import one_line, picture_address
from invite_service.rendering.colors import Palette, palette_of
from invite_service.rendering.environment import environment
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnTexts, page_words
from invite_service.rendering.products import PRODUCT_NAME_LIMIT, ShownProduct
from invite_service.rendering.text_variables import customer_variables, merchant_variables
from invite_service.rendering.texts import Texts, available_language, texts_of
from invite_service.rules.feedback import MAX_PICTURE_BYTES, MAX_PICTURES

MAX_LISTED_PRODUCTS = 12
"""Products shown where delivery is asked about; of the others their number is told."""

CUSTOMER_NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is answered."""

    html: str
    content_security_policy: str


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What all pages of one invitation have around them; `address` is the page's own, relative to itself."""

    merchant: Merchant
    branding: Branding
    language: str
    address: str
    own_texts: OwnTexts = NO_OWN_TEXTS
    customer_name: str | None = None
    displayed_name: str = ""
    """The name that a review is shown with; "" for none."""
    takes_pictures: bool = False
    """Pictures can be added to a review."""

    @property
    def brand(self) -> Brand:
        """The merchant as shown."""
        return brand_of(self.merchant.name, self.merchant.homepage_url, self.branding)

    @property
    def texts(self) -> Texts:
        """The texts in the invitation's language, or in English where that has none; the merchant's own come first."""
        return self.words(is_html=True)

    def words(self, *, is_html: bool) -> Texts:
        """Give the texts for a page, or for plain text."""
        language = available_language(self.language)
        found = [self.own_texts.find(name, language) for name in (TextName.PAGE, TextName.NOT_RECEIVED)]
        return page_words(
            texts_of(language), [own for own in found if own is not None], self._variables, is_html=is_html
        )

    def _variables(self) -> Mapping[str, object]:
        merchant = merchant_variables(
            TextName.PAGE,
            merchant_name=self.merchant.name,
            homepage_url=self.merchant.homepage_url,
            branding=self.branding,
        )
        return merchant | customer_variables(TextName.NOT_RECEIVED, customer_name=self.customer_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedItem:
    """A product, or the service (`product_id` None), with the stars and words that stand in its fields."""

    product_id: str | None
    name: str
    picture: str | None
    stars: int | None = None
    text: str | None = None
    faults: tuple[str, ...] = ()
    """What is wrong with the fields, as sentences."""
    notes: tuple[str, ...] = ()
    """When it was answered, and how it stands, as sentences."""
    reply: str | None = None
    """What the merchant says to the review."""
    picture_ids: tuple[UUID, ...] = ()
    """Pictures that go with the review."""
    is_saved: bool = False
    """It was saved a moment ago, while the rest of the form was not."""
    has_lost_pictures: bool = False
    """Pictures had been chosen for it; a browser sends them once, and no page can choose them again."""


@dataclass(frozen=True, slots=True)
class ShownFault:
    """One line of the list of faults, and the anchor of the field it is about."""

    sentence: str
    anchor: str | None


def make_item(
    product: ShownProduct | None,
    frame: PageFrame,
    *,
    stars: int | None = None,
    text: str | None = None,
    faults: Sequence[str] = (),
    notes: Sequence[str] = (),
    reply: str | None = None,
    picture_ids: Sequence[UUID] = (),
    is_saved: bool = False,
    has_lost_pictures: bool = False,
) -> RatedItem:
    """Show a product, or the service where it is None, with what stands in its fields."""
    name, picture = frame.texts("rate_service_subject", merchant=frame.brand.name), None
    if product is not None:
        name = one_line(product.name, limit=PRODUCT_NAME_LIMIT) or frame.texts("unnamed_product")
        picture = picture_address(product.image_url)
    return RatedItem(
        product_id=product.product_id if product is not None else None,
        name=name,
        picture=picture,
        stars=stars,
        text=text,
        faults=tuple(faults),
        notes=tuple(notes),
        reply=reply,
        picture_ids=tuple(picture_ids),
        is_saved=is_saved,
        has_lost_pictures=has_lost_pictures,
    )


def ask_page(frame: PageFrame, products: Sequence[ShownProduct]) -> Page:
    """Ask whether the order has arrived."""
    items = [make_item(product, frame) for product in products[:MAX_LISTED_PRODUCTS]]
    return _page("page_ask.html", frame, items=items, more_count=len(products) - len(items))


def not_received_page(frame: PageFrame, customer_name: str | None, *, is_noted: bool) -> Page:
    """Show the notice for "not yet", with the support contact; `is_noted` says that the report was taken."""
    name = one_line(customer_name, limit=CUSTOMER_NAME_LIMIT)
    return _page("page_not_received.html", frame, customer_name=name, is_noted=is_noted)


def not_received_notice(frame: PageFrame) -> str:
    """Write the notice for "not yet" as plain text, for a page of the merchant's own."""
    return frame.words(is_html=False)("not_received_notice")


def rate_page(
    frame: PageFrame,
    items: Sequence[RatedItem],
    *,
    text_limit: int,
    faults: Sequence[ShownFault] = (),
    notice: str | None = None,
    is_answered: bool = False,
    settled: Sequence[RatedItem] = (),
    next_skip: int | None = None,
    can_report_missing: bool = False,
) -> Page:
    """Ask for stars, and words if the customer likes, about products or the service.

    `faults` heads the page after a form that could not be taken; the items then hold what was typed. `settled` are
    answers too old to be changed. `next_skip` is the number of products before those of the next page, None on the
    last.
    """
    texts, name = frame.texts, frame.brand.name
    if any(item.product_id is None for item in items):
        title, lead = texts("rate_service_title", merchant=name), texts("rate_service_lead")
    else:
        title, lead = texts("rate_title"), texts("rate_lead" if len(items) == 1 else "rate_lead_many")
    shown = frame.displayed_name
    return _page(
        "page_rate.html",
        frame,
        items=items,
        title=title,
        lead=lead,
        text_limit=text_limit,
        takes_pictures=frame.takes_pictures,
        picture_limit=MAX_PICTURES,
        picture_size=texts.megabytes(MAX_PICTURE_BYTES),
        name_line=texts("rate_name_shown", name=shown) if shown else texts("rate_name_hidden"),
        faults=faults,
        notice=notice,
        is_answered=is_answered,
        settled=settled,
        next_skip=next_skip,
        can_report_missing=can_report_missing,
    )


def answered_page(frame: PageFrame, items: Sequence[RatedItem], *, next_skip: int | None = None) -> Page:
    """Show what was answered, too long ago to be changed."""
    return _page("page_answered.html", frame, items=items, next_skip=next_skip)


def thanks_page(
    frame: PageFrame,
    items: Sequence[RatedItem],
    *,
    is_waiting: bool,
    waiting_until: date | None = None,
    remaining_count: int,
    can_change: bool = True,
) -> Page:
    """Thank for what was given; `is_waiting` says that something of it is not published yet."""
    lead = frame.texts("thanks_waiting" if is_waiting else "thanks_published")
    if waiting_until is not None:
        lead = frame.texts("thanks_waiting_until", date=frame.texts.day(waiting_until))
    return _page(
        "page_thanks.html", frame, items=items, lead=lead, remaining_count=remaining_count, can_change=can_change
    )


def unsubscribe_page(frame: PageFrame) -> Page:
    """Offer the button that unsubscribes."""
    return _page("page_unsubscribe.html", frame)


def unsubscribed_page(frame: PageFrame) -> Page:
    """Confirm that the customer is unsubscribed."""
    return _page("page_unsubscribed.html", frame)


@dataclass(frozen=True, slots=True)
class FigureTable:
    """What became of ratings, or of reviews: a row for each number of stars, the highest first."""

    caption: str
    rows: Sequence[tuple[int, str, str, str]]
    """Stars, shown, not shown yet, kept back."""


def policy_page(
    frame: PageFrame, sentences: Sequence[str], *, reasons: Sequence[str], tables: Sequence[FigureTable]
) -> Page:
    """Tell how reviews are collected and checked, and what became of them."""
    return _page("page_policy.html", frame, sentences=sentences, reasons=reasons, tables=tables)


def unknown_page(language: str) -> Page:
    """Answer a link that is malformed, forged or expired: the same page for all."""
    return _bare_page(language, "unknown")


def failed_page(language: str) -> Page:
    """Say that something went wrong on our side."""
    return _bare_page(language, "failed")


def erased_page(language: str, merchant_name: str) -> Page:
    """Tell whoever has the link of an erased customer that nothing is kept of what it was about."""
    texts = texts_of(available_language(language))
    lead = texts("erased_lead", merchant=merchant_name)
    return _render("page_message.html", None, texts, title=texts("erased_title"), lead=lead)


def busy_page(language: str) -> Page:
    """Say that this was too much in too short a time."""
    return _bare_page(language, "busy")


def too_large_page(language: str) -> Page:
    """Say that a form was larger than any form of ours can be."""
    texts = texts_of(available_language(language))
    return _render("page_message.html", None, texts, title=texts("failed_title"), lead=texts("fault_form_too_large"))


def _bare_page(language: str, name: str) -> Page:
    texts = texts_of(available_language(language))
    return _render("page_message.html", None, texts, title=texts(f"{name}_title"), lead=texts(f"{name}_lead"))


def _page(template: str, frame: PageFrame, **values: object) -> Page:
    return _render(template, frame.brand, frame.texts, address=frame.address, **values)


def _render(template: str, brand: Brand | None, texts: Texts, **values: object) -> Page:
    style = _style(brand.palette if brand is not None else palette_of(Branding()))
    html = environment().get_template(template).render(brand=brand, texts=texts, style=style.markup, **values)
    return Page(html=html.lstrip(), content_security_policy=style.policy)


@dataclass(frozen=True, slots=True)
class _Style:
    markup: Markup
    policy: str


@lru_cache(maxsize=256)
def _style(palette: Palette) -> _Style:
    """Write the style sheet, and the policy that lets in this one alone."""
    colors = environment().get_template("page_colors.css").render(palette=palette)
    css = colors + environment().get_template("page.css").render()
    digest = b64encode(sha256(css.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' https:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return _Style(Markup(css), policy)  # noqa: S704 - our own style sheet, with colours that were parsed
