"""What holds for every test of an adapter: loopback only, and no secret and no person in any log record."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.kit.testing import loopback_only

#: Stand in every parcel, settings table and hook of these tests; none of them may be seen outside.
CANARIES = ("canary", "573001230000", "Hola canary", "Basic ")


@pytest.fixture(autouse=True)
async def _only_loopback() -> AsyncIterator[None]:
    async with loopback_only():
        yield


@pytest.fixture(autouse=True)
def _nobody_in_a_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    for record in caplog.get_records("call"):
        said = logging.Formatter().format(record) + repr(record.__dict__)
        for canary in CANARIES:
            assert canary not in said, f"{record.name} said {canary!r}"
