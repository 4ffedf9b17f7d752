"""Support cases: rows of support_cases. A rating has one open case at most."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.support import SupportCase
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver, Row

_COLUMNS: Final = "id, rating_id, opened_at, opened_by, followed_up_at, followed_up_by, closed_at, closed_by"

ADD_CASE: Final = """
INSERT INTO support_cases (merchant_id, id, rating_id, opened_at, opened_by) VALUES ($1, $2, $3, $4, $5)
"""

FIND_OPEN_CASES: Final = f"""
SELECT {_COLUMNS} FROM support_cases WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[]) AND closed_at IS NULL
"""  # noqa: S608 - built from the constant above

LOCK_CASE: Final = f"""
SELECT {_COLUMNS} FROM support_cases WHERE merchant_id = $1 AND id = $2 ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - built from the constant above

SAVE_CASE: Final = """
UPDATE support_cases SET followed_up_at = $3, followed_up_by = $4, closed_at = $5, closed_by = $6
WHERE merchant_id = $1 AND id = $2
"""

LIST_CASES: Final = f"""
SELECT {_COLUMNS} FROM support_cases
WHERE merchant_id = $1{{conditions}}
ORDER BY opened_at {{direction}}, id {{direction}}
LIMIT {{limit}}
"""  # noqa: S608 - built from the constant above


class SupportCaseStore:
    """A merchant's support cases."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, merchant_id: MerchantId, case: SupportCase) -> None:
        """Open a case; the rating's lock keeps a second one from being opened meanwhile."""
        await self._driver.execute(ADD_CASE, merchant_id, case.id, case.rating_id, case.opened_at, case.opened_by)

    async def find_open(self, merchant_id: MerchantId, rating_ids: Collection[UUID]) -> dict[UUID, SupportCase]:
        """Find the open cases of ratings, by the rating's id."""
        rows = await self._driver.fetch(FIND_OPEN_CASES, merchant_id, list(rating_ids))
        return {row["rating_id"]: _case(row) for row in rows}

    async def lock(self, merchant_id: MerchantId, case_id: UUID) -> SupportCase | None:
        """Lock a case; None where there is none of that id."""
        row = await self._driver.fetchrow(LOCK_CASE, merchant_id, case_id)
        return None if row is None else _case(row)

    async def save(self, merchant_id: MerchantId, case: SupportCase) -> None:
        """Write what was done about a case that is locked."""
        await self._driver.execute(
            SAVE_CASE,
            merchant_id,
            case.id,
            case.followed_up_at,
            case.followed_up_by,
            case.closed_at,
            case.closed_by,
        )

    async def list_(self, merchant_id: MerchantId, *, is_open: bool | None, part: Slice) -> Sequence[SupportCase]:
        """List cases by when they were opened; only open or only closed ones where that is asked for."""
        conditions = Conditions(merchant_id, [part.limit])
        conditions.add_part("(opened_at, id)", [], part, least_id=UUID(int=0))
        if is_open is not None:
            conditions.add(f"closed_at IS {'' if is_open else 'NOT '}NULL")
        statement = LIST_CASES.format(conditions=conditions, direction="ASC" if part.ascending else "DESC", limit="$2")
        return [_case(row) for row in await self._driver.fetch(statement, *conditions.parameters)]


def _case(row: Row) -> SupportCase:
    case_id, rating_id, opened_at, opened_by, followed_up_at, followed_up_by, closed_at, closed_by = row
    return SupportCase(
        id=case_id,
        rating_id=rating_id,
        opened_at=opened_at,
        opened_by=opened_by,
        followed_up_at=followed_up_at,
        followed_up_by=followed_up_by,
        closed_at=closed_at,
        closed_by=closed_by,
    )
