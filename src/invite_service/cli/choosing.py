"""The filters that choose invitations, as options with the names they have in the HTTP API."""

from dataclasses import dataclass, fields
from datetime import date, datetime, time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.fields import read_day, read_instant
from invite_service.api.schemas.listing import InvitationListParameters
from invite_service.domain.invitation import Channel, InvitationStatus, Kind
from invite_service.services.periods import Period

DAY_LENGTH: Final = len("2026-03-16")

PANEL: Final = "Which invitations (all that are given apply together)"


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, or a day, which begins at midnight in the merchant's zone."""

    given: datetime | date

    def text(self, *, zone: str) -> str:
        """Write it as the HTTP API takes it."""
        if isinstance(self.given, datetime):
            return self.given.isoformat()
        return datetime.combine(self.given, time.min, tzinfo=ZoneInfo(zone)).isoformat()


def read_moment(text: str) -> Moment:
    """Read `2026-03-02` or `2026-03-02T14:30:00+01:00`."""
    day, instant = text[:DAY_LENGTH], text[DAY_LENGTH:]
    if not day[:1].isdigit() or instant[:1] not in {"", "T", "t"}:
        raise typer.BadParameter("Must be a day, as in 2026-03-16, or an instant, as in 2026-03-16T14:30:00+01:00.")
    try:
        return Moment(read_instant(text) if instant else read_day(text))
    except PydanticCustomError as error:
        raise typer.BadParameter(error.message()) from None


def read_day_option(text: str) -> date:
    """Read a day."""
    try:
        return read_day(text)
    except PydanticCustomError as error:
        raise typer.BadParameter(error.message()) from None


def moment_option(name: str, says: str, *, panel: str | None = PANEL) -> Any:
    """Make an option that takes a moment."""
    return typer.Option(name, parser=read_moment, metavar="DAY|INSTANT", help=says, rich_help_panel=panel)


def _option(name: str, says: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=says, metavar=metavar, rich_help_panel=PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which invitations are wanted."""

    status: Annotated[list[InvitationStatus] | None, _option("--status", "May be given several times.")] = None
    kind: Annotated[Kind | None, _option("--kind", "What it asks about.")] = None
    channel: Annotated[Channel | None, _option("--channel", "The way its messages travel.")] = None
    product_id: Annotated[str | None, _option("--product-id", "A product it asks about.", "ID")] = None
    order_id: Annotated[str | None, _option("--order-id", "An order that joined.", "ID")] = None
    email: Annotated[
        str | None, _option("--email", "The address it goes to, or of an order that joined; exact.", "ADDRESS")
    ] = None
    created_from: Annotated[Moment | None, moment_option("--created-from", "Planned at this time or later.")] = None
    created_to: Annotated[Moment | None, moment_option("--created-to", "Planned before this time.")] = None
    send_from: Annotated[Moment | None, moment_option("--send-from", "To be sent at this time or later.")] = None
    send_to: Annotated[Moment | None, moment_option("--send-to", "To be sent before this time.")] = None
    period: Annotated[
        Period | None,
        _option(
            "--period", "When it is to be sent, in days of the merchant's zone; those with a number include today."
        ),
    ] = None

    @property
    def is_empty(self) -> bool:
        """Whether it filters nothing."""
        return not any(getattr(self, field.name) for field in fields(self))

    def document(self, *, zone: str) -> dict[str, Any]:
        """Write what is given as the HTTP API takes it.

        Raises:
            InvalidInputError: filters cannot be read, or leave nothing to find; all of them are named.
        """
        document = self._written(zone)
        validate_part(document, _LIST, check_text=True).to_filter()
        return document

    def _written(self, zone: str) -> dict[str, Any]:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _written(value, zone) for name, value in given.items() if value is not None and value != []}


_LIST: Final = TypeAdapter(InvitationListParameters)


def _written(value: object, zone: str) -> object:
    if isinstance(value, list):
        return [_written(part, zone) for part in value]
    return value.text(zone=zone) if isinstance(value, Moment) else str(value)
