"""Pages of lists, read from a place onwards or backwards."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from invite_service.storage.choosing import Slice

T = TypeVar("T")

MAX_PAGE = 200
"""Items of one page."""
DEFAULT_PAGE = 50
"""Items of a page whose size nobody chose."""
CHUNK = 500
"""Items that are read at once where a whole list is gone through: few enough to answer others in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a list, beside an item: its instant, its id, and which way the page goes from there."""

    at: datetime
    id: UUID | str
    backwards: bool = False
    rank: int = 0
    """What the list is sorted by before the instant, where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which page of a list is wanted; without a place its beginning."""

    limit: int = DEFAULT_PAGE
    ascending: bool = True
    place: Place | None = None

    def to_slice(self) -> Slice:
        """Say what to read: one item more than the page shows tells whether there is a further page."""
        if self.place is None:
            return Slice(limit=self.limit + 1, ascending=self.ascending)
        return Slice(
            limit=self.limit + 1,
            ascending=self.ascending is not self.place.backwards,
            beyond=(self.place.at, self.place.id),
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, in its order, and whether it goes on."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool


def page_of(found: Sequence[T], request: PageRequest) -> Page[T]:
    """Make the page of what was read for it."""
    items, goes_on = found[: request.limit], len(found) > request.limit
    if request.place is not None and request.place.backwards:
        return Page(items[::-1], has_next=True, has_previous=goes_on)
    return Page(items, has_next=goes_on, has_previous=request.place is not None)


async def all_of(
    read: Callable[[Slice], Awaitable[Sequence[T]]],
    place_of: Callable[[T], tuple[datetime, UUID | str]],
    *,
    ascending: bool,
) -> AsyncIterator[Sequence[T]]:
    """Go through a whole list, CHUNK items at a time, each read from where the ones before ended."""
    beyond = None
    while True:
        items = await read(Slice(limit=CHUNK, ascending=ascending, beyond=beyond))
        if items:
            yield items
        if len(items) < CHUNK:
            return
        beyond = place_of(items[-1])
