"""Who must not be written to: list, enter, import, export, look up, lift.

Contacts are posted and never stand in an address.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import needs_text_check, read_body, read_document, validate_part
from invite_service.api.dependencies import ReadsSuppressions, Services, WritesSuppressions
from invite_service.api.errors import CREATED, MAX_FAULTS, NO_CONTENT, OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.suppression import (
    SUBJECT,
    SUPPRESSION,
    SUPPRESSIONS,
    EnteredResponse,
    FoundSuppressionsResponse,
    ImportResponse,
    LiftedResponse,
    LineFaultResponse,
    ReadHash,
    SubjectRequest,
    SuppressionChoice,
    SuppressionListParameters,
    SuppressionListResponse,
    SuppressionResponse,
    SuppressionsRequest,
    envelope_of,
    faults_at,
)
from invite_service.api.spreadsheets import CSV_ANSWER, CSV_PROSE, CSV_TYPE, answer_csv
from invite_service.api.suppression_files import MAX_LINES, ReadRow, read_rows
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.services.access import Caller
from invite_service.services.suppressions import SuppressionEntry, SuppressionNotFoundError, SuppressionService

router = APIRouter(tags=["suppressions"], route_class=StrictRoute)

_FILE: dict[str, Any] = {
    "required": True,
    "content": {CSV_TYPE: {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}},
}


def read_suppression_id(suppression_id: str) -> UUID:
    """Read the id in the path; one that is none belongs to no suppression."""
    try:
        return UUID(suppression_id)
    except ValueError:
        raise SuppressionNotFoundError("No suppression of that id exists.") from None


SuppressionId = Annotated[UUID, Depends(read_suppression_id)]


@router.get(
    "/v1/suppressions",
    **documented(
        "list_suppressions",
        "List suppressions",
        description="In the order in which they were entered. Of a contact only a keyed hash is kept.",
        answers={OK: SuppressionListResponse},
        problems=["invalid_input"],
        scope="suppressions:read",
    ),
)
async def list_suppressions(
    caller: ReadsSuppressions, services: Services, asked: Annotated[SuppressionListParameters, Query()]
) -> Response:
    page = await services.create_suppressions().list_(caller.merchant, asked.to_filter(), page=asked.to_page())
    return JsonAnswer(SuppressionListResponse.of(page, asked))


@router.get(
    "/v1/suppressions.csv",
    **documented(
        "export_suppressions",
        "Export suppressions as CSV",
        description="Every suppression that the same parameters list, and the same fields; the file can be imported "
        f"again. {CSV_PROSE}",
        problems=["invalid_input"],
        scope="suppressions:read",
    )
    | CSV_ANSWER,
)
async def export_suppressions(
    caller: ReadsSuppressions, services: Services, asked: Annotated[SuppressionChoice, Query()]
) -> Response:
    chunks = services.create_suppressions().export(caller.merchant, asked.to_filter(), ascending=asked.is_ascending)
    return await answer_csv(chunks, model=SuppressionResponse, shape=SuppressionResponse.of, name="suppressions.csv")


@router.post(
    "/v1/suppressions",
    **documented(
        "create_suppressions",
        "Suppress contacts",
        description="One suppression, or up to 1000 in `suppressions`, all of them or, with faults, none. From now on "
        "no order of these contacts is invited, and what is scheduled is skipped when it is due. The same again "
        "changes nothing; of several entries for one contact the widest counts.",
        takes=SuppressionsRequest,
        answers={CREATED: EnteredResponse, OK: EnteredResponse},
        scope="suppressions:write",
    ),
)
async def create_suppressions(request: Request, caller: WritesSuppressions, services: Services) -> Response:
    suppressions = services.create_suppressions()
    entries = await _read_entries(request, suppressions, caller)
    entered = await suppressions.enter(caller.merchant, entries, actor=caller.actor)
    return JsonAnswer(EnteredResponse.of(entered), status_code=CREATED if entered.added else OK)


_IMPORT = documented(
    "import_suppressions",
    "Import a file of suppressions",
    description=f"CSV with a header row, or JSON lines: the fields of a suppression, at most {MAX_LINES} rows. Takes "
    "addresses in clear and the hashes of an export of the same merchant. Faulty rows are named by line and the others "
    "are entered; the same file again changes nothing.",
    answers={OK: ImportResponse},
    problems=["file_unreadable", "invalid_input", "body_too_large"],
    scope="suppressions:write",
)
_IMPORT["openapi_extra"]["requestBody"] = _FILE


@router.post("/v1/suppressions/import", **_IMPORT)
async def import_suppressions(request: Request, caller: WritesSuppressions, services: Services) -> Response:
    suppressions = services.create_suppressions()
    read_hash, now = _hash_reader(suppressions, caller), suppressions.now(caller.merchant)
    rows = added = refused = 0
    faults: list[LineFaultResponse] = []
    for chunk in read_rows(await request.body()):
        entries: list[SuppressionEntry] = []
        for row in chunk:
            try:
                entries.append(_entry_of(row, read_hash, now=now))
            except InvalidInputError as error:
                refused += 1
                faults += _line_faults(row.line, error)[: MAX_FAULTS - len(faults)]
        rows += len(chunk)
        if entries:
            added += await suppressions.import_chunk(caller.merchant, entries, actor=caller.actor)
        # Reading takes the processor; whoever else waits for this process gets it in between.
        await asyncio.sleep(0)
    known = rows - added - refused
    return JsonAnswer(ImportResponse(rows=rows, added=added, known=known, refused=refused, errors=faults))


@router.post(
    "/v1/suppressions/lookup",
    **documented(
        "look_up_suppressions",
        "Look up a contact",
        description="What keeps messages from it, wildcards included. Posted, since a contact never stands in an "
        "address.",
        takes=SubjectRequest,
        answers={OK: FoundSuppressionsResponse},
        scope="suppressions:read",
    ),
)
async def look_up_suppressions(request: Request, caller: ReadsSuppressions, services: Services) -> Response:
    suppressions = services.create_suppressions()
    posted = await read_body(request, SUBJECT)
    found = await suppressions.look_up(caller.merchant, posted.to_subject(_hash_reader(suppressions, caller)))
    return JsonAnswer(FoundSuppressionsResponse([SuppressionResponse.of(item) for item in found]))


@router.delete(
    "/v1/suppressions",
    **documented(
        "lift_suppressions",
        "Lift the suppressions of a contact",
        description="Those that are the merchant's to lift: entered or imported by it, and bounces once an address is "
        "corrected. What a customer said stays, and the answer says so. Wildcards that cover the contact stay too.",
        takes=SubjectRequest,
        answers={OK: LiftedResponse},
        scope="suppressions:write",
    ),
)
async def lift_suppressions(request: Request, caller: WritesSuppressions, services: Services) -> Response:
    suppressions = services.create_suppressions()
    posted = await read_body(request, SUBJECT)
    subject = posted.to_subject(_hash_reader(suppressions, caller))
    return JsonAnswer(LiftedResponse.of(await suppressions.lift_contact(caller.merchant, subject, actor=caller.actor)))


@router.delete(
    "/v1/suppressions/{suppression_id}",
    **documented(
        "lift_suppression",
        "Lift a suppression",
        description="Refused with `customer_unsubscribed`, `customer_complained` or `customer_erased` where the "
        "customer said so.",
        answers={NO_CONTENT: None},
        problems=["suppression_not_found", "action_refused"],
        scope="suppressions:write",
    ),
    status_code=NO_CONTENT,
)
async def lift_suppression(suppression_id: SuppressionId, caller: WritesSuppressions, services: Services) -> Response:
    await services.create_suppressions().lift(caller.merchant, suppression_id, actor=caller.actor)
    return Response(status_code=NO_CONTENT)


async def _read_entries(request: Request, suppressions: SuppressionService, caller: Caller) -> list[SuppressionEntry]:
    """Read one suppression, or several of which every fault is named."""
    raw = await request.body()
    document, check_text = read_document(raw), needs_text_check(raw)
    read_hash, now = _hash_reader(suppressions, caller), suppressions.now(caller.merchant)
    if not envelope_of(document):
        return [validate_part(document, SUPPRESSION, check_text=check_text).to_entry(read_hash, now=now)]
    entries: list[SuppressionEntry] = []
    faults: list[Fault] = []
    posted = validate_part(document, SUPPRESSIONS, check_text=check_text).suppressions
    for index, item in enumerate(posted):
        try:
            entries.append(item.to_entry(read_hash, now=now))
        except InvalidInputError as error:
            faults += faults_at(error.faults, index)
    if faults:
        raise InvalidInputError("The body has faults.", faults=faults)
    return entries


def _hash_reader(suppressions: SuppressionService, caller: Caller) -> ReadHash:
    return lambda text: suppressions.read_hash(caller.merchant, text)


def _entry_of(row: ReadRow, read_hash: ReadHash, *, now: datetime) -> SuppressionEntry:
    if isinstance(row.posted, InvalidInputError):
        raise row.posted
    return row.posted.to_entry(read_hash, now=now)


def _line_faults(line: int, error: InvalidInputError) -> list[LineFaultResponse]:
    return [
        LineFaultResponse(line=line, field=fault.pointer.removeprefix("/"), code=fault.code, detail=fault.detail)
        for fault in error.faults
    ]
