"""A test that needs what the machine lacks says so, and is a failure on the machine that vouches for everybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
import pytest

@pytest.mark.needs("chromium")
def test_page():
    pass
"""


@pytest.mark.parametrize(
    ("claim", "ci", "there", "code", "words"),
    [
        ("lacking on a newcomer's machine", None, False, 0, "not run: missing chromium"),
        ("lacking, CI set to nothing", "", False, 0, "not run: missing chromium"),
        ("lacking, CI said to be false", "false", False, 0, "not run: missing chromium"),
        ("lacking in CI", "true", False, 1, "not run: missing chromium"),
        ("there", "true", True, 0, "1 passed"),
    ],
)
def test_what_is_missing_is_said(
    checkout: Path, tmp_path: Path, claim: str, ci: str | None, there: bool, code: int, words: str
) -> None:
    (tmp_path / "test_page.py").write_text(SOURCE)
    programs = tmp_path / "bin"
    programs.mkdir()
    if there:
        (programs / "chromium").touch(mode=0o755)
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {
        "PATH": str(programs),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # most of what a start of pytest costs
    }
    if ci is not None:
        environment["CI"] = ci
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -ra --strict-markers\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        tmp_path / "test_page.py",
    ]
    answer = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, words in answer.stdout) == (code, True), f"{claim}: {answer.stdout}{answer.stderr}"
