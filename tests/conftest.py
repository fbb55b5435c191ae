"""What every test may ask for: a real PostgreSQL, a real Valkey, a database of its own, and what the machine may lack."""

import gc
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from sandbox.servers import Running, servers
from storage.migrate import migrate
from tests.lending import Lender, NewDatabase

__all__ = ["NewDatabase"]

#: Things of the machine that some tests need, by the programs that prove their presence (any one of them).
PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "node": ("npm",),  # comes with node, never without
    "mail server": ("smtpd", "postfix"),
    "faketime": ("faketime",),
}

#: What takes longest begins first, so that nobody ends alone with it.
LONGEST = (
    "tests/simulation/",
    "tests/bench/test_w1",
    "tests/gateway/test_kill",
    "tests/gateway/test_tour",
    "tests/journeys/",
    "tests/gateway/test_dev",
    "tests/campaigns/",
    "tests/clients/",
    "tests/pages/",
    "tests/bench/",
    "tests/docs/",
    "tests/sandbox/test_servers",
    "tests/conformance/test_policy_command",
    "tests/test_",
    "tests/gateway/",
    "tests/api/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    settle()


def settle() -> None:
    """What stands now stays: whoever collects garbage need not walk through thousands of tests each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # else libraries would tell at the end that it was never let go


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(*things): not run where the machine lacks them ({', '.join(PROGRAMS)})")
    config.addinivalue_line("markers", "campaign: many trials of one claim; CAMPAIGN=long makes them more")
    if "CAMPAIGN_MUTANT" in os.environ:
        from tests.campaigns.mutants import armed

        flawed = ExitStack()
        flawed.enter_context(armed())
        config.add_cleanup(flawed.close)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for thing in mark.args:
            if not any(shutil.which(program) for program in PROGRAMS[thing]):
                # On the machine that vouches for everybody a test that does not run is a failure.
                (pytest.fail if in_ci() else pytest.skip)(f"not run: missing {thing}")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


@pytest.fixture(scope="session")
def campaign_long() -> bool:
    """Whether a campaign should take its full size (``make campaign``) rather than the one for every day."""
    return os.environ.get("CAMPAIGN") == "long"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The servers that ``make run`` starts too, empty. Use ``database_url``, ``new_database`` and ``redis_url`` instead."""
    folder = tmp_path_factory.mktemp("servers")
    with servers(folder, lasting=False, durable=False) as started:
        yield started
    # A hundred databases are a hundred thousand files, half a minute to remove: CI throws its machine away with all of them.
    if not in_ci():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster_url(request: pytest.FixtureRequest) -> str:
    """A database, never written to, whose user may make others: ``TEST_DATABASE_URL`` or our own."""
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        return named
    started: Running = request.getfixturevalue("running")
    return started.database_url


@pytest.fixture(scope="session")
async def new_database(cluster_url: str) -> AsyncIterator[NewDatabase]:
    """``await new_database()`` is the URL of a new empty database; ``await new_database(like=url)`` copies one.

    Nobody may be connected to the one that is copied. All of them are dropped at the end, whoever is still connected.
    """
    made: list[str] = []
    prefix = f"tregua_test_{uuid4().hex[:8]}"

    async def new(*, like: str | None = None) -> str:
        name = f"{prefix}_{len(made)}"
        template = "template0" if like is None else urlsplit(like).path.lstrip("/")
        made.append(name)
        await _order(cluster_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return urlunsplit(urlsplit(cluster_url)._replace(path=f"/{name}"))

    yield new
    if "TEST_DATABASE_URL" in os.environ:  # our own servers go with all that is in them
        for name in made:
            await _order(cluster_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
async def database_url(new_database: NewDatabase) -> str:
    """An empty database of this module's own."""
    return await new_database()


@pytest.fixture(scope="session")
async def template_url(new_database: NewDatabase) -> str:
    """A migrated database that others are copied from."""
    url = await new_database()
    await migrate(url)
    return url


@pytest.fixture(scope="session")
def lender(new_database: NewDatabase, template_url: str) -> Lender:
    """Migrated databases for one test after the other."""
    return Lender(new_database, template_url)


@pytest.fixture
async def own_url(lender: Lender) -> AsyncIterator[str]:
    """A migrated database that nobody else has while this test lasts, empty."""
    url = await lender.lend()
    yield url
    await lender.take_back(url)


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Valkey that any test may flush: ``TEST_REDIS_URL`` or our own."""
    named = os.environ.get("TEST_REDIS_URL")
    if named:
        return named
    started: Running = request.getfixturevalue("running")
    return started.redis_url


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that holds all of the project."""
    return Path(__file__).resolve().parent.parent


async def _order(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
