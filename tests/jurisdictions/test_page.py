"""The page from which a pack is written names every word that one may be written with."""

import inspect
import re
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from jurisdictions import rule, written

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-jurisdiction.md").read_text("utf-8")
WORDS = set(re.findall(r"[a-z][a-z0-9_]+", PAGE))
TABLES = [
    table
    for _, table in inspect.getmembers(written, inspect.isclass)
    if issubclass(table, msgspec.Struct) and table.__module__ == written.__name__
]
CHOICES: list[type[StrEnum]] = [rule.Lift, rule.Threshold, rule.Key, rule.Happening, rule.OnHoliday, rule.AskedMode]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_on_the_page(table: type[msgspec.Struct]):
    assert set(table.__struct_fields__) <= WORDS, sorted(set(table.__struct_fields__) - WORDS)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.__name__)
def test_every_value_is_on_the_page(choice: type[StrEnum]):
    assert {each.value for each in choice} <= WORDS


def test_the_tables_were_found():
    assert {written.PackTable, written.RuleTable, written.HoursTable, written.DutyTable} <= set(TABLES)
