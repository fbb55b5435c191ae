"""Channel effectiveness: of what left, how much arrived, was read, answered and promised, and what it cost, with how sure that is."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.console.site import Page, Visit, span_of
from gateway.console.tally import MILLION
from gateway.tenants.keys import Scope
from pages.console.charts import BLUE, GREEN, PURPLE, TEAL, Series, bars
from pages.console.figures import wilson
from pages.console.render import words_in
from storage import console
from storage.console import HourRow
from vocabulary.channel import SENDABLE

SHARES: Final = ("delivered", "read", "answered", "promised")
_COLORS: Final = {"delivered": BLUE, "read": TEAL, "answered": GREEN, "promised": PURPLE}
CURRENCIES: Final = ("USD", "COP", "EUR", "BRL", "MXN", "PEN", "CLP", "ARS", "GBP")
MEASURES: Final = ("sent", *SHARES, *(f"cost:{each}" for each in CURRENCIES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of what was sent, and between what it lies with 95 % confidence."""

    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What came of one channel or hour."""

    name: str
    sent: int
    shares: dict[str, Share]
    costs: list[tuple[str, float]]


async def show(visit: Visit) -> web.StreamResponse:
    """The page."""
    now, zone = await visit.now()
    span = span_of(visit, now.astimezone(zone).date())
    jurisdiction, channel = visit.asked("jurisdiction"), visit.asked("channel")
    rows = await _rows(visit, jurisdiction, channel)
    return visit.page(
        "channels",
        title="channels_title",
        at="/channels",
        zone=zone,
        span=span,
        jurisdiction=jurisdiction,
        channel=channel,
        channels=sorted(SENDABLE),
        codes=await visit.read(lambda c: console.jurisdictions(c, visit.tenant, span.since, span.until)),
        by_channel=effects(rows, "channel"),
        by_hour=effects(rows, "hour"),
        by_law=effects(rows, "jurisdiction"),
        shares=SHARES,
        filters={"since": span.since, "until": span.until, "jurisdiction": jurisdiction, "channel": channel},
    )


async def chart(visit: Visit) -> web.StreamResponse:
    """Shares by channel or hour, each with its interval."""
    rows = await _rows(visit, visit.asked("jurisdiction"), visit.asked("channel"))
    by = "hour" if visit.asked("by") == "hour" else "channel"
    w = words_in(visit.language)
    found = effects(rows, by)
    shown = SHARES if by == "channel" else ("delivered", "answered")
    named = {each.name: each for each in found}
    # Hours in which nothing left keep their place: where people were not reached is seen as a gap.
    places = [f"{hour:02d}" for hour in range(24)] if by == "hour" else list(named)
    series = [
        Series(
            name=w(name),
            color=_COLORS[name],
            values=[100 * named[place].shares[name].share if place in named else None for place in places],
            spans=[_span(named[place].shares[name]) if place in named else None for place in places],
        )
        for name in shown
    ]
    labels = [place if by == "hour" else w(f"channel.{place}") for place in places]
    return visit.picture(bars(None, labels, series, percent=True))


def _span(share: Share) -> tuple[float, float]:
    return 100 * share.low, 100 * share.high


async def _rows(visit: Visit, jurisdiction: str | None, channel: str | None) -> list[HourRow]:
    now, zone = await visit.now()
    span = span_of(visit, now.astimezone(zone).date())
    rows: list[HourRow] = await visit.read(
        lambda c: console.hours(
            c, visit.tenant, span.since, span.until, measures=MEASURES, jurisdiction=jurisdiction, channel=channel
        )
    )
    return rows


def effects(rows: list[HourRow], by: str) -> list[Effect]:
    """What came of what was sent, by one column of the figures."""
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        name = f"{row.hour:02d}" if by == "hour" else str(getattr(row, by))
        sums.setdefault(name, Counter())[row.measure] += row.n
    found = []
    for name, counts in sums.items():
        sent = counts["sent"]
        if sent <= 0:
            continue
        shares = {}
        for each in SHARES:
            low, high = wilson(min(counts[each], sent), sent)
            shares[each] = Share(n=counts[each], share=min(counts[each], sent) / sent, low=low, high=high)
        costs = [(key[5:], n / MILLION) for key, n in sorted(counts.items()) if key.startswith("cost:")]
        found.append(Effect(name=name, sent=sent, shares=shares, costs=costs))
    return sorted(found, key=lambda each: each.name if by == "hour" else (-each.sent, each.name))


PAGES: Final = (
    Page(method="GET", path="/channels", show=show, scope=Scope.READ, word="channels_nav"),
    Page(method="GET", path="/charts/channels.svg", show=chart, scope=Scope.READ),
)
