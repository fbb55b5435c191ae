"""What stands of all that she said is one fold: as of any instant the same as it was on the day."""

from datetime import UTC, date, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.said import NOTHING, Said, after, said_at
from consent.standing import last_word, stated_zones
from jurisdictions.facts import facts_of
from vocabulary.channel import Channel, Purpose
from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Event,
    Held,
    Instrument,
    LanguagePreferred,
    Promised,
    StatusKind,
    StatusSet,
    ZoneStated,
)
from vocabulary.message import Message, Person, Question, Sender

START = datetime(2026, 5, 1, 12, tzinfo=UTC)

DEBTS = st.sampled_from([(), ("D1",), ("D2",), ("D1", "D2")])
ADDRESSES = st.sampled_from([None, "N1", "N2"])


@st.composite
def events(draw: st.DrawFn) -> Event:
    at = START + timedelta(hours=draw(st.integers(0, 40)))
    person = draw(st.sampled_from(["P1", "P1", "P1", "P2"]))
    ended = draw(st.booleans())
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return ChannelPreferred(
            at=at, channel=draw(st.sampled_from([Channel.SMS, Channel.EMAIL])), ended=ended, person=person
        )
    if kind == 1:
        return ZoneStated(at=at, zones=() if ended else ("Europe/Madrid",), ended=ended, person=person)
    if kind == 2:
        return Promised(at=at, pays_on=date(2026, 6, 1), debts=draw(DEBTS), ended=ended, person=person)
    if kind == 3:
        until = None if ended else at + timedelta(hours=draw(st.integers(1, 30)))
        return Held(at=at, until=until, ended=ended, person=person)
    if kind == 4:
        debts = draw(st.sampled_from([None, ("D1",), ("D2",)]))
        return StatusSet(
            at=at, status=StatusKind.DISPUTE, debts=debts, address=draw(ADDRESSES), ended=ended, person=person
        )
    if kind == 5:
        return LanguagePreferred(at=at, locale=draw(st.sampled_from(["es", "pt"])), person=person)
    return Consented(
        at=at,
        state=draw(st.sampled_from(list(ConsentState))),
        channel=draw(st.sampled_from([None, Channel.SMS, Channel.EMAIL])),
        address=draw(ADDRESSES),
        purpose=draw(st.sampled_from([None, Purpose.COLLECTION, Purpose.MARKETING])),
        instrument=draw(st.sampled_from([None, *Instrument])),
        person=person,
    )


def word(history: list[Event], at: datetime) -> object:
    question = Question(
        message=Message(channel=Channel.SMS, address="N1", debts=("D1",)),
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="P1", zones=("America/Bogota",), authorised=frozenset()),
        debts={},
        history=[event for event in history if event.at <= at],
        now=at,
        packs={},
        readings={},
    )
    return last_word(facts_of(question, frozenset()))


@settings(max_examples=300, deadline=None)
@given(st.lists(events(), max_size=25, unique_by=lambda event: event.at), st.integers(0, 40), st.randoms())
def test_the_past_is_what_it_was(history: list[Event], hours: int, random: object) -> None:
    """Asked later of an instant, everything stands as it stood for who asked then, in whatever order it was learned."""
    at = START + timedelta(hours=hours, minutes=30)
    history.sort(key=lambda event: event.at)
    prefix = [event for event in history if event.at <= at]
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    then = said_at(prefix, "P1", at)
    assert said_at(history, "P1", at) == then == said_at(shuffled, "P1", at)
    assert word(history, at) == word(prefix, at)
    # And going on from there reaches the same as beginning anew.
    rest = [event for event in history if event.at > at and event.person == "P1"]
    assert reduce(after, rest, then) == said_at(history, "P1", START + timedelta(days=9))
    known = [event for event in shuffled if event.at <= at]
    assert said_at(history, "P1", at).zones == stated_zones(known, "P1")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ([], NOTHING),
        (
            [
                ChannelPreferred(at=at(1), channel=Channel.SMS, person="P1"),
                ChannelPreferred(at=at(2), channel=Channel.EMAIL, person="P1"),
            ],
            Said(prefers=ChannelPreferred(at=at(2), channel=Channel.EMAIL, person="P1")),
        ),
        ([LanguagePreferred(at=at(1), locale="pt", person="P2")], NOTHING),
        ([CallRequested(at=at(1), person="P1"), CallRequested(at=at(1), ended=True, person="P1")], NOTHING),
        (
            [
                Promised(at=at(1), debts=("D1",), person="P1"),
                Promised(at=at(2), debts=("D2",), person="P1"),
                Promised(at=at(3), debts=("D1",), ended=True, person="P1"),
            ],
            Said(promises=(Promised(at=at(2), debts=("D2",), person="P1"),)),
        ),
        ([Promised(at=at(1), debts=("D1",), person="P1"), Promised(at=at(3), ended=True, person="P1")], NOTHING),
        (
            [Promised(at=at(1), person="P1"), Promised(at=at(3), debts=("D1",), ended=True, person="P1")],
            Said(promises=(Promised(at=at(1), person="P1"),)),
        ),
        (
            [
                StatusSet(at=at(1), status=StatusKind.HARDSHIP, person="P1"),
                StatusSet(at=at(2), status=StatusKind.HARDSHIP, debts=("D1",), ended=True, person="P1"),
            ],
            Said(statuses=(StatusSet(at=at(1), status=StatusKind.HARDSHIP, person="P1"),)),
        ),
        (
            [
                StatusSet(at=at(1), status=StatusKind.DISPUTE, debts=("D1",), person="P1"),
                StatusSet(at=at(2), status=StatusKind.DISPUTE, ended=True, person="P1"),
            ],
            NOTHING,
        ),
    ],
)
def test_what_stands_once_all_was_said(history: list[Event], stands: Said) -> None:
    assert said_at(history, "P1", at(50)) == stands


def test_a_doubt_is_held_until_its_last_end() -> None:
    said = said_at([Held(at=at(0), until=at(5), person="P1"), Held(at=at(1), until=at(3), person="P1")], "P1", at(2))
    assert (said.held_until(at(2)), said.held_until(at(4)), said.held_until(at(5))) == (at(5), at(5), None)
