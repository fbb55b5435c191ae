"""Brings a database to the schema of this release: numbered SQL, each file in a transaction of its own, under one lock.

``NNNN_name.pre.sql`` runs before the new release starts and must suit the old one too; ``NNNN_name.post.sql`` runs when no
old process is left.
"""

from importlib import resources
from typing import Final

import asyncpg

# Any fixed number: whoever holds it migrates, everybody else waits.
_LOCK: Final = 0x7472_6567_7561


def files() -> list[str]:
    """The migrations of this release, in order."""
    folder = resources.files("storage").joinpath("migrations")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


async def migrate(database_url: str) -> list[str]:
    """Apply what is missing, and name what was applied. The role of ``database_url`` must own the schema."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "tregua"})
    applied: list[str] = []
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS tregua")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, at timestamptz NOT NULL)"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
        for name in files():
            if name in done:
                continue
            sql = resources.files("storage").joinpath(f"migrations/{name}").read_text("utf-8")
            async with connection.transaction():
                await connection.execute(sql)
                await connection.execute("INSERT INTO migration VALUES ($1, clock_timestamp())", name)
            applied.append(name)
    finally:
        await connection.close()
    return applied
