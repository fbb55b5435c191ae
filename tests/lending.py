"""Databases that tests borrow one after the other: each gets one as if it were new, which costs less than making one.

What a borrower wrote is deleted behind it. A database whose structure was changed, that somebody is still connected to or that has grown
is given to nobody again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

NewDatabase = Callable[..., Awaitable[str]]

#: So long a session of a test that has ended may take to end.
GONE_SECONDS_MAX: Final = 3.0
LOCK_MILLISECONDS_MAX: Final = 2_000
GROWN_BYTES_MAX: Final = 16 * 1024 * 1024

_TABLES: Final = """
SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname <> 'information_schema' ORDER BY 1
"""
_SEQUENCES: Final = """
SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS name, last_value FROM pg_sequences
WHERE schemaname NOT LIKE 'pg\\_%' ORDER BY 1
"""
#: Every change of a catalog's row is a new row of a later transaction; what the server counts for its plans is written in place.
_STRUCTURE: Final = "SELECT " + ", ".join(
    f"(SELECT count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) FROM {catalog} WHERE {ours}) AS {catalog}"
    for catalog, ours in {
        "pg_class": "oid >= 16384 AND relpersistence <> 't'",
        "pg_attribute": "attrelid >= 16384",
        "pg_attrdef": "true",
        "pg_constraint": "true",
        "pg_index": "indexrelid >= 16384",
        "pg_trigger": "true",
        "pg_policy": "true",
        "pg_proc": "true",
        "pg_rewrite": "true",
        "pg_type": "true",
        "pg_namespace": "nspname NOT LIKE 'pg\\_%temp%'",
        "pg_extension": "true",
        "pg_event_trigger": "true",
        "pg_default_acl": "true",
        "pg_largeobject_metadata": "true",
        "pg_db_role_setting": "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    }.items()
)
_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class _New:
    """What a database looked like before anybody had it."""

    structure: tuple[Any, ...]
    bytes: int
    tables: tuple[str, ...]
    #: Those that a new database has rows in, with a digest of them.
    kept: dict[str, str]
    sequences: tuple[Any, ...]


class Lender:
    """Copies of one database, made when none is free."""

    def __init__(self, new_database: NewDatabase, template_url: str) -> None:
        self._make = new_database
        self._template_url = template_url
        #: Those that nobody has.
        self.free: list[str] = []
        self._new: dict[str, _New] = {}

    async def lend(self) -> str:
        """The URL of a database that is as new."""
        if self.free:
            return self.free.pop()
        url = await self._make(like=self._template_url)
        connection = await asyncpg.connect(url)
        try:
            self._new[url] = await _look(connection)
        finally:
            await connection.close()
        return url

    async def take_back(self, url: str) -> None:
        """Make it as new, for the next one; or forget it."""
        new = self._new.pop(url)
        connection = await asyncpg.connect(url)
        try:
            if await _alone(connection) and await _emptied(connection, new):
                self._new[url] = new
                self.free.append(url)
        finally:
            await connection.close()


async def _look(connection: Any) -> _New:
    tables = tuple(row[0] for row in await connection.fetch(_TABLES))
    kept = {table: await _digest(connection, table) for table in tables}
    return _New(
        structure=await _structure(connection),
        bytes=await connection.fetchval("SELECT pg_database_size(current_database())"),
        tables=tables,
        kept={table: digest for table, digest in kept.items() if digest},
        sequences=tuple(await connection.fetch(_SEQUENCES)),
    )


async def _digest(connection: Any, table: str) -> str:
    found: str = await connection.fetchval(
        f"SELECT coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM {table} t"
    )
    return found


async def _structure(connection: Any) -> tuple[Any, ...]:
    return tuple(await connection.fetchrow(_STRUCTURE))


async def _alone(connection: Any) -> bool:
    """Whether everybody else has left."""
    deadline = asyncio.get_running_loop().time() + GONE_SECONDS_MAX
    while await connection.fetchval(_OTHERS):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def _emptied(connection: Any, new: _New) -> bool:
    """Whether it is as new again."""
    if await _structure(connection) != new.structure:
        return False
    orders = [f"DELETE FROM {table}" for table in new.tables if table not in new.kept]
    orders += [
        f"SELECT setval('{row['name']}', coalesce({row['last_value'] or 'NULL'}, 1), {bool(row['last_value'])})"
        for row in new.sequences
    ]
    try:
        await connection.execute(
            f"SET lock_timeout = {LOCK_MILLISECONDS_MAX}; SET session_replication_role = replica; " + "; ".join(orders)
        )
    except asyncpg.LockNotAvailableError:
        return False
    for table, digest in new.kept.items():
        if await _digest(connection, table) != digest:
            return False
    grown = await connection.fetchval("SELECT pg_database_size(current_database())") - new.bytes
    return bool(grown <= GROWN_BYTES_MAX)
