"""Every operation under schemathesis with all of its checks on: nothing unforeseen is answered, whatever is asked."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.town import Town, person
from tests.sizes import LONG, SURFACE_EXAMPLES

#: What fits the description may still be refused for what it names: a contact that is none, an instant that has passed.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 410, 422, 429]

# A batch is answered with 200 and one status each: a bad item spoils only itself.
[[operations]]
include-name = "POST /v1/messages/batch"
checks.negative_data_rejection.enabled = false
"""
SECONDS_MAX = 3_000
#: What it is told of our media types, loaded in its own process.
HOOKS = "tests.journeys.surface_audio"
#: The boundaries of every field, one by one, are many: the campaign goes through them.
PHASES = "examples,coverage,fuzzing" if LONG else "examples,fuzzing"


async def test_every_operation_answers_as_it_is_described(busy: Town, tmp_path: Path, checkout: Path) -> None:
    for n in range(3):
        status, _, _ = await busy.call("PUT", f"/v1/contacts/cli-100{n}", person(f"cli-100{n}", f"+5730012345{n}7"))
        assert status == 200
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{busy.url}/openapi.json",
        "--header", f"Authorization: Bearer {busy.key}", "--max-response-time", "60", "--max-examples", str(SURFACE_EXAMPLES),
        "--phases", PHASES, "--mode", "all", "--workers", "2", "--continue-on-failure", "--no-shrink", "--no-color",
        "--warnings", "off", "--seed", "20261122", "--request-timeout", "20",
        "--generation-database", "none", "--suppress-health-check", "all",
    ]  # fmt: skip
    ended = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout), "SCHEMATHESIS_HOOKS": HOOKS},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-12_000:]}\n{ended.stderr[-2_000:]}"
    assert "No issues found" in ended.stdout, ended.stdout[-4_000:]
