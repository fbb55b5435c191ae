"""What a person's page reads: her inbox, the contacts there were with her, and what the tenant is called."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "person_page"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One message of the inbox: its attempt, and the ask that holds its words."""

    attempt: UUID
    state: str
    at: datetime
    provider: str
    ask: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactMade:
    """One contact with her; ``outcome`` is an attempt's state or an event's outcome."""

    at: datetime
    type: str
    channel: str | None
    outcome: str | None


async def inbox(connection: Connection, tenant: str, contact: str, limit: int) -> list[InboxRow]:
    """Her inbox, newest first."""
    rows = await connection.fetch(queries(_SQL)["inbox"], tenant, contact, limit)
    return [
        InboxRow(attempt=r["id"], state=r["state"], at=r["reserved_at"], provider=r["provider"], ask=r["ask"])
        for r in rows
    ]


async def contacts_made(
    connection: Connection, tenant: str, contact: str, since: datetime, limit: int
) -> list[ContactMade]:
    """Contacts with her since an instant, newest first."""
    rows = await connection.fetch(queries(_SQL)["contacts"], tenant, contact, since, limit)
    return [ContactMade(at=r["at"], type=r["type"], channel=r["channel"], outcome=r["outcome"]) for r in rows]
