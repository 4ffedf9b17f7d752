"""Options that several commands share, each group of them written once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from invite_service.services.paging import DEFAULT_PAGE, MAX_PAGE


def check_text(text: str) -> str:
    """Refuse bytes that are no text, which a shell passes on all the same and no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("Must be text in UTF-8.") from None
    return text


MerchantOption = Annotated[str, typer.Option("--merchant", callback=check_text, help="The merchant's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON as the HTTP API answers it.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Show how far it is until it has finished.")]
PersonalOption = Annotated[bool, typer.Option("--personal", help="Show the customer's name and address too.")]


class Sorting(StrEnum):
    """How a list is sorted that begins with the latest."""

    CREATED_AT = "created_at"
    LATEST_CREATED_AT = "-created_at"


LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MAX_PAGE, help="How many at most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="The next or the previous page, as an earlier one named it.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page of a list that is sorted by when its items were made."""

    sort: Annotated[Sorting, typer.Option("--sort", help="A minus: latest first.")] = Sorting.LATEST_CREATED_AT
    limit: LimitOption = DEFAULT_PAGE
    cursor: CursorOption = None

    def document(self) -> dict[str, Any]:
        """Write what is given as the HTTP API takes it."""
        return {"sort": self.sort.value, "limit": self.limit, "cursor": self.cursor}


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of its dataclass parameters as parameters of its own, and hand them over as one.

    Typer reads options from a signature only, so each command would have to repeat those that it shares.
    """
    parameters = inspect.signature(command).parameters.values()
    groups: dict[str, Any] = {one.name: one.annotation for one in parameters if is_dataclass(one.annotation)}
    fields = {name: inspect.signature(group).parameters for name, group in groups.items()}

    @wraps(command)
    def spread_out(**given: Any) -> None:
        taken = {name: group(**{field: given.pop(field) for field in fields[name]}) for name, group in groups.items()}
        command(**taken, **given)

    own = [[one] if one.name not in fields else list(fields[one.name].values()) for one in parameters]
    signature = inspect.Signature([one.replace(kind=one.KEYWORD_ONLY) for part in own for one in part])
    spread_out.__signature__ = signature  # type: ignore[attr-defined]
    return spread_out
