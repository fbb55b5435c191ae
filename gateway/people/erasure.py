"""Erasure: a person's data goes, the key of her words with it; the proof and a keyed digest of where she was reached stay.

The order of locks is that of the whole house. What is in the air is let land first: then the request waits, nothing more is sent,
and the sweep ends it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from gateway.addresses import country_of, endpoint
from gateway.entries import Scribe
from gateway.refusals import NotThere
from jurisdictions.library import Library
from jurisdictions.resolution import packs_for
from storage import chain, erasures, messages, past, people
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.erasures import ErasureRow, HoldRow
from storage.messages import MessageRow
from storage.people import ContactRow, Key
from tracelog.entry import instant
from vocabulary.channel import Channel
from vocabulary.ids import new_uuid, parsed, shown
from vocabulary.status import Status

PREFIX: Final = "era"
REQUESTED: Final = "requested"
RETENTION: Final = "retention"
WAITING_MAX: Final = 100
#: How long providers may still speak of what was sent, real time.
MARKED: Final = timedelta(days=90)
#: How long a house keeps a person's data after the last that happened, where no law says longer.
RETENTION_DAYS_DEFAULT: Final = 5 * 365
RETAINED_AT_ONCE: Final = 200

#: What was said, after which a new import must not write to her as if it had not been: states and statuses.
_STOPS: Final = frozenset({"withdrawn", "wrong_party", "cease_requested", "deceased"})


class OnHold(Exception):
    """The person's data must stay: a legal hold stands."""

    def __init__(self, hold: HoldRow) -> None:
        super().__init__("a legal hold stands")
        self.hold = hold


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request came to. ``done``: False while something of hers is still in the air."""

    document: dict[str, Any] = field(repr=False)
    done: bool


class Eraser:
    """Erases people, keeps those who must be kept, and ends what retention has outlived."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        scribe: Scribe,
        law: Library,
        secret: bytes,
        retention_days: int = RETENTION_DAYS_DEFAULT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._law = law
        self._secret = secret
        self._retention_days = retention_days

    async def erase(self, tenant: str, contact: str, why: str = REQUESTED) -> Receipt:
        """Erase a person, at once or as soon as nothing of hers is in the air. Raises NotThere or OnHold."""

        async def job(connection: Connection) -> Receipt:
            return await self._erase(connection, (tenant, contact), why)

        return await self._database.run(job)

    async def finish(self) -> int:
        """End the requests that waited; how many were ended."""

        async def look(connection: Connection) -> list[tuple[UUID, Key]]:
            now, _ = await self._clock.now(connection)
            return await erasures.waiting(connection, WAITING_MAX, now)

        found = await self._database.read(look)
        ended = 0
        for _, key in found:

            async def job(connection: Connection, key: Key = key) -> bool:
                try:
                    return (await self._erase(connection, key, REQUESTED)).done
                except (NotThere, OnHold):
                    # Who is held since it was asked for waits on, and nobody behind her waits for that.
                    return False

            ended += await self._database.run(job)
        return ended

    async def show(self, tenant: str, identity: str) -> dict[str, Any]:
        """The receipt of a request. Raises NotThere."""
        named = parsed(PREFIX, identity)
        if named is None:
            raise NotThere
        row = await self._database.read(lambda connection: erasures.shown(connection, tenant, named))
        if row is None:
            raise NotThere
        return _shown(row)

    async def hold(self, tenant: str, contact: str, reason: str, until: datetime | None) -> dict[str, Any]:
        """Keep a person's data whatever is asked; traced. Raises NotThere."""

        async def job(connection: Connection) -> dict[str, Any]:
            row = (await people.contacts(connection, [(tenant, contact)], lock=True)).get((tenant, contact))
            if row is None:
                raise NotThere
            now, _ = await self._clock.now(connection)
            await erasures.hold(connection, (tenant, contact), reason, until, now)
            facts = {"held": True, "until": None if until is None else instant(until)}
            words = reason.encode()
            entry = self._scribe.entry(
                "hold", tenant=tenant, at=now, subject=row.subject, facts=facts, words=words, key=row.key
            )
            await chain.append(connection, {tenant: [entry]})
            return {"contact": contact, "reason": reason, "until": until and instant(until), "at": instant(now)}

        return await self._database.run(job)

    async def release(self, tenant: str, contact: str) -> None:
        """End a hold; traced. Raises NotThere."""

        async def job(connection: Connection) -> None:
            row = (await people.contacts(connection, [(tenant, contact)], lock=True)).get((tenant, contact))
            if row is None or not await erasures.release(connection, (tenant, contact)):
                raise NotThere
            now, _ = await self._clock.now(connection)
            entry = self._scribe.entry("hold", tenant=tenant, at=now, subject=row.subject, facts={"held": False})
            await chain.append(connection, {tenant: [entry]})

        await self._database.run(job)

    async def held(self, tenant: str, contact: str) -> HoldRow | None:
        """The hold that stands now."""

        async def job(connection: Connection) -> HoldRow | None:
            now, _ = await self._clock.now(connection)
            return await erasures.held(connection, (tenant, contact), now)

        return await self._database.read(job)

    async def retain(self) -> int:
        """Erase people of whom nothing was heard for longer than any law that binds, and the house, keep their data."""
        erased = 0
        after: Key = ("", "")
        while True:
            found = await self._database.read(partial(self._outlived, after=after))
            for key in [key for key, due in found if due]:

                async def job(connection: Connection, key: Key = key) -> bool:
                    try:
                        return (await self._erase(connection, key, RETENTION)).done
                    except (NotThere, OnHold):
                        return False

                erased += await self._database.run(job)
            if len(found) < RETAINED_AT_ONCE:
                break
            after = found[-1][0]

        async def forget(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await erasures.forget(connection, real - MARKED)

        await self._database.run(forget)
        return erased

    async def _outlived(self, connection: Connection, after: Key) -> list[tuple[Key, bool]]:
        now, _ = await self._clock.now(connection)
        shortest = timedelta(days=self._retention_days)
        rows = await erasures.outlived(connection, now - shortest, after, now, RETAINED_AT_ONCE)
        contacts = await people.contacts(connection, [key for key, _ in rows])
        return [(key, key in contacts and last < now - max(shortest, self._duty(contacts[key]))) for key, last in rows]

    def _duty(self, contact: ContactRow) -> timedelta:
        """How long the laws that bind a person want the evidence of contacting her kept."""
        countries = [country_of(Channel(a.channel), a.address) for a in contact.addresses]
        codes = packs_for(
            given=contact.jurisdictions, countries=[c for c in countries if c], residence=contact.residence
        )
        packs = [self._law.packs[code] for code in codes if code in self._law.packs]
        return timedelta(days=max((p.table.retention.days for p in packs if p.table.retention is not None), default=0))

    async def _erase(self, connection: Connection, key: Key, why: str) -> Receipt:
        tenant, contact = key
        ids = await erasures.messages_of(connection, tenant, contact)
        rows = await messages.lock(connection, ids)
        row = (await people.contacts(connection, [key], lock=True)).get(key)
        if row is None:
            raise NotThere
        await people.lock_endpoints(connection, [(tenant, address.endpoint) for address in row.addresses])
        now, real = await self._clock.now(connection)
        hold = await erasures.held(connection, key, now)
        if hold is not None:
            raise OnHold(hold)
        standing = await erasures.waiting_of(connection, key)
        identity, why, asked_at = standing or (new_uuid(), why, now)
        if await messages.open_contacts(connection, [key]):
            return await self._wait(connection, row, rows, identity, asked_at, now, why, known=standing is not None)
        suppressed = 0
        if why == REQUESTED or await erasures.has_said(connection, key, _STOPS):
            suppressed = await erasures.suppress(connection, row, asked_at)
        marks = await erasures.marks_of(connection, tenant, contact)
        await erasures.mark(connection, _marks(self._scribe, marks), real)
        count, stops = await erasures.wipe(connection, row, list(_spellings(row)))
        if stops:
            await self._keep_stops(connection, row, stops, asked_at)
        facts = {"why": why, "erasure": identity.hex, "suppressed": suppressed, "erased": count}
        entry = self._scribe.entry("erased", tenant=tenant, at=now, subject=row.subject, facts=facts)
        await chain.append(connection, {tenant: [entry]})
        receipt = {"erased": count, "suppressed": suppressed, "entry": entry.entry.leaf.hex()}
        if standing is None:
            await erasures.begin(connection, identity, row, why=why, at=asked_at, receipt=receipt, done=True)
        else:
            await erasures.finish(connection, identity, now, receipt)
        done = ErasureRow(
            id=identity,
            subject=row.subject,
            why=why,
            state="done",
            asked_at=asked_at,
            done_at=now,
            receipt=receipt,
        )
        return Receipt(_shown(done), done=True)

    async def _wait(
        self,
        connection: Connection,
        row: ContactRow,
        rows: Mapping[UUID, MessageRow],
        identity: UUID,
        asked_at: datetime,
        now: datetime,
        why: str,
        *,
        known: bool,
    ) -> Receipt:
        """Something of hers is in the air: nothing more leaves, and what was asked for is done when it has landed."""
        waiting = ErasureRow(
            id=identity, subject=row.subject, why=why, state="waiting", asked_at=asked_at, done_at=None, receipt={}
        )
        if not known:
            waits = [i for i, message in rows.items() if message.status in (Status.QUEUED, Status.DEFERRED)]
            await messages.move(connection, [(i, Status.CANCELLED, None, None) for i in waits], now)
            await erasures.suppress(connection, row, asked_at)
            await erasures.begin(connection, identity, row, why=why, at=asked_at, receipt={}, done=False)
            entries: list[Written] = [
                self._scribe.entry(
                    "cancelled",
                    tenant=row.tenant,
                    at=now,
                    subject=row.subject,
                    message=message,
                    facts={"reason": "erasure"},
                )
                for message in waits
            ]
            facts = {"why": why, "erasure": identity.hex}
            entries.append(self._scribe.entry("erasure", tenant=row.tenant, at=now, subject=row.subject, facts=facts))
            await chain.append(connection, {row.tenant: entries})
        return Receipt(_shown(waiting), done=False)

    async def _keep_stops(
        self, connection: Connection, row: ContactRow, stops: Iterable[tuple[str, str]], at: datetime
    ) -> None:
        """What strangers at her addresses told everybody lives on for each tenant, as digests."""
        tenants = await past.tenants(connection)
        elsewhere = [
            (tenant, endpoint(self._secret, tenant, Channel(channel), address))
            for tenant in tenants
            for channel, address in stops
        ]
        await erasures.suppress(connection, row, at, elsewhere)


def mark_of(scribe: Scribe, provider: str, provider_id: str) -> str:
    """The digest under which it is known that a provider speaks of something that was erased."""
    return scribe.token("", f"{provider}\n{provider_id}")


def _marks(scribe: Scribe, attempts: Iterable[tuple[UUID, str, str | None]]) -> list[str]:
    found: list[str] = []
    for attempt, provider, provider_id in attempts:
        found.append(mark_of(scribe, provider, attempt.hex))
        if provider_id is not None:
            found.append(mark_of(scribe, provider, provider_id))
    return found


def _spellings(row: ContactRow) -> Iterable[str]:
    """How her addresses may stand in what a provider sent: as they are, in a form, in JSON, a number without its plus sign."""
    for address in row.addresses:
        if address.channel == Channel.WEB:
            continue
        plain = address.address.removeprefix("+")
        yield from dict.fromkeys((plain, quote(plain, safe=""), quote(plain, safe="").lower()))


def _shown(row: ErasureRow) -> dict[str, Any]:
    return {
        "id": shown(PREFIX, row.id),
        "subject": row.subject.hex,
        "why": row.why,
        "state": row.state,
        "asked_at": instant(row.asked_at),
        "done_at": None if row.done_at is None else instant(row.done_at),
        "erased": row.receipt.get("erased"),
        "suppressed": row.receipt.get("suppressed"),
        "entry": row.receipt.get("entry"),
    }
