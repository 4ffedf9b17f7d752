"""Batches of order events on the wire."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from invite_service.api.schemas.fields import STRICT
from invite_service.api.schemas.order import OrderRequest

MAX_BATCH: Final = 1000
"""Events of one batch."""


class BatchRequest(BaseModel):
    """Order events, several of one order among them if need be. One that is faulty is refused alone."""

    model_config = STRICT

    orders: Annotated[list[OrderRequest], Field(max_length=MAX_BATCH)]
