"""W1 runs end to end and is valid; broken on purpose, it is found not to be, and gives no figure."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import rounds
from bench.outside import Sabotage
from bench.rounds import Ground, Round

#: A throttled message rests for two seconds before it is tried again; a receipt that is lost on purpose is not waited for much longer.
STALL_SECONDS = 6.0


@pytest.fixture(scope="module")
async def whole(ground: Ground) -> Round:
    return await rounds.w1(ground)


async def test_a_round_is_valid(whole: Round) -> None:
    assert whole.flaws == ()


async def test_every_figure_is_there(whole: Round) -> None:
    """A cost of nothing would be a cost that was not read."""
    for rate in (whole.accepted_per_second, whole.dispatched_per_second, whole.completed_per_second):
        assert rate is not None
        assert 5 < rate < 50_000
    assert 0 < whole.accept_p50_ms <= whole.accept_p99_ms
    for part in ("API", "worker", "PostgreSQL"):
        assert whole.cpu_seconds[part] > 0, part
    # Two hundred requests may cost the generator less than the kernel's tick, by which it counts.
    assert whole.cpu_seconds["generator"] + whole.cpu_seconds["carrier and CRM"] > 0
    assert 0 < whole.cpu_total < sum(whole.cpu_seconds.values())
    assert whole.pss_peak_bytes > 20 * 1024 * 1024
    assert whole.wal_bytes > 1_000
    assert whole.database_bytes > 1_000


@pytest.mark.parametrize(
    ("sabotage", "named"),
    [
        (Sabotage.LOST_RECEIPT, "not every message ended delivered"),
        (Sabotage.TRACE, "trace"),
    ],
)
async def test_a_round_that_was_broken_is_not_valid(ground: Ground, sabotage: Sabotage, named: str) -> None:
    """A receipt is lost; a bit of the trace is changed on disk. One that arrives again is found by the command, below."""
    hasty = replace(ground, sizes=replace(ground.sizes, stall_seconds=STALL_SECONDS))
    broken = await rounds.w1(hasty, sabotage=sabotage)
    assert any(named in flaw for flaw in broken.flaws), broken.flaws


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", "--short", *words], capture_output=True, text=True, timeout=240, check=False
    )


def test_the_command_writes_its_tables(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    # A round at rest and the audit are taken by test_audit.py.
    words = ("--folder", str(tmp_path / "servers"), "--results", str(results), "--parts", "W1", "W3", "W4")
    done = bench(*words)
    assert done.returncode == 0, done.stderr
    rows = [line for line in results.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len([row for row in rows if row.startswith("| W1 |")]) == 1
    for system in ("floor: aiohttp", "floor: aiohttp + rows", "prototype"):
        assert any(row.startswith(f"| {system} |") for row in rows), system
    assert [part in done.stdout for part in ("W3: ", "W4: ", "at rest", "W5: ")] == [True, True, False, False]
    assert not (tmp_path / "servers").exists()


def test_the_command_fails_and_writes_nothing_when_w1_is_not_valid(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    done = bench("--folder", str(tmp_path / "servers"), "--results", str(results), "--sabotage", "twice")
    assert done.returncode == 1
    assert "W1 is not valid: 1 messages arrived again" in done.stderr
    assert not results.exists()
