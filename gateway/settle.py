"""Settles attempts: one of four endings, stored once, whoever tells it and however often.

An ending that is late, doubled or weaker than what is known changes nothing but the trace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, assert_never
from uuid import UUID

from gateway.committer import Committer
from gateway.costs.expected import by_segments
from gateway.entries import Scribe
from gateway.events import crm_event, event, undelivered
from gateway.failpoints import reach
from gateway.people.profiles import statement_entry
from gateway.ways.hops import address_of, channels_left, may_hop
from storage import chain, costs, history, media, messages, outbox, people, portfolios, ties
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.history import EventRow
from storage.media import WantedRow
from storage.messages import AttemptRow, MessageRow
from storage.outbox import EventOut
from storage.people import ContactRow, Key, Subject
from vocabulary.channel import Channel
from vocabulary.event import Consented, ConsentState, ContactOutcome, Instrument
from vocabulary.ids import new_uuid
from vocabulary.outcome import About, NotSent, Outcome, Rejected, Sent, Unknown
from vocabulary.status import Status, may_move
from vocabulary.values import changed, quickly_made

#: When an attempt of unknown ending is looked up at the provider, counted from its ending, real time.
LOOKUPS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(minutes=60),
)
#: How long a message rests after a try that provably did not leave, doubling with each.
REST_FIRST: Final = timedelta(seconds=2)
REST_MAX: Final = timedelta(minutes=15)
#: How long endings are gathered while they come one after the other: so many share the eleven statements of a commit.
GATHER_SECONDS: Final = 0.05
#: Of those who use an address whose carrier refuses us, so many are locked with her; the others' messages are left to the dispatchers.
REFUSING_MAX: Final = 200
#: What a try is not counted for: the way refused, not the message.
_NOTHING: Final = Decimal(0)
_EXCUSED: Final = frozenset({About.PACE, About.ACCOUNT})


@quickly_made
@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended. ``message``: whose it is, where whoever tells it knows."""

    attempt: UUID
    outcome: Outcome
    message: UUID | None = None


@dataclass(slots=True)
class Round:
    """What one transaction of settling or receiving writes, gathered while it decides."""

    attempts: list[tuple[Any, ...]]
    moves: list[tuple[Any, ...]]
    contacted: list[tuple[UUID, str, datetime | None]]
    statements: list[EventRow]
    entries: dict[str, list[Written]]
    events: list[EventOut]
    #: How calls ended: like ``contacted``, but it never says less than what stands.
    results: list[tuple[UUID, str, datetime | None]] = field(default_factory=list)
    #: What replies brought along, to be fetched.
    wanted: list[WantedRow] = field(default_factory=list)
    #: Undelivered messages whose next channel is waited for, or not any more, and since when it may be taken.
    hops: list[tuple[UUID, bool, datetime | None]] = field(default_factory=list)
    #: Attempts that are not counted against their messages.
    excused: list[UUID] = field(default_factory=list)
    #: What attempts cost after all, in which currency, and whether any of them counts under a budget.
    costs: dict[UUID, tuple[Decimal, str]] = field(default_factory=dict)
    booked: bool = False
    #: Addresses that are none: tenant, endpoint, on which channel, since when, who says so, in which word of theirs.
    invalid: list[tuple[str, str, str, datetime, str, str]] = field(default_factory=list)
    #: Addresses that are some, whatever was said of them.
    alive: list[tuple[str, str, str]] = field(default_factory=list)

    @classmethod
    def empty(cls) -> "Round":
        """Nothing yet."""
        return cls([], [], [], [], {}, [])

    def cost(self, attempt: AttemptRow, amount: Decimal | None) -> None:
        """What an attempt costs after all, where it was priced and something is known."""
        if amount is not None and attempt.currency is not None:
            self.costs[attempt.id] = amount, attempt.currency
            self.booked |= bool(attempt.booked)

    async def write(self, connection: Connection, now: datetime, real: datetime) -> None:
        """Store all of it; the chain last."""
        await messages.settle_attempts(connection, _told_once(self.attempts), now)
        await messages.excuse(connection, self.excused)
        await messages.move(connection, _told_once(self.moves), now)
        await messages.hop(connection, _told_once(self.hops))
        await people.mark_invalid(connection, sorted(set(self.invalid)))
        await people.mark_alive(connection, sorted(set(self.alive)))
        contacted = _told_once(self.contacted)
        await history.settle(
            connection, [c[0] for c in contacted], [c[1] for c in contacted], [c[2] for c in contacted]
        )
        await history.call_results(connection, self.results)
        await history.add(connection, self.statements)
        await media.want(connection, self.wanted, real)
        await costs.settle(connection, self.costs, booked=self.booked)
        await portfolios.give_back(
            connection, [each[0] for each in self.attempts if each[1] in ("not_sent", "rejected")]
        )
        await outbox.add(connection, self.events, real)
        if any(move[1] in (Status.QUEUED, Status.DEFERRED) for move in self.moves) or any(hop[1] for hop in self.hops):
            await messages.ring(connection)
        await chain.append(connection, self.entries)


def _told_once(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One row for each that is named first in it: of several words about one, the last stands, with what only the others say.

    An UPDATE that is joined with several rows for one takes any one of them.
    """
    told: dict[Any, tuple[Any, ...]] = {}
    for row in rows:
        before = told.get(row[0], row)
        told[row[0]] = tuple(old if new is None else new for old, new in zip(before, row, strict=True))
    return list(told.values())


class Blocks(Protocol):
    """Blocks what waits and is forbidden by this round's statements. ``gateway.rejudged`` is one."""

    async def block(
        self,
        connection: Connection,
        todo: Round,
        rows: Mapping[UUID, MessageRow],
        contacts: Mapping[Key, ContactRow],
        now: datetime,
    ) -> set[UUID]:
        """The messages that were blocked."""
        ...


class Settler:
    """Stores endings, sharing commits. ``ways``: how many each channel has. ``blocks``: what a carrier's refusal forbids."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        scribe: Scribe,
        lookups: Sequence[timedelta] = LOOKUPS,
        ways: Mapping[str, int] | None = None,
        blocks: Blocks,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._lookups = tuple(lookups)
        self._ways = ways or {}
        self._blocks = blocks
        self._committer: Committer[Ending, None] = Committer(self._flush, gather_seconds=GATHER_SECONDS)

    async def settle(self, ending: Ending) -> None:
        """Store one ending. Raises DatabaseAway; then it may be told again."""
        await self._committer.submit(ending)

    async def close(self) -> None:
        """Store what waits, then stop."""
        await self._committer.close()

    def next_lookup(self, attempt: AttemptRow, real: datetime) -> datetime | None:
        """When to ask the provider again about an attempt that was looked up so often; None: never."""
        if attempt.lookups >= len(self._lookups):
            return None
        return real + self._lookups[attempt.lookups]

    async def _flush(self, endings: Sequence[Ending]) -> Sequence[None]:
        async def job(connection: Connection) -> None:
            await self._settle(connection, endings)

        await reach("settle.before_commit")
        await self._database.run(job)
        await reach("settle.after_commit")
        return [None] * len(endings)

    async def _settle(self, connection: Connection, endings: Sequence[Ending]) -> None:
        of = {e.attempt: e.message for e in endings if e.message is not None}
        strange = [e.attempt for e in endings if e.message is None]
        if strange:
            of |= await messages.messages_of(connection, strange)
        # A carrier that has her stop, of which we have not heard: what waits for that address is decided with it.
        refused = [e.attempt for e in endings if isinstance(e.outcome, Rejected) and e.outcome.opted_out]
        refusing = await ties.reached_by(connection, refused, REFUSING_MAX)
        waiting = await messages.waiting_of(connection, refusing) if refusing else []
        rows = await messages.lock(connection, [*of.values(), *waiting])
        # Read under the messages' locks: an ending told meanwhile by somebody else must be seen.
        attempts = await messages.attempts(connection, of)
        keys = {*refusing, *((row.tenant, row.contact) for row in rows.values())}
        releasing = any(isinstance(e.outcome, NotSent | Rejected) for e in endings)
        # What was sent, or may have been, touches nothing of hers: of her only what its entry needs is read.
        contacts = await people.contacts(connection, keys, lock=True) if releasing else {}
        subjects = await people.subjects(connection, keys - contacts.keys())
        if refused:
            await people.lock_endpoints(
                connection, [(t, a.endpoint) for (t, _), each in contacts.items() for a in each.addresses]
            )
        tried = await messages.attempts_of(connection, rows) if releasing else {}
        now, real = await self._clock.now(connection)
        todo = Round.empty()
        for ending in endings:
            attempt = attempts.get(ending.attempt)
            if attempt is None:
                continue
            row = rows[attempt.message]
            contact = contacts.get((row.tenant, row.contact))
            whose = contact or subjects[row.tenant, row.contact]
            todo.entries.setdefault(row.tenant, []).append(self._entry(attempt, row, whose, ending.outcome, now))
            known = [attempts.get(each.id, each) for each in tried.get(row.id, ())]
            moved = self._apply(todo, attempt, row, contact, known, ending.outcome, now, real)
            if moved is not None:
                attempts[attempt.id], rows[row.id] = moved
        if refused:
            waits = {i: rows[i] for i in waiting if i in rows}
            blocked = await self._blocks.block(connection, todo, waits, contacts, now)
            todo.moves.extend((i, row.status, None, now) for i, row in waits.items() if row.waits and i not in blocked)
        await todo.write(connection, now, real)

    def _apply(
        self,
        todo: Round,
        attempt: AttemptRow,
        row: MessageRow,
        contact: ContactRow | None,
        tried: Sequence[AttemptRow],
        outcome: Outcome,
        now: datetime,
        real: datetime,
    ) -> tuple[AttemptRow, MessageRow] | None:
        if attempt.state not in ("dispatching", "unknown"):
            # A receipt was faster than the answer to the call: what it said stands, and only the id is news.
            if isinstance(outcome, Sent) and outcome.provider_id and attempt.provider_id is None:
                todo.attempts.append(
                    (attempt.id, attempt.state, outcome.provider_id, None, None, outcome.segments, None)
                )
                todo.cost(attempt, by_segments(attempt, outcome.segments))
            return None
        match outcome:
            case Sent():
                todo.attempts.append(
                    (attempt.id, "sent", outcome.provider_id, outcome.provider_status, None, outcome.segments, None)
                )
                todo.cost(attempt, by_segments(attempt, outcome.segments))
                return self._moved(todo, attempt, row, "sent", Status.SENT, now)
            case Unknown():
                if attempt.state == "unknown":
                    return None
                todo.attempts.append(
                    (attempt.id, "unknown", None, None, outcome.reason, None, self.next_lookup(attempt, real))
                )
                return self._moved(todo, attempt, row, "unknown", Status.UNKNOWN, now, reason=outcome.reason)
            case NotSent():
                assert contact is not None
                todo.attempts.append((attempt.id, "not_sent", None, None, outcome.reason, None, None))
                todo.contacted.append((attempt.id, ContactOutcome.FAILED, None))
                todo.cost(attempt, _NOTHING)
                if outcome.about in _EXCUSED:
                    todo.excused.append(attempt.id)
                return self._try_again(todo, attempt, row, contact, tried, outcome, now)
            case Rejected():
                assert contact is not None
                todo.attempts.append((attempt.id, "rejected", None, outcome.code, outcome.reason, None, None))
                todo.contacted.append((attempt.id, ContactOutcome.FAILED, None))
                todo.cost(attempt, _NOTHING)
                if outcome.opted_out:
                    withdraw(self._scribe, todo, contact, attempt.channel, attempt.address, now)
                if outcome.address_invalid:
                    contact = invalidate(self._scribe, todo, contact, attempt, outcome.code, now)
                after = replace(attempt, state="rejected")
                if attempt.state == "dispatching" and self._left(row, after, contact, tried):
                    return self._again(todo, after, row, now)
                return self._no_more(todo, after, row, now, reason=outcome.reason, code=outcome.code)
            case _:
                assert_never(outcome)

    def _try_again(
        self,
        todo: Round,
        attempt: AttemptRow,
        row: MessageRow,
        contact: ContactRow,
        tried: Sequence[AttemptRow],
        outcome: NotSent,
        now: datetime,
    ) -> tuple[AttemptRow, MessageRow]:
        after = replace(attempt, state="not_sent", excused=outcome.about in _EXCUSED)
        left = self._left(row, after, contact, tried)
        # From unknown there is no way back into the queue, even when it turns out that nothing left.
        if attempt.state == "unknown" or not left:
            return self._no_more(todo, after, row, now, reason=outcome.reason)
        known = [after if each.id == after.id else each for each in tried]
        rest = self._rest(after, known, outcome) if attempt.channel in left else timedelta()
        return self._again(todo, after, row, min(now + rest, row.expires_at))

    def _rest(self, attempt: AttemptRow, tried: Sequence[AttemptRow], outcome: NotSent) -> timedelta:
        """How long the message is left alone: not at all while another way of its channel has not had it."""
        before = [each for each in tried if each.channel == attempt.channel and each.state == "not_sent"]
        others = max(1, self._ways.get(attempt.channel, 1))
        if len({each.provider for each in before}) < others and outcome.about is not About.MESSAGE:
            return timedelta()
        rest: timedelta = min(REST_MAX, REST_FIRST * 2 ** min(max(0, len(before) - others) // others, 16))
        if outcome.retry_after_seconds is not None and (others == 1 or outcome.about is About.MESSAGE):
            rest = max(rest, timedelta(seconds=outcome.retry_after_seconds))
        return rest

    def _left(self, row: MessageRow, after: AttemptRow, contact: ContactRow, tried: Sequence[AttemptRow]) -> list[str]:
        known = [after if each.id == after.id else each for each in tried]
        return channels_left(row.channels, known, contact, address_of(row)) if may_hop(known) else []

    def _again(self, todo: Round, after: AttemptRow, row: MessageRow, due: datetime) -> tuple[AttemptRow, MessageRow]:
        """It is decided anew: on the same channel, or on the next one."""
        if row.status == Status.UNDELIVERED:
            todo.hops.append((row.id, True, due))
        elif may_move(Status(row.status), Status.QUEUED):
            todo.moves.append((row.id, Status.QUEUED, None, due))
            row = replace(row, status=Status.QUEUED)
        return after, row

    def _no_more(
        self, todo: Round, after: AttemptRow, row: MessageRow, now: datetime, **more: str | None
    ) -> tuple[AttemptRow, MessageRow]:
        """No channel is left. What an earlier attempt has made undelivered stays that."""
        if row.status == Status.UNDELIVERED:
            todo.events.append(undelivered(row, now, [], provider=after.provider, **more))
            return after, row
        return self._moved(todo, after, row, after.state, Status.FAILED, now, **more)

    def _moved(
        self,
        todo: Round,
        attempt: AttemptRow,
        row: MessageRow,
        state: str,
        status: Status,
        now: datetime,
        **more: str | None,
    ) -> tuple[AttemptRow, MessageRow]:
        """What became of the attempt, and of its message unless another word about it says more already."""
        attempt = changed(attempt, state=state)
        if not may_move(Status(row.status), status):
            return attempt, row
        todo.moves.append((row.id, status, None, None))
        todo.events.append(crm_event(f"message.{status}", row, now, provider=attempt.provider, **more))
        return attempt, changed(row, status=status)

    def _entry(
        self, attempt: AttemptRow, row: MessageRow, whose: ContactRow | Subject, outcome: Outcome, now: datetime
    ) -> Written:
        facts: dict[str, Any] = {"attempt": attempt.id.hex, "provider": attempt.provider, "was": attempt.state}
        words: bytes | None = None
        match outcome:
            case Sent():
                facts |= {"outcome": "sent", "provider_status": outcome.provider_status}
                words = outcome.provider_id.encode() if outcome.provider_id else None
            case NotSent():
                facts |= {"outcome": "not_sent", "reason": outcome.reason}
            case Rejected():
                facts |= {"outcome": "rejected", "code": outcome.code, "reason": outcome.reason}
            case Unknown():
                facts |= {"outcome": "unknown", "reason": outcome.reason}
            case _:
                assert_never(outcome)
        return self._scribe.entry(
            "settled",
            tenant=row.tenant,
            at=now,
            subject=whose.subject,
            message=row.id,
            facts=facts,
            words=words,
            key=whose.key,
        )


def follow(
    todo: Round, row: MessageRow, contact: ContactRow, tried: Sequence[AttemptRow], now: datetime, **more: str | None
) -> None:
    """It did not reach her: the next channel follows, if one is left and nothing that was sent may still reach her."""
    left = channels_left(row.channels, tried, contact, address_of(row)) if may_hop(tried) else []
    if row.expires_at <= now:
        left = []
    if left:
        todo.hops.append((row.id, True, now))
    todo.events.append(undelivered(row, now, left, **more))


def invalidate(
    scribe: Scribe, todo: Round, contact: ContactRow, attempt: AttemptRow, code: str, now: datetime
) -> ContactRow:
    """A provider says that the address is none: it is not tried again, and the CRM is told once. The person as known now."""
    known = next((row for row in contact.on(attempt.channel) if row.address == attempt.address), None)
    if known is None or known.invalid_at is not None:
        return contact
    todo.invalid.append((contact.tenant, known.endpoint, attempt.channel, now, attempt.provider, code))
    todo.entries.setdefault(contact.tenant, []).append(
        scribe.entry(
            "address_invalid",
            tenant=contact.tenant,
            at=now,
            subject=contact.subject,
            message=attempt.message,
            facts={
                "attempt": attempt.id.hex,
                "channel": attempt.channel,
                "endpoint": known.endpoint,
                "provider": attempt.provider,
                "code": code,
            },
        )
    )
    data = {
        "contact": contact.id,
        "channel": attempt.channel,
        "address": attempt.address,
        "reason": "address_invalid",
        "provider": attempt.provider,
        "code": code,
    }
    todo.events.append(event("contact.flagged", contact.tenant, contact.id, now, data))
    marked = tuple(replace(row, invalid_at=now) if row is known else row for row in contact.addresses)
    return replace(contact, addresses=marked)


def revive(scribe: Scribe, todo: Round, contact: ContactRow, channel: str, address: str, now: datetime) -> None:
    """Something came from an address, or got through to it: whatever a provider said, it is one."""
    for row in contact.on(channel):
        if row.address == address and row.invalid_at is not None:
            todo.alive.append((contact.tenant, row.endpoint, channel))
            todo.entries.setdefault(contact.tenant, []).append(
                scribe.entry(
                    "address_valid",
                    tenant=contact.tenant,
                    at=now,
                    subject=contact.subject,
                    facts={"channel": channel, "endpoint": row.endpoint},
                )
            )


def withdraw(scribe: Scribe, todo: Round, contact: ContactRow, channel: str, address: str, now: datetime) -> None:
    """The carrier says that the person told it to stop: that is her word, for this channel and address."""
    endpoint = next((a.endpoint for a in contact.addresses if a.channel == channel and a.address == address), None)
    said = EventRow(
        id=new_uuid(),
        tenant=contact.tenant,
        contact=contact.id,
        event=Consented(
            at=now,
            state=ConsentState.WITHDRAWN,
            channel=Channel(channel),
            address=endpoint,
            instrument=Instrument.REPLY,
            person=contact.id,
        ),
    )
    todo.statements.append(said)
    todo.entries.setdefault(contact.tenant, []).append(statement_entry(scribe, contact, said, now))
    todo.events.append(
        event(
            "consent.changed",
            contact.tenant,
            contact.id,
            now,
            {"contact": contact.id, "channel": channel, "state": "withdrawn", "by": "carrier"},
        )
    )
