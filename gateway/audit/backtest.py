"""Decides the past again under another pack or another reading, and tells what would have come out otherwise, rule by rule.

Both sides are decided anew, from the same facts: what differs then differs because of the packs and readings, and not because
more is known today. Where the side under today's packs no longer says what the trace says, that is told apart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import msgspec

from gateway.audit.past import Facts, Moment, Policies, choose, facts_of, moment_of
from gateway.judge import Choice, Judge
from jurisdictions.library import Library, Pack, read
from storage import messages, past
from storage.database import Connection, Database
from vocabulary.ids import shown
from vocabulary.verdict import Answer, Verdict

EXAMPLES_MAX: Final = 5


@dataclass(slots=True)
class Difference:
    """How often something would come out otherwise, with the first messages of which it is true."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, moment: Moment) -> None:
        """One more."""
        self.count += 1
        message = shown("msg", moment.message)
        if len(self.examples) < EXAMPLES_MAX and message not in self.examples:
            self.examples.append(message)


@dataclass(slots=True)
class RuleDifference:
    """Of one rule: decisions that it would block and did not, and those that it would no longer block."""

    would_block: Difference = field(default_factory=Difference)
    would_let_pass: Difference = field(default_factory=Difference)


@dataclass(slots=True)
class Report:
    """What a backtest found. ``decisions`` were asked again, ``gone`` belong to messages that no longer exist.

    ``outcomes``: ``allow → defer`` and the like. ``moved``: deferred both times, until another instant. ``unlike_trace``:
    what comes out otherwise even under today's packs, because more is known now, or because the packs changed since.
    """

    tenant: str
    since: datetime
    until: datetime
    decisions: int = 0
    gone: int = 0
    differ: int = 0
    outcomes: dict[str, Difference] = field(default_factory=dict)
    moved: Difference = field(default_factory=Difference)
    rules: dict[str, RuleDifference] = field(default_factory=dict)
    unlike_trace: Difference = field(default_factory=Difference)

    def take(self, moment: Moment, standing: Choice, other: Choice) -> None:
        """Compare one decision on both sides."""
        self.decisions += 1
        before, after = standing.verdict, other.verdict
        if moment.outcome is not None and before.answer is not moment.outcome:
            self.unlike_trace.add(moment)
        blocked, blocks = _rules(standing), _rules(other)
        for rule in sorted(blocks - blocked):
            self.rules.setdefault(rule, RuleDifference()).would_block.add(moment)
        for rule in sorted(blocked - blocks):
            self.rules.setdefault(rule, RuleDifference()).would_let_pass.add(moment)
        if before.answer is not after.answer:
            self.outcomes.setdefault(f"{before.answer} → {after.answer}", Difference()).add(moment)
        elif before.until != after.until:
            self.moved.add(moment)
        if before.answer is not after.answer or before.until != after.until or blocked != blocks:
            self.differ += 1


def _rules(choice: Choice) -> set[str]:
    verdicts: list[Verdict] = [choice.verdict, *(verdict for _, verdict in choice.all)]
    return {reason.rule for verdict in verdicts for reason in verdict.reasons}


def under(law: Library, packs: Iterable[tuple[str, bytes]]) -> Library:
    """The packs with some of them replaced or added, by code and text. Raises ``PackError``.

    A draft or a bill that is asked about here is taken as if it were in force, from its own dates on.
    """
    changed = dict(law.packs)
    for code, source in packs:
        changed[code] = _binding(read(code, source))
    return Library(changed.values())


def _binding(pack: Pack) -> Pack:
    return replace(pack, table=msgspec.structs.replace(pack.table, status="in_force"))


class Backtest:
    """Asks the past again. ``law`` and ``readings`` are the other side; ``judge`` is today's."""

    def __init__(self, *, database: Database, judge: Judge, law: Library, readings: Mapping[str, str]) -> None:
        law.reading_values(readings)
        self._database = database
        self._judge = judge
        self._law = law
        self._readings = readings

    async def run(
        self,
        tenant: str,
        since: datetime,
        until: datetime,
        moved: Callable[[int, int], None] = lambda done, total: None,
    ) -> Report:
        """Every reservation, and every decision that held a message back, in ``[since, until)``.

        ``moved`` is told how many of how many entries are done. Raises ``Unfit`` when a policy of then does not fit.
        """
        report = Report(tenant=tenant, since=since, until=until)
        total = await self._database.read(lambda c: past.decisions_count(c, tenant, since, until))
        versions = await self._database.read(lambda c: past.policies(c, tenant))
        standing = Policies(versions, self._judge.law)
        others = Policies(versions, self._law, self._readings)
        judge = self._judge.under(self._law)
        after, done = -1, 0
        while True:
            index = after

            async def page(connection: Connection, index: int = index) -> tuple[int, int, list[Facts | None]]:
                rows = await past.decisions(connection, tenant, since, until, index)
                named = await messages.get(connection, {row.message for row in rows})
                moments = [moment_of(row, named.get(row.message)) for row in rows]
                # What was allowed and not reserved is decided again before it goes: only that one is a decision to send.
                asked = [each for each in moments if each.own is not None or each.outcome is not Answer.ALLOW]
                last = rows[-1].idx if rows else -1
                return len(rows), last, await facts_of(connection, tenant, asked) if asked else []

            count, after, found = await self._database.read(page)
            if not count:
                return report
            for facts in found:
                if facts is None:
                    report.gone += 1
                else:
                    report.take(facts.moment, choose(self._judge, facts, standing), choose(judge, facts, others))
            done += count
            moved(done, total)
