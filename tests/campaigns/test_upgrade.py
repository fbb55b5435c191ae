"""C18: a release takes over from an older one while messages go out: migrations, both side by side, the old one ends."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from gateway.listening import free_port
from sandbox.app import make_app
from tests.campaigns import load, truth
from tests.campaigns.mutants import VARIABLE
from tests.campaigns.release import START_SECONDS_MAX, Front, Release, earlier, reaches_back
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, TUESDAY, Town, carrier_for, settings_for
from tests.sizes import LONG, UPGRADE_MESSAGES, UPGRADES, hangs_after

#: How many migrations this release is ahead of the old one. None is so old that 0115 is among them: it gave a column to attempts, and
#: until shortly after a worker ended when a table that it had asked got one (now the statement is prepared anew, see storage.database).
STEPS = (3, 5, 7) if LONG else (7,)


class _ShiftedClock:
    """The law's clock, as both releases read it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    async def now(self) -> datetime:
        connection = await asyncpg.connect(self._url, server_settings={"search_path": "tregua"})
        try:
            shift = await connection.fetchval("SELECT shift FROM sandbox_clock")
        finally:
            await connection.close()
        return datetime.now(UTC) + shift


@dataclass
class Roll:
    """Both releases, what stands before them, and whoever speaks to it."""

    old: Release
    new: Release
    front: Front
    found: Town


@contextlib.asynccontextmanager
async def rolling(old: Path, new: Path, database_url: str, redis_url: str, folder: Path) -> AsyncIterator[Roll]:
    """The old release stands on its own schema; nothing runs yet but the carrier and the front."""
    front, carrier_port = Front(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        order: dict[str, Any] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "public_url": f"http://127.0.0.1:{port}",
            "carrier_port": carrier_port,
            "port": port,
            "more": {},
        }
        # The flaw that this run is to find, if any, is the new release's.
        releases = [
            Release(tree, {**order, "flawed": tree == new and VARIABLE in os.environ}, folder / f"{tree.name}.log")
            for tree in (old, new)
        ]
        for release in releases:
            release.log.touch()
            stack.callback(release.kill)
        await releases[0].ask("migrate")
        policy = {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}}
        key = await releases[0].ask("tenant", tenant=TENANT, policy=policy)
        await _order(
            database_url, "INSERT INTO tregua.sandbox_clock (one, shift) VALUES (true, $1 - clock_timestamp())", TUESDAY
        )
        settings = settings_for(database_url, redis_url, port, carrier_port)
        phone = web.AppRunner(
            make_app(carrier_for(settings, folder, carrier_port), clock=_ShiftedClock(database_url)), access_log=None
        )
        await phone.setup()
        stack.push_async_callback(phone.cleanup)
        phone_port = free_port()
        await web.TCPSite(phone, "127.0.0.1", phone_port).start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = Town(
            house=None,  # type: ignore[arg-type] # both are processes of their own
            url=order["public_url"],
            carrier_url=f"http://127.0.0.1:{phone_port}",
            key=key,
            session=session,
            database_url=database_url,
            stack=stack,
        )
        yield Roll(releases[0], releases[1], front, found)


async def _order(url: str, sql: str, at: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql, datetime.fromisoformat(at))
    finally:
        await connection.close()


async def _join(roll: Roll, release: Release) -> None:
    """Its API and its worker, and the front knows of it once it is ready."""
    port = free_port()
    await release.start("serve", port=port)
    await release.start("work", port=port)
    deadline = asyncio.get_running_loop().time() + START_SECONDS_MAX
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with roll.found.session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                if answer.status == 200:
                    break
        assert all(process.returncode is None for process in release.processes), release.log.read_text()[-3000:]
        assert asyncio.get_running_loop().time() < deadline, "never ready"
        await asyncio.sleep(0.05)
    roll.front.ports.append(port)


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_a_release_takes_over_while_messages_go_out(
    new_database: NewDatabase, redis_url: str, tmp_path: Path, checkout: Path
) -> None:
    olds = [earlier(checkout, steps, tmp_path / f"old-{steps}") for steps in STEPS]
    if not all(olds):
        # What this test asks of a release is what every release has: a part that was moved is no reason to be silent.
        assert not reaches_back(checkout), "no older release has all that is asked of it"
        pytest.skip("not run: this clone does not reach back to an older release")
    planned = ("migrated under the old release", "both at once", "the old one ended")
    with counted("C18", "a release takes over from an older one under load", planned=planned) as tally:
        for turn in range(UPGRADES):
            old = olds[turn % len(olds)]
            assert old is not None
            folder = tmp_path / str(turn)
            folder.mkdir()
            async with rolling(old, checkout, await new_database(), redis_url, folder) as roll:
                await _take_over(roll, tally)
            tally.trials += 1


async def _take_over(roll: Roll, tally: Any) -> None:
    accepted: dict[str, str] = {}
    enough = asyncio.Event()

    async def pour() -> None:
        trial = 0
        while not enough.is_set():
            mine = range(trial, trial + 4)
            trial += 4
            accepted.update(await asyncio.gather(*(load.send(roll.found, n, area=315) for n in mine)))

    async def until(more: Callable[[], bool]) -> None:
        while not more():
            assert not pouring.done(), pouring.exception()
            await asyncio.sleep(0.02)

    await _join(roll, roll.old)
    pouring = asyncio.create_task(pour())
    try:
        await until(lambda: len(accepted) >= UPGRADE_MESSAGES)
        applied = await roll.new.ask("migrate")
        tally.hold(len(applied) > 0, "the old release lacked no migration: nothing was tried")
        tally.faults["migrated under the old release"] += len(applied)
        since = len(accepted)
        await until(lambda: len(accepted) >= since + UPGRADE_MESSAGES)
        await _join(roll, roll.new)
        since = len(accepted)
        await until(lambda: len(accepted) >= since + UPGRADE_MESSAGES)
        tally.faults["both at once"] += len(accepted) - since
        del roll.front.ports[0]
        await roll.old.stop()
        tally.faults["the old one ended"] += 1
        tally.faults["finished"] += len(await roll.new.ask("migrate", more={"finish": True}))
        since = len(accepted)
        await until(lambda: len(accepted) >= since + UPGRADE_MESSAGES)
    finally:
        enough.set()
    await pouring
    await load.calm(roll.found, 120)
    tally.notes["messages"] = tally.notes.get("messages", 0) + len(accepted)
    await truth.hold(tally, roll.found, accepted, await truth.arrivals(roll.found))
    await roll.new.stop()
