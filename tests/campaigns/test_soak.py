"""C16: everything at once for a while: connections cut, Redis flushed, a carrier that fails, people who stop, two workers."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from sandbox.servers import postgres
from tests.campaigns import load, truth
from tests.campaigns.cuts import between
from tests.campaigns.files import held
from tests.campaigns.tally import Tally, counted
from tests.campaigns.test_postgres import elsewhere
from tests.conftest import NewDatabase
from tests.gateway.town import Town, number, town
from tests.gateway.zygote import PACE
from tests.sizes import LONG, SOAK_SECONDS, hangs_after, seed

SEED = seed(20261116)
A_WEEK_LATER = "2026-12-01T10:00:00-05:00"


def _grown() -> tuple[float, Counter[str]]:
    """This process' memory in MB and its open files."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, held()


async def _written_to_again(found: Town, tally: Tally, people: int, stopped: list[int]) -> None:
    """A week later, when no limit stands in the way: who stopped is not written to, and others are."""
    await found.set_clock(A_WEEK_LATER)
    silent = dict.fromkeys(stopped[:5])
    others = [who for who in range(people) if who not in set(stopped)][:5]
    texts = {who: (await load.send(found, who, 1, area=323))[0] for who in (*silent, *others)}
    await load.calm(found, 120)
    arrived = await truth.arrivals(found)
    tally.hold(not any(arrived[texts[who]] for who in silent), "written to after a stop")
    tally.hold(
        all(arrived[texts[who]] for who in others), "nothing reached who had not stopped: the stops show nothing"
    )


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_everything_at_once(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, near: Path
) -> None:
    chance = random.Random(SEED)
    url = await new_database(like=template_url)
    real = Path(urlsplit(url).query.removeprefix("host=")) / postgres.SOCKET
    loop = asyncio.get_running_loop()
    cache = redis.asyncio.Redis.from_url(redis_url)
    with counted("C16", "everything at once", seed=SEED, planned=("Redis flushed", "a person stopped")) as tally:
        async with between(real, near / postgres.SOCKET, chance=chance) as link:  # noqa: SIM117
            async with town(elsewhere(url, near), redis_url, tmp_path, pace=PACE) as found:
                found.database_url = url
                found.start_worker()
                found.start_worker()
                accepted: dict[str, str] = {}
                stopped: list[int] = []
                trial = 0
                link.cut_share = 0.01
                memory, files = _grown()
                begun = loop.time()
                ends = loop.time() + SOAK_SECONDS
                while loop.time() < ends or trial < 72:
                    if trial < 36 or loop.time() < begun + SOAK_SECONDS / 3:
                        memory, files = _grown()  # until every pool is as large as it gets
                    mine = range(trial, trial + 6)
                    trial += 6
                    accepted.update(await asyncio.gather(*(load.send(found, n, area=323) for n in mine)))
                    await cache.flushall()
                    tally.faults["Redis flushed"] += 1
                    who = chance.randrange(trial)
                    # A hook that finds no database is called again by the carrier; here somebody else's stop will do.
                    link.cut_share = 0.0
                    await found.reply("BAJA", number(who, 323))
                    link.cut_share = 0.01
                    stopped.append(who)
                    tally.faults["a person stopped"] += 1
                link.cut_share = 0.0
                await load.calm(found, 120)
                tally.faults += link.fired
                tally.trials = len(accepted)
                more, opened = _grown()
                print("open files by kind:", dict(opened))
                tally.notes |= {
                    "MB grown": round(more - memory, 1),
                    "files grown": float(opened.total() - files.total()),
                }
                await truth.hold(tally, found, accepted, await truth.arrivals(found))
                # A short run ends before every pool is as large as it gets: both ends of each kept connection are this process',
                # three for a session of PostgreSQL's, for somebody stands in between, and pools grow to the most that ever went on at once.
                tally.hold(not LONG or opened.total() - files.total() < 60, f"more open files: {opened - files}")
                await _written_to_again(found, tally, trial, stopped)
        await cache.aclose()
