"""How a merchant's messages leave: channels, their providers, and the pace of both."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from invite_service.storage.metadata.columns import instant, merchant, metadata, of_merchant, words

channels = Table(
    "channels",
    metadata,
    merchant(),
    words("channel"),
    instant("paused_at", nullable=True),
    words("paused_reason", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    of_merchant(),
    comment="Pauses of a merchant's channel; without a row the channel is open.",
)

channel_settings = Table(
    "channel_settings",
    metadata,
    merchant(),
    words("channel"),
    Column("version", Integer, nullable=False),
    words("provider", nullable=True),
    # AES-256-GCM under the key of this id (docs/adr/0016).
    words("key_id", nullable=True),
    Column("sealed_options", LargeBinary, nullable=True),
    # Real time, as everything here.
    instant("options_updated_at", nullable=True),
    words("from_address", nullable=True),
    words("from_name", nullable=True),
    words("reply_to", nullable=True),
    Column("sms_price", Numeric, nullable=True),
    words("sms_currency", nullable=True),
    # NULL where settings were never saved: not wanted.
    Column("records_engagement", Boolean, nullable=True),
    # NULL: as fast as the provider takes them.
    Column("max_per_second", Double, nullable=True),
    Column("max_per_hour", Integer, nullable=True),
    instant("updated_at", nullable=True),
    instant("checked_at", nullable=True),
    words("check_outcome", nullable=True),
    words("check_reason", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    of_merchant(),
    comment="What a merchant set for a channel; without a provider its messages leave through the installation's.",
)

provider_circuits = Table(
    "provider_circuits",
    metadata,
    merchant(),
    words("channel"),
    # Of which provider it was learned, and under which settings: it says nothing of others.
    words("provider"),
    Column("settings_version", Integer, nullable=False),
    # How often it opened in a row; 0 where the provider only asked to wait.
    Column("openings", SmallInteger, nullable=False),
    words("reason", nullable=True),
    # Real time. Until when nothing is tried, until when one message tries, and until when the provider asked to wait.
    instant("open_until", nullable=True),
    instant("trial_until", nullable=True),
    instant("rests_until", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    of_merchant(),
    comment="What a merchant's provider of a channel did last that keeps messages from it; without a row all is well.",
)

send_paces = Table(
    "send_paces",
    metadata,
    merchant(),
    words("channel"),
    Column("tokens", Double, nullable=False),
    # Real time.
    instant("refilled_at"),
    PrimaryKeyConstraint("merchant_id", "channel"),
    of_merchant(),
    postgresql_with={"fillfactor": 50},
    comment="The bucket of a merchant's channel that has a rate: how many messages may leave, as it was at an instant.",
)

provider_paces = Table(
    "provider_paces",
    metadata,
    words("channel"),
    Column("tokens", Double, nullable=False),
    # Real time.
    instant("refilled_at"),
    PrimaryKeyConstraint("channel"),
    postgresql_with={"fillfactor": 50},
    comment="The bucket of the installation's own provider of a channel, where it has a rate; of all merchants.",
)
