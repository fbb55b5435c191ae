"""C7: worker processes whose own clock is hours or a day wrong. The law's instant is PostgreSQL's, whatever they believe."""

import asyncio
import json
import os
import random
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.campaigns import load, truth
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.town import PROVIDER, SUNDAY, TUESDAY, message, number, person, town
from tests.gateway.zygote import PACE
from tests.sizes import WRONG_CLOCKS, hangs_after, seed

SEED = seed(20261107)
WORK_SECONDS = 4
TURNS_MAX = 10


@pytest.mark.campaign
@pytest.mark.needs("faketime")
@pytest.mark.timeout(hangs_after(7200))
async def test_processes_with_wrong_clocks_send_in_lawful_hours_only(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, checkout: Path
) -> None:
    chance = random.Random(SEED)
    planned = ("a clock ahead", "a clock behind")
    url = await new_database(like=template_url)
    with counted("C7", "worker processes with a wrong clock", seed=SEED, planned=planned) as tally:
        async with town(url, redis_url, tmp_path, pace=PACE) as found:
            settings = found.house.settings
            order = {
                "database_url": found.database_url,
                "redis_url": redis_url,
                "port": settings.port,
                "carrier_port": urlsplit(settings.providers[PROVIDER]["base_url"]).port,
                "log": str(tmp_path / "wrong.log"),
                "seconds": WORK_SECONDS,
                "failpoint": "never",
                "delay": 0.0,
                "after": 1,
            }
            accepted: dict[str, str] = {}
            for trial in range(WRONG_CLOCKS):
                hours = chance.choice([-24, -11, -3, 3, 11, 24]) if trial > 1 else (24, -24)[trial]
                # On a Sunday whoever thinks it is Monday or Saturday must not send; on the Tuesday he must.
                lawful = trial % 2 == 1
                await found.set_clock(TUESDAY if lawful else SUNDAY)
                text = f"reloj {trial:05d} su cuota está lista. Responda BAJA para no recibir más."
                body = message(
                    person(f"k{trial}", number(trial, 322)), content={"text": text}, debts=[{"id": f"d{trial}"}]
                )
                identity = accepted[text] = await load.persist(found, body)
                before = await truth.arrivals(found)
                # On a slow machine a process may end before it has decided anything: only one that has shows something.
                for _ in range(TURNS_MAX):
                    await _work(checkout, order, hours)
                    if (await found.get(identity))["status"] != "queued":
                        break
                else:
                    raise AssertionError("no process came to decide")
                after = await truth.arrivals(found)
                tally.faults["a clock ahead" if hours > 0 else "a clock behind"] += 1
                tally.trials += 1
                left = sum((after - before).values())
                if lawful:
                    tally.hold(after[text] == 1, f"trial {trial}, {hours} h: lawful and not sent")
                else:
                    tally.hold(left == 0, f"trial {trial}, {hours} h: {left} sent on a Sunday")
            await found.set_clock(TUESDAY)
            await truth.hold(tally, found, accepted, await truth.arrivals(found), a_day=None)


async def _work(checkout: Path, order: dict[str, object], hours: int) -> None:
    """One worker process, for a few seconds, that believes it is ``hours`` later."""
    program = shutil.which("faketime")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program,
        "-f",
        f"{hours:+d}h",
        sys.executable,
        "-m",
        "tests.gateway.zygote",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=checkout,
        # What waits and measures keeps the right pace; only what time it is, is wrong.
        env={**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
    )
    assert process.stdin is not None
    said, _ = await asyncio.wait_for(process.communicate(json.dumps(order).encode() + b"\n"), 240)
    ended = json.loads(said)
    assert not ended["killed"], ended
    assert ended["status"] == 0, Path(str(order["log"])).read_text()[-2000:]
