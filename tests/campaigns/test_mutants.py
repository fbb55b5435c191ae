"""Each campaign on a house with one safeguard taken out: it must fail, or it proves nothing."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.mutants import FLAWS, VARIABLE, Flaw
from tests.campaigns.tally import note_mutant
from tests.simulation.mutants import applied
from tests.sizes import CAMPAIGN_MUTANTS

SECONDS_MAX = 400
#: What pytest ends with when tests failed; anything else is a mistake of ours.
FAILED = 1


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.title)
def test_a_safeguard_stands_where_it_is_taken_out(flaw: Flaw) -> None:
    assert flaw.parts
    for part in flaw.parts:
        with applied(part):
            pass


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("flaw", FLAWS[:CAMPAIGN_MUTANTS], ids=lambda flaw: flaw.title)
async def test_a_campaign_fails_without_the_safeguard(
    flaw: Flaw, cluster_url: str, redis_url: str, tmp_path: Path, checkout: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", "--no-header",
        f"--basetemp={tmp_path / 'own'}", f"tests/{flaw.test}",
        cwd=checkout,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            VARIABLE: flaw.title,
            "CAMPAIGN": "short",
            "CAMPAIGN_RESULTS": str(tmp_path),
            "TEST_DATABASE_URL": cluster_url,
            "TEST_REDIS_URL": redis_url,
        },
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = said.decode(errors="replace")
    assert process.returncode == FAILED, f"it lives: {process.returncode}\n{told[-3000:]}"
    counted: list[dict[str, Any]] = [json.loads(path.read_text()) for path in (tmp_path / "short").glob("*.json")]
    violations = [each for row in counted for each in row["violations"]]
    assert violations or "1 failed" in told, told[-3000:]
    note_mutant(flaw.campaign, flaw.name, _found(violations, told))


def _found(violations: list[str], told: str) -> str:
    """The first violation that was counted, else what was asserted."""
    violations = [each for each in violations if each != "did not come to its end"]
    asserted = re.findall(r"^E\s+(?:AssertionError: )?(.+)$", told, re.M)
    return (violations or asserted or ["it did not come to its end"])[0]
