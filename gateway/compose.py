"""Puts the house together: the only file that makes concrete things, all of them inside one exit stack."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import redis.asyncio
from aiohttp import web
from redis.exceptions import RedisError

from adapters.kit.discovery import specs
from adapters.kit.mail_marks import ReceivesMail
from adapters.kit.port import Adapter
from adapters.kit.settings import SettingsError
from gateway.api.app import make_app
from gateway.api.desk import Desk
from gateway.audit.margins import Auditor
from gateway.audit.proofs import Prover
from gateway.audit.recheck import Watch
from gateway.audit.reports import Maker, Reports
from gateway.audit.reports_counts import Counter
from gateway.audit.witnesses import Witnesses
from gateway.auto import LEARN_SECONDS, Auto, Learner
from gateway.console.door import open_console, press_of, sessions_of
from gateway.console.site import Rooms
from gateway.console.tally import SECONDS as TALLY_SECONDS
from gateway.console.tally import Tally
from gateway.costs.bills import AGES as BILL_AGES
from gateway.costs.bills import PERIOD_SECONDS as BILL_SECONDS
from gateway.costs.bills import Biller
from gateway.costs.budgets import BudgetBook
from gateway.costs.expected import Costs
from gateway.counting import CountingCircuits
from gateway.courtesy import Courtesy
from gateway.dispatch import ABANDONED, Dispatcher
from gateway.entries import Scribe
from gateway.judge import Judge, WayOut
from gateway.listening import listening
from gateway.media.links import MediaLinks
from gateway.media.links import routes as media_routes
from gateway.media.notes import NoteRoom
from gateway.media.recordings import MediaRoom
from gateway.media.replies import ReplyMedia
from gateway.messages import Canceller, Shelf
from gateway.metrics import Metrics
from gateway.page.door import open_page
from gateway.page.links import Links
from gateway.parcels import Packer
from gateway.people.erasure import Eraser
from gateway.people.exports import Exporter
from gateway.people.registers import Registers
from gateway.people.registrar import Registrar
from gateway.pulls import PERIOD_SECONDS as PULL_SECONDS
from gateway.pulls import Puller
from gateway.questions import Adviser
from gateway.receive import Receiver
from gateway.rejudged import Rejudger
from gateway.seal import Sealer
from gateway.settings import Settings, Wrong
from gateway.settle import LOOKUPS, Settler
from gateway.speech.booth import Booth
from gateway.starts import Bot, Starter
from gateway.sweep import ABSENT_APART, Sweeper
from gateway.telemetry.choice import makers_for
from gateway.telemetry.kinds import Kinds
from gateway.templates.desk import TemplateDesk
from gateway.templates.versions import Templates
from gateway.tenants.keys import Keyring
from gateway.tenants.policies import Policies
from gateway.tenants.quotas import Quotas
from gateway.ways.choosing import Board, Ways
from gateway.ways.circuits import Circuits
from gateway.ways.portfolios import Portfolios
from gateway.worker import Job, Worker
from jurisdictions.library import Library, load
from storage.clock import DatabaseClock, LegalClock, SandboxClock
from storage.database import Database
from storage.recheck import STATEMENT_SECONDS_MAX
from throttling.pacing import Pacer
from vocabulary.channel import Channel
from vocabulary.ids import new_uuid
from webhooks.intake import routes as hook_routes
from webhooks.mail import MailListener
from webhooks.port import Ending

REDIS_SECONDS_MAX = 1.0


def real_now() -> datetime:
    """The machine's clock, for what happens before there is a database to ask."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Spans of real time that a test may shorten; what they are for is said where they are used."""

    abandoned_after: timedelta = ABANDONED
    lookups: tuple[timedelta, ...] = LOOKUPS
    absent_apart: timedelta = ABSENT_APART
    sweep_seconds: int = 5
    bill_ages: tuple[timedelta, ...] = BILL_AGES


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that was made, by name."""

    settings: Settings = field(repr=False)
    database: Database
    clock: LegalClock
    law: Library = field(repr=False)
    judge: Judge
    auto: Auto
    scribe: Scribe
    policies: Policies
    templates: Templates
    costs: Costs
    portfolios: Portfolios
    links: Links
    ways: Mapping[Channel, tuple[Adapter, ...]]
    adapters: Mapping[str, Adapter]
    settler: Settler
    booth: Booth
    media_links: MediaLinks
    notes: NoteRoom
    sealer: Sealer
    pace: Pace
    metrics: Metrics
    redis: "redis.asyncio.Redis" = field(repr=False)
    endpoint_secret: bytes = field(repr=False)
    mark_secret: bytes = field(repr=False)
    kinds: Kinds
    stack: contextlib.AsyncExitStack = field(repr=False)


@contextlib.asynccontextmanager
async def house(
    settings: Settings, *, clock: LegalClock | None = None, pace: Pace | None = None
) -> AsyncIterator[House]:
    """Make what both kinds of process need, and let go of it at the end. Raises Wrong or DatabaseAway."""
    async with contextlib.AsyncExitStack() as stack:
        makers = makers_for(settings.traces_url)
        stack.push_async_callback(asyncio.to_thread, makers.close)
        law = load()
        mark_secret = _derived(settings, "attempt marks")
        endpoint_secret = _derived(settings, "endpoints")
        adapters = adapters_of(settings, mark_secret)
        for adapter in adapters.values():
            stack.push_async_callback(adapter.close)
        ways = {channel: tuple(adapters[name] for name in names) for channel, names in settings.channels.items()}
        database = await Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        cache = redis.asyncio.Redis.from_url(
            settings.redis_url, socket_timeout=REDIS_SECONDS_MAX, socket_connect_timeout=REDIS_SECONDS_MAX
        )
        stack.push_async_callback(_leave, cache)
        if clock is None:
            clock = SandboxClock() if settings.sandbox_url is not None else DatabaseClock()
        scribe = Scribe(_derived(settings, "references"))
        pace = pace or Pace()
        links = Links(
            public_url=settings.public_url,
            secret=mark_secret,
            endpoints=endpoint_secret,
            days=settings.page.link_days,
        )
        booth = Booth()
        stack.push_async_callback(booth.close)
        media_links = MediaLinks(_derived(settings, "media links"), settings.public_url)
        costs = Costs(ways, links.sampled)
        policies = Policies(database=database, clock=clock, law=law, scribe=scribe)
        judge = Judge(
            law,
            {
                channel: [WayOut(name, settings.providers[name]["kind"]) for name in names]
                for channel, names in settings.channels.items()
            },
        )
        auto = makers.auto(judge, costs)
        settler = Settler(
            database=database,
            clock=clock,
            scribe=scribe,
            lookups=pace.lookups,
            ways={channel.value: len(each) for channel, each in ways.items()},
            blocks=Rejudger(auto=auto, policies=policies, scribe=scribe, clock=clock),
        )
        stack.push_async_callback(settler.close)
        yield House(
            settings=settings,
            database=database,
            clock=clock,
            law=law,
            judge=judge,
            auto=auto,
            scribe=scribe,
            policies=policies,
            templates=Templates(database=database, clock=clock, scribe=scribe),
            costs=costs,
            portfolios=Portfolios(tiers=settings.portfolios, channels=settings.channels, law=law, scribe=scribe),
            links=links,
            ways=ways,
            adapters=adapters,
            settler=settler,
            booth=booth,
            media_links=media_links,
            notes=NoteRoom(database=database, clock=clock, booth=booth, links=media_links),
            sealer=Sealer(database=database, clock=clock, secret=_derived(settings, "trace heads")),
            pace=pace,
            metrics=Metrics(),
            redis=cache,
            endpoint_secret=endpoint_secret,
            mark_secret=mark_secret,
            kinds=makers,
            stack=stack,
        )


def rejudger(made: House) -> Rejudger:
    """Whoever blocks what waits for a person when she refuses it."""
    return Rejudger(auto=made.auto, policies=made.policies, scribe=made.scribe, clock=made.clock)


def receiving(made: House) -> tuple[Receiver, Starter]:
    """Whoever keeps what providers tell, and whoever binds chats to people."""
    # Chats are started with the bot that is tried first; an update may come from any of them.
    ours = [*made.ways.get(Channel.TELEGRAM, ()), *made.adapters.values()]
    starter = Starter(
        database=made.database,
        clock=made.clock,
        scribe=made.scribe,
        secret=made.endpoint_secret,
        bots={way.name: way for way in ours if isinstance(way, Bot)},
    )
    courtesy = Courtesy(
        judge=made.judge,
        policies=made.policies,
        scribe=made.scribe,
        clock=made.clock,
        sendable=made.costs.channels,
    )
    receiver = made.kinds.receiver(
        metrics=made.metrics,
        database=made.database,
        clock=made.clock,
        scribe=made.scribe,
        starter=starter,
        courtesy=courtesy,
        rejudger=rejudger(made),
    )
    made.stack.push_async_callback(receiver.close)
    return receiver, starter


def api(made: House) -> web.Application:
    """The HTTP application: the API, and the hooks of providers."""
    shelf = Shelf(made.costs)
    acceptor = made.kinds.acceptor(
        database=made.database,
        clock=made.clock,
        judge=made.judge,
        auto=made.auto,
        scribe=made.scribe,
        policies=made.policies,
        templates=made.templates,
        costs=made.costs,
        secret=made.endpoint_secret,
    )
    receiver, starter = receiving(made)
    made.stack.push_async_callback(acceptor.close)
    board = Board(
        channels=made.settings.channels,
        kinds={name: table["kind"] for name, table in made.settings.providers.items()},
        weights=made.settings.weights,
        circuits=Circuits(made.redis),
    )
    desk = Desk(
        database=made.database,
        clock=made.clock,
        keyring=Keyring(made.database, made.clock),
        quotas=Quotas(made.redis),
        metrics=made.metrics,
        acceptor=acceptor,
        shelf=shelf,
        canceller=Canceller(database=made.database, clock=made.clock, scribe=made.scribe, shelf=shelf),
        adviser=Adviser(
            database=made.database,
            clock=made.clock,
            judge=made.judge,
            auto=made.auto,
            scribe=made.scribe,
            policies=made.policies,
            templates=made.templates,
            costs=made.costs,
            portfolios=made.portfolios,
            secret=made.endpoint_secret,
        ),
        registrar=Registrar(
            database=made.database,
            clock=made.clock,
            scribe=made.scribe,
            policies=made.policies,
            rejudger=rejudger(made),
            secret=made.endpoint_secret,
        ),
        policies=made.policies,
        templates=TemplateDesk(
            database=made.database,
            clock=made.clock,
            templates=made.templates,
            law=made.law,
            costs=made.costs,
            kinds={c: made.settings.providers[n[0]]["kind"] for c, n in made.settings.channels.items() if n},
        ),
        media=MediaRoom(database=made.database, clock=made.clock, booth=made.booth),
        starts=starter,
        registers=registers(made),
        eraser=eraser(made),
        exporter=Exporter(made.database),
        sealer=made.sealer,
        prover=Prover(database=made.database, sealer=made.sealer),
        witnesses=Witnesses(database=made.database, keys=made.sealer),
        auditor=auditor(made),
        reports=reports(made),
        ways=board.shown,
        way_states=board.states,
        redis_ready=lambda: _answers(made.redis),
        public_url=made.settings.public_url,
        allow_networks=made.settings.allow_networks,
    )
    known = specs()
    kinds = {name: known[table["kind"]].hooks for name, table in made.settings.providers.items()}
    counter = _Counter(made.metrics)
    hooks = hook_routes(made.adapters, receiver, made.settings.public_url, counter, kinds)
    app = make_app(desk, [*hooks, *media_routes(made.media_links, made.database, made.clock)])
    made.kinds.requests(app)
    app.cleanup_ctx.append(_mail_doors(made, receiver, counter))
    open_console(app, _console(made, desk))
    open_page(
        app,
        settings=made.settings,
        database=made.database,
        clock=made.clock,
        law=made.law,
        scribe=made.scribe,
        links=made.links,
        receiver=receiver,
        rejudger=rejudger(made),
        notes=made.notes,
        secret=made.mark_secret,
        endpoint_secret=made.endpoint_secret,
    )
    return app


def _console(made: House, desk: Desk) -> Rooms:
    """What the console's pages reach for."""
    return Rooms(
        database=made.database,
        clock=made.clock,
        law=made.law,
        judge=made.judge,
        policies=made.policies,
        auditor=desk.auditor,
        adviser=desk.adviser,
        registrar=desk.registrar,
        prover=desk.prover,
        sealer=made.sealer,
        scribe=made.scribe,
        sessions=sessions_of(
            database=made.database,
            clock=made.clock,
            keyring=desk.keyring,
            secret=made.mark_secret,
            public_url=made.settings.public_url,
        ),
        press=press_of(made.settings.public_url),
    )


def eraser(made: House) -> Eraser:
    """Whoever takes people's data away."""
    return Eraser(
        database=made.database, clock=made.clock, scribe=made.scribe, law=made.law, secret=made.endpoint_secret
    )


def registers(made: House) -> Registers:
    """Whoever reads do-not-contact registers."""
    return Registers(
        database=made.database, clock=made.clock, scribe=made.scribe, law=made.law, secret=made.endpoint_secret
    )


def _mail_doors(
    made: House, receiver: Receiver, counter: "_Counter"
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Listens for mail beside the API, for every way that asks for it."""
    offices = {
        name: adapter.post_office for name, adapter in made.adapters.items() if isinstance(adapter, ReceivesMail)
    }
    doors = [MailListener(name, office, receiver, counter) for name, office in offices.items() if office is not None]

    async def standing(_app: web.Application) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for door in doors:
                with listening(f"[providers.{door.provider}] listen", *door.address):
                    await door.start()
                stack.push_async_callback(door.close)
            yield

    return standing


def auditor(made: House) -> Auditor:
    """Whoever answers how close people are to their limits."""
    return Auditor(database=made.database, clock=made.clock, judge=made.judge, policies=made.policies)


def tally(made: House) -> Tally:
    """Whoever keeps the console's figures."""
    return Tally(database=made.database, clock=made.clock, auditor=auditor(made), law=made.law)


def report_maker(made: House) -> Maker:
    """Whoever makes reports of contact frequency."""
    return Maker(
        database=made.database,
        clock=made.clock,
        counter=Counter(database=made.database, auditor=auditor(made), law=made.law),
        sealer=made.sealer,
        law=made.law,
        public_url=made.settings.public_url,
    )


def reports(made: House) -> Reports:
    """Whoever takes questions for reports, and hands reports out."""
    return Reports(database=made.database, clock=made.clock, scribe=made.scribe, maker=report_maker(made))


def dispatcher(made: House) -> Dispatcher:
    """Whoever sends."""
    return made.kinds.dispatcher(
        database=made.database,
        clock=made.clock,
        judge=made.judge,
        auto=made.auto,
        scribe=made.scribe,
        policies=made.policies,
        costs=made.costs,
        portfolios=made.portfolios,
        settler=made.settler,
        ways=Ways(
            ways=made.ways,
            pacer=Pacer(made.redis, made.settings.paces),
            circuits=CountingCircuits(made.redis, made.metrics),
            weights=made.settings.weights,
        ),
        packer=packer(made),
        abandoned_after=made.pace.abandoned_after,
    )


def packer(made: House) -> Packer:
    """Whoever makes parcels; ``notes`` and ``links`` are given here."""
    return Packer(public_url=made.settings.public_url, mark_secret=made.mark_secret, notes=made.notes, links=made.links)


def biller(made: House) -> Biller:
    """Whoever asks providers what they billed."""
    return Biller(database=made.database, clock=made.clock, adapters=made.adapters, ages=made.pace.bill_ages)


def sweeper(made: House) -> Sweeper:
    """Whoever ends what was left open."""
    return Sweeper(
        database=made.database,
        clock=made.clock,
        scribe=made.scribe,
        settler=made.settler,
        adapters=made.adapters,
        packer=packer(made),
        absent_apart=made.pace.absent_apart,
    )


def worker(made: House) -> Worker:
    """The worker's loops."""
    sweeps = sweeper(made)
    brought = ReplyMedia(database=made.database, clock=made.clock, adapters=made.adapters)
    watch = Watch(database=made.database, clock=made.clock)
    pulls = Puller(database=made.database, clock=made.clock, inbox=receiving(made)[0], adapters=made.adapters)
    notifier = made.kinds.notifier(
        database=made.database,
        clock=made.clock,
        allow_networks=made.settings.allow_networks,
        count=lambda ending: made.metrics.crm_deliveries.labels(ending).inc(),
    )
    made.stack.push_async_callback(notifier.close)
    return Worker(
        database=made.database,
        database_url=made.settings.database_url,
        redis_url=made.settings.redis_url,
        clock=made.clock,
        dispatcher=dispatcher(made),
        deliver=notifier.round,
        deliverable=notifier.waits,
        jobs=(
            Job("reap", made.pace.sweep_seconds, sweeps.reap),
            Job("look_up", made.pace.sweep_seconds, sweeps.look_up),
            Job("pull", PULL_SECONDS, pulls.pull),
            Job("bill", BILL_SECONDS, biller(made).ask, seconds_max=BILL_SECONDS),
            Job("seal", 2, made.sealer.seal_all),
            Job("forget", 3600, sweeps.forget),
            Job("clear_registers", 3600, registers(made).clear),
            Job("finish_erasures", 5, eraser(made).finish),
            Job("retain", 3600, eraser(made).retain),
            Job("recheck", 86_400, watch.round, seconds_max=STATEMENT_SECONDS_MAX),
            Job(
                "learn_auto",
                LEARN_SECONDS,
                Learner(database=made.database, clock=made.clock).learn,
                seconds_max=LEARN_SECONDS,
            ),
            Job("report", 5, reports(made).round, seconds_max=STATEMENT_SECONDS_MAX),
            Job("speak_ahead", 30, made.notes.ahead),
            Job("forget_budgets", 3600, BudgetBook(database=made.database, clock=made.clock).forget),
            Job("forget_media", 3600, made.notes.forget),
            Job("fetch_media", made.pace.sweep_seconds, brought.fetch_due),
            Job("tally", TALLY_SECONDS, tally(made).round),
        ),
        process=new_uuid(),
        count=made.metrics.turned,
    )


def adapters_of(settings: Settings, mark_secret: bytes) -> dict[str, Adapter]:
    """Every configured provider by its name, none of them connected yet. Raises Wrong, which names the table."""
    known = specs()
    built: dict[str, Adapter] = {}
    for name, table in settings.providers.items():
        spec = known.get(table["kind"])
        if spec is None:
            raise Wrong(f"[providers.{name}] kind is none of: {', '.join(sorted(known))}")
        try:
            built[name] = spec.build(name, table, mark_secret)
        except SettingsError as error:
            raise Wrong(str(error)) from None
    for channel, names in settings.channels.items():
        for name in names:
            if built[name].channel is not channel:
                raise Wrong(f"[channels] {channel.value} names {name}, which sends {built[name].channel.value}")
    return built


def _derived(settings: Settings, purpose: str) -> bytes:
    """A secret of its own for each purpose, so that none can be used for another."""
    return sha256(f"tregua {purpose}\n{settings.secret_key}".encode()).digest()


async def _leave(cache: "redis.asyncio.Redis") -> None:
    """Say goodbye; one that is too slow to hear it is no reason for our end to be an error."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        await cache.aclose()


async def _answers(cache: "redis.asyncio.Redis") -> bool:
    try:
        return bool(await cache.ping())
    except (RedisError, OSError, TimeoutError):
        return False


class _Counter:
    """Counts how providers' calls ended. Meets ``webhooks.port.Counter``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def count(self, provider: str, ending: Ending, /) -> None:
        """One more."""
        if ending is Ending.FORGED:
            self._metrics.hooks_forged.labels(provider).inc()
        elif ending is Ending.UNREADABLE:
            self._metrics.hooks_unreadable.labels(provider).inc()
