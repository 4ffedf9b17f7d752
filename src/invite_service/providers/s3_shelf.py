"""A bucket of Amazon S3, or of anything that speaks its language, as the shelf of pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from invite_service.providers.aws_signature import AwsKey, sign
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.http import ApiClient
from invite_service.providers.shelves import ShelfUnavailableError

MAX_FILE: Final = 16 * 1024 * 1024
"""Octets of a file that are read; ours are a fraction of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """A bucket, and the key that may read, write and delete in it."""

    url: str
    """Of the bucket, path-style, such as https://s3.eu-north-1.amazonaws.com/pictures."""
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


class S3Shelf:
    """Keeps files in a bucket; a PUT either stores all of an object or nothing."""

    def __init__(self, settings: S3Settings, *, clock: Callable[[], datetime]) -> None:
        """Make it; nothing is connected to before the first call."""
        parts = urlsplit(settings.url)
        self._host, self._bucket = parts.netloc, parts.path.rstrip("/")
        self._key = AwsKey(
            key_id=settings.access_key_id, secret=settings.secret_access_key, region=settings.region, service="s3"
        )
        self._client = ApiClient(f"{parts.scheme}://{parts.netloc}", answer_limit=MAX_FILE)
        self._clock = clock

    async def put(self, name: str, content: bytes) -> None:
        """Store an object."""
        answer = await self._call("PUT", name, content=content)
        if not answer.is_success:
            raise _refused(answer)

    async def find(self, name: str) -> bytes | None:
        """Fetch an object; to a key that may not list, a bucket says 403 of one that is not there, which is raised."""
        answer = await self._call("GET", name)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise _refused(answer)
        return answer.body

    async def remove(self, name: str) -> None:
        """Delete an object."""
        answer = await self._call("DELETE", name)
        if not answer.is_success and answer.status != HTTPStatus.NOT_FOUND:
            raise _refused(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    async def _call(self, method: str, name: str, *, content: bytes = b"") -> ApiAnswer:
        path = f"{self._bucket}/{name}"
        headers = {"host": self._host, "x-amz-content-sha256": sha256(content).hexdigest()}
        if content:
            headers["content-type"] = "image/jpeg"
        signed = sign(self._key, method, path, headers=headers, content=content, now=self._clock())
        answer = await self._client.call(method, path, headers=signed, content=content)
        if isinstance(answer, Trouble):
            raise ShelfUnavailableError(f"The bucket of pictures cannot be reached: {answer}.")
        return answer


def _refused(answer: ApiAnswer) -> ShelfUnavailableError:
    return ShelfUnavailableError(f"The bucket of pictures answered {answer.trouble or answer.status}.")
