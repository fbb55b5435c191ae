"""The law that decides here, as it is loaded, and the chain that proves what was decided."""

from datetime import date
from typing import Any, Final

from aiohttp import web

from gateway.console.site import Page, Visit
from gateway.keys import Scope
from gateway.refusals import NotThere
from gateway.seal import Broken
from jurisdictions.library import Pack
from storage import chain, console, recheck
from storage.database import Connection
from tracelog.head import verifier_key

HEADS: Final = 20


async def packs(visit: Visit) -> web.StreamResponse:
    """Every pack: in force, to come, in draft; and the readings that are chosen."""
    now, zone = await visit.now()
    today = now.astimezone(zone).date()
    policy = await visit.rooms.policies.get(visit.tenant)
    law = visit.rooms.law
    groups: dict[str, list[Pack]] = {name: [] for name in ("in_force", "future", "draft", "expired")}
    for pack in sorted(law.packs.values(), key=lambda each: (each.table.kind != "jurisdiction", each.code)):
        groups[_standing(pack, today)].append(pack)
    return visit.page(
        "packs",
        title="packs_title",
        at="/packs",
        zone=zone,
        groups=groups,
        policy=policy,
        readings=[
            (name, reading, policy["readings"].get(name))
            for name, reading in sorted(law.readings.items())
            if name in policy["readings"]
        ],
        today=today,
    )


async def pack(visit: Visit) -> web.StreamResponse:
    """One pack as it is read aloud to a lawyer."""
    found = visit.rooms.law.packs.get(visit.request.match_info["code"])
    if found is None:
        raise NotThere
    _, zone = await visit.now()
    policy = await visit.rooms.policies.get(visit.tenant)
    rules: dict[str, Any] = {}
    for rule in found.rules:
        rules.setdefault(rule.id, []).append(rule)
    return visit.page(
        "pack",
        title="pack_title",
        at="/packs",
        zone=zone,
        pack=found,
        rules=rules,
        policy=policy,
        overrides={each["rule"]: each for each in policy["overrides"]},
    )


def _standing(each: Pack, today: date) -> str:
    if not each.binds:
        return "expired" if each.table.status == "expired" else "draft"
    if each.table.effective_from > today:
        return "future"
    return "in_force" if each.in_effect(today) else "expired"


async def chain_page(visit: Visit) -> web.StreamResponse:
    """How long the trace is, what was signed over it, and when it was last asked whether the law was kept."""
    now, zone = await visit.now()

    async def job(connection: Connection) -> tuple[int, list[Any], list[Any]]:
        size = await chain.size(connection, visit.tenant)
        rounds = [each for each in await recheck.remembered(connection) if each[0] == visit.tenant]
        return size, await console.heads(connection, visit.tenant, HEADS), rounds

    size, heads, rounds = await visit.read(job)
    broken = None
    try:
        last = await visit.rooms.sealer.last(visit.tenant)
    except (Broken, ValueError) as error:
        last, broken = None, str(error)
    return visit.page(
        "chain",
        title="chain_title",
        at="/chain",
        zone=zone,
        now=now,
        size=size,
        heads=heads,
        last=last,
        broken=broken,
        verifier=None if last is None else verifier_key(last.head.origin, last.public_key),
        rounds=rounds,
    )


PAGES: Final = (
    Page(method="GET", path="/packs", show=packs, scope=Scope.READ, word="packs_nav"),
    Page(method="GET", path="/packs/{code}", show=pack, scope=Scope.READ),
    Page(method="GET", path="/chain", show=chain_page, scope=Scope.AUDIT, word="chain_nav"),
)
