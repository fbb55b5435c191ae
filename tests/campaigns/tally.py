"""What a campaign did, counted by itself: trials, faults that fired, violations. Nothing in the report is written by hand."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.sizes import LONG, PART

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(os.environ.get("CAMPAIGN_RESULTS", CHECKOUT / "build" / "campaigns"))


@dataclass
class Tally:
    """One claim's count. ``planned`` are the faults that must have fired for the trials to say anything."""

    campaign: str
    claim: str
    seed: int | None = None
    planned: tuple[str, ...] = ()
    trials: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    #: More figures: whole numbers are added up over parts, of others the largest is shown.
    notes: dict[str, float] = field(default_factory=dict)

    def hold(self, what: bool, otherwise: str) -> None:
        """Count a violation unless it holds."""
        if not what:
            self.violations.append(otherwise)


@contextmanager
def counted(campaign: str, claim: str, *, seed: int | None = None, planned: tuple[str, ...] = ()) -> Iterator[Tally]:
    """Count one claim; at the end it is written down, whatever became of it, and fails when it was broken or proves nothing."""
    tally = Tally(campaign, claim, seed, planned)
    started = time.monotonic()
    ended = False
    try:
        yield tally
        ended = True
    finally:
        if not ended:
            tally.violations.append("did not come to its end")
        _write(tally, time.monotonic() - started)
    assert not tally.violations, f"{len(tally.violations)} violations, seed {tally.seed}:\n" + "\n".join(
        tally.violations[:10]
    )
    assert tally.trials > 0, "no trial was made"
    never = [name for name in planned if not tally.faults[name]]
    assert not never, f"these faults never fired, so that nothing was shown: {never}"


def _write(tally: Tally, seconds: float) -> None:
    folder = RESULTS / ("long" if LONG else "short")
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in f"{tally.campaign} {tally.claim}".lower())[:120]
    name += f" part {PART}" if PART else ""
    found = {
        "campaign": tally.campaign,
        "claim": tally.claim,
        "trials": tally.trials,
        "faults": dict(sorted(tally.faults.items())),
        "violations": tally.violations,
        "seed": tally.seed,
        "notes": tally.notes,
        "seconds": round(seconds, 1),
        "commit": COMMIT,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    (folder / f"{name}.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def note_mutant(campaign: str, name: str, found: str) -> None:
    """What a campaign said of a house with one flaw."""
    folder = RESULTS / ("long" if LONG else "short") / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    row = {"campaign": campaign, "flaw": name, "found": found[:120]}
    file = "".join(c if c.isalnum() else "-" for c in f"{campaign} {name}".lower())
    (folder / f"{file}.json").write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


#: As the run begins: whatever is committed meanwhile was not tried.
COMMIT = _commit()
