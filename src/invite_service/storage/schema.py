"""Whether the database's schema is the one this code was written for."""

import ast
import functools
import sys
from pathlib import Path

from invite_service.domain.errors import SchemaOutdatedError

MIGRATE_COMMAND = "invite-service migrate"


def find_migrations() -> Path:
    """Find the folder `migrations`: above this package (a checkout), above the environment, or where we stand.

    Raises:
        SchemaOutdatedError: it is nowhere, so that nobody can tell.
    """
    above_package = Path(__file__).resolve().parents
    above_environment = Path(sys.prefix).resolve().parents
    for folder in (*above_package, *above_environment, Path.cwd()):
        if (folder / "migrations" / "env.py").is_file():
            return folder / "migrations"
    raise SchemaOutdatedError("The folder `migrations` that came with this version was not found.")


@functools.cache
def head_revisions(migrations: Path) -> frozenset[str]:
    """Read which revision the migrations lead to.

    Read once in a process, whose code stays the one it was started with.
    Alembic could tell, but it would stay in every process: with its template engine it takes 10 MiB and 0.15 s.
    """
    revisions, followed = set(), set()
    for path in (migrations / "versions").glob("*.py"):
        constants = _constants(path)
        revisions.add(str(constants["revision"]))
        followed.add(constants["down_revision"])
    return frozenset(revisions - followed)


def _constants(path: Path) -> dict[str, object]:
    """Read what a revision's file assigns to its annotated names."""
    return {
        statement.target.id: ast.literal_eval(statement.value)
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
    }


def require_head(stored: frozenset[str], head: frozenset[str]) -> None:
    """Refuse a schema that is not at head, and say what brings it there.

    Raises:
        SchemaOutdatedError: it is older, newer or was never made.
    """
    if stored != head:
        at = ", ".join(sorted(stored)) or "nothing"
        raise SchemaOutdatedError(
            f"The database schema is at {at}, this version needs {', '.join(sorted(head))}: run `{MIGRATE_COMMAND}`."
        )
