"""Towns for campaigns, and the report that a long run writes by itself."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import quiet  # noqa: F401 - a fixture
from tests.sizes import LONG


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="tr-") as made:
        yield Path(made)


def pytest_sessionfinish() -> None:
    """A long run writes what it saw into docs/reliability.md."""
    if LONG:
        from tools import campaign_report

        campaign_report.write()
