"""Receives what providers tell: receipts move statuses forward, replies become events and statements, all before the 200.

The order of locks is the house's: hooks, messages, contacts, endpoints, the chain's head.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from consent.intents import Context, Intent, read
from consent.lexicon import Meaning, lexicon
from consent.normal import tokens
from gateway.addresses import Unusable, canonical
from gateway.asks import StoredAsk
from gateway.committer import Committer
from gateway.courtesy import Courtesy, Owed
from gateway.entries import Scribe
from gateway.events import crm_event, event
from gateway.heard import STOPS, Follows, Said, doubted, follows, granted, state, withdrawn
from gateway.media.recordings import MEDIA_MAX, name_of
from gateway.people.erasure import mark_of
from gateway.people.profiles import statement_entry
from gateway.rejudged import SHARERS_MAX, Rejudger
from gateway.settle import Round, follow, invalidate, revive, withdraw
from gateway.starts import SAID, Sorry, Starter, commanded, payload, without_payload
from storage import erasures, hooks, messages, people, ties
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway, Overtaken
from storage.history import EventRow
from storage.media import WantedRow
from storage.messages import AttemptRow, MessageRow
from storage.people import AddressRow, ContactRow, Key
from vocabulary.channel import Channel
from vocabulary.event import ContactOutcome, InboundCall, Replied
from vocabulary.ids import new_uuid, shown
from vocabulary.outcome import Receipt, ReceiptKind, Reply
from vocabulary.status import Status, may_move
from vocabulary.values import changed, quickly_made
from webhooks.port import InboxAwayError

#: What an attempt is known to have become, in rising order. A receipt that says less than what stands changes nothing.
RANK: Final = {
    "dispatching": 0,
    "unknown": 1,
    "not_sent": 2,
    "rejected": 2,
    "sent": 3,
    "undelivered": 4,
    "delivered": 5,
    "read": 6,
}

#: How long what providers tell is gathered while it comes one thing after the other.
GATHER_SECONDS: Final = 0.05
#: A receipt in the words of attempts. ``failed`` after the provider took it is told as undelivered, and counts.
STATES: Final[dict[ReceiptKind, str]] = {
    ReceiptKind.ACCEPTED: "sent",
    ReceiptKind.SENT: "sent",
    ReceiptKind.FAILED: "undelivered",
    ReceiptKind.UNDELIVERED: "undelivered",
    ReceiptKind.DELIVERED: "delivered",
    ReceiptKind.READ: "read",
}

STATUSES: Final = {
    "sent": Status.SENT,
    "undelivered": Status.UNDELIVERED,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
}

OUTCOMES: Final = {
    "sent": ContactOutcome.ATTEMPTED,
    "undelivered": ContactOutcome.ATTEMPTED,
    "delivered": ContactOutcome.DELIVERED,
    "read": ContactOutcome.READ,
}


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One thing that a provider told, with the hook it came in."""

    provider: str
    item: Receipt | Reply
    raw: bytes = field(repr=False)
    #: Whose page it was written on, and as which address of hers it counts: then nobody else's who has the same.
    party: Key | None = None
    used: AddressRow | None = None


class Receiver:
    """Keeps what hooks say. Meets ``webhooks.port.Inbox``."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        scribe: Scribe,
        starter: Starter,
        courtesy: Courtesy,
        rejudger: Rejudger,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._starter = starter
        self._courtesy = courtesy
        self._rejudger = rejudger
        self._committer: Committer[_Heard, None] = Committer(self._flush, gather_seconds=GATHER_SECONDS)

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        """Keep everything that one hook said. Raises InboxAwayError when it could not be committed."""
        try:
            for item in received:
                await self._committer.submit(_Heard(provider=provider, item=item, raw=raw))
        except DatabaseAway as error:
            raise InboxAwayError from error

    async def put_own(self, provider: str, reply: Reply, party: Key, used: AddressRow, /) -> None:
        """Keep what somebody wrote on one person's page. It stops like any reply of hers, and allows nothing: a link is no proof."""
        try:
            heard = _Heard(provider=provider, item=reply, raw=b"", party=party, used=used)
            await self._committer.submit(heard)
        except DatabaseAway as error:
            raise InboxAwayError from error

    async def keep_unreadable(self, provider: str, kind: str, raw: bytes, /) -> None:
        """Keep a genuine hook that could not be read."""

        async def job(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await hooks.keep(connection, new_uuid(), provider, kind, "unreadable", raw, real)

        try:
            await self._database.run(job)
        except DatabaseAway as error:
            raise InboxAwayError from error

    async def close(self) -> None:
        """Keep what waits, then stop."""
        await self._committer.close()
        await self._starter.close()

    async def _flush(self, heard: Sequence[_Heard]) -> Sequence[None]:
        async def job(connection: Connection) -> list[Sorry]:
            return await self._receive(connection, heard)

        self._starter.answer(await self._database.run(job))
        return [None] * len(heard)

    async def _receive(self, connection: Connection, heard: Sequence[_Heard]) -> list[Sorry]:
        _, real = await self._clock.now(connection)
        fresh = await hooks.first_seen(connection, [(h.provider, h.item.key) for h in heard], real)
        receipts = [h for h in heard if isinstance(h.item, Receipt)]
        replies: list[_Heard] = []
        for h in heard:
            if isinstance(h.item, Reply) and (h.provider, h.item.key) in fresh:
                fresh.discard((h.provider, h.item.key))
                replies.append(h)
        replies = await self._answering(connection, replies)
        replies, started, sorry = await self._started(connection, replies, real)
        of = await self._messages_of(connection, receipts)
        parties = await self._parties(connection, replies, started)
        bound = await self._bound(connection, receipts, of, parties)
        waiting = await messages.waiting_of(connection, bound)
        rows = await messages.lock(connection, [*of.values(), *waiting])
        attempts = await messages.attempts(connection, of) if of else {}
        keys: set[Key] = {*bound, *((row.tenant, row.contact) for row in rows.values())}
        contacts = await people.contacts(connection, keys, lock=True)
        said = [h.item for h in replies if isinstance(h.item, Reply)]
        chats = await self._starter.bind(connection, started, said, contacts, real)
        _held(replies, parties, contacts)
        strangers = _strangers(replies, parties)
        await people.hold_strangers(connection, strangers)
        if replies or any(isinstance(h.item, Receipt) and (h.item.opted_out or h.item.address_invalid) for h in heard):
            # Something may be said of addresses, which whoever else uses them must not miss.
            await people.lock_endpoints(
                connection, [(t, a.endpoint) for (t, _), row in contacts.items() for a in row.addresses]
            )
        bad = (ReceiptKind.FAILED, ReceiptKind.UNDELIVERED)
        failing = any(isinstance(h.item, Receipt) and h.item.kind in bad for h in receipts)
        tried = await messages.attempts_of(connection, rows) if failing else {}
        now, real = await self._clock.now(connection)
        todo = Round.empty()
        for h in receipts:
            await self._receipt(connection, todo, h, fresh, attempts, tried, rows, contacts, now, real)
        self._starter.tell(todo, chats, contacts, now)
        for channel, address in strangers:
            await people.stranger_stopped(connection, channel, address, now)
        owed: list[Owed] = []
        for h in replies:
            owed += await self._reply(connection, todo, h, parties[h.item.key], contacts, now, real)
        waits = {i: rows[i] for i in waiting if i in rows}
        await self._courtesy.answer(connection, todo, owed, waits.values(), now)
        blocked = await self._rejudger.block(connection, todo, waits, contacts, now)
        # What else she said may change what waits for her: it is decided again now.
        todo.moves.extend((i, row.status, None, now) for i, row in waits.items() if row.waits and i not in blocked)
        await todo.write(connection, now, real)
        return sorry

    async def _bound(
        self,
        connection: Connection,
        receipts: Sequence[_Heard],
        of: Mapping[UUID, UUID],
        parties: Mapping[str, Sequence[Key]],
    ) -> set[Key]:
        """Whose waiting messages may be forbidden by what is told: who answers, who owes with her, who uses an address that is refused."""
        found = {key for each in parties.values() for key in each}
        owing = await ties.owing_together(connection, found, SHARERS_MAX)
        refused = any(isinstance(h.item, Receipt) and h.item.opted_out for h in receipts)
        using = await ties.reached_by(connection, of, SHARERS_MAX) if refused else []
        return {*found, *(other for _, other in owing), *using}

    async def _started(
        self, connection: Connection, replies: Sequence[_Heard], real: datetime
    ) -> tuple[list[_Heard], dict[str, Key], list[Sorry]]:
        """Whose links were used, by the replies that brought them; who else brought one is answered, if nobody knows the chat."""
        told: list[_Heard] = []
        started: dict[str, Key] = {}
        sorry: list[Sorry] = []
        for h in replies:
            reply = h.item
            assert isinstance(reply, Reply)
            told.append(replace(h, item=without_payload(reply)))
            if payload(reply) is None:
                continue
            key = await self._starter.used(connection, h.provider, reply, real)
            if key is not None:
                started[reply.key] = key
            elif not await people.using(connection, reply.channel, reply.sender):
                answer = await self._starter.sorry(connection, h.provider, reply, real)
                sorry += [answer] if answer is not None else []
        return told, started, sorry

    async def _messages_of(self, connection: Connection, receipts: Sequence[_Heard]) -> dict[UUID, UUID]:
        """The attempts that receipts speak of, by our own mark or by the provider's id, with their messages."""
        named = {h.item.attempt for h in receipts if isinstance(h.item, Receipt) and h.item.attempt is not None}
        by_provider: dict[str, set[str]] = {}
        for h in receipts:
            if isinstance(h.item, Receipt) and h.item.attempt is None and h.item.provider_id is not None:
                by_provider.setdefault(h.provider, set()).add(h.item.provider_id)
        for provider, ids in by_provider.items():
            named |= set((await messages.attempts_by_provider_id(connection, provider, ids)).values())
        return await messages.messages_of(connection, named) if named else {}

    async def _answering(self, connection: Connection, replies: Sequence[_Heard]) -> list[_Heard]:
        """Who answers a message of ours by its mark speaks as the address that it went to, whatever stands in the mail's head."""
        named = {h.item.attempt for h in replies if isinstance(h.item, Reply) and h.item.attempt is not None}
        known = await messages.attempts(connection, named) if named else {}
        told: list[_Heard] = []
        for h in replies:
            assert isinstance(h.item, Reply)
            attempt = known.get(h.item.attempt) if h.item.attempt is not None else None
            if attempt is None or attempt.provider != h.provider:
                told.append(replace(h, item=replace(h.item, attempt=None)))
            else:
                told.append(replace(h, item=replace(h.item, sender=attempt.address)))
        return told

    async def _parties(
        self, connection: Connection, replies: Sequence[_Heard], started: Mapping[str, Key]
    ) -> dict[str, list[Key]]:
        """Who uses the address that a reply came from, per reply; whoever it is about to become the address of, too."""
        found: dict[str, list[Key]] = {}
        # Of all first: what came from a chat just before its link was used is of who used it, too.
        opened = {
            (h.item.channel, canonical(h.item.channel, h.item.sender)): started[h.item.key]
            for h in replies
            if isinstance(h.item, Reply) and h.item.key in started
        }
        for h in replies:
            assert isinstance(h.item, Reply)
            if h.party is not None:
                found[h.item.key] = [h.party]
                continue
            try:
                address = canonical(h.item.channel, h.item.sender)
            except Unusable:
                found[h.item.key] = []
                continue
            if h.item.key in started:
                found[h.item.key] = [started[h.item.key]]
                continue
            found[h.item.key] = await people.using(connection, h.item.channel, address)
            if (h.item.channel, address) in opened:
                found[h.item.key] = sorted({*found[h.item.key], opened[h.item.channel, address]})
        return found

    async def _receipt(
        self,
        connection: Connection,
        todo: Round,
        h: _Heard,
        fresh: set[tuple[str, str]],
        attempts: dict[UUID, AttemptRow],
        tried: Mapping[UUID, Sequence[AttemptRow]],
        rows: dict[UUID, MessageRow],
        contacts: dict[Key, ContactRow],
        now: datetime,
        real: datetime,
    ) -> None:
        receipt = h.item
        assert isinstance(receipt, Receipt)
        attempt = attempts.get(receipt.attempt) if receipt.attempt is not None else None
        if receipt.attempt is None and receipt.provider_id is not None:
            attempt = next((a for a in attempts.values() if a.provider_id == receipt.provider_id), None)
        if attempt is None or attempt.provider != h.provider:
            named = [receipt.attempt.hex if receipt.attempt is not None else None, receipt.provider_id]
            marks = [mark_of(self._scribe, h.provider, each) for each in named if each is not None]
            if await erasures.marked(connection, marks):
                return  # of somebody who was erased: what a provider says of her is not kept again
            await hooks.keep(connection, new_uuid(), h.provider, "status", "no attempt of ours", h.raw, real)
            return
        row = rows[attempt.message]
        contact = contacts[row.tenant, row.contact]
        repeat = (h.provider, receipt.key) not in fresh
        fresh.discard((h.provider, receipt.key))
        facts: dict[str, Any] = {
            "attempt": attempt.id.hex,
            "provider": h.provider,
            "kind": receipt.kind.value,
            "provider_status": receipt.provider_status,
            "error_code": receipt.error_code,
            **({} if receipt.result is None else {"result": receipt.result.value}),
            "was": attempt.state,
            "repeat": repeat,
        }
        entry = self._scribe.entry(
            "receipt",
            tenant=row.tenant,
            at=now,
            subject=contact.subject,
            message=row.id,
            facts=facts,
            words=receipt.provider_id.encode() if receipt.provider_id else None,
            key=contact.key,
        )
        todo.entries.setdefault(row.tenant, []).append(entry)
        if receipt.opted_out and not repeat:
            withdraw(self._scribe, todo, contact, attempt.channel, attempt.address, now)
        if receipt.address_invalid and not repeat:
            code = receipt.error_code or receipt.provider_status
            contact = contacts[row.tenant, row.contact] = invalidate(self._scribe, todo, contact, attempt, code, now)
        state = STATES.get(receipt.kind)
        failed_after_all = receipt.kind is ReceiptKind.FAILED and attempt.state == "unknown"
        if receipt.result is not None and not repeat and not failed_after_all:
            # How a call ended counts as far as it is known, though the status may already say as much.
            todo.results.append((attempt.id, receipt.result, attempt.reserved_at if now <= attempt.latest else None))
        if state is None or repeat or RANK[state] <= RANK[attempt.state]:
            return
        contradicts = attempt.state in ("not_sent", "rejected")
        if failed_after_all:
            state = "rejected"
        todo.attempts.append(
            (attempt.id, state, receipt.provider_id, receipt.provider_status, receipt.error_code, None, None)
        )
        if failed_after_all:
            todo.cost(attempt, Decimal(0))
        elif contradicts:
            todo.cost(attempt, attempt.expected)
        # Confirmed: it can no longer arrive later than this.
        confirmed = state in ("delivered", "read", "undelivered", "rejected")
        outcome = ContactOutcome.FAILED if failed_after_all else OUTCOMES[state]
        latest = attempt.reserved_at if confirmed and now <= attempt.latest else None
        if receipt.result is None or failed_after_all:
            todo.contacted.append((attempt.id, outcome, latest))
        attempts[attempt.id] = changed(attempt, state=state)
        status = Status.FAILED if failed_after_all else STATUSES[state]
        if contradicts:
            # We had given the reservation back; the contact happened after all, and counts again.
            todo.events.append(
                crm_event("contact.flagged", row, now, reason="contradiction", status=row.status, receipt=receipt.kind)
            )
            return
        if state in ("delivered", "read"):
            revive(self._scribe, todo, contact, attempt.channel, attempt.address, now)
        moves = may_move(Status(row.status), status)
        if moves:
            todo.moves.append((row.id, status, None, None))
            rows[row.id] = row = changed(row, status=status)
        if row.status == status == Status.UNDELIVERED:
            known = [attempts.get(each.id, each) for each in tried.get(row.id, ())]
            follow(todo, row, contact, known, now, provider=h.provider, code=receipt.error_code)
        elif moves:
            todo.events.append(crm_event(f"message.{status}", row, now, provider=h.provider, code=receipt.error_code))

    async def _reply(
        self,
        connection: Connection,
        todo: Round,
        h: _Heard,
        parties: Sequence[Key],
        contacts: Mapping[Key, ContactRow],
        now: datetime,
        real: datetime,
    ) -> list[Owed]:
        reply = h.item
        assert isinstance(reply, Reply)
        if h.party is not None and h.party not in contacts:
            return []  # erased meanwhile: nobody is left to have said it
        if not parties:
            await hooks.keep(connection, new_uuid(), h.provider, "inbound", "nobody has this address", h.raw, real)
            return []
        address = canonical(reply.channel, reply.sender)
        spoken_to = await messages.last_spoken_to(connection, parties, reply.channel, address)
        owed: list[Owed] = []
        for key in parties:
            contact = contacts[key]
            used = h.used or next(a for a in contact.on(reply.channel) if a.address == address)
            revive(self._scribe, todo, contact, reply.channel, address, now)
            last = spoken_to.get(key)
            reading = SAID if commanded(reply) else read(reply.text, context=_context(last), locale=contact.locale)
            said = Said(
                contact=contact,
                used=used,
                reply=reply,
                reading=reading,
                now=now,
                zone=next(iter(contact.zones), None),
                debts=_debts(last),
            )
            addressed = key == next(iter(spoken_to), parties[0])
            if reply.calls:
                if addressed:
                    self._called(todo, contact, now)
                continue
            told = len(todo.statements)
            happened: str | None = None
            if addressed and reply.afresh:
                brings = follows(said)
                happened = self._told(todo, said, h.provider, brings)
                for statement in brings.statements:
                    state(self._scribe, todo, said, statement)
            # Anybody may write a mail in her name: what stops her messages is heard, what starts them again needs our mark.
            proven = h.party is None and (reply.channel is not Channel.EMAIL or reply.attempt is not None)
            if said.stops:
                for statement in withdrawn(said):
                    state(self._scribe, todo, said, statement)
            elif reading.intent is Intent.UNSURE:
                state(self._scribe, todo, said, doubted(said))
            elif addressed and proven and reply.afresh and reading.ruled and reading.intent is Intent.START:
                for granting in granted(said):
                    state(self._scribe, todo, said, granting)
            if addressed and reply.afresh and h.party is None and self._courtesy.owes(said):
                owed.append(Owed(said=said, told=told, reply=happened))
        return owed

    def _called(self, todo: Round, contact: ContactRow, now: datetime) -> None:
        """She called us: counted, whatever she goes on to say."""
        happened = EventRow(
            id=new_uuid(),
            tenant=contact.tenant,
            contact=contact.id,
            event=InboundCall(at=now, outcome=ContactOutcome.CONNECTED, person=contact.id),
        )
        todo.statements.append(happened)
        todo.entries.setdefault(contact.tenant, []).append(statement_entry(self._scribe, contact, happened, now))

    def _told(self, todo: Round, said: Said, provider: str, brings: Follows) -> str:
        """The reply itself, by its name for the CRM: a two-way contact with the one who was spoken to last, if she wrote it."""
        contact, used, reply, now = said.contact, said.used, said.reply, said.now
        intent = said.reading.intent.value
        happened = EventRow(
            id=new_uuid(),
            tenant=contact.tenant,
            contact=contact.id,
            event=Replied(at=now, channel=reply.channel, address=used.endpoint, person=contact.id),
            words=reply.text,
        )
        if said.hers:
            todo.statements.append(happened)
        brought = [
            WantedRow(
                id=new_uuid(),
                tenant=contact.tenant,
                contact=contact.id,
                event=happened.id,
                provider=provider,
                source=source,
            )
            for source in reply.media[: MEDIA_MAX if said.hers else 0]
        ]
        todo.wanted.extend(brought)
        todo.entries.setdefault(contact.tenant, []).append(
            self._scribe.entry(
                "reply",
                tenant=contact.tenant,
                at=now,
                subject=contact.subject,
                facts={
                    "event": happened.id.hex,
                    "channel": reply.channel,
                    "endpoint": used.endpoint,
                    "intent": intent,
                    **({"media": [piece.id.hex for piece in brought]} if brought else {}),
                },
                words=reply.text.encode(),
                key=contact.key,
            )
        )
        data = {
            "id": shown("evt", happened.id),
            "contact": contact.id,
            "channel": reply.channel.value,
            "address": used.address,
            "text": reply.text,
            "intent": intent,
            **({"media": [name_of(piece.id) for piece in brought]} if brought else {}),
        }
        todo.events.append(event("reply.received", contact.tenant, contact.id, now, data))
        if brings.flag is not None:
            data = {**data, "reason": str(brings.flag), **brings.more}
            todo.events.append(event("contact.flagged", contact.tenant, contact.id, now, data))
        return shown("evt", happened.id)


def _debts(ask: str | None) -> tuple[str, ...]:
    """The debts that our message was about, which the person answers."""
    return () if ask is None else tuple(msgspec.json.decode(ask, type=StoredAsk).debts)


def _context(ask: str | None) -> Context:
    """What kind of message ours was, that the person answers."""
    if ask is None:
        return Context.NONE
    stored = msgspec.json.decode(ask, type=StoredAsk)
    if stored.metadata.get("context") == "payment_offer":
        return Context.PAYMENT_OFFER
    alone = lexicon().alone
    # What a template said on whichever channel: a word to stop that she was offered anywhere is one.
    said = " ".join(each.text or "" for each in (stored.content, *(r.content for r in stored.renderings.values())))
    meanings = {alone.get(word) for word in tokens(said)}
    return Context.STOP_PROMPT if meanings & {Meaning.STOP, Meaning.STOP_IF_PROMPTED} else Context.REMINDER


def _held(replies: Sequence[_Heard], parties: Mapping[str, Sequence[Key]], contacts: Mapping[Key, ContactRow]) -> None:
    """Who had the address that a reply came from has it still, now that she is held. Raises ``Overtaken``: erased, or another's now."""
    for h in replies:
        if h.party is not None or not parties[h.item.key]:
            continue
        assert isinstance(h.item, Reply)
        address = canonical(h.item.channel, h.item.sender)
        for key in parties[h.item.key]:
            if key not in contacts or all(a.address != address for a in contacts[key].on(h.item.channel)):
                raise Overtaken


def _strangers(replies: Sequence[_Heard], parties: Mapping[str, Sequence[Key]]) -> list[tuple[Channel, str]]:
    """The addresses that nobody has and that tell us to stop: remembered for the day on which somebody names them."""
    found: dict[tuple[Channel, str], None] = {}
    for h in replies:
        reply = h.item
        assert isinstance(reply, Reply)
        if parties[reply.key]:
            continue
        said = read(reply.text, context=Context.NONE, locale=None)
        if not reply.carrier_opt_out and said.intent not in STOPS:
            continue
        with suppress(Unusable):
            found[reply.channel, canonical(reply.channel, reply.sender)] = None
    return list(found)
