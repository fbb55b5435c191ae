"""W5: what the whole book's audit costs: how close each person is to each limit, one person's timeline, ``audit recheck`` and
``trace verify``, beside the same question put to PostgreSQL as one window query and to DuckDB over Parquet.

Each part is a process of its own, so that its memory is its own.
"""

import argparse
import asyncio
import csv
import json
import random
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import asyncpg
import msgspec

from bench import audit_book
from bench.audit_book import Book
from bench.databases import Cluster
from bench.house import TENANT, settings_of
from bench.measure import cpu_seconds, percentile
from bench.processes import CHECKOUT, started
from bench.sizes import SEED, TUESDAY
from bench.workload import contact_id
from gateway.audit.recheck import rechecked
from gateway.cli import audit_report
from gateway.cli.audit_report import FORMATS
from gateway.cli.verifying import pieces
from gateway.compose import house, tally
from gateway.exports import lines, prepared
from sandbox.servers import Running, servers
from storage import audit, console_margins
from storage.clock import SandboxClock
from storage.console_margins import START
from storage.database import Connection
from storage.timeline import Happened, timeline
from tracelog.export import Broken, blocks_of, verify

ROWS: Final = 1_000_000
CONTACTS: Final = 200_000
PAGE: Final = 200
VIEWS: Final = 100
TIMELINES: Final = 1_000
TIMELINE_ROWS: Final = 100
#: The one that everybody has, and one number a person: what the floors are asked.
CAP: Final = "CO-FREQ-3d"
SECONDS_MAX: Final = 3_600.0
#: The last line of a report, with totals, rules and what was found twice.
CLOSE_BYTES_MAX: Final = 4 * 1024 * 1024
_DOCUMENT: Final = msgspec.json.Decoder()
#: "How many contacts of this person stand in the seven days up to each one, and what is the most": the question of a cap.
WINDOW: Final = """
SELECT contact, max(n) FROM (
  SELECT contact, count(*) OVER (PARTITION BY contact ORDER BY happened RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW) AS n
  FROM {rows}
) counted GROUP BY contact
"""

#: "How many contacts of this person count today under the one a day that everybody has, and how many are left": what the cap's audit
#: says of everybody, as a file. Nobody was contacted elsewhere or failed in this book, and all of them are in one place.
TODAY: Final = """
SELECT contact, count(*) FILTER (WHERE happened >= TIMESTAMPTZ '{today}') AS counted, greatest(0, 1 - counted) AS margin
FROM {rows} GROUP BY contact
"""

RECKONED: Final = "everybody's margins reckoned, once"
FREQUENCY: Final = "frequency audit of the whole book, documents"
COLUMNS: Final = "the same as columns"
ONE_CAP: Final = "one cap of the whole book"
CONSOLE: Final = "the console's view of it"
TIMELINE: Final = "timeline of one person"
RECHECK: Final = "audit recheck"
EXPORT: Final = "trace export"
VERIFY: Final = "trace verify"
REPORT: Final = "report of the last thirty days as {}"
POSTGRESQL: Final = "floor: PostgreSQL window query"
DUCKDB: Final = "floor: DuckDB over Parquet"
DUCKDB_TODAY: Final = "DuckDB over Parquet, the one cap today, as a file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part took: wall and processor seconds, the most memory of its process, and what it found."""

    name: str
    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float
    peak_bytes: int
    found: dict[str, Any] = field(default_factory=dict)


# ---- the parts, each in a process of its own ------------------------------------------------------------------------------


async def _reckon(file: Path) -> dict[str, Any]:
    """What the worker does as things happen: here for all of ninety days at once."""
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        await tally(made).catch_up()
        return {"seconds": time.perf_counter() - began}


async def _frequency(file: Path, to: Path, rule: str | None, *, columns: bool) -> dict[str, Any]:
    """`tregua audit frequency --kept`: what is due is reckoned, and everybody's margins are written out; the second time is told too."""
    times: list[float] = []
    before = time.process_time()
    async with house(settings_of(file)) as made:
        for _ in range(2):
            began = time.perf_counter()
            await tally(made).catch_up()
            with to.open("wb") as out:

                async def write(connection: Connection, out: BinaryIO = out) -> int:
                    return await audit.kept(
                        connection, TENANT, out, jurisdiction=None, margin_max=None, rule=rule, columns=columns
                    )

                limits = await made.database.run(write)
            times.append(time.perf_counter() - began)
    cpu = time.process_time() - before  # of both times, without what reads the file back
    people: set[str] = set()
    counted = 0
    with to.open(newline="") as written:
        rows: Iterable[Any] = csv.DictReader(written) if columns else map(_DOCUMENT.decode, written)
        for row in rows:
            people.add(row["contact"])
            counted += int(row["counted"])
    return {
        "seconds": times[0],
        "again": times[1],
        "cpu": cpu,
        "people": len(people),
        "limits": limits,
        "counted": counted,
        "bytes": to.stat().st_size,
    }


async def _console(file: Path) -> dict[str, Any]:
    """What the console's page of the whole book asks for: the worst, how many stand where, and how many wait."""
    waits: list[float] = []
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        for _ in range(VIEWS):
            since = time.perf_counter()

            async def read(connection: Connection) -> int:
                now, _ = await made.clock.now(connection)
                nothing = dict.fromkeys(("jurisdiction", "rule", "creditor", "debt", "channel", "since"))
                found = await console_margins.worst(connection, TENANT, **nothing, after=START, limit=PAGE)
                await console_margins.spread(connection, TENANT, jurisdiction=None, channel=None)
                await console_margins.waiting(connection, TENANT, now)
                return len(found)

            shown = await made.database.read(read)
            waits.append(time.perf_counter() - since)
        seconds = time.perf_counter() - began
    p50, p95 = (percentile(waits, share) * 1_000 for share in (0.50, 0.95))
    return {"seconds": seconds, "p50_ms": p50, "p95_ms": p95, "rows": shown, "times": len(waits)}


async def _timeline(file: Path, contacts: int) -> dict[str, Any]:
    chance = random.Random(SEED)
    waits: list[float] = []
    shortest = sys.maxsize
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        for _ in range(min(TIMELINES, 5 * contacts)):
            person = contact_id(chance.randrange(contacts))
            since = time.perf_counter()

            async def read(connection: Connection, person: str = person) -> list[Happened]:
                return await timeline(connection, TENANT, person, before=None, limit=TIMELINE_ROWS)

            rows = await made.database.read(read)
            waits.append(time.perf_counter() - since)
            shortest = min(shortest, len(rows))
        seconds = time.perf_counter() - began
    p50, p95 = (percentile(waits, share) * 1_000 for share in (0.50, 0.95))
    return {"seconds": seconds, "p50_ms": p50, "p95_ms": p95, "shortest": shortest, "times": len(waits)}


async def _recheck(file: Path) -> dict[str, Any]:
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        report = await rechecked(made.database, TENANT)
        return {
            "seconds": time.perf_counter() - began,
            "contacts": report.contacts,
            "breaches": sorted({each.index for each in report.breaches}),
        }


async def _export(file: Path, to: Path) -> dict[str, Any]:
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        export = await prepared(made.database, made.sealer, TENANT)
        with to.open("wb") as out:
            async for piece in lines(made.database, made.sealer, export):
                out.write(piece)
        return {
            "seconds": time.perf_counter() - began,
            "entries": export.rows,
            "key": made.sealer.signer(TENANT).public_key.hex(),
        }


def _verify(file: Path, key: str) -> dict[str, Any]:
    began = time.perf_counter()
    with file.open("rb") as stream:
        result = verify(blocks_of(stream), public_key=bytes.fromhex(key), elsewhere=pieces)
    seconds = time.perf_counter() - began
    if isinstance(result, Broken):
        return {"seconds": seconds, "broken": result.why}
    return {"seconds": seconds, "entries": result.size, "payloads": result.payloads}


async def _report(file: Path, to: Path) -> dict[str, Any]:
    """`tregua audit frequency --report`, with its recount out of the trace."""
    async with house(settings_of(file)) as made:
        began = time.perf_counter()
        everybody = dict.fromkeys(("contact", "jurisdiction", "since", "until"))
        refused = await audit_report.write(made, TENANT, to, **everybody, language="es")
        size = to.stat().st_size
        found = {"seconds": time.perf_counter() - began, "refused": refused, "bytes": size}
    if to.suffix != ".ndjson":
        return found
    with to.open("rb") as written:
        written.seek(max(0, size - CLOSE_BYTES_MAX))
        close = json.loads(written.read().rstrip(b"\n").rpartition(b"\n")[2])
    recount = close["recount"]
    return found | {
        "people": close["people"],
        "lines": close["lines"],
        "compared": recount["compared"],
        "differing": len(recount["differing"]),
        "breaches": len(recount["breaches"]),
    }


async def _window(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        began = time.perf_counter()
        rows = "(SELECT contact, at AS happened FROM tregua.contact_event WHERE type = 'contact') asked"
        found = await connection.fetch(WINDOW.format(rows=rows), timeout=SECONDS_MAX)
        return {"seconds": time.perf_counter() - began, "people": len(found), "most": max(row[1] for row in found)}
    finally:
        await connection.close()


def _duckdb_today(parquet: Path) -> dict[str, Any]:
    import duckdb

    to = parquet.with_suffix(".today.csv")
    asked = TODAY.format(rows=f"read_parquet('{parquet}')", today=TUESDAY.replace(hour=0).isoformat())
    times = []
    connection = duckdb.connect()
    for _ in range(2):
        began = time.perf_counter()
        connection.execute(f"COPY ({asked}) TO '{to}' (FORMAT csv, HEADER)")
        times.append(time.perf_counter() - began)
    people, counted = connection.execute(f"SELECT count(*), sum(counted) FROM read_csv('{to}')").fetchall()[0]
    to.unlink()
    return {"seconds": times[0], "again": times[1], "people": people, "counted": int(counted)}


def _duckdb(parquet: Path) -> dict[str, Any]:
    import duckdb

    began = time.perf_counter()
    rows = f"read_parquet('{parquet}')"  # a path of our own making
    connection = duckdb.connect()
    found = connection.execute(WINDOW.format(rows=rows)).fetchall()
    seconds = time.perf_counter() - began
    connection.execute(WINDOW.format(rows=rows)).fetchall()
    again = time.perf_counter() - began - seconds
    return {"seconds": seconds, "again": again, "people": len(found), "most": max(row[1] for row in found)}


async def _to_parquet(url: str, parquet: Path) -> None:
    """The rows as a file that DuckDB reads; not measured."""
    import duckdb

    table = parquet.with_suffix(".csv")
    connection = await asyncpg.connect(url)
    try:
        asked = "SELECT contact, at AS happened FROM tregua.contact_event WHERE type = 'contact' ORDER BY at"
        await connection.copy_from_query(asked, output=str(table), format="csv", header=True, timeout=SECONDS_MAX)
    finally:
        await connection.close()
    duckdb.connect().execute(f"COPY (SELECT * FROM read_csv('{table}')) TO '{parquet}' (FORMAT parquet)")
    table.unlink()


def _part(name: str, words: list[str]) -> dict[str, Any]:
    match name:
        case "reckon":
            return asyncio.run(_reckon(Path(words[0])))
        case "frequency":
            return asyncio.run(_frequency(Path(words[0]), Path(words[1]), None, columns=False))
        case "columns":
            return asyncio.run(_frequency(Path(words[0]), Path(words[1]), None, columns=True))
        case "one-cap":
            return asyncio.run(_frequency(Path(words[0]), Path(words[1]), CAP, columns=True))
        case "console":
            return asyncio.run(_console(Path(words[0])))
        case "timeline":
            return asyncio.run(_timeline(Path(words[0]), int(words[1])))
        case "recheck":
            return asyncio.run(_recheck(Path(words[0])))
        case "export":
            return asyncio.run(_export(Path(words[0]), Path(words[1])))
        case "verify":
            return _verify(Path(words[0]), words[1])
        case "report":
            return asyncio.run(_report(Path(words[0]), Path(words[1])))
        case "window":
            return asyncio.run(_window(words[0]))
        case "today":
            return _duckdb_today(Path(words[0]))
        case _:
            return _duckdb(Path(words[0]))


# ---- all of them ----------------------------------------------------------------------------------------------------------


async def w5(
    cluster: Cluster,
    redis_url: str,
    folder: Path,
    postgresql: int,
    *,
    contacts: int,
    rows: int,
    reports: Sequence[str] = (),
    pattern: int | None = None,
) -> list[Part]:
    """Every part, one after the other. ``postgresql``: the server's process, whose own cost is told apart; ``reports``: formats.

    ``pattern``: so many people are reckoned, and what happened to them and was kept of them is laid out over everybody; nothing stands in
    the trace then, and the parts that ask it are left out.
    """
    began = time.perf_counter()
    book = await audit_book.write(cluster, redis_url, folder, contacts=contacts, rows=rows, pattern=pattern)
    url, file = cluster.url(audit_book.NAME), str(book.settings)
    async with cluster.connected(audit_book.NAME) as connection:
        await SandboxClock().set(connection, TUESDAY)
    export, parquet = folder / "audit.ndjson", folder / "audit.parquet"

    async def taken(name: str, part: str, *words: str) -> Part:
        return await _taken(folder, postgresql, name, part, *words)

    book_file = folder / "book.ndjson"
    parts = []
    if pattern is not None:
        await audit_book.lay_margins_out(cluster, book.settings, pattern, contacts)
    print(f"bench: W5, the book stands: {time.perf_counter() - began:,.0f} s", flush=True)
    if pattern is None:
        parts.append(await taken(RECKONED, "reckon", file))
    for name, part in ((FREQUENCY, "frequency"), (COLUMNS, "columns"), (ONE_CAP, "one-cap")):
        parts.append(await taken(name, part, file, str(book_file)))
        book_file.unlink()
    parts += [await taken(CONSOLE, "console", file), await taken(TIMELINE, "timeline", file, str(contacts))]
    if pattern is None:
        parts.append(await taken(RECHECK, "recheck", file))
        parts.append(await taken(EXPORT, "export", file, str(export)))
        parts.append(await taken(VERIFY, "verify", str(export), parts[-1].found["key"]))
        export.unlink()
    for kind in reports:
        made = folder / f"report.{kind}"
        parts.append(await taken(REPORT.format(kind), "report", file, str(made)))
        made.unlink()
    parts.append(await taken(POSTGRESQL, "window", url))
    try:
        await _to_parquet(url, parquet)
    except ModuleNotFoundError:
        pass  # it comes with the tests' packages only
    else:
        parts.append(await taken(DUCKDB, "duckdb", str(parquet)))
        parts.append(await taken(DUCKDB_TODAY, "today", str(parquet)))
        parquet.unlink()
    await cluster.drop(audit_book.NAME)
    for flaw in flaws(parts, book):
        raise Wrong(flaw)
    return parts


class Wrong(Exception):
    """A part found something else than what stands in the book: no figure of it may be quoted."""


def flaws(parts: list[Part], book: Book) -> list[str]:
    """What is wrong about what was found."""
    by_name = {part.name: part.found for part in parts}
    found = []
    for name, what, wanted in (
        (FREQUENCY, "people", book.contacts),
        (COLUMNS, "people", book.contacts),
        (COLUMNS, "limits", by_name[FREQUENCY]["limits"]),
        (ONE_CAP, "limits", book.contacts),
        (RECHECK, "contacts", book.rows),
        (RECHECK, "breaches", sorted(book.breaches)),
        (EXPORT, "entries", book.entries),
        (VERIFY, "entries", book.entries),
        (VERIFY, "payloads", book.rows),
        (POSTGRESQL, "people", min(book.contacts, book.rows)),
        (DUCKDB, "people", min(book.contacts, book.rows)),
        (DUCKDB_TODAY, "people", min(book.contacts, book.rows)),
        (REPORT.format("ndjson"), "people", book.contacts),
        (REPORT.format("ndjson"), "differing", 0),
        # The same question, asked of what is kept and of the rows themselves.
        (DUCKDB_TODAY, "counted", by_name[ONE_CAP]["counted"]),
    ):
        if name in by_name and by_name[name].get(what) != wanted:
            found.append(f"{name} found {by_name[name].get(what, by_name[name])} {what}, not {wanted}")
    if not by_name[FREQUENCY]["limits"] or not by_name[CONSOLE]["rows"]:
        found.append("somebody has no limit, or no place in the console")
    if by_name[TIMELINE]["shortest"] < min(TIMELINE_ROWS, 1 + book.rows // book.contacts):
        found.append("somebody's timeline has not all that happened to her")
    return found


async def _taken(folder: Path, postgresql: int, name: str, part: str, *words: str) -> Part:
    roots = {"database": postgresql}
    before = cpu_seconds(roots)
    async with started("audit", folder, "bench.audit", "--part", part, *words) as process:
        found = await asyncio.wait_for(process.hear(), SECONDS_MAX)
    after = cpu_seconds(roots)
    print(f"bench: W5, {name}: {found['seconds']:,.2f} s", flush=True)
    return Part(
        name=name,
        seconds=found.pop("seconds"),
        cpu_seconds=found.pop("cpu"),
        database_cpu_seconds=after["database"] - before["database"],
        peak_bytes=found.pop("peak"),
        found=found,
    )


def section(parts: list[Part], *, contacts: int, rows: int) -> str:
    """W5 for ``results.md``."""
    floor = max(next(part.seconds for part in parts if part.name == POSTGRESQL), 0.000_001)
    table = [
        "| | what | seconds | ÷ window query | its CPU-s | PostgreSQL CPU-s | peak MiB | |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for part in parts:
        told = ""
        if part.name in (TIMELINE, CONSOLE):
            told = (
                f"{part.found['times']:,} of them: p50 {part.found['p50_ms']:.1f} ms, p95 {part.found['p95_ms']:.1f} ms"
            )
        elif part.name == RECHECK:
            told = f"{len(part.found['breaches'])} breaches, which are those that stand there"
        elif part.name in (EXPORT, VERIFY):
            told = f"{part.found['entries'] / part.seconds:,.0f} entries/s"
        elif "compared" in part.found:
            told = (
                f"{part.found['lines']:,} lines, {part.found['bytes'] / 1e6:,.1f} MB; {part.found['compared']:,} figures found again "
                "from the trace, none other"
            )
        elif "again" in part.found:
            told = f"the second time {part.found['again']:,.2f} s"
        elif "bytes" in part.found:
            told = f"{part.found['bytes'] / 1e6:,.1f} MB"
        table.append(
            f"| W5 | {part.name} | {part.seconds:,.2f} | {part.seconds / floor:,.2f} | {part.cpu_seconds:,.2f} | "
            f"{part.database_cpu_seconds:,.2f} | {part.peak_bytes / 1024 / 1024:,.0f} | {told} |"
        )
    words = f"{rows:,} contacts with {contacts:,} people over {audit_book.DAYS} days; every part once, in a process of its own."
    return "\n".join(["", "## W5: the audit of the whole book", "", *table, "", words, ""])


def main() -> int:
    """0: measured. 1: something is not as it stands in the book, or did not start."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"past contacts (default {ROWS:,})")
    parser.add_argument("--contacts", type=int, default=CONTACTS, help=f"people (default {CONTACTS:,})")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".tregua" / "bench-audit")
    parser.add_argument("--reports", nargs="*", default=[], choices=FORMATS, help="also write reports of these formats")
    parser.add_argument(
        "--pattern",
        type=int,
        metavar="PEOPLE",
        help="write and reckon so many people, lay what happened to and was kept of them out over all; leave out what asks the trace",
    )
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        import resource

        before = time.process_time()  # what was imported until here is no part of it
        found = _part(asked.part[0], asked.part[1:])
        shared = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = time.process_time() - before + shared.ru_utime + shared.ru_stime
        # Of what this process has been since it began; the kernel's own maximum knows the one that started it too.
        status = Path("/proc/self/status").read_text()
        peak = max(int(status.partition("VmHWM:")[2].split()[0]), shared.ru_maxrss) * 1024
        print(json.dumps({"cpu": cpu, "peak": peak} | found), flush=True)
        return 0
    folder = asked.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def all_of_it(running: Running) -> list[Part]:
        return await w5(
            Cluster(running.database_url),
            running.redis_url,
            folder,
            running.pids()[0],
            contacts=asked.contacts,
            rows=asked.rows,
            reports=asked.reports,
            pattern=asked.pattern,
        )

    try:
        with servers(folder, lasting=False) as running:
            parts = asyncio.run(all_of_it(running))
    except Wrong as error:
        print(f"bench: W5 is not valid: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(section(parts, contacts=asked.contacts, rows=asked.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
