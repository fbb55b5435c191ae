"""Today: what was sent and held back, what came in, what it cost, and in which hours people were reached."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from aiohttp import web

from gateway.console.site import Page, Span, Visit, span_of
from gateway.console.tally import MILLION
from gateway.console.windows import WEEK, open_hours
from gateway.tenants.keys import Scope
from pages.console.charts import BLUE, GREEN, ORANGE, RED, Series, bars
from pages.console.figures import shade
from pages.console.render import words_in
from storage import console
from storage.console import HourRow
from storage.database import Connection
from vocabulary.channel import SENDABLE, Channel

#: What the tiles show, in order.
TILES: Final = ("accepted", "sent", "delivered", "deferred", "blocked", "replies", "opt_outs", "unknown")
#: Laws whose weeks are drawn on one page.
LAWS_MAX: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One weekday and hour: contacts, how dark, and whether the law leaves it open."""

    n: int
    shade: int
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Contacts under one law by weekday and hour. ``outside``: those that stand in hours that an ordinary week leaves closed."""

    jurisdiction: str
    title: str
    rows: list[list[Cell]]
    total: int
    outside: int


async def show(visit: Visit) -> web.StreamResponse:
    """The page."""
    now, zone = await visit.now()
    today = now.astimezone(zone).date()
    day = _day(visit, today)
    span = Span(since=day - timedelta(days=27), until=day)

    async def job(connection: Connection) -> tuple[dict[str, int], list[HourRow], list[HourRow], int]:
        sums = await console.sums(connection, visit.tenant, day, day)
        contacts = await console.hours(connection, visit.tenant, span.since, span.until, measures=["sent", "unknown"])
        hours = await console.hours(
            connection, visit.tenant, day, day, measures=["sent", "unknown", "replies", "deferred", "blocked"]
        )
        return sums, contacts, hours, await console.behind(connection, visit.tenant)

    sums, contacts, hours, behind = await visit.read(job)
    readings = (await visit.rooms.policies.get(visit.tenant))["readings"]
    return visit.page(
        "today",
        title="today",
        at="",
        zone=zone,
        now=now,
        shown_day=day,
        is_today=day == today,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1) if day < today else None,
        tiles=[(name, sums.get(name, 0)) for name in TILES],
        costs=_costs(sums),
        span=span,
        weeks=_weeks(visit, contacts, readings),
        by_hour=_by_hour(hours),
        behind=behind,
        mark=f"{now.timestamp():.0f}",
    )


async def chart(visit: Visit) -> web.StreamResponse:
    """The day's hours as a picture."""
    now, zone = await visit.now()
    day = _day(visit, now.astimezone(zone).date())
    hours = await visit.read(
        lambda connection: console.hours(
            connection, visit.tenant, day, day, measures=["sent", "unknown", "replies", "deferred", "blocked"]
        )
    )
    table = _by_hour(hours)
    w = words_in(visit.language)
    colors = {"sent": BLUE, "deferred": ORANGE, "blocked": RED, "replies": GREEN}
    series = [Series(name=w(name), color=color, values=[row[name] for row in table]) for name, color in colors.items()]
    return visit.picture(bars(None, [f"{row['hour']:02d}" for row in table], series))


def _day(visit: Visit, today: date) -> date:
    asked = span_of(visit, today, 1).until if visit.asked("until") else today
    return min(asked, today + timedelta(days=1))


def _costs(sums: dict[str, int]) -> list[tuple[str, float]]:
    return sorted((name[5:], n / MILLION) for name, n in sums.items() if name.startswith("cost:"))


def _by_hour(rows: list[HourRow]) -> list[dict[str, int]]:
    found: Counter[tuple[int, str]] = Counter()
    for row in rows:
        found[row.hour, "sent" if row.measure == "unknown" else row.measure] += row.n
    return [
        {"hour": hour, **{name: found[hour, name] for name in ("sent", "deferred", "blocked", "replies")}}
        for hour in range(24)
    ]


def _weeks(visit: Visit, rows: list[HourRow], readings: dict[str, str]) -> list[Week]:
    by_law: dict[str, Counter[tuple[int, int, str]]] = {}
    for row in rows:
        by_law.setdefault(row.jurisdiction, Counter())[row.day.weekday(), row.hour, row.channel] += row.n
    law = visit.rooms.law
    weeks = []
    for code, cells in sorted(by_law.items(), key=lambda each: -sum(each[1].values()))[:LAWS_MAX]:
        channels = sorted({Channel(channel) for _, _, channel in cells if channel in SENDABLE}) or [Channel.SMS]
        windows = {channel.value: open_hours(law, code, channel, readings) for channel in channels}
        counts: Counter[tuple[int, int]] = Counter()
        outside = 0
        for (weekday, hour, channel), n in cells.items():
            counts[weekday, hour] += n
            if channel in windows and not windows[channel][weekday][hour]:
                outside += n
        most = max(counts.values(), default=0)
        weeks.append(
            Week(
                jurisdiction=code,
                title=law.packs[code].table.title if code in law.packs else code,
                rows=[
                    [
                        Cell(
                            n=counts[weekday, hour],
                            shade=shade(counts[weekday, hour], most),
                            open=any(table[weekday][hour] for table in windows.values()),
                        )
                        for hour in range(24)
                    ]
                    for weekday in range(WEEK)
                ],
                total=sum(counts.values()),
                outside=outside,
            )
        )
    return weeks


PAGES: Final = (
    Page(method="GET", path="", show=show, scope=Scope.READ, word="today"),
    Page(method="GET", path="/charts/day.svg", show=chart, scope=Scope.READ),
)
