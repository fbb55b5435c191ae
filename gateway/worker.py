"""The worker: a drain loop woken by PostgreSQL, and arq for everything that runs by the clock.

arq carries no legal instant and no message: its crons tick in real time and ask what is due. Without Redis the same jobs run by
a timer of our own, later but surely; nothing of the law depends on either.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog
from arq import cron
from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from gateway.dispatch import BATCH_MAX, Dispatcher
from gateway.ending import end
from storage import liveness, messages
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway

log = structlog.get_logger()

DUE: Final = "tregua_due"
OUTBOX: Final = "tregua_outbox"
QUEUE: Final = "tregua:jobs"
CONNECT_SECONDS_MAX: Final = 1.0

#: The net under the bell: how long a lost notification can delay anything, real seconds.
POLL_SECONDS: Final = 1.0
#: A pause after a round that took less than everything, so that what arrives meanwhile shares the next commit.
GATHER_SECONDS: Final = 0.05
#: The same of deliveries: a CRM that is told of many things at once is told of them in rounds.
DELIVERIES_GATHER_SECONDS: Final = 0.1
BEAT_SECONDS: Final = 5.0
AWAY_SECONDS_MAX: Final = 5.0
JOB_SECONDS_MAX: Final = 60
#: When what runs once a day does, by the machine's clock.
NIGHT_HOUR: Final = 3


@dataclass(frozen=True, slots=True)
class Job:
    """Something that runs every so many seconds of real time: by arq, and by our own timer when arq is silent.

    ``seconds_max``: a turn that takes longer is cut.
    """

    name: str
    seconds: int
    run: Callable[[], Awaitable[Any]]
    seconds_max: float = JOB_SECONDS_MAX


class Worker:
    """One worker process's loops."""

    def __init__(
        self,
        *,
        database: Database,
        database_url: str,
        redis_url: str,
        clock: LegalClock,
        dispatcher: Dispatcher,
        deliver: Callable[[], Awaitable[int]],
        deliverable: Callable[[], Awaitable[bool]],
        jobs: Sequence[Job],
        process: UUID,
        count: Callable[[str, str, float], None] = lambda _job, _ending, _seconds: None,
    ) -> None:
        self._database = database
        self._database_url = database_url
        self._redis_url = redis_url
        self._clock = clock
        self._dispatcher = dispatcher
        self._deliver = deliver
        self._deliverable = deliverable
        self._jobs = jobs
        self._process = process
        self._count = count
        self._due = asyncio.Event()
        self._outbox = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ran: dict[str, float] = {}

    async def run(self) -> None:
        """Work until ``stop``; then let what is in the air land."""
        loops = [
            asyncio.create_task(loop, name=name)
            for name, loop in (
                ("listen", self._listen()),
                ("drain", self._drain()),
                ("notify", self._notify()),
                ("beat", self._beat()),
                ("net", self._net()),
                ("arq", self._arq()),
            )
        ]
        stopping = asyncio.create_task(self._until_stopped())
        done, _ = await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        self._due.set()
        self._outbox.set()
        await end(*(task for task in loops if task.get_name() not in ("drain", "notify")))
        await asyncio.gather(*loops, return_exceptions=True)
        await self._dispatcher.drain()
        with contextlib.suppress(DatabaseAway):
            await self._database.run(lambda connection: liveness.leave(connection, self._process))
        for task in done:
            if task is not stopping:
                # A loop that ends by itself is a bug of ours: say so with the process's own end.
                task.result()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()

    async def _drain(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            self._due.clear()
            try:
                claimed = await self._dispatcher.round()
                pause = 0.1
                if 0 < claimed < BATCH_MAX:
                    await asyncio.sleep(GATHER_SECONDS)
                wait = 0.0 if claimed else await self._until_due()
            except DatabaseAway:
                wait = pause
                pause = min(pause * 2, AWAY_SECONDS_MAX)
            # The net only looks: a round, with its transaction, is for what has rung or is due.
            while wait > 0 and not await _first(self._due, wait):
                try:
                    wait = await self._until_due()
                except DatabaseAway:
                    wait = POLL_SECONDS

    async def _until_due(self) -> float:
        """How long nothing is due, at most the net's second."""

        async def ask(connection: Connection) -> float:
            at = await messages.next_due(connection, self._dispatcher.resting())
            if at is None:
                return POLL_SECONDS
            legal, _ = await self._clock.now(connection)
            return max(0.0, (at - legal).total_seconds())

        due = await self._database.read(ask)
        rest = self._dispatcher.rest_seconds
        return min(POLL_SECONDS, due, POLL_SECONDS if rest is None else rest)

    async def _notify(self) -> None:
        while not self._stopping.is_set():
            self._outbox.clear()
            try:
                tried = await self._deliver()
            except DatabaseAway:
                tried = 0
            if tried:
                await asyncio.sleep(DELIVERIES_GATHER_SECONDS)
                continue
            while not await _first(self._outbox, POLL_SECONDS):
                with contextlib.suppress(DatabaseAway):
                    if await self._deliverable():
                        break

    async def _listen(self) -> None:
        """Be woken by commits; when the connection breaks, the net's second carries on until it is back."""
        while not self._stopping.is_set():
            try:
                connection = await asyncpg.connect(self._database_url, server_settings={"role": "tregua_app"})
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(POLL_SECONDS)
                continue
            gone = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _, gone=gone: gone.set())
                await connection.add_listener(DUE, lambda *_: self._due.set())
                await connection.add_listener(OUTBOX, lambda *_: self._outbox.set())
                self._due.set()
                self._outbox.set()
                await gone.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(POLL_SECONDS)
            finally:
                connection.terminate()

    async def _beat(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(DatabaseAway):
                await self._database.run(lambda connection: liveness.beat(connection, self._process, "worker"))
            await asyncio.sleep(BEAT_SECONDS)

    async def _net(self) -> None:
        """Run what arq has not run for three of its turns."""
        while not self._stopping.is_set():
            await asyncio.sleep(POLL_SECONDS)
            for job in self._jobs:
                if monotonic() - self._ran.setdefault(job.name, monotonic()) > 3 * job.seconds:
                    await self._run(job)

    async def _run(self, job: Job) -> None:
        begun = self._ran[job.name] = monotonic()
        ending = "done"
        try:
            await asyncio.wait_for(job.run(), timeout=job.seconds_max)
        except DatabaseAway:
            ending = "database_away"
            log.warning("job.database_away", job=job.name)
        except Exception as error:
            ending = "failed"
            log.exception("job.failed", job=job.name, error=type(error).__name__)
        self._count(job.name, ending, monotonic() - begun)

    async def _arq(self) -> None:
        """arq, made anew whenever it falls: a Redis that restarts ends its worker (python-arq/arq#498)."""
        crons = [
            cron(
                self._as_cron(job),
                name=job.name,
                second=set(range(0, 60, job.seconds)) if job.seconds < 60 else 0,
                minute=None if job.seconds <= 60 else set(range(0, 60, job.seconds // 60)),
                hour=None if job.seconds <= 3600 else NIGHT_HOUR,
                unique=False,
                keep_result=0,
                timeout=job.seconds_max,
            )
            for job in self._jobs
        ]
        while not self._stopping.is_set():
            try:
                await self._arq_until_it_falls(crons)
            except Exception as error:  # Redis away, or back: the net runs the jobs meanwhile
                log.warning("arq.fell", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _arq_until_it_falls(self, crons: list[Any]) -> None:
        # Never pickle: whoever can write to Redis could run code here.
        # Made by hand and not by arq's ``create_pool``, which forgets its connection when it is cancelled while it asks whether
        # anybody answers.
        connections = ConnectionPool.from_url(
            self._redis_url, socket_connect_timeout=CONNECT_SECONDS_MAX, retry=Retry(ExponentialBackoff(), 3)
        )
        pool = ArqRedis(
            connections,
            default_queue_name=QUEUE,
            job_serializer=msgspec.msgpack.encode,
            job_deserializer=msgspec.msgpack.decode,
        )
        try:
            await pool.ping()
            worker = ArqWorker(
                functions=[],
                cron_jobs=crons,
                queue_name=QUEUE,
                redis_pool=pool,
                handle_signals=False,
                poll_delay=POLL_SECONDS,
                keep_result=0,
                job_serializer=msgspec.msgpack.encode,
                job_deserializer=msgspec.msgpack.decode,
            )
            try:
                await worker.async_run()
            finally:
                await _let_go(worker)
        finally:
            await pool.aclose()
            await connections.aclose()

    def _as_cron(self, job: Job) -> Any:
        async def tick(_context: dict[str, Any]) -> None:
            await self._run(job)

        tick.__qualname__ = job.name
        return tick


async def _let_go(worker: ArqWorker) -> None:
    """Close what fell or was cut; that arq's own jobs were cut is no word to us, our own end is."""
    try:
        await worker.close()
    except asyncio.CancelledError:
        ours = asyncio.current_task()
        if ours is not None and ours.cancelling():
            raise
    except Exception as error:
        log.warning("arq.close_failed", error=type(error).__name__)


async def _first(event: asyncio.Event, seconds: float) -> bool:
    """Until the event or the end of the time, whichever is first; whether it was the event."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
