"""The trace as a regulator gets it: it verifies from outside, and a single changed byte is named."""

import random
from pathlib import Path

import asyncpg
import pytest

from tests.gateway.policy_command import tregua
from tests.gateway.test_spine import export
from tests.gateway.town import TENANT, Town, message, number, person
from tracelog.export import Broken, Holds, verify


@pytest.mark.parametrize("column", ["header", "leaf", "payload_digest"])
async def test_one_flipped_byte_of_one_row_is_named(quiet: Town, column: str) -> None:
    for trial in range(3):
        await quiet.send(message(person(f"p{trial}", number(trial))))
    before = verify(await export(quiet))
    assert isinstance(before, Holds)
    chance = random.Random(7)
    rows = await quiet.rows(f"SELECT idx, {column} AS bytes FROM trace WHERE {column} IS NOT NULL ORDER BY idx")
    victim = chance.choice(rows)
    changed = bytearray(victim["bytes"])
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    await as_owner(quiet, f"UPDATE tregua.trace SET {column} = $1 WHERE idx = $2", bytes(changed), victim["idx"])
    found = verify(await export(quiet))
    assert isinstance(found, Broken)
    assert found.index == victim["idx"], found


async def test_the_command_takes_the_same_out_and_names_a_tenant_that_is_none(quiet: Town, tmp_path: Path) -> None:
    await quiet.send(message())
    to = tmp_path / "trace.ndjson"
    done = await tregua(quiet, "export", "--tenant", TENANT, "--to", to, group="trace")
    assert (done.code, done.out) == (0, ""), done.err
    assert isinstance(verify(to.read_bytes().splitlines(keepends=True)), Holds)
    refused = await tregua(quiet, "export", "--tenant", "nobody", group="trace")
    assert (refused.code, refused.err.strip()) == (1, "tregua: there is no tenant nobody")


async def test_a_removed_entry_is_named(quiet: Town) -> None:
    await quiet.send(message())
    await export(quiet)
    await as_owner(quiet, "DELETE FROM tregua.trace WHERE idx = $1", 1)
    found = verify(await export(quiet))
    assert isinstance(found, Broken)


async def test_a_change_before_it_was_sealed_is_never_signed(quiet: Town) -> None:
    await quiet.send(message())
    await as_owner(quiet, "UPDATE tregua.trace SET kind = 'other' WHERE idx = $1", 1)
    status, problem, _ = await quiet.call("GET", "/v1/trace/export")
    assert status in (500, 503), problem


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tregua.seal SET frontier = ARRAY(SELECT sha256(hash) FROM unnest(frontier) hash)",
        "UPDATE tregua.seal SET frontier = '{}'",
        "DELETE FROM tregua.signed_head",
        "UPDATE tregua.signed_head SET note = replace(note, 'tregua/', 'trevua/')",
    ],
    ids=["another past", "no hashes", "no head", "a head of another"],
)
async def test_the_sealer_goes_on_only_from_what_it_signed(quiet: Town, change: str) -> None:
    """Else whoever rewrote the past with every hash above it would have it vouched for by the next head."""
    await quiet.send(message())
    size = len(await export(quiet)) - 1
    await as_owner(quiet, change)
    await quiet.send(message(person("p1", number(1))))
    status, problem, _ = await quiet.call("GET", "/v1/trace/head")
    assert (status, problem["type"]) == (500, "/problems/trace-broken")
    assert await quiet.rows("SELECT 1 FROM signed_head WHERE size > $1", size) == []
    status, problem, _ = await quiet.call("GET", "/v1/trace/export")
    if status == 200:  # under the last head that is ours
        assert isinstance(verify(problem.encode().splitlines(keepends=True)), Broken)
    else:
        assert (status, problem["type"]) == (500, "/problems/trace-broken")


async def as_owner(town: Town, sql: str, *arguments: object) -> None:
    """As whoever owns the database, past every trigger."""
    connection = await asyncpg.connect(town.database_url)
    try:
        for table in ("trace", "signed_head"):
            await connection.execute(f"ALTER TABLE tregua.{table} DISABLE TRIGGER ALL")
        await connection.execute(sql, *arguments)
        for table in ("trace", "signed_head"):
            await connection.execute(f"ALTER TABLE tregua.{table} ENABLE TRIGGER ALL")
    finally:
        await connection.close()
