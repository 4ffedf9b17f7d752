"""What the answers of HTTP APIs mean where the companies agree; each company's file adds only its differences."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from invite_service.domain.receipt import RAW_ANSWER_LIMIT, OutcomeWord, Receipt
from invite_service.providers.calls import ApiAnswer, Trouble

RETRY_AFTER = timedelta(minutes=1)
"""Pause for an API that asks for a slower pace without saying how slow."""
RETRY_AFTER_LEAST = timedelta(seconds=1)
RETRY_AFTER_MOST = timedelta(hours=1)
"""Longest pause taken from an API's words, and the one for a quota of a day."""

_STATUSES: Mapping[int, tuple[OutcomeWord, str]] = {
    401: (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    402: (OutcomeWord.MISCONFIGURED, "payment_required"),
    403: (OutcomeWord.MISCONFIGURED, "access_denied"),
    404: (OutcomeWord.MISCONFIGURED, "api_not_found"),
    405: (OutcomeWord.MISCONFIGURED, "api_not_found"),
    413: (OutcomeWord.REJECTED, "message_too_large"),
}
"""What a status means by itself, whatever the body says or fails to say."""

_REFUSALS = frozenset({400, 422})
"""About the message, if the company says so in its own form; else anybody on the way may have said it."""

_ADDRESS = re.compile(r"[^\s<>@,;:\"'()\[\]{}]+@[^\s<>@,;:\"'()\[\]{}]+")
_NUMBER = re.compile(r"(?<![\w-])\+?\d(?:[ ().-]{0,2}\d){6,14}(?![\w-])")
_DIGITS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Receipts:
    """Makes one provider's receipts."""

    provider: str

    def make(
        self,
        outcome: OutcomeWord,
        reason: str,
        *,
        said: str = "",
        provider_message_id: str | None = None,
        retry_after: timedelta | None = None,
        suppress_address: bool = False,
    ) -> Receipt:
        """Make a receipt; addresses and numbers are taken out of what the company said, and a pause is bounded."""
        if outcome is OutcomeWord.RATE_LIMITED:
            pause = RETRY_AFTER if retry_after is None else retry_after
            retry_after = min(max(pause, RETRY_AFTER_LEAST), RETRY_AFTER_MOST)
        return Receipt(
            outcome=outcome,
            reason=reason,
            provider=self.provider,
            provider_message_id=provider_message_id,
            raw_answer=clean(said),
            retry_after=retry_after,
            suppress_address=suppress_address,
        )

    def accepted(self, provider_message_id: str | None, *, said: str = "") -> Receipt:
        """Make the receipt of a message that the company took."""
        return self.make(OutcomeWord.ACCEPTED, "message_accepted", said=said, provider_message_id=provider_message_id)

    def settings_work(self) -> Receipt:
        """Make the receipt of a check that went well."""
        return self.make(OutcomeWord.ACCEPTED, "settings_work")

    def of_trouble(self, trouble: Trouble) -> Receipt:
        """Say what a call without a whole answer means."""
        if trouble in {Trouble.CERTIFICATE_INVALID, Trouble.ADDRESS_NOT_ALLOWED}:
            return self.make(OutcomeWord.MISCONFIGURED, trouble.value)
        return self.make(OutcomeWord.NOT_SENT if trouble.left_nothing else OutcomeWord.UNKNOWN, trouble.value)

    def of_status(self, answer: ApiAnswer, *, said: str | None) -> Receipt:
        """Say what an answer means by its status, once the company's own codes have been looked at.

        `said` is what the company said in its own form; None where the body is not in that form, and then none of it
        is repeated. A 2xx that comes here could not be read, so that the outcome is `unknown`.
        """
        text = f"{answer.status} {said or ''}"
        if answer.status == 429:
            return self.make(
                OutcomeWord.RATE_LIMITED, "rate_limited", said=text, retry_after=read_retry_after(answer.headers)
            )
        if answer.status == 503 and "retry-after" in answer.headers:
            return self.make(OutcomeWord.NOT_SENT, "service_unavailable", said=text)
        if answer.status in _STATUSES:
            outcome, reason = _STATUSES[answer.status]
            return self.make(outcome, reason, said=text)
        if answer.trouble is not None:
            return self.make(OutcomeWord.UNKNOWN, answer.trouble.value, said=text)
        if answer.status in _REFUSALS and said is not None:
            return self.make(OutcomeWord.REJECTED, "message_refused", said=text)
        return self.make(OutcomeWord.UNKNOWN, _name_unknown(answer.status), said=text)


def _name_unknown(status: int) -> str:
    match status // 100:
        case 3:
            return "redirected"
        case 5:
            return "server_error"
        case _ if status // 100 == 2 or status in _REFUSALS:
            return "answer_unreadable"
        case _:
            return "status_unexpected"


def read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read how long to wait: seconds, or a date, which counts from the answer's own Date and not from our clock."""
    text = headers.get("retry-after", "").strip()
    if _DIGITS.fullmatch(text):
        return timedelta(seconds=float(text))
    until, since = read_date(text), read_date(headers.get("date", ""))
    return until - since if until and since else None


def read_date(text: str) -> datetime | None:
    """Read a date as HTTP writes it, aware; None where it is none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def read_json(answer: ApiAnswer) -> Any:
    """Read the body; None where it is not JSON, which `null` is not worth being told apart from."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def read_object(answer: ApiAnswer) -> Mapping[str, Any] | None:
    """Read the body as a JSON object; None where it is anything else."""
    content = read_json(answer)
    return content if isinstance(content, dict) else None


def clean(text: str) -> str:
    """Make a company's text fit to be stored: one line, printable, no addresses and phone numbers, bounded."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    # Bounded before the search as well, which a long run without a space would make slow.
    text = text[: 4 * RAW_ANSWER_LIMIT]
    text = _NUMBER.sub("[number]", _ADDRESS.sub("[address]", text))
    return text[:RAW_ANSWER_LIMIT].strip()
