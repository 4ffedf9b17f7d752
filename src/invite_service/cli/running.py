"""How commands run: settings from the environment, services over a context, and expected failures as messages."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import typer

from invite_service.bootstrap import Factory, ProcessContext
from invite_service.config import InvalidSettingsError, Settings, load_settings
from invite_service.domain.errors import DomainError, Fault
from invite_service.storage.errors import DatabaseUnavailableError
from invite_service.telemetry import configure_logging

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130
"""Exit statuses: the work failed, it could not begin for the way it was asked for, and Ctrl-C ended it."""

T = TypeVar("T")

_IN_OUR_WORDS: Final = dict.fromkeys(("The body has faults.", "The request has faults."), "The options have faults.")
"""What was given on the command line is neither, though it is checked as if it had been posted."""


class CommandFailedError(Exception):
    """A command could not do its work; the message says why."""


@contextmanager
def explained() -> Iterator[None]:
    """Say on stderr what went wrong, where that can be expected, and exit; anything else is a bug and raised."""
    try:
        yield
    except InvalidSettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(MISUSED) from None
    except DomainError as error:
        typer.echo(_IN_OUR_WORDS.get(error.detail, error.detail), err=True)
        for fault in error.faults:
            typer.echo(f"  {_name_of(fault)}: {fault.detail}", err=True)
        raise typer.Exit(FAILED) from None
    except (CommandFailedError, DatabaseUnavailableError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None


def _name_of(fault: Fault) -> str:
    """Tell where a fault is in the words of the command line: the option, or the setting that --set names."""
    path = fault.pointer.lstrip("/?")
    if path.startswith("policy/"):
        return path.removeprefix("policy/")
    return path.removeprefix("filter/").replace("_", "-") or "together"


def run_with_services(use: Callable[[Factory], Awaitable[T]]) -> T:
    """Run a command's work over the services that the environment's settings name."""
    with explained():
        settings = load_settings()
        # On stderr, and only what went wrong: a command's output belongs to what it was asked for.
        configure_logging("ERROR" if settings.log_level == "ERROR" else "WARNING")
        return asyncio.run(_with_services(settings, use))


async def _with_services(settings: Settings, use: Callable[[Factory], Awaitable[T]]) -> T:
    context = await ProcessContext.create(settings, name="invite-service command")
    try:
        return await use(Factory(context))
    finally:
        await context.close()
