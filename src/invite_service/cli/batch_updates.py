"""`batch-updates`: which there are, how far one is, and putting back what it changed."""

import asyncio
from typing import Annotated, Final
from uuid import UUID

import typer
from pydantic import TypeAdapter
from rich.console import Console

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.batch_update import (
    BatchUpdateListParameters,
    BatchUpdateListResponse,
    BatchUpdateResponse,
)
from invite_service.bootstrap import Factory
from invite_service.cli.options import JsonOption, MerchantOption, Paging, WaitOption, spread
from invite_service.cli.presenting import (
    open_console,
    print_cursors,
    print_facts,
    print_json,
    print_rows,
    progress,
    shown_instant,
)
from invite_service.cli.running import INTERRUPTED, run_with_services
from invite_service.domain.batch_update import BatchAction, BatchStatus, BatchUpdate
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.merchants import OPERATOR

LOOK_SECONDS: Final = 0.5
"""Between two looks at how far a batch update is."""

PATIENT_SECONDS: Final = 10.0
"""How long a batch update may wait for a worker before it is said that it does."""

EVERYTHING: Final = "everything"
"""What was chosen where no filter was given."""

_LIST: Final = TypeAdapter(BatchUpdateListParameters)

app = typer.Typer(no_args_is_help=True, help="Changes of many invitations at once: how far they are, and undoing them.")

BatchArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The batch update's id.")]


@app.command("list")
@spread
def list_(
    *,
    merchant: MerchantOption,
    status: Annotated[BatchStatus | None, typer.Option("--status", help="How far it is.")] = None,
    paging: Paging,
    as_json: JsonOption = False,
) -> None:
    """List batch updates by when they were accepted, undoings and those of a new policy among them."""

    async def use(services: Factory) -> tuple[Merchant, BatchUpdateListResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        document = paging.document() | ({"status": status.value} if status is not None else {})
        asked = validate_part(document, _LIST, check_text=True)
        page = await services.create_batch_updates().list_(found, status=asked.status, page=asked.to_page())
        return found, BatchUpdateListResponse.of(page, asked)

    found, answer = run_with_services(use)
    if as_json:
        print_json(answer)
    else:
        _print_list(open_console(), found.time_zone, answer)


@app.command("show")
def show(
    *, batch_id: BatchArgument, merchant: MerchantOption, wait: WaitOption = False, as_json: JsonOption = False
) -> None:
    """Show what a batch update was asked to do, how far it is, and what it left as it was."""

    async def use(services: Factory) -> tuple[Merchant, BatchUpdate]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return found, await services.create_batch_updates().get(found.id, batch_id)

    found, batch = run_with_services(use)
    print_batch(found, wait_for(found, batch) if wait else batch, as_json=as_json)


@app.command("undo")
def undo(
    *, batch_id: BatchArgument, merchant: MerchantOption, wait: WaitOption = False, as_json: JsonOption = False
) -> None:
    """Put back what a batch update changed, within thirty days, where nothing else has happened since.

    A worker does it, as a batch update of its own. Asked again, it answers with the same one.
    """

    async def use(services: Factory) -> tuple[Merchant, BatchUpdate]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return found, await services.create_batch_updates().undo(found, batch_id, actor=OPERATOR)

    found, batch = run_with_services(use)
    finish(found, batch, wait=wait, as_json=as_json)


def finish(merchant: Merchant, batch: BatchUpdate, *, wait: bool, as_json: bool) -> None:
    """Say that a batch update was accepted, wait for it where that is wanted, and print it."""
    typer.echo(f"Accepted batch update {batch.id} of {counted(batch.matched)}.", err=True)
    if wait:
        batch = wait_for(merchant, batch)
    print_batch(merchant, batch, as_json=as_json)
    if batch.finished_at is None:
        typer.echo(f"A worker does it. {_how_to_look(merchant, batch)}", err=True)


def wait_for(merchant: Merchant, batch: BatchUpdate) -> BatchUpdate:
    """Wait until a worker has finished a batch update; Ctrl-C ends only the waiting."""

    async def use(services: Factory) -> BatchUpdate:
        return await _wait(services, merchant, batch)

    try:
        return run_with_services(use)
    except KeyboardInterrupt:
        typer.echo(f"Batch update {batch.id} goes on. {_how_to_look(merchant, batch)}", err=True)
        raise typer.Exit(INTERRUPTED) from None


async def _wait(services: Factory, merchant: Merchant, batch: BatchUpdate) -> BatchUpdate:
    batches = services.create_batch_updates()
    loop = asyncio.get_running_loop()
    patient_until: float | None = loop.time() + PATIENT_SECONDS
    with progress("Changing invitations", total=batch.matched) as advance:
        while batch.finished_at is None:
            await asyncio.sleep(LOOK_SECONDS)
            batch = await batches.get(merchant.id, batch.id)
            advance(batch.changed + sum(batch.skipped.values()))
            if batch.status is BatchStatus.ACCEPTED and patient_until is not None and loop.time() > patient_until:
                patient_until = None
                typer.echo("It has not begun: either no worker runs, or it is doing another batch update.", err=True)
    return batch


def counted(number: int) -> str:
    """Write how many invitations."""
    return "1 invitation" if number == 1 else f"{number} invitations"


def _how_to_look(merchant: Merchant, batch: BatchUpdate) -> str:
    return f"Look at it: invite-service batch-updates show {batch.id} --merchant {merchant.id}"


def print_batch(merchant: Merchant, batch: BatchUpdate, *, as_json: bool) -> None:
    """Print a batch update."""
    answer = BatchUpdateResponse.of(batch)
    if as_json:
        print_json(answer)
        return
    console = open_console()
    facts = {
        "Batch update": batch.id,
        "Status": batch.status,
        "Action": _action(answer),
        "Chosen by": batch.chosen_by or (None if batch.undo_of else EVERYTHING),
        "Accepted": f"{shown_instant(batch.created_at, merchant.time_zone)} by {batch.created_by}",
        "Finished": shown_instant(batch.finished_at, merchant.time_zone),
        "Matched": batch.matched,
        "Changed": batch.changed,
        "Skipped": sum(batch.skipped.values()),
    }
    print_facts(console, facts)
    if batch.skipped:
        print_rows(console, ["Reason", "Count"], sorted(batch.skipped.items()), title="Left as they were")


def _print_list(console: Console, zone: str, answer: BatchUpdateListResponse) -> None:
    rows = [
        (
            item.id,
            item.status,
            _action(item),
            item.filter or (None if item.undo_of else EVERYTHING),
            shown_instant(item.created_at, zone),
            item.created_by,
            item.matched,
            item.changed,
            sum(item.skipped.values()),
        )
        for item in answer.items
    ]
    if rows:
        columns = ["Batch update", "Status", "Action", "Chosen by", "Accepted", "By", "Matched", "Changed", "Skipped"]
        print_rows(console, columns, rows)
        console.print(f"Times are in {zone}.")
    else:
        console.print("There are none.")
    print_cursors(console, following=answer.next_cursor, preceding=answer.prev_cursor)


def _action(batch: BatchUpdateResponse) -> str:
    if batch.date is not None:
        return f"{batch.action} to {batch.date}"
    if batch.shift_days is not None:
        return f"{batch.action} by {batch.shift_days:+d} days"
    if batch.action is BatchAction.UNDO:
        return f"undo of {batch.undo_of}"
    return batch.action
