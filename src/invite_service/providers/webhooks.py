"""Calling merchants' systems: one POST to an address that a merchant named, never inside the installation's network."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from invite_service.providers.calls import ApiAnswer
from invite_service.providers.http import ApiClient
from invite_service.providers.reach import Reach

TIMEOUT = 10.0
"""Seconds that a listener has to answer."""

ANSWER_LIMIT = 10_000
"""Octets of its answer that are read, for the connection's sake; nothing is done with them."""


class WebhookCaller:
    """Posts to listeners; each call has a connection of its own, since no two go to the same place."""

    def __init__(self, *, reach: Reach) -> None:
        self._reach = reach

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> str:
        """Post a body, and give the status that was answered, or the word for why there is none."""
        parts = urlsplit(url)
        client = ApiClient(
            f"{parts.scheme}://{parts.netloc}",
            connections=1,
            timeout=TIMEOUT,
            answer_limit=ANSWER_LIMIT,
            reach=self._reach,
        )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            answer = await client.call(
                "POST", path, headers={"Content-Type": "application/json", **headers}, content=body
            )
        finally:
            await client.close()
        return str(answer.status) if isinstance(answer, ApiAnswer) else answer.value
