"""`merchants`: make merchants and list them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

import typer

from invite_service.bootstrap import Factory
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.merchants import OPERATOR, CreatedMerchant, NewMerchant

PAGE: Final = 200
"""Merchants read at once."""

app = typer.Typer(no_args_is_help=True, help="Merchants of this installation.")


@app.command("create")
def create(
    *,
    merchant_id: Annotated[
        str, typer.Option("--id", help="A slug that stays: up to 20 characters of a-z, 0-9 and inner hyphens.")
    ],
    name: Annotated[str, typer.Option(help="As customers know it.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Oslo.")],
    homepage_url: Annotated[str, typer.Option(help="The shop's address.")],
    sandbox: Annotated[bool, typer.Option(help="With a clock and a mailbox of its own.")] = False,
    clock: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="Where a sandbox's clock starts, with an offset."),
    ] = None,
) -> None:
    """Make a merchant; prints its first key, which is shown this once."""
    new = NewMerchant(
        id=merchant_id, name=name, time_zone=time_zone, homepage_url=homepage_url, sandbox=sandbox, clock=clock
    )

    async def use(services: Factory) -> CreatedMerchant:
        return await services.create_merchants().create(new)

    typer.echo(run_with_services(use).api_key)


@app.command("resume")
def resume(merchant_id: Annotated[str, typer.Argument(metavar="ID", help="A merchant that paused by itself.")]) -> None:
    """Resume a merchant that was paused for its bounces or complaints; what was sent before counts no more."""

    async def use(services: Factory) -> None:
        await services.create_reputation().resume(MerchantId(merchant_id), actor=OPERATOR)

    run_with_services(use)


@app.command("list")
def list_() -> None:
    """List merchants by id: id, zone, sandbox or live, name."""

    async def use(services: Factory) -> list[Merchant]:
        return [merchant async for merchant in _all(services)]

    for merchant in run_with_services(use):
        kind = "sandbox" if merchant.sandbox else "live"
        typer.echo(f"{merchant.id}\t{merchant.time_zone}\t{kind}\t{merchant.name}")


async def _all(services: Factory) -> AsyncIterator[Merchant]:
    after = ""
    while found := await services.create_merchants().list_(after=after, limit=PAGE):
        for merchant in found:
            yield merchant
        after = found[-1].id
