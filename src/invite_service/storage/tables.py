"""Metadata of every table (DESIGN.md section 4).

`merchant_id` leads every primary key, unique constraint and foreign key of a tenant table, so that the schema
distributes on Citus unchanged; the tables of `REFERENCE_TABLES` are the only exceptions. All instants are
timestamptz. Columns on the merchant's clock and on real time are told apart in the comments of their section.
"""

from typing import Final

from invite_service.storage.metadata import accounts, customers, delivery, feedback, messages, purchases, records
from invite_service.storage.metadata.columns import metadata

REFERENCE_TABLES: Final = frozenset({"merchants", "api_keys", "operator_keys", "provider_paces"})
"""Small tables that exist whole on every node."""

# What imports the metadata from here has all of the tables in it.
__all__ = [
    "REFERENCE_TABLES",
    "accounts",
    "customers",
    "delivery",
    "feedback",
    "messages",
    "metadata",
    "purchases",
    "records",
]
