"""`invite-service simulate`: both sides of a changed policy."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.cli.conftest import Shop, assert_told, fields_of, make_order

WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE NOT granted AND datname = current_database()
"""
"""Locks of this test's database that somebody waits for."""

PERIOD = ("--from", "2026-03-01", "--to", "2026-04-01")


def test_both_sides_are_shown_with_the_orders_that_change(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2, status="packed"))
    simulated = shop.run("simulate", *PERIOD, "--set", "trigger_statuses=", "--set", "product_delay_days=7")
    assert (simulated.exit_code, simulated.stderr) == (0, "")
    assert_told(
        simulated.stdout,
        """
        Orders replayed: 2, of which would become something else: 1.

        Outcomes
        Current policy  Changed policy  Difference
        invited  1  2  +1
        merged  0  0  =
        blocked  0  0  =
        waiting  1  0  -1
        cancelled  0  0  =

        Reasons
        Current policy  Changed policy  Difference
        status_not_triggering  1  0  -1

        Messages
        Current policy  Changed policy  Difference
        product_1 by email  1  2  +1
        product_2 by email  1  2  +1

        Messages per day
        Current policy  Changed policy  Difference
        2026-03-09  0  2  +2
        2026-03-14  0  2  +2
        2026-03-16  1  0  -1
        2026-03-21  1  0  -1

        Messages per hour
        Current policy  Changed policy  Difference
        10  1  3  +2
        11  1  1  =

        What would change
        From  To  Orders  Which
        waiting (status_not_triggering)  invited (product)  1  A-2

        Days and hours are those of Europe/Oslo.
        """,
    )


def test_as_json_it_has_the_shape_of_the_api(shop: Shop) -> None:
    shop.post(*[make_order(number, status="packed") for number in range(12)])
    settings = ("--set", "trigger_statuses=packed, shipped", "--set", "send_window_start=08:00")
    answer = json.loads(shop.run("simulate", *PERIOD, *settings, "--json").stdout)
    assert set(answer) == fields_of("SimulationResponse")
    assert (answer["orders"], answer["changed"], answer["after"]["outcomes"]["invited"]) == (12, 12, 12)
    assert "A-0, A-1" in shop.run("simulate", *PERIOD, *settings).stdout
    assert " and 2 more" in shop.run("simulate", *PERIOD, *settings).stdout


def test_the_same_policy_changes_nothing(shop: Shop) -> None:
    shop.post(make_order(1))
    same = shop.run("simulate", *PERIOD).stdout
    assert same.startswith("Orders replayed: 1, of which would become something else: 0.\n")
    assert "What would change" not in same


def test_settings_come_from_a_file_and_single_ones_go_before_it(shop: Shop, tmp_path: Path) -> None:
    shop.post(make_order(1, status="packed"))
    file = tmp_path / "policy.json"
    file.write_text('{"trigger_statuses": ["packed"], "service_percent": 100}')
    changed = json.loads(shop.run("simulate", *PERIOD, "--policy", file, "--json").stdout)
    assert changed["changes"][0]["after"] == {"outcome": "invited", "reason": None, "kind": "service"}
    single = shop.run("simulate", *PERIOD, "--policy", file, "--set", "service_percent=0", "--json")
    assert json.loads(single.stdout)["changes"][0]["after"]["kind"] == "product"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--set", "service_percent=lots", "--set", "hosted_landing_page=perhaps", "--set", "colour=red"],
            (
                "The options have faults.\n"
                "  service_percent: Must be a whole number.\n"
                "  hosted_landing_page: Must be true or false.\n"
                "  colour: There is no field of this name here.\n"
            ),
        ),
        (
            ["--set", "send_window_start=20:00"],
            "The policy has settings out of range.\n  send_window_end: Must be later than send_window_start.\n",
        ),
        (["--to", "2026-03-01"], "The options have faults.\n  to: Must be later than from.\n"),
    ],
)
def test_faults_are_all_named(shop: Shop, arguments: list[str], says: str) -> None:
    refused = shop.run("simulate", *PERIOD, *arguments)
    assert (refused.exit_code, refused.stdout, refused.stderr) == (1, "", says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "service_percent"], "Must look like service_percent=30."),
        (["--policy", "/nowhere.json"], "does not exist"),
        (["--policy", __file__], "Must hold a JSON object."),
    ],
)
def test_misuse_is_said(shop: Shop, arguments: list[str], says: str) -> None:
    refused = shop.run("simulate", *PERIOD, *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr


def test_ctrl_c_ends_it(shop: Shop, database_url: str) -> None:
    shop.post(make_order(1))
    command = [sys.executable, "-m", "invite_service.cli.main", "simulate", *PERIOD, "--merchant", "gifts"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    async def interrupt() -> None:
        """Hold up what it reads, so that it cannot have ended before the signal comes."""
        admin = await asyncpg.connect(make_url(database_url).set(drivername="postgresql").render_as_string(False))
        try:
            async with admin.transaction():
                await admin.execute("LOCK TABLE orders")
                while not await admin.fetchval(WAITING):  # noqa: ASYNC110 - what is waited for is another process
                    await asyncio.sleep(0.05)
                process.send_signal(signal.SIGINT)
                await asyncio.to_thread(process.wait, 60)
        finally:
            await admin.close()

    asyncio.run(interrupt())
    output, said = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert said == "Ended before it had a result; nothing was stored.\n"
