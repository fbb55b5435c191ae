"""Writes the table of the long trials into docs/reliability.md from what each of them counted: ``make campaign`` ends with it."""

import json
import os
import re
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = Path(os.environ.get("CAMPAIGN_RESULTS", CHECKOUT / "build" / "campaigns")) / "long"
PAGE: Final = CHECKOUT / "docs" / "reliability.md"
BEGINS: Final = "<!-- campaigns: written by make campaign -->"
ENDS: Final = "<!-- end of campaigns -->"


def rows(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What every campaign counted, in the order of their numbers."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda row: (int(row["campaign"].lstrip("C")), row["claim"]))


def bound(row: dict[str, Any]) -> str:
    """With no violation in n independent trials the share is below 3/n, at 95 % (the rule of three)."""
    return f"≤ {3 / row['trials']:.1e}" if row["trials"] and not row["violations"] else "–"


def table(found: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| campaign | claim | trials | faults that fired | violations | 95 % bound | seed | seconds | commit |",
        "|---|---|---:|---|---:|---|---|---:|---|",
    ]
    for row in found:
        faults = ", ".join(f"{name} ×{count:,}" for name, count in row["faults"].items()) or "–"
        more = ", ".join(f"{name}: {count:g}" for name, count in row["notes"].items())
        lines.append(
            f"| {row['campaign']} | {row['claim']}{f' ({more})' if more else ''} | {row['trials']:,} | {faults} "
            f"| {len(row['violations'])} | {bound(row)} | {row['seed'] or '–'} | {row['seconds']:,.0f} | `{row['commit']}` |"
        )
    trials = sum(row["trials"] for row in found)
    violations = sum(len(row["violations"]) for row in found)
    lines += ["", f"{len(found)} claims, {trials:,} trials, {violations} violations."]
    return "\n".join(lines)


def write(page: Path = PAGE, folder: Path = RESULTS) -> bool:
    """Put the table between its marks; False when nothing was counted yet."""
    found = rows(folder)
    if not found:
        return False
    text = page.read_text()
    assert BEGINS in text, f"{page} lost its mark"
    assert ENDS in text, f"{page} lost its mark"
    between = f"{BEGINS}\n\n{table(found)}\n\n{ENDS}"
    page.write_text(re.sub(f"{re.escape(BEGINS)}.*?{re.escape(ENDS)}", lambda _: between, text, flags=re.DOTALL))
    return True


if __name__ == "__main__":
    raise SystemExit(0 if write() else "no results: run make campaign")
