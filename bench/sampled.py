"""``bench.part`` under a sampler that counts processor time: ``python -m bench.sampled STACKS PART SETTINGS``.

At the end ``STACKS`` holds a line for every stack that was met, callers first, with how many milliseconds: what flame graphs are made of.
"""

import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from bench import part

SECONDS: Final = 0.001
DEPTH_MAX: Final = 60


def main() -> None:
    """Until SIGTERM."""
    stacks = Path(sys.argv.pop(1))
    met: Counter[tuple[str, ...]] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and len(stack) < DEPTH_MAX:
            code = frame.f_code
            stack.append(f"{Path(code.co_filename).stem}.{code.co_qualname}:{frame.f_lineno}")
            frame = frame.f_back
        met[tuple(reversed(stack))] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SECONDS, SECONDS)
    try:
        part.main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        stacks.write_text("".join(f"{';'.join(stack)} {count}\n" for stack, count in met.most_common()))


if __name__ == "__main__":
    main()
