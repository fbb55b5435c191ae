"""Open hours as instants: a rule's table in every zone the person may be in, through every change of clocks."""

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from jurisdictions.facts import Facts
from jurisdictions.localtime import HORIZON, NEVER, local_date, offsets
from jurisdictions.rule import SECONDS_A_DAY, Asked, AskedMode, HerHours, Hours, OnHoliday, Window
from vocabulary.event import ALL_DAYS, HoursRequested, Inconvenient, Weekday

#: Open hours are worked out for this many days at a time, and kept.
BLOCK_DAYS: Final = 64
#: Tables times sets of zones that are kept ready.
_CLOCKS_MAX: Final = 4096
#: An hour asked of a clock may run this far ahead and a little more.
_BLOCKS_MAX: Final = HORIZON.days // BLOCK_DAYS + 2

_DAY: Final = timedelta(days=1)
#: Where the closing instant itself is inside, the hours end with the next thing a clock can show.
_INSTANT: Final = timedelta(microseconds=1)
_NUMBERS: Final = {day: number for number, day in enumerate(Weekday)}

#: (ISO weekdays from 0, window): a wish of the person as the clock needs it.
Wish = tuple[tuple[int, ...], Window]
Interval = tuple[datetime, datetime]


class Clock:
    """The instants at which hours are open in every zone; asked from any instant, worked out as far as asked."""

    __slots__ = ("_asked", "_barred", "_blocks", "_open", "_shut", "_table", "_zones")

    def __init__(
        self, table: Hours | None, zones: tuple[str, ...], asked: tuple[Wish, ...], barred: tuple[Wish, ...]
    ) -> None:
        self._table, self._zones, self._asked, self._barred = table, zones, asked, barred
        self._blocks: dict[int, tuple[list[datetime], list[datetime]]] = {}
        # The last stretches that were asked about: the next question is nearly always of the same hour.
        self._open: Interval = (NEVER, NEVER)
        self._shut: Interval = (NEVER, NEVER)

    def next_open(self, at: datetime) -> datetime:
        """The first open instant at or after one in UTC; ``NEVER`` when there is none within the horizon."""
        opens, closes = self._open
        if opens <= at < closes:
            return at
        shuts, reopens = self._shut
        if shuts <= at < reopens:
            return reopens
        return self._next_open(at)

    def open_around(self, at: datetime) -> Interval | None:
        """An open stretch around an instant in UTC, not always the whole of it; None where the hours are shut."""
        return self._open if self.next_open(at) == at else None

    def _next_open(self, asked: datetime) -> datetime:
        at = asked
        number = at.toordinal() // BLOCK_DAYS
        for block in range(number, number + _BLOCKS_MAX):
            opens, closes = self._block(block)
            place = bisect_right(opens, at) - 1
            if place >= 0 and at < closes[place]:
                if at > asked:
                    self._shut = (asked, at)
                else:
                    self._open = (opens[place], closes[place])
                return at
            if place + 1 < len(opens):
                self._shut = (asked, opens[place + 1])
                return opens[place + 1]
            at = max(at, _begin(block + 1))
        return NEVER

    def next_shut(self, at: datetime, last: datetime) -> datetime | None:
        """The first instant at or after one in UTC, not after ``last``, at which the hours are shut."""
        while at <= last:
            opens, closes = self._block(at.toordinal() // BLOCK_DAYS)
            place = bisect_right(opens, at) - 1
            if place < 0 or at >= closes[place]:
                return at
            at = closes[place]  # open again at once where two blocks meet
        return None

    def alone(self, zone_name: str) -> "Clock":
        """The same hours in one of the zones."""
        return _clock(self._table, (zone_name,), self._asked, self._barred)

    def windows(self, day: date, zone_name: str) -> list[tuple[datetime, datetime]]:
        """The open windows of one local date in one zone alone, in UTC: what an explanation shows."""
        midnight = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
        return self._in_zone(zone_name, midnight - 2 * _DAY, midnight + 3 * _DAY, (day,))

    def _block(self, number: int) -> tuple[list[datetime], list[datetime]]:
        block = self._blocks.get(number)
        if block is None:
            begin, end = _begin(number), _begin(number + 1)
            dates = tuple(begin.date() + timedelta(days=n) for n in range(-2, BLOCK_DAYS + 2))
            open_in_all: list[Interval] = [(begin, end)]
            for name in self._zones:
                open_in_all = _both(open_in_all, self._in_zone(name, begin - 3 * _DAY, end + 3 * _DAY, dates))
            block = [opens for opens, _ in open_in_all], [closes for _, closes in open_in_all]
            self._blocks[number] = block
        return block

    def _in_zone(self, name: str, begin: datetime, end: datetime, dates: tuple[date, ...]) -> list[Interval]:
        walls = _merged([window for day in dates for window in self._on(day)])
        if self._barred:
            walls = _minus(walls, _merged([window for day in dates for window in _wished(self._barred, day)]))
        # Between two changes of the clock a wall time is one instant; cut there, nothing is skipped and nothing twice.
        return _merged(
            [
                (max(opens - offset, piece_begin), min(closes - offset, piece_end))
                for piece_begin, piece_end, offset in offsets(begin, end, name)
                for opens, closes in walls
                if opens - offset < piece_end and closes - offset > piece_begin
            ]
        )

    def _on(self, day: date) -> list[Interval]:
        """Wall-clock windows that begin on a date, written as if it were UTC."""
        table = self._table
        if table is None:
            return _spans(day, ((0, SECONDS_A_DAY),))
        wished = _wished(self._asked, day) if self._asked else []
        if self._asked and table.asked is not None and table.asked.mode is AskedMode.REPLACE:
            return wished
        own = table.days[day.weekday()]
        if table.holidays is not OnHoliday.IGNORED and table.calendar is not None and table.calendar.holiday(day):
            own = () if table.holidays is OnHoliday.CLOSED else None
        if own is None:
            own = ((0, SECONDS_A_DAY),)
        spans = _spans(day, own)
        if table.closing_inside:
            spans = [(opens, closes + _INSTANT) for opens, closes in spans]
        return spans + wished


def _begin(block: int) -> datetime:
    return datetime.fromordinal(block * BLOCK_DAYS).replace(tzinfo=UTC)


def _spans(day: date, windows: tuple[Window, ...]) -> list[Interval]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return [(midnight + timedelta(seconds=opens), midnight + timedelta(seconds=closes)) for opens, closes in windows]


def _wished(wishes: tuple[Wish, ...], day: date) -> list[Interval]:
    return [span for days, window in wishes if day.weekday() in days for span in _spans(day, (window,))]


def _merged(spans: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for opens, closes in sorted(spans):
        if closes <= opens:
            continue
        if merged and opens <= merged[-1][1]:
            if closes > merged[-1][1]:
                merged[-1] = (merged[-1][0], closes)
        else:
            merged.append((opens, closes))
    return merged


def _both(left: list[Interval], right: list[Interval]) -> list[Interval]:
    found: list[Interval] = []
    a = b = 0
    while a < len(left) and b < len(right):
        opens, closes = max(left[a][0], right[b][0]), min(left[a][1], right[b][1])
        if opens < closes:
            found.append((opens, closes))
        if left[a][1] < right[b][1]:
            a += 1
        else:
            b += 1
    return found


def _minus(spans: list[Interval], holes: list[Interval]) -> list[Interval]:
    if not spans:
        return []
    rest: list[Interval] = []
    at = spans[0][0]
    last = spans[-1][1]
    for opens, closes in holes:
        if opens > at:
            rest.append((at, min(opens, last)))
        at = max(at, closes)
    if at < last:
        rest.append((at, last))
    return _both(spans, _merged(rest))


@lru_cache(maxsize=_CLOCKS_MAX)
def _clock(table: Hours | None, zones: tuple[str, ...], asked: tuple[Wish, ...], barred: tuple[Wish, ...]) -> Clock:
    return Clock(table, zones, asked, barred)


def clock(table: Hours | HerHours, facts: Facts) -> Clock | None:
    """The hours that a clause keeps for this person; None when it says nothing about her or no zone of hers is known."""
    if isinstance(table, HerHours):
        barred = _barred(facts) if facts.inconvenient else ()
        return _clock(None, facts.zones, (), barred) if barred and facts.zones else None
    zones = facts.zones if table.clock is None else (table.clock,)
    if not zones:
        return None
    asked = _asked(table.asked, facts) if facts.asked and table.asked is not None else ()
    return _clock(table, zones, asked, ())


def _asked(counts: Asked, facts: Facts) -> tuple[Wish, ...]:
    return tuple(
        wish
        for at, request in facts.asked
        if request.person == facts.question.person.person
        and request.opens != request.closes  # no hour at all
        and _valid(counts, at, request, facts)
        for wish in _wishes(request.days, _seconds(request.opens), _end(request.closes))
    )


def _valid(counts: Asked, at: datetime, request: HoursRequested, facts: Facts) -> bool:
    if request.requested_by != "person":
        return False
    if counts.instruments is not None and request.instrument not in counts.instruments:
        return False
    if not counts.after_contract:
        return True
    question = facts.question
    for debt in question.message.debts:
        known = question.debts.get(debt)
        signed = known.contract_signed if known is not None else None
        # A day on which the contract was perhaps not yet signed proves nothing.
        if signed is None or any(local_date(at, name) <= signed for name in facts.zones):
            return False
    return bool(question.message.debts)


def _barred(facts: Facts) -> tuple[Wish, ...]:
    return tuple(
        wish
        for _, statement in facts.inconvenient
        if statement.person == facts.question.person.person and _is_about_time(statement)
        for wish in _wishes(
            statement.days, _seconds(statement.opens) if statement.opens is not None else 0, _end(statement.closes)
        )
    )


def _is_about_time(statement: Inconvenient) -> bool:
    return statement.place is None or statement.opens is not None or tuple(statement.days) != ALL_DAYS


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _end(closes: time | None) -> int:
    return SECONDS_A_DAY if closes is None else _seconds(closes)


def _wishes(days: tuple[Weekday, ...], opens: int, closes: int) -> list[Wish]:
    numbers = tuple(_NUMBERS[day] for day in days)
    if opens < closes:
        return [(numbers, (opens, closes))]
    # From 22:00 to 06:00 is one night, which ends on the next day.
    after = tuple((number + 1) % 7 for number in numbers)
    return [(numbers, (opens, SECONDS_A_DAY)), *([(after, (0, closes))] if closes else [])]
