"""What sessions have learnt of the database: shared where it cannot change, learnt anew where a migration has changed it."""

import asyncpg
import pytest

from storage.database import Connection, Database
from tests.conftest import NewDatabase


async def test_postgresqls_own_types_are_asked_for_once_in_a_process(
    template_url: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    original = asyncpg.Connection._introspect_types

    async def counting(self: object, *arguments: object) -> object:
        nonlocal asked
        asked += 1
        return await original(self, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", counting)
    url = await new_database(like=template_url)

    async def ask(connection: Connection) -> object:
        return await connection.fetchval("SELECT $1::int4range[] IS NULL", None)

    for _ in range(3):
        database = await Database.open(url, connections_max=1)
        assert await database.read(ask)
        await database.close()
    assert asked == 1


async def test_a_column_that_comes_under_a_prepared_statement_ends_no_transaction(
    template_url: str, new_database: NewDatabase
) -> None:
    url = await new_database(like=template_url)
    database = await Database.open(url, connections_max=1)
    owner = await asyncpg.connect(url, server_settings={"search_path": "tregua"})

    async def ask(connection: Connection) -> int:
        return len(await connection.fetch("SELECT * FROM message"))

    assert await database.run(ask) == 0
    await owner.execute("ALTER TABLE message ADD COLUMN later boolean NOT NULL DEFAULT false")
    assert await database.run(ask) == 0
    await owner.close()
    await database.close()
