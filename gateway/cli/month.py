"""A simulated month through the whole gateway: its API, its law, its dispatch, its carriers and hooks, with simulated people at the end.

Nothing is written into the database from here. The clock of the sandbox is set to the next instant at which anybody has anything to
do, what is due is waited for, and what arrived on people's telephones is answered as each of them would.
"""

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import aiohttp

from gateway.audit.recheck import rechecked
from gateway.cli.month_plan import TEMPLATE, Call, Send, message, plan, template
from sandbox.people import people
from storage import messages, month
from storage.clock import SandboxClock
from storage.database import Connection, Database
from vocabulary.channel import Channel

BATCH: Final = 250
BATCHES_AT_ONCE: Final = 2
#: So many hooks share a commit.
REPLIES_AT_ONCE: Final = 32
#: How long is waited for what is due before the clock goes on all the same, real seconds: a carrier that never answers takes long.
SETTLE_SECONDS_MAX: Final = 60.0
LOOK_SECONDS: Final = 0.03
#: How old an attempt may be, real time, for its receipt to be waited for.
RECEIPT_WITHIN: Final = timedelta(seconds=1.5)
REQUEST_SECONDS_MAX: Final = 60.0
#: A carrier that never answers is known to have not answered after this, real seconds.
LAND_SECONDS_MAX: Final = 40.0
_HTTP_WRONG: Final = 400


class Refused(Exception):
    """The gateway or the sandbox said no, or is not there; the text says what."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What the month came to. ``seconds`` are real."""

    people: int
    days: int
    seed: int
    begins: str
    ends: str
    accepted: int = 0
    refused: int = 0
    arrived: int = 0
    replies: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    cancelled: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    ticks: int = 0
    seconds: float = 0.0
    #: Where they went: what people and the creditor do, waiting for what is due, looking at telephones, setting the clock on.
    spent: dict[str, float] = field(default_factory=dict)
    #: Contacts that were looked at, None before that.
    rechecked: int | None = None
    recheck_seconds: float = 0.0
    breaches: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


Progress = Callable[[float, Report], None]


class Month:
    """One run. ``url`` and ``key`` are the gateway's and the tenant's; the database is only looked at."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        database: Database,
        *,
        url: str,
        sandbox_url: str,
        key: str,
        tenant: str,
        number: int,
        days: int,
        seed: int,
        begins: datetime,
        step: timedelta,
        set_clock: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._session = session
        self._database = database
        self._url = url.rstrip("/")
        self._sandbox_url = sandbox_url.rstrip("/")
        self._key = key
        self._tenant = tenant
        self._people = people(seed, number)
        self._begins = begins.astimezone(UTC)
        self._ends = self._begins + timedelta(days=days)
        self._step = step
        self._set = set_clock
        self._random = Random(f"month {seed}")  # noqa: S311 - a simulation
        self._clock = SandboxClock()
        self._owner: dict[str, int] = {}
        self._known: set[int] = set()
        self._seen = 0
        self._heard: Counter[str] = Counter()
        self._sendable: frozenset[str] = frozenset()
        self._line: list[tuple[datetime, int, Any]] = []
        self._order = itertools.count()
        self._report = Report(
            people=number, days=days, seed=seed, begins=self._begins.isoformat(), ends=self._ends.isoformat()
        )
        self._replies: Counter[str] = Counter()

    async def run(self, progress: Progress) -> Report:
        """The whole month. Raises Refused; what was done until then stands."""
        began = time.monotonic()
        await self._prepare()
        now = self._begins
        while now < self._ends:
            await self._timed("acting", self._act(now))
            await self._timed("settling", self._settle())
            await self._timed("looking", self._look(now))
            self._report.replies = dict(sorted(self._replies.items()))
            progress((now - self._begins) / (self._ends - self._begins), self._report)
            now = await self._next(now)
            await self._timed("setting the clock", self._set_clock(min(now, self._ends)))
            self._report.ticks += 1
        await self._settle()
        await self._land()
        self._report.replies = dict(sorted(self._replies.items()))
        self._report.statuses = await self._database.read(lambda c: month.statuses(c, self._tenant))
        self._report.events = await self._database.read(lambda c: month.events(c, self._tenant))
        self._report.seconds = round(time.monotonic() - began, 1)
        progress(1.0, self._report)
        return self._report

    async def recheck(self) -> None:
        """Recompute from the trace whether any limit was broken, as ``tregua audit recheck`` does, into the report."""
        began = time.monotonic()
        found = (await rechecked(self._database, self._tenant, self._begins)).shown()
        self._report.rechecked, self._report.breaches = found["contacts"], found["breaches"]
        self._report.recheck_seconds = round(time.monotonic() - began, 1)

    async def _timed(self, what: str, doing: Awaitable[None]) -> None:
        began = time.monotonic()
        await doing
        self._report.spent[what] = round(self._report.spent.get(what, 0.0) + time.monotonic() - began, 3)

    async def real_time(self) -> None:
        """Let the clock be real again."""
        await self._call("POST", self._sandbox_url + "/sandbox/clock", {"real": True}, {})

    async def _prepare(self) -> None:
        ways = await self._api("GET", "/v1/ways")
        names: dict[str, list[str]] = {}
        for way in ways["items"]:
            names.setdefault(way["channel"], []).append(way["provider"])
        self._sendable = frozenset(names)
        # What lies on telephones from before is nobody's business now.
        self._seen = len(await self._call("GET", self._sandbox_url + "/sandbox/messages", None, {}))
        await self._set_clock(self._begins)
        await self._api("PUT", f"/v1/templates/{TEMPLATE}", template(names))
        for place, who in enumerate(self._people):
            for channel in who.channels:
                self._owner.setdefault(who.address(channel), place)
            for each in plan(place, who, self._begins, self._report.days, self._report.seed):
                self._put(each.at, each)

    def _put(self, at: datetime, what: Any) -> None:
        heapq.heappush(self._line, (at, next(self._order), what))

    async def _act(self, now: datetime) -> None:
        """Everything that somebody does by now: the creditor's people first, then whoever answers, then campaigns."""
        due: list[Any] = []
        while self._line and self._line[0][0] <= now:
            due.append(heapq.heappop(self._line)[2])
        await _all(REPLIES_AT_ONCE, (self._called(call, now) for call in due if isinstance(call, Call)))
        await _all(REPLIES_AT_ONCE, (self._replied(reply) for reply in due if isinstance(reply, _Reply)))
        sends = [send for send in due if isinstance(send, Send)]
        await _all(BATCHES_AT_ONCE, (self._sent(sends[i : i + BATCH], now) for i in range(0, len(sends), BATCH)))

    async def _sent(self, sends: list[Send], now: datetime) -> None:
        allowed_at = self._begins - timedelta(days=90)
        items: list[dict[str, Any]] = []
        for send in sends:
            who = self._people[send.person]
            first = send.person not in self._known
            items.append(message(send, who, first=first, allowed_at=allowed_at, sendable=self._sendable))
        met: list[Send] = []
        regretted: list[str] = []
        for send, result in zip(sends, await self._api("POST", "/v1/messages/batch", items), strict=True):
            if result["status"] >= _HTTP_WRONG:
                self._report.refused += 1
                if self._report.refused > max(20, self._report.accepted // 5):
                    raise Refused(f"messages are refused: {result['problem'].get('errors')}")
                continue
            self._report.accepted += 1
            if send.person not in self._known:
                self._known.add(send.person)
                met.append(send)
            if result["message"]["status"] == "deferred" and (
                not self._report.cancelled or self._random.random() < 0.02
            ):
                # The creditor thinks better of it.
                regretted.append(result["message"]["id"])
                self._report.cancelled += 1
        await _all(REPLIES_AT_ONCE, (self._first_word(send, now) for send in met))
        await _all(REPLIES_AT_ONCE, (self._api("POST", f"/v1/messages/{each}/cancel") for each in regretted))

    async def _first_word(self, send: Send, now: datetime) -> None:
        """What she told the creditor on another occasion."""
        who = self._people[send.person]
        if who.states is not None and who.states in self._sendable:
            said = {"type": "channel_preferred", "at": now.isoformat(), "channel": who.states.value}
            await self._api("POST", f"/v1/contacts/{who.id}/events", said)

    async def _called(self, call: Call, now: datetime) -> None:
        if call.person not in self._known:
            return
        who = self._people[call.person]
        made = {
            "type": "contact",
            "at": now.isoformat(),
            "channel": "call_live",
            "outcome": call.outcome,
            "debts": [f"{who.id}-loan"],
            "address": who.number,
            "creditor": "C1",
            "collector": "A1",
        }
        await self._api("POST", f"/v1/contacts/{who.id}/events", made)
        self._report.calls += 1

    async def _replied(self, reply: "_Reply") -> None:
        body = {"channel": reply.channel, "from": reply.address, "text": reply.text}
        try:
            await self._call("POST", self._sandbox_url + "/sandbox/reply", body, {})
        except Refused:
            # A telephone that is out of reach for a moment; she does not write it twice.
            return
        self._replies[reply.kind] += 1

    async def _look(self, now: datetime) -> None:
        """What arrived since the last look, and what each of them will answer when."""
        arrived = await self._call("GET", f"{self._sandbox_url}/sandbox/messages?after={self._seen}", None, {})
        for each in arrived:
            self._seen += 1
            self._report.arrived += 1
            place = self._owner.get(each["to"])
            if place is None or each["channel"] not in set(Channel):
                continue
            who = self._people[place]
            channel = Channel(each["channel"])
            local = now.astimezone(ZoneInfo(who.place.zone))
            # Her own count, so that what she does hangs on nobody else's order.
            self._heard[who.id] += 1
            answer = who.answer(channel, local, f"{self._heard[who.id]}")
            if answer is not None and who.number[-4:] not in ("0002", "0004"):
                kind, words, delay = answer
                self._put(now + delay, _Reply(channel.value, each["to"], words, kind))

    async def _settle(self) -> None:
        """Until nothing is due any more and what left has its receipt."""
        end = time.monotonic() + SETTLE_SECONDS_MAX

        async def look(connection: Connection) -> bool:
            legal, real = await self._clock.now(connection)
            due = await messages.next_due(connection, [])
            return (due is not None and due <= legal) or await month.busy(connection, real, RECEIPT_WITHIN)

        while time.monotonic() < end and await self._database.read(look):  # noqa: ASYNC110 - another process works
            await asyncio.sleep(LOOK_SECONDS)

    async def _land(self) -> None:
        """Until nothing is in the air: carriers that never answer are given up after their time."""
        end = time.monotonic() + LAND_SECONDS_MAX
        while time.monotonic() < end and await self._database.read(month.in_the_air):  # noqa: ASYNC110 - as above
            await asyncio.sleep(10 * LOOK_SECONDS)

    async def _next(self, now: datetime) -> datetime:
        """The next instant at which anybody has anything to do, on the grid of steps."""
        due = await self._database.read(lambda connection: messages.next_due(connection, []))
        wanted = [at for at in (due, self._line[0][0] if self._line else None, self._ends) if at is not None]
        steps = max(1, -(-(min(wanted) - now) // self._step))
        return now + steps * self._step

    async def _set_clock(self, at: datetime) -> None:
        if self._set is not None:
            await self._set(at.isoformat())
            return
        await self._call("POST", self._sandbox_url + "/sandbox/clock", {"now": at.isoformat()}, {})

    async def _api(self, method: str, path: str, body: Any = None) -> Any:
        return await self._call(method, self._url + path, body, {"Authorization": f"Bearer {self._key}"})

    async def _call(self, method: str, url: str, body: Any, headers: dict[str, str]) -> Any:
        try:
            async with self._session.request(
                method, url, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
            ) as answer:
                told = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Refused(f"{method} {urlsplit(url).path}: {type(error).__name__}") from None
        if answer.status >= _HTTP_WRONG:
            errors = told.get("errors", []) if isinstance(told, dict) else []
            details = "; ".join(f"{each.get('pointer')} {each.get('detail')}" for each in errors)
            raise Refused(f"{method} {urlsplit(url).path}: {answer.status} {details or told.get('title', '')}")
        return told


@dataclass(frozen=True, slots=True)
class _Reply:
    channel: str
    address: str = field(repr=False)
    text: str = field(repr=False)
    kind: str


async def _all(at_once: int, jobs: Iterable[Awaitable[Any]]) -> None:
    """All of them, so many at once; the first that fails ends it."""
    gate = asyncio.Semaphore(at_once)

    async def one(job: Awaitable[Any]) -> None:
        async with gate:
            await job

    await asyncio.gather(*(one(job) for job in jobs))


async def is_empty(session: aiohttp.ClientSession, url: str, key: str) -> bool:
    """Whether the tenant has no message yet. Raises Refused."""
    try:
        async with session.get(
            f"{url.rstrip('/')}/v1/messages?limit=1", headers={"Authorization": f"Bearer {key}"}
        ) as answer:
            told = await answer.json(content_type=None)
            if answer.status >= _HTTP_WRONG:
                raise Refused(f"{answer.status} {told.get('title', '')}")
            return not told["items"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Refused(f"GET /v1/messages: {type(error).__name__}") from None
