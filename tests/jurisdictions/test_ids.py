"""No rule of the facts vanishes unsaid: each id is a rule, a duty, a doubt that its pack names, or says why it is none.

``ids.tsv`` is the list: ``rule`` blocks, ``shadow`` is only reported, ``duty`` and ``retention`` are told, ``doubt`` stands by name
under the pack's ``doubts``, ``definition`` is nothing that a message could break, and says what it is. A pack of ``-`` is none.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from jurisdictions.library import Pack, load

LAW = load()
with (Path(__file__).parent / "ids.tsv").open(encoding="utf-8", newline="") as table:
    ROWS = [
        {key: value or "" for key, value in row.items()}
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
    ]
NOWHERE = "-"
#: A list cut short is no list.
ROWS_MIN = 220


def standing(pack: Pack) -> dict[str, str]:
    """What the pack itself makes of each of its ids."""
    found = {duty.rule: "duty" for duty in pack.duties}
    for rule in pack.rules:
        if pack.binds and rule.table.status == "in_force":
            found[rule.id] = "rule"
        else:
            found.setdefault(rule.id, "shadow")
    return found


def test_the_list_is_whole_and_says_each_thing_once():
    assert len(ROWS) >= ROWS_MIN
    assert not [row for row, times in Counter((row["id"], row["pack"]) for row in ROWS).items() if times > 1]
    assert {row["pack"] for row in ROWS} == {*LAW.packs, NOWHERE}


@pytest.mark.parametrize("pack", LAW.packs.values(), ids=lambda pack: pack.code)
def test_every_id_is_what_the_list_says(pack: Pack):
    listed = {row["id"]: row["state"] for row in ROWS if row["pack"] == pack.code}
    said = {name: state for name, state in listed.items() if state in {"rule", "shadow", "duty"}}
    assert said == standing(pack), f"{pack.code}: tests/jurisdictions/ids.tsv and the pack disagree"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['pack']}:{row['id']}")
def test_what_is_no_rule_says_why(row: dict[str, str]):
    match row["state"]:
        case "rule" | "shadow" | "duty":
            assert row["pack"] != NOWHERE
        case "doubt":
            doubts = " ".join(LAW.packs[row["pack"]].table.doubts)
            assert re.search(rf"(?<![\w-]){re.escape(row['id'])}(?![\w-])", doubts), "no doubt of the pack names it"
        case "retention":
            assert LAW.packs[row["pack"]].table.retention is not None
        case "definition":
            assert row["why"], "nothing is said of why it is no rule"
        case other:
            pytest.fail(f"no such state: {other}")
