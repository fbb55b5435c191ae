"""Writes the table of the long trials into docs/reliability.md from what each of them counted: ``make campaign`` ends with it."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = Path(os.environ.get("CAMPAIGN_RESULTS", CHECKOUT / "build" / "campaigns")) / "long"
PAGE: Final = CHECKOUT / "docs" / "reliability.md"
BEGINS: Final = "<!-- campaigns: written by make campaign -->"
ENDS: Final = "<!-- end of campaigns -->"
SIZES: Final = CHECKOUT / "tests" / "sizes.py"
#: The full size of a claim, by its campaign and how it begins: what tests/sizes.py calls it, and how many trials one of it makes.
FULL: Final = {
    ("C3", ""): ("RACES", 1),
    ("C4", ""): ("KILLS", 1),
    ("C5", ""): ("REDIS_PEOPLE", 3),
    ("C6", "connection"): ("COMMIT_CUTS", 1),
    ("C6", "PostgreSQL"): ("POSTGRES_STOPS", 1),
    ("C7", ""): ("WRONG_CLOCKS", 1),
    ("C8", "forged"): ("FORGERIES", 1),
    ("C8", "genuine"): ("REPLAYS", 1),
    ("C9", "a stop"): ("STOPS", 1),
    ("C9", "she taps"): ("PAGE_QUEUE", 1),
    ("C10", "words"): ("HOSTILE_BODIES", 1),
    ("C11", ""): ("TAMPERINGS", 1),
    ("C12", ""): ("CANARIES", 1),
    ("C13", "callers"): ("LEAVERS", 1),
    ("C15", ""): ("SLOW_CALLERS", 1),
    ("C18", ""): ("UPGRADES", 1),
    ("C19", ""): ("CAMPAIGN_ROWS", 1),
    ("C21", ""): ("CRM_EVENTS", 1),
    ("C22", ""): ("CAPS_RACED", 1),
}
#: Who left in the middle was a caller too.
ALSO_TRIALS: Final = "left in the middle"
FLAWS_BEGIN: Final = "<!-- flaws: written by make campaign -->"
FLAWS_END: Final = "<!-- end of flaws -->"


def rows(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What every campaign counted, its parts added up, in the order of their numbers."""
    claims: dict[tuple[int, str], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        part = json.loads(path.read_text())
        claim = int(part["campaign"].lstrip("C")), part["claim"]
        claims[claim] = _together(claims[claim], part) if claim in claims else _alone(part)
    return [claims[claim] for claim in sorted(claims)]


def _alone(part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "seed": [part["seed"]] if part["seed"] else [], "commit": [part["commit"]]}


def _together(one: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Both parts of one claim as one: counts are added up, of what was measured the largest is kept."""
    more = _alone(part)
    notes = {
        name: one["notes"].get(name, 0) + value if isinstance(value, int) else max(value, one["notes"].get(name, value))
        for name, value in more["notes"].items()
    }
    return {
        **one,
        **{name: one[name] + more[name] for name in ("trials", "violations", "seconds", "seed")},
        "faults": dict(sorted((Counter(one["faults"]) + Counter(more["faults"])).items())),
        "notes": {**one["notes"], **notes},
        "commit": list(dict.fromkeys([*one["commit"], *more["commit"]])),
    }


def bound(row: dict[str, Any]) -> str:
    """With no violation in n independent trials the share is below 3/n, at 95 % (the rule of three)."""
    return f"≤ {3 / row['trials']:.1e}" if row["trials"] > 3 and not row["violations"] else "–"


def table(found: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| campaign | claim | trials | faults that fired | violations | 95 % bound | seed | seconds | commit |",
        "|---|---|---:|---|---:|---|---|---:|---|",
    ]
    for row in found:
        faults = ", ".join(f"{name} ×{count:,}" for name, count in row["faults"].items() if count) or "–"
        more = ", ".join(f"{name}: {count:g}" for name, count in row["notes"].items())
        lines.append(
            f"| {row['campaign']} | {row['claim']}{f' ({more})' if more else ''} | {row['trials']:,} | {faults} "
            f"| {len(row['violations'])} | {bound(row)} | {_seeds(row)} | {row['seconds']:,.0f} | {_commits(row)} |"
        )
    trials = sum(row["trials"] for row in found)
    violations = sum(len(row["violations"]) for row in found)
    short = [told for row in found if (told := _short_of(row))]
    lines += ["", f"{len(found)} claims, {trials:,} trials, {violations} violations."]
    lines += ["", f"Not yet of their full size: {'; '.join(short)}."] if short else []
    return "\n".join(lines)


def _short_of(row: dict[str, Any]) -> str | None:
    """What was tried of how many, when that is less than tests/sizes.py wants."""
    sizes = dict(re.findall(r"^(\w+) = _size\(([\d_]+),", SIZES.read_text(), flags=re.MULTILINE))
    for (campaign, begins), (name, each) in FULL.items():
        if row["campaign"] == campaign and row["claim"].startswith(begins):
            tried, full = row["trials"] + row["faults"].get(ALSO_TRIALS, 0), int(sizes[name]) * each
            return f"{campaign} ({row['claim']}) {tried:,} of {full:,}" if tried < full else None
    return None


def _seeds(row: dict[str, Any]) -> str:
    shown = [str(seed) for seed in sorted(row["seed"])]
    return " … ".join([shown[0], shown[-1]][: len(shown)]) if shown else "–"


def _commits(row: dict[str, Any]) -> str:
    return ", ".join(f"`{commit}`" for commit in row["commit"])


def flaws(folder: Path = RESULTS) -> str:
    """Which campaign found which safeguard missing, as Markdown; empty when none was tried."""
    found = [json.loads(path.read_text()) for path in (folder / "mutants").glob("*.json")]
    found.sort(key=lambda row: (int(row["campaign"].lstrip("C")), row["flaw"]))
    lines = ["| campaign | safeguard taken out | what it said |", "|---|---|---|"]
    lines += [f"| {row['campaign']} | {row['flaw']} | {_cell(row['found'])} |" for row in found]
    return "\n".join(lines) if found else ""


def _cell(said: str) -> str:
    return "`" + said.replace("`", "'").replace("|", "/").replace("{", "(").replace("}", ")") + "`"


def write(page: Path = PAGE, folder: Path = RESULTS) -> bool:
    """Put the tables between their marks; False when nothing was counted yet."""
    found = rows(folder)
    if found:
        _put(page, BEGINS, ENDS, table(found))
    caught = flaws(folder)
    if caught:
        _put(page, FLAWS_BEGIN, FLAWS_END, caught)
    return bool(found or caught)


def _put(page: Path, begins: str, ends: str, what: str) -> None:
    text = page.read_text()
    assert begins in text, f"{page} lost its mark"
    assert ends in text, f"{page} lost its mark"
    between = f"{begins}\n\n{what}\n\n{ends}"
    page.write_text(re.sub(f"{re.escape(begins)}.*?{re.escape(ends)}", lambda _: between, text, flags=re.DOTALL))


if __name__ == "__main__":
    raise SystemExit(0 if write() else "no results: run make campaign")
