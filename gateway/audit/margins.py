"""How close each person is to each limit now: what every counting rule that binds her counts, and what is left."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from consent import standing
from gateway.asks import ContentAsk, StoredAsk
from gateway.deciding.decide import spoken_to
from gateway.deciding.evidence import edges
from gateway.judge import Case, Judge, address_for
from gateway.tenants.policies import Policies
from jurisdictions.facts import Facts
from jurisdictions.house import Policy
from jurisdictions.rule import Clause, Count, Counted, Gap, Key, Period, Sticky
from storage import audit, history, people
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.people import ContactRow, DebtRow
from throttling import frequency
from tracelog.entry import instant
from vocabulary.channel import SENDABLE, Channel, Purpose, Sector, SenderRole
from vocabulary.event import Event
from vocabulary.message import Question
from vocabulary.values import changed, quickly_made

#: How far back blocked messages are counted where nobody says.
SINCE_DAYS: Final = 30
#: Debts of one person that are asked about one by one.
DEBTS_MAX: Final = 50
_NO_WORDS: Final = ContentAsk(text="-")
#: What counts; of most other clauses there are several for one of these.
_COUNTING: Final = frozenset({Count, Gap, Sticky})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an audit is asked about; None leaves it open. ``since`` and ``until`` bound what was held back, not what counts."""

    contact: str | None = None
    jurisdiction: str | None = None
    creditor: str | None = None
    debt: str | None = None
    channel: Channel | None = None
    since: datetime | None = None
    until: datetime | None = None
    margin_max: int | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What one rule counts for one person. ``left``: how many more it lets pass now. ``frees_at``: when the oldest stops counting."""

    rule: str
    pack: str
    citation: str
    asks: str
    channels: tuple[Channel, ...]
    debt: str | None
    counted: int
    limit: int
    begins: datetime | None
    ends: datetime | None
    frees_at: datetime | None
    events: tuple[str, ...]

    @property
    def left(self) -> int:
        """Never less than none."""
        return max(0, self.limit - self.counted)

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rule": self.rule,
            "pack": self.pack,
            "citation": self.citation,
            "asks": self.asks,
            "channels": [channel.value for channel in self.channels],
            "debt": self.debt,
            "counted": self.counted,
            "limit": self.limit,
            "margin": self.left,
            "window": {"from": _shown(self.begins), "to": _shown(self.ends)},
            "frees_at": _shown(self.frees_at),
            "events": list(self.events),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """A person, her debts, and every limit that binds her, nearest first. ``creditor``: the tenant's own, where a debt names none."""

    contact: ContactRow
    debts: Mapping[str, DebtRow]
    margins: tuple[Margin, ...]
    creditor: str | None


#: What was asked about one person, by channel, debt and policy; None where nobody is known to send it.
Questions = dict[tuple[Channel, str | None, int], Question | None]


class Auditor:
    """Answers how close people are to their limits, by the very functions that decide."""

    def __init__(self, *, database: Database, clock: LegalClock, judge: Judge, policies: Policies) -> None:
        self._database = database
        self._clock = clock
        self._judge = judge
        self._policies = policies

    async def page(self, tenant: str, scope: Scope, after: str, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """People by their ids, after one, and the id to go on after. ``margin_max`` leaves out who is further from every limit."""

        async def job(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
            now, _ = await self._clock.now(connection)
            ids = await audit.contacts(
                connection,
                tenant,
                contact=scope.contact,
                jurisdiction=scope.jurisdiction,
                debt=scope.debt,
                after=after,
                limit=limit + 1,
            )
            more = ids[limit - 1] if len(ids) > limit else None
            return await self._people(connection, tenant, scope, ids[:limit], now), more

        return await self._database.read(job)

    async def _people(
        self, connection: Connection, tenant: str, scope: Scope, ids: Sequence[str], now: datetime
    ) -> list[dict[str, Any]]:
        reckoned = await self.reckoned(connection, tenant, ids, now, scope)
        until = scope.until or now
        since = scope.since or until - timedelta(days=SINCE_DAYS)
        subjects = [each.contact.subject for each in reckoned.values()]
        kept: dict[Any, list[dict[str, Any]]] = {}
        for each in await audit.held(connection, tenant, subjects, since, until):
            kept.setdefault(each.subject, []).append(
                {"rule": each.rule, "effect": each.effect, "messages": each.messages}
            )
        found = []
        for identity in ids:
            row, margins = reckoned[identity].contact, reckoned[identity].margins
            if scope.margin_max is not None and all(each.left > scope.margin_max for each in margins):
                continue
            found.append(
                {
                    "contact": identity,
                    "at": instant(now),
                    "margin": min((each.left for each in margins), default=None),
                    "limits": [each.shown() for each in margins],
                    "held": kept.get(row.subject, []),
                }
            )
        return found

    async def reckoned(
        self, connection: Connection, tenant: str, ids: Sequence[str], now: datetime, scope: Scope
    ) -> dict[str, Reckoned]:
        """What binds each of these people at an instant, by the CRM's names of those who are kept."""
        policy = (await self._policies.current(connection, {tenant}))[tenant]
        contacts = await people.contacts(connection, [(tenant, identity) for identity in ids])
        named = await audit.debts_of(connection, tenant, ids)
        debts = await people.debts(connection, {(tenant, debt) for each in named.values() for debt in each})
        endpoints = {key: [address.endpoint for address in row.addresses] for key, row in contacts.items()}
        histories = await history.histories(connection, endpoints, now, known_until=now)
        found = {}
        for (_, identity), row in contacts.items():
            hers = {debt: debts[tenant, debt] for debt in named[identity][:DEBTS_MAX] if (tenant, debt) in debts}
            if scope.debt is not None:
                hers = {debt: each for debt, each in hers.items() if debt == scope.debt}
            margins = self.margins(row, hers, histories[tenant, identity], policy, scope, now)
            found[identity] = Reckoned(
                contact=row, debts=hers, margins=tuple(margins), creditor=policy.sender.get("creditor")
            )
        return found

    def margins(
        self,
        contact: ContactRow,
        debts: Mapping[str, DebtRow],
        events: Sequence[Event],
        policy: Policy,
        scope: Scope,
        now: datetime,
        asked: Questions | None = None,
    ) -> list[Margin]:
        """What every counting rule counts for one person at an instant, by what is handed over as known then.

        Nearest limit first. A rule that counts the same by several channels is told once. ``asked``: what was asked about her and these
        debts under this scope before; only where she never said in which zone she is, which every question must find out. Whoever asks
        so about many instants is told no edges of windows.
        """
        channels = [
            channel
            for channel in dict.fromkeys(Channel(address.channel) for address in contact.addresses)
            if channel in SENDABLE and scope.channel in (None, channel)
        ]
        merged: dict[tuple[object, ...], Margin] = {}
        for channel in channels:
            for debt in (*debts,) or (None,):
                key = (channel, debt, id(policy))
                if asked is not None and key in asked:
                    kept = asked[key]
                    question = None if kept is None else changed(kept, history=tuple(events), now=now)
                else:
                    case = _case(contact, debts, debt, events, policy, scope, channel)
                    question = None
                    if case is not None:
                        question = self._judge.question(case, channel, address_for(case, channel), now)
                    if asked is not None:
                        asked[key] = question
                if question is None:
                    continue
                facts, clauses = spoken_to(question, self._judge.law, policy)
                for clause in clauses:
                    if type(clause.predicate) not in _COUNTING:
                        continue
                    for margin in _counted(clause, facts, channel, edged=asked is None):
                        same = (margin.rule, margin.pack, margin.debt, margin.counted, margin.limit, margin.events)
                        other = merged.get(same)
                        if other is None:
                            merged[same] = margin
                        else:
                            both = dict.fromkeys((*other.channels, channel))
                            merged[same] = changed(margin, channels=tuple(both))
        return sorted(merged.values(), key=lambda each: (each.left, each.rule, each.debt or ""))


def _case(
    contact: ContactRow,
    debts: Mapping[str, DebtRow],
    debt: str | None,
    events: Sequence[Event],
    policy: Policy,
    scope: Scope,
    channel: Channel,
) -> Case | None:
    """What would be asked of a collection message now; None where nobody is known to send it."""
    sender = policy.sender
    row = debts.get(debt) if debt is not None else None
    creditor = scope.creditor or (row.creditor if row is not None else None) or sender.get("creditor")
    role, collector, sector = sender.get("role"), sender.get("collector"), sender.get("sector")
    if not (role and creditor and collector):
        return None
    ask = StoredAsk(
        channels=[channel.value],
        purpose=Purpose.COLLECTION,
        content=_NO_WORDS,
        role=SenderRole(role),
        creditor=creditor,
        collector=collector,
        sector=Sector(sector) if sector else None,
        debts=[] if debt is None else [debt],
    )
    return Case(
        contact=contact,
        ask=ask,
        debts={} if row is None else {row.id: row},
        history=tuple(events),
        policy=policy,
    )


def _counted(clause: Clause, facts: Facts, channel: Channel, *, edged: bool) -> Iterator[Margin]:
    match clause.predicate:
        case Count(what=what, limit=limit, period=period):
            asks = "count"
        case Gap(what=what, period=period):
            asks, limit = "gap", 1
        case Sticky(what=what, period=period):
            asks, limit = "channel", 1
        case _:
            return
    calls = what.extra_calls
    allowed = standing.extra_calls(calls, facts) if calls is not None and facts.consents else {}
    debts = (facts.question.message.debts or (None,)) if Key.DEBT in what.keys else (None,)
    begins, ends = _window(period, facts.now, facts.zones) if edged else (None, None)
    head = clause.head
    for debt in debts:
        found = frequency.counted(what, facts, debt, longest=period.longest, allowed=allowed)
        still = [(at, event) for at, event in found if frequency.lets_go(at, period, facts.zones) > facts.now]
        if asks == "channel":
            # What counts against this channel is what went out on another.
            still = [(at, event) for at, event in still if event.channel is not channel]
        full = still[-limit][0] if limit and len(still) >= limit else (still[0][0] if still else None)
        yield Margin(
            rule=head.rule,
            pack=head.pack,
            citation=head.citation,
            asks=asks,
            channels=(channel,),
            debt=debt if _by_debt(what) else None,
            counted=min(len(still), limit) if asks != "count" else len(still),
            limit=limit,
            begins=begins,
            ends=ends,
            frees_at=None if full is None else frequency.lets_go(full, period, facts.zones),
            events=tuple(f"evt_{event.id}" for _, event in still if event.id is not None),
        )


def _by_debt(what: Counted) -> bool:
    return Key.DEBT in what.keys


@lru_cache(maxsize=1024)  # people who are reckoned together share their instant, and nearly all their zones and periods
def _window(period: Period, now: datetime, zones: tuple[str, ...]) -> tuple[datetime | None, datetime | None]:
    """The widest of her zones' windows: what counts in one of them counts."""
    if not zones:
        return None, None
    spans = [edges(period, now, there) for there in zones]
    return min(begins for begins, _ in spans), max(ends for _, ends in spans)


def _shown(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
