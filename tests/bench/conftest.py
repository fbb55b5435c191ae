"""The bench's ground, small: real servers, and a book of people that every round copies."""

from pathlib import Path

import pytest

from bench.rounds import Ground, ground_of
from bench.sizes import SHORT
from sandbox.servers import Running


@pytest.fixture(scope="session")
async def ground(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Cost is read from the process tree, so the servers must be our own, wherever the tests' database is."""
    folder: Path = tmp_path_factory.mktemp("bench")
    return await ground_of(running, folder, SHORT)
