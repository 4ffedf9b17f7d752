"""What an SMTP server's answers mean in our words; docs/providers/smtp.md shows this as a table."""

import re
import socket
import ssl
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from invite_service.domain.receipt import RAW_ANSWER_LIMIT, OutcomeWord, Receipt
from invite_service.providers.reach import REFUSED, AddressRefusedError

NAME = "smtp"

RETRY_AFTER = timedelta(minutes=1)
"""Pause for a server that asks for a slower pace without saying how slow."""
RETRY_AFTER_LIMIT = timedelta(hours=1)
"""Longest pause taken from a server's words, and the one for a quota of a day."""


class Stage(StrEnum):
    """How far a connection or a message had come."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    NOOP = "noop"
    RSET = "rset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """The command; nothing of the message has been written yet."""
    MESSAGE = "message"
    """From the first byte of the message on, up to the answer to its final dot."""


class Trouble(StrEnum):
    """Why there is no answer to judge."""

    TIMEOUT = "timeout"
    DROPPED = "dropped"
    """The connection ended."""
    UNREADABLE = "unreadable"
    """What came is not SMTP, or came when nothing was asked, so that answers can no longer be told apart."""


class Reply(NamedTuple):
    """One reply of the server, its lines joined by a line feed."""

    code: int
    text: str


class Answer(NamedTuple):
    """How one step ended: with a reply, or with trouble."""

    stage: Stage
    reply: Reply | None = None
    trouble: Trouble | None = None

    @property
    def is_positive(self) -> bool:
        """True when the server said yes."""
        return self.reply is not None and self.reply.code // 100 == 2


_SUBJECTS = {Stage.MAIL: "sender", Stage.RCPT: "recipient"}
"""Reasons speak of the thing refused where the command's name would say less."""

_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_ADDRESS = re.compile(r"[^\s<>@,;:\"'()\[\]]+@[^\s<>@,;:\"'()\[\]]+")
_RATE = re.compile(
    r"too many (?:connections|concurrent|messages|mails|e-?mails)|too much mail|throttl|slow down"
    r"|rate (?:limit|exceeded)|(?:sending|message|mail|connection|unusual) rate"
    r"|(?:sending|daily|hourly) (?:message )?(?:limit|quota)",
    re.IGNORECASE,
)
_DAILY = re.compile(r"\bdaily\b|per day", re.IGNORECASE)
_PAUSE = re.compile(r"(?:in|after|wait)\s+(\d{1,4})\s*(second|minute|hour)", re.IGNORECASE)
_PER_CONNECTION = re.compile(r"(?:this|per) (?:connection|session)", re.IGNORECASE)
_RELAY = re.compile(
    r"relay(?:ing)?(?: access)?(?: is)? (?:denied|not (?:permitted|allowed)|prohibited)"
    r"|(?:unable|not (?:permitted|allowed)|cannot) to relay|do(?:es)? not relay",
    re.IGNORECASE,
)
_AUTHENTICATION = re.compile(
    r"auth(?:entication)?(?: is)? (?:required|first)|not (?:logged in|authenticated)"
    r"|must (?:authenticate|log ?in|issue a starttls)|log ?in first",
    re.IGNORECASE,
)
_SENDER = re.compile(
    r"sender(?: address| domain)?(?: is)? (?:rejected|denied|refused)"
    r"|sender(?: address| domain)?(?: is)? not (?:allowed|authori[sz]ed|owned|permitted|verified)"
    r"|sender verif(?:y|ication) failed|not (?:allowed|authori[sz]ed|permitted) to send|not owned by user",
    re.IGNORECASE,
)
_NO_SUCH_USER = re.compile(
    r"user unknown|unknown (?:user|recipient|mailbox)|no such (?:user|mailbox|recipient|address)"
    r"|(?:mailbox|user|recipient|address|account) (?:does not exist|doesn't exist|not found|unknown)"
    r"|invalid mailbox",
    re.IGNORECASE,
)

_AUTHENTICATION_CODES = frozenset({530, 534, 535, 538})
_SENDER_CODES = frozenset({501, 550, 551, 553, 554})
_NO_SUCH_USER_CODES = frozenset({550, 551, 553})
_DEAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
"""RFC 3463 and RFC 7505: no such mailbox, no such domain, bad syntax, moved away, a domain that takes no mail."""
_BAD_SENDER = frozenset({"5.1.7", "5.1.8"})
_TOO_LARGE = frozenset({"5.2.3", "5.3.4"})


def judge(answer: Answer) -> Receipt:
    """Say what the way that a message, or the opening of a connection for it, ended means."""
    if answer.reply is None:
        return _judge_trouble(answer.stage, answer.trouble or Trouble.UNREADABLE)
    return _judge_reply(answer.stage, answer.reply)


def judge_error(stage: Stage, error: Exception) -> Receipt:
    """Say what an error before the first MAIL command means; nothing of the message had been written."""
    # An error of the TLS library reaches us wrapped when it happened while connecting.
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    match cause:
        case AddressRefusedError():
            return receipt(OutcomeWord.MISCONFIGURED, REFUSED)
        case ssl.SSLCertVerificationError():
            return receipt(OutcomeWord.MISCONFIGURED, "certificate_invalid", raw=cause.verify_message)
        case ssl.SSLError():
            return receipt(OutcomeWord.NOT_SENT, "tls_failed", raw=cause.reason or "")
        case TimeoutError():
            return _judge_trouble(stage, Trouble.TIMEOUT)
        case socket.gaierror() | UnicodeError():
            return receipt(OutcomeWord.NOT_SENT, "dns_failed")
        case ConnectionRefusedError():
            return receipt(OutcomeWord.NOT_SENT, "connection_refused")
        case _ if stage is Stage.CONNECT:
            return receipt(OutcomeWord.NOT_SENT, "connect_failed")
        case _:
            return _judge_trouble(stage, Trouble.DROPPED)


def is_worn_out(answer: Answer) -> bool:
    """Say whether the answer is about a reused connection and not about the message.

    True only where the server took no MAIL command of this message, so that it cannot have the message.
    """
    if answer.stage is Stage.RSET:
        return True
    if answer.stage is not Stage.MAIL:
        return False
    if answer.reply is None:
        return answer.trouble is Trouble.DROPPED
    if answer.reply.code // 100 != 4:
        return False
    return bool(_PER_CONNECTION.search(answer.reply.text)) or (
        answer.reply.code == 421 and not _is_about_pace(answer.reply)
    )


def receipt(
    outcome: OutcomeWord,
    reason: str,
    *,
    raw: str = "",
    retry_after: timedelta | None = None,
    suppress_address: bool = False,
) -> Receipt:
    """Make a receipt of this provider, with e-mail addresses taken out of the raw answer."""
    return Receipt(
        outcome=outcome,
        reason=reason,
        provider=NAME,
        raw_answer=_clean(raw),
        retry_after=retry_after,
        suppress_address=suppress_address,
    )


def _judge_trouble(stage: Stage, trouble: Trouble) -> Receipt:
    if stage is Stage.MESSAGE:
        return receipt(OutcomeWord.UNKNOWN, f"{trouble}_after_data")
    return receipt(OutcomeWord.NOT_SENT, f"{trouble}_at_{stage}")


def _judge_reply(stage: Stage, reply: Reply) -> Receipt:
    raw = f"{reply.code} {reply.text}"
    match reply.code // 100:
        case 2 if stage is Stage.MESSAGE:
            return receipt(OutcomeWord.ACCEPTED, "message_accepted", raw=raw)
        case 4 | 5 if _is_about_pace(reply):
            return receipt(OutcomeWord.RATE_LIMITED, "rate_limited", raw=raw, retry_after=_retry_after(reply.text))
        case 4:
            # After the final dot too: a 4xx leaves the responsibility with us (RFC 5321 section 4.2.5).
            return receipt(OutcomeWord.NOT_SENT, f"{_SUBJECTS.get(stage, stage)}_deferred", raw=raw)
        case 5:
            return _judge_refusal(stage, reply, raw=raw)
        case _:
            # A text that is not SMTP may come from any service inside the network; it is nobody's to read.
            return _judge_trouble(stage, Trouble.UNREADABLE)


def _judge_refusal(stage: Stage, reply: Reply, *, raw: str) -> Receipt:
    enhanced = _enhanced_code(reply.text)
    refused = f"{_SUBJECTS.get(stage, stage)}_refused"
    if stage is Stage.AUTH:
        return receipt(OutcomeWord.MISCONFIGURED, "auth_failed", raw=raw)
    if stage not in {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE}:
        return receipt(OutcomeWord.MISCONFIGURED, refused, raw=raw)
    if enhanced in _TOO_LARGE or (stage is Stage.MAIL and reply.code == 552):
        return receipt(OutcomeWord.REJECTED, "message_too_large", raw=raw)
    if stage is not Stage.MESSAGE and (setting := _wrong_setting(stage, reply, enhanced)):
        return receipt(OutcomeWord.MISCONFIGURED, setting, raw=raw)
    return receipt(OutcomeWord.REJECTED, refused, raw=raw, suppress_address=_is_dead_address(stage, reply, enhanced))


def _wrong_setting(stage: Stage, reply: Reply, enhanced: str | None) -> str | None:
    """Name the setting behind a refusal; servers delay what they have against us until RCPT, so look there too."""
    if reply.code in _AUTHENTICATION_CODES or _AUTHENTICATION.search(reply.text):
        return "auth_required"
    if _RELAY.search(reply.text):
        return "relay_denied"
    if enhanced in _BAD_SENDER or _SENDER.search(reply.text):
        return "sender_refused"
    if stage is Stage.MAIL and reply.code in _SENDER_CODES:
        return "sender_refused"
    return None


def _is_dead_address(stage: Stage, reply: Reply, enhanced: str | None) -> bool:
    if stage not in {Stage.RCPT, Stage.MESSAGE}:
        return False
    if enhanced is not None:
        return enhanced in _DEAD_ADDRESS
    says_so = reply.code in _NO_SUCH_USER_CODES and _NO_SUCH_USER.search(reply.text)
    return bool(says_so) and not _SENDER.search(reply.text)


def _is_about_pace(reply: Reply) -> bool:
    """Say whether the server wants less from us; x.1.x, x.2.x and x.6.x speak of one mailbox or one message."""
    enhanced = _enhanced_code(reply.text)
    return (enhanced is None or enhanced[2:4] not in {"1.", "2.", "6."}) and bool(_RATE.search(reply.text))


def _retry_after(text: str) -> timedelta:
    pause = _PAUSE.search(text)
    if pause is not None:
        named = timedelta(**{f"{pause[2].lower()}s": max(1, int(pause[1]))})
        return min(named, RETRY_AFTER_LIMIT)
    return RETRY_AFTER_LIMIT if _DAILY.search(text) else RETRY_AFTER


def _enhanced_code(text: str) -> str | None:
    found = _ENHANCED_CODE.match(text)
    return found[0] if found else None


def _clean(text: str) -> str:
    """Make a server's text fit to be stored: one line, printable, without addresses, bounded."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    # Bounded before the search as well, which a long run without a space would make slow.
    text = text[: 4 * RAW_ANSWER_LIMIT]
    if "@" in text:
        text = _ADDRESS.sub("[address]", text)
    return text[:RAW_ANSWER_LIMIT].strip()
