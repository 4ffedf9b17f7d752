"""`orders`: why an order was decided as it was."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from invite_service.api.schemas.order_state import OrderResponse
from invite_service.bootstrap import Factory
from invite_service.cli.invitations import print_timeline
from invite_service.cli.options import JsonOption, MerchantOption, check_text
from invite_service.cli.presenting import open_console, print_facts, print_json, print_rows, shown, shown_instant
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.orders import OrderDetail

app = typer.Typer(no_args_is_help=True, help="Orders, and why they were decided as they were.")


class Language(StrEnum):
    """A language in which the story is told."""

    EN = "en"
    NB = "nb"


@app.callback()
def group() -> None:
    """Keep `explain` a command of its own while it is the only one."""


@app.command("explain")
def explain(
    *,
    order_id: Annotated[
        str, typer.Argument(metavar="ORDER_ID", callback=check_text, help="The order's id, as the shop knows it.")
    ],
    merchant: MerchantOption,
    language: Annotated[Language, typer.Option("--language", help="Of the story.")] = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Tell what became of an order and why, rule by rule in plain words, and what has happened to it since."""

    async def use(services: Factory) -> tuple[Merchant, OrderDetail]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return found, await services.create_orders().get(found, order_id, language=language)

    found, detail = run_with_services(use)
    if as_json:
        print_json(OrderResponse.of(detail))
        return
    _print_story(open_console(), found, detail)


def _print_story(console: Console, merchant: Merchant, detail: OrderDetail) -> None:
    order, invitation, zone = detail.order, detail.invitation, merchant.time_zone
    facts: dict[str, object] = {
        "Order": order.order_id,
        "Status": order.status,
        "Purchased": shown_instant(order.purchased_at, zone),
        "Received": shown_instant(order.received_at, zone),
        "Outcome": order.outcome,
        "Reason": order.reason,
    }
    if order.eligible_at is not None:
        facts["Allowed again"] = shown_instant(order.eligible_at, zone)
    if invitation is not None:
        send_at = shown_instant(invitation.send_at, zone)
        facts["Invitation"] = f"{invitation.id} ({invitation.status}, send_at {send_at})"
    print_facts(console, facts)
    console.print(f"\n{shown(detail.story.summary)}")
    told = zip(order.trace, detail.story.sentences, strict=True)
    rules = [(entry.rule, entry.reason or entry.outcome, sentence) for entry, sentence in told]
    print_rows(console, ["Rule", "It said", "In words"], rules, title="Rule by rule")
    print_timeline(console, detail.timeline, zone)
    console.print(f"\nTimes are in {zone}.")
