"""What waits for a person is decided again in the transaction that keeps her word: what her word forbids is blocked when it stands.

The next round of a dispatcher would find the same, after whatever else is due. Here the messages that she has just refused are
blocked by the commit of the refusal itself, so that no queue, however long, stands between her word and what anybody sees of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway import answers
from gateway.accept import choice_facts
from gateway.asks import StoredAsk
from gateway.auto import Auto
from gateway.entries import Scribe
from gateway.events import crm_event
from gateway.judge import Case, Choice, zones_of
from gateway.settle import Round
from gateway.tenants.policies import Policies
from storage import history, messages, people, ties
from storage.clock import LegalClock
from storage.database import Connection
from storage.history import EventRow
from storage.messages import MessageRow
from storage.people import ContactRow, Key
from vocabulary.event import Consented, ConsentState, Event, Listed, NotAssociated, StatusKind, StatusSet
from vocabulary.status import WAITING, Status
from vocabulary.verdict import Answer

#: Messages that one commit decides again; of who has more waiting, the rest is left to the dispatchers.
DECIDED_MAX: Final = 3_000
#: So many are decided before whoever else runs in this process has a turn.
TURN_MAX: Final = 25
#: Of those who share an address that is refused, or a debt, so many are locked with her; the others' messages are left to the dispatchers.
SHARERS_MAX: Final = 200
#: What shapes contact at most, and forbids none.
_MILD: Final = frozenset({StatusKind.HARDSHIP})


class Rejudger:
    """Blocks what a person's word forbids, under the locks of whoever keeps it."""

    def __init__(self, *, auto: Auto, policies: Policies, scribe: Scribe, clock: LegalClock) -> None:
        self._auto = auto
        self._policies = policies
        self._scribe = scribe
        self._clock = clock

    async def block(
        self,
        connection: Connection,
        todo: Round,
        rows: Mapping[UUID, MessageRow],
        contacts: Mapping[Key, ContactRow],
        now: datetime,
        *,
        kept: Sequence[EventRow] = (),
    ) -> set[UUID]:
        """Block what the statements of this round forbid, and say which messages those were.

        A refusal that speaks of an address binds whoever else uses it, and a status may bind whoever owes the same debt, as far as the
        caller has locked them. ``rows`` and ``contacts``:
        messages and people whom the caller has locked. ``kept``: statements that stand in the database already. What is not blocked
        here is for the caller to make due.
        """
        refusals = [s for s in (*todo.statements, *kept) if refuses(s.event)]
        hers = {(s.tenant, s.contact) for s in refusals} & contacts.keys()
        told = {(s.tenant, s.contact) for s in refusals if isinstance(s.event, StatusSet)}
        owing = [pair for pair in await ties.owing_together(connection, told, SHARERS_MAX) if pair[1] in contacts]
        refusing = hers | _sharing(refusals, contacts) | {other for _, other in owing}
        waiting = [
            row
            for row in rows.values()
            if (row.tenant, row.contact) in refusing and row.status in WAITING and row.expires_at > now
        ]
        # What was tried before is a matter of ways and hops, which only a dispatcher knows.
        tried = await messages.attempts_of(connection, [row.id for row in waiting]) if waiting else {}
        # Her own first, where more waits than one commit decides.
        waiting = sorted(
            (row for row in waiting if row.id not in tried), key=lambda row: (row.tenant, row.contact) not in hers
        )[:DECIDED_MAX]
        if not waiting:
            return set()
        said = _said(todo.statements, contacts, owing)
        cases = await self._cases(connection, said, waiting, {key: contacts[key] for key in refusing}, now)
        decisions: list[tuple[Any, ...]] = []
        for n, (row, case) in enumerate(cases, 1):
            choice = self._auto.accept(case, row.id, now)
            if choice.verdict.answer is Answer.DENY:
                decisions.append(self._blocked(todo, row, case, choice, now))
            if n % TURN_MAX == 0:
                await asyncio.sleep(0)
        await messages.decide(connection, decisions, now)
        return {decision[0] for decision in decisions}

    async def _cases(
        self,
        connection: Connection,
        said: Mapping[Key, Sequence[Event]],
        waiting: Sequence[MessageRow],
        contacts: Mapping[Key, ContactRow],
        now: datetime,
    ) -> list[tuple[MessageRow, Case]]:
        """Each message with all that is known of her, what she has just said included."""
        asks = {row.id: msgspec.json.decode(row.ask, type=StoredAsk) for row in waiting}
        policies = await self._policies.current(connection, {row.tenant for row in waiting})
        debts = await people.debts(connection, [(row.tenant, d) for row in waiting for d in asks[row.id].debts])
        histories = await history.histories(
            connection,
            {key: [address.endpoint for address in contact.addresses] for key, contact in contacts.items()},
            now,
            known_until=now if self._clock.may_go_back else None,
        )
        await self._auto.learn_of(connection, [(row.tenant, asks[row.id].auto) for row in waiting], now)
        return [
            (
                row,
                Case(
                    contact=contacts[row.tenant, row.contact],
                    ask=asks[row.id],
                    debts={d: debts[row.tenant, d] for d in asks[row.id].debts},
                    history=(*histories[row.tenant, row.contact], *said.get((row.tenant, row.contact), ())),
                    policy=policies[row.tenant],
                ),
            )
            for row in waiting
            if row.tenant in policies
        ]

    def _blocked(self, todo: Round, row: MessageRow, case: Case, choice: Choice, now: datetime) -> tuple[Any, ...]:
        zone = answers.zone_of(zones_of(case, choice.address))
        decision, decisions = answers.decided(choice.verdict, choice.all, zone, choice.passed_over, choice.auto)
        told = msgspec.Raw(decision.encode())
        todo.events.append(crm_event(f"message.{Status.BLOCKED}", row, now, decision=told))
        todo.entries.setdefault(row.tenant, []).append(
            self._scribe.entry(
                "decided",
                tenant=row.tenant,
                at=now,
                subject=case.contact.subject,
                message=row.id,
                facts=choice_facts(choice),
            )
        )
        return row.id, Status.BLOCKED, choice.channel, decision, decisions, now


def _sharing(refusals: Sequence[EventRow], contacts: Mapping[Key, ContactRow]) -> set[Key]:
    """Whoever uses an address that these refusals close."""
    places = {(row.tenant, place) for row in refusals if (place := bound_address(row.event)) is not None}
    return {
        key
        for key, contact in contacts.items()
        if any((key[0], address.endpoint) in places for address in contact.addresses)
    }


def _said(
    statements: Sequence[EventRow], contacts: Mapping[Key, ContactRow], owing: Sequence[tuple[Key, Key]]
) -> dict[Key, list[Event]]:
    """What was said just now, by person: her own, what binds an address of hers, and how those stand who owe with her."""
    users: dict[Key, list[Key]] = {}
    for key, contact in contacts.items():
        for address in contact.addresses:
            users.setdefault((key[0], address.endpoint), []).append(key)
    said: dict[Key, list[Event]] = {}
    for row in statements:
        said.setdefault((row.tenant, row.contact), []).append(row.event)
        place = bound_address(row.event)
        for tenant, user in users.get((row.tenant, place), ()) if place is not None else ():
            if user != row.contact:
                said.setdefault((tenant, user), []).append(_as_of(row.event, user))
        if isinstance(row.event, StatusSet):
            for who, other in owing:
                if who == (row.tenant, row.contact):
                    said.setdefault(other, []).append(row.event)
    return said


def _as_of(event: Event, person: str) -> Event:
    return replace(event, person=person) if isinstance(event, Consented | Listed) else event


def bound_address(event: Event) -> str | None:
    """The address that a statement closes for whoever uses it; None where it speaks of one person alone."""
    match event:
        case Consented():
            return event.address if event.state is ConsentState.WITHDRAWN else None
        case Listed():
            return event.address
        case _:
            return None


def refuses(event: Event) -> bool:
    """Whether a statement may forbid what was allowed before, whatever the hour."""
    match event:
        case Consented():
            return event.state is ConsentState.WITHDRAWN
        case StatusSet():
            return not event.ended and event.status not in _MILD
        case NotAssociated() | Listed():
            return True
        case _:
            return False
