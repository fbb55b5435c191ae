"""Local dates and clocks as instants in UTC, right through gaps and folds of summer time."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

#: Before and after everything: the ends of a hold that has no beginning or no end.
PAST: Final = datetime.min.replace(tzinfo=UTC)
NEVER: Final = datetime.max.replace(tzinfo=UTC)

#: How long ahead the law is asked; a message that no instant within it allows is denied.
HORIZON: Final = timedelta(days=400)

#: Cached conversions; a working set is a few zones times a few months.
_DATES_MAX: Final = 16_384

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises ``ZoneInfoNotFoundError`` (a ``KeyError``) or ``ValueError`` when there is none."""
    return ZoneInfo(name)


def in_utc(at: datetime) -> datetime:
    """The same instant in UTC, so that comparing never looks at a wall clock."""
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def up_to_second(at: datetime) -> datetime:
    """The first whole second at or after an instant: answers are exact to the second and never early."""
    return at if not at.microsecond else at.replace(microsecond=0) + _SECOND


def local_date(at: datetime, zone_name: str) -> date:
    """The calendar date on the wall there."""
    return at.astimezone(zone(zone_name)).date()


@lru_cache(maxsize=_DATES_MAX)
def starts_at(day: date, zone_name: str) -> datetime:
    """The first instant from which the local date is ``day`` or later for good.

    Where midnight falls into a gap this is the end of the gap; where the clock goes back over midnight, the second pass.
    """
    midnight = datetime.combine(day, time())
    there = zone(zone_name)
    early = midnight.replace(tzinfo=there, fold=0).astimezone(UTC)
    late = midnight.replace(tzinfo=there, fold=1).astimezone(UTC)
    if early == late:
        return early
    below = early - _DAY
    for begin, end, offset in offsets(early - 2 * _DAY, early + 2 * _DAY, zone_name):
        edge = midnight.replace(tzinfo=UTC) - offset
        if edge > begin:
            below = min(end, edge)
    return below


@lru_cache(maxsize=4096)
def offsets(begin: datetime, end: datetime, zone_name: str) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """``[begin, end)`` cut where the offset from UTC changes: (from, to, offset), to the second."""
    there = zone(zone_name)

    def offset(at: datetime) -> timedelta:
        return at.astimezone(there).utcoffset() or timedelta()

    pieces: list[tuple[datetime, datetime, timedelta]] = []
    piece_begin, piece_offset, at = begin, offset(begin), begin
    while at < end:
        step = min(at + _DAY, end)
        changed = offset(step)
        if changed != piece_offset:
            low, high = at, step  # zones change at whole seconds
            while high - low > _SECOND:
                middle = low + _SECOND * ((high - low) // 2 // _SECOND)
                if offset(middle) == piece_offset:
                    low = middle
                else:
                    high = middle
            pieces.append((piece_begin, high, piece_offset))
            piece_begin, piece_offset = high, offset(high)
            at = high
            continue
        at = step
    if piece_begin < end:
        pieces.append((piece_begin, end, piece_offset))
    return tuple(pieces)


_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@lru_cache(maxsize=1024)  # what is decided together shares its instant
def shown(at: datetime, zone_name: str | None) -> str:
    """``Sunday 15:04 America/Bogota``: an instant as a person there would say it (UTC where no zone is known)."""
    name = zone_name or "UTC"
    there = at.astimezone(zone(name))
    seconds = f":{there.second:02d}" if there.second else ""
    return f"{_WEEKDAYS[there.weekday()]} {there.hour:02d}:{there.minute:02d}{seconds} {name}"


def dated(at: datetime, zone_name: str | None) -> str:
    """``2026-03-10 09:00 America/Bogota``."""
    name = zone_name or "UTC"
    return f"{at.astimezone(zone(name)):%Y-%m-%d %H:%M} {name}"


@lru_cache(maxsize=_DATES_MAX)
def where_she_is(at: datetime, zone_name: str | None) -> datetime:
    """The same instant with the fixed offset of the clock there: readable, and compared as an instant."""
    there = at.astimezone(zone(zone_name or "UTC"))
    return there.replace(tzinfo=timezone(there.utcoffset() or timedelta()))
