"""W1 of two checkouts in turn, on a machine that is not quiet: what a message costs by part, in statements, in writes and in bytes.

``python -m bench.beside OTHER_CHECKOUT``; without one, this checkout alone. Each works on servers of its own, of which the other's
rest meanwhile. Processor time is a fair measure on a busy machine, times are not; the load stands beside them.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.processes import CHECKOUT

MESSAGES: Final = 2_000
WARM: Final = 200
ROUNDS: Final = 3
STALL_SECONDS: Final = 60.0
#: Statements that are shown, those that took the most of PostgreSQL's time first.
SHOWN: Final = 40
#: Of which tables it is told how many of their updates wrote no index (HOT).
TABLES: Final = """
SELECT relname, n_tup_ins AS inserts, n_tup_upd AS updates, n_tup_hot_upd AS hot, pg_table_size(relid) AS bytes,
  pg_indexes_size(relid) AS index_bytes FROM pg_stat_user_tables
WHERE n_tup_ins + n_tup_upd > 0 ORDER BY n_tup_upd DESC, n_tup_ins DESC
"""
STATEMENTS: Final = """
SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS statement, calls, total_exec_time AS ms, rows,
  plans, total_plan_time AS plan_ms, wal_bytes::bigint AS wal, shared_blks_hit + shared_blks_read AS blocks
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = 'bench_w1' ORDER BY total_exec_time DESC
"""


def serve(folder: str, sizes: str, statements: str, stacks: str) -> None:
    """Take a round of what a line says (``w1``, ``prototype``), and answer with its figures on one; in the checkout that is measured."""
    import dataclasses

    from bench import rounds
    from bench.__main__ import ground_of
    from bench.sizes import SHORT
    from sandbox.servers import postgres, servers

    if statements:
        postgres.SETTINGS.update(
            {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
        )
    if stacks:
        _sample_into(Path(stacks))
    told: dict[str, Any] = {}

    async def answering(running: Any) -> None:
        ground = await ground_of(running, Path(folder), dataclasses.replace(SHORT, **json.loads(sizes)))
        drop, checkpoint = ground.cluster.drop, ground.cluster.checkpoint

        async def looked_at(name: str) -> None:
            # A database is dropped before it is made, too: then there is nothing to read.
            if name == "bench_w1" and told.pop("made", None):
                async with ground.cluster.connected(name) as connection:
                    told["tables"] = [dict(row) for row in await connection.fetch(TABLES)]
                    if statements:
                        told["statements"] = [dict(row) for row in await connection.fetch(STATEMENTS)]
            await drop(name)

        async def begun() -> None:
            await checkpoint()
            told["made"] = True
            if statements:
                async with ground.cluster.connected("bench_w1") as connection:
                    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
                    await connection.execute("SELECT pg_stat_statements_reset()")
            async with ground.cluster.connected("bench_w1") as connection:
                await connection.execute("SELECT pg_stat_reset()")

        ground.cluster.drop = looked_at  # type: ignore[method-assign]
        print("{}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            ground.cluster.checkpoint = begun if line.strip() == "w1" else checkpoint  # type: ignore[method-assign]
            found = await getattr(rounds, line.strip())(ground)
            print(json.dumps(dataclasses.asdict(found) | told), flush=True)
            told.clear()

    with servers(Path(folder), lasting=False) as running:
        asyncio.run(answering(running))


def _sample_into(folder: Path) -> None:
    """Every process of the gateway leaves there what it was at in each thousandth second of its processor time."""
    from bench import house
    from bench.processes import started as plain

    def sampled(name: str, of: Path, module: str, *words: str) -> Any:
        if module != "bench.part":
            return plain(name, of, module, *words)
        return plain(name, of, "bench.sampled", str(folder / f"{name}.stacks"), *words)

    house.started = sampled  # type: ignore[attr-defined, assignment]


class _Checkout:
    """One checkout, being measured."""

    def __init__(self, path: Path, folder: Path, asked: argparse.Namespace) -> None:
        self.path = path
        sizes = {"contacts": asked.messages + WARM, "messages": asked.messages, "warm": WARM}
        sizes |= {"stall_seconds": STALL_SECONDS}
        stacks = "" if asked.stacks is None else str(asked.stacks.resolve())
        words = [str(folder), json.dumps(sizes), "yes" if asked.statements else "", stacks]
        # Both run this file; what it imports is the checkout's in whose folder it runs.
        code = f"import runpy, sys; runpy.run_path({str(Path(__file__))!r}, run_name='beside')['serve'](*sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *words], cwd=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.rounds: dict[str, list[dict[str, Any]]] = {}

    def ready(self) -> None:
        """Wait until its people are written."""
        self._hear()

    def take(self, what: str) -> dict[str, Any]:
        """One round."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        told = self._hear()
        self.rounds.setdefault(what, []).append(told)
        return told

    def end(self) -> None:
        """Let go of its servers."""
        self._process.communicate(timeout=60)

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self.path} ended with {self._process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard


APART: Final = ("generator", "carrier and CRM")


def _row(name: str, rounds: list[dict[str, Any]]) -> str:
    def middle(key: str) -> float:
        return median(each[key] or 0.0 for each in rounds)

    parts = [part for part in rounds[0]["cpu_seconds"] if part not in APART]
    by_part = " · ".join(f"{part} {median(each['cpu_seconds'][part] for each in rounds):.2f}" for part in parts)
    total = median(sum(each["cpu_seconds"][part] for part in parts) for each in rounds)
    return (
        f"| {name} | {middle('accepted_per_second'):,.0f} | {middle('completed_per_second'):,.0f} | {total:.2f} | {by_part} | "
        f"{middle('accept_p99_ms'):.0f} | {middle('database_bytes'):,.0f} | {middle('wal_bytes'):,.0f} | {middle('commits'):.3f} |"
    )


def _details(told: dict[str, Any], messages: int) -> list[str]:
    lines = ["", "| table | inserts a message | updates a message | HOT | B a message, warm ones too | of indexes |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for row in told["tables"]:
        hot = f"{row['hot'] / row['updates']:.0%}" if row["updates"] else ""
        lines.append(
            f"| {row['relname']} | {row['inserts'] / messages:.2f} | {row['updates'] / messages:.2f} | {hot} "
            f"| {row['bytes'] / (messages + WARM):,.0f} | {row['index_bytes'] / (messages + WARM):,.0f} |"
        )
    if "statements" not in told:
        return lines
    each = told["statements"]

    def microseconds(rows: list[dict[str, Any]], of: str) -> float:
        found: float = sum(row[of] for row in rows) / messages * 1000
        return found

    lines += [
        "",
        f"PostgreSQL ran {sum(row['calls'] for row in each) / messages:.2f} statements a message, "
        f"{microseconds(each, 'ms'):,.0f} µs of them, after {microseconds(each, 'plan_ms'):,.0f} µs of planning.",
        "",
        "| µs a message | of planning | calls a message | rows a call | WAL B a message | blocks a message | statement |",
        "|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {microseconds([row], 'ms'):,.1f} | {microseconds([row], 'plan_ms'):,.1f} | {row['calls'] / messages:.3f} "
        f"| {row['rows'] / row['calls']:.1f} | {row['wal'] / messages:,.0f} | {row['blocks'] / messages:.1f} | {row['statement']} |"
        for row in each[:SHOWN]
    ]
    return lines


def main() -> int:
    """0: measured. 1: a round of W1 was not valid."""
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="a folder with another version of the project")
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"a round (default {MESSAGES})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each (default {ROUNDS})")
    parser.add_argument("--prototype", action="store_true", help="rounds of the prototype, too")
    parser.add_argument(
        "--statements", action="store_true", help="let PostgreSQL count its statements, which costs some"
    )
    parser.add_argument("--stacks", type=Path, metavar="FOLDER", help="sample both processes, which costs some")
    asked = parser.parse_args()
    folder = CHECKOUT / ".tregua" / f"beside-{os.getpid()}"
    folder.mkdir(mode=0o700, parents=True)
    named = [("here", CHECKOUT), *([] if asked.other is None else [("there", asked.other.resolve())])]
    checkouts = {name: _Checkout(path, folder / name, asked) for name, path in named}
    try:
        for checkout in checkouts.values():
            checkout.ready()
        for _ in range(asked.rounds):
            for name, checkout in checkouts.items():
                told = checkout.take("w1")
                print(_row(name, [told]), f"load {os.getloadavg()[0]:.1f}", flush=True)
                if told["flaws"]:
                    print(*told["flaws"], sep="\n", file=sys.stderr)
                    return 1
            if asked.prototype:
                print(_row("prototype", [checkouts["here"].take("prototype")]), flush=True)
    finally:
        for checkout in checkouts.values():
            checkout.end()
        shutil.rmtree(folder, ignore_errors=True)
    print()
    print("| W1 | accepted/s | completed/s | CPU-s / 1,000 | of it | accept p99 ms | database B | WAL B | commits |")
    print("|---|---:|---:|---:|---|---:|---:|---:|---:|")
    for name, checkout in checkouts.items():
        print(_row(name, checkout.rounds["w1"]))
    if asked.prototype:
        print(_row("prototype", checkouts["here"].rounds["prototype"]))
    for name, checkout in checkouts.items():
        print(f"\n{name}:", *_details(checkout.rounds["w1"][-1], asked.messages), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
