"""`invitations`: what was planned and sent, for people and for machines."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from pydantic import TypeAdapter
from rich.console import Console

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.invitation_detail import (
    InvitationDetailResponse,
    MessageResponse,
    PolicyReferenceResponse,
)
from invite_service.api.schemas.listing import InvitationListParameters, InvitationListResponse
from invite_service.api.schemas.timeline import TimelineEntryResponse
from invite_service.bootstrap import Factory
from invite_service.cli import changing, settling
from invite_service.cli.choosing import Choice
from invite_service.cli.options import CursorOption, JsonOption, LimitOption, MerchantOption, PersonalOption, spread
from invite_service.cli.presenting import (
    open_console,
    print_cursors,
    print_facts,
    print_json,
    print_rows,
    shown_instant,
)
from invite_service.cli.running import run_with_services
from invite_service.domain.decision import JsonFigure
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.timeline import TimelineEntry
from invite_service.services.invitations import InvitationDetail
from invite_service.services.paging import DEFAULT_PAGE

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")


class Sorting(StrEnum):
    """How a list is sorted."""

    SEND_AT = "send_at"
    LATEST_SEND_AT = "-send_at"
    CREATED_AT = "created_at"
    LATEST_CREATED_AT = "-created_at"


app = typer.Typer(no_args_is_help=True, help="What was planned and sent, and what can be done about it.")

_LIST: Final = TypeAdapter(InvitationListParameters)


@app.command("list")
@spread
def list_(
    *,
    merchant: MerchantOption,
    choice: Choice,
    sort: Annotated[Sorting, typer.Option("--sort", help="A minus: latest first.")] = Sorting.LATEST_CREATED_AT,
    limit: LimitOption = DEFAULT_PAGE,
    cursor: CursorOption = None,
    counts: Annotated[
        bool, typer.Option("--counts", help="Add how many there are in each status, on whatever page.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List invitations. Who they go to is not shown, except with --json."""

    async def use(services: Factory) -> tuple[Merchant, InvitationListResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        document: dict[str, Any] = {"sort": sort.value, "limit": limit, "cursor": cursor, "counts": counts}
        document |= choice.document(zone=found.time_zone)
        asked = validate_part(document, _LIST, check_text=True)
        invitations, chosen = services.create_invitations(), asked.to_filter()
        page = await invitations.list_(
            found, chosen, period=asked.period, sorted_by=asked.sorted_by, page=asked.to_page()
        )
        numbers = await invitations.count(found, chosen, period=asked.period) if asked.counts else None
        return found, InvitationListResponse.of(page, asked, numbers)

    found, answer = run_with_services(use)
    if as_json:
        print_json(answer)
        return
    _print_list(open_console(), found, answer)


@app.command("show")
def show(
    *,
    invitation_id: Annotated[UUID, typer.Argument(metavar="ID", help="The invitation's id.")],
    merchant: MerchantOption,
    personal: PersonalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show an invitation: its orders, every try to send, what happened, and what can be done now."""

    async def use(services: Factory) -> tuple[Merchant, InvitationDetail]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return found, await services.create_invitations().get(found, invitation_id)

    found, detail = run_with_services(use)
    answer = InvitationDetailResponse.of_detail(detail)
    if as_json:
        print_json(answer)
    else:
        _print_detail(open_console(), found.time_zone, answer, personal=personal)


app.command("cancel")(changing.cancel)
app.command("enable")(changing.enable)
app.command("reschedule")(changing.reschedule)
app.command("send-now")(changing.send_now)
app.command("retry")(settling.retry_invitation)
app.command("mark-sent")(settling.mark_invitation_sent)


def _print_list(console: Console, merchant: Merchant, answer: InvitationListResponse) -> None:
    rows = [
        (
            item.id,
            item.status,
            item.kind,
            item.channel,
            item.next_step,
            shown_instant(item.send_at, merchant.time_zone),
            item.order_ids,
            item.products,
        )
        for item in answer.items
    ]
    if rows:
        print_rows(console, ["Invitation", "Status", "Kind", "Channel", "Next", "send_at", "Orders", "Products"], rows)
        console.print(f"Times are in {merchant.time_zone}.")
    else:
        console.print("There are none.")
    if answer.counts is not None:
        print_rows(console, ["Status", "Count"], list(answer.counts.items()), title="In each status")
    print_cursors(console, following=answer.next_cursor, preceding=answer.prev_cursor)


def _print_detail(console: Console, zone: str, answer: InvitationDetailResponse, *, personal: bool) -> None:
    print_facts(console, _facts(answer, zone, personal=personal))
    orders = [(one.order_id, one.status, one.outcome, shown_instant(one.received_at, zone)) for one in answer.orders]
    print_rows(console, ["Order", "Status", "Outcome", "Received"], orders, title="Orders")
    messages = [
        (one.step, one.state, shown_instant(one.send_at, zone), shown_instant(one.sent_at, zone), _price(one))
        for one in answer.messages
    ]
    print_rows(console, ["Step", "State", "send_at", "Sent", "Price"], messages, title="Messages")
    if answer.attempts:
        attempts = [
            (
                shown_instant(one.asked_at, zone),
                one.step,
                one.channel,
                one.provider,
                one.outcome,
                one.reason,
                one.provider_message_id,
                one.message_id,
            )
            for one in answer.attempts
        ]
        columns = ["At", "Step", "Channel", "Provider", "Outcome", "Reason", "Provider's id", "Message-ID"]
        print_rows(console, columns, attempts, title="Tries to send")
    print_timeline(console, answer.timeline, zone)
    console.print(f"\nTimes are in {zone}.")


def _facts(answer: InvitationDetailResponse, zone: str, *, personal: bool) -> Mapping[str, object]:
    person = {"Goes to": answer.contact, "Customer": answer.customer_name} if personal else {}
    names = {product.id: f" ({product.name})" for product in answer.product_details if product.name}
    return {
        "Invitation": answer.id,
        "Status": answer.status,
        "Ended because": answer.ended_reason,
        "Kind": answer.kind,
        "Channel": answer.channel,
        "Language": answer.language,
        **person,
        "Products": [product_id + names.get(product_id, "") for product_id in answer.products],
        "On hold since": shown_instant(answer.held_at, zone),
        "Made": shown_instant(answer.created_at, zone),
        "Decided by": _policy(answer.decided_by, zone),
        "Planned by": _policy(answer.planned_by, zone),
        "Possible now": answer.allowed_actions,
    }


def _policy(policy: PolicyReferenceResponse, zone: str) -> str:
    return f"policy version {policy.version}, saved {shown_instant(policy.saved_at, zone)} by {policy.saved_by}"


def _price(message: MessageResponse) -> str | None:
    return f"{message.price:f} {message.currency}" if message.price is not None else None


def print_timeline(
    console: Console, timeline: Sequence[TimelineEntry] | Sequence[TimelineEntryResponse], zone: str
) -> None:
    """Print who did what and when."""
    rows = [
        (shown_instant(entry.at, zone), entry.actor, entry.event, entry.reason, _in_zone(entry.data, zone))
        for entry in timeline
    ]
    print_rows(console, ["At", "Who", "What", "Reason", "Figures"], rows, title="What happened")


def _in_zone(figures: Mapping[str, JsonFigure], zone: str) -> Mapping[str, JsonFigure]:
    """Write the instants among the figures of an entry as all other times are written."""
    return {
        name: shown_instant(datetime.fromisoformat(figure), zone)
        if isinstance(figure, str) and _INSTANT.fullmatch(figure)
        else figure
        for name, figure in figures.items()
    }
