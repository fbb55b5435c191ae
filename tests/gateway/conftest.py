"""Towns for the tests of the roof."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.town import Town, town


@pytest.fixture
async def quiet(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town of the test's own, without a worker."""
    async with town(own_url, redis_url, tmp_path) as found:
        yield found


@pytest.fixture
async def busy(quiet: Town) -> AsyncIterator[Town]:
    """The same with a worker."""
    quiet.start_worker()
    yield quiet
    with contextlib.suppress(Exception):
        await quiet.stop_workers()
