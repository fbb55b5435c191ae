"""One round of each system: make its world, load it, wait until everything has ended, and read what it cost."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import book, house
from bench.book import BOOK
from bench.databases import Cluster
from bench.house import House
from bench.measure import NOTHING, Peak, Written, cpu_seconds, percentile, written
from bench.outside import Sabotage
from bench.peers.batched import schema
from bench.processes import Process, started
from bench.sizes import TUESDAY, Sizes
from bench.validity import Seen, flaws, read_export
from bench.workload import Dialect, number
from gateway.listening import free_port
from sandbox.servers import Running
from storage.clock import SandboxClock
from storage.database import Connection

COUNT_SECONDS: Final = 0.05
#: What measures is not what is measured: these stand apart in every sum.
APART: Final = ("generator", "carrier and CRM")
POSTGRESQL: Final = "PostgreSQL"
VALKEY: Final = "Valkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every round stands on."""

    cluster: Cluster
    redis_url: str
    servers: Mapping[str, int]
    folder: Path
    sizes: Sizes
    key: str = field(repr=False)


async def ground_of(running: Running, folder: Path, sizes: Sizes) -> Ground:
    """What every round stands on, the people written."""
    cluster = Cluster(running.database_url)
    key = await book.write(cluster, running.redis_url, folder, sizes.contacts)
    postgresql, valkey = running.pids()
    return Ground(
        cluster=cluster,
        redis_url=running.redis_url,
        servers={POSTGRESQL: postgresql, VALKEY: valkey},
        folder=folder,
        sizes=sizes,
        key=key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed. Rates are per second, everything counted is per message."""

    accepted_per_second: float
    accept_p50_ms: float
    accept_p99_ms: float
    dispatched_per_second: float | None = None
    completed_per_second: float | None = None
    told_per_second: float | None = None
    #: Processor seconds per 1,000 messages, by part; those of ``APART`` are in it too.
    cpu_seconds: Mapping[str, float]
    pss_peak_bytes: int
    database_bytes: float
    wal_bytes: float
    commits: float
    flaws: tuple[str, ...] = ()

    @property
    def cpu_total(self) -> float:
        """Of the system with its database and its broker."""
        return sum(seconds for part, seconds in self.cpu_seconds.items() if part not in APART)


@dataclass(slots=True)
class Load:
    """What the generator saw: per accepted message when it was sent and when the answer came, and the other answers."""

    accepted: dict[int, tuple[float, float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def add(self, told: Mapping[str, Any]) -> None:
        """Read what a generator printed."""
        self.accepted |= {int(message): (since, at) for message, (since, at) in told["accepted"].items()}
        for status, count in told["refused"].items():
            self.refused[status] = self.refused.get(status, 0) + count
        self.answers += told["answers"]


@dataclass(slots=True)
class _Cost:
    cpu: dict[str, float] = field(default_factory=dict)
    pss_peak_bytes: int = 0
    before: Written = NOTHING
    after: Written = NOTHING


async def w1(ground: Ground, *, sabotage: Sabotage = Sabotage.NONE, profiles: Path | None = None) -> Round:
    """W1 against the gateway."""
    sizes, name = ground.sizes, "bench_w1"
    await ground.cluster.make(name, like=BOOK)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(name))
        owner: Connection = connection
        outside = await stack.enter_async_context(started("outside", ground.folder, "bench.outside"))
        ports = await outside.ask({"do": "open", "sabotage": sabotage})
        await SandboxClock().set(owner, TUESDAY)
        gateway = await stack.enter_async_context(
            house.running(
                ground.folder,
                database_url=ground.cluster.url(name),
                redis_url=ground.redis_url,
                key=ground.key,
                carrier_port=ports["carrier_port"],
                profiles=profiles,
            )
        )
        await outside.ask({"do": "secret", "secret": await house.register_crm(gateway, ports["crm_port"])})
        public_key = bytes.fromhex((await gateway.call("GET", "/v1/trace/head"))["public_key"])

        processes = {"API": gateway.api, "worker": gateway.worker}
        load = Load()
        async with _loaded(ground, Dialect.GATEWAY, gateway.port, sizes.messages, sizes.warm) as generator:
            await _go(generator, load)
        await _ended(ground, outside, processes, len(load.accepted), events=True)
        async with (
            _loaded(ground, Dialect.GATEWAY, gateway.port, 0, sizes.messages) as generator,
            _costing(ground, connection, processes, generator, outside) as cost,
        ):
            await _go(generator, load)
            await _ended(ground, outside, processes, len(load.accepted), events=True)
            # What is not sealed yet belongs to the work too.
            await gateway.call("GET", "/v1/trace/head")
        told = await outside.ask({"do": "tell"})
        statuses = dict(await connection.fetch("SELECT status, count(*) FROM message GROUP BY status"))
        if sabotage is Sabotage.TRACE:
            await _change_trace(connection)
        seen = Seen(
            asked=sizes.warm + sizes.messages,
            accepted=frozenset(load.accepted),
            refused=load.refused,
            answers=tuple(load.answers),
            arrived=frozenset(map(int, told["arrived"])),
            twice=told["twice"],
            strange=told["strange"],
            statuses=statuses,
            told=len(told["delivered"]),
            forged=told["forged"],
            trace=await _export(gateway, ground.folder / "trace.ndjson", public_key),
        )
        found = flaws(seen)
    await ground.cluster.drop(name)
    return _round(load, sizes.messages, cost, told, found)


async def prototype(ground: Ground) -> Round:
    """The same messages through the reference prototype, which has no CRM to tell."""
    sizes, name = ground.sizes, "bench_prototype"
    await ground.cluster.make(name)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(name))
        await connection.execute(schema())
        numbers = [number(person) for person in range(sizes.contacts)]
        await connection.execute("INSERT INTO contact (address) SELECT * FROM unnest($1::text[])", numbers)
        await connection.execute("VACUUM (ANALYZE)")
        outside = await stack.enter_async_context(started("outside", ground.folder, "bench.outside"))
        ports = await outside.ask({"do": "open", "sabotage": Sabotage.NONE})
        port = free_port()
        words = [str(port), ground.cluster.url(name), ground.redis_url, f"http://127.0.0.1:{ports['carrier_port']}"]
        running = await stack.enter_async_context(started("prototype", ground.folder, "bench.peers.batched", *words))
        await running.hear()

        processes = {"prototype": running}
        load = Load()
        async with _loaded(ground, Dialect.PROTOTYPE, port, sizes.messages, sizes.warm) as generator:
            await _go(generator, load)
        await _ended(ground, outside, processes, len(load.accepted), events=False)
        async with (
            _loaded(ground, Dialect.PROTOTYPE, port, 0, sizes.messages) as generator,
            _costing(ground, connection, processes, generator, outside) as cost,
        ):
            await _go(generator, load)
            await _ended(ground, outside, processes, len(load.accepted), events=False)
        told = await outside.ask({"do": "tell"})
    await ground.cluster.drop(name)
    found = []
    if len(load.accepted) != sizes.warm + sizes.messages or len(told["acknowledged"]) != len(load.accepted):
        found.append("not every message was accepted and acknowledged")
    return _round(load, sizes.messages, cost, told, found)


async def floor(ground: Ground, *, rows: bool) -> Round:
    """The same requests to a handler that does nothing (or keeps one row in a shared commit)."""
    sizes, name = ground.sizes, "bench_floor"
    await ground.cluster.make(name)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(name))
        port = free_port()
        words = [str(port), *([ground.cluster.url(name)] if rows else [])]
        running = await stack.enter_async_context(started("floor", ground.folder, "bench.floors", *words))
        await running.hear()

        processes = {"handler": running}
        load = Load()
        async with _loaded(ground, Dialect.GATEWAY, port, sizes.floor_messages, sizes.warm) as generator:
            await _go(generator, load)
        async with (
            _loaded(ground, Dialect.GATEWAY, port, 0, sizes.floor_messages) as generator,
            _costing(ground, connection, processes, generator, None) as cost,
        ):
            await _go(generator, load)
        kept = await connection.fetchval("SELECT count(*) FROM kept") if rows else len(load.accepted)
    await ground.cluster.drop(name)
    found = []
    if kept != sizes.warm + sizes.floor_messages:
        found.append(f"{kept} requests were kept")
    return _round(load, sizes.floor_messages, cost, None, found)


@asynccontextmanager
async def _loaded(ground: Ground, dialect: Dialect, port: int, first: int, count: int) -> AsyncIterator[Process]:
    """A generator with all its requests made."""
    order = {
        "dialect": dialect,
        "port": port,
        "key": ground.key,
        "contacts": max(ground.sizes.contacts, first + count),
        "first": first,
        "count": count,
    }
    async with started("generator", ground.folder, "bench.generator") as generator:
        await generator.ask(order)
        yield generator


async def _go(generator: Process, load: Load) -> None:
    load.add(await generator.ask({}))


async def _ended(
    ground: Ground, outside: Process, processes: Mapping[str, Process], accepted: int, *, events: bool
) -> None:
    """Until every accepted message is delivered and told, or nothing has moved for a while."""
    before: dict[str, int] = {}
    moved = time.monotonic()
    while True:
        counted = await outside.ask({"do": "count"})
        if counted["acknowledged"] >= accepted and (not events or counted["events"] >= accepted):
            return
        for process in processes.values():
            process.must_run()
        if counted != before:
            before, moved = counted, time.monotonic()
        elif time.monotonic() - moved > ground.sizes.stall_seconds:
            return
        await asyncio.sleep(COUNT_SECONDS)


@asynccontextmanager
async def _costing(
    ground: Ground, connection: Any, processes: Mapping[str, Process], generator: Process, outside: Process | None
) -> AsyncIterator[_Cost]:
    """What the block costs."""
    roots = {name: process.pid for name, process in processes.items()}
    peak = Peak(list(roots.values()))
    roots |= ground.servers
    roots["generator"] = generator.pid
    if outside is not None:
        roots["carrier and CRM"] = outside.pid
    cost = _Cost()
    await ground.cluster.checkpoint()
    cost.before = await written(connection)
    watching = asyncio.create_task(peak.watch())
    started_at = cpu_seconds(roots)
    try:
        yield cost
    finally:
        ended_at = cpu_seconds(roots)
        watching.cancel()
    cost.cpu = {name: ended_at[name] - started_at[name] for name in roots}
    cost.pss_peak_bytes = peak.bytes
    cost.after = await written(connection)


async def _export(gateway: House, file: Path, public_key: bytes) -> Any:
    wrong = await gateway.download("/v1/trace/export", file)
    return wrong if wrong is not None else await asyncio.to_thread(read_export, file, public_key)


async def _change_trace(connection: Any) -> None:
    """As somebody does who has taken the machine: one bit of one entry."""
    await connection.execute("ALTER TABLE trace DISABLE TRIGGER ALL")
    await connection.execute(
        "UPDATE trace SET header = set_byte(header, 12, get_byte(header, 12) # 1) WHERE idx = (SELECT max(idx) / 2 FROM trace)"
    )


def _round(load: Load, messages: int, cost: _Cost, told: Mapping[str, Any] | None, found: Sequence[str]) -> Round:
    timed = {message: span for message, span in load.accepted.items() if message < messages}
    start = min((since for since, _ in timed.values()), default=0.0)
    waits = [at - since for since, at in timed.values()] or [0.0]

    def rate(ends: Sequence[float]) -> float:
        return len(ends) / (max(ends) - start) if ends else 0.0

    def of(name: str) -> list[float]:
        assert told is not None
        return [at for message, at in told[name].items() if int(message) < messages]

    return Round(
        accepted_per_second=rate([at for _, at in timed.values()]),
        accept_p50_ms=percentile(waits, 0.50) * 1_000,
        accept_p99_ms=percentile(waits, 0.99) * 1_000,
        dispatched_per_second=None if told is None else rate(of("arrived")),
        completed_per_second=None if told is None else rate(of("acknowledged")),
        # Events name our ids, not the workload's: those of the warming are older than the start.
        told_per_second=None
        if told is None or not told["delivered"]
        else rate([at for at in told["delivered"].values() if at >= start]),
        cpu_seconds={name: seconds * 1_000 / messages for name, seconds in cost.cpu.items()},
        pss_peak_bytes=cost.pss_peak_bytes,
        database_bytes=(cost.after.database_bytes - cost.before.database_bytes) / messages,
        wal_bytes=(cost.after.wal_bytes - cost.before.wal_bytes) / messages,
        commits=(cost.after.commits - cost.before.commits) / messages,
        flaws=tuple(found),
    )
