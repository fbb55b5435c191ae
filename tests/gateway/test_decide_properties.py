"""Properties of the decision over thousands of questions that nobody wrote down."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.deciding.decide import decide
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load
from jurisdictions.localtime import offsets
from jurisdictions.rule import Hours, Says
from vocabulary.channel import AddressKind, AddressSource, Channel, Purpose, Role, SenderRole
from vocabulary.event import (
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Instrument,
    Listed,
    NoticeGiven,
    NoticeKind,
    Replied,
    StatusKind,
    StatusSet,
)
from vocabulary.message import Content, Debt, Message, Person, Question, Sender
from vocabulary.verdict import Answer

LAW = load()
ZONES = ("America/Bogota", "America/New_York", "America/Santiago", "Europe/Madrid", "Pacific/Easter", "Asia/Kolkata")
CODES = sorted(code for code, pack in LAW.packs.items() if pack.binds and pack.table.kind == "jurisdiction")
#: Where a rule binds the first contact alone, one more contact does open it.
STEADY = sorted(
    code
    for code in CODES
    if not any(
        isinstance(clause.predicate, Says) and clause.predicate.first_by is not None
        for rule in LAW.packs[code].rules
        for clause in rule.variants.values()
        if clause is not None
    )
)
FEW = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
channels = st.sampled_from([Channel.SMS, Channel.EMAIL, Channel.WHATSAPP, Channel.VOICE, Channel.CALL_LIVE])
debts = st.sampled_from([("D1",), ("D2",), ("D1", "D2")])
ages = st.timedeltas(timedelta(0), timedelta(days=12)).map(lambda age: timedelta(seconds=int(age.total_seconds())))


@st.composite
def contacts(draw: st.DrawFn, now: datetime) -> Contacted:
    return Contacted(
        at=now - draw(ages),
        channel=draw(channels),
        outcome=draw(st.sampled_from(ContactOutcome)),
        purpose=draw(st.sampled_from([Purpose.COLLECTION, Purpose.REMINDER, Purpose.REQUESTED_INFO])),
        debts=draw(debts),
        address=draw(st.sampled_from(["N1", "N2"])),
        address_kind=draw(st.sampled_from(AddressKind)),
        creditor=draw(st.sampled_from(["C1", "C2"])),
        collector=draw(st.sampled_from(["A1", "A2"])),
        reply_to_inbound=draw(st.booleans()),
        person=draw(st.sampled_from(["P1", "P1", "P2"])),
        role=Role.DEBTOR,
    )


@st.composite
def others(draw: st.DrawFn, now: datetime) -> Event:
    at = now - draw(ages)
    match draw(st.integers(0, 6)):
        case 0:
            text = draw(st.sampled_from(["STOP", "hola", "how do I pay?"]))
            return Replied(at=at, channel=draw(channels), text=text, address="N1", debts=("D1",), person="P1")
        case 1:
            return InboundCall(at=at, debts=draw(debts), person="P1")
        case 2:
            state = draw(st.sampled_from(ConsentState))
            return Consented(at=at, state=state, channel=draw(channels), instrument=Instrument.WEB, person="P1")
        case 3:
            opens, closes = sorted(draw(st.lists(st.times(), min_size=2, max_size=2)))
            return Inconvenient(
                at=at, opens=opens.replace(microsecond=0), closes=closes.replace(microsecond=0), person="P1"
            )
        case 4:
            return HoursRequested(at=at, opens=time(20), closes=time(22), instrument=Instrument.SEPARATE, person="P1")
        case 5:
            return Consented(
                at=at,
                state=ConsentState.GRANTED,
                grants="extra_calls",
                given_to="sender",
                for_days=draw(st.integers(1, 9)),
                person="P1",
            )
        case _:
            status = draw(st.sampled_from([StatusKind.MORATORIUM, StatusKind.PLAN]))
            return StatusSet(at=at, status=status, debts=draw(debts), person="P1")


@st.composite
def stops(draw: st.DrawFn, now: datetime) -> Event:
    """What she or her file says against being contacted: nothing of it can make contact lawful.

    That an address was never hers is left out: what went there no longer counts, which does open what it had filled.
    """
    at = now - draw(ages)
    match draw(st.integers(0, 3)):
        case 0:
            opens, closes = sorted(draw(st.lists(st.times(), min_size=2, max_size=2)))
            return Inconvenient(
                at=at, opens=opens.replace(microsecond=0), closes=closes.replace(microsecond=0), person="P1"
            )
        case 1:
            channel = draw(st.one_of(st.none(), channels))
            return Consented(at=at, state=ConsentState.WITHDRAWN, channel=channel, person="P1")
        case 2:
            return Listed(at=at, register=draw(st.sampled_from(["RNE", "Procon-SP", "REPEP"])), person="P1")
        case _:
            return StatusSet(at=at, status=draw(st.sampled_from(StatusKind)), debts=draw(debts), person="P1")


@st.composite
def questions(draw: st.DrawFn, codes: list[str] = CODES) -> Question:
    now = draw(instants)
    history = draw(st.lists(contacts(now), max_size=6)) + draw(st.lists(others(now), max_size=3))
    return Question(
        message=Message(
            channel=draw(channels),
            purpose=draw(st.sampled_from([Purpose.COLLECTION, Purpose.REQUESTED_INFO, Purpose.REMINDER])),
            debts=draw(debts),
            address="N1",
            address_kind=draw(st.sampled_from([AddressKind.PERSONAL, AddressKind.WORK])),
            reply_to_inbound=draw(st.booleans()),
            content=Content(lawful=True),
        ),
        sender=Sender(role=draw(st.sampled_from(SenderRole)), creditor="C1", collector="A1"),
        person=Person(
            person="P1",
            role=draw(st.sampled_from([Role.DEBTOR, Role.CODEBTOR])),
            zones=tuple(draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True))),
        ),
        debts={"D1": Debt(contract_signed=date(2025, 11, 1), due=draw(st.dates(date(2026, 1, 1), date(2027, 1, 1))))},
        history=tuple(history),
        now=now,
        packs=dict.fromkeys(draw(st.lists(st.sampled_from(codes), min_size=1, max_size=2, unique=True)), "given"),
        readings={},
    )


def passes(question: Question, at: datetime) -> bool:
    return decide(replace(question, now=at), LAW).answer is Answer.ALLOW


def waiting(question: Question) -> Question:
    """The same at the first of the next day's hours at which it must wait: else three questions of four would say nothing."""
    for hours in range(24):
        later = replace(question, now=question.now + timedelta(hours=hours))
        if decide(later, LAW).answer is Answer.DEFER:
            return later
    return question


@given(questions(), st.data())
@FEW
def test_allowed_at_until_and_at_no_instant_before(question: Question, data: st.DataObject):
    question = waiting(question)
    verdict = decide(question, LAW)
    if verdict.answer is not Answer.DEFER or verdict.until is None:
        return
    assert verdict.until > question.now
    assert passes(question, verdict.until)
    assert not passes(question, verdict.until - timedelta(seconds=1)) or verdict.until - question.now < timedelta(
        seconds=1
    )
    waits = int((verdict.until - question.now).total_seconds())
    for seconds in data.draw(st.lists(st.integers(0, max(0, waits - 1)), max_size=20)):
        assert not passes(question, question.now + timedelta(seconds=seconds)), seconds


@given(questions(), st.data())
@FEW
def test_a_denial_is_no_matter_of_waiting(question: Question, data: st.DataObject):
    verdict = decide(question, LAW)
    if verdict.answer is not Answer.DENY:
        return
    assert verdict.until is None
    assert any(reason.effect is Answer.DENY for reason in verdict.reasons) or len(verdict.reasons) > 1
    for hours in data.draw(st.lists(st.integers(0, 24 * 399), max_size=10)):
        assert not passes(question, question.now + timedelta(hours=hours))


@given(questions(STEADY), st.data())
@FEW
def test_one_more_event_opens_no_gate(question: Question, data: st.DataObject):
    said = data.draw(st.lists(stops(question.now), max_size=1))
    question = waiting(replace(question, history=(*question.history, *said)))
    more = data.draw(st.one_of(contacts(question.now), stops(question.now)))
    place = data.draw(st.integers(0, len(question.history)))
    added = replace(question, history=(*question.history[:place], more, *question.history[place:]))
    before, after = decide(question, LAW), decide(added, LAW)
    if before.answer is Answer.DENY:
        assert after.answer is Answer.DENY
    if before.answer is Answer.DEFER and after.answer is Answer.DEFER and before.until and after.until:
        assert after.until >= before.until
    assert not (before.answer is not Answer.ALLOW and after.answer is Answer.ALLOW)


@given(questions(), st.sampled_from(CODES))
@FEW
def test_two_packs_are_never_looser_than_either(question: Question, code: str):
    question = waiting(question)
    both = replace(question, packs={**question.packs, code: "given"})
    # What a word to stop is depends on the packs that bind; alone, each pack knows fewer.
    alone = [decide(replace(question, packs={each: "given"}), LAW) for each in both.packs]
    together = decide(both, LAW)
    for one in alone:
        if one.answer is Answer.DENY:
            assert together.answer is Answer.DENY
        if one.answer is Answer.DEFER:
            assert together.answer is not Answer.ALLOW
            if together.until is not None and one.until is not None:
                assert together.until >= one.until


HOUSE = [
    {"id": "HOUSE-HOURS", "hours": {"open": {"Mon-Fri": "10:00-17:00"}, "calendar": "CO", "holidays": "closed"}},
    {"id": "HOUSE-WEEK", "count": {"limit": 2, "period": "7 dates", "counts": "left", "by": ["creditor"]}},
    {"id": "HOUSE-GAP", "gap": {"period": "3 hours", "counts": "left", "by": []}},
    {"id": "HOUSE-NOVOICE", "channels": ["voice"], "forbids": {"always": True}},
]


@given(questions(), st.lists(st.sampled_from(range(len(HOUSE))), min_size=1, unique=True))
@FEW
def test_a_house_rule_never_loosens(question: Question, chosen: list[int]):
    question = waiting(question)
    policy = policy_of({"house_rules": [HOUSE[number] for number in chosen]}, LAW)
    assert isinstance(policy, Policy)
    plain, tightened = decide(question, LAW), decide(question, LAW, policy)
    if plain.answer is Answer.DENY:
        assert tightened.answer is Answer.DENY
    if plain.answer is Answer.DEFER:
        assert tightened.answer is not Answer.ALLOW
        if plain.until is not None and tightened.until is not None:
            assert tightened.until >= plain.until
    assert {reason.rule for reason in plain.reasons if reason.effect is Answer.DENY} <= {
        reason.rule for reason in tightened.reasons
    }


# ---- every change of clocks -------------------------------------------------------------------------------------------

YEARS = range(2024, 2038)
#: Every pack whose hours bind a call by a person, in the zones of its country that keep a clock of their own, or in one where
#: its people went.
IN_USE = {
    "AU": ("Australia/Sydney", "Australia/Adelaide", "Australia/Lord_Howe"),
    "BR-ES": ("Europe/Lisbon",),
    "BR-RJ": ("Europe/Lisbon",),
    "BR-SP": ("America/New_York",),
    "BR-AL": ("Europe/Lisbon",),
    "CA": ("America/St_Johns", "America/Halifax", "America/Winnipeg"),
    "CA-AB": ("America/Edmonton",),
    "CA-BC": ("America/Vancouver",),
    "CA-ON": ("America/Toronto",),
    "CA-QC": ("America/Toronto", "America/Halifax"),
    "CL": ("America/Santiago", "Pacific/Easter", "America/Punta_Arenas"),
    "CO": ("America/Bogota", "Europe/Madrid", "America/New_York"),
    "DO": ("America/New_York",),
    "EC": ("Europe/Madrid",),
    "GT": ("America/Los_Angeles",),
    "IN": ("Europe/London",),
    "MX": ("America/Tijuana", "America/Ciudad_Juarez", "America/Mexico_City"),
    "PE": ("America/Lima", "America/New_York"),
    "PH": ("Asia/Manila", "America/Los_Angeles"),
    "UK": ("Europe/London",),
    "US": (
        "America/New_York",
        "America/Chicago",
        "America/Denver",
        "America/Los_Angeles",
        "America/Anchorage",
        "America/Adak",
    ),
    "US-DC": ("America/New_York", "America/Los_Angeles"),
    "US-FL": ("America/New_York", "America/Chicago"),
    "US-MA": ("America/New_York", "America/Los_Angeles"),
    "US-WA": ("America/Los_Angeles",),
    "US-WV": ("America/New_York",),
}
#: Whose hours change hands in these years: ``tests/jurisdictions/cases`` has the night of it.
CHANGES_HANDS = {"US-NYC"}


def called(code: str, zone: str) -> Question:
    """A call by a person, with the notices that some laws ask for long since given."""
    person = Person(person="P1", role=Role.DEBTOR, zones=(zone,))
    given = datetime(2023, 1, 2, tzinfo=UTC)
    return Question(
        message=Message(
            channel=Channel.CALL_LIVE,
            debts=("D1",),
            address_source=AddressSource.SUPPLIED,
            content=Content(lawful=True),
        ),
        sender=Sender(creditor="C1", collector="A1"),
        person=person,
        debts={},
        history=tuple(NoticeGiven(at=given, notice=kind, debts=("D1",), person="P1") for kind in NoticeKind),
        now=datetime(2026, 1, 1, tzinfo=UTC),
        packs={code: "given"},
        readings={},
    )


def hours_of(question: Question) -> list[Hours]:
    """What binds a debt of no special kind, which this one is."""
    clauses = (clause for clause in LAW.plan(question).clauses if clause.applies.debt_kinds is None)
    return [clause.predicate for clause in clauses if isinstance(clause.predicate, Hours)]


def changes(zone: str) -> list[datetime]:
    pieces = offsets(datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC), zone)
    return [begins for begins, _, _ in pieces[1:]]


def instants_around(change: datetime, zone: str, tables: list[Hours]) -> list[datetime]:
    """A day and a half to either side, and to the second every edge of the hours on the three dates, in both folds."""
    second = timedelta(seconds=1)
    found = {change + timedelta(minutes=minutes) for minutes in range(-36 * 60, 36 * 60, 120)}
    edges = {change}
    for table in tables:
        clock = ZoneInfo(table.clock or zone)
        for days in (-1, 0, 1):
            day = change.astimezone(clock).date() + timedelta(days=days)
            for edge in {edge for window in table.days[day.weekday()] or () for edge in window}:
                wall = datetime.combine(day, time()) + timedelta(seconds=edge)
                edges |= {wall.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (0, 1)}
    for edge in edges:
        found |= {edge - second, edge, edge + second}
    return sorted(found)


def open_there(hours: Hours, at: datetime, zone: str) -> bool:
    """The rule read by a wall clock and a calendar, without the engine's intervals."""
    there = at.astimezone(ZoneInfo(hours.clock or zone))
    windows = hours.days[there.weekday()]
    if hours.holidays != "ignored" and hours.calendar is not None and hours.calendar.holiday(there.date()) is not None:
        windows = () if hours.holidays == "closed" else None
    if windows is None:
        return True
    now = there.hour * 3600 + there.minute * 60 + there.second
    return any(opens <= now < closes or (hours.closing_inside and now == closes) for opens, closes in windows)


def test_every_pack_with_hours_is_asked_at_every_change_of_clocks():
    with_hours = {code for code in CODES if hours_of(called(code, "America/New_York"))}
    assert with_hours - CHANGES_HANDS == set(IN_USE)
    assert all(any(changes(zone) for zone in zones) for zones in IN_USE.values())


@pytest.mark.parametrize(("code", "zone"), [(code, zone) for code, zones in IN_USE.items() for zone in zones])
def test_no_contact_out_of_hours_across_any_change_of_clocks(code: str, zone: str):
    question = called(code, zone)
    tables = hours_of(question)
    seen = set[bool]()
    since = LAW.packs[code].table.effective_from + timedelta(days=3)
    for change in (change for change in changes(zone) if change.date() >= since):
        for at in instants_around(change, zone, tables):
            lawful = all(open_there(table, at, zone) for table in tables)
            assert passes(question, at) is lawful, at
            seen.add(lawful)
    assert seen == {True, False} or not changes(zone)
