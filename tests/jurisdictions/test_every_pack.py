"""Whatever pack is shipped: it can be read, every rule cites, every rule is struck by a case, every doubt stays a doubt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deciding.decide import decide, shadow
from gateway.deciding.scenario import load as load_cases
from jurisdictions.library import PACKS, Pack, load
from jurisdictions.resolution import PLACES

LAW = load()
CASES = Path(__file__).parents[1] / "conformance" / "cases"
#: Our own cases strike what the shared ones leave alone.
OWN = Path(__file__).parent / "cases"


def cases() -> Iterator[tuple[str, object]]:
    for path in [*sorted(CASES.glob("*.yaml")), *sorted(OWN.glob("*.yaml"))]:
        yield from ((f"{path.name}:{case.id}", case) for case in load_cases(path))


ALL = dict(cases())


@pytest.fixture(scope="module")
def struck() -> set[tuple[str, str, str]]:
    """(pack, rule, its sentence) that blocked in some case, in force or in shadow; of a duty (pack, duty, “duty”)."""
    found: set[tuple[str, str, str]] = set()
    for case in ALL.values():
        for reason in (*decide(case.question, LAW).reasons, *shadow(case.question, LAW)):
            found.add((reason.pack.partition("@")[0], reason.rule, reason.limit))
        for duty in decide(case.question, LAW).obligations:
            found.add((duty.pack.partition("@")[0], duty.rule, "duty"))
    return found


def test_every_file_is_a_pack():
    assert sorted(LAW.packs) == sorted(path.stem for path in PACKS.glob("*.toml"))


@pytest.mark.parametrize("pack", LAW.packs.values(), ids=lambda pack: pack.code)
def test_every_rule_cites_and_speaks_three_languages(pack: Pack):
    for rule in pack.rules:
        assert rule.table.cite.strip()
        assert set(rule.table.says) == {"en", "es", "pt"}, rule.where
    for duty in pack.duties:
        assert set(duty.says) == {"en", "es", "pt"}, duty.rule
    assert pack.table.sources
    assert pack.table.reviewed >= pack.table.effective_from or pack.table.status in {"draft", "bill"}


@pytest.mark.parametrize("pack", LAW.packs.values(), ids=lambda pack: pack.code)
def test_every_clause_and_duty_is_struck_by_a_case(pack: Pack, struck: set[tuple[str, str, str]]):
    """A rule of several sentences is struck in each of them: that one of them strikes says nothing of the others."""
    clauses = [(pack.code, rule.id, rule.table.says["en"]) for rule in pack.rules]
    assert len(clauses) == len(set(clauses)), "two clauses of a rule say the same"
    missing = {clause for clause in clauses if clause not in struck}
    missing |= {(pack.code, duty.rule, "duty") for duty in pack.duties if (pack.code, duty.rule, "duty") not in struck}
    assert not missing, f"no case strikes {sorted(missing)}"


@pytest.mark.parametrize("pack", LAW.packs.values(), ids=lambda pack: pack.code)
def test_every_reading_decides_something(pack: Pack):
    used = {name for rule in pack.rules for name in rule.depends_on}
    assert used == set(pack.table.readings)


@pytest.mark.parametrize("pack", LAW.packs.values(), ids=lambda pack: pack.code)
def test_every_exemption_list_and_calendar_is_used(pack: Pack):
    text = pack.text
    for kind in ("exemptions", "words", "calendars"):
        for name in getattr(pack.table, kind):
            assert text.count(f'"{name}"') >= 1, f"{kind}.{name} is named nowhere"


@pytest.mark.parametrize("name", ALL)
def test_every_case_holds(name: str):
    case = ALL[name]
    verdict = decide(case.question, LAW)
    assert case.expects.met_by(verdict), [(reason.rule, reason.observed) for reason in verdict.reasons]


def test_a_place_has_a_pack_in_force_and_the_other_way_round():
    assert {code for code, pack in LAW.packs.items() if pack.binds and pack.table.kind == "jurisdiction"} == PLACES


def test_bills_and_drafts_never_block():
    for code, pack in LAW.packs.items():
        if not pack.binds:
            for case in ALL.values():
                assert all(reason.pack.partition("@")[0] != code for reason in decide(case.question, LAW).reasons)
