"""Settings of a process, read once from the environment by its entry point and passed on as a value.

Every variable is named `INVITE_` and the field's name in capitals; an empty one counts as not set. Settings of a
merchant (policy, texts, channels) are no business of this file: they live in the database.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from invite_service.rules.sms_senders import kind_of_sender
from invite_service.services.sealing import read_keys

ENVIRONMENT_PREFIX: Final = "INVITE_"

SECRET_KEY_LENGTH: Final = 32
"""Characters a secret key has at least."""


_BUCKET_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._-]+)+", re.ASCII)
"""Nothing in it may need encoding: it is part of what is signed."""

Network = IPv4Network | IPv6Network

_PROVIDER: Final = re.compile(r"[0-9A-Za-z_]+")


class InvalidSettingsError(Exception):
    """The environment does not hold usable settings; the message names every faulty variable and no value."""


@dataclass(frozen=True, slots=True)
class _Url:
    """What the settings look at in a URL; the library's errors would repeat parts of it."""

    scheme: str
    host: str | None
    port: int | None
    username: str | None
    path: str
    query: str
    fragment: str

    @classmethod
    def parse(cls, url: str) -> "_Url":
        try:
            parts = urlsplit(url)
            return cls(
                scheme=parts.scheme,
                host=parts.hostname,
                port=parts.port,
                username=parts.username,
                path=parts.path,
                query=parts.query,
                fragment=parts.fragment,
            )
        except ValueError:
            raise ValueError("is not a URL") from None


def _secret_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < SECRET_KEY_LENGTH:
        raise ValueError(f"must have at least {SECRET_KEY_LENGTH} characters")
    return key


def _credential_keys(keys: SecretStr) -> SecretStr:
    read_keys(keys.get_secret_value())
    return keys


def _postgres_url(url: SecretStr) -> SecretStr:
    parts = _Url.parse(url.get_secret_value())
    if parts.scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not parts.path.strip("/"):
        raise ValueError("must look like postgresql://user:password@host:port/database")
    return SecretStr("postgresql+asyncpg" + url.get_secret_value().removeprefix(parts.scheme))


def _redis_url(url: SecretStr) -> SecretStr:
    if _Url.parse(url.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must look like redis://:password@host:port/0, rediss:// for TLS, or unix:// for a socket")
    return url


def _smtp_url(url: SecretStr) -> SecretStr:
    parts = _Url.parse(url.get_secret_value())
    if parts.scheme not in {"smtp", "smtps"} or not parts.host:
        raise ValueError("must look like smtp://user:password@host:port or smtps://user:password@host:port")
    return url


def _provider_url(url: SecretStr) -> SecretStr:
    # A provider's name need not be what RFC 3986 calls a scheme: `46elks` begins with a digit.
    name, colon, _ = url.get_secret_value().partition(":")
    if not colon or not _PROVIDER.fullmatch(name) or name.lower() in {"http", "https"}:
        raise ValueError("must look like provider:?option=value&option=value, values percent-encoded")
    return url


def _sms_sender(sender: str) -> str:
    if kind_of_sender(sender) is None:
        raise ValueError("must be an E.164 number, a short code, or a name of at most 11 letters and digits")
    return sender


def _base_url(url: str) -> str:
    parts = _Url.parse(url)
    if parts.scheme not in {"http", "https"} or not parts.host or parts.username or "?" in url or "#" in url:
        raise ValueError("must look like https://reviews.example.com/path, without query or fragment")
    return url.rstrip("/")


def _bucket_url(url: str) -> str:
    if not _BUCKET_URL.fullmatch(_base_url(url)):
        raise ValueError("must look like https://s3.eu-north-1.amazonaws.com/bucket")
    return _base_url(url)


def _email(address: str) -> str:
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValueError("must be an e-mail address") from None


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return tuple(ip_network(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("must be networks separated by commas, such as 10.2.0.0/16,fd00:2::/32") from None


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain line breaks or other control characters")
    return text


class Settings(BaseSettings):
    """What one process needs to know of its surroundings."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)]
    """PostgreSQL 15 to 18, as `postgresql://user:password@host:port/database`."""

    database_pool_size: int = Field(default=10, ge=2, le=200)
    """Connections to PostgreSQL this process keeps open at most."""

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    """Redis 6.2 or later, which wakes workers early; without it they look for work every `poll_interval`."""

    secret_key: Annotated[SecretStr, AfterValidator(_secret_key)]
    """Signs tokens and peppers contact keys, at least 32 characters. All processes share it; links die with it."""

    credential_keys: Annotated[SecretStr, AfterValidator(_credential_keys)] | None = None
    """Seal merchants' credentials, as `id:base64,id:base64`; the first seals. Without them one is derived."""

    public_base_url: Annotated[str, AfterValidator(_base_url)] = "http://127.0.0.1:8000"
    """Where customers reach the hosted pages; links in messages begin with it."""

    host: str = "127.0.0.1"
    """Address the API listens on, and a worker with its health and metrics."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port the API listens on; 0 takes a free one."""

    worker_port: int = Field(default=0, ge=0, le=65535)
    """Port on which a worker answers `/livez` and `/metrics`; 0 takes a free one, so that several share a machine."""

    rate_limit: int = Field(default=300_000, ge=0)
    """Requests that an API key may make of one process in a minute; 0 counts none."""

    visitor_rate_limit: int = Field(default=30, ge=0)
    """Votes, reports and feeds that one process takes from one address in a minute; 0 counts none."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = (
        IPv4Network("127.0.0.1/32"),
    )
    """Networks, separated by commas, of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe log entries that are written."""

    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    """SMTP server for merchants without an e-mail provider of their own; docs/providers/smtp.md lists its options."""

    email_url: Annotated[SecretStr, AfterValidator(_provider_url)] | None = None
    """Instead of `smtp_url`, another e-mail provider for them, as `provider:?option=value&option=value`."""

    sms_url: Annotated[SecretStr, AfterValidator(_provider_url)] | None = None
    """SMS provider for merchants without one of their own, as `provider:?option=value&option=value`."""

    email_max_per_second: float | None = Field(default=None, ge=0.001, le=10_000, allow_inf_nan=False)
    """E-mails of all merchants that leave through it in a second at the most, however many workers there are."""

    email_max_per_hour: int | None = Field(default=None, ge=1, le=36_000_000)
    """The same of an hour, spread evenly over it; of two limits the slower holds."""

    sms_max_per_second: float | None = Field(default=None, ge=0.001, le=10_000, allow_inf_nan=False)
    """SMS of all merchants that leave through it in a second at the most."""

    sms_max_per_hour: int | None = Field(default=None, ge=1, le=36_000_000)
    """The same of an hour, spread evenly over it."""

    sms_sender: Annotated[str, AfterValidator(_sms_sender)] = "Reviews"
    """Who SMS are from for merchants who name no sender: a number, a short code, or at most 11 letters and digits."""

    sender_email: Annotated[str, AfterValidator(_email)] | None = Field(default=None, validate_default=True)
    """From address for merchants without one of their own; required with `smtp_url` and `email_url`."""

    sender_name: Annotated[str, AfterValidator(_one_line)] | None = Field(default=None, max_length=100)
    """From name for merchants without one of their own."""

    provider_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    """Networks, separated by commas, in which merchants' own providers may be besides the public internet."""

    picture_dir: Path | None = None
    """Directory that keeps the pictures of reviews; several machines that serve the API share it."""

    picture_s3_url: Annotated[str, AfterValidator(_bucket_url)] | None = None
    """Instead of `picture_dir`, a bucket, as `https://s3.eu-north-1.amazonaws.com/bucket`."""

    picture_s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]{1,40}$")
    """The bucket's region; stores that are not Amazon's mostly know one alone."""

    picture_s3_access_key_id: SecretStr | None = None
    """Key that may read, write and delete in the bucket."""

    picture_s3_secret_access_key: SecretStr | None = Field(default=None, validate_default=True)
    """Secret of that key."""

    poll_interval: float = Field(default=1.0, ge=0.05, le=60)
    """Seconds between two looks of a worker for due invitations."""

    worker_name: str = Field(default_factory=socket.gethostname, max_length=100)
    """How this worker is called in logs and leases; the host's name where none is given."""

    @field_validator("email_url")
    @classmethod
    def _is_the_only_one(cls, email_url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if email_url is not None and info.data.get("smtp_url") is not None:
            raise ValueError("cannot be set beside INVITE_SMTP_URL: e-mails leave through one of them")
        return email_url

    @field_validator("picture_s3_url")
    @classmethod
    def _is_the_only_shelf(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.data.get("picture_dir") is not None:
            raise ValueError("cannot be set beside INVITE_PICTURE_DIR: pictures are kept in one place")
        return url

    @field_validator("picture_s3_secret_access_key")
    @classmethod
    def _opens_the_bucket(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        has_bucket = info.data.get("picture_s3_url") is not None
        if has_bucket and (secret is None or info.data.get("picture_s3_access_key_id") is None):
            raise ValueError("and INVITE_PICTURE_S3_ACCESS_KEY_ID are required with INVITE_PICTURE_S3_URL")
        return secret

    @field_validator("sender_email")
    @classmethod
    def _comes_with_a_provider(cls, sender_email: str | None, info: ValidationInfo) -> str | None:
        # A faulty URL is missing from the values read so far, and needs a sender as well.
        for name in ("smtp_url", "email_url"):
            if sender_email is None and info.data.get(name, "faulty") is not None:
                raise ValueError(f"is required with INVITE_{name.upper()}: the address messages come from")
        return sender_email


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        InvalidSettingsError: variables are missing or faulty; the message names all of them, one a line.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettingsError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    lines = [f"{ENVIRONMENT_PREFIX}{str(fault['loc'][0]).upper()} {_sentence(fault)}" for fault in error.errors()]
    return "\n".join(["These settings are missing or faulty:", *(f"  {line}" for line in lines)])


def _sentence(fault: ErrorDetails) -> str:
    if fault["type"] == "missing":
        return "is not set"
    reason = fault["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:] if fault["type"] == "value_error" else f"is not usable: {reason}"
