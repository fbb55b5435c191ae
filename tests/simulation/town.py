"""One run: several worlds on one house of two workers and an API, with everything that goes wrong drawn from one seed."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from gateway import compose
from gateway.api.desk import Desk
from gateway.dispatch import Dispatcher
from gateway.messages import Canceller, Shelf
from gateway.page.links import Links
from gateway.page.says import Hearer
from gateway.pulls import Puller
from gateway.receive import Receiver
from gateway.seal import Sealer
from gateway.sweep import Sweeper
from storage import messages, tenancy
from storage.database import Connection, Database, DatabaseAway
from tests.simulation.carrier import Carrier
from tests.simulation.clockwork import PROCESS, Loop, Pool, Process, Reals, Swarm, Turnstile
from tests.simulation.people import DAYS, LAWS, People, slots
from tests.simulation.surroundings import CLOCK_OFF_SECONDS, FAULTS, Clock, Redis, settings
from tests.simulation.truth import Debtor, World
from vocabulary.channel import Channel
from webhooks.port import InboxAwayError

#: Worlds that share one run.
WORLDS = 50
#: How seldom a worker looks when nothing is due and no bell rings.
POLL_SECONDS = 6 * 3600.0
#: How soon after a bell or its hour a worker is up, in seconds.
WAKES = (0.0, 0.01, 0.05, 0.2)

#: Begin of runs: around changes of the clocks (US 1 Nov, CL 5 Sep), holidays (CO 2 and 16 Nov, 8 Dec; CL 18 Sep) and the new year.
BEGINS = tuple(
    datetime(*day, tzinfo=UTC)
    for day in ((2026, 10, 29), (2026, 11, 12), (2026, 9, 3), (2026, 12, 3), (2026, 12, 28), (2026, 9, 15))
)
#: How often both workers hear a bell; else one of them does, as if the other were busy.
BOTH_HEAR = 0.3


class Reached(Exception):
    """Compose has come as far as the desk; what follows is HTTP."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk


def reached(desk: Desk, *_: Any) -> Any:
    raise Reached(desk)


def desk_of(made: compose.House) -> Desk:
    """What stands behind the API's routes; HTTP itself has tests of its own."""
    try:
        compose.api(made)
    except Reached as found:
        return found.desk
    raise AssertionError("compose made no desk")


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

    def __init__(self, seed: int, loop: Loop, turnstile: Turnstile, reals: Reals, worlds: int = WORLDS) -> None:
        self.seed = seed
        self.loop = loop
        self.random = Random(seed)
        self.fired: dict[str, int] = {}
        # Runs next to one another differ in what goes wrong, and a few of them meet every kind and every begin.
        kind = tuple(FAULTS)[seed % len(FAULTS)]
        self.begin = BEGINS[seed // len(FAULTS) % len(BEGINS)]
        self.swarm = Swarm(**FAULTS[kind](self.random))
        self.kind = kind
        self.off = 0.0
        self.quiet = False
        self.pool = Pool(turnstile, reals, self._ring)
        self.redis = Redis(Random(seed + 1), self.random.choice((0.0, 0.0, 0.3)), self.fired)
        self.clock = Clock(self)
        self.people = People(self)
        self.worlds = [self._world(seed * WORLDS + k, k) for k in range(worlds)]
        self.by_address = {
            (c, a): w for w in self.worlds for d in w.debtors for c, a in (("sms", d.phone), ("email", d.mail))
        }
        self.slots = {law.name: slots(law, self.random) for law in LAWS}
        self.carriers = {
            name: Carrier(self, name, channel, Random(seed * 1013 + place))
            for place, (name, channel) in enumerate(
                (("sms-a", Channel.SMS), ("sms-b", Channel.SMS), ("mail-a", Channel.EMAIL))
            )
        }
        self.gateways: dict[str, Gateway] = {}
        self._lives = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeps: set[int] = set()
        self._due = asyncio.Event()
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
            phone = {
                "CO": f"+573001{tail}477",
                "CL": f"+569912{tail}47",
                "US-NYC": f"+1917{320 + k}{tail[-1]}141",
                "PE": f"+519871{tail}47",
            }[world.law.name]
            zones = world.law.zones
            if r.random() < 0.4:
                zones = (*zones, world.law.elsewhere)
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
            self._look_at(int(self.loop.time() // 60) + minutes + 1)

    def unheard(self) -> None:
        """Somebody's words did not come by hook: the next reading of the lists brings them, within five minutes."""
        self._unheard = True
        self._look_at(int(self.loop.time() // 60) + self.random.randint(1, 5))

    def _look_at(self, minute: int) -> None:
        """A sweep at that minute of the run."""
        if minute not in self._sweeps:
            self._sweeps.add(minute)
            self.loop.call_at(minute * 60.0, self._due.set)

    def _ring(self, process: Process) -> None:
        hear = [gateway for gateway in self.gateways.values() if gateway.desk is None]
        if hear and not self.quiet and self.random.random() >= BOTH_HEAR:
            hear = [self.random.choice(hear)]
        for gateway in hear:
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
            desk=desk_of(made) if process.name.startswith("api") else None,
            receiver=receiver,
            canceller=Canceller(**common, shelf=shelf),
            hearer=Hearer(**common, links=made.links, rejudger=compose.rejudger(made)),
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
                claimed = await gateway.dispatcher.round()
                due, now = await gateway.database.read(ask)
                if claimed and due is not None and due <= now:
                    continue
                wait = POLL_SECONDS if due is None else max(0.05, (due - now).total_seconds())
                rest = gateway.dispatcher.rest_seconds
                wait = min(wait, POLL_SECONDS, POLL_SECONDS if rest is None else max(rest, 0.05))
            except DatabaseAway:
                self.uneasy()
                wait = 2.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gateway.bell.wait(), wait)
            # Bells that ring at once wake a worker once; how soon it is up is drawn.
            await asyncio.sleep(self.random.choice(WAKES))

    async def _sweep(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            minute = int(self.loop.time() // 60)
            due = {each for each in self._sweeps if each <= minute}
            self._sweeps -= due
            if due and not await self.sweep_once():
                self._look_at(minute + 2)

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
            self.start(self.people.campaign(world))
            self.start(self.people.life(world))
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
        """The clock steps, ahead of the true one and behind it, as far as clocks may be apart."""
        r = Random(self.seed + 5)
        while not self.quiet:
            await asyncio.sleep(r.uniform(600, 40_000))
            self.off = r.choice((-1, 1)) * CLOCK_OFF_SECONDS * r.random() ** 0.3
            self.fired["clock stepped"] = self.fired.get("clock stepped", 0) + 1
        self.off = 0.0

    async def open(self, *_: Any, **__: Any) -> Database:
        """A pool of sessions for whichever process asks."""
        process = PROCESS.get()
        assert process is not None
        return Database(self.pool.of(process))
