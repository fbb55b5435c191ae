"""Where the law's "now" comes from: the database's clock, read by the transaction that decides, after its locks."""

from datetime import datetime, timedelta
from typing import Protocol

from storage.database import Connection
from storage.queries import queries

_SQL = "clock"


class LegalClock(Protocol):
    """Two readings in one: the instant of the law, and the real one that leases and deadlines keep."""

    @property
    def may_go_back(self) -> bool:
        """Whether somebody may set it back on purpose, so that what happened later has not happened yet."""
        ...

    async def now(self, connection: Connection, /) -> tuple[datetime, datetime]:
        """(the law's instant, the real instant), both aware UTC."""
        ...


class DatabaseClock:
    """Production: the law's instant is PostgreSQL's ``clock_timestamp()``."""

    may_go_back = False

    async def now(self, connection: Connection, /) -> tuple[datetime, datetime]:
        """Both instants are the same."""
        now: datetime = await connection.fetchval(queries(_SQL)["real"])
        return now, now


class SandboxClock:
    """Sandbox and tests: a shift that stands in PostgreSQL, so that every process keeps it and a restart too."""

    may_go_back = True

    async def now(self, connection: Connection, /) -> tuple[datetime, datetime]:
        """The law's instant is the real one plus the shift."""
        row = await connection.fetchrow(queries(_SQL)["shifted"])
        return row["legal"], row["real"]

    async def set(self, connection: Connection, legal: datetime, /) -> None:
        """From now on it is ``legal``, ticking at real speed."""
        await connection.execute(queries(_SQL)["set"], legal)

    async def advance(self, connection: Connection, by: timedelta, /) -> None:
        """Move forward (or back) by ``by``."""
        await connection.execute(queries(_SQL)["advance"], by)

    async def reset(self, connection: Connection, /) -> None:
        """Real time again."""
        await connection.execute(queries(_SQL)["reset"])
