"""Towns for the tests of the roof."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.migrate import migrate
from tests.conftest import NewDatabase
from tests.gateway.town import Town, town


@pytest.fixture(scope="session")
async def template_url(new_database: NewDatabase) -> str:
    """A migrated database that others are copied from."""
    url = await new_database()
    await migrate(url)
    return url


@pytest.fixture
async def quiet(new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town of the test's own, without a worker."""
    async with town(await new_database(like=template_url), redis_url, tmp_path) as found:
        yield found


@pytest.fixture
async def busy(quiet: Town) -> AsyncIterator[Town]:
    """The same with a worker."""
    quiet.start_worker()
    yield quiet
    with contextlib.suppress(Exception):
        await quiet.stop_workers()
