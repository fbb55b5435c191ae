"""Takes what the CRM says of people and debts, and what happened elsewhere: what somebody refuses there is blocked in the same commit.

The order of locks is the house's: messages, contacts, endpoints, the chain's head.
"""

from typing import Any
from uuid import UUID

from gateway.asks import ContactAsk, DebtAsk, EventAsk, StatusEventAsk
from gateway.elsewhere import Reader, closed_addresses
from gateway.entries import Scribe
from gateway.people.profiles import (
    debt,
    profile,
    put_profiles,
    show_contact,
    show_debt,
    statement_entry,
    stopped_before,
)
from gateway.refusals import Flaw, NotThere, Refused
from gateway.rejudged import SHARERS_MAX, Rejudger
from gateway.settle import Round
from gateway.tenants.policies import Policies
from storage import chain, history, messages, outbox, people, ties
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.people import ContactRow, DebtRow
from vocabulary.ids import shown


class Registrar:
    """Puts people and debts where the CRM says they are, each in a transaction of its own."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        scribe: Scribe,
        policies: Policies,
        rejudger: Rejudger,
        secret: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._policies = policies
        self._rejudger = rejudger
        self._secret = secret

    async def put_contact(self, tenant: str, ask: ContactAsk) -> dict[str, Any]:
        """Replace a person's profile; her statements stay. Raises Refused."""
        given = profile(self._secret, tenant, ask)

        async def job(connection: Connection) -> ContactRow:
            key = (tenant, ask.id)
            # Who had one of these addresses before we knew whose it was may have told us to stop.
            stopped = await stopped_before(connection, [given])
            waits = await messages.lock(connection, await messages.waiting_of(connection, [key])) if stopped else {}
            now, real = await self._clock.now(connection)
            todo = Round.empty()
            todo.entries = await put_profiles(connection, self._scribe, [given], now)
            row = (await people.contacts(connection, [key]))[key]
            if waits:
                await people.lock_endpoints(connection, [(tenant, each.endpoint) for each in row.addresses])
                now, real = await self._clock.now(connection)
                await self._rejudger.block(connection, todo, waits, {key: row}, now, kept=stopped)
            await todo.write(connection, now, real)
            return row

        return show_contact(await self._database.run(job))

    async def put_debt(self, tenant: str, ask: DebtAsk) -> dict[str, Any]:
        """Replace a debt's facts and, where given, whom it ties."""
        given = debt(tenant, ask)

        async def job(connection: Connection) -> DebtRow:
            now, _ = await self._clock.now(connection)
            await people.put_debts(connection, [given], now)
            return (await people.debts(connection, [(tenant, ask.id)]))[tenant, ask.id]

        return show_debt(await self._database.run(job))

    async def add_events(self, tenant: str, contact: str, events: list[EventAsk]) -> list[str]:
        """Keep what happened elsewhere; the ids in order. Raises NotThere or Refused, and then nothing is kept."""

        async def job(connection: Connection) -> list[UUID]:
            return await self._add_events(connection, tenant, contact, events)

        return [shown("evt", identity) for identity in await self._database.run(job)]

    async def _add_events(
        self, connection: Connection, tenant: str, contact: str, events: list[EventAsk]
    ) -> list[UUID]:
        closed = closed_addresses(self._secret, tenant, contact, events)
        # Whoever shares an address is bound by what closes it.
        keys = {(tenant, contact), *await people.sharing(connection, tenant, closed, SHARERS_MAX)}
        if any(isinstance(each, StatusEventAsk) for each in events):
            # How she stands to a debt may bind whoever owes it with her.
            keys |= {other for _, other in await ties.owing_together(connection, [(tenant, contact)], SHARERS_MAX)}
        waits = await messages.lock(connection, await messages.waiting_of(connection, keys))
        found = await people.contacts(connection, keys, lock=True)
        row = found.get((tenant, contact))
        if row is None:
            raise NotThere
        if closed:
            # Nobody decides by these addresses meanwhile, whoever it is about.
            held = closed | {address.endpoint for each in found.values() for address in each.addresses}
            await people.lock_endpoints(connection, [(tenant, endpoint) for endpoint in held])
        # What happened is kept even where the policy in force cannot be read: it may be a word of hers.
        policy = (await self._policies.current(connection, {tenant})).get(tenant)
        now, real = await self._clock.now(connection)
        sender = {} if policy is None else policy.sender
        reader = Reader(secret=self._secret, contact=row, sender=sender, now=now)
        rows = reader.read(events)
        named = {e.id for e in events if e.id is not None} | {e.corrects for e in events if e.corrects is not None}
        known = await history.known_external(connection, tenant, named)
        flaws: list[Flaw] = []
        for index, ask in enumerate(events):
            for field, name in (("id", ask.id), ("corrects", ask.corrects)):
                if name is not None and name in known and known[name][1] != contact:
                    flaws.append(Flaw(f"/{index}/{field}", "is the id of another contact's event"))
            if ask.corrects is not None and ask.corrects not in known:
                flaws.append(Flaw(f"/{index}/corrects", "there is no event with this id"))
        if flaws:
            raise Refused(flaws)
        added = await history.add(connection, rows)
        entries: list[Written] = []
        ids: list[UUID] = []
        for ask, kept in zip(events, rows, strict=True):
            if kept.id not in added:
                assert ask.id is not None
                ids.append(known[ask.id][0])
                continue
            ids.append(kept.id)
            corrected = None if ask.corrects is None else known[ask.corrects][0]
            entries.append(statement_entry(self._scribe, row, kept, now, corrected))
            if corrected is not None:
                await history.supersede(connection, tenant, corrected, kept.id)
        if entries:
            todo = Round.empty()
            todo.entries[tenant] = entries
            fresh = [each for each in rows if each.id in added]
            blocked = await self._rejudger.block(connection, todo, waits, found, now, kept=fresh)
            # What else is new about her may change what waits: it is decided again now.
            moves = [(i, m.status, None, now) for i, m in waits.items() if m.waits and i not in blocked]
            await messages.move(connection, moves, now)
            await outbox.add(connection, todo.events, real)
            await messages.ring(connection)
        await chain.append(connection, {tenant: entries})
        return ids
