"""A borrowed database is as new, or nobody's any more."""

import asyncpg
import pytest

from tests.lending import Lender, NewDatabase


async def ordered(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"search_path": "tregua"})
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


TENANT = "INSERT INTO tenant (id, name, created_at) VALUES ('t1', 'Test', now())"


async def test_what_one_wrote_the_next_does_not_see(new_database: NewDatabase, template_url: str) -> None:
    lender = Lender(new_database, template_url)
    first = await lender.lend()
    await ordered(first, TENANT)
    await lender.take_back(first)
    again = await lender.lend()
    assert again == first
    connection = await asyncpg.connect(again, server_settings={"search_path": "tregua"})
    try:
        assert await connection.fetchval("SELECT count(*) FROM tenant") == 0
        assert await connection.fetchval("SELECT count(*) FROM migration") > 0
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE trace DISABLE TRIGGER ALL; ALTER TABLE trace ENABLE TRIGGER ALL",
        "CREATE TABLE public.mine (n int)",
        "TRUNCATE message CASCADE",
        "GRANT SELECT ON trace TO tregua_app",
        "UPDATE migration SET at = at + interval '1 hour'",
        "CREATE OR REPLACE FUNCTION shield_tables() RETURNS void LANGUAGE sql AS ''",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65536', current_database()); END $$",
    ],
)
async def test_a_changed_one_is_given_to_nobody(new_database: NewDatabase, template_url: str, sql: str) -> None:
    lender = Lender(new_database, template_url)
    first = await lender.lend()
    await ordered(first, sql)
    await lender.take_back(first)
    assert lender.free == []


async def test_one_that_somebody_still_uses_is_given_to_nobody(
    new_database: NewDatabase, template_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.lending.GONE_SECONDS_MAX", 0.1)
    lender = Lender(new_database, template_url)
    first = await lender.lend()
    still = await asyncpg.connect(first)
    try:
        await lender.take_back(first)
        assert lender.free == []
    finally:
        await still.close()
