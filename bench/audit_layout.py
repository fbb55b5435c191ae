"""Lays some people's past out over everybody, a statement a table: books of millions, which nobody would write person by person.

Who is laid out has the very instants and limits of one of the few that were written and reckoned, under her own name, debt and address:
what is kept of her is what reckoning her would give, and what is counted of her anew must agree with it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from bench.house import TENANT
from bench.workload import CREDITOR

#: People whom one statement writes: all of them at once would be gigabytes of sorting and of a transaction's memory.
PART: Final = 250_000
LAY_SECONDS_MAX: Final = 3_600.0
_SCHEMA: Final = "tregua"

#: Everybody from $1 up to $2, with the one of the first $1 whom she is like.
_LAID: Final = (
    "CREATE UNLOGGED TABLE bench_laid AS SELECT n, 'cli-' || digits AS id, 'obl-' || digits AS debt, md5('endpoint' || n) AS endpoint, "
    "md5('subject' || n)::uuid AS subject, 'cli-' || lpad((n % $1::integer)::text, 6, '0') AS pattern "
    "FROM generate_series($1::integer, $2::integer - 1) n, "
    "LATERAL (SELECT lpad(n::text, greatest(6, length(n::text)), '0') AS digits) named"
)
_FEW: Final = " FROM bench_laid WHERE n >= $1::integer AND n < $2::integer"
_PEOPLE: Final = (
    "INSERT INTO contact (tenant, id, subject, name, role, locale, jurisdictions, zones, created_at, updated_at) "
    "SELECT $3, id, subject, 'Persona ' || n, 'debtor', 'es-CO', '{CO}', '{America/Bogota}', $4::timestamptz, $4"
    + _FEW,
    "INSERT INTO vault.person_key SELECT subject, sha256(n::text::bytea)" + _FEW,
    "INSERT INTO endpoint SELECT $3, endpoint" + _FEW,
    "INSERT INTO address (tenant, contact, channel, address, endpoint, kind, source, position) "
    "SELECT $3, id, 'sms', '+57300' || (1000000 + n), endpoint, 'personal', 'supplied', 0" + _FEW,
    "INSERT INTO debt (tenant, id, creditor, updated_at) SELECT $3, debt, $5, $4::timestamptz" + _FEW,
    "INSERT INTO debt_contact SELECT $3, debt, id, 'debtor'" + _FEW,
)
#: The id of what happened to the one whom she is like, made hers: its end is her number, so that ids stay in the order of time.
_HERS: Final = "left({0}, length({0}) - 12) || lpad(to_hex(l.n), 12, '0')"
_PATTERN: Final = "CREATE UNLOGGED TABLE bench_event AS SELECT * FROM contact_event WHERE tenant = $1"
#: What happened on one day.
_EVENTS: Final = (
    "INSERT INTO contact_event (id, tenant, contact, at, type, channel, form, outcome, purpose, debts, endpoint, address_kind, creditor, "
    "collector, role, detail) "
    f"SELECT ({_HERS.format('e.id::text')})::uuid, e.tenant, l.id, e.at, e.type, e.channel, e.form, e.outcome, e.purpose, "
    "CASE WHEN e.debts IS NOT NULL THEN ARRAY[l.debt] END, CASE WHEN e.endpoint IS NOT NULL THEN l.endpoint END, e.address_kind, "
    "e.creditor, e.collector, e.role, e.detail "
    "FROM bench_event e JOIN bench_laid l ON l.pattern = e.contact WHERE e.at >= $1 AND e.at < $1 + interval '1 day'"
)
_MARGINS_OF_FEW: Final = "CREATE UNLOGGED TABLE bench_margin AS SELECT * FROM console_margin WHERE tenant = $1"
_MARGINS: Final = (
    "INSERT INTO console_margin (tenant, contact, rule, part, pack, jurisdiction, citation, asks, channels, debt, debts, creditors, "
    "counted, limit_, left_, begins, ends, frees_at, last_at, event, reckoned_at) "
    "SELECT m.tenant, l.id, m.rule, m.part, m.pack, m.jurisdiction, m.citation, m.asks, m.channels, "
    "CASE WHEN m.debt IS NOT NULL THEN l.debt END, CASE WHEN m.debts <> '{}' THEN ARRAY[l.debt] ELSE '{}' END, m.creditors, "
    f"m.counted, m.limit_, m.left_, m.begins, m.ends, m.frees_at, m.last_at, {_HERS.format('m.event')}, m.reckoned_at "
    "FROM bench_laid l JOIN bench_margin m ON m.contact = l.pattern WHERE l.n >= $1::integer AND l.n < $2::integer"
)
_DUE: Final = "INSERT INTO console_due (tenant, contact, at) SELECT $3, id, 'infinity'" + _FEW
#: As the trigger keeps it, which does not fire while rows are laid out.
_SPREAD: Final = (
    "INSERT INTO console_spread (tenant, rule, pack, jurisdiction, channels, limit_, counted, people) "
    "SELECT tenant, rule, pack, jurisdiction, channels, limit_, counted, count(*) FROM console_margin GROUP BY 1, 2, 3, 4, 5, 6, 7"
)
_INDEXES: Final = (
    "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS made FROM pg_index i "
    "WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"
)


@asynccontextmanager
async def as_restored(connection: Any, *tables: str) -> AsyncIterator[None]:
    """Rows are written as a restore of a backup writes them: not held against each other, and what finds them is made at the end."""
    found = await connection.fetch(_INDEXES, [f"{_SCHEMA}.{table}" for table in tables])
    for index in found:
        await connection.execute(f"DROP INDEX {index['name']}")
    await connection.execute("SET session_replication_role = replica")
    yield
    await connection.execute("SET session_replication_role = origin")
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in found:
        await connection.execute(index["made"], timeout=LAY_SECONDS_MAX)


async def lay_people_out(connection: Any, pattern: int, contacts: int, at: datetime) -> None:
    """Everybody from the ``pattern``-th on, like one of those before her, with all that happened to that one."""
    await connection.execute(_LAID, pattern, contacts)
    await connection.execute(_PATTERN, TENANT)
    await connection.execute("ANALYZE bench_laid, bench_event")
    for first in range(pattern, contacts, PART):
        last = min(contacts, first + PART)
        for statement in _PEOPLE:
            given = (first, last, TENANT, at, CREDITOR)[: max(int(n) for n in "12345" if f"${n}" in statement)]
            await connection.execute(statement, *given, timeout=LAY_SECONDS_MAX)
    days = await connection.fetch("SELECT DISTINCT date_trunc('day', at) AS day FROM bench_event ORDER BY 1")
    for row in days:
        await connection.execute(_EVENTS, row["day"], timeout=LAY_SECONDS_MAX)
    await connection.execute("DROP TABLE bench_event")


async def lay_margins_out(connection: Any, pattern: int, contacts: int) -> None:
    """What is kept of the first ``pattern`` people, over everybody who is like them; nobody of these waits to be reckoned."""
    await connection.execute(_MARGINS_OF_FEW, TENANT)
    await connection.execute("ANALYZE bench_margin")
    async with as_restored(connection, "console_margin"):
        for first in range(pattern, contacts, PART):
            last = min(contacts, first + PART)
            await connection.execute(_MARGINS, first, last, timeout=LAY_SECONDS_MAX)
            await connection.execute(_DUE, first, last, TENANT, timeout=LAY_SECONDS_MAX)
        await connection.execute("DELETE FROM console_spread")
        await connection.execute(_SPREAD, timeout=LAY_SECONDS_MAX)
    await connection.execute("UPDATE console_due SET at = 'infinity' WHERE at < 'infinity'")
    await connection.execute("DROP TABLE bench_margin, bench_laid")
