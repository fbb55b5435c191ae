"""What was decided and under which policy, as the trace and the policies' versions keep it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "past"

#: Decisions read at a time.
PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision as the trace keeps it; ``kind`` is ``decided`` or ``reserved``."""

    idx: int
    kind: str
    at: datetime
    message: UUID
    header: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One version of a tenant's policy, in force from ``at`` until the next one."""

    version: int
    body: str
    at: datetime


async def decisions(
    connection: Connection, tenant: str, since: datetime, until: datetime, after: int, limit: int = PAGE
) -> list[DecisionRow]:
    """A page of decisions in ``[since, until)``, in the order of the trace, after an index."""
    return _decisions(await connection.fetch(queries(_SQL)["decisions"], tenant, since, until, after, limit))


async def decisions_count(connection: Connection, tenant: str, since: datetime, until: datetime) -> int:
    """How many decisions there are in ``[since, until)``."""
    count: int = await connection.fetchval(queries(_SQL)["decisions_count"], tenant, since, until)
    return count


async def decisions_of(connection: Connection, message: UUID) -> list[DecisionRow]:
    """Every decision about one message, first one first."""
    return _decisions(await connection.fetch(queries(_SQL)["decisions_of"], message))


async def policies(connection: Connection, tenant: str) -> list[PolicyRow]:
    """Every version of a tenant's policy, oldest first."""
    return [PolicyRow(**row) for row in await connection.fetch(queries(_SQL)["policies"], tenant)]


async def tenants(connection: Connection) -> list[str]:
    """All tenants, by name."""
    return [row["id"] for row in await connection.fetch(queries(_SQL)["tenants"])]


def _decisions(rows: Sequence[Any]) -> list[DecisionRow]:
    return [DecisionRow(**row) for row in rows]
