"""Fixtures of every test: real servers, a database and a Redis of one's own."""

import contextlib
import dataclasses
import gc
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
import redis
import structlog
from hypothesis import settings
from pytest_asyncio import is_async_test
from xdist.workermanage import WorkerController

from invite_service.storage.database import Database
from tests.support.databases import DatabaseMaker
from tests.support.kept import DatabaseKeeper, ending_tasks
from tests.support.servers import ServerAddresses, running_servers

REDIS_DATABASES = 16
"""As many as a Redis has unless told otherwise; each pytest worker takes one, so there may be no more workers."""

# A busy machine is no fault, and each run is the same.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

_addresses = pytest.StashKey[ServerAddresses]()


def pytest_configure() -> None:
    """Keep what Python compiles, also where the environment says not to.

    Otherwise each worker rewrites the assertions of all tests, and each process that a test starts compiles our code.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is collected: it stays to the end."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Start the servers in xdist's controller, before its first worker, and tell each worker where they are."""
    config = node.config
    if _addresses not in config.stash:
        resources = contextlib.ExitStack()
        config.add_cleanup(resources.close)
        config.stash[_addresses] = resources.enter_context(running_servers())
    node.workerinput["servers"] = dataclasses.asdict(config.stash[_addresses])


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Log what tests do not configure themselves in plain lines.

    The default draws each exception with all its variables; on a busy machine that takes longer than the seconds for
    which what was judged may be sent.
    """
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def own_tasks() -> AsyncIterator[None]:
    async with ending_tasks():
        yield


@pytest.fixture(autouse=True)
def _only_own_tasks(request: pytest.FixtureRequest) -> None:
    """Have no test meet in the loop, which all share, what another left running there."""
    if is_async_test(request.node):
        request.getfixturevalue("own_tasks")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[ServerAddresses]:
    """The run's servers: the controller's, or without xdist our own, started by the first test that asks."""
    workerinput = getattr(pytestconfig, "workerinput", None)
    if workerinput is not None:
        yield ServerAddresses(**workerinput["servers"])
        return
    with running_servers() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def database_maker(servers: ServerAddresses) -> Iterator[DatabaseMaker]:
    with DatabaseMaker(servers.database_url) as maker:
        yield maker


@pytest.fixture
def database_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A migrated, empty database that no other test uses meanwhile (`postgresql+asyncpg://`)."""
    with database_maker.database() as url:
        yield url


@pytest.fixture(scope="session")
async def database_keeper(database_maker: DatabaseMaker) -> AsyncIterator[DatabaseKeeper]:
    keeper = DatabaseKeeper()
    yield keeper
    await keeper.close()


@pytest.fixture
async def database(database_keeper: DatabaseKeeper, database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database over connections that have planned for other tests.

    Who looks at connections, or needs them made in some way, makes a Database over `database_url`.
    """
    async with database_keeper.lend(database_url) as database:
        yield database


@pytest.fixture
def unmigrated_database_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A database without any table."""
    with database_maker.unmigrated() as url:
        yield url


@pytest.fixture
def redis_url(servers: ServerAddresses) -> Iterator[str]:
    """An empty Redis database that no other worker uses."""
    if servers.redis_url is None:
        pytest.skip(f"needs Redis: {servers.redis_missing_reason}")
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % REDIS_DATABASES
    url = f"{servers.redis_url.rpartition('/')[0]}/{number}"
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
        yield url
        connection.flushdb()
