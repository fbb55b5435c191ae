"""What was kept from happening, and the two queues that wait for a person: fates that nobody knows, and words that nobody is sure of."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from gateway.asks import HeldEventAsk
from gateway.console.site import Page, Visit, span_of
from gateway.refusals import NotThere
from gateway.tenants.keys import Scope
from pages.console.charts import ORANGE, RED, Series, lying_bars
from pages.console.render import words_in
from storage import chain, console
from storage.console import HeldRow, RuleRow, UnknownRow
from storage.database import Connection
from vocabulary.channel import SENDABLE
from vocabulary.ids import parsed, shown

ROWS: Final = 50
HELD_MAX: Final = 200
#: Rules that one picture shows.
BARS_MAX: Final = 15
REASON_CHARS_MAX: Final = 64


@dataclass(slots=True, kw_only=True)
class Kept:
    """What one rule held back. ``says`` and ``citation`` are those of today's packs."""

    rule: str
    pack: str
    says: str
    citation: str
    force: str
    deferred: int = 0
    blocked: int = 0
    channels: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> int:
        """Messages in all."""
        return self.deferred + self.blocked


async def blocked(visit: Visit) -> web.StreamResponse:
    """What was saved from happening, by rule and article."""
    now, zone = await visit.now()
    span = span_of(visit, now.astimezone(zone).date())
    channel = visit.asked("channel")
    rows, sums = await visit.read(lambda c: _held_back(c, visit, span, channel))
    return visit.page(
        "blocked",
        title="blocked_title",
        at="/blocked",
        zone=zone,
        span=span,
        channel=channel,
        channels=sorted(SENDABLE),
        kept=kept_of(visit, rows),
        deferred=sums.get("deferred", 0),
        blocked=sums.get("blocked", 0),
        accepted=sums.get("accepted", 0),
        filters={"since": span.since, "until": span.until, "channel": channel},
    )


async def blocked_chart(visit: Visit) -> web.StreamResponse:
    """The same as a picture."""
    now, zone = await visit.now()
    span = span_of(visit, now.astimezone(zone).date())
    rows, _ = await visit.read(lambda c: _held_back(c, visit, span, visit.asked("channel")))
    kept = kept_of(visit, rows)[:BARS_MAX]
    w = words_in(visit.language)
    series = [
        Series(name=w("deferred"), color=ORANGE, values=[each.deferred for each in kept]),
        Series(name=w("blocked"), color=RED, values=[each.blocked for each in kept]),
    ]
    return visit.picture(lying_bars(None, [each.rule for each in kept], series))


async def _held_back(
    connection: Connection, visit: Visit, span: Any, channel: str | None
) -> tuple[list[RuleRow], dict[str, int]]:
    rows = await console.rules(connection, visit.tenant, span.since, span.until, channel)
    return rows, await console.sums(connection, visit.tenant, span.since, span.until, channel=channel)


def kept_of(visit: Visit, rows: list[RuleRow]) -> list[Kept]:
    """What each rule held back, most first; texts of one pack that came and went are one."""
    law = visit.rooms.law
    w = words_in(visit.language)
    found: dict[tuple[str, str], Kept] = {}
    for row in rows:
        code = row.pack.partition("@")[0]
        pack = law.packs.get(code)
        rule = next((each for each in pack.rules if each.id == row.rule), None) if pack is not None else None
        says = rule.table.says if rule is not None else {}
        kept = found.setdefault(
            (row.rule, code),
            Kept(
                rule=row.rule,
                pack=code,
                says=says.get(visit.language) or says.get("en") or w(f"rule.{row.rule}"),
                citation=rule.table.cite if rule is not None else w("house_rule"),
                force=rule.table.force if rule is not None else "house",
            ),
        )
        if row.effect == "deny":
            kept.blocked += row.n
        else:
            kept.deferred += row.n
        kept.channels[row.channel] += row.n
    return sorted(found.values(), key=lambda each: (-each.total, each.rule))


async def unknown(visit: Visit) -> web.StreamResponse:
    """Messages of which nobody knows whether they left us: never sent again by themselves."""
    now, zone = await visit.now()
    after = parsed("msg", visit.asked("after") or "")
    rows: list[UnknownRow] = await visit.read(lambda c: console.unknown(c, visit.tenant, after, ROWS + 1))
    return visit.page(
        "unknown",
        title="unknown_title",
        at="/unknown",
        zone=zone,
        now=now,
        rows=[(row, shown("msg", row.id)) for row in rows[:ROWS]],
        more=visit.link("/unknown", after=shown("msg", rows[ROWS - 1].id)) if len(rows) > ROWS else None,
        may=visit.session.may(Scope.CONTACTS),
        done=visit.asked("done"),
    )


async def looked(visit: Visit) -> web.StreamResponse:
    """Mark one as looked at: nothing about the message changes."""
    message = parsed("msg", visit.request.match_info["message"])
    if message is None:
        raise NotThere

    async def job(connection: Connection) -> None:
        now, _ = await visit.rooms.clock.now(connection)
        if await console.looked(connection, visit.tenant, message, visit.session.key, now):
            entry = visit.rooms.scribe.entry(
                "looked_at", tenant=visit.tenant, at=now, message=message, facts=visit.who()
            )
            await chain.append(connection, {visit.tenant: [entry]})

    await visit.rooms.database.run(job)
    return visit.back("/unknown", done="looked")


async def held(visit: Visit) -> web.StreamResponse:
    """People to whom nothing is written until somebody has read what they said."""
    return await _held_page(visit, None)


async def _held_page(visit: Visit, flaw: str | None) -> web.Response:
    now, zone = await visit.now()
    rows: list[HeldRow] = await visit.read(lambda c: console.held(c, visit.tenant, now, HELD_MAX))
    return visit.page(
        "held",
        title="held_title",
        at="/held",
        status=200 if flaw is None else 422,
        zone=zone,
        now=now,
        rows=rows,
        may=visit.session.may(Scope.CONTACTS),
        reason_max=REASON_CHARS_MAX,
        done=visit.asked("done"),
        flaw=flaw,
        flaw_at=visit.request.match_info.get("subject"),
    )


async def lift(visit: Visit) -> web.StreamResponse:
    """A person decides that she may be written to again, and says why."""
    reason = " ".join(visit.fields.get("reason", "").split())
    if not 3 <= len(reason) <= REASON_CHARS_MAX:
        return await _held_page(visit, "reason")
    try:
        subject = UUID(hex=visit.request.match_info["subject"])
    except ValueError:
        raise NotThere from None

    async def look(connection: Connection) -> tuple[str | None, datetime]:
        now, _ = await visit.rooms.clock.now(connection)
        return await console.contact_of(connection, visit.tenant, subject), now

    contact, now = await visit.read(look)
    if contact is None:
        raise NotThere
    await visit.rooms.registrar.add_events(visit.tenant, contact, [HeldEventAsk(at=now, ended=True, reason=reason)])

    async def told(connection: Connection) -> None:
        at, _ = await visit.rooms.clock.now(connection)
        entry = visit.rooms.scribe.entry("hold_lifted", tenant=visit.tenant, at=at, subject=subject, facts=visit.who())
        await chain.append(connection, {visit.tenant: [entry]})

    await visit.rooms.database.run(told)
    return visit.back("/held", done="lifted")


PAGES: Final = (
    Page(method="GET", path="/blocked", show=blocked, scope=Scope.READ, word="blocked_nav"),
    Page(method="GET", path="/charts/rules.svg", show=blocked_chart, scope=Scope.READ),
    Page(method="GET", path="/unknown", show=unknown, scope=Scope.READ, word="unknown_nav"),
    Page(method="POST", path="/unknown/{message}/looked", show=looked, scope=Scope.CONTACTS),
    Page(method="GET", path="/held", show=held, scope=Scope.READ, word="held_nav"),
    Page(method="POST", path="/held/{subject}/lift", show=lift, scope=Scope.CONTACTS),
)
