"""Pictures of reviews: taken from customers, drawn again, kept on a shelf, and shown to those who may see them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from invite_service.domain.errors import (
    Fault,
    InvalidInputError,
    PictureNotFoundError,
    PicturesClosedError,
    PicturesUnavailableError,
    QuotaExceededError,
)
from invite_service.domain.feedback import Rating
from invite_service.domain.merchant import MerchantId
from invite_service.providers.shelves import Shelf, ShelfUnavailableError
from invite_service.rendering.drawn_pictures import DrawnPicture, PictureUnreadableError, PictureWrongKindError
from invite_service.rules.feedback import MAX_PICTURE_BYTES
from invite_service.services.feedback import FeedbackService
from invite_service.services.rate_limits import RateLimiter
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.services.visits import find_visit
from invite_service.storage.database import Database
from invite_service.storage.pictures import LoosePicture

log = structlog.get_logger()

LOOSE_FOR: Final = timedelta(hours=1)
"""A picture that goes with no review so long after it came is removed."""

CLEANED_AT_ONCE: Final = 200
"""Loose pictures that one look finds."""

PICTURES_PER_MINUTE: Final = 20
"""That one invitation's customer may upload to one process: each costs up to a second of a core."""


class Upload(Protocol):
    """A file as it was uploaded."""

    @property
    def size(self) -> int:
        """Its octets, also where they were not kept."""

    def read(self) -> bytes:
        """Read all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRoom:
    """What a process has for pictures."""

    shelf: Shelf | None
    """None where the installation takes no pictures."""
    drawing: asyncio.Semaphore
    """One picture at a time: decoding takes memory."""
    limiter: RateLimiter


class PictureService:
    """Takes and shows pictures. What needs the shelf raises PicturesUnavailableError when it cannot be reached."""

    def __init__(
        self,
        database: Database,
        *,
        room: PictureRoom,
        feedback: FeedbackService,
        signer: TokenSigner,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._room = room
        self._feedback = feedback
        self._signer = signer
        self._clock = clock
        self._new_id = new_id

    @property
    def is_open(self) -> bool:
        """Whether this installation takes pictures."""
        return self._room.shelf is not None

    async def check_token(self, token: str) -> None:
        """Raise TokenNotFoundError for a token that leads nowhere, before anything is read for it."""
        claims = self._signer.read(token, TokenPurpose.PAGE)
        async with self._database.autocommit() as stores:
            await find_visit(stores, claims, real_now=self._clock())

    async def take(self, token: str, uploads: Sequence[Upload]) -> list[UUID]:
        """Draw pictures again and put them on the shelf; they go with no review yet.

        Raises:
            TokenNotFoundError: the token leads nowhere.
            PicturesClosedError: this installation takes none.
            QuotaExceededError: these are too many in a minute.
            InvalidInputError: with every fault, pointers counting from `/pictures/0`; nothing was kept.
        """
        shelf = self._shelf()
        claims = self._signer.read(token, TokenPurpose.PAGE)
        for _ in uploads:
            allowance = self._room.limiter.take(str(claims.invitation_id))
            if allowance.is_exceeded:
                raise QuotaExceededError("These are too many pictures.", retry_after_seconds=allowance.resets_after)
        drawn = await self._draw(uploads)
        named = [(self._new_id(), picture) for picture in drawn]
        async with self._database.transaction() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
            await stores.pictures.add(visit.merchant.id, [name for name, _ in named], real_now=self._clock())
        for name, picture in named:
            try:
                await shelf.put(_name_of(visit.merchant.id, name), picture.content)
            except ShelfUnavailableError as error:
                raise _unavailable(error) from error
        return [name for name, _ in named]

    async def add(self, token: str, product_id: str | None, uploads: Sequence[Upload]) -> Rating:
        """Take pictures for a review that was left before; raises as `take` and `FeedbackService.add_pictures` do."""
        return await self._feedback.add_pictures(token, product_id, await self.take(token, uploads))

    async def remove(self, token: str, picture_id: UUID) -> Rating:
        """Take a picture away from a review and off the shelf; raises as `FeedbackService.remove_picture` does.

        A shelf that cannot be reached, or that there is none of any more, is asked again later: the picture is shown to
        nobody any more.
        """
        rating = await self._feedback.remove_picture(token, picture_id)
        if self.is_open:
            claims = self._signer.read(token, TokenPurpose.PAGE)
            await self._discard(LoosePicture(claims.merchant_id, picture_id))
        return rating

    async def find_by_token(self, token: str, picture_id: UUID) -> bytes:
        """Show a customer a picture of their own; PictureNotFoundError where it is none."""
        claims = self._signer.read(token, TokenPurpose.PAGE)
        async with self._database.autocommit() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
            ratings = await stores.ratings.list_of_invitation(visit.merchant.id, visit.invitation.id)
        if not any(picture_id in rating.picture_ids for rating in ratings):
            raise _unknown()
        return await self._find(visit.merchant.id, picture_id)

    async def find_of_rating(self, merchant_id: MerchantId, rating_id: UUID, picture_id: UUID) -> bytes:
        """Show a merchant a picture, published or not.

        Raises:
            RatingNotFoundError: the merchant has no rating of that id.
            PictureNotFoundError: that rating has no such picture.
        """
        async with self._database.autocommit() as stores:
            rating = await stores.ratings.get(merchant_id, rating_id)
        if picture_id not in rating.picture_ids:
            raise _unknown()
        return await self._find(merchant_id, picture_id)

    async def find_published(self, merchant_id: MerchantId, picture_id: UUID) -> bytes:
        """Show everybody a picture whose text is published; PictureNotFoundError for any other."""
        async with self._database.autocommit() as stores:
            is_published = await stores.pictures.is_published(merchant_id, picture_id)
        if not is_published:
            raise _unknown()
        return await self._find(merchant_id, picture_id)

    async def clean(self) -> int:
        """Remove pictures that go with no review, of all merchants; tell how many."""
        removed, goes_on = 0, self.is_open
        while goes_on:
            async with self._database.autocommit() as stores:
                loose = await stores.pictures.list_loose(stored_by=self._clock() - LOOSE_FOR, limit=CLEANED_AT_ONCE)
            done = sum([await self._discard(picture) for picture in loose])
            removed += done
            # Those that the shelf did not give up would be found again.
            goes_on = done == CLEANED_AT_ONCE
        return removed

    async def _draw(self, uploads: Sequence[Upload]) -> list[DrawnPicture]:
        drawn, faults = [], []
        for index, upload in enumerate(uploads):
            pointer = f"/pictures/{index}"
            if upload.size > MAX_PICTURE_BYTES:
                detail = f"At most {MAX_PICTURE_BYTES // 1024 // 1024} MB."
                faults.append(Fault(pointer, "picture_too_large", detail))
                continue
            try:
                async with self._room.drawing:
                    drawn.append(await asyncio.to_thread(_redraw, upload))
            except PictureWrongKindError:
                faults.append(Fault(pointer, "picture_wrong_kind", "Must be a JPEG, PNG or WebP."))
            except PictureUnreadableError:
                faults.append(Fault(pointer, "picture_unreadable", "Must be a whole picture of at most 50 megapixels."))
        if faults:
            raise InvalidInputError("The pictures have faults.", faults=faults)
        return drawn

    async def _discard(self, loose: LoosePicture) -> bool:
        """Remove a picture from the shelf and forget it; False where the shelf cannot be reached."""
        try:
            await self._shelf().remove(_name_of(*loose))
        except ShelfUnavailableError as error:
            log.warning("Failed to remove a picture", picture_id=str(loose.picture_id), reason=str(error))
            return False
        async with self._database.autocommit() as stores:
            await stores.pictures.delete(loose)
        return True

    async def _find(self, merchant_id: MerchantId, picture_id: UUID) -> bytes:
        try:
            content = await self._shelf().find(_name_of(merchant_id, picture_id))
        except ShelfUnavailableError as error:
            raise _unavailable(error) from error
        if content is None:
            raise _unknown()
        return content

    def _shelf(self) -> Shelf:
        if self._room.shelf is None:
            raise PicturesClosedError("This installation takes no pictures.")
        return self._room.shelf


def _redraw(upload: Upload) -> DrawnPicture:
    # Only here: Pillow takes 2 MiB, of workers and of installations that take no pictures too.
    from invite_service.rendering.redrawing import redraw  # noqa: PLC0415

    return redraw(upload.read())


def _name_of(merchant_id: MerchantId, picture_id: UUID) -> str:
    return f"{merchant_id}/{picture_id}.jpg"


def _unknown() -> PictureNotFoundError:
    return PictureNotFoundError("There is no such picture.")


def _unavailable(error: ShelfUnavailableError) -> PicturesUnavailableError:
    log.warning("Failed to reach the shelf of pictures", reason=str(error))
    return PicturesUnavailableError("Pictures cannot be kept or shown right now; send it again.")
