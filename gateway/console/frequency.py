"""Frequency audit: everybody by what is left of each limit, worst first, and how many people stand where."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.console.site import Page, Visit
from gateway.tenants.keys import Scope
from pages.console.charts import BLUE, ORANGE, RED, Series, bars
from pages.console.render import words_in
from storage import console_margins
from storage.console_margins import START, MarginRow, Place, SpreadRow
from storage.database import Connection
from vocabulary.channel import SENDABLE

ROWS: Final = 50
#: Limits whose distributions are drawn on one page.
CHARTS_MAX: Final = 8
#: Counts that one picture shows.
COUNTS_MAX: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit and how many people stand at each of its counts."""

    rule: str
    pack: str
    jurisdiction: str
    channels: tuple[str, ...]
    limit: int
    counts: list[tuple[int, int]]

    @property
    def people(self) -> int:
        """Everybody whom it binds."""
        return sum(n for _, n in self.counts)

    @property
    def full(self) -> int:
        """Those for whom nothing is left."""
        return sum(n for count, n in self.counts if count >= self.limit)

    @property
    def beyond(self) -> int:
        """Those of whom more is counted than it allows."""
        return sum(n for count, n in self.counts if count > self.limit)


async def show(visit: Visit) -> web.StreamResponse:
    """The page."""
    now, zone = await visit.now()
    filters = {name: visit.asked(name) for name in ("jurisdiction", "rule", "creditor", "debt", "channel", "since")}
    since = _since(filters["since"], zone)
    after = _place(visit.asked("after"))

    async def job(connection: Connection) -> tuple[list[MarginRow], list[SpreadRow], int]:
        rows = await console_margins.worst(
            connection,
            visit.tenant,
            jurisdiction=filters["jurisdiction"],
            rule=filters["rule"],
            creditor=filters["creditor"],
            debt=filters["debt"],
            channel=filters["channel"],
            since=since,
            after=after,
            limit=ROWS + 1,
        )
        spread = await console_margins.spread(
            connection, visit.tenant, jurisdiction=filters["jurisdiction"], channel=filters["channel"]
        )
        return rows, spread, await console_margins.waiting(connection, visit.tenant, now)

    rows, spread, waiting = await visit.read(job)
    more = visit.link("/frequency", **filters, after=_cursor(rows[ROWS - 1].place)) if len(rows) > ROWS else None
    limits = [each for each in limits_of(spread) if filters["rule"] in (None, each.rule)]
    return visit.page(
        "frequency",
        title="frequency",
        at="/frequency",
        zone=zone,
        now=now,
        rows=rows[:ROWS],
        more=more,
        first=after == START,
        filters=filters,
        limits=limits,
        charts=limits[:CHARTS_MAX],
        waiting=waiting,
        codes=sorted(code for code, pack in visit.rooms.law.packs.items() if pack.table.kind == "jurisdiction"),
        channels=sorted(SENDABLE),
        oldest=min((row.reckoned_at for row in rows), default=None),
    )


async def chart(visit: Visit) -> web.StreamResponse:
    """How many people stand at each count of one limit."""
    spread = await visit.read(
        lambda connection: console_margins.spread(
            connection, visit.tenant, jurisdiction=visit.asked("jurisdiction"), channel=None
        )
    )
    rule, channels = visit.asked("rule"), visit.asked("channels")
    w = words_in(visit.language)
    for each in limits_of(spread):
        if each.rule == rule and ",".join(each.channels) == channels:
            people = dict(each.counts)
            counts = range(min(COUNTS_MAX, max(each.limit, *people) + 1))
            labels = [str(count) for count in counts]
            below = [people.get(count, 0) if count < each.limit else None for count in counts]
            full = [people.get(count, 0) if count == each.limit else None for count in counts]
            beyond = [people.get(count, 0) if count > each.limit else None for count in counts]
            series = [
                Series(name=w("room_left"), color=BLUE, values=below),
                Series(name=w("at_limit"), color=ORANGE, values=full),
                *([Series(name=w("beyond_limit"), color=RED, values=beyond)] if each.beyond else []),
            ]
            return visit.picture(bars(f"{each.rule} · {w('limit_of', n=each.limit)}", labels, series, stacked=True))
    return visit.picture(bars(rule or "–", [], []))


def limits_of(spread: list[SpreadRow]) -> list[Limit]:
    """Each limit with its counts, those with the most people at it first."""
    counts: dict[tuple[Any, ...], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in spread:
        counts[row.rule, row.pack, row.jurisdiction, row.channels, row.limit_][row.counted] += row.people
    found = [
        Limit(
            rule=rule,
            pack=pack,
            jurisdiction=jurisdiction,
            channels=channels,
            limit=limit,
            counts=sorted(each.items()),
        )
        for (rule, pack, jurisdiction, channels, limit), each in counts.items()
    ]
    return sorted(found, key=lambda each: (-each.beyond, -each.full, -each.people, each.rule))


def _since(text: str | None, zone: Any) -> datetime | None:
    try:
        return (
            None
            if text is None
            else datetime.combine(datetime.fromisoformat(text).date(), time(), zone).astimezone(UTC)
        )
    except ValueError:
        return None


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def _place(text: str | None) -> Place:
    try:
        raw = urlsafe_b64decode((text or "") + "=" * (-len(text or "") % 4))
        return msgspec.json.decode(raw, type=Place) if text else START
    except (ValueError, msgspec.MsgspecError):
        return START


PAGES: Final = (
    Page(method="GET", path="/frequency", show=show, scope=Scope.AUDIT, word="frequency"),
    Page(method="GET", path="/charts/spread.svg", show=chart, scope=Scope.AUDIT),
)
