"""W5 finds in a book just what stands in it, says so when it does not, and a gateway at rest is watched."""

from dataclasses import replace

import pytest

from bench import audit, audit_book, idle
from bench.audit import (
    COLUMNS,
    CONSOLE,
    DUCKDB,
    EXPORT,
    FREQUENCY,
    ONE_CAP,
    POSTGRESQL,
    RECHECK,
    RECKONED,
    TIMELINE,
    VERIFY,
    Part,
)
from bench.audit_book import BREACHES, Book
from bench.rounds import POSTGRESQL as SERVER
from bench.rounds import Ground

ROWS, CONTACTS = 240, 60


@pytest.fixture(scope="module")
async def parts(ground: Ground) -> list[Part]:
    return await audit.w5(
        ground.cluster, ground.redis_url, ground.folder, ground.servers[SERVER], contacts=CONTACTS, rows=ROWS
    )


async def test_every_part_found_what_stands_in_the_book(parts: list[Part]) -> None:
    by_name = {part.name: part for part in parts}
    assert list(by_name) == [
        RECKONED, FREQUENCY, COLUMNS, ONE_CAP, CONSOLE, TIMELINE, RECHECK, EXPORT, VERIFY, POSTGRESQL, DUCKDB,
    ]  # fmt: skip
    for name in (FREQUENCY, COLUMNS, ONE_CAP):
        assert by_name[name].found["people"] == CONTACTS
    assert by_name[TIMELINE].found["shortest"] == 1 + ROWS // CONTACTS
    assert by_name[RECHECK].found["contacts"] == ROWS
    assert len(by_name[RECHECK].found["breaches"]) == BREACHES
    assert by_name[VERIFY].found["payloads"] == ROWS
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


async def test_what_was_kept_of_a_few_is_laid_out_over_everybody(ground: Ground) -> None:
    made = await audit_book.write(
        ground.cluster, ground.redis_url, ground.folder, contacts=CONTACTS, rows=ROWS, traced=False
    )
    await audit_book.lay_margins_out(ground.cluster, made.settings, 7)
    async with ground.cluster.connected(audit_book.NAME) as connection:
        asked = "SELECT count(*), count(DISTINCT contact) FROM console_margin WHERE rule = $1"
        assert tuple(await connection.fetchrow(asked, audit.CAP)) == (CONTACTS, CONTACTS)
        assert await connection.fetchval("SELECT count(*) FROM contact_event") == ROWS + CONTACTS
        assert await connection.fetchval("SELECT count(*) FROM trace WHERE kind = 'reserved'") == 0
    await ground.cluster.drop(audit_book.NAME)


async def test_a_gateway_at_rest_is_watched(ground: Ground) -> None:
    rest = await idle.idle(ground)
    assert 0 <= rest.share < 1
    assert 20 * 1024 * 1024 < rest.pss < 1024 * 1024 * 1024
    assert set(rest.shares) == {"API", "worker", *ground.servers}
    assert "| idle |" in idle.section([rest], 2.0)
