"""Reading the hosted page's form as a browser posts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from invite_service.api.errors import BodyTooLargeError
from invite_service.domain.feedback import Feedback
from invite_service.rules.feedback import MAX_RATINGS

MAX_FORM_BYTES: Final = 256 * 1024

FORM_TYPE: Final = "application/x-www-form-urlencoded"

_FIELDS_PER_ITEM: Final = 3
_MAX_FIELDS: Final = MAX_RATINGS * _FIELDS_PER_ITEM + 10

_NO_STARS: Final = 0
"""Out of range, so that the rules refuse it along with everything else that is wrong."""


@dataclass(frozen=True, slots=True)
class FormItem:
    """The fields of one product, or of the service (`product_id` None), as they were filled in."""

    number: int
    """Counts the products of the page."""
    product_id: str | None
    stars: str
    text: str
    consent: bool
    """The form says below which line of consent it stood."""

    @property
    def is_blank(self) -> bool:
        """Whether the customer left it alone."""
        return not self.stars and not self.text.strip()

    @property
    def shown_stars(self) -> int | None:
        """The stars to show as chosen, where what was posted are stars."""
        return int(self.stars) if self.stars in {"1", "2", "3", "4", "5"} else None

    def to_feedback(self) -> Feedback:
        """Translate to the domain; anything but stars becomes a number that the rules refuse."""
        return Feedback(
            product_id=self.product_id, stars=self.shown_stars or _NO_STARS, text=self.text, consent=self.consent
        )


async def read_form(request: Request) -> Mapping[str, str]:
    """Read the fields of a posted form; of a field that comes more than once the last counts.

    A body of another type, or with more fields than any page of ours has, is read as a form without fields.

    Raises:
        BodyTooLargeError: it is larger than any form of ours can be.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise BodyTooLargeError(MAX_FORM_BYTES)
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return {}
    try:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        return {}


def items_of(form: Mapping[str, str]) -> list[FormItem]:
    """List the form's items in their order on the page."""
    numbers = [number for number in range(MAX_RATINGS) if f"stars.{number}" in form or f"text.{number}" in form]
    return [
        FormItem(
            number=number,
            product_id=form.get(f"product.{number}"),
            stars=form.get(f"stars.{number}", ""),
            text=form.get(f"text.{number}", ""),
            consent=form.get("consent") == "yes",
        )
        for number in numbers
    ]


def handed_in(form: Mapping[str, str], items: Sequence[FormItem]) -> list[int]:
    """Pick the items that a form hands in, by their place.

    That is the one whose own button was pressed, else those that say something; a single one counts even when it is
    blank.
    """
    only = form.get("only")
    chosen = [place for place, item in enumerate(items) if only == str(item.number)]
    return chosen or [number for number, item in enumerate(items) if len(items) == 1 or not item.is_blank]
