"""Sweeps up what nobody finished: attempts without an ending become unknown, and unknown ones are looked up at the provider."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from adapters.kit.port import Adapter
from gateway.asks import StoredAsk, content_for
from gateway.entries import Scribe
from gateway.judge import CALL, HOLD, SKEW
from gateway.parcels import Packer
from gateway.settle import Ending, Round, Settler
from storage import hooks, messages, outbox, people
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.messages import AttemptRow, MessageRow
from vocabulary.outcome import Absent, CannotTell, Found, Lost, Sent, Unknown

log = structlog.get_logger()

BATCH_MAX: Final = 200
LOOKUPS_AT_ONCE: Final = 8
#: Two empty answers of the provider this far apart, and the attempt will not be found any more.
ABSENT_APART: Final = timedelta(minutes=15)
#: How long a provider's word and an idempotency key are remembered, real time.
REMEMBERED: Final = timedelta(days=90)


class Sweeper:
    """Ends what was left open. Safe to run in several processes at once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        scribe: Scribe,
        settler: Settler,
        adapters: Mapping[str, Adapter],
        packer: Packer,
        absent_apart: timedelta = ABSENT_APART,
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._settler = settler
        self._adapters = adapters
        self._packer = packer
        self._absent_apart = absent_apart

    async def reap(self) -> int:
        """Attempts past their deadline are unknown: whoever was sending may have sent. How many were found."""

        async def overdue(connection: Connection) -> list[UUID]:
            _, real = await self._clock.now(connection)
            return await messages.overdue_attempts(connection, real, BATCH_MAX)

        found = await self._database.read(overdue)
        await asyncio.gather(
            *(self._settler.settle(Ending(attempt, Unknown(reason="nobody told its ending"))) for attempt in found)
        )
        return len(found)

    async def look_up(self) -> int:
        """Ask providers about attempts whose turn has come; how many were asked about."""

        async def due(connection: Connection) -> list[tuple[AttemptRow, str]]:
            _, real = await self._clock.now(connection)
            return await messages.lookups_due(connection, real, BATCH_MAX)

        leased = await self._database.run(due)
        # The transaction is over: what follows speaks with the providers.
        gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def one(attempt: AttemptRow, ask: str) -> None:
            async with gate:
                await self._look_up(attempt, msgspec.json.decode(ask, type=StoredAsk))

        await asyncio.gather(*(one(attempt, ask) for attempt, ask in leased))
        return len(leased)

    async def forget(self) -> None:
        """Drop what is kept for 90 days and older: provider words seen, idempotency keys."""

        async def job(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await hooks.forget(connection, real - REMEMBERED)
            await messages.forget_keys(connection, real - REMEMBERED)
            await outbox.forget_orphans(connection)

        await self._database.run(job)

    async def _look_up(self, attempt: AttemptRow, ask: StoredAsk) -> None:
        adapter = self._adapters.get(attempt.provider)
        if adapter is None:
            return
        taken = await self._database.read(
            lambda c: messages.taken_provider_ids(
                c, attempt.provider, attempt.tenant, attempt.begun_at - timedelta(days=1)
            )
        )
        lost = Lost(
            attempt=attempt.id,
            to=attempt.address,
            text=self._packer.words(attempt, content_for(ask, attempt.channel)),
            not_before=attempt.begun_at - SKEW,
            not_after=attempt.begun_at + HOLD + CALL + SKEW,
            taken=taken,
        )
        match await adapter.find(lost):
            case Found() as found:
                await self._settler.settle(
                    Ending(attempt.id, Sent(provider_id=found.provider_id, provider_status=found.provider_status))
                )
            case Absent():
                await self._not_found(attempt, answered=True)
            case CannotTell() as cannot:
                log.info("lookup.cannot_tell", attempt=attempt.id.hex, provider=attempt.provider, reason=cannot.reason)
                await self._not_found(attempt, answered=False)

    async def _not_found(self, attempt: AttemptRow, *, answered: bool) -> None:
        """Ask again later; after two empty answers far enough apart, or when the turns are used up, say so."""

        async def job(connection: Connection) -> None:
            rows = await messages.lock(connection, [attempt.message])
            kept = (await messages.attempts(connection, [attempt.id])).get(attempt.id)
            if kept is None or kept.state != "unknown":
                return
            now, real = await self._clock.now(connection)
            again = self._settler.next_lookup(kept, real)
            since = await messages.absent_since(connection, attempt.id, real if answered else None)
            gone = answered and since is not None and real - since >= self._absent_apart
            if gone:
                again = None
            await messages.look_up_at(connection, attempt.id, again)
            if again is None:
                await self._undetermined(connection, rows[attempt.message], kept, now, real)

        await self._database.run(job)

    async def _undetermined(
        self, connection: Connection, row: MessageRow, attempt: AttemptRow, now: datetime, real: datetime
    ) -> None:
        contact = (await people.contacts(connection, [(attempt.tenant, attempt.contact)]))[
            attempt.tenant, attempt.contact
        ]
        todo = Round.empty()
        # The status of what was sent again after it was not delivered stays where it stands.
        todo.moves.append((row.id, row.status, "undetermined", None))
        todo.entries[attempt.tenant] = [
            self._scribe.entry(
                "undetermined",
                tenant=attempt.tenant,
                at=now,
                subject=contact.subject,
                message=row.id,
                facts={"attempt": attempt.id.hex, "provider": attempt.provider, "lookups": attempt.lookups},
            )
        ]
        await todo.write(connection, now, real)


def by_name(ways: Sequence[Adapter]) -> dict[str, Adapter]:
    """The ways by the operator's names."""
    return {way.name: way for way in ways}
