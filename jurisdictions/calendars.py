"""Holiday calendars: the days of the ``holidays`` package, with a pack's own additions and removals, each with its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import holidays

#: Years for which a calendar is believed; outside, asking is a mistake of ours.
YEAR_MIN: Final = 1990
YEAR_MAX: Final = 2100

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calendar:
    """Holidays of one place. ``added`` and ``removed`` stand above the package; ``only_added`` leaves the package out."""

    name: str
    country: str | None
    subdivision: str | None = None
    categories: tuple[str, ...] = ("public",)
    observed: bool = True
    added: Mapping[date, str] = field(default_factory=dict)
    removed: frozenset[date] = frozenset()
    _years: dict[int, Mapping[date, str]] = field(default_factory=dict, repr=False)

    def holiday(self, day: date) -> str | None:
        """The holiday's name, or None on an ordinary day. Raises ValueError for a year outside 1990-2100."""
        year = self._years.get(day.year)
        if year is None:
            year = self._years[day.year] = self._read(day.year)
        return year.get(day)

    def in_year(self, year: int) -> Mapping[date, str]:
        """Every holiday of a year, in order."""
        self.holiday(date(year, 1, 1))
        return dict(sorted(self._years[year].items()))

    def working_days_after(self, day: date, number: int) -> date:
        """The date ``number`` working days (Monday to Friday, no holiday) after ``day``."""
        while number:
            day += timedelta(days=1)
            if day.weekday() < _SATURDAY and self.holiday(day) is None:
                number -= 1
        return day

    def _read(self, year: int) -> Mapping[date, str]:
        if not YEAR_MIN <= year <= YEAR_MAX:
            raise ValueError(f"calendar {self.name} knows {YEAR_MIN} to {YEAR_MAX}, not {year}")
        days: dict[date, str] = {}
        if self.country is not None:
            found = holidays.country_holidays(
                self.country,
                subdiv=self.subdivision,
                years=year,
                observed=self.observed,
                categories=self.categories,
                language="en_US",
            )
            days = {day: name for day, name in found.items() if day not in self.removed}
        return days | {day: name for day, name in self.added.items() if day.year == year}


def check(calendar: Calendar) -> None:
    """Raises ValueError when the package has no such country, part or kind of holidays."""
    try:
        calendar.in_year(2026)
    except (NotImplementedError, ValueError, AttributeError) as error:
        raise ValueError(f"calendar {calendar.name}: {error}") from error
