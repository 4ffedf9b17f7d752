"""`credentials`: merchants' credentials and the keys they are sealed under."""

from dataclasses import dataclass, field

import typer

from invite_service.bootstrap import Factory
from invite_service.cli.options import JsonOption
from invite_service.cli.presenting import open_console, print_json, print_rows, progress
from invite_service.cli.running import FAILED, run_with_services
from invite_service.services.credentials import StuckCredential

app = typer.Typer(no_args_is_help=True, help="Merchants' credentials and the keys they are sealed under.")


@dataclass(slots=True)
class RotationAnswer:
    """What became of everybody's credentials, and what `--json` prints."""

    key_id: str
    """The key under which what could be opened is now."""
    resealed: int = 0
    stuck: list[StuckCredential] = field(default_factory=list)
    """Credentials that no key of INVITE_CREDENTIAL_KEYS opens; they stay as they are."""


@app.callback()
def _group() -> None:
    """Keep `rotate` a command of its own."""


@app.command("rotate")
def rotate(*, as_json: JsonOption = False) -> None:
    """Seal everything that is under another key anew, under the first of INVITE_CREDENTIAL_KEYS.

    May run beside everything else and be repeated or interrupted at will. Exits with 1 when something cannot be opened.
    """

    async def use(services: Factory) -> RotationAnswer:
        credentials = services.create_credentials()
        answer = RotationAnswer(credentials.current_key_id)
        merchant_ids = await credentials.list_merchants()
        done = 0
        with progress("Sealing credentials", total=len(merchant_ids)) as report:
            async for rotated in credentials.rotate(merchant_ids):
                answer.resealed += rotated.resealed
                answer.stuck += rotated.stuck
                done += 1
                report(done)
        return answer

    answer = run_with_services(use)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer.resealed} credential(s) were sealed anew under {answer.key_id}.")
        if answer.stuck:
            rows = [(one.merchant_id, one.channel.value, one.key_id) for one in answer.stuck]
            print_rows(open_console(), ["Merchant", "Channel", "Key"], rows, title="Cannot be opened")
    if answer.stuck:
        raise typer.Exit(FAILED)
