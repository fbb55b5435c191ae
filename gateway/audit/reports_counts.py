"""The figures of a report: what each rule counted of each person over a period, by the very functions that decide.

At every instant at which somebody was contacted her rules are asked what they count, under the policy that was in force then.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.audit.margins import DEBTS_MAX, Auditor, Margin, Questions, Scope
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import Library
from pages.reports.frequency import Line
from storage import audit, history, people, recheck
from storage.database import Connection, Database
from storage.people import ContactRow, DebtRow
from vocabulary.channel import Channel
from vocabulary.event import Contacted, ContactOutcome, Event, ZoneStated

#: People read in one go.
PEOPLE_PAGE: Final = 200
#: Contacts of one person at which her rules are asked; beyond it the rest count, but no peak is looked for between them.
INSTANTS_MAX: Final = 500
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What a report is asked about: ``[since, until)``, one person, the people of one law, or everybody."""

    since: datetime
    until: datetime
    contact: str | None = None
    jurisdiction: str | None = None


@dataclass(slots=True)
class _Tally:
    margin: Margin
    events: set[str] = field(default_factory=set)
    peak: int = 0
    peak_at: datetime | None = None
    counted: int = 0
    channels: dict[str, None] = field(default_factory=dict)


class Counter:
    """Counts people a page at a time."""

    def __init__(self, *, database: Database, auditor: Auditor, law: Library) -> None:
        self._database = database
        self._auditor = auditor
        self._law = law

    async def policies(self, tenant: str) -> list[tuple[datetime, Policy]]:
        """From when on which policy held, oldest first, as the trace tells it; before the first, none was chosen."""
        rows = await self._database.read(lambda connection: recheck.policies(connection, tenant))
        found = [(_ALWAYS, self._compiled({}))]
        return found + [(at, self._compiled(json.loads(body))) for at, body in rows]

    def _compiled(self, document: dict[str, object]) -> Policy:
        checked = policy_of(document, self._law)
        # A reading that this release no longer knows: the law's own defaults are told, as the recheck does.
        return checked if isinstance(checked, Policy) else self._compiled({"sender": document.get("sender") or {}})

    async def page(
        self, tenant: str, period: Period, policies: Sequence[tuple[datetime, Policy]], after: str
    ) -> tuple[list[Line], int, str | None]:
        """Lines of the next people by their ids, how many people they are, and the id to go on after."""

        async def job(connection: Connection) -> tuple[list[Line], int, str | None]:
            ids = await audit.contacts(
                connection,
                tenant,
                contact=period.contact,
                jurisdiction=period.jurisdiction,
                debt=None,
                after=after,
                limit=PEOPLE_PAGE + 1,
            )
            more = ids[PEOPLE_PAGE - 1] if len(ids) > PEOPLE_PAGE else None
            ids = ids[:PEOPLE_PAGE]
            return await self._lines(connection, tenant, period, policies, ids), len(ids), more

        return await self._database.read(job)

    async def _lines(
        self,
        connection: Connection,
        tenant: str,
        period: Period,
        policies: Sequence[tuple[datetime, Policy]],
        ids: Sequence[str],
    ) -> list[Line]:
        rows = await people.contacts(connection, [(tenant, identity) for identity in ids])
        named = await audit.debts_of(connection, tenant, ids)
        debts = await people.debts(connection, {(tenant, debt) for each in named.values() for debt in each})
        endpoints = {key: [address.endpoint for address in row.addresses] for key, row in rows.items()}
        histories = await history.histories(connection, endpoints, period.until, known_until=period.until)
        subjects = [row.subject for row in rows.values()]
        held: dict[tuple[object, str], int] = {}
        for each in await audit.held(connection, tenant, subjects, period.since, period.until):
            key = (each.subject, each.rule)
            held[key] = held.get(key, 0) + each.messages
        found: list[Line] = []
        for identity in ids:
            row = rows.get((tenant, identity))
            if row is None:  # erased meanwhile
                continue
            hers = {debt: debts[tenant, debt] for debt in named[identity][:DEBTS_MAX] if (tenant, debt) in debts}
            found += [
                _line(row.id, tally, held.get((row.subject, tally.margin.rule), 0))
                for tally in self._tallied(row, hers, histories[tenant, identity], policies, period)
            ]
        return found

    def _tallied(
        self,
        row: ContactRow,
        debts: Mapping[str, DebtRow],
        events: Sequence[Event],
        policies: Sequence[tuple[datetime, Policy]],
        period: Period,
    ) -> list[_Tally]:
        found: dict[tuple[str, str, str | None, int], _Tally] = {}
        made = [
            each
            for each in events
            if isinstance(each, Contacted)
            and each.person == row.id
            and each.outcome is not ContactOutcome.FAILED
            and period.since <= each.at < period.until
        ]
        own = {f"evt_{each.id}" for each in made}
        asked: list[tuple[datetime, Channel | None]] = [(each.at, each.channel) for each in made[-INSTANTS_MAX:]]
        happened = [each.at for each in events]
        in_order = happened == sorted(happened)
        questions: Questions | None = None if any(type(each) is ZoneStated for each in events) else {}
        for at, channel in [*asked, (period.until, None)]:
            known = events[: bisect_right(happened, at)] if in_order else [each for each in events if each.at <= at]
            policy = next(policy for since, policy in reversed(policies) if since <= at)
            for margin in self._auditor.margins(row, debts, known, policy, Scope(), at, questions):
                if margin.asks == "channel" and channel is not None and channel not in margin.channels:
                    continue  # it speaks of another channel than the one that was used
                key = (margin.rule, margin.pack, margin.debt, margin.limit)
                tally = found.setdefault(key, _Tally(margin))
                tally.channels.update(dict.fromkeys(each.value for each in margin.channels))
                tally.events.update(own.intersection(margin.events))
                counting = len(margin.events) or margin.counted
                if channel is None:
                    tally.counted = max(tally.counted, counting)
                elif counting > tally.peak:
                    tally.peak, tally.peak_at = counting, at
        return list(found.values())


def _line(contact: str, tally: _Tally, held: int) -> Line:
    margin = tally.margin
    return Line(
        contact=contact,
        rule=margin.rule,
        pack=margin.pack,
        citation=margin.citation,
        asks=margin.asks,
        channels=tuple(tally.channels),
        debt=margin.debt,
        contacts=len(tally.events),
        peak=tally.peak,
        peak_at=tally.peak_at,
        limit=margin.limit,
        counted=tally.counted,
        held=held,
    )
