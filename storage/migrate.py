"""Brings a database to the schema of this release: numbered SQL, each file in a transaction of its own, under one lock.

``NNNN_name.pre.sql`` runs before the new release starts and must suit the old one too; ``NNNN_name.post.sql`` runs when no
old process is left.
"""

import asyncio
from importlib import resources
from typing import Any, Final

import asyncpg

from storage.database import DatabaseAway

# Any fixed number: whoever holds it migrates, everybody else waits.
_LOCK: Final = 0x7472_6567_7561

#: A file waits for a table no longer than this, for whoever comes after it waits as well; then it lets go and tries again.
WAIT_MILLISECONDS_MAX: Final = 200
TRIES_MAX: Final = 300
PAUSE_SECONDS: Final = 0.1


def files(*, finish: bool = False) -> list[str]:
    """The migrations that this release needs, in order; with ``finish`` those too that wait for the old release's end."""
    folder = resources.files("storage").joinpath("migrations")
    ends = (".pre.sql", ".post.sql") if finish else (".pre.sql",)
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(ends))


async def migrate(database_url: str, *, finish: bool = False) -> list[str]:
    """Apply what is missing, and name what was applied. The role of ``database_url`` must own the schema.

    ``finish``: no process of an older release is left. Raises DatabaseAway, or what PostgreSQL refuses.
    """
    try:
        connection = await asyncpg.connect(database_url, server_settings={"search_path": "tregua"})
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise DatabaseAway(str(error)) from error
    applied: list[str] = []
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS tregua")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, at timestamptz NOT NULL)"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
        for name in files(finish=finish):
            if name in done:
                continue
            sql = resources.files("storage").joinpath(f"migrations/{name}").read_text("utf-8")
            await _apply(connection, name, sql)
            applied.append(name)
    finally:
        await connection.close()
    return applied


async def _apply(connection: Any, name: str, sql: str) -> None:
    """One file, whole or not at all. The old release works meanwhile: who it holds up lets go and tries again."""
    for left in reversed(range(TRIES_MAX)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {WAIT_MILLISECONDS_MAX}")
                await connection.execute(sql)
                await connection.execute("INSERT INTO migration VALUES ($1, clock_timestamp())", name)
                return
        except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
            if not left:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
