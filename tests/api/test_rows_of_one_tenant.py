"""In a request, the database itself shows one tenant's rows only: a forgotten WHERE shows nothing of anybody else's."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from gateway.tenants.opening import create_tenant
from storage.database import Connection, Database, of_tenant
from storage.migrate import migrate


@pytest.fixture
async def database(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Database]:
    url = await new_database()
    await migrate(url)
    opened = await Database.open(url, connections_max=2)
    for tenant in ("one", "two"):
        await create_tenant(opened, tenant, tenant)
    yield opened
    await opened.close()


async def _put(connection: Connection, tenant: str) -> None:
    await connection.execute(
        "INSERT INTO debt (tenant, id, updated_at) VALUES ($1, 'd', now())", tenant
    )  # fmt: skip


async def test_without_a_where_only_the_tenants_own_rows_are_seen(database: Database) -> None:
    async def everything(connection: Connection) -> list[str]:
        return [row["tenant"] for row in await connection.fetch("SELECT tenant FROM debt ORDER BY tenant")]

    for tenant in ("one", "two"):
        await database.run(lambda connection, tenant=tenant: _put(connection, tenant))  # type: ignore[misc]
    assert await database.read(everything) == ["one", "two"], "the house sees all"
    for tenant in ("one", "two", "nobody"):
        with of_tenant(tenant):
            seen = [tenant] if tenant != "nobody" else []
            assert await database.read(everything) == seen
            assert await database.run(everything) == seen
    assert await database.read(everything) == ["one", "two"], "a session that comes back is nobody's"


async def test_another_tenants_row_can_neither_be_written_nor_changed(database: Database) -> None:
    await database.run(lambda connection: _put(connection, "two"))
    with of_tenant("one"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.run(lambda connection: _put(connection, "two"))
        done = await database.run(lambda connection: connection.execute("UPDATE debt SET kind = 'x'"))
        assert done == "UPDATE 0"
        done = await database.run(lambda connection: connection.execute("DELETE FROM debt"))
        assert done == "DELETE 0"


async def test_a_session_that_was_left_in_the_middle_never_carries_a_tenant_on(database: Database) -> None:
    async def fails(connection: Connection) -> None:
        raise LookupError

    async def whose(connection: Connection) -> tuple[str, str]:
        row = await connection.fetchrow("SELECT current_user AS role, current_setting('tregua.tenant', true) AS tenant")
        return row["role"], row["tenant"] or ""

    for _ in range(6):
        with of_tenant("one"):
            with pytest.raises(LookupError):
                await database.run(fails)
            with pytest.raises(LookupError):
                await database.read(fails)
            assert await database.read(whose) == ("tregua_tenant", "one")
        assert await database.read(whose) == ("tregua_app", "")


async def test_every_table_that_names_a_tenant_is_under_the_rule(database: Database) -> None:
    """A migration that makes such a table ends with shield_tables()."""
    bare = await database.read(
        lambda connection: connection.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'tregua'::regnamespace AND (NOT c.relrowsecurity "
            "OR (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) <> 2)"
        )
    )
    assert [row["relname"] for row in bare] == []
    unlike = await database.read(
        lambda connection: connection.fetch(
            "SELECT c.relname, p FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p "
            "WHERE c.relkind = 'r' AND c.relnamespace IN ('tregua'::regnamespace, 'vault'::regnamespace) "
            "AND has_table_privilege('tregua_app', c.oid, p) <> has_table_privilege('tregua_tenant', c.oid, p)"
        )
    )
    assert [tuple(row) for row in unlike] == [], "one tenant's request may do what the house may, and no more"
