"""Writes what runs showed into docs/reliability.md, between marks of its own: no figure there was typed by hand."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulation.people import LAWS
from tests.simulation.stage import Ran
from tests.simulation.town import WORLDS

RELIABILITY = Path("docs") / "reliability.md"
#: What each slice of the campaign counted.
SLICES = Path("build") / "simulation"


@dataclass
class Tally:
    """Sums over runs. ``first``: the number of the first world."""

    first: int = 0
    runs: int = 0
    worlds: int = 0
    messages: int = 0
    taken: int = 0
    stops: int = 0
    entries: int = 0
    statements: int = 0
    waited: int = 0
    violations: int = 0
    by_law: Counter[str] = field(default_factory=Counter)
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
            self.by_law[world.law.name] += len(world.taken)
            self.stops += len(world.stops)
            self.entries += len(told.rows)

    def silent(self) -> list[str]:
        """Laws under which hardly anything was sent."""
        return [law.name for law in LAWS if self.by_law[law.name] < self.worlds / 10]

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(**{name: mine + getattr(other, name) for name, mine in vars(self).items()})


def kept(root: Path, tally: Tally) -> None:
    """Write down a slice of the campaign, so that the table shows all that were run."""
    folder = root / SLICES
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{tally.first}-{tally.first + tally.worlds}.json").write_text(json.dumps(vars(tally)), "utf-8")


def _slices(root: Path) -> Tally:
    total = Tally()
    for path in sorted((root / SLICES).glob("*.json")):
        read = json.loads(path.read_text("utf-8"))
        total += Tally(**{**read, "by_law": Counter(read["by_law"]), "fired": Counter(read["fired"])})
    return total


def runs_table(root: Path) -> None:
    """What was run, slice by slice, what went wrong on purpose, and what was violated."""
    tally = _slices(root)
    lines = [
        "| what | count |",
        "|---|---|",
        f"| runs, {WORLDS} worlds each | {tally.runs:,} |",
        f"| worlds | {tally.worlds:,} |",
        f"| messages | {tally.messages:,} |",
        f"| sends that carriers took | {tally.taken:,}: {', '.join(f'{law} {n:,}' for law, n in sorted(tally.by_law.items()))} |",
        f"| stops | {tally.stops:,} |",
        f"| entries of traces, each chain verified | {tally.entries:,} |",
        f"| statements; of them waited for another's lock | {tally.statements:,}; {tally.waited:,} |",
        *(f"| {name} | {count:,} |" for name, count in sorted(tally.fired.items())),
        f"| **violations** | **{tally.violations}** (95 % bound: at most {3 / max(1, tally.worlds):.1e} of worlds) |",
    ]
    put(root, "simulation", lines)


def kept_mutants(root: Path, part: int, rows: Sequence[tuple[str, int, list[str]]], lives: Sequence[str]) -> None:
    """Write down what became of a part of the mutants: each with its worlds and what caught it, or with nothing."""
    folder = root / SLICES / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    told = {name: [worlds, by] for name, worlds, by in rows} | dict.fromkeys(lives)
    (folder / f"{part}.json").write_text(json.dumps(told), "utf-8")


def mutants_table(root: Path, names: Sequence[str]) -> None:
    """Which mutant was caught by what, after how many worlds, of all parts that were run."""
    told: dict[str, Any] = {}
    for path in sorted((root / SLICES / "mutants").glob("*.json")):
        told |= json.loads(path.read_text("utf-8"))
    caught = [(name, told[name]) for name in names if told.get(name)]
    lines = ["| safeguard taken out | caught by | after worlds |", "|---|---|---|"]
    lines += [f"| {name} | {', '.join(by)} | {worlds} |" for name, (worlds, by) in caught]
    lines += [f"| {name} | **not caught** | |" for name in names if name in told and told[name] is None]
    lines += [f"| {name} | not run | |" for name in names if name not in told]
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
