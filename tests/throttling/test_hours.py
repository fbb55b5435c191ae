"""Hours as instants: windows, ends, holidays, several zones, and every change of clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from jurisdictions.compile import windows
from jurisdictions.facts import Facts, facts_of
from jurisdictions.localtime import NEVER
from jurisdictions.rule import Asked, AskedMode, HerHours, Hours
from throttling.hours import Clock, clock
from vocabulary.channel import Channel
from vocabulary.event import Event, HoursRequested, Inconvenient, Instrument, Weekday
from vocabulary.message import Message, Person, Question, Sender

WEEKDAYS = windows("07:00-19:00")
TABLE = Hours(days=(*(WEEKDAYS,) * 5, windows("08:00-15:00"), ()))
EVERY_DAY = Hours(days=(windows("08:00-21:00"),) * 7, closing_inside=True)


def at(text: str, zone: str = "America/Bogota") -> datetime:
    """A wall-clock time somewhere, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def facts(now: datetime, *history: Event, zones: tuple[str, ...] = ("America/Bogota",)) -> Facts:
    question = Question(
        message=Message(channel=Channel.SMS, debts=("D1",)),
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="P1", zones=zones),
        debts={},
        history=history,
        now=now,
        packs={},
        readings={},
    )
    return facts_of(question, frozenset())


def kept(
    table: Hours | HerHours, now: datetime, *history: Event, zones: tuple[str, ...] = ("America/Bogota",)
) -> Clock:
    found = clock(table, facts(now, *history, zones=zones))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-10T06:59:59", "2026-03-10T07:00:00"),
        ("2026-03-10T07:00:00", "2026-03-10T07:00:00"),
        ("2026-03-10T18:59:59", "2026-03-10T18:59:59"),
        ("2026-03-10T19:00:00", "2026-03-11T07:00:00"),
        ("2026-03-13T19:00:00", "2026-03-14T08:00:00"),
        ("2026-03-14T15:00:00", "2026-03-16T07:00:00"),
    ],
)
def test_next_open(now: str, opens: str):
    assert kept(TABLE, at(now)).next_open(at(now)) == at(opens)


def test_a_closing_instant_that_is_inside():
    keeps = kept(EVERY_DAY, at("2026-03-10T12:00:00"))
    closing = at("2026-03-10T21:00:00")
    assert keeps.next_open(closing) == closing
    after = closing + timedelta(microseconds=1)
    assert keeps.next_open(after) == at("2026-03-11T08:00:00")
    assert keeps.next_shut(at("2026-03-10T12:00:00"), closing + timedelta(days=1)) == after


def test_next_shut_sees_only_so_far():
    noon = at("2026-03-10T12:00:00")
    keeps = kept(TABLE, noon)
    assert keeps.next_shut(noon, noon + timedelta(hours=6)) is None
    assert keeps.next_shut(noon, noon + timedelta(hours=7)) == at("2026-03-10T19:00:00")
    night = at("2026-03-10T20:00:00")
    assert keeps.next_shut(night, night) == night


def test_all_zones_must_be_open():
    keeps = kept(TABLE, at("2026-02-10T13:30:00"), zones=("America/Bogota", "Europe/Madrid"))
    assert keeps.next_open(at("2026-02-10T13:30:00")) == at("2026-02-11T07:00:00")
    assert keeps.next_open(at("2026-02-10T12:59:59")) == at("2026-02-10T12:59:59")


def test_zones_that_are_never_open_together():
    keeps = kept(TABLE, at("2026-02-10T13:30:00"), zones=("America/Bogota", "Asia/Jakarta"))
    assert keeps.next_open(at("2026-02-10T13:30:00")) == NEVER


def test_a_fixed_clock_looks_at_no_zone_of_hers():
    table = Hours(days=(windows("08:00-21:00"),) * 7, clock="America/New_York")
    keeps = kept(table, at("2026-03-10T12:00:00"), zones=("America/Los_Angeles",))
    assert keeps.next_open(at("2026-05-13T20:30:00", "America/Los_Angeles")) == at(
        "2026-05-14T08:00:00", "America/New_York"
    )


def test_no_zone_no_clock():
    assert clock(TABLE, facts(at("2026-03-10T12:00:00"), zones=())) is None


ASKED = HoursRequested(
    at=at("2026-03-01T10:00:00"), opens=time(20), closes=time(21), instrument=Instrument.SEPARATE, person="P1"
)


@pytest.mark.parametrize(("mode", "morning"), [(AskedMode.ADD, True), (AskedMode.REPLACE, False)])
def test_hours_that_she_asked_for(mode: AskedMode, morning: bool):
    table = Hours(days=TABLE.days, asked=Asked(mode=mode, instruments=(Instrument.SEPARATE,)))
    keeps = kept(table, at("2026-03-10T12:00:00"), ASKED)
    evening = at("2026-03-10T20:30:00")
    assert keeps.next_open(evening) == evening
    ten = at("2026-03-10T10:00:00")
    assert (keeps.next_open(ten) == ten) is morning


@pytest.mark.parametrize(
    "request_",
    [
        HoursRequested(at=ASKED.at, opens=time(20), closes=time(21), instrument=Instrument.CONTRACT, person="P1"),
        HoursRequested(at=ASKED.at, opens=time(20), closes=time(21), person="P1"),
        HoursRequested(
            at=ASKED.at,
            opens=time(20),
            closes=time(21),
            instrument=Instrument.SEPARATE,
            requested_by="creditor",
            person="P1",
        ),
        HoursRequested(at=ASKED.at, opens=time(20), closes=time(21), instrument=Instrument.SEPARATE, person="P2"),
        HoursRequested(at=ASKED.at, opens=time(20), closes=time(20), instrument=Instrument.SEPARATE, person="P1"),
    ],
)
def test_a_request_that_does_not_count(request_: HoursRequested):
    table = Hours(days=TABLE.days, asked=Asked(mode=AskedMode.ADD, instruments=(Instrument.SEPARATE,)))
    evening = at("2026-03-10T20:30:00")
    assert kept(table, evening, request_).next_open(evening) == at("2026-03-11T07:00:00")


def test_without_the_day_of_signature_nothing_is_proved_to_be_later():
    table = Hours(days=TABLE.days, asked=Asked(mode=AskedMode.ADD, after_contract=True))
    evening = at("2026-03-10T20:30:00")
    assert kept(table, evening, ASKED).next_open(evening) == at("2026-03-11T07:00:00")


def test_a_night_that_she_refused_ends_on_the_next_day():
    now = at("2026-03-10T23:00:00")
    said = Inconvenient(at=ASKED.at, days=(Weekday.TUE,), opens=time(22), closes=time(6), person="P1")
    keeps = kept(HerHours(), now, said)
    assert keeps.next_open(now) == at("2026-03-11T06:00:00")
    assert keeps.next_open(at("2026-03-11T23:00:00")) == at("2026-03-11T23:00:00")


def test_every_hour_refused_is_never():
    now = at("2026-03-10T12:00:00")
    said = Inconvenient(at=ASKED.at, opens=time(0), closes=None, person="P1")
    assert kept(HerHours(), now, said).next_open(now) == NEVER


def test_a_place_is_no_time():
    from vocabulary.channel import AddressKind

    now = at("2026-03-10T12:00:00")
    assert clock(HerHours(), facts(now, Inconvenient(at=ASKED.at, place=AddressKind.WORK, person="P1"))) is None


def wall(now: datetime, zone: str) -> time:
    return now.astimezone(ZoneInfo(zone)).time()


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("America/Santiago", "2026-04-05"),
        ("America/Santiago", "2026-09-06"),
        ("America/Havana", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Africa/Casablanca", "2026-03-22"),
    ],
)
@pytest.mark.parametrize("window", [("00:00", "03:00"), ("01:30", "02:30"), ("02:15", "23:45"), ("23:00", "24:00")])
def test_each_minute_of_a_change_is_judged_by_the_wall(zone: str, night: str, window: tuple[str, str]):
    opens, closes = (text for text in window)
    table = Hours(days=(windows(f"{opens}-{closes}"),) * 7)
    now = at(f"{night}T00:00:00", zone) - timedelta(hours=6)
    keeps = kept(table, now, zones=(zone,))
    last = time.max if closes == "24:00" else time.fromisoformat(closes)
    for minute in range(24 * 60):
        instant = now + timedelta(minutes=minute)
        there = wall(instant, zone)
        inside = time.fromisoformat(opens) <= there and (there < last or closes == "24:00")
        assert (keeps.next_open(instant) == instant) is inside, instant
