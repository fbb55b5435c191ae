"""W5 finds in a book just what stands in it, says so when it does not, and a gateway at rest is watched."""

from dataclasses import replace

import pytest

from bench import audit, audit_book, idle
from bench.audit import (
    COLUMNS,
    CONSOLE,
    DUCKDB,
    DUCKDB_TODAY,
    EXPORT,
    FREQUENCY,
    ONE_CAP,
    POSTGRESQL,
    RECHECK,
    RECKONED,
    REPORT,
    TIMELINE,
    VERIFY,
    Part,
)
from bench.audit_book import BREACHES, Book
from bench.house import settings_of
from bench.rounds import POSTGRESQL as SERVER
from bench.rounds import Ground
from bench.sizes import TUESDAY
from bench.workload import contact_id
from gateway.compose import house, tally
from storage.clock import SandboxClock
from storage.migrate import migrate

ROWS, CONTACTS, FEW = 240, 60, 7


@pytest.fixture(scope="module")
async def parts(ground: Ground) -> list[Part]:
    return await audit.w5(
        ground.cluster,
        ground.redis_url,
        ground.folder,
        ground.servers[SERVER],
        contacts=CONTACTS,
        rows=ROWS,
        reports=["ndjson"],
    )


async def test_every_part_found_what_stands_in_the_book(parts: list[Part]) -> None:
    by_name = {part.name: part for part in parts}
    assert list(by_name) == [
        RECKONED, FREQUENCY, COLUMNS, ONE_CAP, CONSOLE, TIMELINE, RECHECK, EXPORT, VERIFY, REPORT.format("ndjson"), POSTGRESQL, DUCKDB,
        DUCKDB_TODAY,
    ]  # fmt: skip
    for name in (FREQUENCY, COLUMNS, ONE_CAP):
        assert by_name[name].found["people"] == CONTACTS
    assert by_name[TIMELINE].found["shortest"] == 1 + ROWS // CONTACTS
    assert by_name[RECHECK].found["contacts"] == ROWS
    assert len(by_name[RECHECK].found["breaches"]) == BREACHES
    assert by_name[VERIFY].found["payloads"] == ROWS
    report = by_name[REPORT.format("ndjson")].found
    assert (report["people"], report["differing"]) == (CONTACTS, 0)
    assert report["compared"] > 0
    # Some were contacted this morning, and the rows themselves say of how many.
    assert 0 < by_name[DUCKDB_TODAY].found["counted"] < CONTACTS
    # The two floors were asked the same question and say the same.
    assert by_name[POSTGRESQL].found.items() <= by_name[DUCKDB].found.items()
    for part in parts:
        assert part.seconds > 0
        assert part.cpu_seconds > 0
        assert part.peak_bytes > 10 * 1024 * 1024
    told = audit.section(parts, contacts=CONTACTS, rows=ROWS)
    assert sum(line.startswith("| W5 |") for line in told.splitlines()) == len(parts)


async def test_a_breach_that_is_not_found_or_found_besides_is_no_figure(parts: list[Part], ground: Ground) -> None:
    found = next(part.found for part in parts if part.name == RECHECK)["breaches"]
    entries = next(part.found for part in parts if part.name == EXPORT)["entries"]
    book = Book(
        contacts=CONTACTS, rows=ROWS, entries=entries, breaches=frozenset(found), settings=ground.folder / "audit.toml"
    )
    assert audit.flaws(parts, book) == []
    assert any(RECHECK in flaw for flaw in audit.flaws(parts, replace(book, breaches=frozenset(found[1:]))))
    assert any(VERIFY in flaw for flaw in audit.flaws(parts, replace(book, entries=entries + 1)))
    for name, what in ((REPORT.format("ndjson"), "differing"), (DUCKDB_TODAY, "counted")):
        other = [replace(part, found=part.found | {what: 1_000}) if part.name == name else part for part in parts]
        assert any(name in flaw for flaw in audit.flaws(other, book))


async def test_who_is_laid_out_has_what_reckoning_her_would_give(ground: Ground) -> None:
    made = await audit_book.write(
        ground.cluster, ground.redis_url, ground.folder, contacts=CONTACTS, rows=ROWS, pattern=FEW
    )
    laid = contact_id(FEW), contact_id(2 * FEW + 3), contact_id(CONTACTS - 1)
    async with ground.cluster.connected(audit_book.NAME) as connection:
        indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = ANY ($1)"
        tables = ["contact_event", "console_margin", "trace", "address"]
        await SandboxClock().set(connection, TUESDAY)
        await audit_book.lay_margins_out(ground.cluster, made.settings, FEW, CONTACTS)
        asked = "SELECT count(*), count(DISTINCT contact) FROM console_margin WHERE rule = $1"
        assert tuple(await connection.fetchrow(asked, audit.CAP)) == (CONTACTS, CONTACTS)
        assert await connection.fetchval("SELECT count(*) FROM contact_event") == ROWS + CONTACTS
        assert await connection.fetchval("SELECT count(*) FROM trace WHERE kind = 'reserved'") == 0
        # All of it but when it was reckoned.
        kept = (
            "SELECT to_jsonb(m) - 'reckoned_at' AS row, contact FROM console_margin m WHERE contact = ANY ($1) "
            "ORDER BY contact, rule, part"
        )
        spread = "SELECT * FROM console_spread WHERE people <> 0 ORDER BY rule, channels, counted"
        before, spread_before = await connection.fetch(kept, laid), await connection.fetch(spread)
        assert {row["contact"] for row in before} == set(laid)
        await connection.execute("UPDATE console_due SET at = '-infinity' WHERE contact = ANY ($1)", laid)
        async with house(settings_of(made.settings)) as reckoning:
            await tally(reckoning).catch_up()
        assert await connection.fetch(kept, laid) == before
        assert await connection.fetch(spread) == spread_before
        made_anew = await connection.fetchval(indexes, tables)
    await ground.cluster.drop(audit_book.NAME)
    await ground.cluster.make(audit_book.NAME)
    await migrate(ground.cluster.url(audit_book.NAME))
    async with ground.cluster.connected(audit_book.NAME) as connection:
        assert await connection.fetchval(indexes, tables) == made_anew
    await ground.cluster.drop(audit_book.NAME)


async def test_a_gateway_at_rest_is_watched(ground: Ground) -> None:
    rest = await idle.idle(ground)
    assert 0 <= rest.share < 1
    assert 20 * 1024 * 1024 < rest.pss < 1024 * 1024 * 1024
    assert set(rest.shares) == {"API", "worker", *ground.servers}
    assert "| idle |" in idle.section([rest], 2.0)
