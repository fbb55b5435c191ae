"""Holidays: the days that laws close, whatever version of the package is installed."""

from datetime import date

import pytest

from jurisdictions.calendars import Calendar
from jurisdictions.library import load

LAW = load()

COLOMBIA_2026 = [
    "2026-01-01", "2026-01-12", "2026-03-23", "2026-04-02", "2026-04-03", "2026-05-01", "2026-05-18", "2026-06-08",
    "2026-06-15", "2026-06-29", "2026-07-13", "2026-07-20", "2026-08-07", "2026-08-17", "2026-10-12", "2026-11-02",
    "2026-11-16", "2026-12-08", "2026-12-25",
]  # fmt: skip


def test_the_nineteen_holidays_of_colombia_in_2026():
    found = LAW.packs["CO"].calendars["CO"].in_year(2026)
    assert [str(day) for day in found] == COLOMBIA_2026


def test_13_july_2026_holds_with_a_package_that_does_not_know_it(monkeypatch: pytest.MonkeyPatch):
    import holidays

    real = holidays.country_holidays

    def older(*args: object, **kwargs: object) -> dict[date, str]:
        return {day: name for day, name in real(*args, **kwargs).items() if (day.month, day.day) != (7, 13)}

    monkeypatch.setattr(holidays, "country_holidays", older)
    table = LAW.packs["CO"].table.calendars["CO"]
    calendar = Calendar(name="CO", country="CO", added=table.added)
    assert "2578" in str(calendar.holiday(date(2026, 7, 13)))
    assert calendar.holiday(date(2026, 7, 14)) is None


def test_9_july_is_kept_on_the_monday_of_every_year_written_down():
    added = LAW.packs["CO"].table.calendars["CO"].added
    assert [day.year for day in added] == list(range(2026, 2038))
    for day in added:
        ninth = date(day.year, 7, 9)
        assert day.weekday() == 0
        assert 0 <= (day - ninth).days <= 6


def test_added_and_removed_stand_above_the_package():
    own = date(2026, 3, 3)
    gone = date(2026, 12, 25)
    calendar = Calendar(name="X", country="CO", added={own: "ours"}, removed=frozenset({gone}))
    assert calendar.holiday(own) == "ours"
    assert calendar.holiday(gone) is None
    assert calendar.holiday(date(2026, 12, 8)) is not None


def test_working_days_skip_weekends_and_holidays():
    calendar = LAW.packs["CO"].calendars["CO"]
    # Friday 20 March; Monday 23 March 2026 is San José.
    assert calendar.working_days_after(date(2026, 3, 20), 1) == date(2026, 3, 24)
    assert calendar.working_days_after(date(2026, 3, 20), 5) == date(2026, 3, 30)


def test_a_year_that_no_calendar_knows_is_our_mistake():
    with pytest.raises(ValueError, match="1990 to 2100"):
        LAW.packs["CO"].calendars["CO"].holiday(date(1900, 1, 1))
