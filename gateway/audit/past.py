"""Puts a message before the law as it stood at an instant: the events known by then and the policy then in force.

People and debts are taken as the CRM describes them today, and a contact with the outcome that is known of it today: what was
decided then stands in the trace, and whoever asks again is told where it comes out otherwise.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.asks import StoredAsk
from gateway.deciding.explain import Explanation, explain
from gateway.judge import Case, Choice, Judge, address_for
from gateway.tenants.policies import EMPTY
from gateway.ways.hops import known_at, with_tried
from gateway.ways.portfolios import AsTraced, as_traced
from jurisdictions.house import Policy, Problem, policy_of
from jurisdictions.library import Library
from storage import history, messages, people
from storage.database import Connection
from storage.messages import MessageRow
from storage.past import DecisionRow, PolicyRow
from storage.people import ContactRow
from tracelog.entry import read_header
from vocabulary.verdict import Answer


class Unfit(ValueError):
    """A policy that the tenant had does not fit the packs that it is asked under: which version, where, why."""

    def __init__(self, version: int, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{problem.pointer}: {problem.why}" for problem in problems)
        super().__init__(f"version {version} of the policy does not fit these packs: {said}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One asking of the law: about which message, when, and what the trace says came of it.

    ``own``: the contact that this very decision reserved (hex), which it did not know. ``accepting``: not at dispatch.
    """

    message: UUID
    at: datetime
    index: int | None = None
    own: str | None = None
    accepting: bool = False
    outcome: Answer | None = None
    rules: tuple[str, ...] = ()
    openings: AsTraced | None = None


def moment_of(row: DecisionRow, message: MessageRow | None) -> Moment:
    """The moment that an entry of the trace tells of."""
    facts = read_header(row.header).facts
    return Moment(
        message=row.message,
        at=row.at,
        index=row.idx,
        own=facts.get("event") if row.kind == "reserved" else None,
        accepting=row.kind == "decided" and message is not None and message.created_at == row.at,
        outcome=Answer(facts["outcome"]),
        rules=tuple(reason["rule"] for reason in facts["reasons"]),
        openings=as_traced(reason for decision in (facts, *facts.get("asked", ())) for reason in decision["reasons"]),
    )


class Policies:
    """The policies of one tenant by the instant at which they were in force, compiled under some packs."""

    def __init__(self, rows: Sequence[PolicyRow], law: Library, readings: Mapping[str, str] | None = None) -> None:
        self._rows = rows
        self._law = law
        self._readings = readings or {}
        self._compiled: dict[int, Policy] = {}

    def at(self, instant: datetime) -> Policy:
        """The policy in force at an instant; before the first one, the first. Raises Unfit."""
        standing = [row for row in self._rows if row.at <= instant] or list(self._rows[:1])
        version = standing[-1].version if standing else 0
        policy = self._compiled.get(version)
        if policy is None:
            document: dict[str, Any] = {**EMPTY, **(json.loads(standing[-1].body) if standing else {})}
            checked = policy_of(document, self._law)
            if not isinstance(checked, Policy):
                raise Unfit(version, checked)
            policy = replace(checked, readings={**checked.readings, **self._readings})
            self._compiled[version] = policy
        return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was known of one message at one moment; a policy makes a case of it."""

    moment: Moment
    case: Case

    def under(self, policies: Policies) -> Case:
        """The case under the policy then in force."""
        return replace(self.case, policy=policies.at(self.moment.at))


def choose(judge: Judge, facts: Facts, policies: Policies) -> Choice:
    """What the law says of a moment: with the margins of dispatch, where it was dispatch that asked."""
    case, at = facts.under(policies), facts.moment.at
    wanted = case.ask.send_at
    if facts.moment.accepting or (wanted is not None and wanted > at):
        return judge.accept(case, at)
    return judge.dispatch(case, at)


def explanations(
    judge: Judge, facts: Facts, policies: Policies, choice: Choice, language: str
) -> Iterator[Explanation]:
    """Why ``choose`` came out as it did: one for each channel that was asked about, the one that stands first."""
    case, at = facts.under(policies), facts.moment.at
    if facts.moment.accepting and case.ask.send_at is not None:
        at = max(at, case.ask.send_at)
    for channel, verdict in sorted(choice.all, key=lambda each: each[0] is not choice.channel):
        question = judge.question(case, channel, address_for(case, channel), at)
        asked = replace(verdict, decided_at=choice.verdict.decided_at)
        yield explain(question, judge.law, case.policy, language, asked)


async def facts_of(connection: Connection, tenant: str, moments: Sequence[Moment]) -> list[Facts | None]:
    """What was known at each moment, in their order; None where the message is gone."""
    rows = await messages.get(connection, {moment.message for moment in moments})
    rows = {identity: row for identity, row in rows.items() if row.tenant == tenant}
    if not rows:
        return [None] * len(moments)
    asks = {identity: msgspec.json.decode(row.ask, type=StoredAsk) for identity, row in rows.items()}
    contacts = await people.contacts(connection, {(tenant, row.contact) for row in rows.values()})
    debts = await people.debts(connection, {(tenant, debt) for ask in asks.values() for debt in ask.debts})
    tried = await messages.attempts_of(connection, rows)
    instants = [moment.at for moment in moments]
    events = await history.histories(
        connection,
        {key: [address.endpoint for address in row.addresses] for key, row in contacts.items()},
        min(instants),
        known_until=max(instants),
    )
    found: list[Facts | None] = []
    for moment in moments:
        row = rows.get(moment.message)
        contact = contacts.get((tenant, row.contact)) if row is not None else None
        if row is None or contact is None:
            found.append(None)
            continue
        ask = asks[row.id]
        case = Case(
            contact=_known_then(contact, moment.at),
            ask=ask,
            debts={debt: debts[tenant, debt] for debt in ask.debts if (tenant, debt) in debts},
            history=tuple(
                event
                for event in events[tenant, row.contact]
                if event.at <= moment.at and (moment.own is None or event.id != moment.own)
            ),
            policy=Policy(),
            openings=moment.openings,
        )
        then = known_at(tried.get(row.id, []), moment.at, deciding=moment.index is not None)
        # Where no channel was left nothing was decided any more: what the law says of it is asked of all of them.
        case = with_tried(case, then, row.created_at) or case
        found.append(Facts(moment=moment, case=case))
    return found


def _known_then(contact: ContactRow, at: datetime) -> ContactRow:
    """Her addresses, without what was found out about them only later."""
    return replace(
        contact,
        addresses=tuple(
            replace(each, invalid_at=None) if each.invalid_at is not None and each.invalid_at > at else each
            for each in contact.addresses
        ),
    )
