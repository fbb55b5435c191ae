"""One run: several worlds on one house of two workers and an API, with everything that goes wrong drawn from one seed."""

import asyncio
import contextlib
import contextvars
import random as machine_random
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

import asyncpg
import msgspec

from gateway import asks, compose, failpoints
from gateway.api.desk import Desk
from gateway.circuits import Circuits
from gateway.dispatch import Dispatcher
from gateway.links import Links
from gateway.messages import Canceller, Shelf
from gateway.person_says import Hearer
from gateway.pulls import Puller
from gateway.receive import Receiver
from gateway.refusals import NotThere, Refused, TooLate
from gateway.seal import Sealer
from gateway.settings import Settings
from gateway.sweep import Sweeper
from jurisdictions.library import Library, load
from pages.debtor.forms import StopAll
from storage import messages, tenancy
from storage.database import Connection, Database, DatabaseAway
from tests.simulation.carrier import Carrier
from tests.simulation.clockwork import PROCESS, Loop, Pool, Process, Swarm, Turnstile, Watcher, outside
from tests.simulation.truth import Debtor, Elsewhere, Evidence, Law, Row, Shown, Stop, World
from vocabulary.channel import Channel
from vocabulary.ids import parsed
from webhooks.port import InboxAwayError

#: Worlds that share one run.
WORLDS = 10
DAYS = 8
SESSIONS = 12
SECRET = b"the secret of a simulated house, thirty-two bytes"
POLL_SECONDS = 6 * 3600.0

LAWS = (
    Law("CO", ("CO",), ("America/Bogota",), "BAJA", "Responda BAJA para no recibir más mensajes."),
    Law("CL", ("CL",), ("America/Santiago",), "BAJA", "Responda BAJA para no recibir más mensajes."),
    Law("US-NYC", ("US", "US-NYC"), ("America/New_York",), "STOP", "Reply STOP to stop messages."),
)

#: Begin of runs: around changes of the clocks (US 1 Nov, CL 5 Sep), holidays (CO 2 and 16 Nov, 8 Dec; CL 18 Sep) and the new year.
BEGINS = tuple(
    datetime(*day, tzinfo=UTC)
    for day in ((2026, 10, 29), (2026, 11, 12), (2026, 9, 3), (2026, 12, 3), (2026, 12, 28), (2026, 9, 15))
)

#: When CRMs send, in hours of UTC: before, at, within and at the end of hours, and at night.
SLOTS = (11.98, 12.5, 15.0, 18.0, 23.97, 24.9, 3.0)

FAULTS: dict[str, Callable[[Random], dict[str, float]]] = {
    "none": lambda r: {},
    "slow": lambda r: {"slow": 0.5, "slow_seconds": r.choice((0.05, 0.5, 2.0))},
    "commits": lambda r: {"slow": 0.2, "lost_commit": 0.05, "unknown_commit": 0.08, "away": 0.02, "deadlock": 0.004},
    "crashes": lambda r: {"slow": 0.2, "crash": 0.002, "crash_at": 0.04},
    "all": lambda r: {
        "slow": 0.3,
        "slow_seconds": r.choice((0.05, 0.5)),
        "lost_commit": 0.02,
        "unknown_commit": 0.03,
        "away": 0.01,
        "deadlock": 0.002,
        "crash": 0.001,
        "crash_at": 0.02,
        "silent_bell": 0.05,
    },
}


@cache
def settings() -> Settings:
    """An operator's file: two ways for SMS, one for mail."""
    return Settings(
        database_url="postgresql:///simulated",
        redis_url="redis://simulated",
        public_url="https://tregua.example",
        secret_key=SECRET.decode(),
        providers={name: {"kind": "simulated"} for name in ("sms-a", "sms-b", "mail-a")},
        channels={Channel.SMS: ("sms-a", "sms-b"), Channel.EMAIL: ("mail-a",)},
    )


@cache
def law() -> Library:
    """The packs, read once."""
    return load()


class Redis:
    """Where circuits are kept: lost, absent and spoilt as drawn."""

    def __init__(self, random: Random, troubled: float, fired: dict[str, int]) -> None:
        self._kept: dict[str, bytes] = {}
        self._random = random
        self._troubled = troubled
        self._fired = fired

    def register_script(self, text: str) -> Any:
        async def keep_if(keys: list[str], args: list[Any]) -> Any:
            self._trouble()
            stands = self._kept.get(keys[0], b"")
            if stands != (args[0] if isinstance(args[0], bytes) else str(args[0]).encode()):
                return stands
            self._kept[keys[0]] = args[1]
            return None

        return keep_if

    async def aclose(self) -> None:
        return None

    async def get(self, key: str) -> bytes | None:
        self._trouble()
        return self._kept.get(key)

    def _trouble(self) -> None:
        if self._troubled and self._random.random() < self._troubled:
            match self._random.randrange(3):
                case 0:
                    self._fired["redis flushed"] = self._fired.get("redis flushed", 0) + 1
                    self._kept.clear()
                case 1:
                    self._fired["redis absent"] = self._fired.get("redis absent", 0) + 1
                    raise ConnectionError("drawn")
                case _:
                    self._fired["redis spoilt"] = self._fired.get("redis spoilt", 0) + 1
                    self._kept = dict.fromkeys(self._kept, b"\xff not what stood here")


class Clock:
    """The database's clock: never further than a second from the true one, and stepping."""

    may_go_back = False

    def __init__(self, town: "Town") -> None:
        self._town = town

    async def now(self, connection: Connection, /) -> tuple[datetime, datetime]:
        read = self._town.now() + timedelta(seconds=self._town.off)
        return read, read


@dataclass(eq=False)
class Gateway:
    """One process: everything that compose makes of it, on simulated sessions."""

    process: Process
    context: contextvars.Context
    database: Database
    dispatcher: Dispatcher
    desk: Desk | None
    receiver: Receiver
    canceller: Canceller
    hearer: Hearer
    links: Links
    sweeper: Sweeper
    puller: Puller
    sealer: Sealer
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def api(self) -> Desk:
        assert self.desk is not None
        return self.desk


class Town:
    """A run. ``seed`` is of the whole run; world ``k`` of it has the seed ``seed * WORLDS + k``."""

    def __init__(self, seed: int, loop: Loop, turnstile: Turnstile, reals: list[Any]) -> None:
        self.seed = seed
        self.loop = loop
        self.random = Random(seed)
        self.fired: dict[str, int] = {}
        self.begin = self.random.choice(BEGINS)
        kind = self.random.choice(tuple(FAULTS))
        self.swarm = Swarm(**FAULTS[kind](self.random))
        self.kind = kind
        self.off = 0.0
        self.quiet = False
        self.pool = Pool(turnstile, reals, self._ring)
        self.redis = Redis(Random(seed + 1), self.random.choice((0.0, 0.0, 0.3)), self.fired)
        self.clock = Clock(self)
        self.worlds = [self._world(seed * WORLDS + k, k) for k in range(WORLDS)]
        self.by_address = {
            (c, a): w for w in self.worlds for d in w.debtors for c, a in (("sms", d.phone), ("email", d.mail))
        }
        hard = self.random.choice((0.0, 0.05, 0.25))
        self.carriers = {
            "sms-a": Carrier(self, "sms-a", Channel.SMS, Random(seed + 2), hard),
            "sms-b": Carrier(self, "sms-b", Channel.SMS, Random(seed + 3), hard),
            "mail-a": Carrier(self, "mail-a", Channel.EMAIL, Random(seed + 4), hard),
        }
        self.gateways: dict[str, Gateway] = {}
        self._lives = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeps: set[int] = set()
        self._unheard = False
        self.made: list[Process] = []
        self.broken: list[BaseException] = []
        self._stack = contextlib.AsyncExitStack()

    # ---- the world -------------------------------------------------------------------------------------------------

    def _world(self, seed: int, k: int) -> World:
        r = Random(seed)
        world = World(seed=seed, tenant=f"w{k}", law=r.choice(LAWS))
        shared = r.random() < 0.3
        for n in range(r.randint(2, 3)):
            tail = f"{k:02d}{0 if shared and n == 1 else n}"
            phone = {"CO": f"+573001{tail}477", "CL": f"+569912{tail}47", "US-NYC": f"+1917320{tail[1:]}41"}[
                world.law.name
            ]
            zones = world.law.zones
            if world.law.name == "US-NYC":
                phone = f"+1917{320 + k}{n if not (shared and n == 1) else 0}141"
                if r.random() < 0.4:
                    zones = (*zones, "America/Los_Angeles")
            world.debtors.append(Debtor(f"p{n}", phone, f"p{n}@w{k}.example.org", zones))
        return world

    def now(self) -> datetime:
        """The true instant."""
        return self.begin + timedelta(seconds=self.loop.time())

    def at(self, instant: datetime) -> float:
        return (instant - self.begin).total_seconds()

    def start(self, work: Coroutine[Any, Any, Any], gateway: Gateway | None = None) -> asyncio.Task[Any]:
        """A life of its own; what breaks in it breaks the run."""
        task = self.loop.create_task(work, context=gateway.context if gateway else None)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken.append(error)

    def ask(self, work: Coroutine[Any, Any, Any], gateway: Gateway) -> asyncio.Task[Any]:
        """Something asked of a process, whose answer is for the one who asked."""
        return self.loop.create_task(work, context=gateway.context)

    async def sleep_until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.loop.time()))

    def uneasy(self) -> None:
        """Something was left open: sweepers will look, at the spans at which they would."""
        for minutes in (1, 2, 7, 21, 62, 85, 130):
            self._sweeps.add(int(self.loop.time() // 60) + minutes + 1)

    def unheard(self) -> None:
        """Somebody's words did not come by hook: the next reading of the lists brings them, within five minutes."""
        self._unheard = True
        self._sweeps.add(int(self.loop.time() // 60) + self.random.randint(1, 5))

    def _ring(self, process: Process) -> None:
        for gateway in self.gateways.values():
            if not process.chance("bell not heard", 0 if self.quiet else self.swarm.silent_bell):
                gateway.bell.set()

    # ---- processes -------------------------------------------------------------------------------------------------

    async def _gateway(self, name: str) -> Gateway:
        self._lives += 1
        swarm = Swarm() if self.quiet else self.swarm
        process = Process(f"{name}.{self._lives}", Random(self.seed * 1009 + self._lives), swarm, self.fired)
        self.made.append(process)
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return await self.loop.create_task(self._made(process, context), context=context)

    async def _made(self, process: Process, context: contextvars.Context) -> Gateway:
        """A process as compose makes it: nothing is wired here that is wired there."""
        made = await self._stack.enter_async_context(compose.house(settings(), clock=self.clock))
        receiver, _ = compose.receiving(made)
        shelf = Shelf(made.costs)
        common: dict[str, Any] = {"database": made.database, "clock": made.clock, "scribe": made.scribe}
        return Gateway(
            process=process,
            context=context,
            database=made.database,
            dispatcher=compose.dispatcher(made),
            desk=_desk(made) if process.name.startswith("api") else None,
            receiver=receiver,
            canceller=Canceller(**common, shelf=shelf),
            hearer=Hearer(**common, links=made.links),
            links=made.links,
            sweeper=compose.sweeper(made),
            puller=Puller(database=made.database, clock=made.clock, inbox=receiver, adapters=made.adapters),
            sealer=made.sealer,
        )

    async def _lives_of(self, name: str) -> None:
        """One process after another under the same name, for as long as the run lasts."""
        while True:
            gateway = self.gateways[name] = await self._gateway(name)
            if name != "api":
                self.start(self._drain(gateway), gateway)
            await gateway.process.died.wait()
            self.uneasy()
            await asyncio.sleep(self.random.uniform(0.5, 90))

    async def _drain(self, gateway: Gateway) -> None:
        async def ask(connection: Connection) -> tuple[datetime | None, datetime]:
            at = await messages.next_due(connection, gateway.dispatcher.resting())
            return at, (await self.clock.now(connection))[0]

        while not gateway.process.dead:
            gateway.bell.clear()
            try:
                if await gateway.dispatcher.round():
                    continue
                due, now = await gateway.database.read(ask)
                wait = POLL_SECONDS if due is None else max(0.05, (due - now).total_seconds())
                rest = gateway.dispatcher.rest_seconds
                wait = min(wait, POLL_SECONDS, POLL_SECONDS if rest is None else max(rest, 0.05))
            except DatabaseAway:
                self.uneasy()
                wait = 2.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gateway.bell.wait(), wait)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(60 - self.loop.time() % 60)
            minute = int(self.loop.time() // 60)
            due = {each for each in self._sweeps if each <= minute}
            if due:
                self._sweeps -= due
                if not await self.sweep_once():
                    self._sweeps.add(minute + 2)

    async def sweep_once(self) -> bool:
        """Every job of a worker, once, in one that lives; whether all of them were done."""
        living = [g for g in self.gateways.values() if g.desk is None and not g.process.dead]
        if not living:
            return False
        gateway, whole = self.random.choice(living), True
        pulls = (gateway.puller.pull,) if self._unheard or self.quiet else ()
        self._unheard = False
        for job in (gateway.sweeper.reap, gateway.sweeper.look_up, *pulls):
            try:
                await self.within(60.0, self.ask(job(), gateway))
            except (DatabaseAway, InboxAwayError, TimeoutError):
                whole = False
                self._unheard = self._unheard or bool(pulls)
        return whole

    async def within(self, seconds: float, task: asyncio.Task[Any]) -> Any:
        """Wait so long for somebody who may be dead: the dead do not even answer to being called off."""
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            raise TimeoutError
        return task.result()

    async def call(self, what: Callable[[Gateway], Coroutine[Any, Any, Any]], seconds: float = 30.0) -> Any:
        """One request to the API, which may die under it. Raises TimeoutError or what the house raises."""
        gateway = self.gateways["api"]
        return await self.within(seconds, self.ask(what(gateway), gateway))

    # ---- what CRMs do ----------------------------------------------------------------------------------------------

    async def submit(self, world: World, key: str, ask: asks.MessageAsk) -> None:
        """A CRM sends and asks again until it is told 202, or told no."""
        for turn in range(8):
            try:
                accepted = await self.call(
                    lambda g: g.api.acceptor.submit(world.tenant, key, key.encode().ljust(32), ask)
                )
            except (TimeoutError, DatabaseAway):
                await asyncio.sleep(20 * (turn + 1))
                continue
            except Refused as error:
                raise AssertionError(f"refused: {error.flaws}") from error
            if world.acknowledged.setdefault(key, accepted.document["id"]) != accepted.document["id"]:
                world.doubled.append(key)
            return

    async def _campaign(self, world: World) -> None:
        r = Random(world.seed + 7_000_001)
        times = sorted((r.randrange(DAYS) * 24 + r.choice(SLOTS)) * 3600 for _ in range(r.randint(5, 9)))
        for n, at in enumerate(times):
            debtor = r.choice(world.debtors)
            channels = r.choice((["sms"], ["sms"], ["sms", "email"], ["email", "sms"], ["email"]))
            ask = msgspec.convert(
                {
                    "contact": self._contact(world, debtor),
                    "channels": channels,
                    "purpose": "collection",
                    "debts": [{"id": f"d-{debtor.id}"}],
                    "content": {
                        "text": f"Cuota {n} de {debtor.id}: {{{{link}}}} {world.law.offer}",
                        **({"subject": "Aviso"} if channels == ["email"] else {}),
                    },
                    **({"expires_at": (self.begin + timedelta(days=DAYS + 2)).isoformat()} if r.random() < 0.8 else {}),
                },
                asks.MessageAsk,
            )
            await self.sleep_until(at + r.choice((0.0, 0.0, r.random())))
            key = f"{world.tenant}-{n}"
            self.start(self.submit(world, key, ask))
            if r.random() < 0.15:
                self.start(self.submit(world, key, ask))
            if r.random() < 0.08:
                self.start(self._cancel(world, key, r.choice((1.0, 600.0, 6 * 3600.0))))

    def _contact(self, world: World, debtor: Debtor) -> dict[str, Any]:
        allowed = {"at": (self.begin - timedelta(days=90)).isoformat(), "instrument": "separate"}
        return {
            "id": debtor.id,
            "role": "debtor",
            "jurisdictions": list(world.law.packs),
            "zones": list(debtor.zones),
            "addresses": [
                {
                    "channel": "sms",
                    "address": debtor.phone,
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": allowed,
                },
                {
                    "channel": "email",
                    "address": debtor.mail,
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": allowed,
                },
            ],
        }

    async def _cancel(self, world: World, key: str, after: float) -> None:
        await asyncio.sleep(after)
        shown = parsed("msg", world.acknowledged.get(key, ""))
        if shown is None:
            return
        with contextlib.suppress(TimeoutError, DatabaseAway, TooLate, NotThere):
            await self.call(lambda g: g.canceller.cancel(world.tenant, shown))
            world.cancelled[shown.hex] = self.now()

    # ---- what people do --------------------------------------------------------------------------------------------

    async def _life(self, world: World) -> None:
        """Some stop, by one of four ways, often at the very second at which something leaves."""
        r = Random(world.seed + 7_000_003)
        for debtor in world.debtors:
            if r.random() < 0.5:
                day, slot = r.randrange(1, DAYS), r.choice((12.0, 13.0, 11.0, *SLOTS))
                at = (day * 24 + slot) * 3600 + r.choice((0.0, 0.02, r.random(), 3 * r.random(), 3600 * r.random()))
                self.start(
                    self._stops(world, debtor, at, r.choice(("hook", "hook", "crm", "page")), Random(r.random()))
                )
            if r.random() < 0.25:
                self.start(self._elsewhere(world, debtor, r.randrange(DAYS) * 86400 + r.uniform(12, 20) * 3600, r))

    async def _stops(self, world: World, debtor: Debtor, at: float, by: str, r: Random) -> None:
        await self.sleep_until(at)
        stop = Stop(debtor.id, "sms", debtor.phone, self.now(), by)
        if by == "crm":
            stop.said = self.now()
            body = {
                "type": "consent",
                "at": self.now().isoformat(),
                "state": "withdrawn",
                "all": True,
                "id": f"stop-{debtor.id}",
            }
            if r.random() < 0.5:
                body = {**body, "all": False, "channel": "sms", "address": debtor.phone}
                stop.debtor = None
            else:
                stop.channel = stop.address = None
            event = msgspec.convert(body, asks.EventAsk)
            await self._tell(stop, world, lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [event]))
        elif by == "page":
            links = [
                t for t in world.taken if t.to == debtor.phone and t.reached is not None and t.reached <= self.now()
            ]
            if not links:
                return
            link = links[-1]
            stop.debtor = None
            await self._tell(
                stop,
                world,
                lambda g: g.hearer.hear(
                    g.links.token(UUID(link.attempt)), StopAll(), nonce=f"{world.tenant}-{debtor.id}", version="1"
                ),
            )
        else:
            stop.debtor = None
            await self.carriers["sms-a"].said(stop, world, debtor, world.law.stop_word, r)
            if r.random() < 0.4:
                await asyncio.sleep(r.choice((30.0, 3 * 3600.0)))
                again = Stop(None, "sms", debtor.phone, self.now(), "hook")
                await self.carriers["sms-a"].said(again, world, debtor, world.law.stop_word, r)

    async def _tell(self, stop: Stop, world: World, how: Callable[[Gateway], Coroutine[Any, Any, Any]]) -> None:
        """Somebody insists until the house has acknowledged it."""
        for turn in range(12):
            try:
                done = await self.call(how)
            except (TimeoutError, DatabaseAway, InboxAwayError):
                await asyncio.sleep(5 * (turn + 1))
                continue
            except (NotThere, Refused):
                return  # nobody knows her yet
            if done is not False:
                stop.kept = self.now()
                world.stops.append(stop)
            return

    async def _elsewhere(self, world: World, debtor: Debtor, at: float, r: Random) -> None:
        """An agent calls her, and the CRM says so; sometimes it takes that back."""
        await self.sleep_until(at)
        happened = self.now()
        name = f"call-{debtor.id}"
        body = {
            "type": "contact",
            "at": happened.isoformat(),
            "channel": "call_live",
            "outcome": "attempted",
            "id": name,
            "debts": [f"d-{debtor.id}"],
        }
        event = msgspec.convert(body, asks.EventAsk)
        with contextlib.suppress(TimeoutError, DatabaseAway, NotThere, Refused):
            await self.call(lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [event]))
            told = Elsewhere(debtor.id, "call_live", happened, self.now())
            world.elsewhere.append(told)
            if r.random() < 0.3:
                body = {**body, "id": f"{name}-corrected", "corrects": name, "outcome": "failed"}
                taken_back = msgspec.convert(body, asks.EventAsk)
                told.corrected = self.now()
                await self.call(lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [taken_back]))

    # ---- the run ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live through it; then let everything settle without further faults."""
        founder = await self._gateway("founder")
        founder.process.swarm = Swarm()
        await self.ask(self._found(founder), founder)
        for name in ("api", "worker-1", "worker-2"):
            self.start(self._lives_of(name))
        self.start(self._sweep())
        self.start(self._steps())
        await asyncio.sleep(0)
        for world in self.worlds:
            self.start(self._campaign(world))
            self.start(self._life(world))
        await self.sleep_until(DAYS * 86400.0)
        self.quiet = True
        for gateway in list(self.gateways.values()):
            gateway.process.swarm = Swarm()
            gateway.bell.set()
        await asyncio.sleep(400)
        for _ in range(9):
            await asyncio.sleep(20 * 60)
            await self.sweep_once()
        await asyncio.sleep(60)
        sealer = self.gateways["worker-1"]
        await self.ask(sealer.sealer.seal_all(), sealer)
        for world in self.worlds:
            world.ended = self.now()

    async def _found(self, gateway: Gateway) -> None:
        policy = {"sender": {"role": "third_party", "creditor": "C1", "collector": "A1"}}

        async def job(connection: Connection) -> None:
            for world in self.worlds:
                await tenancy.put_tenant(connection, world.tenant, world.tenant, self.now())
                await tenancy.put_policy(connection, world.tenant, msgspec.json.encode(policy).decode(), self.now())

        await gateway.database.run(job)

    async def _steps(self) -> None:
        """The clock steps, within what clocks may be apart."""
        r = Random(self.seed + 5)
        while not self.quiet:
            await asyncio.sleep(r.uniform(600, 40_000))
            self.off = r.uniform(-1, 1)
            self.fired["clock stepped"] = self.fired.get("clock stepped", 0) + 1
        self.off = 0.0

    async def open(self, *_: Any, **__: Any) -> Database:
        """A pool of sessions for whichever process asks."""
        process = PROCESS.get()
        assert process is not None
        return Database(self.pool.of(process))


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

    async def _open(self, url: str) -> None:
        self._owner = await asyncpg.connect(
            url, server_settings={"search_path": "tregua"}, max_cached_statement_lifetime=0
        )
        self._reals = [
            await asyncpg.connect(url, server_settings=SETTINGS, max_cached_statement_lifetime=0)
            for _ in range(SESSIONS)
        ]

    def run(self, seed: int) -> Ran:
        """One whole run."""
        self.loop.instant = 0.0
        before = self.turnstile.statements, self.turnstile.waited
        self.loop.run_until_complete(outside_of(self._owner.execute(_EMPTY)))
        town = Town(seed, self.loop, self.turnstile, list(self._reals))
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
        for real in self._reals:
            if real.is_in_transaction():
                await outside(real.execute("ROLLBACK"))
        self.turnstile.clear()

    def close(self) -> None:
        async def shut() -> None:
            for real in (*self._reals, self._owner):
                await real.close()

        self.loop.run_until_complete(outside_of(shut()))
        self._watcher.close()
        self.loop.close()


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
        for module in ("gateway.dispatch", "gateway.ways", "throttling.pacing", "vocabulary.ids"):
            stack.enter_context(mock.patch(f"{module}.time", seconds))
        # She is asked about every second while an attempt to her is in the air; here that may be seldomer.
        stack.enter_context(mock.patch("gateway.dispatch.PATIENCE", timedelta(seconds=20)))
        stack.enter_context(mock.patch.dict(Circuits.__init__.__kwdefaults__, wall=town.loop.time))
        stack.enter_context(mock.patch("gateway.compose.Database", SimpleNamespace(open=town.open)))
        stack.enter_context(mock.patch("gateway.compose.load", law))
        stack.enter_context(mock.patch("gateway.compose.specs", return_value={"simulated": SimpleNamespace(hooks=())}))
        stack.enter_context(mock.patch("gateway.compose._adapters", side_effect=lambda *_: dict(town.carriers)))
        stack.enter_context(mock.patch("gateway.compose.make_app", _found))
        stack.enter_context(mock.patch("gateway.compose.hook_routes", return_value=[]))
        stack.enter_context(mock.patch("gateway.compose.redis", _client(town.redis)))
        stack.enter_context(mock.patch("vocabulary.ids.os", SimpleNamespace(urandom=dice.randbytes)))
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


class _Desk(Exception):
    """Compose has come as far as the desk; what follows is HTTP."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk


def _found(desk: Desk, *_: Any) -> Any:
    raise _Desk(desk)


def _desk(made: compose.House) -> Desk:
    """What stands behind the API's routes; HTTP itself has tests of its own."""
    try:
        compose.api(made)
    except _Desk as found:
        return found.desk
    raise AssertionError("compose made no desk")


def _client(kept: Redis) -> Any:
    made = SimpleNamespace(from_url=lambda *_, **__: kept)
    return SimpleNamespace(asyncio=SimpleNamespace(Redis=made))


def _strike(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def strike() -> None:
        process = PROCESS.get()
        if process is not None:
            await process.may_die(f"crash at {name}", process.swarm.crash_at)

    return strike
