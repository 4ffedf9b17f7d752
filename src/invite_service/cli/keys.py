"""`keys` and `operator-key`: make keys, list and revoke them."""

from datetime import datetime
from typing import Annotated

import typer

from invite_service.bootstrap import Factory
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import MerchantId
from invite_service.services.access import ALL_SCOPES, ApiKey, NewKey, Scope

app = typer.Typer(no_args_is_help=True, help="API keys of merchants.")

INSTANT_FORMATS = ["%Y-%m-%dT%H:%M:%S%z"]

MerchantOption = Annotated[str, typer.Option("--merchant", help="The merchant's id.")]
ExpiryOption = Annotated[
    datetime | None, typer.Option(formats=INSTANT_FORMATS, help="Until when it is good, with an offset.")
]


@app.command("create")
def create(
    merchant: MerchantOption,
    name: Annotated[str, typer.Option(help="Shown in timelines as the one who did it.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; all where none is named.")] = None,
    expires_at: ExpiryOption = None,
) -> None:
    """Make a key and print it; it is shown this once."""

    async def use(services: Factory) -> NewKey:
        scopes = scope or ALL_SCOPES
        return await services.access.create_api_key(MerchantId(merchant), name, scopes=scopes, expires_at=expires_at)

    typer.echo(run_with_services(use).text)


@app.command("list")
def list_(merchant: MerchantOption) -> None:
    """List a merchant's keys, the oldest first: id, state, scopes, name."""

    async def use(services: Factory) -> list[ApiKey]:
        found = await services.create_merchants().get(MerchantId(merchant))
        return await services.access.list_api_keys(found.id)

    for key in run_with_services(use):
        state = "revoked" if key.revoked_at else f"until {key.expires_at.isoformat()}" if key.expires_at else "good"
        typer.echo(f"{key.id}\t{state}\t{','.join(sorted(key.scopes))}\t{key.name}")


@app.command("revoke")
def revoke(
    merchant: MerchantOption,
    key_id: Annotated[str, typer.Option("--id", help="The key's id, which stands in it.")],
) -> None:
    """Revoke a key; processes that have seen it may take it for another ten seconds."""

    async def use(services: Factory) -> None:
        await services.access.revoke_api_key(MerchantId(merchant), key_id)

    run_with_services(use)


def operator_key(
    name: Annotated[str, typer.Option(help="Whose it is.")] = "operator", expires_at: ExpiryOption = None
) -> None:
    """Make an operator's key, which makes merchants and their keys, and print it; it is shown this once."""

    async def use(services: Factory) -> NewKey:
        return await services.access.create_operator_key(name, expires_at=expires_at)

    typer.echo(run_with_services(use).text)
