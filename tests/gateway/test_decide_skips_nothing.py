"""The quick way to a decision passes over clauses that cannot block: it must never pass over one that would."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bench.engine import cases
from gateway.deciding.decide import asked_of, decide
from gateway.deciding.scenario import load
from jurisdictions.library import load as load_packs
from vocabulary.event import Contacted, NoticeGiven, NoticeKind
from vocabulary.message import Question

TESTS = Path(__file__).parent.parent
FILES = sorted([*(TESTS / "conformance" / "cases").glob("*.yaml"), *(TESTS / "jurisdictions" / "cases").glob("*.yaml")])
LAW = load_packs()
WORKED = [case.question for path in FILES for case in load(path)]


def blocking(question: Question) -> set[str]:
    """The rules that block now when every clause is asked, one by one."""
    facts, asked = asked_of(question, LAW)
    return {each.clause.head.rule for each in asked if each.after(facts.now) > facts.now}


def named(question: Question) -> set[str]:
    return {reason.rule for reason in decide(question, LAW).reasons}


def agree(questions: Iterable[Question]) -> int:
    compared = 0
    for question in questions:
        missed = blocking(question) - named(question)
        assert not missed, (missed, question)
        compared += 1
    return compared


def test_every_worked_case_at_its_instant_and_around_it() -> None:
    around = [timedelta(hours=h) for h in (-30, -11, -3, 0, 2, 7, 19, 40, 170)]
    assert agree(replace(q, now=q.now + by) for q in WORKED for by in around) > 3_000


def test_every_worked_case_without_the_things_that_may_be_missing() -> None:
    """What is absent is where a shortcut would go wrong: histories cut short, nobody's contacts, nothing at all."""
    assert agree(replace(q, history=q.history[:n]) for q in WORKED for n in (0, 1, 2)) > 1_000
    assert agree(replace(q, history=tuple(e for e in q.history if not isinstance(e, Contacted))) for q in WORKED) > 300


def test_the_questions_of_the_bench() -> None:
    assert agree(cases(1_500, seed=7)) == 1_500


@pytest.mark.parametrize("pack", sorted(code for code, pack in LAW.packs.items() if pack.binds))
def test_every_pack_over_other_peoples_histories(pack: str) -> None:
    """Each history of a worked case, asked about under a pack that it was not written for."""
    assert agree(replace(q, packs={pack: "tried"}) for q in WORKED[::4]) > 80


def test_who_is_decided_with_others_at_one_instant_is_told_what_she_is_told_alone() -> None:
    """What is said where nothing was found but everybody's hours is said again to the next one of whom that is so, and to nobody else."""
    several = load_packs()
    told, again = 0, 0
    for by in (timedelta(), timedelta(hours=-9), timedelta(days=4, hours=3)):
        now = WORKED[0].now + by
        questions = [replace(q, now=now) for q in WORKED]
        # Whom the same law binds by another fact is told by which.
        questions += [replace(q, packs=dict.fromkeys(q.packs, "another fact")) for q in questions[::4]]
        # Twice, so that each comes after every other one; backwards too, so that what is remembered last is not always the same.
        verdicts = {id(q): [decide(q, several)] for q in questions}
        for question in reversed(questions):
            verdicts[id(question)].append(decide(question, several))
        for question in questions[::3]:
            LAW._plans.clear()
            alone = decide(question, LAW)
            assert all(verdict == alone for verdict in verdicts[id(question)]), question
            told += 1
        again += len(questions) * 2 - len({id(v) for each in verdicts.values() for v in each})
    assert told > 100
    assert again > 100  # else nothing was remembered, and nothing was shown


def test_a_notice_that_was_given_ends_a_duty_for_her_alone() -> None:
    now = WORKED[0].now
    owing = [q for q in WORKED if decide(replace(q, now=now), LAW).obligations]
    shown = 0
    for question in owing:
        for notice in NoticeKind:
            given = NoticeGiven(
                at=now - timedelta(days=30), notice=notice, debts=question.message.debts, person=question.person.person
            )
            other = NoticeGiven(
                at=now - timedelta(days=30), notice=next(n for n in NoticeKind if n is not notice), person=given.person
            )
            pair = [replace(question, now=now, history=(*question.history, each)) for each in (given, other)]
            together = [decide(each, LAW) for each in pair]
            LAW._plans.clear()
            assert together[::-1] == [decide(each, LAW) for each in reversed(pair)]
            shown += together[0].obligations != together[1].obligations
    assert shown
