"""Which hosted page answers, and what stands on it."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from invite_service.api.pages.answers import settled_beside, view_answered, view_thanks
from invite_service.api.pages.forms import FormItem
from invite_service.domain.errors import Fault
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel, Kind, Step
from invite_service.domain.texts import TextName
from invite_service.rendering.pages import (
    Page,
    PageFrame,
    RatedItem,
    ShownFault,
    ask_page,
    make_item,
    not_received_page,
    rate_page,
)
from invite_service.rendering.products import ShownProduct
from invite_service.rendering.texts import FALLBACK_LANGUAGE, LANGUAGES, available_language
from invite_service.rules.feedback import (
    HIGHEST_STARS,
    LOWEST_STARS,
    MAX_PICTURE_BYTES,
    MAX_PICTURES,
    MAX_TEXT_LENGTH,
    editable_until,
    tidy_text,
)
from invite_service.rules.languages import read_language
from invite_service.rules.slots import local_day
from invite_service.services.feedback_pages import FeedbackPage

ITEMS_PER_PAGE: Final = 10
"""Products on one page; the next ones follow on pages of their own."""

MAX_PREFILLED: Final = 6_000
"""Characters of earlier reviews on one page, which keeps it small; one review always has room."""

_KNOWN_FAULTS: Final = frozenset(
    {
        "nothing_rated",
        "picture_too_large",
        "picture_unreadable",
        "picture_without_text",
        "picture_wrong_kind",
        "product_unknown",
        "stars_missing",
        "stars_out_of_range",
        "text_not_plain",
        "text_too_long",
        "too_old_to_change",
    }
)
"""Faults that the pages have a sentence for; any other is told as `fault_other`."""


def frame_of(page: FeedbackPage, token: str) -> PageFrame:
    """Put the invitation's frame around what follows; the token is the page's address relative to itself."""
    invitation = page.invitation
    return PageFrame(
        page.merchant,
        page.branding,
        invitation.language,
        token,
        page.own_texts,
        customer_name=invitation.customer_name,
        displayed_name=page.displayed_name,
        takes_pictures=page.takes_pictures,
    )


def view_page(page: FeedbackPage, token: str, query: QueryParams) -> Page:
    """Choose the page that a GET answers with; what the query says is shown, and recorded nowhere."""
    frame = frame_of(page, token)
    is_product = page.invitation.kind is Kind.PRODUCT
    if is_product and query.get("received") == "no":
        is_noted = page.invitation.not_received_on is not None and not page.is_delivery_confirmed
        return not_received_page(frame, page.invitation.customer_name, is_noted=is_noted)
    if query.get("thanks") == "yes" and page.ratings:
        return view_thanks(page, frame)
    if page.ratings and not _open_ones(page):
        return view_answered(page, frame, skip=_number(query.get("skip")))
    if asks_about_delivery(page) and query.get("received") != "yes" and "stars" not in query:
        return ask_page(frame, page.products)
    return _view_rating(page, frame, query)


def asks_about_delivery(page: FeedbackPage) -> bool:
    """Ask the customers of the e-mail that asks; its SMS leads to the stars (RULES.md section 1, "step").

    So does the e-mail of a merchant that wants it to.
    """
    if page.step is not Step.PRODUCT_1 or page.invitation.channel is not Channel.EMAIL:
        return False
    own = page.own_texts.find(TextName.PRODUCT_1, available_language(page.invitation.language))
    return not (own is not None and own.asks_for_stars) and not page.is_delivery_confirmed and not page.ratings


def _view_rating(page: FeedbackPage, frame: PageFrame, query: QueryParams) -> Page:
    products = _in_order(page, query)
    skip = min(_number(query.get("skip")), max(len(products) - 1, 0))
    items = _prefilled(page, frame, products[skip:], stars=_chosen_stars(query))
    next_skip = skip + len(items)
    return rate_page(
        frame,
        items,
        text_limit=MAX_TEXT_LENGTH,
        notice=_saved_notice(page, frame, query.get("saved"))
        or (frame.texts("picture_removed") if query.get("removed") == "yes" and page.ratings else None)
        or _answered_notice(page, frame, items),
        is_answered=bool(page.ratings),
        settled=settled_beside(page, frame),
        next_skip=next_skip if next_skip < len(products) else None,
        can_report_missing=page.invitation.kind is Kind.PRODUCT and not page.ratings,
    )


def _answered_notice(page: FeedbackPage, frame: PageFrame, items: Sequence[RatedItem]) -> str | None:
    """Say that there are answers that can be changed; until when is the first day on which one of the shown can not."""
    if not page.ratings:
        return None
    shown = {item.product_id for item in items}
    untils = [editable_until(rating) for rating in page.ratings if rating.product_id in shown]
    known = [until for until in untils if until is not None]
    if not known:
        return frame.texts("rate_already")
    return frame.texts("rate_already_until", date=frame.texts.day(local_day(min(known), page.merchant.time_zone)))


def _open_ones(page: FeedbackPage) -> Sequence[ShownProduct | None]:
    """List what may be rated or changed; None stands for the service."""
    if page.invitation.kind is Kind.SERVICE:
        return [None] if page.is_open(None) else []
    return [product for product in page.products if page.is_open(product.product_id)]


def _in_order(page: FeedbackPage, query: QueryParams) -> Sequence[ShownProduct | None]:
    """Order what may be rated: what was clicked on, then what is not rated yet, or what is when changing."""
    rated = {rating.product_id for rating in page.ratings}
    clicked, is_changing = query.get("product_id"), query.get("change") == "yes"

    def place(product: ShownProduct | None) -> tuple[bool, bool]:
        product_id = product.product_id if product is not None else None
        return product_id != clicked, (product_id in rated) is not is_changing

    return sorted(_open_ones(page), key=place)


def _prefilled(
    page: FeedbackPage, frame: PageFrame, products: Sequence[ShownProduct | None], *, stars: int | None
) -> list[RatedItem]:
    """Fill in what was answered before, and the stars that were clicked on for the first product."""
    ratings = {rating.product_id: rating for rating in page.ratings}
    items: list[RatedItem] = []
    room = MAX_PREFILLED
    for product in products[:ITEMS_PER_PAGE]:
        rating = ratings.get(product.product_id if product is not None else None)
        text = rating.review_text if rating is not None else None
        room -= len(text or "")
        if room < 0 and items:
            break
        given = rating.stars if rating is not None else None
        reply = page.replies.get(rating.id) if rating is not None else None
        items.append(
            make_item(
                product,
                frame,
                stars=given if items else stars or given,
                text=text,
                reply=reply.text if reply is not None else None,
                picture_ids=_picture_ids(rating),
            )
        )
    return items


def _chosen_stars(query: QueryParams) -> int | None:
    stars = _number(query.get("stars"))
    return stars if LOWEST_STARS <= stars <= HIGHEST_STARS else None


def _number(text: str | None) -> int:
    """Read a small number of a query; 0 for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 6 else 0


def view_saved(
    page: FeedbackPage, token: str, items: Sequence[FormItem], saved: str | None, *, is_removal: bool = False
) -> Page | None:
    """Show a form again of which one product was saved, with what else was typed; None where nothing else was.

    With `is_removal` a picture was removed, and nothing saved.
    """
    others = [item for item in items if (is_removal or item.product_id != saved) and not _says_what_stands(item, page)]
    if not others:
        return None
    frame = frame_of(page, token)
    shown = [_as_typed(item, page, frame, is_saved=not is_removal and item.product_id == saved) for item in items]
    return rate_page(
        frame,
        shown,
        text_limit=MAX_TEXT_LENGTH,
        notice=frame.texts("picture_removed") if is_removal else _saved_notice(page, frame, saved),
        is_answered=True,
        can_report_missing=False,
    )


def address_after(page: FeedbackPage, saved: str | None) -> str:
    """Tell where the browser goes once one product was saved: to the others, or to the thanks after the last."""
    rated = {rating.product_id for rating in page.ratings}
    if all(product.product_id in rated for product in page.products):
        return "?thanks=yes"
    return f"?{urlencode({'saved': saved or ''})}"


def _says_what_stands(item: FormItem, page: FeedbackPage) -> bool:
    rating = page.find_rating(item.product_id)
    if rating is None:
        return item.is_blank
    return not item.uploads and (item.shown_stars, tidy_text(item.text)) == (rating.stars, rating.review_text)


def _saved_notice(page: FeedbackPage, frame: PageFrame, saved: str | None) -> str | None:
    """Say what was just saved and how far the customer has come; None where it is nothing that was rated."""
    product = next((product for product in page.products if product.product_id == saved), None)
    if product is None or page.find_rating(saved) is None:
        return None
    texts, count = frame.texts, len(page.products)
    rated = {rating.product_id for rating in page.ratings}
    done = sum(product.product_id in rated for product in page.products)
    said = texts("rate_saved_product", product=make_item(product, frame).name)
    return f"{said} \N{MIDDLE DOT} {texts('rate_progress', done=texts.number(done), count=count)}"


def _as_typed(
    item: FormItem, page: FeedbackPage, frame: PageFrame, *, faults: Sequence[str] = (), is_saved: bool = False
) -> RatedItem:
    product = next((product for product in page.products if product.product_id == item.product_id), None)
    return make_item(
        product,
        frame,
        stars=item.shown_stars,
        text=item.text,
        faults=faults,
        is_saved=is_saved,
        has_lost_pictures=bool(item.uploads) and not is_saved,
        picture_ids=_picture_ids(page.find_rating(item.product_id)),
    )


def _picture_ids(rating: Rating | None) -> Sequence[UUID]:
    return rating.picture_ids if rating is not None else ()


def view_faults(
    page: FeedbackPage, token: str, items: Sequence[FormItem], asked: Sequence[int], faults: Sequence[Fault]
) -> Page:
    """Show a form again that could not be taken: all that was typed, and every fault by its field.

    `asked` says which of the items were handed on: the pointers of the faults count these.
    """
    frame = frame_of(page, token)
    of_items: dict[int, list[str]] = {number: [] for number in range(len(items))}
    of_form: list[str] = []
    for fault in faults:
        place = fault.pointer.removeprefix("/ratings").split("/")
        if len(place) > 1:
            number = asked[int(place[1])]
            of_items[number].append(_sentence(fault, frame, is_blank=not items[number].stars))
        else:
            of_form.append(_sentence(fault, frame))
    shown = [_as_typed(item, page, frame, faults=of_items[number]) for number, item in enumerate(items)]
    name = "{}: {}".format if len(shown) > 1 else "{1}".format
    listed = [ShownFault(sentence, "item-0") for sentence in of_form] + [
        ShownFault(name(item.name, sentence), f"item-{number}")
        for number, item in enumerate(shown)
        for sentence in item.faults
    ]
    return rate_page(
        frame,
        shown or _prefilled(page, frame, _in_order(page, QueryParams()), stars=None),
        text_limit=MAX_TEXT_LENGTH,
        faults=listed,
        is_answered=bool(page.ratings),
    )


def _sentence(fault: Fault, frame: PageFrame, *, is_blank: bool = False) -> str:
    code = "stars_missing" if fault.code == "stars_out_of_range" and is_blank else fault.code
    if code == "too_many_pictures":
        return frame.texts("fault_too_many_pictures", count=MAX_PICTURES)
    known = code if code in _KNOWN_FAULTS else "other"
    return frame.texts(f"fault_{known}", limit=MAX_TEXT_LENGTH, size=frame.texts.megabytes(MAX_PICTURE_BYTES))


def language_of(accepted: str | None) -> str:
    """Choose the language of a page that belongs to no invitation, from the Accept-Language header."""
    for entry in (accepted or "").split(",")[:10]:
        language = read_language(entry.partition(";")[0].strip())
        if language in LANGUAGES:
            return language
    return FALLBACK_LANGUAGE
