"""Every operation under schemathesis with all of its checks on: nothing unforeseen is answered, whatever is asked."""

import asyncio
import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.api.table import ROUTES
from gateway.tenants.opening import create_key
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, Town, message, number, person, town
from tests.journeys.recording import RECORDING
from tests.journeys.surface_known import KEPT, KNOWN, SEEN
from tests.sizes import LONG, PART, SHARE, SURFACE_EXAMPLES

#: What fits the description may still be refused for what it names: a contact that is none, an instant that has passed.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 410, 422, 429]

# A batch is answered with 200 and one status each: a bad item spoils only itself.
[[operations]]
include-name = "POST /v1/messages/batch"
checks.negative_data_rejection.enabled = false
"""
SECONDS_MAX = 7_200
#: What it is told of what there is and of our media types, loaded in its own process.
HOOKS = "tests.journeys.surface_known"
NAMES = sorted(f"{route.method} {route.path}" for route in ROUTES)
SEED = int(os.environ.get("SURFACE_SEED") or 20261122 + PART)
#: Of what is erased, revoked and taken away while it is asked for.
SPARE = 6 if LONG else 2
#: What nothing drawn can please: a witness signs.
NEVER_PLEASED = {"GET /v1/trace/cosignatures", "POST /v1/trace/cosignatures"}


async def _gone(found: Town) -> str:
    """Where a CRM's endpoint stood once: what is told there is parked at once."""

    async def gone(_: web.Request) -> web.Response:
        return web.Response(status=410)

    app = web.Application()
    app.router.add_post("/", gone)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    found.stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def _known(found: Town) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """One of everything there is, a few of what may be taken away; and what never is, for others are asked of it."""

    async def made(method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, answered, _ = await found.call(method, path, body, **headers)
        assert status < 300, (path, answered)
        return answered

    async def brought(path: str, kind: str, data: bytes) -> Any:
        headers = {"Authorization": f"Bearer {found.key}", "Content-Type": kind}
        async with found.session.post(found.url + path, data=data, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    places = [await _gone(found), *(f"{found.carrier_url}/none/{n}" for n in range(1, SPARE))]
    hooks = [(await made("POST", "/v1/webhooks", {"url": place}))["id"] for place in places]
    people = [f"cli-{1001 + n}" for n in range(SPARE)]
    for n, who in enumerate(people):
        await made("PUT", f"/v1/contacts/{who}", person(who, number(n, 320)))
    gone = await made("PUT", "/v1/contacts/gone", person("gone", number(99, 320))) and await made(
        "DELETE", "/v1/contacts/gone"
    )
    await made("PUT", "/v1/debts/obl-778", {"creditor": "C1", "contacts": [{"contact": people[0], "role": "debtor"}]})
    sent = [(await found.send(message(who, debts=["obl-778"])))["id"] for who in people]
    later = [
        (await found.send(message(who, debts=["obl-778"], send_at="2026-12-09T10:00:00-05:00")))["id"] for who in people
    ]
    await made("PUT", "/v1/templates/cuota", next(route.example for route in ROUTES if route.name == "putTemplate"))
    await brought("/v1/registers/RNE/versions", "text/csv", b"number\n+573209999977\n")
    report = (await made("POST", "/v1/reports", {"format": "csv"}))["id"]
    keys = [
        (await create_key(found.house.database, TENANT, env="test", scopes=["read"], label="spare")).split("_")[2]
        for _ in range(SPARE)
    ]
    recording = (await brought("/v1/media", "audio/wav", RECORDING))["id"]
    for each in sent:
        await found.until(each, "sent", "delivered", "deferred", "undelivered")
    # Of whoever is never taken away: an erased contact's deliveries go with her.
    parked: list[str] = []
    async with asyncio.timeout(60):
        while not parked:
            await asyncio.sleep(0.05)
            listed = (await made("GET", f"/v1/webhooks/{hooks[0]}/deliveries"))["items"]
            parked = [each["id"] for each in listed if (each["state"], each["contact"]) == ("parked", people[0])]
    of = {
        "/v1/messages/{id}": [*later, *sent], "/v1/media/{id}": [recording], "/v1/contacts/{id}": people, "/v1/debts/{id}": ["obl-778"],
        "/v1/erasures/{id}": [gone["id"]], "/v1/keys/{id}": keys, "/v1/registers/{name}": ["RNE"],
        "/v1/templates/{name}": ["cuota"], "/v1/webhooks/{id}": hooks, "/v1/reports/{id}": [report], "/problems/{slug}": ["invalid"],
    }  # fmt: skip
    # What is taken away is never the first, of which the rest is asked.
    taken = {"/v1/contacts/{id}", "/v1/keys/{id}", "/v1/webhooks/{id}"}
    told: dict[str, dict[str, list[str]]] = {}
    for route in ROUTES:
        named = told.setdefault(route.path, {"contact": people, "message": sent, "debt": ["obl-778"]})
        for prefix, values in of.items():
            if route.path.startswith(prefix):
                name = re.findall(r"\{(\w+)\}", prefix)[0]
                named |= {name: values[:0:-1] if route.path in taken else values}
        if "{delivery}" in route.path:
            named |= {"id": hooks[:1], "delivery": parked}
    # The key is the one that everything is asked with.
    return told, [hooks[0], people[0], found.key.split("_")[2]]


def _covered() -> set[str]:
    """The boundaries of every field, one by one, are many: here a few operations', in the campaign this part's, of all of them."""
    if not LONG:
        return set(random.Random(SEED).sample(NAMES, 4))
    count = min(len(NAMES), math.ceil(len(NAMES) * SHARE))
    return {NAMES[n % len(NAMES)] for n in range(PART * count, (PART + 1) * count)}


def _config(known: dict[str, dict[str, list[str]]], covered: set[str]) -> str:
    """Whose turn it is, and of what there is that it be asked for more often than of what is not."""
    lines = [CONFIG]
    words: list[str] = []
    for n, (path, named) in enumerate(sorted(known.items())):
        bound = []
        for name, values in named.items():
            words.append(f"[dictionaries.d{n}_{name}]\nvalues = {json.dumps(values)}\n")
            bound.append(f'"{name}" = {{ dictionary = "d{n}_{name}", probability = 0.7 }}')
        lines.append(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ {", ".join(bound)} }}\n')
    lines += [
        f'[[operations]]\ninclude-name = "{name}"\nphases.coverage.enabled = false\n' for name in set(NAMES) - covered
    ]
    return "\n".join([*words, *lines])


def _seen(path: Path) -> dict[str, Counter[int]]:
    """How often each operation answered what."""
    found: dict[str, Counter[int]] = {name: Counter() for name in NAMES}
    for line in path.read_text().splitlines():
        name, _, status = line.rpartition(" ")
        found.setdefault(name, Counter())[int(status)] += 1
    return found


@pytest.fixture
async def whole(new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a worker that has a way for every channel."""
    url = await new_database(like=template_url)
    every = town(url, redis_url, tmp_path, mail=True, telegram=True, voice=True, inbox=True, whatsapp=True)
    async with every as found:
        found.start_worker()
        yield found


@pytest.mark.campaign
async def test_every_operation_answers_as_it_is_described(whole: Town, tmp_path: Path, checkout: Path) -> None:
    known, kept = await _known(whole)
    covered = _covered()
    config, seen = tmp_path / "schemathesis.toml", tmp_path / "seen.txt"
    config.write_text(_config(known, covered))
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{whole.url}/openapi.json",
        "--header", f"Authorization: Bearer {whole.key}", "--max-response-time", "60", "--max-examples", str(SURFACE_EXAMPLES),
        "--phases", "examples,coverage,fuzzing", "--mode", "all", "--workers", "2", "--continue-on-failure", "--no-shrink",
        "--no-color", "--warnings", "off", "--seed", str(SEED), "--request-timeout", "20",
        "--generation-database", "none", "--suppress-health-check", "all",
    ]  # fmt: skip
    asked = (
        known if LONG else {path: {name: values[:1] for name, values in named.items()} for path, named in known.items()}
    )
    told = {"PYTHONPATH": str(checkout), "SCHEMATHESIS_HOOKS": HOOKS, SEEN: str(seen)}
    told |= {KNOWN: json.dumps(asked), KEPT: json.dumps(kept)}
    with counted("C20", "every operation answers as it is described, whatever is asked", seed=SEED) as tally:
        ended = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        said = f"SURFACE_SEED={SEED}\n{ended.stdout[-12_000:]}\n{ended.stderr[-2_000:]}"
        assert seen.exists(), said
        statuses = _seen(seen)
        tally.trials = sum(answers.total() for answers in statuses.values())
        # Parts ask of the same operations, each for the boundaries of some.
        tally.notes |= {"operations": float(len(NAMES)), "with every boundary": len(covered)}
        tally.notes["examples of each besides"] = SURFACE_EXAMPLES
        assert ended.returncode == 0, said
        assert "No issues found" in ended.stdout, said
        failed = {name: answers for name, answers in statuses.items() if any(status >= 500 for status in answers)}
        assert not failed
        pleased = {name for name, answers in statuses.items() if any(status < 300 for status in answers)}
        tally.notes["answered with what was asked for"] = float(len(pleased))
        assert not LONG or set(NAMES) - pleased <= NEVER_PLEASED, (set(NAMES) - pleased, statuses)
        assert len(pleased) > len(NAMES) * 0.8, statuses
