"""What becomes of a call to a provider's HTTP API: an answer, or the word for why there is none to judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from invite_service.providers.reach import REFUSED


class Trouble(StrEnum):
    """Why a call has no answer to judge; each is a reason on the companies' pages."""

    SENDER_CLOSED = "sender_closed"
    NO_FREE_CONNECTION = "no_free_connection"
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_FAILED = "connect_failed"
    TIMEOUT_AT_CONNECT = "timeout_at_connect"
    TLS_FAILED = "tls_failed"
    ADDRESS_NOT_ALLOWED = REFUSED
    """The host's address is not within reach (reach.py)."""
    CERTIFICATE_INVALID = "certificate_invalid"
    """Not trusted, expired, or for another name."""
    TIMEOUT_AFTER_REQUEST = "timeout_after_request"
    DROPPED_AFTER_REQUEST = "dropped_after_request"
    """The connection ended, or what came is not HTTP."""
    ANSWER_TOO_LARGE = "answer_too_large"
    ANSWER_ENCODED = "answer_encoded"
    """Compressed though not asked for; a few octets of that can fill the memory."""

    @property
    def left_nothing(self) -> bool:
        """True when certainly not one octet of the request was written."""
        return self not in _MAY_HAVE_LEFT


_MAY_HAVE_LEFT = frozenset(
    {
        Trouble.TIMEOUT_AFTER_REQUEST,
        Trouble.DROPPED_AFTER_REQUEST,
        Trouble.ANSWER_TOO_LARGE,
        Trouble.ANSWER_ENCODED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """What an API answered; its body stays out of its repr, and so out of logs."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; of a repeated header, the values joined by commas."""
    body: bytes = field(repr=False)
    """Empty where `trouble` is set."""
    trouble: Trouble | None = None
    """Why the body could not be read to its end."""

    @property
    def is_success(self) -> bool:
        """True for a 2xx that was read to its end."""
        return self.status // 100 == 2 and self.trouble is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request; what it carries stays out of its repr, and so out of logs."""

    method: str
    path: str
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    content: bytes = field(default=b"", repr=False)
    query: Mapping[str, str] | None = field(default=None, repr=False)
