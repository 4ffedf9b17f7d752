"""Where a provider is to tell what became of a message, for those that are told so with each message."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from invite_service.domain.message import Message

ATTEMPT: Final = "attempt_id"
"""What the address calls our attempt id, which so comes back with every event."""

SECRET: Final = "secret"  # noqa: S105 - the name of a field
"""What it calls the secret of providers that sign nothing."""


@dataclass(frozen=True, slots=True)
class EventAddresses:
    """Makes addresses below the installation's public one."""

    base_url: str | None = None
    """Without a slash at its end. None, or no https: nobody outside can tell us anything, and nobody is asked to."""

    def find(self, provider: str, message: Message, *, secret: str | None = None) -> str | None:
        """Make the address for one message of a provider; None where there is none."""
        if self.base_url is None or not self.base_url.startswith("https://"):
            return None
        query = {SECRET: secret} if secret is not None else {}
        query[ATTEMPT] = str(message.attempt_id)
        return f"{self.base_url}/provider-events/{provider}/{quote(message.merchant_id, safe='')}?{urlencode(query)}"


NO_EVENT_ADDRESSES: Final = EventAddresses()
"""Of senders that ask for nothing to be told."""


def attempt_of_url(url: str) -> UUID | None:
    """Read our attempt id from an address that was made for its message."""
    try:
        return UUID(dict(parse_qsl(urlsplit(url).query)).get(ATTEMPT, ""))
    except ValueError:
        return None
