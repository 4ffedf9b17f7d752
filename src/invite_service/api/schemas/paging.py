"""Which page of a list is wanted, and the cursors to its neighbours."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from invite_service.api.cursors import MAX_CURSOR_LENGTH, NOT_OURS, Cursor, is_cursor, read_cursor, write_cursor
from invite_service.api.schemas.fields import PARAMETERS
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.services.paging import DEFAULT_PAGE, MAX_PAGE, Page, PageRequest, Place

T = TypeVar("T")

NOT_OF_LIST = "Is not a cursor of this list."


class PageParameters(BaseModel):
    """Which page of a list is wanted."""

    model_config = PARAMETERS

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None
    """next_cursor or prev_cursor of an earlier page, with the same sorting and filters."""

    @field_validator("cursor")
    @classmethod
    def _is_cursor(cls, value: str | None) -> str | None:
        # Whether it is one of this list is asked once the filters are known to have no faults.
        if value is not None and not is_cursor(value):
            raise PydanticCustomError("invalid_cursor", NOT_OURS)
        return value

    def listing(self) -> dict[str, Any]:
        """Tell sorting and filters, which a cursor belongs to."""
        return {name: value for name, value in self if name not in {"limit", "cursor"}}

    def page(self, *, ascending: bool, ids_are_uuids: bool = True) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return PageRequest(limit=self.limit, ascending=ascending, place=self._place(ids_are_uuids=ids_are_uuids))

    def _place(self, *, ids_are_uuids: bool) -> Place | None:
        cursor = read_cursor(self.cursor, listing=self.listing())
        if cursor is None:
            return None
        try:
            place_id = UUID(cursor.id) if ids_are_uuids else cursor.id
        except ValueError:
            raise InvalidInputError(
                "The request has faults.",
                faults=[Fault("?cursor", "invalid_cursor", NOT_OF_LIST)],
            ) from None
        return Place(at=cursor.at, id=place_id, backwards=cursor.backwards, rank=cursor.rank)


class VersionListParameters(PageParameters):
    """Which versions of settings are wanted; the newest come first."""

    def before(self) -> int | None:
        """Tell below which version the page starts; raises InvalidInputError for a cursor that is none of this list."""
        place = self.page(ascending=False, ids_are_uuids=False).place
        if place is None:
            return None
        if not isinstance(place.id, str) or not place.id.isdecimal():
            raise InvalidInputError("The request has faults.", faults=[Fault("?cursor", "invalid_cursor", NOT_OF_LIST)])
        return int(place.id)

    def cursor_after(self, version: int, *, created_at: datetime) -> str:
        """Write the cursor to the versions below this one."""
        return write_cursor(Cursor(at=created_at, id=str(version), backwards=False), listing=self.listing())


def write_cursors(
    page: Page[T],
    place_of: Callable[[T], tuple[datetime, str]],
    *,
    rank_of: Callable[[T], int] | None = None,
    listing: object,
) -> tuple[str | None, str | None]:
    """Write the cursors to the next and to the previous page, None where there is none."""
    if not page.items:
        return None, None
    (first_at, first_id), (last_at, last_id) = place_of(page.items[0]), place_of(page.items[-1])
    first_rank, last_rank = (rank_of(page.items[place]) if rank_of is not None else 0 for place in (0, -1))
    following = write_cursor(Cursor(at=last_at, id=last_id, backwards=False, rank=last_rank), listing=listing)
    preceding = write_cursor(Cursor(at=first_at, id=first_id, backwards=True, rank=first_rank), listing=listing)
    return following if page.has_next else None, preceding if page.has_previous else None
