"""What the tables have in common: their metadata, the names of constraints, and the columns that most have."""

from typing import Any, Final

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, MetaData, Text

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(referred_table_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    """Make a timestamptz column."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def words(name: str, *, nullable: bool = False) -> Column[Any]:
    """Make a text column."""
    return Column(name, Text, nullable=nullable)


def merchant() -> Column[Any]:
    """Make the column that leads every key of a tenant table."""
    return Column("merchant_id", Text, nullable=False)


def of_merchant() -> ForeignKeyConstraint:
    """Have the rows belong to a merchant that is there."""
    return ForeignKeyConstraint(["merchant_id"], ["merchants.id"])
