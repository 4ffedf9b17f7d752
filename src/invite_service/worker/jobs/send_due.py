"""The job a bell asks for."""

from typing import Any

import structlog

from invite_service.domain.merchant import MerchantId

log = structlog.get_logger()

WAKE = "wake"
"""Key of arq's context under which the dispatcher's wake function lies."""


async def send_due(context: dict[Any, Any], merchant_id: str) -> None:
    """Line the merchant up in this process; what is due, and whether, is read from PostgreSQL by its turn."""
    log.debug("Heard the bell", merchant_id=merchant_id)
    context[WAKE](MerchantId(merchant_id))
