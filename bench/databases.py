"""Databases of the bench in one cluster: made, copied, dropped, and spoken to as their owner."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg


class Cluster:
    """One PostgreSQL, by the address of a database whose user may make others."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, name: str) -> str:
        """The address of a database."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    async def make(self, name: str, *, like: str | None = None) -> None:
        """A new database, or a copy of one to which nobody is connected; an older one of this name goes."""
        await self.drop(name)
        await self._order(f'CREATE DATABASE "{name}" TEMPLATE "{like or "template0"}" STRATEGY file_copy')

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        await self._order(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def checkpoint(self) -> None:
        """So that every round begins at the same distance from the last one."""
        await self._order("CHECKPOINT")

    async def version(self) -> str:
        """PostgreSQL's version."""
        async with self.connected() as connection:
            return str(await connection.fetchval("SELECT current_setting('server_version')"))

    @asynccontextmanager
    async def connected(self, name: str | None = None) -> "AsyncIterator[asyncpg.Connection[Any]]":
        """A connection as the owner."""
        connection = await asyncpg.connect(
            self._url if name is None else self.url(name), server_settings={"search_path": "tregua,public"}
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def _order(self, sql: str) -> None:
        async with self.connected() as connection:
            await connection.execute(sql)
