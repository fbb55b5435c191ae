"""Holds business portfolios to the people they may write to first: counted and reserved in the transaction that reserves.

The rule stands in the platform's pack (``forbids.portfolio``); here is what it asks: from when there is room for this person.
Portfolios are locked after budgets and before the chain's head, in key order, so that however many workers there are, none
opens a conversation in the room that another has taken meanwhile. Without ``[portfolios]`` nothing is locked and nothing asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from consent.permission import FULL, wrote_within
from gateway.entries import Scribe
from gateway.judge import CALL, HOLD, SKEW
from gateway.ways.portfolio_settings import Tier
from jurisdictions.facts import facts_of
from jurisdictions.library import Library
from jurisdictions.rule import PortfolioFull
from storage import portfolios
from storage.database import Connection
from storage.messages import MessageRow
from storage.people import ContactRow, Key
from vocabulary.channel import Channel
from vocabulary.message import Portfolio, Question

#: What is reserved leaves within this time or never: for so much longer it is counted, lest the platform still count it.
LEAVES_WITHIN: Final = HOLD + CALL + SKEW


@dataclass(slots=True)
class _Ledger:
    """Who was written to first of late, as far as a round of some people needs to know it.

    ``others``: instants of everybody else, latest first, without the ``skipped`` latest ones. ``known``: the round's own people.
    """

    tier: Tier
    period: timedelta
    skipped: int
    others: Sequence[datetime]
    known: dict[str, datetime]

    def room_from(self, person: str, now: datetime) -> datetime | None:
        """When there is room for her; None: now. Who counts already takes no room."""
        if person in self.known and self.known[person] + self.period > now:
            return None
        # The portfolio is full while the people_max-th latest of all still counts.
        latest = sorted((*self.others, *self.known.values()), reverse=True)
        place = self.tier.people_max - self.skipped - 1
        ends = latest[place] + self.period if place < len(latest) else now
        return ends if ends > now else None


@dataclass(slots=True)
class Openings:
    """What the portfolios of one round still have room for, and what the round takes of it."""

    scribe: Scribe | None = None
    ledgers: Mapping[str, _Ledger] = field(default_factory=dict)
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    rule: PortfolioFull | None = None
    taken: list[tuple[UUID, str, str, datetime]] = field(default_factory=list)

    def portfolio(self, way: str, address: str, now: datetime) -> Portfolio | None:
        """What the law asks of a way's portfolio about whoever has this address; None where it has none."""
        ledger = self._ledger(way)
        if ledger is None:
            return None
        tier = ledger.tier
        room_from = ledger.room_from(self._person(tier.portfolio, address), now)
        return Portfolio(name=tier.portfolio, people_max=tier.people_max, room_from=room_from)

    def take(self, way: str, address: str, attempt: UUID, question: Question) -> None:
        """An attempt is reserved: it takes its room, unless it answers her within the time that is hers."""
        ledger = self._ledger(way)
        if ledger is None or self.rule is None or wrote_within(self.rule.wrote_within, facts_of(question, frozenset())):
            return
        person = self._person(ledger.tier.portfolio, address)
        at = question.now + LEAVES_WITHIN
        ledger.known[person] = max(at, ledger.known.get(person, at))
        self.taken.append((attempt, ledger.tier.portfolio, person, at))

    async def write(self, connection: Connection) -> None:
        """Store what was taken."""
        await portfolios.add(connection, self.taken)

    def _ledger(self, way: str) -> _Ledger | None:
        tier = self.tiers.get(way)
        return None if tier is None else self.ledgers.get(tier.portfolio)

    def _person(self, portfolio: str, address: str) -> str:
        assert self.scribe is not None
        return person_of(self.scribe, portfolio, address)


@dataclass(frozen=True, slots=True)
class AsTraced:
    """What a decision of the past was told of its portfolio, by the reason that the trace keeps."""

    told: Portfolio

    def portfolio(self, way: str, address: str, now: datetime) -> Portfolio | None:
        """The same for every way: a message is decided by one portfolio."""
        return self.told


def as_traced(reasons: Iterable[Mapping[str, Any]]) -> AsTraced | None:
    """None where no portfolio was full: then what it had room for decided nothing."""
    for reason in reasons:
        match = FULL.fullmatch(reason["observed"])
        if match is not None and reason["until"] is not None:
            until = datetime.fromisoformat(reason["until"])
            return AsTraced(Portfolio(name=match[1], people_max=int(match[2]), room_from=until))
    return None


def person_of(scribe: Scribe, portfolio: str, address: str) -> str:
    """Whom a platform counts as one: an address, whichever tenant has it."""
    return scribe.token("", f"portfolio\n{portfolio}\n{address}")


class Portfolios:
    """Opens the ledgers of rounds. ``tiers`` by way."""

    def __init__(
        self, *, tiers: Mapping[str, Tier], channels: Mapping[Channel, Sequence[str]], law: Library, scribe: Scribe
    ) -> None:
        self._tiers = tiers
        self._channels = {channel for channel, ways in channels.items() if not tiers.keys().isdisjoint(ways)}
        self._scribe = scribe
        self._rule = rule_of(law)

    async def open(
        self, connection: Connection, rows: Sequence[MessageRow], contacts: Mapping[Key, ContactRow], now: datetime
    ) -> Openings:
        """What the portfolios have room for, for a round of messages: they are held until the transaction ends."""
        return await self._openings(
            connection,
            [contacts[row.tenant, row.contact] for row in rows if self._channels.intersection(row.channels)],
            now,
            lock=True,
        )

    async def look(self, connection: Connection, contact: ContactRow, now: datetime) -> Openings:
        """The same of one person, for whoever only asks."""
        return await self._openings(connection, [contact], now, lock=False)

    async def _openings(
        self, connection: Connection, contacts: Sequence[ContactRow], now: datetime, *, lock: bool
    ) -> Openings:
        rule = self._rule
        addresses = {
            each.address for contact in contacts for each in contact.addresses if each.channel in self._channels
        }
        if rule is None or not addresses:
            return Openings()
        named = {tier.portfolio: tier for tier in self._tiers.values()}
        if lock:
            await portfolios.hold(connection, named)
        ledgers = {}
        for name, tier in named.items():
            persons = {person_of(self._scribe, name, address) for address in addresses}
            skipped = max(0, tier.people_max - 1 - len(persons))
            since = now - rule.people_in
            ledgers[name] = _Ledger(
                tier=tier,
                period=rule.people_in,
                skipped=skipped,
                others=await portfolios.others(connection, name, since, persons, skipped, len(persons) + 1),
                known=await portfolios.these(connection, name, since, persons),
            )
        return Openings(scribe=self._scribe, ledgers=ledgers, tiers=self._tiers, rule=rule)


def rule_of(law: Library) -> PortfolioFull | None:
    """The platform's rule about portfolios, None where no pack has one."""
    return next(
        (
            clause.predicate
            for pack in law.packs.values()
            if pack.binds
            for rule in pack.rules
            for clause in rule.variants.values()
            if clause is not None and isinstance(clause.predicate, PortfolioFull)
        ),
        None,
    )
