"""What she asked for holds under every law: a stop, a time, a place, an address that is not hers."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from gateway.deciding.decide import decide, open_until
from gateway.deciding.explain import Stand, explain
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load
from jurisdictions.resolution import PLACES
from vocabulary.channel import AddressKind, Channel, Purpose, Role
from vocabulary.event import (
    Consented,
    ConsentState,
    Event,
    Inconvenient,
    Instrument,
    NotAssociated,
)
from vocabulary.message import Content, Debt, Message, Person, Question, Sender
from vocabulary.verdict import Answer, Verdict

LAW = load()
_READ = policy_of({}, LAW)
assert isinstance(_READ, Policy)
NONE: Policy = _READ
#: A Tuesday at 10 in Buenos Aires, where no law of the pack knows of her word.
NOW = datetime(2026, 11, 24, 13, tzinfo=UTC)
BEFORE = datetime(2026, 11, 20, 15, tzinfo=UTC)
ARGENTINA = Question(
    message=Message(
        channel=Channel.SMS, debts=("d",), address="e1", address_kind=AddressKind.WORK, content=Content(lawful=True)
    ),
    sender=Sender(creditor="C1", collector="A1"),
    person=Person(
        person="p", role=Role.DEBTOR, zones=("America/Argentina/Buenos_Aires",), authorised=frozenset({Channel.SMS})
    ),
    debts={"d": Debt()},
    history=(),
    now=NOW,
    packs={"AR": "jurisdictions given"},
    readings={},
)


def verdict(*said: Event, question: Question = ARGENTINA) -> Verdict:
    return decide(replace(question, history=said), LAW, NONE)


def stop(**more: object) -> Consented:
    fields = {"at": BEFORE, "state": ConsentState.WITHDRAWN, "instrument": Instrument.LINK, "person": "p"}
    return Consented(**(fields | more))  # type: ignore[arg-type]


SAID: dict[str, tuple[Event, str, Answer]] = {
    "no more anywhere": (stop(all=True), "HOUSE-STOP", Answer.DENY),
    "no more here": (stop(channel=Channel.SMS, address="e1"), "HOUSE-STOP", Answer.DENY),
    "not her": (NotAssociated(at=BEFORE, address="e1", person="p"), "HOUSE-STRANGER", Answer.DENY),
    "not in the morning": (
        Inconvenient(at=BEFORE, opens=time(0), closes=time(12), person="p"),
        "HOUSE-NOT-THEN",
        Answer.DEFER,
    ),
    "not at work": (Inconvenient(at=BEFORE, place=AddressKind.WORK, person="p"), "HOUSE-NOT-THERE", Answer.DENY),
}


@pytest.mark.parametrize(("event", "rule", "answer"), SAID.values(), ids=list(SAID))
def test_it_holds_where_no_law_says_so(event: Event, rule: str, answer: Answer) -> None:
    assert verdict().answer is Answer.ALLOW
    found = verdict(event)
    assert found.answer is answer
    assert rule in [reason.rule for reason in found.reasons]


def test_a_time_she_asked_for_ends_when_she_said() -> None:
    assert verdict(SAID["not in the morning"][0]).until == datetime(2026, 11, 24, 15, tzinfo=UTC)


def test_a_stop_elsewhere_stops_nothing_here() -> None:
    assert verdict(stop(channel=Channel.EMAIL)).answer is Answer.ALLOW
    assert verdict(stop(channel=Channel.SMS, address="e2")).answer is Answer.ALLOW


@pytest.mark.parametrize("purpose", [Purpose.LEGAL_NOTICE, Purpose.REQUESTED_INFO, Purpose.OPTOUT_CONFIRMATION])
def test_what_must_reach_her_still_does(purpose: Purpose) -> None:
    asked = replace(ARGENTINA, message=replace(ARGENTINA.message, purpose=purpose))
    assert "HOUSE-STOP" not in [r.rule for r in verdict(stop(all=True), question=asked).reasons]


def test_she_lifts_it_herself_by_a_reply_and_nobody_by_a_link() -> None:
    later = datetime(2026, 11, 21, 15, tzinfo=UTC)
    again = stop(state=ConsentState.GRANTED, at=later, channel=Channel.SMS, address="e1", instrument=Instrument.REPLY)
    by_link = replace(again, instrument=Instrument.LINK)
    assert verdict(stop(all=True), again).answer is Answer.ALLOW
    assert verdict(stop(all=True), by_link).answer is Answer.DENY


def test_nothing_is_asked_more_of_who_said_nothing() -> None:
    assert NONE.keeping(()) is None
    granted = stop(state=ConsentState.GRANTED)
    assert NONE.keeping((granted,)) is None
    assert NONE.keeping((granted, stop())) is NONE.asked_kept


@pytest.mark.parametrize("place", sorted(PLACES))
def test_no_law_is_without_it(place: str) -> None:
    asked = replace(
        ARGENTINA, packs={place: "jurisdictions given"}, person=replace(ARGENTINA.person, zones=("America/Bogota",))
    )
    assert verdict(stop(all=True), question=asked).answer is Answer.DENY


def test_where_a_law_forbids_it_the_law_s_own_reasons_stand_alone() -> None:
    ecuador = replace(ARGENTINA, packs={"EC": "jurisdictions given"})
    stranger = NotAssociated(at=BEFORE, address="e1", person="p")
    assert [reason.rule for reason in verdict(stranger, question=ecuador).reasons] == ["EC-3P"]


@pytest.mark.parametrize(("event", "rule", "answer"), SAID.values(), ids=list(SAID))
def test_it_is_explained_as_it_was_decided(event: Event, rule: str, answer: Answer) -> None:
    told = explain(replace(ARGENTINA, history=(event,)), LAW, NONE, "en")
    assert told.verdict.answer is answer
    assert told.own == (), "a rule of the house is told with what it rests on, as every other is"
    (line,) = [line for line in told.lines if line.rule == rule]
    assert (line.stand, line.blocks, bool(line.observed)) == (Stand.BLOCKS, True, True)
    assert line.until == verdict(event).until
    assert {line.rule for line in told.lines if line.blocks} == {reason.rule for reason in told.verdict.reasons}


def test_an_explanation_asks_no_more_than_the_decision() -> None:
    ecuador = replace(ARGENTINA, packs={"EC": "jurisdictions given"})
    stranger = NotAssociated(at=BEFORE, address="e1", person="p")
    for question in (ARGENTINA, replace(ecuador, history=(stranger,))):
        rules = {line.rule for line in explain(question, LAW, NONE, "en").lines}
        assert not rules & {rule for _, rule, _ in SAID.values()}


def test_closing_is_where_her_own_hours_begin() -> None:
    afternoon = Inconvenient(at=BEFORE, opens=time(12), closes=time(14), person="p")
    asked = replace(ARGENTINA, history=(afternoon,))
    assert open_until(asked, LAW, timedelta(hours=4), NONE) == datetime(2026, 11, 24, 15, tzinfo=UTC)


def test_one_who_said_stop_costs_no_plan_of_her_own() -> None:
    law = load()
    for day in range(1, 20):
        decide(replace(ARGENTINA, history=(stop(all=True, at=BEFORE - timedelta(days=day)),)), law, NONE)
    assert len(law._plans) <= 2
