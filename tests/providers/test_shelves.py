"""Where pictures are kept: a directory, and a bucket as a server of ours plays it."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from invite_service.providers.aws_signature import AwsKey, sign
from invite_service.providers.s3_shelf import S3Settings, S3Shelf
from invite_service.providers.shelves import DirectoryShelf, Shelf, ShelfUnavailableError
from tests.support.vendor_server import Act, Asked, Said, VendorServer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAME = "acme/0192f3a4-7c1e-7b5a-9d2e-3f4a5b6c7d8e.jpg"
SECRET = "made-up-secret"


class Bucket:
    """Plays S3 for one bucket: checks each signature over the body it got, and keeps objects."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def __call__(self, asked: Asked) -> Said:
        if not self._is_signed(asked):
            return Said(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if not asked.path.startswith("/pictures/"):
            return Said(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        match asked.method:
            case "PUT":
                self.objects[asked.path] = asked.body
                return Said(200)
            case "GET" if asked.path in self.objects:
                return Said(200, self.objects[asked.path])
            case "DELETE":
                self.objects.pop(asked.path, None)
                return Said(204)
            case _:
                return Said(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _is_signed(self, asked: Asked) -> bool:
        given = asked.headers.get("authorization", "")
        names = re.search("SignedHeaders=([^,]+)", given)
        if names is None or asked.headers["x-amz-content-sha256"] != sha256(asked.body).hexdigest():
            return False
        signed = {name: asked.headers[name] for name in names[1].split(";") if name != "x-amz-date"}
        at = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        key = AwsKey(key_id="AKID", secret=SECRET, region="eu-north-1", service="s3")
        expected = sign(key, asked.method, asked.path, headers=signed, content=asked.body, now=at)
        return given == expected["authorization"]


@contextlib.asynccontextmanager
async def open_bucket(server: VendorServer, *, secret: str = SECRET, path: str = "/pictures") -> AsyncIterator[S3Shelf]:
    settings = S3Settings(
        url=f"{server.url}{path}", region="eu-north-1", access_key_id="AKID", secret_access_key=secret
    )
    shelf = S3Shelf(settings, clock=lambda: NOW)
    try:
        yield shelf
    finally:
        await shelf.close()


@pytest.fixture(params=["directory", "bucket"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "directory":
        yield DirectoryShelf(tmp_path / "pictures")
        return
    async with VendorServer(Bucket()) as server, open_bucket(server) as shelf:
        yield shelf


async def test_what_is_put_is_found_until_it_is_removed(shelf: Shelf) -> None:
    content = bytes(range(256)) * 4000
    assert await shelf.find(NAME) is None
    await shelf.put(NAME, content)
    assert await shelf.find(NAME) == content
    assert await shelf.find(NAME.replace("acme", "other")) is None
    await shelf.remove(NAME)
    await shelf.remove(NAME)
    assert await shelf.find(NAME) is None


async def test_putting_the_same_again_changes_nothing(shelf: Shelf) -> None:
    await shelf.put(NAME, b"picture")
    await shelf.put(NAME, b"picture")
    assert await shelf.find(NAME) == b"picture"


async def test_directory_holds_nothing_but_whole_files(tmp_path: Path) -> None:
    await DirectoryShelf(tmp_path).put(NAME, b"picture")
    assert [path.name for path in (tmp_path / "acme").iterdir()] == [Path(NAME).name]


CALLS: list[Callable[[Shelf], object]] = [
    lambda shelf: shelf.put(NAME, b"picture"),
    lambda shelf: shelf.find(NAME),
    lambda shelf: shelf.remove(NAME),
]


@pytest.mark.parametrize("call", range(3))
async def test_directory_that_cannot_be_used_is_unavailable(tmp_path: Path, call: int) -> None:
    (tmp_path / "acme").write_bytes(b"a file where a directory should be")
    with pytest.raises(ShelfUnavailableError):
        await CALLS[call](DirectoryShelf(tmp_path))  # type: ignore[misc]


@pytest.mark.parametrize("call", range(3))
@pytest.mark.parametrize("behaviour", [Said(503), Said(403), Said(301), Act.RESET])
async def test_bucket_that_fails_or_refuses_is_unavailable(call: int, behaviour: Said | Act) -> None:
    # A connection that is reset is tried once more, since all of these may be repeated.
    async with VendorServer(Bucket(), [behaviour] * 2) as server, open_bucket(server) as shelf:
        with pytest.raises(ShelfUnavailableError) as raised:
            await CALLS[call](shelf)  # type: ignore[misc]
        assert NAME not in str(raised.value)


async def test_half_a_picture_is_none() -> None:
    async with VendorServer(Bucket(), [Act.NORMAL, Act.TAKE_AND_HALVE]) as server, open_bucket(server) as shelf:
        await shelf.put(NAME, b"picture" * 100)
        with pytest.raises(ShelfUnavailableError):
            await shelf.find(NAME)


async def test_wrong_secret_is_refused() -> None:
    async with VendorServer(Bucket()) as server, open_bucket(server, secret="another") as shelf:
        with pytest.raises(ShelfUnavailableError, match="answered 403"):
            await shelf.put(NAME, b"picture")
    assert "another" not in repr(S3Settings(url="x", region="y", access_key_id="another", secret_access_key="another"))
