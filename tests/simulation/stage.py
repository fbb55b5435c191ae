"""Puts runs on, one after the other on the same sessions: makes every clock and every die the run's own, and reads what is left."""

import asyncio
import contextlib
import gc
import logging
import random as machine_random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import asyncpg
import structlog

from gateway import failpoints
from gateway.ways.circuits import Circuits
from tests.simulation.clockwork import PROCESS, Loop, Reals, Turnstile, Watcher, outside
from tests.simulation.surroundings import Redis, law
from tests.simulation.town import WORLDS, Town, reached
from tests.simulation.truth import Evidence, Row, Shown, World

SESSIONS = 12


async def evidence(real: Any, tenant: str) -> Evidence:
    """What stands in the database about one tenant."""

    async def read() -> Evidence:
        rows = await real.fetch(
            "SELECT idx, header, payload_digest, leaf FROM trace WHERE tenant = $1 ORDER BY idx", tenant
        )
        size = await real.fetchval("SELECT size FROM chain WHERE tenant = $1", tenant)
        head = await real.fetchrow(
            "SELECT size, root FROM signed_head WHERE tenant = $1 ORDER BY size DESC LIMIT 1", tenant
        )
        found = await real.fetch(
            "SELECT id, status, resolution, due_at, expires_at FROM message WHERE tenant = $1", tenant
        )
        return Evidence(
            rows=[Row(**row) for row in rows],
            size=size or 0,
            sealed_size=head["size"] if head else 0,
            sealed_root=head["root"] if head else None,
            messages=[
                Shown(row["id"].hex, row["status"], row["resolution"], row["due_at"], row["expires_at"])
                for row in found
            ],
        )

    found: Evidence = await outside(read())
    return found


@dataclass
class Ran:
    """What came of a run."""

    seed: int
    kind: str
    worlds: list[tuple[World, Evidence]]
    fired: dict[str, int]
    statements: int
    waited: int


SETTINGS = {
    "search_path": "tregua",
    "role": "tregua_app",
    "timezone": "UTC",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "synchronous_commit": "off",
    "deadlock_timeout": "100ms",
    # Planned once a session, and never compiled: the data are small, and much of what a run costs was planning.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

_EMPTY = """
DO $$ DECLARE names text; BEGIN
  SET LOCAL session_replication_role = replica;
  SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO names FROM pg_tables
  WHERE schemaname IN ('tregua', 'vault') AND tablename <> 'migration';
  EXECUTE 'TRUNCATE ' || names;
END $$
"""


class Stage:
    """The sessions that runs share, one run after the other."""

    def __init__(self, url: str) -> None:
        self.loop = Loop()
        # The dead wait for ever; what breaks in a run is raised by the run itself.
        self.loop.set_exception_handler(lambda _, __: None)
        self._watcher = Watcher(url)
        self.turnstile = Turnstile(self.loop, self._watcher)
        self.loop.run_until_complete(outside_of(self._open(url)))
        gc.freeze()

    async def _open(self, url: str) -> None:
        self._owner = await asyncpg.connect(
            url, server_settings={"search_path": "tregua"}, max_cached_statement_lifetime=0
        )
        self._reals = Reals(*[[await self._session(url) for _ in range(SESSIONS)] for _ in range(2)])
        for real in self._reals.open:
            await real.execute("BEGIN")

    @staticmethod
    async def _session(url: str) -> Any:
        return await asyncpg.connect(url, server_settings=SETTINGS, max_cached_statement_lifetime=0)

    def run(self, seed: int, worlds: int = WORLDS) -> Ran:
        """One whole run. Nothing is collected meanwhile: the dead would come to their ends at an instant that no seed draws."""
        gc.disable()
        try:
            return self._run(seed, worlds)
        finally:
            gc.collect()
            gc.enable()

    def _run(self, seed: int, worlds: int) -> Ran:
        self.loop.instant = 0.0
        before = self.turnstile.statements, self.turnstile.waited
        self.loop.run_until_complete(outside_of(self._owner.execute(_EMPTY)))
        town = Town(seed, self.loop, self.turnstile, self._reals.copy(), worlds)
        try:
            with _virtual(town):
                self.loop.run_until_complete(town.run())
            if town.broken:
                raise town.broken[0]
            found = [(w, self.loop.run_until_complete(evidence(self._owner, w.tenant))) for w in town.worlds]
        finally:
            self.loop.run_until_complete(self._clear(town))
        return Ran(
            seed,
            town.kind,
            found,
            town.fired,
            self.turnstile.statements - before[0],
            self.turnstile.waited - before[1],
        )

    async def _clear(self, town: Town) -> None:
        """Nobody of this run may wake in the next one."""
        for gateway in town.made:
            gateway.dead = True
        me = asyncio.current_task()
        for _ in range(200):
            left = [task for task in asyncio.all_tasks() if task is not me]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        for real in self._reals.open:
            await outside(real.execute("ROLLBACK AND CHAIN"))
        self.turnstile.clear()

    def close(self) -> None:
        async def shut() -> None:
            for real in (*self._reals.open, *self._reals.plain, self._owner):
                await real.close()

        self.loop.run_until_complete(outside_of(shut()))
        self._watcher.close()
        self.loop.close()
        gc.unfreeze()


async def outside_of(work: Any) -> Any:
    return await outside(work)


@contextlib.contextmanager
def _virtual(town: Town) -> Any:
    """Every reading of the machine's clock and of its dice is the run's own; named places strike as drawn."""
    dice = Random(town.seed + 9)
    seconds = SimpleNamespace(
        monotonic=town.loop.time,
        monotonic_ns=lambda: int(town.loop.time() * 1e9),
        time=lambda: town.now().timestamp(),
        time_ns=lambda: int(town.now().timestamp() * 1e9),
    )
    machine_random.seed(town.seed)
    with ExitStack() as stack:
        for module in ("gateway.dispatch", "gateway.ways.choosing", "throttling.pacing", "vocabulary.ids"):
            stack.enter_context(mock.patch(f"{module}.time", seconds))
        # She is asked about every second while an attempt to her is in the air; here that may be seldomer.
        stack.enter_context(mock.patch("gateway.dispatch.PATIENCE", timedelta(seconds=20)))
        stack.enter_context(mock.patch.dict(Circuits.__init__.__kwdefaults__, wall=town.loop.time))
        stack.enter_context(mock.patch("gateway.compose.Database", SimpleNamespace(open=town.open)))
        stack.enter_context(mock.patch("gateway.compose.load", law))
        stack.enter_context(
            mock.patch(
                "gateway.compose.specs", return_value=dict.fromkeys(("simulated", "twilio"), SimpleNamespace(hooks=()))
            )
        )
        stack.enter_context(mock.patch("gateway.compose.adapters_of", side_effect=lambda *_: dict(town.carriers)))
        stack.enter_context(mock.patch("gateway.compose.make_app", reached))
        stack.enter_context(mock.patch("gateway.compose.hook_routes", return_value=[]))
        stack.enter_context(mock.patch("gateway.compose.redis", _client(town.redis)))
        stack.enter_context(mock.patch("vocabulary.ids.os", SimpleNamespace(urandom=dice.randbytes)))
        stack.enter_context(mock.patch("vocabulary.ids._drawn", [iter(())]))
        stack.enter_context(_quiet())
        for name in (
            "dispatch.before_commit",
            "dispatch.after_commit",
            "dispatch.before_call",
            "dispatch.after_call",
            "settle.before_commit",
        ):
            failpoints.arm(name, _strike(name))
        stack.callback(failpoints.disarm)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Thousands of lines about what goes wrong on purpose, pictures of the stack among them, cost a fifth of a run; nobody reads them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _client(kept: Redis) -> Any:
    made = SimpleNamespace(from_url=lambda *_, **__: kept)
    return SimpleNamespace(asyncio=SimpleNamespace(Redis=made))


def _strike(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def strike() -> None:
        process = PROCESS.get()
        if process is None:
            return
        if name == "dispatch.after_commit" and process.chance("frozen before the call", process.swarm.freeze):
            await asyncio.sleep(process.random.choice((3.0, 30.0, 900.0)))
        await process.may_die(f"crash at {name}", process.swarm.crash_at)

    return strike
