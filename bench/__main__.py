"""``make bench``: W1 and what it is read beside, round by round; exit 1 when W1 is not valid."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import redis.asyncio

from bench import audit, batch, book, engine, idle, report, rounds
from bench.databases import Cluster
from bench.house import NotStarted as HouseNotStarted
from bench.measure import machine
from bench.outside import Sabotage
from bench.processes import CHECKOUT, Fell
from bench.rounds import POSTGRESQL, VALKEY, Ground, Round
from bench.sizes import FULL, SHORT, Sizes
from sandbox.servers import NotStarted, Running, servers

RESULTS: Final = CHECKOUT / "bench" / "results.md"
#: In the checkout and not in the system's temporary folder, which may be kept in memory and make commits look free.
FOLDER: Final = CHECKOUT / ".tregua" / "bench"


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


async def ground_of(running: Running, folder: Path, sizes: Sizes) -> Ground:
    """What every round stands on, the people written."""
    cluster = Cluster(running.database_url)
    key = await book.write(cluster, running.redis_url, folder, sizes.contacts)
    postgresql, valkey = running.pids()
    return Ground(
        cluster=cluster,
        redis_url=running.redis_url,
        servers={POSTGRESQL: postgresql, VALKEY: valkey},
        folder=folder,
        sizes=sizes,
        key=key,
    )


async def _bench(running: Running, asked: argparse.Namespace, sizes: Sizes) -> int:
    on = machine()
    _say(f"writing {sizes.contacts:,} contacts")
    ground = await ground_of(running, asked.folder, sizes)
    on |= {"Python": sys.version.split()[0], "PostgreSQL": await ground.cluster.version()}
    on |= {"Valkey": await _valkey_version(running.redis_url)}
    taken: dict[str, list[Round]] = {}
    systems: dict[str, Callable[[], Awaitable[Round]]] = {
        report.W1: lambda: rounds.w1(ground, sabotage=Sabotage(asked.sabotage), profiles=asked.profile)
    }
    if asked.profile is None:
        systems |= {
            report.FLOOR: lambda: rounds.floor(ground, rows=False),
            report.FLOOR_ROWS: lambda: rounds.floor(ground, rows=True),
            report.PROTOTYPE: lambda: rounds.prototype(ground),
        }
    for number in range(1, sizes.rounds + 1):
        for name, take in systems.items():
            found = await take()
            taken.setdefault(name, []).append(found)
            _say(
                f"round {number} of {sizes.rounds}, {name}: {found.accepted_per_second:,.0f} accepted/s, "
                f"{found.cpu_total:.2f} CPU-s / 1,000"
            )
            if found.flaws:
                for flaw in found.flaws:
                    print(f"bench: {name} is not valid: {flaw}", file=sys.stderr)
                # A run that fails this is a failure, not a number.
                return 1
    text = report.results(taken, sizes, on)
    if asked.profile is None:
        batched = []
        for number in range(1, sizes.rounds + 1):
            batched.append(await batch.w4(ground))
            _say(f"round {number} of {sizes.rounds}, W4: {batched[-1].accepted_per_second:,.0f} accepted/s")
            for flaw in batched[-1].flaws:
                print(f"bench: W4 is not valid: {flaw}", file=sys.stderr)
            if batched[-1].flaws:
                return 1
        text += batch.section(batched, sizes)
        rests = []
        for number in range(1, sizes.rounds + 1):
            rests.append(await idle.idle(ground))
            _say(f"round {number} of {sizes.rounds}, at rest: {rests[-1].share:.2%} of a core")
        text += idle.section(rests, sizes.idle_seconds)
        _say("W5: the audit of the whole book")
        try:
            parts = await audit.w5(
                ground.cluster,
                running.redis_url,
                asked.folder,
                ground.servers[POSTGRESQL],
                contacts=sizes.audit_contacts,
                rows=sizes.audit_rows,
            )
        except audit.Wrong as error:
            print(f"bench: W5 is not valid: {error}", file=sys.stderr)
            return 1
        text += audit.section(parts, contacts=sizes.audit_contacts, rows=sizes.audit_rows)
        _say("W3: the engine alone")
        text += engine.section(engine.measure(sizes.engine_cases, sizes.rounds))
    print(report.aligned(text))
    if asked.profile is None and asked.results is not None:
        report.write(asked.results, text)
        _say(f"written to {asked.results.name}")
    return 0


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
        "--results", type=Path, help="where to write the tables (default: bench/results.md, --short: nowhere)"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the servers keep their data meanwhile")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="one slow round of W1 that leaves cProfiles there"
    )
    parser.add_argument("--sabotage", choices=list(Sabotage), default=Sabotage.NONE, help="break W1, to see it found")
    asked = parser.parse_args()
    if asked.results is None and not asked.short:
        asked.results = RESULTS
    if asked.profile is not None:
        asked.profile = asked.profile.resolve()
        asked.profile.mkdir(parents=True, exist_ok=True)
    asked.folder = asked.folder.resolve()
    return asked


def _say(text: str) -> None:
    print(f"bench: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
