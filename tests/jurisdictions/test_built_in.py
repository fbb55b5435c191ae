"""The house's own rules are data like any law: cited, in three languages, and read as strictly."""

from pathlib import Path

import pytest

from jurisdictions.built_in import ERASED, HOUSE, HOUSE_LIST, always, her_word, house_rules
from jurisdictions.compile import PackError, Rule
from jurisdictions.house import policy_of
from jurisdictions.library import load
from vocabulary.verdict import Force

OWN = (*always(), *her_word())
RULE = """
title = "own"
kind = "house"
status = "in_force"
effective_from = 1970-01-01
reviewed = 2026-11-22
sources = ["us"]
[[rules]]
id = "HOUSE-X"
force = "house"
cite = "house rule"
says.en = "x"
forbids.held = true
"""


@pytest.mark.parametrize("rule", OWN, ids=lambda rule: rule.id)
def test_every_rule_is_the_house_s_and_speaks_three_languages(rule: Rule) -> None:
    clause = rule.under({})
    assert clause is not None
    assert (clause.head.pack, clause.head.force, rule.id.startswith("HOUSE-")) == (HOUSE, Force.HOUSE, True)
    assert rule.table.cite.strip()
    assert set(rule.table.says) == {"en", "es", "pt"}


@pytest.mark.parametrize("rule", OWN, ids=lambda rule: rule.id)
def test_no_policy_takes_its_name_or_sets_it_aside(rule: Rule) -> None:
    law = load()
    named = policy_of({"house_rules": [{"id": rule.id, "forbids": {"held": True}}]}, law)
    aside = policy_of({"overrides": [{"rule": rule.id, "authority": "a", "reason": "b"}]}, law)
    assert isinstance(named, list)
    assert isinstance(aside, list)
    assert [problem.pointer for problem in (*named, *aside)] == ["/house_rules/0", "/overrides/0/rule"]


def test_registers_are_called_as_the_house_writes_them() -> None:
    names = {
        name
        for rule in always()
        if (forbids := rule.table.forbids) and forbids.register
        for name in forbids.register.names
    }
    assert names == {ERASED, f"{HOUSE_LIST}*"}


@pytest.mark.parametrize(
    ("there", "instead", "why"),
    [
        ('kind = "house"', 'kind = "jurisdiction"', "says so"),
        ('status = "in_force"', 'status = "draft"', "in force"),
        ('force = "house"', 'force = "binding"', "house rule is house"),
        ("forbids.held", "forbids.heldd", "heldd"),
    ],
)
def test_a_file_that_is_something_else_stops_the_start(tmp_path: Path, there: str, instead: str, why: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(RULE)
    assert [rule.id for rule in house_rules(file)] == ["HOUSE-X"]
    file.write_text(RULE.replace(there, instead, 1))
    with pytest.raises(PackError, match=why):
        house_rules(file)
