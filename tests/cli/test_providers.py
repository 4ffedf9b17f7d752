"""`providers check` and `credentials rotate`, over servers that play the providers."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from invite_service.bootstrap import Factory
from invite_service.cli.running import run_with_services
from invite_service.domain.channel import ChannelState
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.services.channels import NewSettings
from tests.cli.conftest import Command, assert_told
from tests.support.smtp_server import ScriptedSmtpServer

OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 8).decode()}" for name in ("2025", "2026"))


@contextmanager
def serving(**options: Any) -> Iterator[ScriptedSmtpServer]:
    """Run a server in a loop of its own: commands bring their own loop."""
    server = ScriptedSmtpServer(credentials=("shop", "hunter2"), **options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch, run: Command) -> None:
    monkeypatch.setenv("INVITE_PROVIDER_NETWORKS", "127.0.0.0/8")


def url_of(server: ScriptedSmtpServer, password: str) -> str:
    return f"smtp://shop:{password}@127.0.0.1:{server.port}?starttls=never"


def set_up(run: Command, merchant_id: str, url: str) -> None:
    """Make a merchant with an SMTP server of its own."""
    made = run(
        *("merchants", "create", "--id", merchant_id, "--name", "Shop", "--time-zone", "Europe/Oslo"),
        *("--homepage-url", "https://shop.example"),
    )
    assert made.exit_code == 0, made.output

    async def use(services: Factory) -> None:
        merchant = await services.create_merchants().get(MerchantId(merchant_id))
        settings = NewSettings(provider="smtp", options={"url": url}, from_address="hei@shop.example")
        await services.create_channels().replace(merchant, Channel.EMAIL, settings, replacing=0, actor="test")

    run_with_services(use)


def state_of(merchant_id: str) -> ChannelState:
    async def use(services: Factory) -> ChannelState:
        merchant = await services.create_merchants().get(MerchantId(merchant_id))
        return await services.create_channels().get(merchant, Channel.EMAIL)

    return run_with_services(use)


def test_every_provider_is_tried_and_what_does_not_work_is_told_by_the_exit_code(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv("INVITE_SMTP_URL", url_of(server, "hunter2"))
        monkeypatch.setenv("INVITE_SENDER_EMAIL", "shop@reviews.example")
        set_up(run, "gift-shop", url_of(server, "hunter2"))
        works = run("providers", "check", "--json")
        assert (works.exit_code, works.stderr) == (0, "")
        set_up(run, "toy-shop", url_of(server, "wrong"))
        table = run("providers", "check")
        fails = run("providers", "check", "--json")
        one = run("providers", "check", "--merchant", "gift-shop", "--json")
        assert server.messages == []
    assert json.loads(works.stdout) == {
        "items": [checked(None), checked("gift-shop")],
        "works": True,
    }
    assert (table.exit_code, fails.exit_code, fails.stderr) == (1, 1, "")
    assert json.loads(fails.stdout) == {
        "items": [
            checked(None),
            checked("gift-shop"),
            checked("toy-shop", works=False, outcome="misconfigured", reason="auth_failed"),
        ],
        "works": False,
    }
    seconds = [line.split()[-1] for line in table.stdout.splitlines()[1:]]
    assert_told(
        table.stdout,
        f"""
        Merchant  Channel  Provider  Works  Outcome  Reason  Seconds
        (installation)  email  smtp  yes  accepted  settings_work  {seconds[0]}
        gift-shop  email  smtp  yes  accepted  settings_work  {seconds[1]}
        toy-shop  email  smtp  no  misconfigured  auth_failed  {seconds[2]}
        """,
    )
    assert json.loads(one.stdout) == {"items": [checked("gift-shop")], "works": True}
    check = state_of("toy-shop").check
    assert check is not None
    assert check.reason == "auth_failed"


def checked(merchant_id: str | None, **changes: Any) -> dict[str, Any]:
    answer = {
        "merchant_id": merchant_id,
        "channel": "email",
        "provider": "smtp",
        "works": True,
        "outcome": "accepted",
        "reason": "settings_work",
        "seconds": Anything(),
    }
    return answer | changes


class Anything(float):
    """Equal to any number of seconds."""

    __hash__ = float.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and other >= 0


def test_nothing_to_try_is_nothing_that_fails(run: Command) -> None:
    found = run("providers", "check", "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (0, {"items": [], "works": True})
    unknown = run("providers", "check", "--merchant", "nobody")
    assert (unknown.exit_code, unknown.stdout) == (1, "")


def test_rotation_brings_everything_under_the_first_key_and_may_be_repeated(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        set_up(run, f"shop-{number}", "smtp://shop:hunter2@127.0.0.1")
    monkeypatch.setenv("INVITE_CREDENTIAL_KEYS", OLD)
    set_up(run, "shop-3", "smtp://shop:hunter2@127.0.0.1")
    monkeypatch.setenv("INVITE_CREDENTIAL_KEYS", f"{NEW},{OLD}")

    first, again = run("credentials", "rotate"), run("credentials", "rotate", "--json")

    assert (first.exit_code, first.stdout, first.stderr) == (0, "4 credential(s) were sealed anew under 2026.\n", "")
    assert json.loads(again.stdout) == {"key_id": "2026", "resealed": 0, "stuck": []}
    monkeypatch.setenv("INVITE_CREDENTIAL_KEYS", NEW)
    for number in range(4):
        state = state_of(f"shop-{number}")
        assert state.settings.options is not None
        assert (state.settings.options.key_id, state.settings.version) == ("2026", 1)
    assert json.loads(run("credentials", "rotate", "--json").stdout)["resealed"] == 0


def test_credentials_whose_key_is_gone_are_named_and_stay(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(run, "gift-shop", "smtp://shop:hunter2@127.0.0.1")
    monkeypatch.setenv("INVITE_CREDENTIAL_KEYS", OLD)
    set_up(run, "toy-shop", "smtp://shop:hunter2@127.0.0.1")
    before = state_of("toy-shop")
    monkeypatch.setenv("INVITE_CREDENTIAL_KEYS", NEW)

    told, as_json = run("credentials", "rotate"), run("credentials", "rotate", "--json")

    assert told.exit_code == as_json.exit_code == 1
    assert_told(
        told.stdout,
        """
        1 credential(s) were sealed anew under 2026.

        Cannot be opened
        Merchant  Channel  Key
        toy-shop  email  2025
        """,
    )
    stuck = {"merchant_id": "toy-shop", "channel": "email", "key_id": "2025"}
    assert json.loads(as_json.stdout) == {"key_id": "2026", "resealed": 0, "stuck": [stuck]}
    assert state_of("toy-shop") == before
    checks = run("providers", "check", "--json")
    assert (checks.exit_code, "hunter2" in checks.output) == (1, False)
    assert {item["merchant_id"]: item["reason"] for item in json.loads(checks.stdout)["items"]}["toy-shop"] == (
        "credentials_unreadable"
    )
