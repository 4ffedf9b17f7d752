"""What `dev` and its processes tell each other, and what it tells its user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPrepare:
    """Where the servers are, and what shall answer where."""

    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    data_dir: Path
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys made on the first start."""

    api_key: str = field(repr=False)
    operator_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What API and worker can begin with."""

    merchant_id: str
    keys: Keys
    environment: Mapping[str, str] = field(repr=False)
    """Their settings, as variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevFacts:
    """What `dev.json` says."""

    base_url: str
    merchant_id: str
    api_key: str
    operator_key: str
    database_url: str
    redis_url: str | None
    pids: Mapping[str, int]
