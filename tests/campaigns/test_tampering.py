"""C11: whoever owns the database changes its past; the export no longer verifies, and the first bad entry is named."""

import random
from typing import Any

import asyncpg
import pytest

from tests.campaigns.tally import counted
from tests.gateway.test_spine import export
from tests.gateway.town import Town, message, number, person
from tests.sizes import TAMPERINGS, seed
from tracelog.entry import leaf_hash
from tracelog.export import Broken, Holds, differs, verify
from tracelog.tree import Frontier

SEED = seed(20261111)
PEOPLE = 12


async def _columns(owner: Any) -> list[str]:
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'tregua' AND table_name = 'trace'"
    )
    return [row[0] for row in rows]


async def attack(owner: Any, chance: random.Random, size: int) -> tuple[str, int]:
    """One change, and the first entry that must be named."""
    idx = chance.randrange(1, size - 1)
    match chance.choice(
        ["flip", "flip", "column", "delete", "close up", "insert", "swap", "reorder", "truncate", "rebuild"]
    ):
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
            return "an entry deleted", idx
        case "close up":
            await owner.execute("DELETE FROM tregua.trace WHERE idx = $1", idx)
            await _moved(owner, "idx - 1", "idx > $1", idx)
            await owner.execute("UPDATE tregua.chain SET size = size - 1")
            return "an entry deleted and the gap closed", idx
        case "insert":
            await _moved(owner, "idx + 1", "idx >= $1", idx)
            columns = ", ".join(c for c in await _columns(owner) if c != "idx")
            await owner.execute(
                f"INSERT INTO tregua.trace (idx, {columns}) SELECT $1, {columns} FROM tregua.trace WHERE idx = $2",
                idx,
                idx - 1,
            )
            await owner.execute("UPDATE tregua.chain SET size = size + 1")
            return "an entry put in", idx
        case "swap":
            other = idx + chance.randrange(1, size - idx)
            await _moved(owner, f"CASE idx WHEN {idx} THEN {other} ELSE {idx} END", "idx IN ($1, $2)", idx, other)
            return "two entries swapped", idx
        case "reorder":
            await _moved(owner, f"{size - 1 + idx} - idx", "idx >= $1", idx)
            # In the middle of an odd tail one entry stays where it was, and the first is another all the same.
            return "the tail reversed", idx
        case "rebuild":
            (header, digest) = await owner.fetchrow(
                "SELECT header, payload_digest FROM tregua.trace WHERE idx = $1", idx
            )
            changed = header.replace(b'"facts":{', b'"facts":{"a":%d,' % chance.randrange(10**6))
            await owner.execute(
                "UPDATE tregua.trace SET header = $1, leaf = $2 WHERE idx = $3",
                changed,
                leaf_hash(changed, digest),
                idx,
            )
            # With every hash that is kept of it, as whoever owns the database can.
            leaves = [row[0] for row in await owner.fetch("SELECT leaf FROM tregua.trace ORDER BY idx")]
            frontier = Frontier()
            frontier.extend(leaves)
            await owner.execute("UPDATE tregua.seal SET frontier = $1", frontier.hashes)
            return "an entry rewritten, and every hash above it", idx
        case _:
            await owner.execute("DELETE FROM tregua.trace WHERE idx >= $1", idx)
            await owner.execute("UPDATE tregua.chain SET size = $1", idx)
            return "the tail cut off", idx


async def _moved(owner: Any, to: str, where: str, *arguments: int) -> None:
    """Indices of some rows changed at once; by way of numbers that no entry has, for each is unique at every moment."""
    await owner.execute(f"UPDATE tregua.trace SET idx = -1000000 - ({to}) WHERE {where}", *arguments)
    await owner.execute("UPDATE tregua.trace SET idx = -1000000 - idx WHERE idx <= -1000000")


@pytest.mark.campaign
@pytest.mark.timeout(7200)
async def test_whoever_owns_the_database_changes_nothing_unseen(quiet: Town) -> None:
    chance = random.Random(SEED)
    quiet.start_worker()
    for n in range(PEOPLE):
        answered = await quiet.send(message(person(f"t{n}", number(n, 320))))
        await quiet.until(answered["id"], "delivered")
    await quiet.stop_workers()
    older = await export(quiet)
    assert isinstance(verify(older), Holds)
    owner = await asyncpg.connect(quiet.database_url)
    tables = ("trace", "chain", "seal", "signed_head")
    try:
        for table in ("trace", "signed_head"):
            await owner.execute(f"ALTER TABLE tregua.{table} DISABLE TRIGGER ALL")
        for table in tables:
            await owner.execute(f"CREATE TABLE public.kept_{table} AS SELECT * FROM tregua.{table}")
        (size,) = await owner.fetchrow("SELECT count(*) FROM tregua.trace")
        with counted("C11", "history changed by whoever owns the database", seed=SEED) as tally:
            for _ in range(TAMPERINGS):
                async with owner.transaction():
                    what, named = await attack(owner, chance, size)
                newer = await export(quiet)
                found = verify(newer)
                tally.hold(isinstance(found, Broken), f"{what} at {named}: not found")
                # What one export alone cannot name, an older one does: whichever of the two entries stands first.
                others = (found.index if isinstance(found, Broken) else None, differs(older, newer))
                first = min((each for each in others if each is not None), default=None)
                tally.hold(first == named, f"{what}: {first} named for {named}")
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
