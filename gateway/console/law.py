"""The law that decides here, as it is loaded, and the chain that proves what was decided, with who else signed under it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from aiohttp import web

from gateway.audit.witnesses import WITNESSES_MAX
from gateway.console.site import Page, Visit
from gateway.refusals import NotThere
from gateway.tenants.keys import Scope
from jurisdictions.library import Pack
from storage import chain, console, recheck, witnesses
from storage.database import Connection
from storage.witnesses import CosignatureRow
from tracelog.head import verifier_key
from tracelog.witness import verifier_key as witness_verifier_key

HEADS: Final = 20
#: Cosignatures that are looked through: who signed under none of the last heads is shown as silent.
COSIGNATURES_MAX: Final = HEADS * WITNESSES_MAX


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A witness as the page shows her. ``size``, ``at``: the largest head she signed under and when, None where that is long ago."""

    name: str
    key: str
    size: int | None
    at: datetime | None


async def chain_page(visit: Visit) -> web.StreamResponse:
    """How long the trace is, what was signed over it, and when it was last asked whether the law was kept."""
    now, zone = await visit.now()

    async def job(connection: Connection) -> tuple[int, list[Any], list[Any], list[Seen], dict[int, list[str]]]:
        size = await chain.size(connection, visit.tenant)
        rounds = [each for each in await recheck.remembered(connection) if each[0] == visit.tenant]
        signed = await witnesses.latest(connection, visit.tenant, COSIGNATURES_MAX)
        known = _seen(await witnesses.known(connection, visit.tenant), signed)
        return size, await console.heads(connection, visit.tenant, HEADS), rounds, known, _names(signed)

    size, heads, rounds, seen, cosigned = await visit.read(job)
    last = await visit.rooms.sealer.last(visit.tenant)
    # What somebody else put over the last head that is ours is not shown as one, and that it stands there is.
    newest = heads[0]["size"] if heads else 0
    broken = newest if newest > (0 if last is None else last.head.size) else None
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
        witnesses=seen,
        cosigned=cosigned,
    )


def _seen(known: dict[str, bytes], signed: list[tuple[int, CosignatureRow]]) -> list[Seen]:
    """Every witness by name, with the last that she signed."""
    last: dict[str, tuple[int, datetime]] = {}
    for size, row in signed:
        last.setdefault(row.name, (size, row.at))
    found = []
    for name in sorted(known):
        saw, at = last.get(name, (None, None))
        found.append(Seen(name=name, key=witness_verifier_key(name, known[name]), size=saw, at=at))
    return found


def _names(signed: list[tuple[int, CosignatureRow]]) -> dict[int, list[str]]:
    """Who signed under the head of each size."""
    names: dict[int, list[str]] = {}
    for size, row in signed:
        names.setdefault(size, []).append(row.name)
    return names


PAGES: Final = (
    Page(method="GET", path="/packs", show=packs, scope=Scope.READ, word="packs_nav"),
    Page(method="GET", path="/packs/{code}", show=pack, scope=Scope.READ),
    Page(method="GET", path="/chain", show=chain_page, scope=Scope.AUDIT, word="chain_nav"),
)
