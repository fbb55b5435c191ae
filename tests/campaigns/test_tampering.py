"""C11: whoever owns the database changes its past; the export no longer verifies, and the first bad entry is named."""

import random
from typing import Any

import asyncpg
import pytest

from tests.campaigns.tally import counted
from tests.gateway.test_spine import export
from tests.gateway.town import Town, message, number, person
from tests.sizes import TAMPERINGS, seed
from tracelog.export import Broken, Holds, verify

SEED = seed(20261111)
PEOPLE = 12


async def _columns(owner: Any) -> list[str]:
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'tregua' AND table_name = 'trace'"
    )
    return [row[0] for row in rows]


async def attack(owner: Any, chance: random.Random, size: int) -> tuple[str, int | None]:
    """One change, and the first entry that must be named; None where only the whole can be told to be wrong."""
    idx = chance.randrange(1, size)
    match chance.choice(["flip", "flip", "column", "delete", "insert", "swap", "reorder", "truncate"]):
        case "flip":
            column = chance.choice(["header", "leaf"])
            (was,) = await owner.fetchrow(f"SELECT {column} FROM tregua.trace WHERE idx = $1", idx)
            changed = bytearray(was)
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            await owner.execute(f"UPDATE tregua.trace SET {column} = $1 WHERE idx = $2", bytes(changed), idx)
            return f"a bit of {column} flipped", idx
        case "column":
            await owner.execute("UPDATE tregua.trace SET kind = kind || 'x' WHERE idx = $1", idx)
            return "a column changed", idx
        case "delete":
            await owner.execute("DELETE FROM tregua.trace WHERE idx = $1", idx)
            return "an entry deleted", None
        case "insert":
            await owner.execute("UPDATE tregua.trace SET idx = -idx - 1 WHERE idx >= $1", idx)
            await owner.execute("UPDATE tregua.trace SET idx = -idx WHERE idx < 0")
            columns = ", ".join(c for c in await _columns(owner) if c != "idx")
            await owner.execute(
                f"INSERT INTO tregua.trace (idx, {columns}) SELECT $1, {columns} FROM tregua.trace WHERE idx = $2",
                idx,
                idx - 1,
            )
            await owner.execute("UPDATE tregua.chain SET size = size + 1")
            return "an entry put in", None
        case "swap":
            other = idx % (size - 1) + 1
            other = other if other != idx else 0
            await owner.execute("UPDATE tregua.trace SET idx = -1 WHERE idx = $1", idx)
            await owner.execute("UPDATE tregua.trace SET idx = $1 WHERE idx = $2", idx, other)
            await owner.execute("UPDATE tregua.trace SET idx = $1 WHERE idx = -1", other)
            return "two entries swapped", None
        case "reorder":
            await owner.execute("UPDATE tregua.trace SET idx = $1 - idx WHERE idx >= $2", -size, idx)
            await owner.execute("UPDATE tregua.trace SET idx = $1 - idx - 1 + $2 WHERE idx < 0", -1, idx)
            return "the tail reversed", None
        case _:
            await owner.execute("DELETE FROM tregua.trace WHERE idx >= $1", idx)
            return "the tail cut off", None


@pytest.mark.campaign
@pytest.mark.timeout(7200)
async def test_whoever_owns_the_database_changes_nothing_unseen(quiet: Town) -> None:
    chance = random.Random(SEED)
    quiet.start_worker()
    for n in range(PEOPLE):
        answered = await quiet.send(message(person(f"t{n}", number(n, 320))))
        await quiet.until(answered["id"], "delivered")
    await quiet.stop_workers()
    good = verify(await export(quiet))
    assert isinstance(good, Holds)
    owner = await asyncpg.connect(quiet.database_url)
    tables = ("trace", "chain", "signed_head")
    try:
        for table in ("trace", "signed_head"):
            await owner.execute(f"ALTER TABLE tregua.{table} DISABLE TRIGGER ALL")
        for table in tables:
            await owner.execute(f"CREATE TABLE public.kept_{table} AS SELECT * FROM tregua.{table}")
        (size,) = await owner.fetchrow("SELECT count(*) FROM tregua.trace")
        with counted("C11", "history changed by whoever owns the database", seed=SEED) as tally:
            for _ in range(TAMPERINGS):
                try:
                    async with owner.transaction():
                        what, named = await attack(owner, chance, size)
                except asyncpg.UniqueViolationError:
                    continue  # the order in which rows move is the server's: nothing was changed
                status, _, _ = await quiet.call("GET", "/v1/trace/export")
                refused = status >= 500
                if not refused:
                    found = verify(await export(quiet))
                    tally.hold(isinstance(found, Broken), f"{what} at {named}: not found")
                    if named is not None and isinstance(found, Broken):
                        tally.hold(found.index == named, f"{what}: {found.index} named for {named}")
                tally.faults[what] += 1
                tally.trials += 1
                async with owner.transaction():
                    for table in tables:
                        columns = ", ".join(
                            row[0]
                            for row in await owner.fetch(
                                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'tregua' "
                                "AND table_name = $1 AND is_generated = 'NEVER'",
                                table,
                            )
                        )
                        await owner.execute(f"DELETE FROM tregua.{table}")
                        await owner.execute(
                            f"INSERT INTO tregua.{table} ({columns}) SELECT {columns} FROM public.kept_{table}"
                        )
            tally.hold(isinstance(verify(await export(quiet)), Holds), "put back, and it does not hold")
    finally:
        await owner.close()
