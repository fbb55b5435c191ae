"""kill -9 of the worker at every step of a send: nothing goes twice, nothing is lost, what is unknown is resolved or listed."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.campaigns.tally import Tally, counted
from tests.conftest import NewDatabase
from tests.gateway.test_spine import export
from tests.gateway.town import PROVIDER, Town, message, number, person, town
from tests.gateway.zygote import PACE
from tests.sizes import KILLS, hangs_after
from tracelog.export import Holds, verify

#: For what is unknown to be looked up, on a machine that does much else.
PATIENCE_SECONDS = 240.0

#: Where it dies, and how long after (seconds): the call to the carrier takes five milliseconds.
POINTS = [
    ("dispatch.before_commit", 0.0),
    ("dispatch.after_commit", 0.0),
    ("dispatch.before_call", 0.004),
    ("dispatch.after_call", 0.0),
    ("settle.before_commit", 0.0),
    ("settle.after_commit", 0.0),
]


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(14_400))
async def test_deaths_at_every_step_send_nothing_twice_and_lose_nothing(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, checkout: Path
) -> None:
    planned = tuple(f"killed at {point}" for point, _ in POINTS)
    with counted("C4", "kill -9 of the worker at every named step", planned=planned) as tally:
        await _die_and_live(tally, new_database, template_url, redis_url, tmp_path, checkout)


async def _die_and_live(
    tally: Tally, new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, checkout: Path
) -> None:
    database_url = await new_database(like=template_url)
    async with town(database_url, redis_url, tmp_path, pace=PACE) as found:
        sent = await _trials(tally, found, redis_url, tmp_path, checkout)
        found.start_worker()
        ends = [await _ended(found, identity) for identity in sent]
        arrived = Counter(_number(line["text"]) for line in await found.arrived())

        assert set(arrived.values()) <= {1}, f"sent twice: {[n for n, c in arrived.items() if c > 1]}"
        statuses = Counter(end["status"] for end in ends)
        tally.notes |= {"messages": len(sent), "unknown": statuses["unknown"]}
        verdict = verify(await export(found))
        assert isinstance(verdict, Holds), verdict
        for trial, end in enumerate(ends):
            if trial in arrived:
                # What reached her is never told as failed, nor left without an answer.
                assert end["status"] in ("sent", "delivered"), (trial, end)
            else:
                assert end["status"] == "unknown", (trial, end)
                assert end["resolution"] == "undetermined", end
        attempts = await found.rows("SELECT message, count(*) AS n FROM attempt GROUP BY message")
        assert len(attempts) == len(sent)
        # Only a process that lives knows of itself that it did not send; whoever was killed may have.
        again = await found.rows(
            "SELECT a.message FROM attempt a JOIN attempt later ON later.message = a.message AND later.n > a.n "
            "WHERE a.settled_at > a.deadline AND a.reason IS DISTINCT FROM 'held too long before the call'"
        )
        assert not again, f"sent again although nobody could know of the first: {len(again)}"


async def _trials(tally: Tally, found: Town, redis_url: str, folder: Path, checkout: Path) -> list[str]:
    settings = found.house.settings
    order = {
        "database_url": found.database_url,
        "redis_url": redis_url,
        "port": settings.port,
        "carrier_port": urlsplit(settings.providers[PROVIDER]["base_url"]).port,
        "log": str(folder / "zygote.log"),
        "seconds": 120,
    }
    zygote = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.gateway.zygote",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=checkout,
    )
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    sent: list[str] = []
    try:
        for trial in range(KILLS):
            point, delay = POINTS[trial % len(POINTS)]
            for _ in range(2):
                sent.append(await _send(found, len(sent)))
            # Rounds and settlements are shared by what is due together, so only calls are surely reached twice.
            after = 1 + trial % 2 if "call" in point else 1
            line = json.dumps({**order, "failpoint": point, "delay": delay, "after": after})
            zygote.stdin.write(line.encode() + b"\n")
            await zygote.stdin.drain()
            died = json.loads(await asyncio.wait_for(zygote.stdout.readline(), PATIENCE_SECONDS))
            assert died["killed"], f"trial {trial} did not reach {point}: {died}, {(folder / 'zygote.log').read_text()}"
            tally.faults[f"killed at {point}"] += 1
            tally.trials += 1
    finally:
        zygote.stdin.close()
        await asyncio.wait_for(zygote.wait(), 30)
    return sent


async def _send(found: Town, trial: int) -> str:
    contact = person(f"p{trial}", number(trial))
    body = message(contact, content={"text": f"id={trial:06d} su cuota está lista. Responda BAJA para no recibir más."})
    answered = await found.send(body, key=uuid4().hex)
    assert answered["status"] == "queued", answered
    identity = answered["id"]
    assert isinstance(identity, str)
    return identity


async def _ended(found: Town, identity: str) -> dict[str, object]:
    """The message once nothing more will happen to it by itself."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        end = await found.get(identity)
        if end["status"] in ("delivered", "undelivered", "failed", "read") or end.get("resolution"):
            return end
        assert asyncio.get_running_loop().time() < deadline, f"never ended: {end}"
        await asyncio.sleep(0.05)


def _number(text: str) -> int:
    return int(text[3:9])
