"""Dispatch: claims what is due, decides and reserves it in one transaction, and only then speaks to a provider.

The order of locks is that of the whole house: messages, contacts, endpoints, the chain's head; each in key order. The claim skips
what another worker holds, so it never waits while holding a contact.
"""

import asyncio
import json
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from tenacity import retry, retry_if_exception_type, wait_exponential_jitter

from adapters.kit.port import Adapter
from gateway import answers
from gateway.accept import choice_facts
from gateway.asks import StoredAsk
from gateway.entries import Scribe
from gateway.events import crm_event
from gateway.failpoints import reach
from gateway.judge import CALL, HOLD, Case, Choice, Judge, next_midnight, role_of, zones_of
from gateway.parcels import Load, Packer, load_of
from gateway.policies import Policies
from gateway.settle import Ending, Settler
from storage import chain, history, messages, outbox, people
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import CommitUnknown, Connection, Database, DatabaseAway
from storage.history import EventRow
from storage.messages import AttemptRow, MessageRow
from storage.outbox import EventOut
from storage.people import AddressRow, Key
from throttling.pacing import Pacer
from tracelog.entry import instant
from vocabulary.channel import AddressKind, Channel
from vocabulary.event import Contacted, ContactOutcome
from vocabulary.ids import new_uuid
from vocabulary.outcome import NotSent, Parcel, Rejected, Unknown
from vocabulary.status import Status
from vocabulary.verdict import Answer

log = structlog.get_logger()

BATCH_MAX: Final = 200
#: Attempts in the air in one process.
FLIGHTS_MAX: Final = 256
#: How long after its reservation an attempt without an ending is taken for abandoned, real time: well past the call's own limit.
ABANDONED: Final = HOLD + CALL + timedelta(seconds=30)
#: Tries of one message that provably did not leave.
TRIES_MAX: Final = 6
#: Somebody else is speaking with the same person: ask again then.
PATIENCE: Final = timedelta(seconds=1)
_HELD: Final = NotSent(reason="held too long before the call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A reserved attempt and how it leaves. ``reserved_at`` is this process's monotonic clock before the commit, in seconds."""

    attempt: AttemptRow
    way: Adapter = field(repr=False)
    load: Load = field(repr=False)
    reserved_at: float


@dataclass(slots=True)
class _Batch:
    """What one round writes. ``grants``: sends that each way may still take."""

    grants: dict[str, int] = field(default_factory=dict)
    attempts: list[AttemptRow] = field(default_factory=list)
    reservations: list[EventRow] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    moves: list[tuple[Any, ...]] = field(default_factory=list)
    entries: dict[str, list[Written]] = field(default_factory=dict)
    events: list[EventOut] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)


class Dispatcher:
    """Sends what is due and lawful. ``ways`` are in the operator's order per channel."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        judge: Judge,
        scribe: Scribe,
        policies: Policies,
        settler: Settler,
        ways: Mapping[Channel, tuple[Adapter, ...]],
        pacer: Pacer,
        packer: Packer,
        abandoned_after: timedelta = ABANDONED,
    ) -> None:
        self._database = database
        self._clock = clock
        self._judge = judge
        self._scribe = scribe
        self._policies = policies
        self._settler = settler
        self._ways = ways
        self._pacer = pacer
        self._rests_until: dict[str, float] = {}
        self._packer = packer
        self._abandoned_after = abandoned_after
        self._flying: set[asyncio.Task[None]] = set()

    async def round(self, limit: int = BATCH_MAX) -> int:
        """Claim and decide up to ``limit`` due messages, and let those that are allowed leave; how many were claimed."""
        room = min(limit, FLIGHTS_MAX - len(self._flying))
        if room <= 0:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            return limit
        grants = await self._grants(room)
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
        for name, unused in batch.grants.items():
            await self._pacer.give(name, unused)
        await reach("dispatch.after_commit")
        # No transaction is open from here on: what follows speaks with the world.
        for flight in batch.flights:
            self._start(self._fly(flight))
        return claimed

    @property
    def rest_seconds(self) -> float | None:
        """Seconds until a way that rests may be used again, None when none rests."""
        now = time.monotonic()
        return min((until - now for until in self._rests_until.values() if until > now), default=None)

    def resting(self) -> list[str]:
        """The channels all of whose ways rest: used as fast as their providers want."""
        now = time.monotonic()
        return [
            channel.value
            for channel, ways in self._ways.items()
            if ways and all(self._rests_until.get(way.name, 0.0) > now for way in ways)
        ]

    async def _grants(self, wanted: int) -> dict[str, int]:
        """How many sends each way may take now; taken before anything is reserved, so that no reservation waits for a pace."""
        granted: dict[str, int] = {}
        for way in {way.name: way for ways in self._ways.values() for way in ways}.values():
            if self._rests_until.get(way.name, 0.0) > time.monotonic():
                granted[way.name] = 0
                continue
            grant = await self._pacer.take(way.name, wanted)
            granted[way.name] = grant.count
            if grant.count < wanted:
                self._rests_until[way.name] = time.monotonic() + grant.wait_seconds
        return granted

    @property
    def flying(self) -> int:
        """Attempts in the air."""
        return len(self._flying)

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
        idle = [c for c, ways in self._ways.items() if ways and not any(batch.grants[way.name] for way in ways)]
        rows = await messages.claim_due(connection, before, limit, idle)
        if not rows:
            return 0
        keys: set[Key] = {(row.tenant, row.contact) for row in rows}
        contacts = await people.contacts(connection, keys, lock=True)
        endpoints = {key: [a.endpoint for a in row.addresses] for key, row in contacts.items()}
        await people.lock_endpoints(connection, [(key[0], e) for key, found in endpoints.items() for e in found])
        # Now nothing about these people can change until the commit: this instant is the one that decides.
        now, real = await self._clock.now(connection)
        asks = {row.id: msgspec.json.decode(row.ask, type=StoredAsk) for row in rows}
        debts = await people.debts(connection, [(row.tenant, d) for row in rows for d in asks[row.id].debts])
        known_until = now if self._clock.may_go_back else None
        histories = await history.histories(connection, endpoints, now, known_until=known_until)
        policies = await self._policies.current(connection, {row.tenant for row in rows})
        busy = await messages.open_contacts(connection, keys)
        tried = await messages.attempts_of(connection, [row.id for row in rows])
        for row in rows:
            # A channel on which the provider refused is not tried again; the next in her order is.
            spent = {attempt.channel for attempt in tried.get(row.id, []) if attempt.state == "rejected"}
            if spent:
                left = [channel for channel in asks[row.id].channels if channel not in spent]
                asks[row.id] = msgspec.structs.replace(asks[row.id], channels=left)
        mono = time.monotonic()
        for row in rows:
            batch.entries.setdefault(row.tenant, [])
            key = (row.tenant, row.contact)
            contact = contacts[key]
            if row.expires_at <= now:
                self._expire(batch, row, contact.subject, now)
                continue
            if key in busy:
                # One conversation at a time: a second message waits for the ending of the first.
                batch.moves.append((row.id, row.status, None, now + PATIENCE))
                continue
            case = Case(
                contact=contact,
                ask=asks[row.id],
                debts={d: debts[row.tenant, d] for d in asks[row.id].debts},
                history=histories[key],
                policy=policies[row.tenant],
            )
            if case.ask.send_at is not None and case.ask.send_at > now:
                choice = self._judge.accept(case, now)
            else:
                choice = self._judge.dispatch(case, now)
            if choice.verdict.answer is Answer.ALLOW:
                event = self._allow(batch, row, case, choice, tried.get(row.id, []), now, real, mono)
                if event is not None:
                    busy.add(key)
                    histories[key] = (*histories[key], event)
            else:
                self._hold(batch, row, case, choice, now)
        await messages.decide(connection, batch.decisions, now)
        await messages.move(connection, batch.moves, now)
        await messages.add_attempts(connection, batch.attempts)
        await history.add(connection, batch.reservations)
        await outbox.add(connection, batch.events, real)
        await chain.append(connection, batch.entries)
        await reach("dispatch.before_commit")
        return len(rows)

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
        way = self._way(choice.channel, tried, batch.grants)
        address = choice.address
        if way is not None and not batch.grants[way.name]:
            # Every way is at its pace: the message stays where it is, and nothing is reserved.
            return None
        if way is None or address is None:
            batch.moves.append((row.id, Status.FAILED, None, None))
            batch.events.append(crm_event("message.failed", row, now, reason="no way is left"))
            batch.entries[row.tenant].append(
                self._scribe.entry(
                    "failed",
                    tenant=row.tenant,
                    at=now,
                    subject=case.contact.subject,
                    message=row.id,
                    facts={"reason": "no way is left"},
                )
            )
            return None
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
        )
        event = _reservation(case, choice, address, now)
        reserved = EventRow(id=new_uuid(), tenant=row.tenant, contact=row.contact, event=event, attempt=attempt.id)
        batch.grants[way.name] -= 1
        batch.attempts.append(attempt)
        batch.reservations.append(reserved)
        batch.decisions.append(self._decision(row, case, choice, Status.DISPATCHING, now))
        batch.entries[row.tenant].append(self._reserved_entry(row, case, choice, attempt, reserved, now))
        load = load_of(case.ask, choice.channel, case.contact.locale, way.name)
        batch.flights.append(Flight(attempt=attempt, way=way, load=load, reserved_at=mono))
        return event

    def _hold(self, batch: _Batch, row: MessageRow, case: Case, choice: Choice, now: datetime) -> None:
        """Not now, or never: say so if it is news."""
        denied = choice.verdict.answer is Answer.DENY
        status = Status.BLOCKED if denied else Status.DEFERRED
        due = now
        if not denied:
            due = choice.verdict.until or next_midnight(now, zones_of(case, choice.address))
        decision = self._decision(row, case, choice, status, min(due, row.expires_at))
        before, after = json.loads(row.decision), json.loads(str(decision[3]))
        batch.decisions.append(decision)
        if row.status == status and _same(before, after):
            return
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
        batch.moves.append((row.id, Status.EXPIRED, None, None))
        batch.events.append(crm_event("message.expired", row, now))
        batch.entries[row.tenant].append(
            self._scribe.entry(
                "expired",
                tenant=row.tenant,
                at=now,
                subject=subject,
                message=row.id,
                facts={},
            )
        )

    def _decision(self, row: MessageRow, case: Case, choice: Choice, status: Status, due: datetime) -> tuple[Any, ...]:
        zone = answers.zone_of(zones_of(case, choice.address))
        decision, decisions = answers.decided(choice.verdict, choice.all, zone)
        return row.id, status, choice.channel, decision, decisions, due

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
                "zones": list(zones_of(case, choice.address)),
                "latest": instant(attempt.latest),
                "validity_seconds": attempt.validity_seconds,
                **choice_facts(choice),
            },
        )

    def _way(self, channel: Channel, tried: Sequence[AttemptRow], grants: Mapping[str, int]) -> Adapter | None:
        """The next way of a channel: those that rest, and those that did not take the message, go to the end of the line."""
        ways = self._ways.get(channel, ())
        if not ways or len(tried) >= TRIES_MAX:
            return None
        used = [attempt.provider for attempt in tried if attempt.state == "not_sent"]
        return min(ways, key=lambda way: (not grants[way.name], used.count(way.name)))

    async def _fly(self, flight: Flight) -> None:
        attempt = flight.attempt
        parcel = await self._pack(flight)
        if not isinstance(parcel, Parcel):
            await self._tell(Ending(attempt.id, parcel))
            return
        try:
            await reach("dispatch.before_call")
            ending = await flight.way.send(parcel)
        except asyncio.CancelledError:
            # Stopping in the middle of a call: it may have left.
            await asyncio.shield(self._tell(Ending(attempt.id, Unknown(reason="stopped during the call"))))
            raise
        except Exception as error:  # an adapter that raises has broken its word: assume the worst
            log.exception(
                "adapter.raised", provider=attempt.provider, attempt=attempt.id.hex, error=type(error).__name__
            )
            ending = Unknown(reason=f"the adapter failed: {type(error).__name__}")
        await reach("dispatch.after_call")
        await self._tell(Ending(attempt.id, ending))

    async def _pack(self, flight: Flight) -> Parcel | NotSent | Rejected:
        """The parcel, if it is made while the reservation may still be used: nothing has left us until then."""
        hold = flight.reserved_at + HOLD.total_seconds()
        if time.monotonic() > hold:
            return _HELD
        try:
            made = await self._packer.parcel(flight.attempt, flight.load, hold - time.monotonic())
        except Exception as error:  # a note or a link that cannot be made is our own fault, and nothing left
            log.exception("parcel.not_made", attempt=flight.attempt.id.hex, error=type(error).__name__)
            return NotSent(reason=f"the parcel could not be made: {type(error).__name__}")
        return _HELD if time.monotonic() > hold else made

    async def _give_back(self, flight: Flight) -> None:
        await self._tell(Ending(flight.attempt.id, _HELD))

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
