"""``make bench``: W1 and what it is read beside, round by round; exit 1 when W1 is not valid."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import redis.asyncio

from bench import audit, batch, engine, idle, report, rounds
from bench.house import NotStarted as HouseNotStarted
from bench.measure import machine
from bench.outside import Sabotage
from bench.processes import CHECKOUT, Fell
from bench.rounds import POSTGRESQL, Ground, Round, ground_of
from bench.sizes import FULL, SHORT, Sizes
from sandbox.servers import NotStarted, Running, servers

#: ``ground_of`` is asked for here by what measures other checkouts, where it stood.
__all__ = ["ground_of", "main"]

RESULTS: Final = CHECKOUT / "bench" / "results.md"
#: In the checkout and not in the system's temporary folder, which may be kept in memory and make commits look free.
FOLDER: Final = CHECKOUT / ".tregua" / "bench"
PARTS: Final = ("W1", "W3", "W4", "W5", "rest")


def main() -> int:
    """0: measured. 1: W1 is not valid, or something did not start. 2: wrong use."""
    asked = _asked()
    sizes = SHORT if asked.short else FULL
    shutil.rmtree(asked.folder, ignore_errors=True)
    asked.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what else stands there is nobody's business
    try:
        with servers(asked.folder, lasting=False) as running:
            return asyncio.run(_bench(running, asked, sizes))
    except (NotStarted, HouseNotStarted, Fell) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(asked.folder, ignore_errors=True)


async def _bench(running: Running, asked: argparse.Namespace, sizes: Sizes) -> int:
    on = machine()
    _say(f"writing {sizes.contacts:,} contacts")
    ground = await ground_of(running, asked.folder, sizes)
    on |= {"Python": sys.version.split()[0], "PostgreSQL": await ground.cluster.version()}
    on |= {"Valkey": await _valkey_version(running.redis_url)}
    systems: dict[str, Callable[[], Awaitable[Round]]] = {
        report.W1: lambda: rounds.w1(ground, sabotage=Sabotage(asked.sabotage), profiles=asked.profile)
    }
    if asked.profile is None:
        systems |= {
            report.FLOOR: lambda: rounds.floor(ground, rows=False),
            report.FLOOR_ROWS: lambda: rounds.floor(ground, rows=True),
            report.PROTOTYPE: lambda: rounds.prototype(ground),
        }
    parts: dict[str, Callable[[], Awaitable[str]]] = {
        "W1": lambda: _systems(systems, sizes, on),
        "W4": lambda: _batches(ground, sizes),
        "rest": lambda: _rest(ground, sizes),
        "W5": lambda: _audit(ground, running, asked.folder, sizes),
        "W3": lambda: _engine(sizes),
    }
    text = ""
    for name, take in parts.items():
        if name in asked.parts:
            try:
                text += await take()
            except _NotValid as error:
                # A run that fails this is a failure, not a number.
                print(f"bench: {error}", file=sys.stderr)
                return 1
    print(report.aligned(text))
    if asked.results is not None:
        report.write(asked.results, text)
        _say(f"written to {asked.results.name}")
    return 0


class _NotValid(Exception):
    """What was measured is not what was to be measured: a line for each flaw."""

    def __init__(self, what: str, flaws: Sequence[str]) -> None:
        super().__init__("\nbench: ".join(f"{what} is not valid: {flaw}" for flaw in flaws))


async def _systems(systems: Mapping[str, Callable[[], Awaitable[Round]]], sizes: Sizes, on: dict[str, str]) -> str:
    taken: dict[str, list[Round]] = {}
    for number in range(1, sizes.rounds + 1):
        for name, take in systems.items():
            found = await take()
            taken.setdefault(name, []).append(found)
            _say(
                f"round {number} of {sizes.rounds}, {name}: {found.accepted_per_second:,.0f} accepted/s, "
                f"{found.cpu_total:.2f} CPU-s / 1,000"
            )
            if found.flaws:
                raise _NotValid(name, found.flaws)
    return report.results(taken, sizes, on)


async def _batches(ground: Ground, sizes: Sizes) -> str:
    taken = []
    for number in range(1, sizes.rounds + 1):
        taken.append(await batch.w4(ground))
        _say(f"round {number} of {sizes.rounds}, W4: {taken[-1].accepted_per_second:,.0f} accepted/s")
        if taken[-1].flaws:
            raise _NotValid("W4", taken[-1].flaws)
    return batch.section(taken, sizes)


async def _rest(ground: Ground, sizes: Sizes) -> str:
    taken = []
    for number in range(1, sizes.rounds + 1):
        taken.append(await idle.idle(ground))
        _say(f"round {number} of {sizes.rounds}, at rest: {taken[-1].share:.2%} of a core")
    return idle.section(taken, sizes.idle_seconds)


async def _audit(ground: Ground, running: Running, folder: Path, sizes: Sizes) -> str:
    _say("W5: the audit of the whole book")
    try:
        parts = await audit.w5(
            ground.cluster,
            running.redis_url,
            folder,
            ground.servers[POSTGRESQL],
            contacts=sizes.audit_contacts,
            rows=sizes.audit_rows,
        )
    except audit.Wrong as error:
        raise _NotValid("W5", [str(error)]) from error
    return audit.section(parts, contacts=sizes.audit_contacts, rows=sizes.audit_rows)


async def _engine(sizes: Sizes) -> str:
    _say("W3: the engine alone")
    return engine.section(engine.measure(sizes.engine_cases, sizes.rounds))


async def _valkey_version(url: str) -> str:
    cache = redis.asyncio.Redis.from_url(url)
    try:
        told = await cache.info("server")
        return str(told.get("valkey_version", told["redis_version"]))
    finally:
        await cache.aclose()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few messages, one round: a test of the bench, no figures")
    parser.add_argument(
        "--results", type=Path, help="where to write the tables (default: bench/results.md; --short, --parts: nowhere)"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the servers keep their data meanwhile")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="one slow round of W1 that leaves cProfiles there"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="only these (default: all); --profile takes W1 alone"
    )
    parser.add_argument("--sabotage", choices=list(Sabotage), default=Sabotage.NONE, help="break W1, to see it found")
    asked = parser.parse_args()
    if asked.profile is not None:
        asked.parts, asked.results = ["W1"], None
        asked.profile = asked.profile.resolve()
        asked.profile.mkdir(parents=True, exist_ok=True)
    elif asked.results is None and not asked.short and set(asked.parts) == set(PARTS):
        asked.results = RESULTS
    asked.folder = asked.folder.resolve()
    return asked


def _say(text: str) -> None:
    print(f"bench: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
