"""`notices`: messages that follow a customer's answer, for people and for machines."""

from typing import Annotated, Final
from uuid import UUID

import typer
from pydantic import TypeAdapter
from rich.console import Console

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.notice import NoticeListParameters, NoticeListResponse, NoticeResponse
from invite_service.bootstrap import Factory
from invite_service.cli import settling
from invite_service.cli.options import JsonOption, MerchantOption, Paging, spread
from invite_service.cli.presenting import (
    open_console,
    print_cursors,
    print_facts,
    print_json,
    print_rows,
    shown_instant,
)
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.notice import NoticeStatus

app = typer.Typer(no_args_is_help=True, help="Replies, vouchers and what support is told or offers, and their ends.")

_LIST: Final = TypeAdapter(NoticeListParameters)


@app.command("list")
@spread
def list_(
    *,
    merchant: MerchantOption,
    status: Annotated[NoticeStatus | None, typer.Option("--status", help="Such as in_doubt.")] = None,
    paging: Paging,
    as_json: JsonOption = False,
) -> None:
    """List notices by when they were queued."""

    async def use(services: Factory) -> tuple[Merchant, NoticeListResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        document = paging.document() | ({"status": status.value} if status is not None else {})
        asked = validate_part(document, _LIST, check_text=True)
        page = await services.create_notice_settling().list_(found, status=asked.status, page=asked.to_page())
        return found, NoticeListResponse.of(page, asked)

    found, answer = run_with_services(use)
    if as_json:
        print_json(answer)
    else:
        _print_list(open_console(), found.time_zone, answer)


@app.command("show")
def show(
    *,
    notice_id: Annotated[UUID, typer.Argument(metavar="ID", help="The notice's id.")],
    merchant: MerchantOption,
    as_json: JsonOption = False,
) -> None:
    """Show a notice: how it went, and what an operator may do. Its invitation's timeline tells what happened."""

    async def use(services: Factory) -> tuple[Merchant, NoticeResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return found, NoticeResponse.of(await services.create_notice_settling().get(found, notice_id))

    found, answer = run_with_services(use)
    if as_json:
        print_json(answer)
    else:
        _print_notice(open_console(), found.time_zone, answer)


app.command("retry")(settling.retry_notice)
app.command("mark-sent")(settling.mark_notice_sent)


def _print_list(console: Console, zone: str, answer: NoticeListResponse) -> None:
    rows = [
        (
            item.id,
            item.notice,
            item.channel,
            item.status,
            item.reason,
            shown_instant(item.created_at, zone),
            item.provider,
            item.message_id,
        )
        for item in answer.items
    ]
    if rows:
        print_rows(console, ["Notice", "Kind", "Channel", "Status", "Reason", "Queued", "Provider", "Message-ID"], rows)
        console.print(f"Times are in {zone}.")
    else:
        console.print("There are none.")
    print_cursors(console, following=answer.next_cursor, preceding=answer.prev_cursor)


def _print_notice(console: Console, zone: str, answer: NoticeResponse) -> None:
    facts = {
        "Notice": answer.id,
        "Kind": answer.notice,
        "Channel": answer.channel,
        "Status": answer.status,
        "Reason": answer.reason,
        "Invitation": answer.invitation_id,
        "Rating": answer.rating_id,
        "Queued": shown_instant(answer.created_at, zone),
        "Tries": answer.tries,
        "Next try": shown_instant(answer.next_attempt_at, zone),
        "Last call began": shown_instant(answer.started_at, zone),
        "Ended": shown_instant(answer.ended_at, zone),
        "Provider": answer.provider,
        "Message-ID": answer.message_id,
        "Provider's id": answer.provider_message_id,
        "Price": f"{answer.price:f} {answer.currency}" if answer.price is not None else None,
        "Possible now": answer.allowed_actions,
    }
    print_facts(console, facts)
    console.print(f"\nTimes are in {zone}.")
