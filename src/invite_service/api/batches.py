"""Reading and answering batches: every event for itself, so that a faulty one does not stop the others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import Request

from invite_service.api.bodies import needs_text_check, read_document, validate_part
from invite_service.api.errors import problem_of
from invite_service.api.schemas.batch import MAX_BATCH
from invite_service.api.schemas.decision import BatchResponse, BatchResultResponse
from invite_service.api.schemas.fields import STRICT
from invite_service.api.schemas.order import ORDER
from invite_service.domain.errors import DomainError, InvalidInputError
from invite_service.domain.order import OrderOutcome
from invite_service.services.ingest import IngestedOrder, IngestItem, IngestResult

REFUSED = "refused"
"""Counts, beside the outcomes, the events that were not accepted."""

FAULTY_EVENT = "The order has faults."


class _Envelope(BaseModel):
    """A batch with its events unread."""

    model_config = STRICT

    orders: list[Any] = Field(max_length=MAX_BATCH)


_ENVELOPE = TypeAdapter(_Envelope)


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A batch as it was read: per position the event, or why it cannot be one."""

    items: Sequence[IngestItem | InvalidInputError]
    order_ids: Sequence[str | None]

    @property
    def accepted(self) -> list[IngestItem]:
        """The events that can be decided, in their order."""
        return [item for item in self.items if isinstance(item, IngestItem)]


async def read_batch(request: Request) -> ReadBatch:
    """Read a batch once and validate it event by event.

    Raises MalformedJsonError, or InvalidInputError when the body is no batch at all.
    """
    raw = await request.body()
    check_text = needs_text_check(raw)
    documents = validate_part(read_document(raw), _ENVELOPE, check_text=False).orders
    items = [_read_item(document, check_text=check_text) for document in documents]
    order_ids = [
        item.event.order_id if isinstance(item, IngestItem) else _usable_id(document, item)
        for item, document in zip(items, documents, strict=True)
    ]
    return ReadBatch(items, order_ids)


def _read_item(document: Any, *, check_text: bool) -> IngestItem | InvalidInputError:
    try:
        return IngestItem(validate_part(document, ORDER, check_text=check_text).to_event(), document)
    except InvalidInputError as error:
        return error


def _usable_id(document: Any, error: InvalidInputError) -> str | None:
    """Name a faulty event by its order, unless that is what is wrong with it."""
    if not isinstance(document, dict) or any(fault.pointer in {"", "/order_id"} for fault in error.faults):
        return None
    order_id = document.get("order_id")
    return order_id if isinstance(order_id, str) else None


def answer_batch(batch: ReadBatch, results: Iterable[IngestResult], *, request_id: str) -> BatchResponse:
    """Put together what became of each event; `results` are those of the accepted ones."""
    remaining = iter(results)
    answers = tuple(
        _refused(index, order_id, item, request_id=request_id)
        if isinstance(item, InvalidInputError)
        else _answer(index, next(remaining), request_id=request_id)
        for index, (item, order_id) in enumerate(zip(batch.items, batch.order_ids, strict=True))
    )
    counts = Counter(dict.fromkeys((*(outcome.value for outcome in OrderOutcome), REFUSED), 0))
    counts.update(answer.outcome.value if answer.outcome else REFUSED for answer in answers)
    return BatchResponse(results=answers, counts=counts)


def _answer(index: int, result: IngestResult, *, request_id: str) -> BatchResultResponse:
    if not isinstance(result, IngestedOrder):
        error = InvalidInputError(FAULTY_EVENT, faults=result.faults)
        return _refused(index, result.order_id, error, request_id=request_id)
    return BatchResultResponse(
        index=index,
        order_id=result.order.order_id,
        outcome=result.order.outcome,
        reason=result.order.reason,
        invitation_id=result.order.invitation_id,
        problem=None,
    )


def _refused(index: int, order_id: str | None, error: DomainError, *, request_id: str) -> BatchResultResponse:
    return BatchResultResponse(
        index=index,
        order_id=order_id,
        outcome=None,
        reason=None,
        invitation_id=None,
        problem=problem_of(error, request_id=request_id),
    )
