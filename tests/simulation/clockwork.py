"""An event loop whose time jumps, and real PostgreSQL sessions taken one statement at a time, so that one seed is one history.

Tasks run until all of them wait. Then, and only then, either the one statement under way is let finish, or the clock jumps to
the next timer. A statement that waits for another session's lock is told apart by ``pg_blocking_pids`` and set aside until some
transaction ends. Locks, ``SKIP LOCKED`` and snapshots are PostgreSQL's own; only their order is drawn.
"""

import asyncio
import selectors
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg

#: How long a statement may take before anybody asks whether it waits for a lock, real seconds.
PATIENCE_SECONDS = 0.02
#: A statement that takes longer than this hangs for a reason of our own.
HANGS_SECONDS = 20.0


class Stalled(Exception):
    """Nobody will ever do anything again."""


class _Gate(selectors.BaseSelector):
    """Lets the outside in only when every task waits; without anything under way outside, time jumps instead."""

    def __init__(self) -> None:
        self.real = selectors.DefaultSelector()
        self.loop: Loop

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self.loop
        if loop.under_way:
            if timeout is not None and timeout <= 0:
                return []
            found = self.real.select(PATIENCE_SECONDS)
            if not found:
                loop.slow()
            return found
        if timeout is None:
            raise Stalled("no task, no statement and no timer is left")
        if timeout > 0:
            loop.instant += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return self.real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self.real.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self.real.get_map()

    def get_key(self, fileobj: Any) -> Any:
        return self.real.get_key(fileobj)

    def close(self) -> None:
        self.real.close()


class Loop(asyncio.SelectorEventLoop):
    """A loop on virtual seconds. ``under_way``: things of the outside world that must finish before time goes on."""

    def __init__(self) -> None:
        gate = _Gate()
        gate.loop = self
        self.instant = 0.0
        self.under_way = 0
        self.slow: Callable[[], None] = lambda: None
        super().__init__(gate)

    def time(self) -> float:
        return self.instant


async def outside(work: Awaitable[Any]) -> Any:
    """Wait for something real while time stands."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.under_way += 1
    try:
        return await work
    finally:
        loop.under_way -= 1


class Watcher:
    """A session of its own thread, which says who waits for whom."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._connection = self._ask(asyncpg.connect(url))

    def blocked_by(self, pid: int) -> list[int]:
        found: list[int] = self._ask(self._connection.fetchval("SELECT pg_blocking_pids($1)", pid))
        return found

    def close(self) -> None:
        self._ask(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _ask(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(HANGS_SECONDS)


@dataclass(eq=False)
class _Turn:
    """A statement under way. ``aside``: it waits for a lock, and others go on. ``known``: it ended, or waits again."""

    pid: int
    aside: bool = False
    ended: bool = False
    known: asyncio.Future[None] | None = None

    def tell(self) -> None:
        if self.known is not None and not self.known.done():
            self.known.set_result(None)


class Turnstile:
    """One statement at a time; those that wait for a lock stand aside."""

    def __init__(self, loop: Loop, watcher: Watcher) -> None:
        self._loop = loop
        self._watcher = watcher
        self._turn = asyncio.Lock()
        self._aside: list[_Turn] = []
        self._current: _Turn | None = None
        self._next: asyncio.Task[None] | None = None
        self.statements = 0
        self.waited = 0
        loop.slow = self._slow

    async def run(self, pid: int, statement: Callable[[], Awaitable[Any]], *, ends: bool) -> Any:
        """Run a statement of the session ``pid``; ``ends``: it lets go of locks."""
        await self._turn.acquire()
        self.statements += 1
        turn = self._current = _Turn(pid)
        self._loop.under_way += 1
        failed = True
        try:
            result = await statement()
            failed = False
            return result
        finally:
            turn.ended = True
            if turn.aside:
                turn.tell()
            else:
                self._loop.under_way -= 1
                self._current = None
                if self._aside and (ends or failed):
                    await self._let_in()
                self._turn.release()

    def clear(self) -> None:
        """Begin anew: nobody is left."""
        self._turn = asyncio.Lock()
        self._aside.clear()
        self._current = None

    def _slow(self) -> None:
        """Nothing came for a while: the one under way may wait for a lock, and then it stands aside."""
        turn = self._current
        if turn is None or turn.ended or not self._watcher.blocked_by(turn.pid):
            return
        self._current = None
        if turn.aside:
            turn.tell()
            return
        self.waited += 1
        turn.aside = True
        self._aside.append(turn)
        self._loop.under_way -= 1
        self._next = self._loop.create_task(self._go_on())

    async def _go_on(self) -> None:
        """Instead of one that went aside: end a circle, where there is one, and give the turn to the next."""
        if self._circle():
            # PostgreSQL itself ends it, after its deadlock_timeout: nobody else moves until then.
            for turn in self._aside:
                turn.known = self._loop.create_future()
            known = [turn.known for turn in self._aside if turn.known is not None]
            await outside(asyncio.wait(known, return_when=asyncio.FIRST_COMPLETED))
            await self._let_in()
        self._turn.release()

    async def _let_in(self) -> None:
        """Whose lock has become free ends its statement, one after the other, before anybody else moves."""
        moved = True
        while moved:
            moved = False
            for turn in list(self._aside):
                if not turn.ended and self._watcher.blocked_by(turn.pid):
                    continue
                if not turn.ended:
                    turn.known = self._loop.create_future()
                    self._current = turn
                    await outside(turn.known)
                    self._current = None
                if turn.ended:
                    self._aside.remove(turn)
                    moved = True

    def _circle(self) -> bool:
        """Whether those aside wait only for one another."""
        pids = {turn.pid for turn in self._aside}
        return any(set(self._watcher.blocked_by(t.pid)) <= pids and len(pids) > 1 for t in self._aside) and all(
            set(self._watcher.blocked_by(t.pid)) & pids for t in self._aside
        )


class Cut(ConnectionResetError):
    """The connection to PostgreSQL broke, by our hand."""


@dataclass
class Swarm:
    """Which faults one run has, and how often: chances per occasion."""

    slow: float = 0.0  # a transaction whose statements are pulled apart in time
    slow_seconds: float = 0.5
    lost_commit: float = 0.0
    unknown_commit: float = 0.0
    deadlock: float = 0.0
    away: float = 0.0  # no session to be had
    crash: float = 0.0  # per statement
    crash_at: float = 0.0  # per named place
    silent_bell: float = 0.0
    freeze: float = 0.0  # between a reservation's commit and its call


@dataclass(eq=False)
class Process:
    """One process of the house: its sessions go with it. ``dead``: whatever it still awaits never comes."""

    name: str
    random: Random
    swarm: Swarm
    fired: dict[str, int]
    dead: bool = False
    sessions: set["Session"] = field(default_factory=set)
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def chance(self, name: str, share: float) -> bool:
        """Whether a fault strikes here."""
        if share and self.random.random() < share:
            self.fired[name] = self.fired.get(name, 0) + 1
            return True
        return False

    def die(self) -> None:
        self.dead = True
        self.died.set()
        for session in list(self.sessions):
            session.doom()

    async def alive(self) -> None:
        """Return to the living only."""
        if self.dead:
            await asyncio.get_running_loop().create_future()

    async def may_die(self, name: str, share: float) -> None:
        if not self.dead and self.chance(name, share):
            self.die()
        await self.alive()


#: Whose code runs: places named in the code ask it whether to die there.
PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


async def nothing() -> None:
    """Ask nothing."""


class Session:
    """What ``storage.database.Database`` takes for a pooled session. Faults stand between it and the real one."""

    def __init__(self, pool: "Pool", process: Process) -> None:
        self._pool = pool
        #: The real one, from the first statement on, which says of which kind it has to be.
        self.real: Any = None
        self.chained = False
        self.process = process
        self._open = False
        self._spoilt = False
        self._rings = False
        self._slow = process.chance("slow transaction", process.swarm.slow)
        self._busy = False

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        self._spoilt = True

    def doom(self) -> None:
        """Its process died: the server takes the transaction back, once the statement under way has ended."""
        if not self._busy:
            self.process.sessions.discard(self)
            self._pool.bury(self)

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        if query.startswith("BEGIN"):
            # A session for transactions has one open that nothing has been asked in: this costs no question.
            return await self._statement(query, nothing)
        asked = "COMMIT AND CHAIN" if query == "COMMIT" else query
        return await self._statement(query, lambda: self.real.execute(asked, *arguments))

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._statement(query, lambda: self.real.fetch(query, *arguments))

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        return await self._statement(query, lambda: self.real.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._statement(query, lambda: self.real.fetchval(query, *arguments))

    async def _statement(self, query: str, work: Callable[[], Awaitable[Any]]) -> Any:
        process, swarm = self.process, self.process.swarm
        if self.real is None:
            self.chained = query.startswith("BEGIN")
            self.real = self._pool.real(transaction=self.chained)
        await process.alive()
        if self._slow:
            await asyncio.sleep(process.random.random() * swarm.slow_seconds)
        await process.may_die("crash before a statement", swarm.crash)
        commits = query == "COMMIT"
        if commits and process.chance("commit lost", swarm.lost_commit):
            raise Cut("before COMMIT")
        if self._open and not commits and process.chance("deadlock", swarm.deadlock):
            raise asyncpg.DeadlockDetectedError("drawn")
        if "pg_notify" in query:
            self._rings = True
        self._busy = True
        try:
            result = await self._pool.turnstile.run(self.real.get_server_pid(), work, ends=commits)
        finally:
            self._busy = False
            if process.dead and self in process.sessions:
                self.doom()
        if query.startswith("BEGIN"):
            self._open = True
        if commits:
            self._open = False
            if self._rings:
                self._pool.ring(process)
        await process.may_die("crash after a statement", swarm.crash)
        if commits and process.chance("commit unknown", swarm.unknown_commit):
            raise Cut("after COMMIT")
        return result

    async def finish(self) -> None:
        """Back to the pool as if nothing had been."""
        if self._open:
            self._open = False
            await self._pool.turnstile.run(
                self.real.get_server_pid(), lambda: self.real.execute("ROLLBACK AND CHAIN"), ends=True
            )


@dataclass
class Reals:
    """Real sessions, taken from the end. ``open``: those with a transaction that nothing was asked in yet, for one transaction after
    the other without a question for its beginning; ``plain``: those whose statements stand each by itself.
    """

    open: list[Any] = field(default_factory=list)
    plain: list[Any] = field(default_factory=list)

    def copy(self) -> "Reals":
        """For one run."""
        return Reals(list(self.open), list(self.plain))


class Pool:
    """Real sessions shared by all processes of a run; each process sees a pool of its own through ``of``."""

    def __init__(self, turnstile: Turnstile, reals: Reals, ring: Callable[[Process], None]) -> None:
        self.turnstile = turnstile
        self._reals = reals
        self._free = asyncio.Semaphore(min(len(reals.open), len(reals.plain)))
        self.ring = ring
        self._burials: set[asyncio.Task[None]] = set()

    def of(self, process: Process) -> "Share":
        """The pool as one process sees it."""
        return Share(self, process)

    async def take(self, process: Process) -> Session:
        await self._free.acquire()
        if process.dead:
            self._free.release()
            await process.alive()
        session = Session(self, process)
        process.sessions.add(session)
        return session

    def real(self, *, transaction: bool) -> Any:
        """One for a transaction, or for statements that stand each by itself."""
        return (self._reals.open if transaction else self._reals.plain).pop()

    async def give(self, session: Session) -> None:
        session.process.sessions.discard(session)
        await session.finish()
        if session.real is not None:
            (self._reals.open if session.chained else self._reals.plain).append(session.real)
        self._free.release()

    def bury(self, session: Session) -> None:
        task = asyncio.ensure_future(self.give(session))
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)


class Share:
    """A process's pool, in the shape that ``Database`` asks for."""

    def __init__(self, pool: Pool, process: Process) -> None:
        self._pool = pool
        self._process = process

    async def acquire(self, timeout: float | None = None) -> Session:
        await self._process.alive()
        if self._process.chance("database away", self._process.swarm.away):
            raise TimeoutError("drawn")
        return await self._pool.take(self._process)

    async def release(self, session: Session) -> None:
        await self._process.alive()
        await self._pool.give(session)
