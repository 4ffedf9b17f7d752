"""What `dev` does between its servers and its processes: the schema, the merchant to try, and the keys.

It runs in a process of its own (dev_children.py), so that `dev` need not import the service.
"""

import asyncio
import contextlib
import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Final

from invite_service.bootstrap import Factory, ProcessContext
from invite_service.cli.dev_facts import Keys, Prepared, ToPrepare
from invite_service.cli.private_files import write_private
from invite_service.cli.running import explained
from invite_service.cli.schema import migrate_to_head
from invite_service.config import Settings
from invite_service.domain.errors import ApiKeyInvalidError, MerchantExistsError
from invite_service.domain.merchant import MerchantId
from invite_service.services.merchants import NewMerchant

MERCHANT_ID: Final = "sandbox"


def prepare(asked: ToPrepare) -> Prepared:
    """Bring the database to the head of the migrations, and make what is not there from the last time."""
    with explained():
        return asyncio.run(_prepare(asked))


async def _prepare(asked: ToPrepare) -> Prepared:
    await migrate_to_head(asked.database_url)
    settings = _settings(asked)
    keys_file = asked.data_dir / "keys.json"
    keys = await _make_keys(settings, _known_keys(keys_file))
    write_private(keys_file, json.dumps(asdict(keys)))
    return Prepared(MERCHANT_ID, keys, _environment(settings))


def _secret(file: Path) -> str:
    """Read the secret key, made once: links and contact keys of the data directory depend on it."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def _settings(asked: ToPrepare) -> Settings:
    return Settings.model_validate(
        {
            "database_url": asked.database_url,
            "redis_url": asked.redis_url,
            "secret_key": _secret(asked.data_dir / "secret.key"),
            "public_base_url": f"http://{asked.host}:{asked.port}",
            "host": asked.host,
            "port": asked.port,
            "picture_dir": asked.data_dir / "pictures",
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Write the settings as variables of the environment."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url is not None else ""
    return {
        "INVITE_DATABASE_URL": settings.database_url.get_secret_value(),
        "INVITE_REDIS_URL": redis_url,
        "INVITE_SECRET_KEY": settings.secret_key.get_secret_value(),
        "INVITE_PUBLIC_BASE_URL": settings.public_base_url,
        "INVITE_HOST": settings.host,
        "INVITE_PORT": str(settings.port),
        "INVITE_PICTURE_DIR": str(settings.picture_dir or ""),
    }


def _known_keys(file: Path) -> Keys | None:
    return Keys(**json.loads(file.read_text())) if file.exists() else None


async def _make_keys(settings: Settings, known: Keys | None) -> Keys:
    """Make the sandbox merchant, its key and an operator key, where those of the last time are not there any more."""
    context = await ProcessContext.create(settings, name="invite-service dev")
    try:
        factory = Factory(context)
        if known is not None:
            with contextlib.suppress(ApiKeyInvalidError):
                await factory.access.authenticate(known.api_key)
                await factory.access.authenticate_operator(known.operator_key)
                return known
        operator = await factory.access.create_operator_key("dev")
        return Keys(await _make_api_key(factory), operator.text)
    finally:
        await context.close()


async def _make_api_key(factory: Factory) -> str:
    sandbox = NewMerchant(
        id=MERCHANT_ID,
        name="Sandbox",
        time_zone="Europe/Oslo",
        homepage_url="https://shop.example",
        sandbox=True,
    )
    try:
        return (await factory.create_merchants().create(sandbox)).api_key
    except MerchantExistsError:
        return (await factory.access.create_api_key(MerchantId(MERCHANT_ID), "dev")).text
