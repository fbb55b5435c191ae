"""Holds a house to the caps of its own policy: what a message may still cost is reserved in the transaction that reserves it.

Budgets are locked after messages, contacts and endpoints and before the chain's head, each in key order, so that however many
workers there are, none spends what another has spent meanwhile. Without a cap in any policy nothing is locked and nothing asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from gateway.asks import StoredAsk
from gateway.costs.expected import Price
from gateway.entries import Scribe
from gateway.judge import Case, Choice, Judge
from jurisdictions.built_in import HOUSE
from jurisdictions.caps import Cap, Over, Per
from jurisdictions.house import Policy
from storage import costs, portfolios
from storage.clock import LegalClock
from storage.costs import BudgetKey
from storage.database import Connection, Database
from storage.messages import MessageRow
from vocabulary.verdict import Answer, Force, Reason

RULE: Final = "HOUSE-CAP"
#: How long a budget is kept after its period: what comes back late still finds it.
KEPT: Final = timedelta(days=60)
#: How long openings of portfolios are kept: a clock that goes back a little finds them.
OPENINGS_KEPT: Final = timedelta(days=2)
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One cap that a message stands under, and the budget that counts it."""

    cap: Cap
    budget: BudgetKey
    renewed: datetime | None


@dataclass(slots=True)
class Purse:
    """What one round may still spend. ``lines``: under which caps each message stands; their budgets are held."""

    lines: Mapping[UUID, tuple[Line, ...]] = field(default_factory=dict)
    spent: dict[BudgetKey, Decimal] = field(default_factory=dict)
    more: dict[BudgetKey, Decimal] = field(default_factory=dict)

    def over(self, message: UUID, price: Price | None) -> list[tuple[Line, Decimal]]:
        """The caps that a message of this price would break, with what is spent under each."""
        if price is None or not self.lines:
            return []
        return [
            (line, self._spent(line))
            for line in self.lines.get(message, ())
            if line.cap.currency == price.currency and self._spent(line) + price.amount > line.cap.amount
        ]

    def book(self, message: UUID, price: Price | None) -> tuple[str, ...]:
        """Spend it; the budgets that it counts under."""
        if price is None or not self.lines:
            return ()
        keys = {line.budget for line in self.lines.get(message, ()) if line.cap.currency == price.currency}
        for key in keys:
            self.more[key] = self.more.get(key, _NOTHING) + price.amount
        return tuple(sorted(identity for _, identity in keys))

    async def write(self, connection: Connection) -> None:
        """Store what was spent."""
        await costs.book(connection, self.more)

    def _spent(self, line: Line) -> Decimal:
        return self.spent[line.budget] + self.more.get(line.budget, _NOTHING)


class Budgets:
    """Opens purses, and says what becomes of what they cannot pay."""

    def __init__(self, *, scribe: Scribe, judge: Judge) -> None:
        self._scribe = scribe
        self._judge = judge

    async def open(
        self,
        connection: Connection,
        rows: Sequence[MessageRow],
        asks: Mapping[UUID, StoredAsk],
        policies: Mapping[str, Policy],
        now: datetime,
    ) -> Purse:
        """The purse of a round: every budget that its messages could spend of is locked."""
        lines = {
            row.id: found
            for row in rows
            if (policy := policies.get(row.tenant)) is not None
            and policy.caps
            and (found := tuple(self._lines(row, asks[row.id], policy.caps, now)))
        }
        if not lines:
            return Purse()
        wanted = {line.budget: line.renewed for each in lines.values() for line in each}
        return Purse(lines, await costs.hold(connection, wanted))

    def refused(self, case: Case, choice: Choice, over: Sequence[tuple[Line, Decimal]], price: Price) -> Choice:
        """The same choice, deferred until every cap has room again, or denied where one never has."""
        never = [
            line
            for line, _ in over
            if line.cap.over is Over.BLOCK or line.renewed is None or price.amount > line.cap.amount
        ]
        until = None if never else max(line.renewed for line, _ in over if line.renewed is not None)
        if until is not None:
            # The earliest instant at which it would be allowed: the law has its hours then, too.
            later = self._judge.advise(case, until).verdict
            until = later.until if later.answer is Answer.DEFER and later.until is not None else until
        answer = Answer.DENY if never else Answer.DEFER
        reasons = tuple(
            Reason(
                rule=RULE,
                pack=HOUSE,
                force=Force.HOUSE,
                citation="a cap of the tenant's policy",
                effect=Answer.DENY if line in never else Answer.DEFER,
                until=None if line in never else line.renewed,
                observed=f"{_plain(spent)} {price.currency} is spent, and this costs {_plain(price.amount)}",
                limit=line.cap.said,
            )
            for line, spent in over
        )
        verdict = replace(choice.verdict, answer=answer, until=until, reasons=reasons)
        decided = tuple((channel, verdict if channel is choice.channel else each) for channel, each in choice.all)
        return replace(choice, verdict=verdict, all=decided, by_ways=())

    def _lines(self, row: MessageRow, ask: StoredAsk, caps: Sequence[Cap], now: datetime) -> list[Line]:
        found: list[Line] = []
        for cap in caps:
            for subject in _subjects(cap, row, ask):
                token = self._scribe.token(row.tenant, f"budget\n{cap.per}\n{subject}") if subject else ""
                identity = f"{cap.per}:{token}:{cap.period}:{cap.begun(now)}:{cap.zone}:{cap.currency}"
                found.append(Line(cap, (row.tenant, identity), cap.renewed(now)))
        return found


class BudgetBook:
    """Forgets budgets, and openings of portfolios, that nothing can count under any more."""

    def __init__(self, *, database: Database, clock: LegalClock) -> None:
        self._database = database
        self._clock = clock

    async def forget(self) -> None:
        """Those whose period ended long ago, or days ago."""

        async def job(connection: Connection) -> None:
            now, _ = await self._clock.now(connection)
            await costs.forget(connection, now - KEPT)
            await portfolios.forget(connection, now - OPENINGS_KEPT)

        await self._database.run(job)


def _subjects(cap: Cap, row: MessageRow, ask: StoredAsk) -> Sequence[str]:
    """Whose spending a message is part of; nobody's where the cap is not about it."""
    match cap.per:
        case Per.TENANT:
            return [""]
        case Per.CONTACT:
            return [row.contact]
        case Per.DEBT:
            # About several, it counts whole for each: a cap is never passed by sharing.
            return list(dict.fromkeys(ask.debts))
        case Per.CAMPAIGN:
            named = ask.metadata.get("campaign")
            return [named] if named and cap.of in (None, named) else []


def _plain(amount: Decimal) -> str:
    """A decimal without an exponent and without zeros at its end beyond the cents."""
    text = f"{amount:f}"
    if "." not in text:
        return text
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
