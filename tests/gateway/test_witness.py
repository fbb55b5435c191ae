"""Proofs answer from a few kept hashes what the whole trace would say; a witness finds every trace that did not only grow."""

import json
import random
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.audit.proofs import grown, roots
from gateway.entries import Scribe
from storage import chain, proofs
from storage.database import Connection
from storage.queries import queries
from tests.gateway.policy_command import Ended, tregua
from tests.gateway.test_proof import as_owner
from tests.gateway.town import TENANT, Town
from tracelog.entry import instant
from tracelog.head import Head, SeedSigner, opened, sign
from tracelog.tree import consistency_proof, consistency_ranges, includes, inclusion_proof, inclusion_ranges
from tracelog.witness import Witness, cosignature_in, cosigned, witness_key

LEAVES = [random.Random(n).randbytes(32) for n in range(70_000)]


#: Nothing stays of what was ever signed, so that the sealer signs anew, with the real key.
FORGET = ("DELETE FROM tregua.seal", "DELETE FROM tregua.trace_node", "DELETE FROM tregua.signed_head")


async def _filled(town: Town, count: int, **facts: str) -> None:
    """A trace of so many entries, written as the gateway writes them."""
    scribe = Scribe(b"test")

    async def job(connection: Connection) -> None:
        now, _ = await town.house.clock.now(connection)
        entries = [
            scribe.entry("expired", tenant=TENANT, at=now, facts={"n": n, **facts}, subject=uuid4())
            for n in range(count)
        ]
        await chain.append(connection, {TENANT: entries})

    await town.house.database.run(job)


async def test_what_the_sealer_reads_does_not_grow_with_the_trace(quiet: Town) -> None:
    """Every two seconds it asks for the leaves of a block that was begun: by a plan that knows no ranges, never for all of them."""
    # As wide as a reservation's: what narrow rows cost would hide it.
    await _filled(quiet, 1_500, facts="x" * 700)
    await quiet.rows("ANALYZE trace")
    asked = queries("proofs")["leaves"]

    async def job(connection: Connection) -> dict[str, Any]:
        await connection.execute(f"PREPARE leaves (text, bigint[], bigint[]) AS {asked}")
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE leaves ('{TENANT}', '{{1280}}', '{{1300}}')"
        )
        await connection.execute("DEALLOCATE leaves")
        plan: dict[str, Any] = json.loads(told)[0]["Plan"]
        return plan

    plan = await quiet.house.database.run(job)
    (whole,) = await quiet.rows("SELECT relpages FROM pg_class WHERE oid = 'trace'::regclass")
    assert plan["Actual Rows"] == 20
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 30 < whole["relpages"] / 4


async def test_kept_subtrees_and_leaves_give_the_same_proofs_as_all_leaves(quiet: Town) -> None:
    """Of a tree with every kind of edge: single leaves, full blocks, a full subtree of 2^16 and a ragged end."""
    size = 66_000
    chance = random.Random(5)

    async def job(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO trace (tenant, idx, kind, at, header, leaf) "
            "SELECT $1, ord - 1, 'x', now(), ''::bytea, leaf FROM unnest($2::bytea[]) WITH ORDINALITY AS t(leaf, ord)",
            "other", LEAVES[:size],
        )  # fmt: skip
        known = 0
        while known < size:  # the sealer comes at any moment
            step = min(size - known, chance.choice((1, 255, 256, 257, 4_000, 20_000)))
            await grown(connection, "other", known, LEAVES[known : known + step])
            known += step
        kept = await proofs.nodes(connection, "other", [(8, n) for n in range(258)] + [(16, 0), (16, 1)])
        assert set(kept) == {(8, n) for n in range(size // 256)} | {(16, 0)}
        for _ in range(25):
            now = chance.randrange(1, size + 1)
            index = chance.randrange(now)
            assert await roots(connection, "other", inclusion_ranges(index, now)) == inclusion_proof(LEAVES, index, now)
            old = chance.randrange(1, now + 1)
            found = await roots(connection, "other", consistency_ranges(old, now)) if old < now else []
            assert found == (consistency_proof(LEAVES, old, now) if old < now else [])

    await quiet.house.database.run(job)


async def test_any_entry_is_proved_against_the_signed_head(quiet: Town) -> None:
    await _filled(quiet, 700)
    _, head, _ = await quiet.call("GET", "/v1/trace/head")
    for index in (0, 255, 256, 511, 699):
        status, found, _ = await quiet.call("GET", f"/v1/trace/proof?index={index}")
        assert status == 200, found
        path = [bytes.fromhex(each) for each in found["hashes"]]
        leaf, root = bytes.fromhex(found["leaf"]), bytes.fromhex(head["root"])
        assert includes(leaf, index, head["size"], path, root)
        assert not includes(leaf, index ^ 1, head["size"], path, root)


@pytest.mark.parametrize(
    "query", ["proof?index=10000", "proof?index=1&size=10000", "consistency?from=3&to=2", "consistency?from=99999"]
)
async def test_what_never_was_is_refused_by_name(quiet: Town, query: str) -> None:
    await _filled(quiet, 5)
    status, problem, _ = await quiet.call("GET", f"/v1/trace/{query}")
    assert status == 422
    assert problem["errors"][0]["in"] == "query"


async def _witness(town: Town, state: Path, *more: str) -> Ended:
    return await tregua(town, "witness", "--url", town.url, "--key", town.key, "--state", state, *more, group="trace")


async def test_a_witness_follows_a_trace_that_grows_and_signs_what_it_saw(quiet: Town, tmp_path: Path) -> None:
    sizes = []
    for _ in range(3):
        await _filled(quiet, 300)
        ended = await _witness(quiet, tmp_path, "--json", "--name", "notary.example")
        assert ended.code == 0, ended.err
        sizes.append(json.loads(ended.out)["size"])
    assert sizes == sorted(set(sizes))
    found = json.loads(ended.out)
    _, shown, _ = await quiet.call("GET", "/v1/trace/head")
    head = opened((tmp_path / "last.note").read_text(), bytes.fromhex(shown["public_key"]))
    name, _, encoded = found["witness"].split("+", 2)
    line = (tmp_path / "last.note").read_text().splitlines()[-1]
    raw = b64decode(line.rpartition(" ")[2])
    assert cosigned(head, name, b64decode(encoded)[1:], raw) is not None
    assert cosigned(head, name, b64decode(encoded)[1:], raw[:-1] + bytes([raw[-1] ^ 1])) is None


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (["UPDATE tregua.trace SET leaf = sha256('x') WHERE idx = 3", *FORGET], "status 5"),
        (["DELETE FROM tregua.trace WHERE idx >= 250", "UPDATE tregua.chain SET size = 250",
          *FORGET], "cut back"),
        (["DELETE FROM tregua.trace WHERE idx = 3", "UPDATE tregua.trace SET idx = idx - 1000000 WHERE idx > 3",
          "UPDATE tregua.trace SET idx = idx + 999999 WHERE idx < 0", "UPDATE tregua.chain SET size = size - 1",
          *FORGET, "APPEND"], "rewritten"),
    ],
    ids=["an entry is changed", "the tail is cut off", "an entry is taken out and everything signed anew with the real key"],
)  # fmt: skip
async def test_a_trace_that_was_rewritten_with_every_right_and_key_is_found(
    quiet: Town, tmp_path: Path, attack: Sequence[str], said: str
) -> None:
    await _filled(quiet, 300)
    assert (await _witness(quiet, tmp_path)).code == 0
    kept = (tmp_path / "last.note").read_text()
    for step in attack:
        await (_filled(quiet, 20) if step == "APPEND" else as_owner(quiet, step))
    ended = await _witness(quiet, tmp_path)
    assert ended.code == 1
    assert said in ended.err
    assert (tmp_path / "last.note").read_text() == kept, "what was seen stays the measure"


async def test_another_key_is_never_taken_for_the_pinned_one(quiet: Town, tmp_path: Path) -> None:
    await _filled(quiet, 3)
    other = SeedSigner(b"\x01" * 32).public_key.hex()
    ended = await _witness(quiet, tmp_path, "--pub", other)
    assert ended.code == 1
    assert "DOES NOT HOLD" in ended.err
    assert (await _witness(quiet, tmp_path / "b")).code == 0
    assert (await _witness(quiet, tmp_path / "b", "--pub", other)).code == 2


async def test_a_head_is_handed_on_with_what_every_witness_signed_under_it(quiet: Town, tmp_path: Path) -> None:
    await _filled(quiet, 5)
    for name in ("notary.example", "bank.example"):
        ended = await _witness(quiet, tmp_path / name, "--json", "--name", name)
        assert json.loads(ended.out)["kept"], ended.err
    again = await _witness(quiet, tmp_path / "bank.example", "--json", "--name", "bank.example")
    assert json.loads(again.out)["kept"], "the same head, once more"
    _, shown, _ = await quiet.call("GET", "/v1/trace/head")
    key = bytes.fromhex(shown["public_key"])
    for query in ("", f"?size={shown['size']}"):
        status, found, _ = await quiet.call("GET", f"/v1/trace/cosignatures{query}")
        assert (status, found["size"]) == (200, shown["size"])
        head = opened(found["note"], key)
        assert found["note"].startswith(shown["note"])
        assert [each["name"] for each in found["witnesses"]] == ["bank.example", "notary.example"]
        for each in found["witnesses"]:
            at, _ = cosignature_in(found["note"], head, *witness_key(each["verifier_key"]))
            assert each["at"] == instant(datetime.fromtimestamp(at, UTC))
    await _filled(quiet, 5)
    _, grown_since, _ = await quiet.call("GET", "/v1/trace/head")
    assert (await quiet.call("GET", f"/v1/trace/cosignatures?size={grown_since['size']}"))[0] == 404
    assert (await quiet.call("GET", "/v1/trace/cosignatures"))[1]["size"] == shown["size"]


async def test_nothing_is_kept_that_does_not_hold(quiet: Town) -> None:
    await _filled(quiet, 5)
    _, shown, _ = await quiet.call("GET", "/v1/trace/head")
    head = opened(shown["note"], bytes.fromhex(shown["public_key"]))
    ana, eve = (Witness(name="ana", signer=SeedSigner(bytes([n]) * 32)) for n in (1, 2))
    good = head.note() + ana.line(head, 1_700_000_000)
    mine = Head(origin=head.head.origin, size=2, root=bytes(32))
    forged = sign(mine, SeedSigner(bytes(32)))
    never_signed = sign(mine, quiet.house.sealer.signer(TENANT))
    line = good.splitlines()[-1]
    for pointer, note, witness in (
        ("/note", head.note(), ana.verifier_key),
        ("/note", head.note() + eve.line(head, 1), ana.verifier_key),
        ("/note", good.replace(line, line[:-6] + "AAAA=="), ana.verifier_key),
        ("/note", head.note() + ana.line(never_signed, 1), ana.verifier_key),
        ("/note", forged.note() + ana.line(forged, 1), ana.verifier_key),
        ("/note", never_signed.note() + ana.line(never_signed, 1), ana.verifier_key),
        ("/note", head.note() + ana.line(head, 2**63), ana.verifier_key),
        ("/note", "nothing", ana.verifier_key),
        ("/witness", good, shown["verifier_key"]),
        ("/witness", good, ana.verifier_key.replace("ana+", "eve+")),
    ):
        status, problem, _ = await quiet.call("POST", "/v1/trace/cosignatures", {"note": note, "witness": witness})
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer), problem
    assert (await quiet.call("GET", "/v1/trace/cosignatures"))[0] == 404
    kept = await quiet.call("POST", "/v1/trace/cosignatures", {"note": good, "witness": ana.verifier_key})
    assert (kept[0], kept[1]["note"]) == (200, good)
    # Nobody takes a name that somebody has.
    other = {"note": head.note() + eve.line(head, 1), "witness": eve.verifier_key}
    status, problem, _ = await quiet.call("POST", "/v1/trace/cosignatures", other)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/witness")


def test_a_name_that_could_forge_a_line_is_refused() -> None:
    for name in ("a b", "a+b", "", "a\nb"):
        with pytest.raises(ValueError, match="name"):
            Witness(name=name, signer=SeedSigner(b"\x01" * 32))
