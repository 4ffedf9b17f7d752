"""`invitations cancel`, `enable`, `reschedule` and `send-now`: one change to one or many, done by a worker.

One invitation is a batch update of one, so that all can be watched and undone in the same way.
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.batch_update import (
    BATCH_UPDATE,
    MAX_SHIFT_DAYS,
    BatchForecastResponse,
    BatchUpdateRequest,
)
from invite_service.bootstrap import Factory
from invite_service.cli.batch_updates import counted, finish
from invite_service.cli.choosing import Choice, read_day_option
from invite_service.cli.options import JsonOption, MerchantOption, WaitOption, spread
from invite_service.cli.presenting import busy, open_console, print_facts, print_json, print_rows, shown_instant
from invite_service.cli.running import FAILED, CommandFailedError, explained, run_with_services
from invite_service.domain.batch_update import BatchAction, BatchUpdate, Chosen
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.rules.batch_updates import UNCHANGED
from invite_service.services.batch_updates import BatchForecast, BatchUpdateService, refuse_other_count
from invite_service.services.merchants import OPERATOR

DECLINED: Final = "Nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose invitations, and which."""

    invitation_id: Annotated[
        UUID | None, typer.Argument(metavar="ID", help="One invitation; leave it out to choose by filters.")
    ] = None
    merchant: MerchantOption
    choice_is_all: Annotated[bool, typer.Option("--all", help="Every invitation; needed where no filter is given.")] = (
        False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How it is done."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False
    expected_count: Annotated[
        int | None, typer.Option("--expected-count", min=0, help="Refuse when another number of invitations matches.")
    ] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    wait: WaitOption = False
    as_json: JsonOption = False


@spread
def cancel(target: Target, choice: Choice, manner: Manner) -> None:
    """Cancel what is still to come. `enable` brings it back."""
    _change(target, choice, manner, action=BatchAction.CANCEL)


@spread
def enable(target: Target, choice: Choice, manner: Manner) -> None:
    """Bring back what was cancelled by hand; a time that has passed becomes the next slot."""
    _change(target, choice, manner, action=BatchAction.ENABLE)


@spread
def send_now(target: Target, choice: Choice, manner: Manner) -> None:
    """Let the next message go at once; window and days do not apply, everything else does."""
    _change(target, choice, manner, action=BatchAction.SEND_NOW)


@spread
def reschedule(
    *,
    target: Target,
    choice: Choice,
    manner: Manner,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=read_day_option, metavar="DAY", help="The day, in each invitation's own zone."),
    ] = None,
    shift_days: Annotated[
        int | None,
        typer.Option(
            "--shift-days",
            min=-MAX_SHIFT_DAYS,
            max=MAX_SHIFT_DAYS,
            help="Days from each one's planned day, as for a late shipment; negative for earlier.",
        ),
    ] = None,
) -> None:
    """Move the next message to a day, or by days. Give either --date or --shift-days."""
    if (day is None) is (shift_days is None):
        raise typer.BadParameter("Give either --date or --shift-days.")
    days = {"date": day.isoformat()} if day is not None else {"shift_days": shift_days}
    _change(target, choice, manner, action=BatchAction.RESCHEDULE, days=days)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be done, as the HTTP API would have been asked."""

    merchant: Merchant
    request: BatchUpdateRequest

    def chosen(self, batches: BatchUpdateService) -> Chosen:
        if self.request.filter is None:
            return self.request.ids or []
        return batches.within(self.merchant, self.request.filter.to_filter(), self.request.period)

    def chosen_by(self) -> dict[str, Any]:
        return self.request.chosen_by()


def _change(
    target: Target, choice: Choice, manner: Manner, *, action: BatchAction, days: dict[str, Any] | None = None
) -> None:
    _refuse_what_is_unclear(target, choice)

    async def ask(services: Factory) -> tuple[_Asked, BatchForecast | None]:
        merchant = await services.create_merchants().get(MerchantId(target.merchant))
        document = {"action": action.value, **(days or {})}
        if target.invitation_id is None:
            document["filter"] = choice.document(zone=merchant.time_zone)
        else:
            await services.create_invitations().get(merchant, target.invitation_id)
            document["ids"] = [str(target.invitation_id)]
        asked = _Asked(merchant, validate_part(document, BATCH_UPDATE, check_text=True))
        # One that is named is looked at in any case: its state may not allow it, and nobody reads a report of one.
        if manner.yes and not manner.dry_run and target.invitation_id is None:
            return asked, None
        batches = services.create_batch_updates()
        return asked, await batches.forecast(merchant, asked.chosen(batches), asked.request.to_change())

    async def accept(services: Factory) -> BatchUpdate:
        batches = services.create_batch_updates()
        return await batches.accept(
            asked.merchant,
            asked.chosen(batches),
            asked.request.to_change(),
            chosen_by=asked.chosen_by(),
            expected_count=manner.expected_count,
            actor=OPERATOR,
        )

    with busy("Looking at what would change"):
        asked, forecast = run_with_services(ask)
    if manner.dry_run and forecast is not None:
        print_forecast(asked.merchant, forecast, as_json=manner.as_json)
    with explained():
        if forecast is not None:
            _refuse_by(forecast, expected_count=manner.expected_count, needs_change=target.invitation_id is not None)
    if manner.dry_run:
        return
    if forecast is not None and not manner.yes:
        print_forecast(asked.merchant, forecast, is_stderr=True)
        _ask(_question(asked.request, forecast))
    with busy("Choosing the invitations"):
        batch = run_with_services(accept)
    finish(asked.merchant, batch, wait=manner.wait, as_json=manner.as_json)


def _refuse_what_is_unclear(target: Target, choice: Choice) -> None:
    ways = [target.invitation_id is not None, not choice.is_empty, target.choice_is_all]
    if not any(ways):
        raise typer.BadParameter("Give an invitation's id, filters, or --all.")
    if sum(ways) > 1:
        raise typer.BadParameter("Give only one of these: an invitation's id, filters, or --all.")


def _refuse_by(forecast: BatchForecast, *, expected_count: int | None, needs_change: bool) -> None:
    refuse_other_count(forecast.matched, expected=expected_count)
    refused = [reason for reason in forecast.skipped if reason != UNCHANGED]
    if needs_change and refused:
        raise CommandFailedError(f"The invitation's state does not allow it: {refused[0]}.")


def _ask(question: str) -> None:
    """Go on only where somebody says yes; no answer is none. Typer's own prompt would write on stdout."""
    typer.echo(f"{question} [y/N]: ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        typer.echo(DECLINED, err=True)
        raise typer.Exit(FAILED)


def _question(request: BatchUpdateRequest, forecast: BatchForecast) -> str:
    count = f"{forecast.would_change} of {counted(forecast.matched)}"
    match request.action:
        case "cancel":
            return f"Cancel {count}?"
        case "enable":
            return f"Enable {count}?"
        case "send_now":
            return f"Send {count} now?"
        case _ if request.date is not None:
            return f"Move {count} to {request.date}?"
        case _:
            return f"Move {count} by {request.shift_days:+d} days?"


def print_forecast(
    merchant: Merchant, forecast: BatchForecast, *, as_json: bool = False, is_stderr: bool = False
) -> None:
    """Print what would be done."""
    if as_json:
        print_json(BatchForecastResponse.of(forecast))
        return
    console = open_console(is_stderr=is_stderr)
    facts = {
        "Matched": forecast.matched,
        "Would change": forecast.would_change,
        "Skipped": forecast.skipped.total(),
        "First send_at": shown_instant(forecast.first_send_at, merchant.time_zone),
        "Last send_at": shown_instant(forecast.last_send_at, merchant.time_zone),
    }
    print_facts(console, facts)
    if forecast.skipped:
        print_rows(console, ["Reason", "Count"], sorted(forecast.skipped.items()), title="Left as they are")
    if forecast.load:
        days = [(day.isoformat(), count) for day, count in sorted(forecast.load.items())]
        print_rows(console, ["Day", "Messages"], days, title="Load per day")
