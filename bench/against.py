"""Compares the engine of two checkouts on a machine that is not quiet: the same batches in turn, of each the least processor time.

``python -m bench.against OTHER_CHECKOUT``: how many times as fast this one decides.
"""

import argparse
import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.processes import CHECKOUT

BATCH: Final = 300
BATCHES: Final = 10
ROUNDS: Final = 25


def serve() -> None:
    """Decide the batch whose number stands on a line, and answer with the nanoseconds that it took."""
    from bench.engine import cases
    from gateway.deciding.decide import decide
    from jurisdictions.library import load

    law = load()
    asked = list(cases(BATCH * BATCHES))
    gc.collect()
    gc.freeze()
    gc.disable()
    for line in sys.stdin:
        batch = asked[int(line) * BATCH : (int(line) + 1) * BATCH]
        began = time.process_time_ns()
        for question in batch:
            decide(question, law)
        print(time.process_time_ns() - began, flush=True)


def least(checkouts: list[Path], rounds: int) -> list[float]:
    """Seconds of processor time for all batches, the least of each, by checkout."""
    # Both run this file; what it imports is the checkout's in whose folder it runs.
    code = f"import runpy; runpy.run_path({str(Path(__file__))!r}, run_name='against')['serve']()"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for checkout in checkouts
    ]
    best = [[float("inf")] * BATCHES for _ in checkouts]
    try:
        for number in range(rounds):
            for batch in range(BATCHES):
                places = range(len(running)) if (number + batch) % 2 else reversed(range(len(running)))
                for place in places:
                    process = running[place]
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(f"{batch}\n")
                    process.stdin.flush()
                    best[place][batch] = min(best[place][batch], float(process.stdout.readline()))
    finally:
        for process in running:
            process.communicate()
    return [sum(each) / 1e9 for each in best]


def main() -> int:
    """0: measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("other", type=Path, help="a folder with another version of the project")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"how often each batch is decided (default {ROUNDS})"
    )
    asked = parser.parse_args()
    other, here = least([asked.other.resolve(), CHECKOUT], asked.rounds)
    cases = BATCH * BATCHES
    print(
        f"W3: {cases / here:,.0f} decisions/s here, {cases / other:,.0f} there: {other / here:.2f} times as fast, at best"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
