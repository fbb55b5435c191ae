"""Messages as the CRM sees them afterwards: one, a page of them, and the wish to stop one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway import answers
from gateway.costs.expected import Costs
from gateway.entries import Scribe
from gateway.events import crm_event, undelivered
from gateway.refusals import NotThere, TooLate
from storage import chain, messages, outbox, people
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.messages import MessageRow
from vocabulary.status import WAITING, Status


class Shelf:
    """Shows messages."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs

    async def show(self, connection: Connection, tenant: str, identity: UUID) -> dict[str, Any] | None:
        """One message, or None when there is none of this tenant's."""
        row = (await messages.get(connection, [identity])).get(identity)
        if row is None or row.tenant != tenant:
            return None
        return (await self._documents(connection, [row]))[0]

    async def page(
        self,
        connection: Connection,
        tenant: str,
        *,
        contact: str | None,
        status: str | None,
        since: datetime | None,
        until: datetime | None,
        before: UUID | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Messages, newest first."""
        rows = await messages.listed(
            connection, tenant, contact=contact, status=status, since=since, until=until, before=before, limit=limit
        )
        return await self._documents(connection, rows)

    async def _documents(self, connection: Connection, rows: Sequence[MessageRow]) -> list[dict[str, Any]]:
        tried = await messages.attempts_of(connection, [row.id for row in rows])
        contacts = await people.contacts(connection, {(row.tenant, row.contact) for row in rows})
        return [
            answers.message(
                row,
                tried.get(row.id, []),
                self._costs.of(row, contacts[row.tenant, row.contact], tried.get(row.id, [])),
            )
            for row in rows
        ]


class Canceller:
    """Stops messages that have not left."""

    def __init__(self, *, database: Database, clock: LegalClock, scribe: Scribe, shelf: Shelf) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._shelf = shelf

    async def cancel(self, tenant: str, identity: UUID) -> dict[str, Any]:
        """The message, cancelled; again the same when it was cancelled before. Raises NotThere or TooLate.

        What has left is not cancelled; but where it waits for its next channel, that one is called off all the same.
        """

        async def job(connection: Connection) -> dict[str, Any] | TooLate:
            # Whoever dispatches holds the row until it is reserved: this waits, and then sees that it has left.
            row = (await messages.lock(connection, [identity])).get(identity)
            if row is None or row.tenant != tenant:
                raise NotThere
            if row.status != Status.CANCELLED:
                if row.status not in WAITING and not row.hop:
                    raise TooLate(row.status)
                now, real = await self._clock.now(connection)
                contact = (await people.contacts(connection, [(tenant, row.contact)]))[tenant, row.contact]
                entry = self._scribe.entry(
                    "cancelled", tenant=tenant, at=now, subject=contact.subject, message=row.id, facts={}
                )
                if row.hop:
                    await messages.hop(connection, [(row.id, False, None)])
                    await outbox.add(connection, [undelivered(row, now, [], reason="cancelled")], real)
                else:
                    await messages.move(connection, [(row.id, Status.CANCELLED, None, None)], now)
                    await outbox.add(connection, [crm_event("message.cancelled", row, now)], real)
                await chain.append(connection, {tenant: [entry]})
                if row.hop:
                    return TooLate(row.status)
            shown = await self._shelf.show(connection, tenant, identity)
            assert shown is not None
            return shown

        ended = await self._database.run(job)
        if isinstance(ended, TooLate):
            raise ended
        return ended
