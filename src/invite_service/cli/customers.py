"""`customers`: what one asked about their data, a copy of it or that it is erased."""

from typing import Annotated

import typer

from invite_service.api.bodies import validate_part
from invite_service.api.schemas.customer import ERASE, EXPORT, CustomerRecordResponse, ErasureResponse
from invite_service.bootstrap import Factory
from invite_service.cli.options import JsonOption, MerchantOption
from invite_service.cli.presenting import open_console, print_facts, print_json, shown_instant
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.merchants import OPERATOR

app = typer.Typer(no_args_is_help=True, help="Customers: a copy of what is kept of one, and erasing one.")

ContactOption = Annotated[
    str,
    typer.Option(
        "--contact",
        prompt="E-mail address, or phone number with its country code",
        help="Asked for where it is left out, so that it stays out of the shell's history.",
    ),
]


@app.command("export")
def export(*, merchant: MerchantOption, contact: ContactOption) -> None:
    """Print everything that is kept of a customer, as JSON. Look at it before you hand it over."""

    async def use(services: Factory) -> CustomerRecordResponse:
        found = await services.create_merchants().get(MerchantId(merchant))
        asked = validate_part({"contact": contact}, EXPORT, check_text=True)
        return CustomerRecordResponse.of(await services.create_customers().export(found, asked.to_subject()))

    print_json(run_with_services(use))


@app.command("erase")
def erase(
    *,
    merchant: MerchantOption,
    contact: ContactOption,
    keep_reviews: Annotated[
        bool, typer.Option("--keep-reviews", help="Leave texts to be read, without a name.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a customer: names, contacts, texts and pictures go for good; stars stay counted."""
    if not yes:
        typer.confirm("What is erased cannot be brought back. Erase?", abort=True, err=True)

    async def use(services: Factory) -> tuple[Merchant, ErasureResponse]:
        found = await services.create_merchants().get(MerchantId(merchant))
        asked = validate_part({"contact": contact, "keep_reviews": keep_reviews}, ERASE, check_text=True)
        erasure = await services.create_customers().erase(
            found, asked.to_subject(), keeps_reviews=asked.keep_reviews, actor=OPERATOR
        )
        return found, ErasureResponse.of(erasure)

    found, answer = run_with_services(use)
    if as_json:
        print_json(answer)
        return
    facts: dict[str, object] = {
        "Erasure": answer.id,
        "Erased": shown_instant(answer.erased_at, found.time_zone),
        "Contacts": answer.contacts,
        "Orders": answer.orders,
        "Invitations": answer.invitations,
        "Ratings": answer.ratings,
        "Texts taken away": answer.reviews,
        "Pictures": answer.pictures,
    }
    print_facts(open_console(), facts)
