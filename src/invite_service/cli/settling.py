"""`retry` and `mark-sent`, of `invitations` and of `notices`: what an operator says of one message in doubt."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import typer

from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.api.schemas.notice import NoticeResponse
from invite_service.bootstrap import Factory
from invite_service.cli.options import JsonOption, MerchantOption
from invite_service.cli.presenting import open_console, print_facts, print_json, shown_instant
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.merchants import OPERATOR

InvitationArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The invitation's id.")]
NoticeArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The notice's id.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def retry_invitation(
    *, invitation_id: InvitationArgument, merchant: MerchantOption, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Try a message again that is in doubt, has failed or was missed."""
    _ask(yes=yes)

    async def use(services: Factory) -> tuple[Merchant, InvitationResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        retried = await services.create_invitations().retry(found, invitation_id, actor=OPERATOR)
        return found, InvitationResponse.of(retried)

    _print_invitation(*run_with_services(use), as_json=as_json)


def mark_invitation_sent(
    *, invitation_id: InvitationArgument, merchant: MerchantOption, as_json: JsonOption = False
) -> None:
    """Settle a message in doubt as sent."""

    async def use(services: Factory) -> tuple[Merchant, InvitationResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        marked = await services.create_invitations().mark_sent(found, invitation_id, actor=OPERATOR)
        return found, InvitationResponse.of(marked)

    _print_invitation(*run_with_services(use), as_json=as_json)


def retry_notice(
    *, notice_id: NoticeArgument, merchant: MerchantOption, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Try a notice again that is in doubt or has failed. It keeps its Message-ID and its key."""
    _ask(yes=yes)

    async def use(services: Factory) -> NoticeResponse:
        found = await services.create_merchants().get(MerchantId(merchant))
        return NoticeResponse.of(await services.create_notice_settling().retry(found, notice_id, actor=OPERATOR))

    _print_notice(run_with_services(use), as_json=as_json)


def mark_notice_sent(*, notice_id: NoticeArgument, merchant: MerchantOption, as_json: JsonOption = False) -> None:
    """Settle a notice in doubt as sent."""

    async def use(services: Factory) -> NoticeResponse:
        found = await services.create_merchants().get(MerchantId(merchant))
        return NoticeResponse.of(await services.create_notice_settling().mark_sent(found, notice_id, actor=OPERATOR))

    _print_notice(run_with_services(use), as_json=as_json)


def _ask(*, yes: bool) -> None:
    if not yes:
        typer.confirm("If it has left after all, it may arrive twice. Try it again?", abort=True, err=True)


def _print_invitation(merchant: Merchant, answer: InvitationResponse, *, as_json: bool) -> None:
    is_to_come = answer.next_step is not None
    facts = {
        "Invitation": answer.id,
        "Status": answer.status,
        "Next": answer.next_step,
        "send_at": shown_instant(answer.send_at, merchant.time_zone) if is_to_come else None,
    }
    _print(answer, facts, as_json=as_json)


def _print_notice(answer: NoticeResponse, *, as_json: bool) -> None:
    _print(answer, {"Notice": answer.id, "Status": answer.status, "Reason": answer.reason}, as_json=as_json)


def _print(answer: object, facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_facts(open_console(), facts)
