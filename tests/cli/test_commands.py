"""The commands of operators, over a real database."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from invite_service.cli.main import app
from tests.cli.conftest import SECRET, Command
from tests.support.documented import kept_document


def make_merchant(run: Command, *more: str) -> Result:
    return run(
        "merchants",
        "create",
        "--id",
        "nordic-gear",
        "--name",
        "Nordic Gear",
        "--time-zone",
        "Europe/Oslo",
        "--homepage-url",
        "https://nordic-gear.example",
        *more,
    )


def test_merchants_are_made_and_listed(run: Command) -> None:
    made = make_merchant(run)
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("rk_live_")
    listed = run("merchants", "list")
    assert listed.stdout == "nordic-gear\tEurope/Oslo\tlive\tNordic Gear\n"
    again = make_merchant(run)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "A merchant of that id exists already.\n"


async def ask(database_url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def test_a_paused_merchant_is_resumed(run: Command, database_url: str) -> None:
    make_merchant(run)
    pause = "UPDATE merchants SET paused_at = created_at, paused_reason = 'too_many_bounces'"
    asyncio.run(ask(database_url, pause))
    resumed = run("merchants", "resume", "nordic-gear")
    assert (resumed.exit_code, resumed.output) == (0, "")
    [entry] = asyncio.run(
        ask(database_url, "SELECT actor, reason FROM timeline_entries WHERE event = 'merchant_resumed'")
    )
    assert entry == ("operator", "too_many_bounces")
    assert asyncio.run(ask(database_url, "SELECT paused_at, paused_reason FROM merchants")) == [(None, None)]
    unknown = run("merchants", "resume", "nobody")
    assert (unknown.exit_code, unknown.stderr) == (1, "No merchant of that id exists.\n")


def test_a_sandbox_is_made_with_a_clock(run: Command) -> None:
    made = make_merchant(run, "--sandbox", "--clock", "2025-12-01T09:00:00+0100")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("rk_test_")


def test_a_faulty_merchant_is_refused_with_every_fault(run: Command) -> None:
    refused = run("merchants", "create", "--id", "X", "--name", "X", "--time-zone", "Oslo", "--homepage-url", "nowhere")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "The merchant cannot be made.\n"
        "  id: Must be 1 to 20 characters of a-z, 0-9 and inner hyphens.\n"
        "  time-zone: Must be an IANA time zone such as Europe/Oslo.\n"
        "  homepage-url: Must be an http:// or https:// address.\n"
    )


def test_keys_are_made_listed_and_revoked(run: Command) -> None:
    make_merchant(run)
    made = run(
        "keys",
        "create",
        "--merchant",
        "nordic-gear",
        "--name",
        "webshop",
        "--scope",
        "orders:write",
        "--expires-at",
        "2100-01-01T00:00:00+0000",
    )
    assert made.exit_code == 0, made.output
    key_id = made.stdout.split("_")[2]
    listed = run("keys", "list", "--merchant", "nordic-gear").stdout.splitlines()
    assert f"{key_id}\tuntil 2100-01-01T00:00:00+00:00\torders:write\twebshop" in listed
    assert run("keys", "revoke", "--merchant", "nordic-gear", "--id", key_id).exit_code == 0
    listed = run("keys", "list", "--merchant", "nordic-gear").stdout.splitlines()
    assert f"{key_id}\trevoked\torders:write\twebshop" in listed
    unknown = run("keys", "revoke", "--merchant", "nordic-gear", "--id", "nokey")
    assert (unknown.exit_code, unknown.stderr) == (1, "No key of that id exists.\n")


def test_an_operator_key_is_printed_once(run: Command) -> None:
    made = run("operator-key", "--name", "ops")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("op_")
    assert len(made.stdout.splitlines()) == 1


def test_a_database_without_tables_is_named_and_migrated(run_unmigrated: Command) -> None:
    refused = run_unmigrated("check-schema")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("The database schema is at nothing, this version needs ")
    assert refused.stderr.endswith("run `invite-service migrate`.\n")
    for _ in range(2):
        migrated = run_unmigrated("migrate")
        assert (migrated.exit_code, migrated.stdout) == (0, "The database schema is at head.\n"), migrated.output
    checked = run_unmigrated("check-schema")
    assert (checked.exit_code, checked.stdout) == (0, "The database schema is at head.\n")


def test_missing_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVITE_DATABASE_URL", raising=False)
    monkeypatch.setenv("INVITE_SECRET_KEY", "short")
    refused = CliRunner().invoke(app, ["merchants", "list"])
    assert refused.exit_code == 2
    assert "INVITE_DATABASE_URL is not set" in refused.stderr
    assert "INVITE_SECRET_KEY" in refused.stderr
    assert "short" not in refused.stderr


def test_a_database_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVITE_DATABASE_URL", "postgresql://invite:hidden-word@127.0.0.1:9/invite")
    monkeypatch.setenv("INVITE_SECRET_KEY", SECRET)
    refused = CliRunner().invoke(app, ["merchants", "list"])
    assert refused.exit_code == 1
    assert refused.stderr.strip()
    assert "hidden-word" not in refused.output


def commands_of(group: Any, name: str = "invite-service") -> Iterator[tuple[str, Any]]:
    """Give every command under a group, with the name it is run by."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    commands = dict(commands_of(get_command(app)))
    assert "invite-service invitations send-now" in commands
    silent = [name for name, command in commands.items() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if not parameter.help
    ]
    assert silent == []
    for name in commands:
        shown = CliRunner().invoke(app, [*name.split(" ")[1:], "--help"])
        assert (shown.exit_code, shown.stderr) == (0, "")


def test_openapi_prints_the_same_document_each_time() -> None:
    first = CliRunner().invoke(app, ["openapi"])
    assert first.exit_code == 0
    assert json.loads(first.stdout) == kept_document()
    assert CliRunner().invoke(app, ["openapi"]).stdout == first.stdout
