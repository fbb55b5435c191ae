"""What a shell offers while somebody types ``tregua``: commands, their own commands and their options, without starting anything."""

import os
import subprocess
import sys

import pytest

OFFERED: dict[str, tuple[str, set[str]]] = {
    "commands": ("tregua s", {"serve", "send"}),
    "commands of a command": ("tregua keys ", {"create", "list", "revoke", "rotate", "limits"}),
    "options": ("tregua send --dr", {"--dry-run"}),
}


@pytest.mark.parametrize(("typed", "offered"), OFFERED.values(), ids=OFFERED.keys())
def test_a_shell_offers_what_there_is(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    ended = subprocess.run(
        [sys.executable, "-c", "from gateway.cli.main import app; app(prog_name='tregua')"],
        env={**os.environ, "_TREGUA_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert set(ended.stdout.split()) == offered
