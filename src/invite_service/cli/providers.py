"""`providers`: whether messages could leave."""

from dataclasses import dataclass
from typing import Annotated

import typer

from invite_service.bootstrap import Factory
from invite_service.cli.options import JsonOption, check_text
from invite_service.cli.presenting import busy, open_console, print_json, print_rows
from invite_service.cli.running import FAILED, run_with_services
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.services.channel_checks import CheckedProvider
from invite_service.services.merchants import OPERATOR

app = typer.Typer(no_args_is_help=True, help="Providers, the installation's own and those of merchants.")

INSTALLATION = "(installation)"
"""Stands in a table where a merchant's id would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProviderAnswer:
    """One line of `--json`."""

    merchant_id: str | None
    """Null: the installation's own provider."""
    channel: str
    provider: str | None
    works: bool
    outcome: OutcomeWord
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ProviderChecksAnswer:
    """What `--json` prints."""

    items: list[CheckedProviderAnswer]
    works: bool


def _check_text(text: str | None) -> str | None:
    return check_text(text) if text is not None else None


@app.callback()
def _group() -> None:
    """Keep `check` a command of its own."""


@app.command("check")
def check(
    merchant: Annotated[
        str | None, typer.Option("--merchant", callback=_check_text, help="Only those of the merchant of this id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Try every provider's settings without sending, and exit with 1 when one does not work.

    What is said of a merchant's settings is kept as if it had asked itself; a success opens a paused channel.
    """

    async def use(services: Factory) -> list[CheckedProvider]:
        found = await services.create_merchants().get(MerchantId(merchant)) if merchant is not None else None
        checks = services.create_channel_checks().check_all(merchant=found, actor=OPERATOR)
        return [checked async for checked in checks]

    with busy("Trying providers"):
        checked = sorted(run_with_services(use), key=lambda one: (one.merchant_id or "", one.channel))
    works = all(one.works for one in checked)
    if as_json:
        print_json(ProviderChecksAnswer([_answer(one) for one in checked], works))
    else:
        columns = ["Merchant", "Channel", "Provider", "Works", "Outcome", "Reason", "Seconds"]
        rows = [
            (
                one.merchant_id or INSTALLATION,
                one.channel.value,
                one.provider,
                one.works,
                one.outcome.value,
                one.reason,
                f"{one.seconds:.2f}",
            )
            for one in checked
        ]
        print_rows(open_console(), columns, rows)
    if not works:
        raise typer.Exit(FAILED)


def _answer(one: CheckedProvider) -> CheckedProviderAnswer:
    return CheckedProviderAnswer(
        merchant_id=one.merchant_id,
        channel=one.channel.value,
        provider=one.provider,
        works=one.works,
        outcome=one.outcome,
        reason=one.reason,
        seconds=round(one.seconds, 3),
    )
