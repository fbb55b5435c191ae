"""Dispatch: claims what is due, decides and reserves it in one transaction, and only then speaks to a provider.

The order of locks is that of the whole house: messages, contacts, endpoints, the chain's head; each in key order. The claim skips
what another worker holds, so it never waits while holding a contact.
"""

import asyncio
import json
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from tenacity import retry, retry_if_exception_type, wait_exponential_jitter

from adapters.kit.port import Adapter
from gateway import answers
from gateway.accept import Wording, choice_facts
from gateway.asks import StoredAsk
from gateway.auto import Auto
from gateway.costs.budgets import Budgets, Purse
from gateway.costs.expected import Costs
from gateway.entries import Scribe
from gateway.events import crm_event, undelivered
from gateway.failpoints import reach
from gateway.judge import CALL, HOLD, SKEW, Case, Choice, Judge, next_midnight, role_of, zones_of
from gateway.parcels import Load, Packer, load_of
from gateway.settle import Ending, Settler
from gateway.spread import due_at
from gateway.tenants.policies import Policies
from gateway.ways.choosing import Ways
from gateway.ways.hops import may_hop, with_tried
from gateway.ways.portfolios import Openings, Portfolios
from storage import chain, history, messages, outbox, people
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import CommitUnknown, Connection, Database, DatabaseAway
from storage.history import EventRow
from storage.messages import AttemptRow, MessageRow
from storage.outbox import EventOut
from storage.people import AddressRow, Key
from throttling.pace import Lane
from throttling.turns import Turns, in_turns, shares
from tracelog.entry import instant
from vocabulary.channel import AddressKind
from vocabulary.event import Contacted, ContactOutcome
from vocabulary.ids import new_uuid
from vocabulary.outcome import About, NotSent, Parcel, Rejected, Unknown
from vocabulary.status import Status
from vocabulary.values import quickly_made
from vocabulary.verdict import Answer

log = structlog.get_logger()

BATCH_MAX: Final = 200
#: Attempts in the air in one process.
FLIGHTS_MAX: Final = 256
#: How long after its reservation an attempt without an ending is taken for abandoned, real time: well past the call's own limit.
ABANDONED: Final = HOLD + CALL + timedelta(seconds=30)
#: A reservation waits no longer than this for a turn that another worker has taken meanwhile.
LANE_WAIT_SECONDS_MAX: Final = 2.0
#: Messages decided in a round beyond those that its ways have room for.
SPARE: Final = 8
#: Somebody else is speaking with the same person: ask again then.
PATIENCE: Final = timedelta(seconds=1)
#: How long a message waits whose tenant's policy cannot be read; ``tregua doctor`` and a metric say so meanwhile.
UNREADABLE: Final = timedelta(minutes=1)
#: How long a message is left alone whose lawful ways all rest, while others on its channel do not.
PAUSE_SECONDS_MIN: Final = 0.05
PAUSE_SECONDS_MAX: Final = 5.0
_HELD: Final = NotSent(reason="held too long before the call")


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A reserved attempt and how it leaves. ``reserved_at`` is this process's monotonic clock before the commit, in seconds."""

    attempt: AttemptRow
    way: Adapter = field(repr=False)
    load: Load = field(repr=False)
    lanes: tuple[Lane, ...] = ()
    reserved_at: float


@dataclass(slots=True)
class _Batch:
    """What one round writes. ``grants``: sends that each way may still take."""

    grants: dict[str, int] = field(default_factory=dict)
    attempts: list[AttemptRow] = field(default_factory=list)
    reservations: list[EventRow] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    moves: list[tuple[Any, ...]] = field(default_factory=list)
    hops: list[tuple[UUID, bool, datetime | None]] = field(default_factory=list)
    entries: dict[str, list[Written]] = field(default_factory=dict)
    events: list[EventOut] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    #: Of attempts that are held back at an opening, this process's monotonic clock at which they may leave.
    held: dict[UUID, float] = field(default_factory=dict)
    purse: Purse = field(default_factory=Purse)
    openings: Openings = field(default_factory=Openings)
    wording: Wording = field(default_factory=Wording)


class Dispatcher:
    """Sends what is due and lawful."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        judge: Judge,
        auto: Auto,
        scribe: Scribe,
        policies: Policies,
        costs: Costs,
        portfolios: Portfolios,
        settler: Settler,
        ways: Ways,
        packer: Packer,
        abandoned_after: timedelta = ABANDONED,
    ) -> None:
        self._database = database
        self._clock = clock
        self._judge = judge
        self._auto = auto
        self._scribe = scribe
        self._policies = policies
        self._costs = costs
        self._budgets = Budgets(scribe=scribe, judge=judge)
        self._portfolios = portfolios
        self._settler = settler
        self._ways = ways
        self._turns = Turns()
        self._packer = packer
        self._abandoned_after = abandoned_after
        self._flying: set[asyncio.Task[None]] = set()

    async def round(self, limit: int = BATCH_MAX) -> int:
        """Claim and decide up to ``limit`` due messages, and let those that are allowed leave; how many were claimed."""
        room = min(limit, FLIGHTS_MAX - len(self._flying))
        if room <= 0:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            return limit
        grants = await self._ways.grants(room)
        # Of what cannot leave, no more is decided than may turn out not to be allowed to: a slow way is a short round.
        room = min(room, 2 * sum(grants.values()) + SPARE)
        batch = _Batch(grants=dict(grants))
        claimed = 0

        async def job(connection: Connection) -> int:
            nonlocal batch
            batch = _Batch(grants=dict(grants))
            return await self._reserve(connection, batch, room)

        try:
            claimed = await self._database.run(job)
        except CommitUnknown:
            # The reservations may stand, and we know that we send none of them.
            for flight in batch.flights:
                self._start(self._give_back(flight))
            raise
        await self._ways.give_back(grants, batch.grants)
        await reach("dispatch.after_commit")
        # No transaction is open from here on: what follows speaks with the world.
        for flight in batch.flights:
            until = batch.held.get(flight.attempt.id)
            self._start(self._fly(flight) if until is None else self._fly_after(flight, until))
        return claimed

    @property
    def rest_seconds(self) -> float | None:
        """Seconds until a way that rests may be used again, None when none rests."""
        return self._ways.rest_seconds

    def resting(self) -> list[str]:
        """The channels all of whose ways rest."""
        return self._ways.resting()

    async def drain(self) -> None:
        """Wait until every attempt in the air has its ending."""
        while self._flying:
            await asyncio.wait(set(self._flying))

    def _start(self, flight: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(flight)
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _reserve(self, connection: Connection, batch: _Batch, limit: int) -> int:
        before, _ = await self._clock.now(connection)
        rows = await self._claim(connection, before, limit, self._ways.idle(batch.grants))
        if not rows:
            return 0
        keys: set[Key] = {(row.tenant, row.contact) for row in rows}
        contacts = await people.contacts(connection, keys, lock=True)
        endpoints = {key: [a.endpoint for a in row.addresses] for key, row in contacts.items()}
        await people.lock_endpoints(connection, [(key[0], e) for key, found in endpoints.items() for e in found])
        asks = {row.id: msgspec.json.decode(row.ask, type=StoredAsk) for row in rows}
        policies = await self._policies.current(connection, {row.tenant for row in rows})
        batch.purse = await self._budgets.open(connection, rows, asks, policies, before)
        batch.openings = await self._portfolios.open(connection, rows, contacts, before)
        # The span for which a reservation may be used begins with its instant, however long the statements after it take.
        mono = time.monotonic()
        # Now nothing about these people can change until the commit: this instant is the one that decides.
        now, real = await self._clock.now(connection)
        debts = await people.debts(connection, [(row.tenant, d) for row in rows for d in asks[row.id].debts])
        known_until = now if self._clock.may_go_back else None
        histories = await history.histories(connection, endpoints, now, known_until=known_until)
        busy = await messages.open_contacts(connection, keys)
        tried = await messages.attempts_of(connection, [row.id for row in rows])
        await self._auto.learn_of(connection, [(row.tenant, asks[row.id].auto) for row in rows], now)
        for row in rows:
            batch.entries.setdefault(row.tenant, [])
            key = (row.tenant, row.contact)
            contact = contacts[key]
            if row.expires_at <= now:
                self._expire(batch, row, contact.subject, now)
                continue
            if row.tenant not in policies:
                # Its policy is none that this release understands: no contact until somebody has looked, and nobody else waits.
                self._later(batch, row, now + UNREADABLE)
                continue
            if key in busy:
                # One conversation at a time: a second message waits for the ending of the first.
                self._later(batch, row, now + PATIENCE)
                continue
            attempts = tried.get(row.id, [])
            ask = asks[row.id]
            case = with_tried(
                Case(
                    contact=contact,
                    ask=ask,
                    debts={d: debts[row.tenant, d] for d in ask.debts},
                    history=histories[key],
                    policy=policies[row.tenant],
                    openings=batch.openings,
                ),
                attempts,
                row.created_at,
            )
            if case is None or (row.hop and not may_hop(attempts)):
                self._give_up(batch, row, contact.subject, "no channel is left", now)
                continue
            if case.ask.send_at is not None and case.ask.send_at > now:
                choice = self._auto.accept(case, row.id, now)
            else:
                choice = self._auto.dispatch(case, row.id, now, row.expires_at)
            if choice.verdict.answer is Answer.ALLOW:
                event = self._allow(batch, row, case, choice, tried.get(row.id, []), now, real, mono)
                if event is not None:
                    busy.add(key)
                    histories[key] = (*histories[key], event)
            else:
                self._hold(batch, row, case, choice, now)
        await messages.decide(connection, batch.decisions, now)
        await messages.move(connection, batch.moves, now)
        await messages.hop(connection, batch.hops)
        await messages.add_attempts(connection, batch.attempts)
        await batch.purse.write(connection)
        await batch.openings.write(connection)
        await history.add(connection, batch.reservations)
        await outbox.add(connection, batch.events, real)
        await chain.append(connection, batch.entries)
        await reach("dispatch.before_commit")
        return len(rows)

    async def _claim(self, connection: Connection, now: datetime, limit: int, idle: Sequence[str]) -> list[MessageRow]:
        """What is due, every tenant's first before anybody's second: who pours lengthens its own line only."""
        order = self._turns.order(await messages.tenants_due(connection, now))
        rows = await messages.claim_due(connection, now, limit, shares(order, limit), idle)
        if len(order) > 1 and len(rows) < limit:
            # What some left of their share goes to those who have more.
            full = dict.fromkeys(shares(order, limit), limit)
            rows += await messages.claim_due(connection, now, limit - len(rows), full, idle, [row.id for row in rows])
        return [rows[place] for place in in_turns([row.tenant for row in rows], order)]

    def _allow(
        self,
        batch: _Batch,
        row: MessageRow,
        case: Case,
        choice: Choice,
        tried: Sequence[AttemptRow],
        now: datetime,
        real: datetime,
        mono: float,
    ) -> Contacted | None:
        """Reserve: the contact counts from here on, whatever becomes of us."""
        way = self._ways.pick(choice.channel, choice.allows, row.id, tried, batch.grants)
        address = choice.address
        if way is None or address is None:
            self._give_up(batch, row, case.contact.subject, "no way is left", now)
            return None
        if not batch.grants[way.name]:
            # Every way that the law allows is broken or at its pace: nothing is reserved.
            self._pause(batch, row, choice, now)
            return None
        price = self._costs.price(way, address.address, case.ask)
        over = batch.purse.over(row.id, price)
        if over and price is not None:
            self._hold(batch, row, case, self._budgets.refused(case, choice, over, price), now)
            return None
        lanes = self._ways.lanes(way, row.tenant, address.address)
        wait = self._ways.reserve(lanes)
        if wait:
            # Her, our number's or the tenant's turn has not come: nothing is reserved.
            self._later(batch, row, min(now + timedelta(seconds=wait), row.expires_at))
            return None
        choice = choice.through(way.name)
        attempt = AttemptRow(
            id=new_uuid(),
            tenant=row.tenant,
            message=row.id,
            contact=row.contact,
            n=len(tried) + 1,
            provider=way.name,
            channel=choice.channel,
            address=address.address,
            state="dispatching",
            validity_seconds=int(choice.validity.total_seconds()),
            reserved_at=now,
            latest=choice.latest,
            deadline=real + self._abandoned_after,
            begun_at=real,
            expected=None if price is None else price.amount,
            expected_segments=None if price is None else price.segments,
            currency=None if price is None else price.currency,
            booked=batch.purse.book(row.id, price),
        )
        if way.name in batch.openings.tiers:
            question = self._judge.question(case, choice.channel, address, now)
            batch.openings.take(way.name, address.address, attempt.id, question)
        event = _reservation(case, choice, address, now)
        reserved = EventRow(id=new_uuid(), tenant=row.tenant, contact=row.contact, event=event, attempt=attempt.id)
        batch.grants[way.name] -= 1
        self._turns.had(row.tenant)
        batch.attempts.append(attempt)
        batch.reservations.append(reserved)
        # The status never goes back: what follows an undelivered message is told by its attempts until one lifts it.
        status = Status.UNDELIVERED if row.hop else Status.DISPATCHING
        batch.decisions.append(self._decision(batch, row, choice, status, now))
        if row.hop:
            batch.hops.append((row.id, False, None))
        batch.entries[row.tenant].append(self._reserved_entry(row, case, choice, attempt, reserved, now))
        load = load_of(case.ask, choice.channel, case.contact.locale, way.name)
        if choice.opened is not None and not self._clock.may_go_back:
            # Our clock may be ahead of hers: what it calls open may not be for a moment. A clock set by hand is right.
            batch.held[attempt.id] = time.monotonic() + (choice.opened + SKEW - now).total_seconds()
        batch.flights.append(Flight(attempt=attempt, way=way, load=load, lanes=tuple(lanes), reserved_at=mono))
        return event

    def _pause(self, batch: _Batch, row: MessageRow, choice: Choice, now: datetime) -> None:
        """Leave a message where it is until a way may be used."""
        names = [name for name in self._ways.names(choice.channel) if choice.allows(name)]
        if row.channel == choice.channel and len(names) == len(self._ways.names(choice.channel)):
            # Its channel as a whole is passed over by the next claims.
            return
        wait = timedelta(seconds=min(max(self._ways.wait_seconds(names), PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX))
        self._later(batch, row, now + wait)

    def _later(self, batch: _Batch, row: MessageRow, due: datetime) -> None:
        batch.moves.append((row.id, row.status, None, due))

    def _hold(self, batch: _Batch, row: MessageRow, case: Case, choice: Choice, now: datetime) -> None:
        """Not now, or never: say so if it is news."""
        denied = choice.verdict.answer is Answer.DENY
        status = Status.BLOCKED if denied else Status.DEFERRED
        if row.hop:
            status = Status.UNDELIVERED
        due = now
        if not denied:
            until = choice.verdict.until or next_midnight(now, zones_of(case, choice.address))
            due = due_at(self._judge, case, choice, row.id, until)
        decision = self._decision(batch, row, choice, status, min(due, row.expires_at))
        before, after = json.loads(row.decision), json.loads(str(decision[3]))
        batch.decisions.append(decision)
        if row.hop and denied:
            batch.hops.append((row.id, False, None))
            batch.events.append(undelivered(row, now, [], decision=after))
        elif row.status == status and _same(before, after):
            return
        if not row.hop:
            batch.events.append(crm_event(f"message.{status}", row, now, decision=after))
        batch.entries[row.tenant].append(
            self._scribe.entry(
                "decided",
                tenant=row.tenant,
                at=now,
                subject=case.contact.subject,
                message=row.id,
                facts=choice_facts(choice),
            )
        )

    def _expire(self, batch: _Batch, row: MessageRow, subject: UUID, now: datetime) -> None:
        self._end(batch, row, subject, Status.EXPIRED, now)

    def _give_up(self, batch: _Batch, row: MessageRow, subject: UUID, reason: str, now: datetime) -> None:
        self._end(batch, row, subject, Status.FAILED, now, reason=reason)

    def _end(self, batch: _Batch, row: MessageRow, subject: UUID, status: Status, now: datetime, **facts: str) -> None:
        """Nothing more is tried. What was undelivered stays that."""
        if row.hop:
            batch.hops.append((row.id, False, None))
            batch.events.append(undelivered(row, now, [], **facts))
        else:
            batch.moves.append((row.id, status, None, None))
            batch.events.append(crm_event(f"message.{status}", row, now, **facts))
        entry = self._scribe.entry(
            status.value, tenant=row.tenant, at=now, subject=subject, message=row.id, facts={**facts}
        )
        batch.entries[row.tenant].append(entry)

    def _decision(
        self, batch: _Batch, row: MessageRow, choice: Choice, status: Status, due: datetime
    ) -> tuple[Any, ...]:
        said = batch.wording.said(choice, answers.zone_of(choice.zones))
        return row.id, status, choice.channel, said.decision, said.decisions, due

    def _reserved_entry(
        self, row: MessageRow, case: Case, choice: Choice, attempt: AttemptRow, reserved: EventRow, now: datetime
    ) -> Written:
        token = self._scribe.token
        ask = case.ask
        assert choice.address is not None
        return self._scribe.entry(
            "reserved",
            tenant=row.tenant,
            at=now,
            subject=case.contact.subject,
            message=row.id,
            facts={
                "attempt": attempt.id.hex,
                "event": reserved.id.hex,
                "provider": attempt.provider,
                "endpoint": choice.address.endpoint,
                "form": ask.form,
                "purpose": ask.purpose,
                "creditor": token(row.tenant, ask.creditor),
                "collector": token(row.tenant, ask.collector),
                # Who contacts whom: what laws ask about, so that the trace alone answers whether they were kept.
                "sender_role": ask.role,
                "sector": ask.sector,
                "role": role_of(case),
                "address_kind": choice.address.kind,
                "address_source": choice.address.source,
                "answers": ask.answers_channel == choice.channel,
                "debts": [token(row.tenant, debt) for debt in ask.debts],
                "zones": list(choice.zones),
                "latest": instant(attempt.latest),
                "validity_seconds": attempt.validity_seconds,
                **choice_facts(choice),
            },
        )

    async def _fly_after(self, flight: Flight, until: float) -> None:
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        await self._fly(flight)

    async def _fly(self, flight: Flight) -> None:
        attempt = flight.attempt
        parcel = await self._pack(flight)
        if not isinstance(parcel, Parcel):
            await self._tell(Ending(attempt.id, parcel, attempt.message))
            return
        try:
            await reach("dispatch.before_call")
            ending = await flight.way.send(parcel)
        except asyncio.CancelledError:
            # Stopping in the middle of a call: it may have left.
            await asyncio.shield(
                self._tell(Ending(attempt.id, Unknown(reason="stopped during the call"), attempt.message))
            )
            raise
        except Exception as error:  # an adapter that raises has broken its word: assume the worst
            log.exception(
                "adapter.raised", provider=attempt.provider, attempt=attempt.id.hex, error=type(error).__name__
            )
            ending = Unknown(reason=f"the adapter failed: {type(error).__name__}")
        self._ways.note(attempt.provider, ending)
        await reach("dispatch.after_call")
        await self._tell(Ending(attempt.id, ending, attempt.message))

    async def _pack(self, flight: Flight) -> Parcel | NotSent | Rejected:
        """The parcel, if it is made while the reservation may still be used: nothing has left us until then."""
        hold = flight.reserved_at + HOLD.total_seconds()
        wait = await self._ways.enter(flight.lanes)
        while 0 < wait < min(LANE_WAIT_SECONDS_MAX, hold - time.monotonic()):
            await asyncio.sleep(wait)
            wait = await self._ways.enter(flight.lanes)
        if wait:
            # Another worker's send had the turn, and holding the reservation so long would keep her busy.
            return NotSent(reason="its turn has not come", retry_after_seconds=wait, about=About.PACE)
        if time.monotonic() > hold:
            return _HELD
        try:
            made = await self._packer.parcel(flight.attempt, flight.load, hold - time.monotonic())
        except Exception as error:  # a note or a link that cannot be made is our own fault, and nothing left
            log.exception("parcel.not_made", attempt=flight.attempt.id.hex, error=type(error).__name__)
            return NotSent(reason=f"the parcel could not be made: {type(error).__name__}")
        return _HELD if time.monotonic() > hold else made

    async def _give_back(self, flight: Flight) -> None:
        await self._tell(Ending(flight.attempt.id, _HELD, flight.attempt.message))

    async def _tell(self, ending: Ending) -> None:
        """Store an ending, for as long as it takes: it is idempotent, and only this process knows it."""
        try:
            await self._settler.settle(ending)
        except DatabaseAway:
            await self._tell_again(ending)

    @retry(retry=retry_if_exception_type(DatabaseAway), wait=wait_exponential_jitter(multiplier=0.05, max=5))
    async def _tell_again(self, ending: Ending) -> None:
        await self._settler.settle(ending)


def _reservation(case: Case, choice: Choice, address: AddressRow, now: datetime) -> Contacted:
    ask = case.ask
    return Contacted(
        at=now,
        channel=choice.channel,
        outcome=ContactOutcome.ATTEMPTED,
        form=ask.form,
        purpose=ask.purpose,
        debts=tuple(ask.debts),
        address=address.endpoint,
        address_kind=AddressKind(address.kind),
        creditor=ask.creditor,
        collector=ask.collector,
        reply_to_inbound=ask.answers_channel == choice.channel,
        person=case.contact.id,
        role=role_of(case),
        latest=choice.latest,
    )


def _same(before: dict[str, object], after: dict[str, object]) -> bool:
    """Whether a fresh decision says nothing new: the same outcome until the same instant for the same rules."""

    def gist(decision: dict[str, object]) -> object:
        reasons = decision["reasons"]
        assert isinstance(reasons, list)
        return decision["outcome"], decision["until"], [reason["rule"] for reason in reasons]

    return gist(before) == gist(after)
