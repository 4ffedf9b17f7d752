"""What each process imports before it has anything to do: size and start of all of them hang on it."""

import subprocess
import sys

import pytest

RARE = frozenset(
    {
        *("aiohttp", "alembic", "css_inline", "holidays", "httpx", "liquid", "PIL"),
        "invite_service.providers.http_transport",
        "invite_service.providers.email.brevo",
        "invite_service.providers.email.ses",
        "invite_service.providers.sms.twilio",
    }
)
"""Packages of what many installations never do, and providers that they never send through."""


def imported_with(module: str) -> frozenset[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(ended.stdout.split())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("invite_service.cli.main", RARE | {"fastapi", "pydantic", "sqlalchemy", "invite_service.bootstrap"}),
        ("invite_service.cli.dev", {"fastapi", "pydantic", "sqlalchemy", "invite_service.bootstrap"}),
        ("invite_service.cli.working", RARE | {"fastapi", "starlette", "uvicorn", "invite_service.api"}),
        ("invite_service.cli.serving", RARE | {"invite_service.worker"}),
    ],
)
def test_a_process_imports_only_what_it_always_needs(module: str, unwanted: frozenset[str]) -> None:
    imported = imported_with(module)
    assert module in imported
    assert imported & unwanted == frozenset()
