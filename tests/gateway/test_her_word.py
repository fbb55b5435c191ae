"""What she asked for holds under every law: a stop, a time, a place, an address that is not hers."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from gateway.decide import decide
from gateway.her_word import with_her_word
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
NONE = policy_of({}, LAW)
assert isinstance(NONE, Policy)
#: A Tuesday at 10 in Lima.
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
BEFORE = datetime(2026, 11, 20, 15, tzinfo=UTC)
PERU = Question(
    message=Message(
        channel=Channel.SMS, debts=("d",), address="e1", address_kind=AddressKind.WORK, content=Content(lawful=True)
    ),
    sender=Sender(creditor="C1", collector="A1"),
    person=Person(person="p", role=Role.DEBTOR, zones=("America/Lima",), authorised=frozenset({Channel.SMS})),
    debts={"d": Debt()},
    history=(),
    now=NOW,
    packs={"PE": "jurisdictions given"},
    readings={},
)


def verdict(*said: Event, question: Question = PERU) -> Verdict:
    assert isinstance(NONE, Policy)
    return decide(replace(question, history=said), LAW, with_her_word(NONE, said))


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
    assert verdict(SAID["not in the morning"][0]).until == datetime(2026, 11, 24, 17, tzinfo=UTC)


def test_a_stop_elsewhere_stops_nothing_here() -> None:
    assert verdict(stop(channel=Channel.EMAIL)).answer is Answer.ALLOW
    assert verdict(stop(channel=Channel.SMS, address="e2")).answer is Answer.ALLOW


@pytest.mark.parametrize("purpose", [Purpose.LEGAL_NOTICE, Purpose.REQUESTED_INFO, Purpose.OPTOUT_CONFIRMATION])
def test_what_must_reach_her_still_does(purpose: Purpose) -> None:
    asked = replace(PERU, message=replace(PERU.message, purpose=purpose))
    assert "HOUSE-STOP" not in [r.rule for r in verdict(stop(all=True), question=asked).reasons]


def test_she_lifts_it_herself_by_a_reply_and_nobody_by_a_link() -> None:
    later = datetime(2026, 11, 21, 15, tzinfo=UTC)
    again = stop(state=ConsentState.GRANTED, at=later, channel=Channel.SMS, address="e1", instrument=Instrument.REPLY)
    by_link = replace(again, instrument=Instrument.LINK)
    assert verdict(stop(all=True), again).answer is Answer.ALLOW
    assert verdict(stop(all=True), by_link).answer is Answer.DENY


def test_nothing_is_asked_more_of_who_said_nothing() -> None:
    assert isinstance(NONE, Policy)
    assert with_her_word(NONE, ()) is NONE


@pytest.mark.parametrize("place", sorted(PLACES))
def test_no_law_is_without_it(place: str) -> None:
    asked = replace(PERU, packs={place: "jurisdictions given"}, person=replace(PERU.person, zones=("America/Bogota",)))
    assert verdict(stop(all=True), question=asked).answer is Answer.DENY
