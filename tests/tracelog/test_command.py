"""``tregua trace verify`` as it is typed: exit codes, words, JSON, and nothing loaded that it does not need."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import verifying
from gateway.cli.trace import app
from tests.tracelog.test_export import FIVE, GOOD, SIGNER, THIEF, exported, head, row
from tracelog import export
from tracelog.entry import leaf_hash
from tracelog.head import verifier_key
from tracelog.line import Piece, piece_of

PINNED = verifier_key("tregua/acme", SIGNER.public_key)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments], input=stdin)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "export.ndjson"
    path.write_bytes(GOOD)
    return path


def test_an_export_that_holds_is_exit_0_and_says_that_it_is_unpinned(good: Path) -> None:
    result = run(str(good))
    assert result.exit_code == 0
    assert "holds: 5 entries of tregua/acme" in result.stdout
    assert "unpinned" in result.stdout


def test_with_the_key_it_is_pinned(good: Path, tmp_path: Path) -> None:
    in_a_file = tmp_path / "acme.pub"
    in_a_file.write_text(PINNED + "\n")
    for key in (PINNED, SIGNER.public_key.hex(), str(in_a_file)):
        result = run(str(good), "--key", key)
        assert result.exit_code == 0, result.output
        assert "unpinned" not in result.stdout


def test_an_altered_entry_is_exit_1_and_named(good: Path) -> None:
    good.write_bytes(GOOD.replace(b'"n":3', b'"n":4'))
    result = run(str(good))
    assert result.exit_code == 1
    assert "entry 3 (line 4)" in result.stdout


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", GOOD[:-1], GOOD[: GOOD.rindex(b"\n{")], GOOD + b"\n", b"\xff\x00", GOOD.replace(b"\n", b"\r\n")],
)
def test_what_is_no_whole_export_is_exit_1(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(data)
    assert run(str(path)).exit_code == 1


def test_another_key_is_exit_1(good: Path) -> None:
    result = run(str(good), "--key", THIEF.public_key.hex())
    assert result.exit_code == 1
    assert "another key" in result.stdout


def test_json_says_the_same(good: Path) -> None:
    result = run(str(good), "--json", "--key", PINNED)
    assert json.loads(result.stdout) == {
        "holds": True,
        "origin": "tregua/acme",
        "size": 5,
        "root": head(FIVE).head.root.hex(),
        "key_id": PINNED.split("+")[1],
        "public_key": SIGNER.public_key.hex(),
        "pinned": True,
        "payloads": 2,
        "payloads_absent": 0,
    }
    good.write_bytes(exported(FIVE[:4], head(FIVE)))
    result = run(str(good), "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["holds"], said["line"], said["index"]) == (False, 5, None)


@pytest.mark.parametrize("place", [1, 700, verifying.PLACE_BYTES], ids=["by a pipe", "some", "all"])
def test_a_long_export_is_shared_out_and_a_process_that_is_killed_changes_nothing(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More batches than places where they lie, so that each place is taken several times; some are longer than a place."""
    forty = [row(n, words=b"Hola Ana" if n % 3 else None, note="x" * (n % 5 * 100)) for n in range(40)]
    whole = exported(forty, head(forty))
    path = tmp_path / "export.ndjson"
    monkeypatch.setattr(export, "BATCH_BYTES", 1)
    monkeypatch.setattr(verifying, "PLACE_BYTES", place)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    path.write_bytes(whole)
    said = json.loads(run(str(path), "--key", PINNED, "--json").stdout)
    assert (said["size"], said["payloads"], said["root"]) == (40, 26, head(forty).head.root.hex())
    for n in (0, 3, 29, 39):
        path.write_bytes(whole.replace(b'"n":%d,' % n, b'"n":%d,' % (n + 100)))
        assert f"entry {n} (line {n + 1})" in run(str(path)).stdout
    path.write_bytes(whole)
    monkeypatch.setattr(verifying, "piece_of", _killed)
    assert run(str(path), "--key", PINNED).exit_code == 0
    path.write_bytes(whole.replace(b'"n":30,', b'"n":31,'))
    assert "entry 30 (line 31)" in run(str(path), "--key", PINNED).stdout


def test_a_batch_lies_where_it_was_laid_until_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    forty = [row(n) for n in range(40)]
    lines = exported(forty, head(forty)).splitlines(keepends=True)[:-1]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(verifying, "piece_of", _slowly)
    found = [(batch, piece and piece.first) for batch, piece in verifying.pieces(lines)]
    assert found == [(line, n) for n, line in enumerate(lines)]


def _slowly(data: bytes) -> Piece | None:
    time.sleep(0.01)
    return piece_of(data)


def _killed(_: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_older_export_names_an_entry_that_was_rewritten_with_its_leaf(good: Path, tmp_path: Path) -> None:
    rewritten = FIVE[2].header.replace(b'"n":2', b'"n":9')
    changed = [*FIVE]
    changed[2] = replace(FIVE[2], header=rewritten, leaf=leaf_hash(rewritten, FIVE[2].payload_digest))
    newer = tmp_path / "newer.ndjson"
    newer.write_bytes(exported(changed, head(FIVE)))
    alone = run(str(newer), "--key", PINNED)
    assert alone.exit_code == 1
    assert "head (line 6)" in alone.stdout
    beside = run(str(newer), "--key", PINNED, "--before", str(good))
    assert beside.exit_code == 1
    assert "entry 2 (line 3)" in beside.stdout
    # Signed anew by whoever holds the key, it is whole in itself, and an older export shows it all the same.
    newer.write_bytes(exported(changed, head(changed)))
    assert run(str(newer), "--key", PINNED).exit_code == 0
    assert run(str(newer), "--key", PINNED, "--before", str(good)).exit_code == 1
    assert run(str(good), "--key", PINNED, "--before", str(good)).exit_code == 0
    newer.write_bytes(exported(changed, head(FIVE)))
    assert run(str(good), "--key", PINNED, "--before", str(newer)).exit_code == 2


def test_it_reads_a_pipe() -> None:
    assert run("-", stdin=GOOD).exit_code == 0
    assert run("-", stdin=GOOD[:-1]).exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["missing.ndjson"],
        ["."],
        ["-", "--key", "nonsense"],
        ["-", "--key", "x" * 5_000],
        ["-", "--what"],
        ["-", "-"],
    ],
    ids=str,
)
def test_wrong_use_is_exit_2(arguments: list[str]) -> None:
    assert run(*arguments, stdin=GOOD).exit_code == 2


def test_it_needs_no_server_code() -> None:
    """Offline is a promise: nothing that could open a connection is even loaded."""
    script = (
        "import sys, gateway.cli.trace; print([m for m in ('aiohttp', 'asyncpg', 'redis', 'arq') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
