"""The command `invite-service`."""

import typer

from invite_service.cli import batch_updates, credentials, invitations, keys, merchants, orders, providers
from invite_service.cli.dev import dev
from invite_service.cli.documents import openapi
from invite_service.cli.keys import operator_key
from invite_service.cli.schema import check_schema, migrate
from invite_service.cli.serving import api, worker
from invite_service.cli.simulating import simulate

app = typer.Typer(
    name="invite-service",
    help="Asks webshop customers for reviews at the right moment. Settings are INVITE_ variables of the environment.",
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback shows local variables, and these hold keys and addresses.
    pretty_exceptions_enable=False,
)

app.command()(dev)
app.command()(api)
app.command()(worker)
app.command()(migrate)
app.command("check-schema")(check_schema)
app.command("operator-key")(operator_key)
app.add_typer(merchants.app, name="merchants")
app.add_typer(keys.app, name="keys")
app.add_typer(providers.app, name="providers")
app.add_typer(credentials.app, name="credentials")
app.add_typer(invitations.app, name="invitations")
app.add_typer(batch_updates.app, name="batch-updates")
app.add_typer(orders.app, name="orders")
app.command()(simulate)
app.command()(openapi)

if __name__ == "__main__":
    app()
