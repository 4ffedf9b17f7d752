"""DESIGN.md section 4, proved on the metadata and on the text of every statement."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint

from invite_service import storage
from invite_service.storage.statements import Share, combined
from invite_service.storage.tables import REFERENCE_TABLES, metadata

TENANT_TABLES = {name: table for name, table in metadata.tables.items() if name not in REFERENCE_TABLES}

MIGRATIONS = Path(__file__).parents[2] / "migrations"

ACROSS_MERCHANTS = {
    "invite_service.storage.batch_updates.LIST_MERCHANTS_WITH_UNFINISHED",
    "invite_service.storage.channels.LIST_MERCHANTS_NOT_UNDER_KEY",
    "invite_service.storage.channels.LIST_MERCHANTS_WITH_PROVIDERS",
    "invite_service.storage.due.LIST_DUE_MERCHANTS",
    "invite_service.storage.due.LIST_DUE_MERCHANTS_BY_JOIN",
    "invite_service.storage.due.LIST_MERCHANTS_WITH_EXPIRED_LEASES",
    "invite_service.storage.idempotency.LIST_MERCHANTS_WITH_EXPIRED_KEYS",
    "invite_service.storage.notices.LIST_MERCHANTS_WITH_DUE",
    "invite_service.storage.notices.LIST_MERCHANTS_WITH_EXPIRED",
    "invite_service.storage.reputation.LIST_MERCHANTS_AT_RISK",
    "invite_service.storage.visitors.LIST_MERCHANTS_WITH_PAST_COUNTS",
}
"""Scans that name the merchants with something to do (DESIGN.md section 6); everything after is one merchant's."""

VOLATILE = re.compile(
    r"\b(now|random|gen_random_uuid|uuidv4|uuidv7|uuid_generate_v4|clock_timestamp|statement_timestamp"
    r"|transaction_timestamp|timeofday|nextval|setval|pg_(try_)?advisory_\w+|pg_notify)\s*\("
    r"|\b(CURRENT_TIMESTAMP|CURRENT_DATE|CURRENT_TIME|LOCALTIMESTAMP|LOCALTIME)\b"
    r"|^\s*(LISTEN|NOTIFY|UNLISTEN)\b",
    re.IGNORECASE | re.MULTILINE,
)

TABLE_NAMED = re.compile(
    rf"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?:ONLY\s+)?({'|'.join(TENANT_TABLES)})\b", re.IGNORECASE
)
KEPT_TO_ONE_MERCHANT = re.compile(
    r"\bmerchant_id = (?:\$1|merchants\.id|\w+\.merchant_id)|\bINTO \w+(?: AS \w+)?\s*\(\s*merchant_id,"
)
ROW_LOCK = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b")


def statements() -> Iterator[tuple[str, str]]:
    """Name and text of every statement that a store holds as a constant."""
    for module_info in pkgutil.iter_modules(storage.__path__, f"{storage.__name__}."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if isinstance(value, Share):
                yield f"{module_info.name}.{name}", combined((value,))
            elif isinstance(value, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value):
                yield f"{module_info.name}.{name}", value


STATEMENTS = dict(statements())


def innermost(statement: str, position: int) -> str:
    """Give the query around a position: up to the bracket that encloses it."""
    depth = 0
    for start in range(position - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(statement[start], 0)
        if depth < 0:
            return statement[start + 1 : position]
    return statement[:position]


def test_there_are_tables_and_statements_to_look_at() -> None:
    assert {"orders", "invitations", "contacts", "timeline_entries"} <= TENANT_TABLES.keys()
    assert {
        "invite_service.storage.history.LOCK_ORDERS_AND_CONTACTS",
        "invite_service.storage.history.LOCK_AND_READ_HISTORY",
        "invite_service.storage.orders.ADD_ORDERS",
        "invite_service.storage.sending.CLAIM_DUE",
    } <= STATEMENTS.keys()
    assert STATEMENTS.keys() >= ACROSS_MERCHANTS


@pytest.mark.parametrize("table", TENANT_TABLES.values(), ids=TENANT_TABLES)
def test_merchant_comes_first_in_every_key_of_a_tenant_table(table: Table) -> None:
    keys = [
        constraint
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint)
    ]
    assert [constraint for constraint in keys if next(iter(constraint.columns)).name != "merchant_id"] == []
    assert table.primary_key in keys
    unique_indexes = [index for index in table.indexes if index.unique]
    assert [index for index in unique_indexes if next(iter(index.columns)).name != "merchant_id"] == []


@pytest.mark.parametrize("table", TENANT_TABLES.values(), ids=TENANT_TABLES)
def test_foreign_keys_between_tenant_tables_pair_the_merchants(table: Table) -> None:
    for constraint in table.foreign_key_constraints:
        referred = [element.target_fullname for element in constraint.elements]
        assert referred[0] in {"merchants.id", f"{constraint.referred_table.name}.merchant_id"}


@pytest.mark.parametrize("table", metadata.tables.values(), ids=metadata.tables)
def test_foreign_keys_do_nothing_or_cascade(table: Table) -> None:
    actions = {(constraint.ondelete, constraint.onupdate) for constraint in table.foreign_key_constraints}
    assert actions <= {(None, None), ("NO ACTION", None), ("CASCADE", None)}


@pytest.mark.parametrize("table", metadata.tables.values(), ids=metadata.tables)
def test_nothing_is_made_by_the_server(table: Table) -> None:
    made = [
        column for column in table.columns if column.server_default is not None or column.identity or column.computed
    ]
    assert made == []
    assert table.autoincrement_column is None or table.autoincrement_column.autoincrement is not True


def test_migrations_make_no_trigger_function_or_sequence() -> None:
    pattern = re.compile(
        r"CREATE\s+(OR\s+REPLACE\s+)?(TRIGGER|FUNCTION|PROCEDURE|SEQUENCE|RULE)|\bSERIAL\b", re.IGNORECASE
    )
    texts = {path.name: path.read_text(encoding="utf-8") for path in MIGRATIONS.rglob("*.py")}
    assert [name for name, text in texts.items() if pattern.search(text) or VOLATILE.search(text)] == []


def test_no_text_of_a_store_reads_a_clock_or_chance_or_locks_by_number() -> None:
    found = []
    for path in Path(storage.__path__[0]).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        found += [
            (path.name, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if node.value not in documented and VOLATILE.search(node.value)
        ]
    assert found == []


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - ACROSS_MERCHANTS))
def test_every_tenant_table_in_a_statement_is_kept_to_one_merchant(name: str) -> None:
    statement = STATEMENTS[name]
    tables = TABLE_NAMED.findall(statement)
    assert len(KEPT_TO_ONE_MERCHANT.findall(statement)) >= len(tables), statement


@pytest.mark.parametrize("name", sorted(ACROSS_MERCHANTS))
def test_scans_across_merchants_lock_nothing_and_return_merchants_only(name: str) -> None:
    statement = STATEMENTS[name]
    assert ROW_LOCK.search(statement) is None
    assert re.match(r"\s*SELECT (?:\w+\.merchant_id|merchants\.id)\s+FROM\b", statement)


@pytest.mark.parametrize("name", sorted(name for name, text in STATEMENTS.items() if ROW_LOCK.search(text)))
def test_rows_are_locked_in_order_and_of_one_merchant(name: str) -> None:
    statement = STATEMENTS[name]
    for lock in ROW_LOCK.finditer(statement):
        query = innermost(statement, lock.start())
        if re.search(r"\bFROM merchants\s+WHERE id = \$1\s*$", query):
            continue
        assert re.search(r"\bmerchant_id = \$1", query), query
        assert re.search(r"\bORDER BY\b", query), query


def test_contacts_are_locked_in_order() -> None:
    inserting = [name for name, text in STATEMENTS.items() if "INSERT INTO contacts" in text]
    assert inserting
    for name in inserting:
        assert re.search(
            r"INSERT INTO contacts[^)]*\)\s*SELECT .*?ORDER BY (?:wanted\.)?contact_key\s+ON CONFLICT",
            STATEMENTS[name],
            re.DOTALL,
        ), STATEMENTS[name]
