"""Forks real worker processes that kill themselves at a named failpoint: ``python -m tests.gateway.zygote``.

Everything is imported once, before the first fork, adapters and their packages too: a whole house is made and closed again, so that
what a death costs is the house that dies. Orders come on standard input, one JSON object a line; a line comes back for each death.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop

from gateway import compose, failpoints
from gateway.compose import Pace
from gateway.logs import configure
from gateway.processes import work
from gateway.settings import Settings
from tests.campaigns.mutants import armed
from tests.gateway.town import settings_for

PACE = Pace(
    abandoned_after=timedelta(seconds=3),
    lookups=tuple(timedelta(seconds=s) for s in (0.5, 1, 2, 2, 2)),
    absent_apart=timedelta(seconds=1),
    sweep_seconds=1,
)


def main() -> None:
    """Serve orders until standard input ends."""
    ready = False
    for line in sys.stdin:
        order = json.loads(line)
        if not ready:
            asyncio.run(_once(order))
            gc.collect()
            gc.freeze()
            ready = True
        pid = os.fork()
        if pid == 0:
            _child(order)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"pid": pid, "killed": killed, "status": status}), flush=True)


def _settings(order: dict[str, Any]) -> Settings:
    return settings_for(order["database_url"], order["redis_url"], order["port"], order["carrier_port"])


async def _once(order: dict[str, Any]) -> None:
    """Make a house and a worker, and let go of both: nothing is left open that a child could share."""
    async with compose.house(_settings(order)) as made:
        compose.worker(made)


def _child(order: dict[str, Any]) -> None:
    # It must not read the parent's orders, nor outlive it.
    os.close(0)
    settings = _settings(order)
    left = order["after"]

    async def strike() -> None:
        nonlocal left
        left -= 1
        if left > 0:
            return
        if order["delay"]:
            asyncio.get_running_loop().call_later(order["delay"], os.kill, os.getpid(), signal.SIGKILL)
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(order["failpoint"], strike)

    async def run() -> None:
        stop = asyncio.Event()
        # A failpoint that is never reached must not hold the trial up for ever.
        asyncio.get_running_loop().call_later(order["seconds"], stop.set)
        await work(settings, stop, pace=PACE)

    error = Path(order["log"]).open("a")  # noqa: SIM115 - it lives as long as the child
    os.dup2(error.fileno(), 2)
    configure("WARNING")
    uvloop.run(run())


if __name__ == "__main__":
    with armed():
        main()
