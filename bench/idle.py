"""At rest: what one API process and one worker process use of a processor when nothing is asked of them, and their memory.

``python -m bench.idle [ROUNDS]`` measures this alone.
"""

import asyncio
import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from bench import house
from bench.book import BOOK
from bench.measure import cpu_seconds, pss_bytes
from bench.processes import CHECKOUT
from bench.rounds import Ground, ground_of
from bench.sizes import FULL
from sandbox.servers import Running, servers

#: What the project promises: of one core, both processes together; and their memory, shared pages in parts.
CPU_SHARE_MAX: Final = 0.01
PSS_BYTES_MAX: Final = 250 * 1024 * 1024
#: After the start, what was imported and connected comes to rest first.
SETTLE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What one round showed: shares of one core by part, and the memory of the API and the worker."""

    shares: dict[str, float]
    pss_bytes: dict[str, int]

    @property
    def share(self) -> float:
        """Of the API and the worker together."""
        return self.shares["API"] + self.shares["worker"]

    @property
    def pss(self) -> int:
        """Of both."""
        return sum(self.pss_bytes.values())


async def idle(ground: Ground) -> Rest:
    """One round."""
    name = "bench_idle"
    await ground.cluster.make(name, like=BOOK)
    async with house.running(
        ground.folder,
        database_url=ground.cluster.url(name),
        redis_url=ground.redis_url,
        key=ground.key,
        carrier_port=1,
    ) as gateway:
        await asyncio.sleep(SETTLE_SECONDS)
        processes = {"API": gateway.api.pid, "worker": gateway.worker.pid}
        roots = processes | dict(ground.servers)
        before, began = cpu_seconds(roots), time.perf_counter()
        await asyncio.sleep(ground.sizes.idle_seconds)
        after, seconds = cpu_seconds(roots), time.perf_counter() - began
        memory = {part: pss_bytes([pid]) for part, pid in processes.items()}
    await ground.cluster.drop(name)
    return Rest(shares={part: (after[part] - before[part]) / seconds for part in roots}, pss_bytes=memory)


def section(rounds: list[Rest], seconds: float) -> str:
    """The figures as a part of ``results.md``."""
    parts = list(rounds[0].shares)
    heads = ["", "CPU % of a core", *(f"{part} CPU %" for part in parts), "PSS MiB", "API MiB", "worker MiB"]
    cells = [
        "idle",
        f"{median(each.share for each in rounds) * 100:.2f}",
        *(f"{median(each.shares[part] for each in rounds) * 100:.2f}" for part in parts),
        f"{median(each.pss for each in rounds) / 1024 / 1024:,.0f}",
        *(f"{median(each.pss_bytes[part] for each in rounds) / 1024 / 1024:,.0f}" for part in ("API", "worker")),
    ]
    return "\n".join(
        [
            "",
            "## At rest",
            "",
            "| " + " | ".join(heads) + " |",
            "|---" + "|---:" * (len(heads) - 1) + "|",
            "| " + " | ".join(cells) + " |",
            "",
            f"{seconds:,.0f} seconds a round in which nothing is asked, the API and the worker; medians of {len(rounds)}. "
            f"Wanted: at most {CPU_SHARE_MAX:.0%} of a core and {PSS_BYTES_MAX // 1024 // 1024} MiB, both together.",
            "",
        ]
    )


async def _alone(running: Running, folder: Path, rounds: int) -> None:
    ground = await ground_of(running, folder, replace(FULL, contacts=1_000))
    rests = []
    for _ in range(rounds):
        rests.append(await idle(ground))
        print(" · ".join(f"{part} {share:.2%}" for part, share in rests[-1].shares.items()), flush=True)
    print(section(rests, FULL.idle_seconds))


def main() -> int:
    """0: measured."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else FULL.rounds
    folder = CHECKOUT / ".tregua" / f"idle-{os.getpid()}"
    folder.mkdir(mode=0o700, parents=True)
    try:
        with servers(folder, lasting=False) as running:
            asyncio.run(_alone(running, folder, rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
