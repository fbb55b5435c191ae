"""The measurement of the console asks for every page, of a book in which limits are at work."""

import subprocess
import sys
from pathlib import Path

PEOPLE = 120


def test_every_page_is_asked_for(checkout: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.console", str(PEOPLE), "--asked", "1", "--folder", str(tmp_path / "servers")],
        cwd=checkout, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(f"{PEOPLE} people; each page asked for 1 times."), done.stderr
    rows = {
        cells[1].strip(): cells
        for line in done.stdout.splitlines()
        if (cells := line.split("|"))[0] == "" and len(cells) > 4
    }
    assert len(rows) == 20, rows.keys()
    everybody, nobody = (float(rows[f"frequency, {who}"][4]) for who in ("everybody", "a channel nobody is tied to"))
    assert everybody > nobody, "limits of people are shown"
