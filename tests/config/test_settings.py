import os
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from invite_service.config import (
    InvalidSettingsError,
    Settings,
    load_settings,
)

REQUIRED = {
    "INVITE_DATABASE_URL": "postgresql+asyncpg://invite:secret@db.example.com:5432/invite",
    "INVITE_SECRET_KEY": "0123456789abcdef0123456789abcdef",
}

CREDENTIAL_KEYS = "2026:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"

type_of_load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> type_of_load:
    """Load settings from these variables and no other of ours."""

    def load_from(**variables: str) -> Settings:
        for name in [name for name in os.environ if name.startswith("INVITE_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load_from


def test_required_variables_alone_give_the_documented_defaults(load: type_of_load) -> None:
    assert load(**REQUIRED, INVITE_WORKER_NAME="worker-1").model_dump() == {
        "database_url": SecretStr("postgresql+asyncpg://invite:secret@db.example.com:5432/invite"),
        "database_pool_size": 10,
        "redis_url": None,
        "secret_key": SecretStr("0123456789abcdef0123456789abcdef"),
        "credential_keys": None,
        "public_base_url": "http://127.0.0.1:8000",
        "host": "127.0.0.1",
        "port": 8000,
        "worker_port": 0,
        "rate_limit": 300_000,
        "log_level": "INFO",
        "smtp_url": None,
        "email_url": None,
        "sms_url": None,
        "email_max_per_second": None,
        "email_max_per_hour": None,
        "sms_max_per_second": None,
        "sms_max_per_hour": None,
        "sms_sender": "Reviews",
        "sender_email": None,
        "sender_name": None,
        "provider_networks": (),
        "visitor_rate_limit": 30,
        "trusted_proxies": (ip_network("127.0.0.1/32"),),
        "picture_dir": None,
        "picture_s3_url": None,
        "picture_s3_region": "us-east-1",
        "picture_s3_access_key_id": None,
        "picture_s3_secret_access_key": None,
        "poll_interval": 1.0,
        "worker_name": "worker-1",
    }


def test_every_variable_set_gives_its_value(load: type_of_load) -> None:
    settings = load(
        INVITE_DATABASE_URL="postgres://invite:p%40ss@/invite?host=/run/postgresql",
        INVITE_DATABASE_POOL_SIZE="20",
        INVITE_REDIS_URL="rediss://:secret@redis.example.com:6380/1",
        INVITE_SECRET_KEY=REQUIRED["INVITE_SECRET_KEY"],
        INVITE_CREDENTIAL_KEYS=CREDENTIAL_KEYS,
        INVITE_PUBLIC_BASE_URL="https://reviews.example.com/ask/",
        INVITE_HOST="::",
        INVITE_PORT="0",
        INVITE_RATE_LIMIT="5000",
        INVITE_WORKER_PORT="8001",
        INVITE_LOG_LEVEL="WARNING",
        INVITE_SMTP_URL="smtps://invite:secret@mail.example.com",
        INVITE_SMS_URL="46elks:?api_username=u1&api_password=secret",
        INVITE_EMAIL_MAX_PER_SECOND="12.5",
        INVITE_EMAIL_MAX_PER_HOUR="20000",
        INVITE_SMS_MAX_PER_SECOND="1",
        INVITE_SMS_MAX_PER_HOUR="600",
        INVITE_SMS_SENDER="+4790000001",
        INVITE_SENDER_EMAIL="shop@example.com",
        INVITE_SENDER_NAME="The Shop",
        INVITE_PROVIDER_NETWORKS="10.2.0.0/16, fd00:2::/32",
        INVITE_VISITOR_RATE_LIMIT="0",
        INVITE_TRUSTED_PROXIES="10.3.0.0/16,::1",
        INVITE_PICTURE_S3_URL="https://s3.example.com/review-pictures/",
        INVITE_PICTURE_S3_REGION="eu-north-1",
        INVITE_PICTURE_S3_ACCESS_KEY_ID="AKID",
        INVITE_PICTURE_S3_SECRET_ACCESS_KEY="secret",
        INVITE_POLL_INTERVAL="0.25",
        INVITE_WORKER_NAME="worker-2",
    )
    assert settings.model_dump() == {
        "database_url": SecretStr("postgresql+asyncpg://invite:p%40ss@/invite?host=/run/postgresql"),
        "database_pool_size": 20,
        "redis_url": SecretStr("rediss://:secret@redis.example.com:6380/1"),
        "secret_key": SecretStr(REQUIRED["INVITE_SECRET_KEY"]),
        "credential_keys": SecretStr(CREDENTIAL_KEYS),
        "public_base_url": "https://reviews.example.com/ask",
        "host": "::",
        "port": 0,
        "worker_port": 8001,
        "rate_limit": 5000,
        "log_level": "WARNING",
        "smtp_url": SecretStr("smtps://invite:secret@mail.example.com"),
        "email_url": None,
        "sms_url": SecretStr("46elks:?api_username=u1&api_password=secret"),
        "email_max_per_second": 12.5,
        "email_max_per_hour": 20_000,
        "sms_max_per_second": 1.0,
        "sms_max_per_hour": 600,
        "sms_sender": "+4790000001",
        "sender_email": "shop@example.com",
        "sender_name": "The Shop",
        "provider_networks": (ip_network("10.2.0.0/16"), ip_network("fd00:2::/32")),
        "visitor_rate_limit": 0,
        "trusted_proxies": (ip_network("10.3.0.0/16"), ip_network("::1/128")),
        "picture_dir": None,
        "picture_s3_url": "https://s3.example.com/review-pictures",
        "picture_s3_region": "eu-north-1",
        "picture_s3_access_key_id": SecretStr("AKID"),
        "picture_s3_secret_access_key": SecretStr("secret"),
        "poll_interval": 0.25,
        "worker_name": "worker-2",
    }


def test_faulty_variables_are_named_all_at_once_and_never_quoted(load: type_of_load) -> None:
    with pytest.raises(InvalidSettingsError) as refusal:
        load(
            INVITE_DATABASE_URL="postgresql://kari:hunter2@db.example.com:hunter2/invite",
            INVITE_DATABASE_POOL_SIZE="1",
            INVITE_REDIS_URL="hunter2://redis.example.com",
            INVITE_SECRET_KEY="hunter2",
            INVITE_CREDENTIAL_KEYS="2026:hunter2",
            INVITE_PUBLIC_BASE_URL="https://reviews.example.com/?token=hunter2",
            INVITE_PORT="hunter2",
            INVITE_LOG_LEVEL="hunter2",
            INVITE_SMTP_URL="http://kari:hunter2@mail.example.com",
            INVITE_EMAIL_URL="https://hunter2",
            INVITE_SMS_URL="hunter2",
            INVITE_EMAIL_MAX_PER_SECOND="0",
            INVITE_EMAIL_MAX_PER_HOUR="hunter2",
            INVITE_SMS_MAX_PER_SECOND="nan",
            INVITE_SMS_MAX_PER_HOUR="1.5",
            INVITE_SMS_SENDER="hunter2 hunter2",
            INVITE_SENDER_NAME="hunter2\r\nBcc: kari@example.com",
            INVITE_PROVIDER_NETWORKS="10.2.0.0/16,hunter2",
            INVITE_POLL_INTERVAL="0",
        )
    assert str(refusal.value).splitlines() == [
        "These settings are missing or faulty:",
        "  INVITE_DATABASE_URL is not a URL",
        "  INVITE_DATABASE_POOL_SIZE is not usable: Input should be greater than or equal to 2",
        "  INVITE_REDIS_URL must look like redis://:password@host:port/0, rediss:// for TLS, or unix:// for a socket",
        "  INVITE_SECRET_KEY must have at least 32 characters",
        "  INVITE_CREDENTIAL_KEYS each key must be 32 random bytes in base64",
        "  INVITE_PUBLIC_BASE_URL must look like https://reviews.example.com/path, without query or fragment",
        f"  INVITE_PORT is not usable: {NO_INTEGER}",
        "  INVITE_LOG_LEVEL is not usable: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        "  INVITE_SMTP_URL must look like smtp://user:password@host:port or smtps://user:password@host:port",
        "  INVITE_EMAIL_URL must look like provider:?option=value&option=value, values percent-encoded",
        "  INVITE_SMS_URL must look like provider:?option=value&option=value, values percent-encoded",
        "  INVITE_EMAIL_MAX_PER_SECOND is not usable: Input should be greater than or equal to 0.001",
        f"  INVITE_EMAIL_MAX_PER_HOUR is not usable: {NO_INTEGER}",
        "  INVITE_SMS_MAX_PER_SECOND is not usable: Input should be a finite number",
        f"  INVITE_SMS_MAX_PER_HOUR is not usable: {NO_INTEGER}",
        "  INVITE_SMS_SENDER must be an E.164 number, a short code, or a name of at most 11 letters and digits",
        "  INVITE_SENDER_EMAIL is required with INVITE_SMTP_URL: the address messages come from",
        "  INVITE_SENDER_NAME must not contain line breaks or other control characters",
        "  INVITE_PROVIDER_NETWORKS must be networks separated by commas, such as 10.2.0.0/16,fd00:2::/32",
        "  INVITE_POLL_INTERVAL is not usable: Input should be greater than or equal to 0.05",
    ]
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_pictures_are_kept_in_one_place_that_can_be_opened(load: type_of_load) -> None:
    assert load(**REQUIRED, INVITE_PICTURE_DIR="/srv/pictures").picture_dir == Path("/srv/pictures")
    bucket = {"INVITE_PICTURE_S3_URL": "https://s3.example.com/pictures"}
    key = {"INVITE_PICTURE_S3_ACCESS_KEY_ID": "AKID", "INVITE_PICTURE_S3_SECRET_ACCESS_KEY": "hunter2"}
    for variables, said in (
        (
            bucket,
            (
                "INVITE_PICTURE_S3_SECRET_ACCESS_KEY and INVITE_PICTURE_S3_ACCESS_KEY_ID are required with "
                "INVITE_PICTURE_S3_URL"
            ),
        ),
        (
            bucket | key | {"INVITE_PICTURE_DIR": "/srv/pictures"},
            "INVITE_PICTURE_S3_URL cannot be set beside INVITE_PICTURE_DIR: pictures are kept in one place",
        ),
        (
            key | {"INVITE_PICTURE_S3_URL": "https://s3.example.com/a%20b"},
            "INVITE_PICTURE_S3_URL must look like https://s3.eu-north-1.amazonaws.com/bucket",
        ),
    ):
        with pytest.raises(InvalidSettingsError) as refusal:
            load(**REQUIRED, **variables)
        assert str(refusal.value).splitlines()[1:] == [f"  {said}"]


def test_empty_variables_count_as_not_set(load: type_of_load) -> None:
    with pytest.raises(InvalidSettingsError) as refusal:
        load(INVITE_DATABASE_URL="", INVITE_SECRET_KEY="", INVITE_REDIS_URL="", INVITE_PORT="")
    assert str(refusal.value).splitlines() == [
        "These settings are missing or faulty:",
        "  INVITE_DATABASE_URL is not set",
        "  INVITE_SECRET_KEY is not set",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("INVITE_SENDER_EMAIL", "hunter2", "must be an e-mail address"),
        ("INVITE_DATABASE_URL", "mysql://h/d", "must look like postgresql://user:password@host:port/database"),
        ("INVITE_DATABASE_URL", "postgresql://h", "must look like postgresql://user:password@host:port/database"),
        ("INVITE_PUBLIC_BASE_URL", "https://[hunter2]", "is not a URL"),
    ],
)
def test_single_fault_gives_its_reason(load: type_of_load, variable: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidSettingsError) as refusal:
        load(**{**REQUIRED, variable: value})
    assert str(refusal.value) == f"These settings are missing or faulty:\n  {variable} {reason}"


def test_settings_show_no_secret_and_cannot_be_changed(load: type_of_load) -> None:
    settings = load(**REQUIRED)
    assert "secret@" not in repr(settings)
    assert REQUIRED["INVITE_SECRET_KEY"] not in repr(settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # the assignment that must fail


def test_e_mails_leave_through_one_provider_with_a_sender(load: type_of_load) -> None:
    with pytest.raises(InvalidSettingsError) as refusal:
        load(**REQUIRED, INVITE_SMTP_URL="smtp://mail.example.com", INVITE_EMAIL_URL="ses:?region=eu-north-1")
    assert str(refusal.value).splitlines()[1:] == [
        "  INVITE_EMAIL_URL cannot be set beside INVITE_SMTP_URL: e-mails leave through one of them",
        "  INVITE_SENDER_EMAIL is required with INVITE_SMTP_URL: the address messages come from",
    ]
    with pytest.raises(InvalidSettingsError) as refusal:
        load(**REQUIRED, INVITE_EMAIL_URL="ses:?region=eu-north-1")
    assert str(refusal.value).splitlines()[1:] == [
        "  INVITE_SENDER_EMAIL is required with INVITE_EMAIL_URL: the address messages come from",
    ]
