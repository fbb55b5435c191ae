"""Every worked case of every scenario file, by its id."""

from pathlib import Path

import pytest

from gateway.deciding.decide import decide
from gateway.deciding.scenario import Case, load
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load as load_packs

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.glob("*.yaml"))
LAW = load_packs()
ALL = [case for path in FILES for case in load(path)]
HOUSE = policy_of({}, LAW)


def test_there_are_cases():
    assert {"co.yaml", "us.yaml"} <= {path.name for path in FILES}
    assert len(ALL) >= 114


def test_no_case_names_a_pack_that_is_not_shipped():
    assert {code for case in ALL for code in case.question.packs} <= set(LAW.packs)


def test_ids_are_unique_over_all_files():
    ids = [case.id for case in ALL]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_case(case: Case):
    verdict = decide(case.question, LAW)
    assert case.expects.met_by(verdict), (
        f"{case.title} ({case.cite}): expected {case.expects}, answered {verdict.answer} until {verdict.until} "
        f"by {[(reason.rule, reason.observed) for reason in verdict.reasons]}"
    )


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_the_house_contradicts_no_case(case: Case):
    """What every house keeps of its own (``jurisdictions/own``) changes none of these answers."""
    assert isinstance(HOUSE, Policy)
    verdict = decide(case.question, LAW, HOUSE)
    assert case.expects.met_by(verdict), [(reason.rule, reason.observed) for reason in verdict.reasons]
