"""Writes what runs showed into docs/reliability.md, between marks of its own: no figure there was typed by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.stage import Ran
from tests.simulation.town import WORLDS

RELIABILITY = Path("docs") / "reliability.md"


@dataclass
class Tally:
    """Sums over runs."""

    runs: int = 0
    worlds: int = 0
    messages: int = 0
    taken: int = 0
    stops: int = 0
    entries: int = 0
    statements: int = 0
    waited: int = 0
    violations: int = 0
    days: int = 0
    fired: Counter[str] = field(default_factory=Counter)

    def add(self, ran: Ran, violations: int) -> None:
        self.runs += 1
        self.worlds += len(ran.worlds)
        self.violations += violations
        self.statements += ran.statements
        self.waited += ran.waited
        self.fired.update(ran.fired)
        for world, told in ran.worlds:
            self.messages += len(told.messages)
            self.taken += len(world.taken)
            self.stops += len(world.stops)
            self.entries += len(told.rows)


def runs_table(root: Path, tally: Tally) -> None:
    """What was run, what went wrong on purpose, and what was violated."""
    lines = [
        "| what | count |",
        "|---|---|",
        f"| runs, {WORLDS} worlds each | {tally.runs:,} |",
        f"| worlds | {tally.worlds:,} |",
        f"| messages | {tally.messages:,} |",
        f"| sends that carriers took | {tally.taken:,} |",
        f"| stops | {tally.stops:,} |",
        f"| entries of traces, each chain verified | {tally.entries:,} |",
        f"| statements; of them waited for another's lock | {tally.statements:,}; {tally.waited:,} |",
        *(f"| {name} | {count:,} |" for name, count in sorted(tally.fired.items())),
        f"| **violations** | **{tally.violations}** (95 % bound: at most {3 / max(1, tally.worlds):.1e} of worlds) |",
    ]
    put(root, "simulation", lines)


def mutants_table(root: Path, rows: Sequence[tuple[str, int, list[str]]], lives: Sequence[str]) -> None:
    """Which mutant was caught by what, after how many worlds."""
    lines = ["| safeguard taken out | caught by | after worlds |", "|---|---|---|"]
    lines += [f"| {name} | {', '.join(by)} | {worlds} |" for name, worlds, by in rows]
    lines += [f"| {name} | **not caught** | |" for name in lives]
    put(root, "mutants", lines)


def put(root: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the marks of a table."""
    path = root / RELIABILITY
    begins, ends = f"<!-- {name}: written by make campaign -->", f"<!-- end of {name} -->"
    text = path.read_text("utf-8")
    before, _, rest = text.partition(begins)
    _, _, after = rest.partition(ends)
    assert rest, f"{RELIABILITY} has no place for {name}"
    path.write_text(f"{before}{begins}\n\n" + "\n".join(lines) + f"\n\n{ends}{after}", "utf-8")
