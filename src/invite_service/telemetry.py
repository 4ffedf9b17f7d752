"""What a process tells its operators: JSON log entries on stderr, and metrics for Prometheus.

Entries hold ids, not personal data: the code that logs sees to that. What is redacted here is the second line of
defence, for the entry that forgot and for libraries. Query strings and the variables of a traceback are never written.
"""

import contextlib
import enum
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import date, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Final, TextIO
from uuid import UUID

import orjson
import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from structlog.typing import EventDict, ExcInfo, WrappedLogger

PERSONAL_KEYS: Final = frozenset(
    {
        "authorization",
        "body",
        "contact",
        "cookie",
        "customer",
        "first_name",
        "headers",
        "html",
        "last_name",
        "name",
        "operator_key",
        "payload",
        "query",
        "query_string",
        "recipient",
        "subject",
        "text",
        "to",
    }
)
"""Keys that are dropped with their value."""

PERSONAL_ENDINGS: Final = ("address", "api_key", "email", "password", "phone", "secret", "secret_key", "token")
"""Likewise, also at the end of a longer key (`customer_email`)."""

QUIET_LOGGERS: Final = ("arq.worker", "httpcore", "httpx", "sqlalchemy.engine", "uvicorn.access")
"""Below WARNING these write query strings, statement parameters or a line for each of our jobs."""

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Upper bounds of the histograms, up to the time budget of a provider call."""

_EMAIL: Final = re.compile(r"[^\s@<>\"'(),;:=/]+@[^\s@<>\"'(),;:=/]+")
_PHONE: Final = re.compile(r"\+\d{7,15}\b")
_URL_QUERY: Final = re.compile(r"(?<=[\w/])\?[\w.%~+\[\]-]+=[^\s\"'<>]*")

ACCESS_LOGGER: Final = "invite_service.api.access"
"""Logger of the entries of answered requests."""

_time_stamp: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


@contextlib.contextmanager
def correlated(request_id: str) -> Iterator[None]:
    """Put this id on every entry written inside the block, in this task and in those it starts."""
    earlier = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(earlier)


def current_request_id() -> str | None:
    """Return the id of the request or job being worked on, None outside of any."""
    return _request_id.get()


def configure_logging(level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Send structlog's entries and those of the standard library to stderr, one JSON object a line.

    `level` is the least severe one written: DEBUG, INFO, WARNING or ERROR. Calling it again replaces the earlier
    configuration; handlers that others put on the root logger stay.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _time_stamp,
        structlog.processors.ExceptionRenderer(describe_exception),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    handler = _JsonHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _JsonHandler)), handler]
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _JsonHandler(logging.StreamHandler[TextIO]):
    """Ours, so that a second configuration finds it."""

    def write_line(self, line: str) -> None:
        """Write a line that needs no formatting."""
        with self.lock or contextlib.nullcontext():
            self.stream.write(line)
            self.flush()


def log_answer(*, route: str, method: str, status: int, milliseconds: float, merchant_id: str | None) -> None:
    """Write the entry of an answered request, if entries of level INFO are written.

    Every request pays for it: by way of structlog and the standard library it took 80 µs, half of what a request costs
    apart from its service. None of its values comes from a client (`route` is a template), so nothing is redacted.
    """
    if not logging.getLogger(ACCESS_LOGGER).isEnabledFor(logging.INFO):
        return
    entry: EventDict = {
        "route": route,
        "method": method,
        "status": status,
        "milliseconds": milliseconds,
        "merchant_id": merchant_id,
        "event": "Answered a request",
        "level": "info",
        "logger": ACCESS_LOGGER,
    }
    line = orjson.dumps(
        _time_stamp(None, "info", _add_request_id(None, "info", entry)), option=orjson.OPT_APPEND_NEWLINE
    )
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _JsonHandler):
            handler.write_line(line.decode())


def _add_request_id(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    request_id = _request_id.get()
    if request_id is not None:
        entry.setdefault("request_id", request_id)
    return entry


def redact(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Drop the keys of personal data, mask what looks like it in texts, and name objects by their type only."""
    return {key: _clean(value) for key, value in entry.items() if not _is_personal(key)}


def _is_personal(key: object) -> bool:
    lowered = str(key).lower()
    return lowered in PERSONAL_KEYS or lowered.endswith(PERSONAL_ENDINGS)


def _clean(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case enum.Enum():
            return _clean(value.value)
        case str():
            return _mask(value)
        case date():
            return value.isoformat()
        case UUID() | Decimal() | timedelta():
            return str(value)
        case PurePath() | BaseException():
            return _mask(_first_line(value))
        case Mapping():
            return {str(key): _clean(inner) for key, inner in value.items() if not _is_personal(key)}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return f"<{type(value).__name__}>"


def _mask(text: str) -> str:
    return _PHONE.sub("[phone]", _EMAIL.sub("[email]", _URL_QUERY.sub("?[query]", text)))


def _first_line(value: object) -> str:
    return str(value).partition("\n")[0]


def describe_exception(exc_info: ExcInfo) -> object:
    """Describe an exception: its type, the first line of its message, where it was raised and what caused it.

    Validation and database errors quote the values at fault on the lines that follow the first.
    """
    _, error, _ = exc_info
    return _describe(error, seen=frozenset())


def _describe(error: BaseException, *, seen: frozenset[int]) -> dict[str, object]:
    described: dict[str, object] = {
        "type": type(error).__qualname__,
        "message": _first_line(error),
        "frames": [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ],
    }
    seen |= {id(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        described["cause"] = _describe(cause, seen=seen)
    if isinstance(error, BaseExceptionGroup):
        described["exceptions"] = [_describe(inner, seen=seen) for inner in error.exceptions]
    return described


class Metrics:
    """The metrics of one process, in a registry of their own, so that a test can make several."""

    content_type: Final = CONTENT_TYPE_LATEST
    """Media type of what `render` returns."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.orders_ingested = self._counter("orders_ingested", "Order events decided.", "outcome")
        self.ingest_seconds = self._histogram("ingest_seconds", "From an order event's arrival to its commit.")
        self.messages = self._counter("messages", "Attempts closed.", "outcome", "channel")
        self.provider_events = self._counter("provider_events", "Events that providers told.", "provider", "kind")
        self.provider_event_requests = self._counter(
            "provider_event_requests", "Requests that say they come from a provider.", "verdict"
        )
        self.due_backlog = Gauge(
            "invite_due_backlog", "Due messages at the last look, not claimed yet.", registry=self._registry
        )
        self._open_circuits = Gauge(
            "invite_open_circuits",
            "Merchants' circuits that are open, or wait for a trial, at the last look.",
            ["provider"],
            registry=self._registry,
        )
        self.claim_seconds = self._histogram("claim_seconds", "Time to claim a batch of due messages.")
        self.provider_seconds = self._histogram("provider_seconds", "Time of a call to a provider.", "provider")
        self.poll_failures = self._counter("poll_failures", "Looks for due messages that failed.")
        self.bell_failures = self._counter("bell_failures", "Rings that did not reach Redis; the poll loop makes up.")
        self.http_requests = self._counter("http_requests", "Requests answered.", "route", "method", "status")
        self.http_seconds = self._histogram("http_seconds", "Time to answer a request.", "route", "method")
        self._of_answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._of_attempts: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def count_answer(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; the metrics of each kind of answer are looked up once."""
        kind = (route, method, status)
        if kind not in self._of_answers:
            requests = self.http_requests.labels(route, method, str(status))
            self._of_answers[kind] = requests, self.http_seconds.labels(route, method)
        requests, times = self._of_answers[kind]
        requests.inc()
        times.observe(seconds)

    def count_attempt(self, *, outcome: str, channel: str, provider: str, seconds: float) -> None:
        """Count a closed attempt; the metrics of each kind are looked up once."""
        kind = (outcome, channel, provider)
        if kind not in self._of_attempts:
            messages = self.messages.labels(outcome, channel)
            self._of_attempts[kind] = messages, self.provider_seconds.labels(provider)
        messages, times = self._of_attempts[kind]
        messages.inc()
        times.observe(seconds)

    def set_open_circuits(self, by_provider: Mapping[str, int]) -> None:
        """Tell how many circuits of each provider are open; of all others none is."""
        self._open_circuits.clear()
        for provider, count in by_provider.items():
            self._open_circuits.labels(provider).set(count)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"invite_{name}", meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(f"invite_{name}", meaning, labels, buckets=SECONDS_BUCKETS, registry=self._registry)
