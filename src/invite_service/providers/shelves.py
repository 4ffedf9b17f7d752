"""Where the pictures of reviews are kept: what a shelf does, and the one that is a directory."""

import asyncio
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol


class ShelfUnavailableError(Exception):
    """The shelf cannot be reached right now, or refuses; the message names no file and no secret."""


class Shelf(Protocol):
    """Keeps files by name, such as `acme/0192f3a4-….jpg`; names are ours, and a name's content never changes.

    Every method raises ShelfUnavailableError.
    """

    async def put(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all."""

    async def find(self, name: str) -> bytes | None:
        """Find a file; None where there is none of that name (any more)."""

    async def remove(self, name: str) -> None:
        """Remove a file; one that is not there is removed already."""

    async def close(self) -> None:
        """Give back connections."""


class DirectoryShelf:
    """A directory, on this machine or shared by all that serve the API."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, name: str, content: bytes) -> None:
        """Write beside the place it gets, and move it there."""
        await asyncio.to_thread(self._put, self._directory / name, content)

    async def find(self, name: str) -> bytes | None:
        """Read a file."""
        return await asyncio.to_thread(self._find, self._directory / name)

    async def remove(self, name: str) -> None:
        """Delete a file."""
        await asyncio.to_thread(self._remove, self._directory / name)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _put(self, place: Path, content: bytes) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as draft:
                try:
                    draft.write(content)
                    draft.flush()
                    os.fsync(draft.fileno())
                    Path(draft.name).replace(place)
                except OSError:
                    Path(draft.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise ShelfUnavailableError(f"The directory of pictures cannot be written: {error.strerror}.") from error

    def _find(self, place: Path) -> bytes | None:
        try:
            return place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ShelfUnavailableError(f"The directory of pictures cannot be read: {error.strerror}.") from error

    def _remove(self, place: Path) -> None:
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise ShelfUnavailableError(f"The directory of pictures cannot be written: {error.strerror}.") from error
