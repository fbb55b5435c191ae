"""Keeps the console's figures while the trace grows: each entry is counted once, in the transaction that moves the cursor past it.

Nothing on the way of a message knows of it: whoever sends or receives writes the trace as ever, and this reads on from where it was.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog

from gateway.audit.margins import Auditor, Reckoned, Scope
from jurisdictions.library import Library
from storage import console_tally, messages, tenancy
from storage.clock import LegalClock
from storage.console_tally import Hour, Rule, Told
from storage.database import Connection, Database

log = structlog.get_logger()

#: How often a worker looks, real time.
SECONDS: Final = 5
#: Entries counted in one transaction, and transactions of one tenant in one turn.
ENTRIES_MAX: Final = 2_000
TURNS_MAX: Final = 20
#: People reckoned in one transaction.
PEOPLE_MAX: Final = 200
#: Of those transactions one tenant has so many in a turn while messages wait to be sent: looking back does not hold them up.
#: So it is while the trace grows by more than one transaction of entries between two looks: a campaign is being handed over.
TURNS_BESIDE_WORK: Final = 1
#: Amounts are kept in millionths of a currency's unit.
MILLION: Final = 1_000_000
#: Where somebody's law or hour is not known.
NOWHERE: Final = "-"

#: What happens to a message before anything is sent: no limit of anybody's moves by it.
_MOVES_NOTHING: Final = frozenset({"accepted", "decided", "expired", "cancelled"})
#: How messages are counted that are held back.
_HELD: Final = {"defer": "deferred", "deny": "blocked"}
_OUT_OF_SIGHT: Final = frozenset({"unknown", "absent"})
_THERE: Final = frozenset({"delivered", "read"})


class _Header(msgspec.Struct, frozen=True, gc=False):
    at: str
    facts: dict[str, Any]


_HEADER: Final = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An attempt when it left: in which hour of her own day, under which law, by which channel."""

    day: date
    hour: int
    jurisdiction: str
    channel: str


@dataclass(slots=True)
class Figures:
    """What a run of entries adds. ``people``: those whose margins may have moved. ``met``: all whom it is about.

    ``zone``: where the last of them was.
    """

    hours: Counter[Hour] = field(default_factory=Counter)
    rules: Counter[Rule] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    zone: str | None = None
    policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the entries themselves do not say: attempts by their ids, what was counted before, what answers what, what it cost.

    ``answers``: by the index of an entry. ``costs``: by attempt, a currency and millionths of it.
    """

    left: Mapping[str, Left] = field(default_factory=dict)
    before: frozenset[tuple[UUID, str, str]] = frozenset()
    answers: Mapping[int, str] = field(default_factory=dict)
    costs: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def left_of(header: bytes, laws: frozenset[str]) -> tuple[str, Left]:
    """An attempt's id and how it left, out of what the trace says of its reservation."""
    read = _HEADER.decode(header)
    return _left(datetime.fromisoformat(read.at), read.facts, laws)


def _left(at: datetime, facts: Mapping[str, Any], laws: frozenset[str]) -> tuple[str, Left]:
    day, hour = _local(at, facts.get("zones") or ())
    return facts["attempt"], Left(day=day, hour=hour, jurisdiction=_law(facts, laws), channel=facts["channel"])


def facts_of(entries: Iterable[Told]) -> list[dict[str, Any]]:
    """What entries say, read once."""
    return [_HEADER.decode(entry.header).facts for entry in entries]


def counted(
    entries: Sequence[Told], known: Known, laws: frozenset[str], said: Sequence[dict[str, Any]] | None = None
) -> Figures:
    """What these entries add to the figures. ``said``: their facts, where they have been read."""
    figures = Figures()
    seen = set(known.before)
    for entry, facts in zip(entries, facts_of(entries) if said is None else said, strict=True):
        if entry.contact is not None:
            figures.met.add(entry.contact)
            if entry.kind not in _MOVES_NOTHING:
                figures.people.add(entry.contact)
            if entry.zones:
                figures.zone = entry.zones[0]
        day, hour = _local(entry.at, entry.zones or ())
        law = (entry.jurisdictions or [NOWHERE])[0]

        def add(
            measure: str, channel: str | None, n: int = 1, *, day: date = day, hour: int = hour, law: str = law
        ) -> None:
            figures.hours[day, hour, law, channel or NOWHERE, measure] += n

        match entry.kind:
            case "policy":
                figures.policy = True
            case "accepted":
                add("accepted", (facts.get("channels") or [None])[0])
            case "decided" if entry.message is not None:
                _decided(figures, seen, entry.message, facts, day, add)
            case "expired" | "cancelled" | "failed":
                add(entry.kind, None)
            case "settled" | "receipt":
                left = known.left.get(facts["attempt"])
                if left is not None:
                    for measure, n in _ending(entry, facts, known):
                        figures.hours[left.day, left.hour, left.jurisdiction, left.channel, measure] += n
            case "reply":
                add("replies", facts["channel"])
                _attribute(figures, known, entry.idx, "answered")
            case "event":
                if facts.get("type") == "consent" and facts.get("state") == "withdrawn":
                    add("opt_outs", facts.get("channel"))
                elif facts.get("type") == "promise" and not facts.get("ended"):
                    add("promises", facts.get("channel"))
                    _attribute(figures, known, entry.idx, "promised")
                elif facts.get("type") == "contact":
                    add("elsewhere", facts.get("channel"))
            case _:
                pass
    return figures


def _decided(
    figures: Figures,
    seen: set[tuple[UUID, str, str]],
    message: UUID,
    facts: Mapping[str, Any],
    day: date,
    add: Callable[..., None],
) -> None:
    """A message that is held back is counted once for each way in which it is, and once for each rule."""
    channel = facts.get("channel")
    outcome = _HELD.get(facts.get("outcome", ""))
    if outcome is None:
        return
    if (message, outcome, "") not in seen:
        seen.add((message, outcome, ""))
        add(outcome, channel)
    for reason in facts.get("reasons", ()):
        key = (message, reason["rule"], reason["effect"])
        if key not in seen:
            seen.add(key)
            figures.rules[day, reason["rule"], reason["pack"], reason["effect"], channel or NOWHERE] += 1


def _ending(entry: Told, facts: Mapping[str, Any], known: Known) -> Iterable[tuple[str, int]]:
    """What an ending or a receipt adds; what was out of sight and is seen again is taken from there."""
    was = facts.get("was")
    if entry.kind == "settled":
        outcome = facts.get("outcome")
        if was in _OUT_OF_SIGHT and outcome != "unknown":
            yield "unknown", -1
        if outcome == "rejected" or (outcome == "unknown" and was == "dispatching"):
            yield outcome, 1
        if outcome == "sent" and (was == "dispatching" or was in _OUT_OF_SIGHT):
            yield "sent", 1
        if outcome == "sent" and facts["attempt"] in known.costs:
            currency, millionths = known.costs[facts["attempt"]]
            yield f"cost:{currency}", millionths
        return
    if facts.get("repeat"):
        return
    kind = facts.get("kind")
    if kind in ("accepted", "sent", "delivered", "read", "undelivered"):
        if was in _OUT_OF_SIGHT:
            yield "unknown", -1
        if was in _OUT_OF_SIGHT or was == "dispatching":  # a receipt may be faster than the answer to the call
            yield "sent", 1
    if kind in _THERE and was not in _THERE:
        yield "delivered", 1
    if kind == "read" and was != "read":
        yield "read", 1
    if kind == "undelivered" and was not in _THERE and was != "undelivered":
        yield "undelivered", 1


def _attribute(figures: Figures, known: Known, index: int, measure: str) -> None:
    attempt = known.answers.get(index)
    left = known.left.get(attempt) if attempt is not None else None
    if left is not None:
        figures.hours[left.day, left.hour, left.jurisdiction, left.channel, measure] += 1


def _law(facts: Mapping[str, Any], laws: frozenset[str]) -> str:
    codes = [label.partition("@")[0] for label in facts.get("packs") or ()]
    return next((code for code in codes if code in laws), NOWHERE)


def _local(at: datetime, zones: Sequence[str]) -> tuple[date, int]:
    local = at.astimezone(_zone(zones[0]) if zones else UTC)
    return local.date(), local.hour


@lru_cache(maxsize=1_024)
def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


class Tally:
    """Counts what is new and reckons whom it was about, tenant by tenant."""

    def __init__(self, *, database: Database, clock: LegalClock, auditor: Auditor, law: Library) -> None:
        self._database = database
        self._clock = clock
        self._auditor = auditor
        self._law = law
        self._laws = frozenset(code for code, pack in law.packs.items() if pack.table.kind == "jurisdiction")

    async def round(self) -> int:
        """Count and reckon what a turn has room for; how many entries and people there were. Raises DatabaseAway."""
        done = 0
        for tenant in await self._database.read(console_tally.tenants_behind):
            done += await self._turns(tenant, self._count, ENTRIES_MAX, TURNS_MAX)
        busy = done >= ENTRIES_MAX or await self._database.read(self._works)
        turns = TURNS_BESIDE_WORK if busy else TURNS_MAX
        for tenant in await self._database.read(console_tally.tenants):
            done += await self._turns(tenant, self._reckon, PEOPLE_MAX, turns)
        return done

    async def _works(self, connection: Connection) -> bool:
        """Whether messages wait that could leave now."""
        now, _ = await self._clock.now(connection)
        due = await messages.next_due(connection, ())
        return due is not None and due <= now

    async def _turns(
        self, tenant: str, step: Callable[[Connection, str], Awaitable[int]], whole: int, turns: int
    ) -> int:
        done = 0
        for _ in range(turns):
            count = await self._database.run(lambda connection: step(connection, tenant))
            done += count
            if count < whole:
                break
        return done

    async def catch_up(self) -> None:
        """Go on until nothing is left."""
        while await self.round():
            pass

    async def _count(self, connection: Connection, tenant: str) -> int:
        start, _ = await console_tally.lock(connection, tenant)
        entries = await console_tally.entries(connection, tenant, start, ENTRIES_MAX)
        if not entries:
            return 0
        said = facts_of(entries)
        figures = counted(entries, await self._known(connection, tenant, entries, said), self._laws, said)
        await console_tally.add(connection, tenant, figures.hours, figures.rules)
        await console_tally.due_first(connection, tenant, figures.met - figures.people)
        await console_tally.due_now(connection, tenant, figures.people)
        await console_tally.advance(connection, tenant, entries[-1].idx + 1, zone=figures.zone)
        return len(entries)

    async def _known(
        self, connection: Connection, tenant: str, entries: Sequence[Told], said: Sequence[dict[str, Any]]
    ) -> Known:
        """Ask, once for all of them, what the entries do not say."""
        told = list(zip(entries, said, strict=True))
        # Who was reserved and ended within one run of entries is not looked for.
        left = dict(_left(entry.at, facts, self._laws) for entry, facts in told if entry.kind == "reserved")
        ended = {
            entry.message
            for entry, facts in told
            if entry.kind in ("settled", "receipt") and entry.message and facts["attempt"] not in left
        }
        # What was allowed is counted nowhere, so that nothing of it was counted before.
        decided = {
            entry.message
            for entry, facts in told
            if entry.kind == "decided" and entry.message and facts.get("outcome") in _HELD
        }
        answers: dict[int, str] = {}
        for kind, wanted in (("reply", _replies(told)), ("promise", _promises(told))):
            asked = list(wanted.items())
            found = await console_tally.answered(connection, tenant, kind, [named for _, named in asked])
            for place, (attempt, message) in found.items():
                answers[asked[place][0]] = attempt.hex
                ended.add(message)
        before: set[tuple[UUID, str, str]] = set()
        for message, header in (
            await console_tally.decided_before(connection, decided, entries[0].idx) if decided else ()
        ):
            facts = _HEADER.decode(header).facts
            outcome = _HELD.get(facts.get("outcome", ""))
            if outcome is not None:
                before.add((message, outcome, ""))
                before |= {(message, each["rule"], each["effect"]) for each in facts.get("reasons", ())}
        for header in await console_tally.reservations(connection, ended) if ended else []:
            attempt_id, how = left_of(header, self._laws)
            left[attempt_id] = how
        sent = {facts["attempt"] for entry, facts in told if entry.kind == "settled" and facts.get("outcome") == "sent"}
        return Known(
            left=left,
            before=frozenset(before),
            answers=answers,
            costs={
                attempt: (currency, round(amount * MILLION))
                for attempt, currency, amount in await console_tally.prices(connection, sent)
            },
        )

    async def _reckon(self, connection: Connection, tenant: str) -> int:
        index, law = await console_tally.lock(connection, tenant)
        now, _ = await self._clock.now(connection)
        standing = await self._standing(connection, tenant, now)
        if law != standing:
            if law is not None:
                await console_tally.all_due(connection, tenant)
            await console_tally.advance(connection, tenant, index, law=standing)
        due = await console_tally.take_due(connection, tenant, now, PEOPLE_MAX)
        if not due:
            return 0
        reckoned = await self._auditor.reckoned(connection, tenant, due, now, Scope())
        last = await console_tally.last_contacts(connection, tenant, due)
        rows: list[console_tally.Reckoned] = []
        again: dict[str, datetime] = {}
        for identity, each in reckoned.items():
            rows += _rows(identity, each, last.get(identity))
            frees = [margin.frees_at for margin in each.margins if margin.frees_at is not None]
            if frees:
                again[identity] = min(frees)
        await console_tally.put_margins(connection, tenant, due, rows, again, now)
        return len(due)

    async def _standing(self, connection: Connection, tenant: str, now: datetime) -> str:
        """Under which law and policy margins are reckoned today."""
        version = (await tenancy.policy_versions(connection, [tenant])).get(tenant, 0)
        labels = sorted(pack.label for pack in self._law.packs.values() if pack.in_effect(now.date()))
        return f"{version}/{sha256(' '.join(labels).encode()).hexdigest()[:16]}"


def _replies(told: Iterable[tuple[Told, dict[str, Any]]]) -> dict[int, tuple[str, str, datetime]]:
    return {
        entry.idx: (entry.contact, facts["channel"], entry.at)
        for entry, facts in told
        if entry.kind == "reply" and entry.contact is not None
    }


def _promises(told: Iterable[tuple[Told, dict[str, Any]]]) -> dict[int, tuple[str, Any, datetime]]:
    return {
        entry.idx: (entry.contact, None, entry.at)
        for entry, facts in told
        if entry.kind == "event" and entry.contact is not None and facts.get("type") == "promise"
    }


def _rows(identity: str, each: Reckoned, last: datetime | None) -> list[console_tally.Reckoned]:
    owed = {debt: row.creditor or each.creditor for debt, row in each.debts.items()}
    creditors = tuple(sorted({name for name in (*owed.values(), *(() if owed else (each.creditor,))) if name}))
    parts: Counter[str] = Counter()
    rows = []
    for margin in each.margins:
        part = parts[margin.rule]
        parts[margin.rule] += 1
        rows.append(
            console_tally.Reckoned(
                contact=identity,
                rule=margin.rule,
                part=part,
                pack=margin.pack,
                jurisdiction=margin.pack.partition("@")[0],
                citation=margin.citation,
                asks=margin.asks,
                channels=tuple(channel.value for channel in margin.channels),
                debt=margin.debt,
                debts=tuple(owed) if margin.debt is None else (margin.debt,),
                creditors=creditors if margin.debt is None else tuple(filter(None, (owed.get(margin.debt),))),
                counted=margin.counted,
                limit=margin.limit,
                left=margin.left,
                begins=margin.begins,
                ends=margin.ends,
                frees_at=margin.frees_at,
                last_at=last,
                event=margin.events[-1] if margin.events else None,
            )
        )
    return rows
