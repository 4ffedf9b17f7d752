"""Reading the hosted page's form as a browser posts it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.requests import Request

from invite_service.api.errors import BodyTooLargeError
from invite_service.api.multipart import (
    MultipartError,
    MultipartForm,
    UploadedFile,
    find_boundary,
    read_multipart,
)
from invite_service.domain.feedback import Feedback
from invite_service.rules.feedback import MAX_PICTURE_BYTES, MAX_PICTURES, MAX_RATINGS

MAX_FORM_BYTES: Final = 256 * 1024

MAX_UPLOAD_BYTES: Final = MAX_PICTURES * MAX_PICTURE_BYTES + MAX_FORM_BYTES
"""Of a form with pictures; those of several products share it."""

FORM_TYPE: Final = "application/x-www-form-urlencoded"

_FIELDS_PER_ITEM: Final = 3 + MAX_PICTURES
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
    uploads: tuple[UploadedFile, ...] = ()
    """Pictures that were chosen."""

    @property
    def is_blank(self) -> bool:
        """Whether the customer left it alone."""
        return not self.stars and not self.text.strip() and not self.uploads

    @property
    def shown_stars(self) -> int | None:
        """The stars to show as chosen, where what was posted are stars."""
        return int(self.stars) if self.stars in {"1", "2", "3", "4", "5"} else None

    def to_feedback(self, *, pictures: Sequence[UUID] = ()) -> Feedback:
        """Translate to the domain; anything but stars becomes a number that the rules refuse."""
        return Feedback(
            product_id=self.product_id,
            stars=self.shown_stars or _NO_STARS,
            text=self.text,
            consent=self.consent,
            added_pictures=tuple(pictures),
        )


async def read_form(request: Request) -> MultipartForm:
    """Read the fields of a posted form; of a field that comes more than once the last counts. Its caller closes it.

    A body of another type, or with more fields than any page of ours has, is read as a form without fields.

    Raises:
        BodyTooLargeError: it is larger than any form of ours can be.
    """
    content_type = request.headers.get("Content-Type", "")
    boundary = find_boundary(content_type)
    try:
        if boundary is not None:
            return await read_multipart(
                limited(request, MAX_UPLOAD_BYTES),
                boundary,
                max_parts=_MAX_FIELDS,
                max_text=MAX_FORM_BYTES,
                max_file=MAX_PICTURE_BYTES,
            )
        body = b"".join([chunk async for chunk in limited(request, MAX_FORM_BYTES)])
        if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
            return MultipartForm()
        fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except (MultipartError, ValueError):
        return MultipartForm()
    return MultipartForm(dict(fields))


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Give a body piece by piece; raises BodyTooLargeError beyond a limit in bytes."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > limit:
            raise BodyTooLargeError(limit)
        yield chunk


def items_of(form: MultipartForm) -> list[FormItem]:
    """List the form's items in their order on the page."""
    fields, files = form.fields, form.files
    numbers = [
        number
        for number in range(MAX_RATINGS)
        if f"stars.{number}" in fields or f"text.{number}" in fields or f"picture.{number}" in files
    ]
    return [
        FormItem(
            number=number,
            product_id=fields.get(f"product.{number}"),
            stars=fields.get(f"stars.{number}", ""),
            text=fields.get(f"text.{number}", ""),
            consent=fields.get("consent") == "yes",
            uploads=tuple(files.get(f"picture.{number}", ())),
        )
        for number in numbers
    ]


def handed_in(form: MultipartForm, items: Sequence[FormItem]) -> list[int]:
    """Pick the items that a form hands in, by their place.

    That is the one whose own button was pressed, else those that say something; a single one counts even when it is
    blank.
    """
    only = form.fields.get("only")
    chosen = [place for place, item in enumerate(items) if only == str(item.number)]
    return chosen or [number for number, item in enumerate(items) if len(items) == 1 or not item.is_blank]
