"""What whoever owns the database does to its past: every kind of change, and the first entry that must be named for it."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.entries import Scribe
from storage import chain
from storage.database import Connection
from tests.gateway.town import TENANT, Town
from tracelog.entry import leaf_hash
from tracelog.export import head_of
from tracelog.head import SeedSigner, sign
from tracelog.tree import Frontier

#: What an attack may touch, and what is put back after it.
TABLES: Final = ("trace", "trace_payload", "chain", "seal", "signed_head")
WITH_TRIGGERS: Final = ("trace", "signed_head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The database's owner, and what stood there: entries, which of them have words, sizes that were signed."""

    town: Town
    owner: Any
    size: int
    worded: tuple[int, ...]
    signed: tuple[int, ...]
    columns: str


#: The first entry that is not what it was; None where no entry was touched.
Named = int | None
Attack = Callable[[Past, random.Random], Awaitable[Named]]


async def _flipped(past: Past, chance: random.Random, table: str, column: str, idx: int) -> Named:
    (was,) = await past.owner.fetchrow(f"SELECT {column} FROM tregua.{table} WHERE idx = $1", idx)
    changed = bytearray(was)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    await past.owner.execute(f"UPDATE tregua.{table} SET {column} = $1 WHERE idx = $2", bytes(changed), idx)
    return idx


async def _header(past: Past, chance: random.Random) -> Named:
    return await _flipped(past, chance, "trace", "header", chance.randrange(past.size))


async def _leaf(past: Past, chance: random.Random) -> Named:
    return await _flipped(past, chance, "trace", "leaf", chance.randrange(past.size))


async def _digest(past: Past, chance: random.Random) -> Named:
    return await _flipped(past, chance, "trace", "payload_digest", chance.choice(past.worded))


async def _words(past: Past, chance: random.Random) -> Named:
    column = chance.choice(["ciphertext", "nonce"])
    return await _flipped(past, chance, "trace_payload", column, chance.choice(past.worded))


async def _column(past: Past, chance: random.Random) -> Named:
    idx = chance.randrange(past.size)
    change = chance.choice(
        [
            "kind = kind || 'x'",
            "at = at + interval '1 microsecond'",
            "message = gen_random_uuid()",
            "subject = gen_random_uuid()",
        ]
    )
    await past.owner.execute(f"UPDATE tregua.trace SET {change} WHERE idx = $1", idx)
    return idx


async def _deleted(past: Past, chance: random.Random) -> Named:
    idx = chance.randrange(past.size)
    await past.owner.execute("DELETE FROM tregua.trace WHERE idx = $1", idx)
    return idx


async def _closed_up(past: Past, chance: random.Random) -> Named:
    idx = chance.randrange(past.size)
    await past.owner.execute("DELETE FROM tregua.trace WHERE idx = $1", idx)
    await _moved(past, "idx - 1", "idx > $1", idx)
    await past.owner.execute("UPDATE tregua.chain SET size = size - 1")
    return idx


async def _put_in(past: Past, chance: random.Random) -> Named:
    # Behind the last one it would be an entry like any other: who may append may append.
    idx = chance.randrange(1, past.size)
    await _moved(past, "idx + 1", "idx >= $1", idx)
    await past.owner.execute(
        f"INSERT INTO tregua.trace (idx, {past.columns}) SELECT $1, {past.columns} FROM tregua.trace WHERE idx = $2",
        idx, idx - 1,
    )  # fmt: skip
    await past.owner.execute("UPDATE tregua.chain SET size = size + 1")
    return idx


async def _swapped(past: Past, chance: random.Random) -> Named:
    idx, other = sorted(chance.sample(range(past.size), 2))
    await _moved(past, f"CASE idx WHEN {idx} THEN {other} ELSE {idx} END", "idx IN ($1, $2)", idx, other)
    return idx


async def _reversed(past: Past, chance: random.Random) -> Named:
    idx = chance.randrange(past.size - 1)
    await _moved(past, f"{past.size - 1 + idx} - idx", "idx >= $1", idx)
    # In the middle of an odd tail one entry stays where it was, and the first is another all the same.
    return idx


async def _shuffled(past: Past, chance: random.Random) -> Named:
    """Some entries anywhere, each in the place of another of them."""
    places = sorted(chance.sample(range(past.size), chance.randrange(3, 9)))
    to = dict(zip(places, [*places[1:], places[0]], strict=True))
    whens = " ".join(f"WHEN {idx} THEN {other}" for idx, other in to.items())
    await _moved(past, f"CASE idx {whens} END", f"idx IN ({', '.join(map(str, places))})")
    return places[0]


async def _cut_off(past: Past, chance: random.Random) -> Named:
    idx = chance.randrange(past.size)
    await past.owner.execute("DELETE FROM tregua.trace WHERE idx >= $1", idx)
    await past.owner.execute("UPDATE tregua.chain SET size = $1", idx)
    return idx


async def _rebuilt(past: Past, chance: random.Random) -> Named:
    """With every hash that is kept of it, as whoever owns the database can."""
    idx, _ = await _rewritten(past, chance)
    return idx


async def _rebuilt_and_grown(past: Past, chance: random.Random) -> Named:
    """The same, and then the gateway goes on: its next head must not vouch for what was rewritten."""
    idx, _ = await _rewritten(past, chance)
    scribe = Scribe(b"test")

    async def job(connection: Connection) -> None:
        now, _ = await past.town.house.clock.now(connection)
        await chain.append(connection, {TENANT: [scribe.entry("expired", tenant=TENANT, at=now, facts={"n": idx})]})

    await past.town.house.database.run(job)
    return idx


async def _signed_by_another(past: Past, chance: random.Random) -> Named:
    """With a head over it, by a key of the attacker's own: ours is in no database."""
    idx, frontier = await _rewritten(past, chance)
    forged = sign(head_of(TENANT, frontier), SeedSigner(chance.randbytes(32)))
    await past.owner.execute(
        "UPDATE tregua.signed_head SET root = $1, note = $2 WHERE size = $3", forged.head.root, forged.note(), past.size
    )
    return idx


async def _head_altered(past: Past, chance: random.Random) -> Named:
    """A letter of the last head's note. No entry is another, and nothing is signed any more."""
    (note,) = await past.owner.fetchrow("SELECT note FROM tregua.signed_head WHERE size = $1", past.size)
    at = chance.choice([place for place, letter in enumerate(note[:-3]) if letter.isalnum()])
    changed = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]
    await past.owner.execute("UPDATE tregua.signed_head SET note = $1 WHERE size = $2", changed, past.size)
    return None


async def _rolled_back(past: Past, chance: random.Random) -> Named:
    """To a head that was truly signed, with everything behind it gone: what was, only who has seen more can tell."""
    size = chance.choice([each for each in past.signed if each < past.size])
    leaves = [row[0] for row in await past.owner.fetch("SELECT leaf FROM tregua.trace ORDER BY idx LIMIT $1", size)]
    frontier = Frontier()
    frontier.extend(leaves)
    await past.owner.execute("DELETE FROM tregua.trace WHERE idx >= $1", size)
    await past.owner.execute("DELETE FROM tregua.signed_head WHERE size > $1", size)
    await past.owner.execute("UPDATE tregua.chain SET size = $1", size)
    await past.owner.execute("UPDATE tregua.seal SET size = $1, frontier = $2", size, frontier.hashes)
    return size


async def _rewritten(past: Past, chance: random.Random) -> tuple[int, Frontier]:
    """An entry that says something else, and every hash above it, the sealer's own too."""
    idx = chance.randrange(past.size)
    header, digest = await past.owner.fetchrow("SELECT header, payload_digest FROM tregua.trace WHERE idx = $1", idx)
    changed = header.replace(b'"facts":{', b'"facts":{"a":%d,' % chance.randrange(10**6))
    assert changed != header
    await past.owner.execute(
        "UPDATE tregua.trace SET header = $1, leaf = $2 WHERE idx = $3", changed, leaf_hash(changed, digest), idx
    )
    frontier = Frontier()
    frontier.extend([row[0] for row in await past.owner.fetch("SELECT leaf FROM tregua.trace ORDER BY idx")])
    await past.owner.execute("UPDATE tregua.seal SET frontier = $1", frontier.hashes)
    return idx, frontier


async def _moved(past: Past, to: str, where: str, *arguments: int) -> None:
    """Indices of some rows changed at once; by way of numbers that no entry has, for each is unique at every moment."""
    await past.owner.execute(f"UPDATE tregua.trace SET idx = -1000000 - ({to}) WHERE {where}", *arguments)
    await past.owner.execute("UPDATE tregua.trace SET idx = -1000000 - idx WHERE idx <= -1000000")


#: What each is called in the report.
ATTACKS: Final[Mapping[str, Attack]] = {
    "a bit of header flipped": _header,
    "a bit of leaf flipped": _leaf,
    "a bit of a digest flipped": _digest,
    "a bit of sealed words flipped": _words,
    "a column changed": _column,
    "an entry deleted": _deleted,
    "an entry deleted and the gap closed": _closed_up,
    "an entry put in": _put_in,
    "two entries swapped": _swapped,
    "the tail reversed": _reversed,
    "some entries reordered": _shuffled,
    "the tail cut off": _cut_off,
    "an entry rewritten, and every hash above it": _rebuilt,
    "rewritten with every hash, and grown since": _rebuilt_and_grown,
    "rewritten and signed by another": _signed_by_another,
    "the last head altered": _head_altered,
    "rolled back to an earlier head": _rolled_back,
}
#: Its export alone holds: the head is a true one. An older export names the entry, and a witness who saw more is not answered.
ALONE_IT_HOLDS: Final = "rolled back to an earlier head"


async def columns(owner: Any, table: str) -> list[str]:
    """Those that are written."""
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'tregua' AND table_name = $1 "
        "AND is_generated = 'NEVER' ORDER BY ordinal_position",
        table,
    )
    return [row[0] for row in rows]
