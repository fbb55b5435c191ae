"""Says what was measured: a table for the terminal and the same in Markdown, medians with the machine they were taken on."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Final

from bench.rounds import APART, Round
from bench.sizes import Sizes

MIB: Final = 1024 * 1024
#: The names of rows, in their order; the first column of every table.
W1: Final = "W1"
FLOOR: Final = "floor: aiohttp"
FLOOR_ROWS: Final = "floor: aiohttp + rows"
PROTOTYPE: Final = "prototype"
PACKAGES: Final = ("aiohttp", "asyncpg", "msgspec", "uvloop", "twilio", "redis", "arq")

_Column = tuple[str, Callable[[Round], float | None], str]

COLUMNS: Final[tuple[_Column, ...]] = (
    ("accepted/s", lambda r: r.accepted_per_second, ",.0f"),
    ("dispatched/s", lambda r: r.dispatched_per_second, ",.0f"),
    ("completed/s", lambda r: r.completed_per_second, ",.0f"),
    ("accept p50 ms", lambda r: r.accept_p50_ms, ",.1f"),
    ("accept p99 ms", lambda r: r.accept_p99_ms, ",.1f"),
    ("CPU-s / 1,000", lambda r: r.cpu_total, ".2f"),
    ("peak PSS MiB", lambda r: r.pss_peak_bytes / MIB, ",.0f"),
    ("database B / message", lambda r: r.database_bytes, ",.0f"),
    ("WAL B / message", lambda r: r.wal_bytes, ",.0f"),
)
#: What is divided when systems are compared.
RATIOS: Final = ("accepted/s", "completed/s", "CPU-s / 1,000", "peak PSS MiB", "WAL B / message")

#: So little is nothing, in the column's own unit.
NOTHING: Final = dict.fromkeys(RATIOS, 0.0) | {"WAL B / message": 10.0}

Rounds = Mapping[str, Sequence[Round]]


def middle(rounds: Sequence[Round], column: Callable[[Round], float | None]) -> float | None:
    """The median of what was measured; None where nothing was."""
    values = [value for value in map(column, rounds) if value is not None]
    return median(values) if values else None


def results(rounds: Rounds, sizes: Sizes, machine: Mapping[str, str]) -> str:
    """The whole of ``results.md``. Rows of measured systems begin ``| NAME |``."""
    count = len(rounds[W1])
    parts = [
        "# Results of `make bench`",
        "",
        f"Medians of {count} round{'s' * (count != 1)} on one machine in one run; what each column means and what is sent stands in "
        "[docs/performance.md](../docs/performance.md).",
        "Read the ratios: the load generator, the carrier and the CRM share the processors with what they measure, and "
        "are not part of CPU-s or PSS.",
        "",
        *_table([("", *(name for name, _, _ in COLUMNS)), *_rows(rounds)]),
        "",
        "## W1 beside the others",
        "",
        *_table([("W1 ÷", *RATIOS), *_ratios(rounds)]),
        "",
        "## Where the processor time goes (CPU-s per 1,000)",
        "",
        *_cpu(rounds),
        "",
        "## From round to round",
        "",
        *_table([("lowest … highest", *(name for name, _, _ in COLUMNS)), *_spread(rounds)]),
        "",
        "## What it was taken on",
        "",
        *_table([("", "value"), *machine.items(), *((name, version(name)) for name in PACKAGES)]),
        "",
        f"W1: {sizes.messages:,} messages a round (after {sizes.warm:,} that are checked and not timed) to {sizes.contacts:,} contacts; "
        f"floors: {sizes.floor_messages:,} requests a round.",
        "",
    ]
    return "\n".join(parts)


def _rows(rounds: Rounds) -> list[tuple[str, ...]]:
    return [
        (name, *(_shown(middle(taken, column), form) for _, column, form in COLUMNS)) for name, taken in rounds.items()
    ]


def _spread(rounds: Rounds) -> list[tuple[str, ...]]:
    def span(taken: Sequence[Round], column: Callable[[Round], float | None], form: str) -> str:
        values = [value for value in map(column, taken) if value is not None]
        return f"{_shown(min(values), form)} … {_shown(max(values), form)}" if values else _shown(None, form)

    return [(f"{name}:", *(span(taken, column, form) for _, column, form in COLUMNS)) for name, taken in rounds.items()]


def _ratios(rounds: Rounds) -> list[tuple[str, ...]]:
    found = []
    columns = {name: column for name, column, _ in COLUMNS}
    for name, taken in rounds.items():
        if name == W1:
            continue
        row = [f"÷ {name}"]
        for label in RATIOS:
            ours, theirs = middle(rounds[W1], columns[label]), middle(taken, columns[label])
            # Beside nothing there is no ratio: a floor without rows writes a few bytes a round.
            row.append(
                _shown(ours / theirs if ours is not None and theirs and theirs > NOTHING[label] else None, ".2f")
            )
        found.append(tuple(row))
    return found


def _cpu(rounds: Rounds) -> list[str]:
    named = list(dict.fromkeys(part for taken in rounds.values() for part in taken[0].cpu_seconds))
    named.sort(key=lambda part: part in APART)
    rows: list[tuple[str, ...]] = [("part", *(f"{part} (apart)" if part in APART else part for part in named))]
    for name, taken in rounds.items():
        row = [f"{name}:"]
        for part in named:
            values = [seconds for r in taken if (seconds := r.cpu_seconds.get(part)) is not None]
            row.append(_shown(median(values) if values else None, ".2f"))
        rows.append(tuple(row))
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ("---", *("---:" for _ in rows[0][1:]))
    return ["| " + " | ".join(cells) + " |" for cells in (rows[0], rule, *rows[1:])]


def aligned(text: str) -> str:
    """Markdown with its tables' columns drawn apart, for a terminal."""
    lines: list[str] = []
    for is_table, block in groupby(text.splitlines(), key=lambda line: line.startswith("|")):
        if not is_table:
            lines += block
            continue
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            fill = "-" if row[0] == "---" else " "
            cells = [
                cell.rjust(width, fill) if index else cell.ljust(width, fill)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def write(file: Path, text: str) -> None:
    """Whole or not at all."""
    beside = file.with_name(file.name + ".new")
    beside.write_text(text, "utf-8")
    beside.replace(file)
