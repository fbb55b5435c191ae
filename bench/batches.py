"""W4 of two checkouts in turn, on a machine that is not quiet: ``python -m bench.batches [OTHER_CHECKOUT]``; without one, this alone.

Each works on servers of its own, of which the other's rest meanwhile. Processor time is a fair measure on a busy machine, messages a
second are not; the load stands beside them.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.processes import CHECKOUT

BATCHES: Final = 10
ROUNDS: Final = 3


def serve(folder: str, batches: str) -> None:
    """Take a round for each line, and answer with its figures on one. Runs in the checkout that is measured."""
    from bench.__main__ import ground_of
    from bench.sizes import SHORT
    from sandbox.servers import servers

    # Measured alike, whatever the other checkout's own bench looks at.
    w4 = runpy.run_path(str(Path(__file__).with_name("batch.py")), run_name="batch")["w4"]

    async def answering(running: Any) -> None:
        sizes = dataclasses.replace(SHORT, contacts=(int(batches) + 1) * 1_000, batches=int(batches))
        ground = await ground_of(running, Path(folder), sizes)
        print("{}", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(dataclasses.asdict(await w4(ground))), flush=True)

    with servers(Path(folder), lasting=False) as running:
        asyncio.run(answering(running))


class _Checkout:
    """One checkout, being measured."""

    def __init__(self, path: Path, folder: Path, batches: int) -> None:
        self._path = path
        # Both run this file; what it imports is the checkout's in whose folder it runs.
        code = f"import runpy, sys; runpy.run_path({str(Path(__file__))!r}, run_name='batches')['serve'](*sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(batches)],
            cwd=path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.rounds: list[dict[str, Any]] = []

    def take(self) -> dict[str, Any]:
        """One round."""
        assert self._process.stdin is not None
        self._process.stdin.write("w4\n")
        self._process.stdin.flush()
        self.rounds.append(self.hear())
        return self.rounds[-1]

    def hear(self) -> dict[str, Any]:
        """What it says next; the first is that its people are written."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self._path} ended with {self._process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def end(self) -> None:
        """Let go of its servers."""
        self._process.communicate(timeout=60)


HEAD: Final = """
| W4 | accepted/s | CPU-s / 1,000 | of it | behind it | of it | WAL B |
|---|---:|---:|---|---:|---|---:|"""


def _row(name: str, rounds: list[dict[str, Any]]) -> str:
    def parts(of: str) -> str:
        middle = {part: median(each[of][part] for each in rounds) for part in rounds[0][of]}
        total = median(sum(each[of].values()) for each in rounds)
        return f"{total:.3f} | " + " · ".join(f"{part} {seconds:.3f}" for part, seconds in middle.items())

    accepted, wal = (median(each[of] for each in rounds) for of in ("accepted_per_second", "wal_bytes"))
    return f"| {name} | {accepted:,.0f} | {parts('cpu_seconds')} | {parts('behind_seconds')} | {wal:,.0f} |"


def main() -> int:
    """0: measured. 1: a round was not valid."""
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="a folder with another version of the project")
    parser.add_argument("--batches", type=int, default=BATCHES, help=f"of a thousand, a round (default {BATCHES})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each (default {ROUNDS})")
    asked = parser.parse_args()
    folder = CHECKOUT / ".tregua" / f"batches-{os.getpid()}"
    folder.mkdir(mode=0o700, parents=True)
    named = [("here", CHECKOUT), *([] if asked.other is None else [("there", asked.other.resolve())])]
    checkouts = {name: _Checkout(path, folder / name, asked.batches) for name, path in named}
    try:
        for checkout in checkouts.values():
            checkout.hear()
        for _ in range(asked.rounds):
            for name, checkout in checkouts.items():
                told = checkout.take()
                print(_row(name, [told]), f"load {os.getloadavg()[0]:.1f}", flush=True)
                if told["flaws"]:
                    print(*told["flaws"], sep="\n", file=sys.stderr)
                    return 1
    finally:
        for checkout in checkouts.values():
            checkout.end()
        shutil.rmtree(folder, ignore_errors=True)
    print(HEAD, *(_row(name, checkout.rounds) for name, checkout in checkouts.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
