"""A small simulated month through a whole gateway: no limit broken, every status there, and the trace holds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli.month import Month, Report
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, Town, town

PEOPLE = 40
DAYS = 3
#: A Friday: a weekend lies within.
BEGINS = datetime.fromisoformat("2026-11-27T10:00:00+00:00")


@pytest.fixture
async def city(new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with SMS, mail and WhatsApp, and a worker."""
    url = await new_database(like=template_url)
    async with town(url, redis_url, tmp_path, mail=True, whatsapp=True) as found:
        found.start_worker()
        yield found


async def simulated(found: Town, seed: int = 5) -> Report:
    def progress(_share: float, _report: Report) -> None:
        return None

    run = Month(
        found.session,
        found.house.database,
        url=found.url,
        sandbox_url=found.carrier_url,
        key=found.key,
        tenant=TENANT,
        number=PEOPLE,
        days=DAYS,
        seed=seed,
        begins=BEGINS,
        step=timedelta(minutes=60),
        set_clock=found.set_clock,
    )
    return await run.run(progress)


@pytest.mark.timeout(240)
async def test_a_small_month(city: Town) -> None:
    report = await asyncio.wait_for(simulated(city), 200)
    print(report)
    assert report.breaches == []
