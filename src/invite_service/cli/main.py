"""The command `invite-service`."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

_PLACES: Final = {
    "dev": "dev:dev",
    "api": "serving:api",
    "worker": "working:worker",
    "migrate": "schema:migrate",
    "check-schema": "schema:check_schema",
    "operator-key": "keys:operator_key",
    "simulate": "simulating:simulate",
    "openapi": "documents:openapi",
    "merchants": "merchants:app",
    "keys": "keys:app",
    "providers": "providers:app",
    "credentials": "credentials:app",
    "invitations": "invitations:app",
    "notices": "notices:app",
    "batch-updates": "batch_updates:app",
    "orders": "orders:app",
    "customers": "customers:app",
}
"""Where each command is, in the order of the help: a module of this package, and a function or a group in it."""


class _Commands(MutableMapping[str, Any]):
    """The commands, each imported when it is first asked for.

    All of them take seconds of a processor to import, and the worker would hold 20 MiB of the API all its life.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: TyperCommand | TyperGroup) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def _load(name: str) -> TyperCommand | TyperGroup:
    module, _, attribute = _PLACES[name].partition(":")
    found = getattr(import_module(f"invite_service.cli.{module}"), attribute)
    around = typer.Typer(add_completion=False)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    command = get_group(around).commands[name]
    assert isinstance(command, TyperCommand | TyperGroup)
    return command


class _Group(TyperGroup):
    """Our command, whose subcommands are imported one by one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()


app = typer.Typer(
    cls=_Group,
    name="invite-service",
    help="Asks webshop customers for reviews at the right moment. Settings are INVITE_ variables of the environment.",
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback shows local variables, and these hold keys and addresses.
    pretty_exceptions_enable=False,
)


@app.callback()
def _begin() -> None:
    """Do nothing: a command without subcommands of its own has to have something."""


if __name__ == "__main__":
    app()
