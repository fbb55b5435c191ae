"""Where local dates begin as instants, in zones whose midnight is missing, doubled or shifted."""

from datetime import UTC, date, datetime, timedelta

import pytest

from jurisdictions.localtime import local_date, offsets, shown, starts_at, up_to_second, where_she_is


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        ("2026-03-11", "America/Bogota", "2026-03-11T05:00:00"),
        ("2026-03-08", "America/New_York", "2026-03-08T05:00:00"),
        ("2026-03-09", "America/New_York", "2026-03-09T04:00:00"),
        # Chile: at 24:00 of 5 September 2026 the clock goes to 01:00; midnight does not exist.
        ("2026-09-06", "America/Santiago", "2026-09-06T04:00:00"),
        # and at 24:00 of 4 April it goes back to 23:00; the date begins an hour later for good.
        ("2026-04-05", "America/Santiago", "2026-04-05T04:00:00"),
        # Havana goes back from 01:00 to 00:00: the first midnight is the one.
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00"),
        # Samoa left out 30 December 2011 altogether.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00"),
    ],
)
def test_start_of_a_date(day: str, zone: str, instant: str):
    assert starts_at(date.fromisoformat(day), zone) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/Santiago", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Europe/London"])
def test_a_date_begins_where_it_is_reached_for_good(zone: str):
    day = date(2026, 1, 1)
    while day < date(2028, 1, 1):
        begins = starts_at(day, zone)
        assert local_date(begins, zone) >= day
        assert local_date(begins - timedelta(seconds=1), zone) < day
        day += timedelta(days=1)


def test_offsets_are_cut_to_the_second():
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    pieces = offsets(begin, begin + timedelta(days=30), "America/New_York")
    assert [piece[2] for piece in pieces] == [timedelta(hours=-5), timedelta(hours=-4)]
    assert pieces[0][1] == pieces[1][0] == datetime(2026, 3, 8, 7, tzinfo=UTC)


def test_how_instants_are_shown():
    at = datetime(2026, 3, 15, 20, 4, tzinfo=UTC)
    assert shown(at, "America/Bogota") == "Sunday 15:04 America/Bogota"
    assert where_she_is(at, "America/Bogota").isoformat() == "2026-03-15T15:04:00-05:00"
    assert where_she_is(at, None) == at


def test_an_instant_is_rounded_up_never_down():
    at = datetime(2026, 3, 15, 20, 4, 1, 5, tzinfo=UTC)
    assert up_to_second(at) == datetime(2026, 3, 15, 20, 4, 2, tzinfo=UTC)
    assert up_to_second(at.replace(microsecond=0)) == at.replace(microsecond=0)
