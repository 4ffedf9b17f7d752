import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest
import structlog

from invite_service.telemetry import configure_logging, correlated, current_request_id


class Color(StrEnum):
    RED = "red"


@dataclass
class Customer:
    email: str


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the configured logging writes; the configuration is taken back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure_logging("INFO", stream=written)
    yield written
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_entry_is_one_json_object_with_utc_time_and_source(stream: io.StringIO) -> None:
    before = datetime.now(UTC)
    structlog.get_logger("invite_service.worker").info("Sent invitation", invitation_id="inv-1", count=2)
    (entry,) = entries(stream)
    assert before <= datetime.fromisoformat(entry.pop("timestamp")) <= datetime.now(UTC)
    assert entry == {
        "event": "Sent invitation",
        "level": "info",
        "logger": "invite_service.worker",
        "invitation_id": "inv-1",
        "count": 2,
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "sqlalchemy.pool", "arq.connections", "alembic.runtime.migration"])
def test_library_entry_takes_the_same_form(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).warning("Lost %s after %d s", "connection", 3)
    assert entries(stream) == [
        {"event": "Lost connection after 3 s", "level": "warning", "logger": name, "timestamp": ANY}
    ]


def test_entries_below_the_level_and_chatter_of_libraries_are_not_written(stream: io.StringIO) -> None:
    structlog.get_logger("ours").debug("Looked for work")
    for name in ("uvicorn.access", "httpx", "sqlalchemy.engine.Engine", "arq.worker"):
        logging.getLogger(name).info("GET /i/abc?token=def")
    assert entries(stream) == []


def test_request_id_stands_on_every_entry_of_the_block_and_its_tasks(stream: io.StringIO) -> None:
    async def handle(request_id: str) -> None:
        with correlated(request_id):
            await asyncio.sleep(0)
            structlog.get_logger("ours").info("Accepted order")
            await asyncio.create_task(in_background())

    async def in_background() -> None:
        logging.getLogger("library").warning("Retried")

    async def both() -> None:
        await asyncio.gather(handle("req-1"), handle("req-2"))

    asyncio.run(both())
    assert sorted((entry["request_id"], entry["event"]) for entry in entries(stream)) == [
        ("req-1", "Accepted order"),
        ("req-1", "Retried"),
        ("req-2", "Accepted order"),
        ("req-2", "Retried"),
    ]
    assert current_request_id() is None


def test_personal_data_does_not_get_through(stream: io.StringIO) -> None:
    structlog.get_logger("ours").info(
        "Refused kari@example.com at +4791234567, see https://example.com/i/x?token=abc&step=1",
        email="kari@example.com",
        customer_email="kari@example.com",
        name="Kari",
        token="abc",
        api_key="abc",
        address={"street": "1"},
        customer=Customer("kari@example.com"),
        order=Customer("kari@example.com"),
        nested={"phone": "+4791234567", "kept": ["to <kari@example.com>", {"password": "abc", "id": 1}]},
    )
    (entry,) = entries(stream)
    assert entry == {
        "event": "Refused [email] at [phone], see https://example.com/i/x?[query]",
        "order": "<Customer>",
        "nested": {"kept": ["to <[email]>", {"id": 1}]},
        "level": "info",
        "logger": "ours",
        "timestamp": ANY,
    }
    assert "kari" not in stream.getvalue().lower()


def test_values_are_written_as_text_or_numbers(stream: io.StringIO) -> None:
    structlog.get_logger("ours").info(
        "Planned",
        at=datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        after=timedelta(days=14),
        price=Decimal("0.40"),
        id=UUID(int=7),
        kind=Color.RED,
        file=Path("a/b"),
        error=ValueError("bad day\nfor kari"),
        missing=None,
        ratio=0.5,
        ok=True,
        both=("a", 1),
    )
    (entry,) = entries(stream)
    assert entry == {
        "event": "Planned",
        "at": "2026-03-29T01:00:00+00:00",
        "after": "14 days, 0:00:00",
        "price": "0.40",
        "id": "00000000-0000-0000-0000-000000000007",
        "kind": "red",
        "file": "a/b",
        "error": "bad day",
        "missing": None,
        "ratio": 0.5,
        "ok": True,
        "both": ["a", 1],
        "level": "info",
        "logger": "ours",
        "timestamp": ANY,
    }


def fail_for(customer_email: str) -> None:
    try:
        int("first")
    except ValueError as error:
        raise LookupError(f"1 fault\ninput was {customer_email}") from error


def test_exception_shows_where_and_why_but_no_variables(stream: io.StringIO) -> None:
    try:
        fail_for("kari@example.com")
    except LookupError:
        structlog.get_logger("ours").exception("Could not ingest")
    (entry,) = entries(stream)
    assert entry == {
        "event": "Could not ingest",
        "level": "error",
        "logger": "ours",
        "timestamp": ANY,
        "exception": {
            "type": "LookupError",
            "message": "1 fault",
            "frames": [ANY, ANY],
            "cause": {
                "type": "ValueError",
                "message": "invalid literal for int() with base 10: 'first'",
                "frames": [ANY],
            },
        },
    }
    assert entry["exception"]["frames"][1].endswith(" fail_for")
    assert "kari" not in stream.getvalue()


def test_exception_group_of_a_library_shows_its_parts(stream: io.StringIO) -> None:
    group = ExceptionGroup("two failed", [OSError("refused"), TimeoutError("kari@example.com did not answer")])
    logging.getLogger("library").error("Gave up", exc_info=group)
    (entry,) = entries(stream)
    assert entry["exception"] == {
        "type": "ExceptionGroup",
        "message": "two failed (2 sub-exceptions)",
        "frames": [],
        "exceptions": [
            {"type": "OSError", "message": "refused", "frames": []},
            {"type": "TimeoutError", "message": "[email] did not answer", "frames": []},
        ],
    }


def test_second_configuration_replaces_the_first(stream: io.StringIO) -> None:
    later = io.StringIO()
    configure_logging("ERROR", stream=later)
    structlog.get_logger("ours").warning("Too mild")
    structlog.get_logger("ours").error("Broken")
    assert (entries(stream), [entry["event"] for entry in entries(later)]) == ([], ["Broken"])
