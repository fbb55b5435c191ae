"""What sessions have learnt of the database: shared where it cannot change, learnt anew where a migration has changed it."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

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


async def test_arrays_arrive_as_they_were_handed_over_and_are_told_by_their_type(
    template_url: str, new_database: NewDatabase
) -> None:
    database = await Database.open(await new_database(like=template_url), connections_max=1)
    at = datetime(2026, 11, 24, 15, tzinfo=UTC)
    columns: dict[str, Sequence[object]] = {
        "text[]": ["a", None, "", 'ñ, {}\\"'],
        "bytea[]": [b"", b"\x00{", None],
        "uuid[]": [uuid4(), None],
        "timestamptz[]": [at, None],
        "integer[]": [[1, 2], [3, 4]],
        "bigint[]": (),
    }

    async def ask(connection: Connection) -> None:
        for kind, column in columns.items():
            for given in (column, tuple(column)):
                assert await connection.fetchval(f"SELECT $1::{kind}", given) == list(column)
        # Were this not refused, the driver would be asking each element by abstract classes again.
        with pytest.raises(asyncpg.DataError):
            await connection.fetchval("SELECT $1::text[]", deque(["a"]))

    await database.read(ask)
    await database.close()
