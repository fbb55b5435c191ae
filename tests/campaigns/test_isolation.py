"""C13: another tenant's objects by every operation there is, and callers who leave in the middle of two tenants' load."""

import asyncio
import json
import random
import re
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.api.table import ROUTES
from tests.api.conftest import Surface, surface  # noqa: F401 - a fixture
from tests.campaigns.tally import counted
from tests.gateway.town import message, person
from tests.sizes import LEAVERS, hangs_after, seed

SEED = seed(20261113)
MINE = "canario-del-primero"
THEIRS = "canario-del-segundo"
SECRETS = (MINE, "573119990001")


async def _objects(found: Surface) -> dict[str, list[str]]:
    """One of everything of the first tenant's, by the name of the parameter that would ask for it."""
    known = person(f"{MINE}-p", "+573119990001") | {"name": f"Nombre {MINE}"}
    sent = (await found.send(message(known, debts=[{"id": f"{MINE}-d"}], content={"text": f"Hola {MINE}"}))).document
    hook = (await found.ask("POST", "/v1/webhooks", {"url": f"https://{MINE}.example.com/x"})).document
    body = {"body": f"{MINE} {{{{amount}}}}"}
    await found.ask("PUT", f"/v1/templates/{MINE}", body)
    return {
        "message": [sent["id"]],
        "contact": [f"{MINE}-p"],
        "debt": [f"{MINE}-d"],
        "endpoint": [hook["id"]],
        "webhook": [hook["id"]],
        "template": [MINE],
        "name": [MINE],
        "id": [sent["id"], f"{MINE}-p", f"{MINE}-d", hook["id"], MINE],
    }


async def _theirs(found: Surface) -> str:
    """Every row of the first tenant's, hashed."""
    tables = await found.town.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' "
        "WHERE c.relkind = 'r' AND c.relnamespace = 'tregua'::regnamespace ORDER BY 1"
    )
    told = []
    for (table,) in tables:
        if table == "api_key":
            continue  # when a key was last used is written there
        (row,) = await found.town.rows(
            f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM tregua.{table} t WHERE tenant = 't1'"
        )
        told.append(f"{table}={row[0]}")
    return " ".join(told)


BODIES: tuple[Any, ...] = (None, {}, [], {"type": "opt_out"})


@pytest.mark.campaign
async def test_every_operation_with_another_tenants_objects(surface: Surface) -> None:  # noqa: F811
    objects = await _objects(surface)
    everything = [one for found in objects.values() for one in found]
    before = await _theirs(surface)
    with counted("C13", "every operation with another tenant's objects") as tally:
        for route in ROUTES:
            if not route.scope:
                continue
            names = re.findall(r"\{(\w+)\}", route.path)
            wanted: list[str] = objects.get(names[0], everything) if names else [""]
            for one in sorted({*wanted, *(everything if names else [])}):
                path = re.sub(r"\{\w+\}", one, route.path)
                for query in ("", f"?contact={MINE}-p&tenant=t1", f"?message={objects['message'][0]}"):
                    for body in BODIES if route.method in ("POST", "PUT", "DELETE") else (None,):
                        sent = {"Authorization": f"Bearer {surface.keys['other']}", "Idempotency-Key": uuid4().hex}
                        async with surface.town.session.request(
                            route.method, surface.town.url + path + query, json=body, headers=sent
                        ) as answer:
                            # A stream that stays open shows what it has to show at once.
                            try:
                                raw = await asyncio.wait_for(answer.content.read(200_000), 1.0)
                            except TimeoutError:
                                raw = b""
                        tally.trials += 1
                        # What was asked stands in nobody's answer but as a name that is told to be unknown.
                        said = (
                            raw.decode("utf-8", "replace").replace(one, "") if one else raw.decode("utf-8", "replace")
                        )
                        shown = [secret for secret in SECRETS if secret in said]
                        tally.hold(not shown, f"{route.method} {path}{query} showed {shown}")
                        tally.hold(answer.status < 500, f"{route.method} {path}{query} answered {answer.status}")
        after = await _theirs(surface)
        changed = set(before.split()) ^ set(after.split())
        tally.hold(before == after, f"the first tenant's rows changed: {changed}")


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(3600))
async def test_callers_who_leave_never_leave_an_answer_to_another(surface: Surface) -> None:  # noqa: F811
    """Both tenants ask for their own, and half of the callers hang up at any moment."""
    chance = random.Random(SEED)
    for key, mark in (("admin", MINE), ("other", THEIRS)):
        known = person(f"{mark}-q", "+573119990002") | {"name": mark}
        answered = await surface.ask("PUT", f"/v1/contacts/{mark}-q", known, key=key)
        assert answered.status == 200, answered.document
    paths = [
        "/v1/contacts/{}-q",
        "/v1/messages?limit=5",
        "/v1/contacts/{}-q/timeline",
        "/v1/trace?limit=3",
        "/v1/webhooks",
    ]

    async def ask(key: str, mark: str, other: str) -> None:
        path = chance.choice(paths).format(mark)
        sent = {"Authorization": f"Bearer {surface.keys[key]}"}
        try:
            limit = aiohttp.ClientTimeout(total=chance.uniform(0.001, 0.02) if chance.random() < 0.5 else 30)
            async with surface.town.session.get(surface.town.url + path, headers=sent, timeout=limit) as answer:
                raw = (await answer.read()).decode()
        except (TimeoutError, aiohttp.ClientError):
            tally.faults["left in the middle"] += 1
            return
        tally.trials += 1
        tally.hold(other not in raw, f"{path} of {key} showed the other tenant's")
        if path.endswith("-q"):
            tally.hold(answer.status == 200 and json.loads(raw)["name"] == mark, f"{path}: {answer.status}")

    with counted(
        "C13", "callers who leave under two tenants' load", seed=SEED, planned=("left in the middle",)
    ) as tally:
        for _ in range(LEAVERS // 20):
            await asyncio.gather(
                *(ask("admin", MINE, THEIRS) if n % 2 else ask("other", THEIRS, MINE) for n in range(20))
            )
