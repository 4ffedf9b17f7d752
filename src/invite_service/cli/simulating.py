"""`simulate`: recorded orders under the current policy and under a changed one, side by side."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from invite_service.api.bodies import read_document, validate_part
from invite_service.api.errors import MalformedJsonError
from invite_service.api.schemas.policy import policy_response
from invite_service.api.schemas.simulation import (
    SIMULATION,
    ChangeResponse,
    FateResponse,
    NamedChanges,
    SideResponse,
    SimulationRequest,
    SimulationResponse,
)
from invite_service.api.simulations import read_recorded
from invite_service.bootstrap import Factory
from invite_service.cli.choosing import Moment, moment_option
from invite_service.cli.options import JsonOption, MerchantOption
from invite_service.cli.presenting import open_console, print_json, print_rows, progress
from invite_service.cli.running import INTERRUPTED, run_with_services
from invite_service.domain.errors import InvalidInputError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.services.simulations import ChangedFate, Progress, SimulationResult

SHOWN_ORDERS: Final = 10
"""Orders that a table names of each change; --json names a hundred."""

_DEFAULTS: Final[Mapping[str, Any]] = policy_response(Policy())
"""Tells of which type each setting is."""


def simulate(
    *,
    merchant: MerchantOption,
    start: Annotated[
        Moment, moment_option("--from", "Orders first accepted at this time or later (merchant's clock).", panel=None)
    ],
    end: Annotated[Moment, moment_option("--to", "Orders first accepted before this time.", panel=None)],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the policy that differs, as in service_percent=30, send_window_start=09:00 or "
            "trigger_statuses=shipped,delivered. May be given several times.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            exists=True,
            dir_okay=False,
            metavar="FILE.json",
            help="Settings that differ, as PATCH /v1/policy takes them; --set goes before it.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay recorded orders under a changed policy, and show both sides. Stores and sends nothing; Ctrl-C ends it."""
    changes = {**_read_policy(policy), **_read_settings(settings or [])}

    async def use(services: Factory) -> tuple[Merchant, SimulationResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        zone = found.time_zone
        document = {"from": start.text(zone=zone), "to": end.text(zone=zone), "policy": changes}
        return found, await _simulate(services, found, validate_part(document, SIMULATION, check_text=True))

    try:
        found, answer = run_with_services(use)
    except KeyboardInterrupt:
        typer.echo("Ended before it had a result; nothing was stored.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(answer)
    else:
        _print_result(open_console(), found, answer)


async def _simulate(services: Factory, merchant: Merchant, asked: SimulationRequest) -> SimulationResponse:
    try:
        current, changed = await services.create_policy().try_change(merchant.id, asked.policy)
    except InvalidInputError as error:
        faults = [replace(fault, pointer=f"/policy{fault.pointer}") for fault in error.faults]
        raise InvalidInputError(error.detail, faults=faults) from None
    simulations = services.create_simulations()
    total = await simulations.count(merchant, start=asked.start, end=asked.end)
    news = simulations.run(
        merchant,
        current=current,
        changed=changed,
        start=asked.start,
        end=asked.end,
        total=total,
        read_event=read_recorded,
    )
    named = NamedChanges()
    with progress("Replaying orders", total=total) as advance:
        async for one in news:
            match one:
                case Progress(done=done):
                    advance(done)
                case ChangedFate():
                    named.take(one)
                case SimulationResult():
                    return named.result(one)
    raise AssertionError("the result is told last")


def _read_policy(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        document = read_document(file.read_bytes())
    except (MalformedJsonError, OSError):
        document = None
    if not isinstance(document, dict):
        raise typer.BadParameter("Must hold a JSON object.", param_hint="'--policy'")
    return document


def _read_settings(given: list[str]) -> dict[str, Any]:
    settings = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not name or not equals:
            raise typer.BadParameter("Must look like service_percent=30.", param_hint="'--set'")
        settings[name] = _read_value(text, _DEFAULTS.get(name))
    return settings


def _read_value(text: str, default: object) -> object:
    """Read a value of the type that the setting has; what is none stays text, which the policy then refuses."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, int):
        with contextlib.suppress(ValueError):
            return int(text)
    if isinstance(default, list | tuple):
        if text.startswith("["):
            with contextlib.suppress(MalformedJsonError):
                return read_document(text.encode())
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _print_result(console: Console, merchant: Merchant, answer: SimulationResponse) -> None:
    console.print(f"Orders replayed: {answer.orders}, of which would become something else: {answer.changed}.")
    if answer.unreadable_events:
        console.print(f"Recorded events that could not be read and were left out: {answer.unreadable_events}.")
    columns = ["", "Current policy", "Changed policy", "Difference"]
    for title, names, before, after in _sections(answer.before, answer.after):
        rows = [_compare(name, before.get(name, 0), after.get(name, 0)) for name in names]
        if rows:
            print_rows(console, columns, rows, title=title)
    cost = (f"{answer.before.sms_cost:f}", f"{answer.after.sms_cost:f}")
    if answer.before.sms_cost or answer.after.sms_cost:
        difference = f"{answer.after.sms_cost - answer.before.sms_cost:+f}"
        print_rows(console, columns, [(answer.before.sms_currency, *cost, difference)], title="Cost of SMS")
    if answer.changes:
        changes = [(_told(one.before), _told(one.after), one.orders, _named(one)) for one in answer.changes]
        print_rows(console, ["From", "To", "Orders", "Which"], changes, title="What would change")
    console.print(f"\nDays and hours are those of {merchant.time_zone}.")


def _sections(
    before: SideResponse, after: SideResponse
) -> Iterator[tuple[str, Sequence[str], Mapping[str, int], Mapping[str, int]]]:
    """Give the figures of both sides, section by section, with the names of their lines."""
    for title, one, other in (
        ("Outcomes", before.outcomes, after.outcomes),
        ("Reasons", before.reasons, after.reasons),
        ("Messages", _by_step(before), _by_step(after)),
    ):
        yield title, list(dict.fromkeys([*one, *other])), one, other
    days = sorted({*before.load_by_day, *after.load_by_day})
    yield "Messages per day", days, before.load_by_day, after.load_by_day
    hours = sorted({*before.load_by_hour, *after.load_by_hour}, key=int)
    yield "Messages per hour", hours, before.load_by_hour, after.load_by_hour


def _by_step(side: SideResponse) -> dict[str, int]:
    return {
        f"{step} by {channel}": count for step, channels in side.messages.items() for channel, count in channels.items()
    }


def _compare(name: str, before: int, after: int) -> tuple[object, ...]:
    return name, before, after, f"{after - before:+d}" if after != before else "="


def _told(fate: FateResponse) -> str:
    detail = fate.reason or fate.kind
    return f"{fate.outcome} ({detail})" if detail is not None else fate.outcome


def _named(change: ChangeResponse) -> str:
    rest = change.orders - len(change.order_ids[:SHOWN_ORDERS])
    named = ", ".join(change.order_ids[:SHOWN_ORDERS])
    return f"{named} and {rest} more" if rest else named
