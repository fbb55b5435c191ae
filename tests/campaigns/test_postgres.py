"""C6: PostgreSQL stopped at once and started again, and connections cut right before and right after COMMIT is handed on."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sandbox.servers import postgres
from sandbox.servers.launch import account_for, fresh_log
from sandbox.servers.place import reach
from storage.migrate import migrate
from tests.campaigns import load, truth
from tests.campaigns.cuts import between
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.town import Town, town
from tests.gateway.zygote import PACE
from tests.sizes import COMMIT_CUTS, POSTGRES_STOPS, hangs_after, seed

SEED = seed(20261106)
CUT_SHARE = 0.08


def elsewhere(url: str, folder: Path) -> str:
    """The same database by the socket in another folder."""
    return urlunsplit(urlsplit(url)._replace(query=f"host={folder}"))


async def durable(found: Town, tally_identity: str) -> bool:
    """Whether somebody else's session sees the message."""
    return bool(
        await found.rows("SELECT 1 FROM message WHERE id = $1::text::uuid", tally_identity.removeprefix("msg_"))
    )


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_connections_cut_around_commit(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, near: Path
) -> None:
    url = await new_database(like=template_url)
    real = Path(urlsplit(url).query.removeprefix("host=")) / postgres.SOCKET
    planned = ("cut before COMMIT", "cut after COMMIT")
    with counted("C6", "connection cut before and after COMMIT", seed=SEED, planned=planned) as tally:
        async with between(real, near / postgres.SOCKET, chance=random.Random(SEED)) as link:  # noqa: SIM117
            async with town(elsewhere(url, near), redis_url, tmp_path, pace=PACE) as found:
                # What the test asks goes past whoever cuts.
                found.database_url = url
                link.cut_share = CUT_SHARE
                found.start_worker()
                accepted: dict[str, str] = {}
                trial = 0
                while sum(link.fired.values()) < COMMIT_CUTS:
                    sent = await asyncio.gather(*(load.send(found, trial + n, area=311) for n in range(8)))
                    trial += 8
                    for text, identity in sent:
                        accepted[text] = identity
                        tally.hold(await durable(found, identity), f"202 before its row stood: {identity}")
                    assert not any(task.done() for _, task in found.workers), "the worker ended"
                    assert trial < COMMIT_CUTS * 100
                link.cut_share = 0.0
                await load.calm(found, 120)
                tally.faults += link.fired
                tally.trials = sum(link.fired.values())
                tally.notes["messages"] = len(accepted)
                (keys,) = await found.rows("SELECT count(*) AS n FROM message")
                tally.hold(keys["n"] == len(accepted), f"{keys['n']} messages of {len(accepted)} keys")
                await truth.hold(tally, found, accepted, await truth.arrivals(found))


@dataclass
class Stoppable:
    """A PostgreSQL of the test's own."""

    url: str
    programs: Path
    data: Path
    log: Path
    folder: Path
    process: object = None

    def start(self) -> None:
        self.process = postgres.start(self.programs, self.data, account_for(self.data), self.log)

    def stop_at_once(self) -> None:
        """``pg_ctl stop -m immediate``: nobody says goodbye, and what was committed comes back from the log."""
        os.kill(self.process.pid, signal.SIGQUIT)  # type: ignore[attr-defined]
        self.process.wait(30)  # type: ignore[attr-defined]


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[Stoppable]:
    data, log = tmp_path / "postgres", fresh_log(tmp_path / "postgres.log")
    account = account_for(data)
    with ExitStack() as stack:
        place = stack.enter_context(reach(tmp_path, (f"postgres/{postgres.SOCKET}",), account))
        postgres.make(place.programs.postgres, data, account, log)
        url = f"postgresql://{postgres.OWNER}@/{postgres.DATABASE}?host={place.folder / 'postgres'}"
        made = Stoppable(url, place.programs.postgres, data, log, tmp_path)
        made.start()
        yield made
        postgres.shut(made.process)  # type: ignore[arg-type]


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_stopped_at_once_and_started_again(stoppable: Stoppable, redis_url: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    await migrate(stoppable.url)
    with counted("C6", "PostgreSQL stopped at once and started", seed=SEED, planned=("stopped at once",)) as tally:
        async with town(stoppable.url, redis_url, tmp_path, pace=PACE) as found:
            found.start_worker()
            accepted: dict[str, str] = {}
            trial = 0

            async def pour() -> None:
                nonlocal trial
                for _ in range(6):
                    mine = range(trial, trial + 4)
                    trial += 4
                    accepted.update(await asyncio.gather(*(load.send(found, n, area=312) for n in mine)))

            for _ in range(POSTGRES_STOPS):
                pouring = asyncio.create_task(pour())
                await asyncio.sleep(chance.uniform(0.05, 0.4))
                stoppable.stop_at_once()
                tally.faults["stopped at once"] += 1
                await asyncio.sleep(chance.uniform(0, 0.2))
                stoppable.start()  # from this thread, with which it would die
                await pouring
            await load.calm(found, 120)
            tally.trials = POSTGRES_STOPS
            tally.notes["messages"] = len(accepted)
            (keys,) = await found.rows("SELECT count(*) AS n FROM message")
            tally.hold(keys["n"] == len(accepted), f"{keys['n']} messages of {len(accepted)} keys")
            await truth.hold(tally, found, accepted, await truth.arrivals(found))


@pytest.mark.campaign
async def test_a_statement_that_takes_too_long_is_answered_and_nothing_of_it_stands(quiet: Town) -> None:
    """What PostgreSQL cancels by its own clock is a 503 that may be asked again, and the same key makes one message."""
    with counted("C6", "statements cut by statement_timeout", planned=("statement timed out",)) as tally:
        name = urlsplit(quiet.database_url).path.lstrip("/")
        owner = await asyncpg.connect(quiet.database_url)
        try:
            for trial in range(3):
                await owner.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 150')
                await owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                # Somebody holds the table that every acceptance writes to.
                held = owner.transaction()
                await owner.execute("RESET statement_timeout")
                await held.start()
                await owner.execute("LOCK TABLE tregua.message IN ACCESS EXCLUSIVE MODE")
                body = load.message(load.person(f"slow{trial}", load.number(trial, 313)))
                status, answered, _ = await quiet.call("POST", "/v1/messages", body, **{"Idempotency-Key": f"k{trial}"})
                await held.rollback()
                tally.hold(status == 503, f"answered {status}: {answered}")
                tally.faults["statement timed out"] += 1
                await owner.execute(f'ALTER DATABASE "{name}" RESET statement_timeout')
                await owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                identity = await load.persist(quiet, body)
                tally.hold(await durable(quiet, identity), "accepted and not there")
                tally.trials += 1
        finally:
            await owner.close()
