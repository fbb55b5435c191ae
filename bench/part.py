"""One process of the gateway under measurement: ``python -m bench.part api|worker SETTINGS [PROFILE]``.

The same functions as ``tregua serve`` and ``tregua work`` call, on a settings file of any name; with a third word the process
leaves a cProfile there, and is a good deal slower for it.
"""

import cProfile
import sys
from pathlib import Path

from gateway import processes
from gateway.settings import read


def main() -> None:
    """Until SIGTERM."""
    part, file, *profile = sys.argv[1:]
    process = processes.serve if part == "api" else processes.work
    settings = read({}, Path(file))
    if not profile:
        processes.run(settings, process)
        return
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        processes.run(settings, process)
    finally:
        profiler.disable()
        profiler.dump_stats(profile[0])


if __name__ == "__main__":
    main()
