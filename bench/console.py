"""How long the console's pages take beside many people: ``python -m bench.console [PEOPLE]``.

People are written as ``bench.people`` writes them. Some of them get a past of a few days and are reckoned by the console's own job;
what it kept of those is then laid out over everybody, for hours of reckoning would show nothing more. Each page is then asked for by
HTTP, signed in, as a browser asks. Exit 1 when a page's median is over the second that is promised.
"""

import argparse
import asyncio
import random
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench import book, house, people
from bench.house import settings_of, write_settings
from bench.measure import percentile
from bench.people import contact_id, debt_id
from bench.processes import CHECKOUT
from bench.rounds import Ground, ground_of
from bench.sizes import SEED, SHORT, TUESDAY
from gateway.compose import house as gateway_house
from gateway.compose import tally
from sandbox.servers import Running, servers
from storage.clock import SandboxClock

PEOPLE: Final = 1_000_000
#: People whom the console's job reckons for real; their rows are the pattern of everybody's.
PATTERN: Final = 1_000
NAME: Final = "bench_console"
#: How often each page is asked for.
ASKED: Final = 15
SECONDS_MAX: Final = 1.0
DAYS: Final = 90
_FORM: Final = re.compile(r'name="form" value="([^"]+)"')

#: A contact $4 hours before $3 with the person $1, whose debt is $2.
_RECENT: Final = (
    "INSERT INTO contact_event (id, tenant, contact, at, type, channel, form, outcome, purpose, debts, endpoint, address_kind, "
    "creditor, collector, role) "
    "SELECT gen_random_uuid(), 'bench', $1, $3::timestamptz - $4 * interval '1 hour', 'contact', 'sms', 'text', 'delivered', "
    "'collection', ARRAY[$2], e.endpoint, 'personal', 'C1', 'A1', 'debtor' FROM address e "
    "WHERE e.tenant = 'bench' AND e.contact = $1"
)
#: The rows of the pattern's people, laid out over the people from $1 up to $2, a fiftieth of whom owe each of the small creditors.
_LAID_OUT: Final = (
    "INSERT INTO console_margin (tenant, contact, rule, part, pack, jurisdiction, citation, asks, channels, debt, debts, creditors, "
    "counted, limit_, left_, begins, ends, frees_at, last_at, event, reckoned_at) "
    "SELECT m.tenant, 'cli-' || to_char(n, 'FM000000000'), m.rule, m.part, m.pack, m.jurisdiction, m.citation, m.asks, m.channels, m.debt, "
    "ARRAY['obl-' || to_char(n, 'FM000000000')], ARRAY[CASE WHEN n % 2 = 0 THEN 'C1' ELSE 'C' || n % 50 END], m.counted, m.limit_, "
    "m.left_, m.begins, m.ends, m.frees_at, m.last_at, m.event, m.reckoned_at "
    "FROM generate_series($1::integer, $2::integer - 1) n "
    "JOIN console_margin m ON m.tenant = 'bench' AND m.contact = 'cli-' || to_char(n % $3, 'FM000000000')",
    "INSERT INTO console_tie (tenant, kind, value, contact) "
    "SELECT 'bench', tied.kind, tied.value, 'cli-' || to_char(n, 'FM000000000') FROM generate_series($1::integer, $2::integer - 1) n, "
    "LATERAL (VALUES ('debt', 'obl-' || to_char(n, 'FM000000000')), ('creditor', CASE WHEN n % 2 = 0 THEN 'C1' ELSE 'C' || n % 50 END), "
    "('channel', 'sms')) tied(kind, value) WHERE $3 > 0",
    "INSERT INTO console_due (tenant, contact, at) SELECT 'bench', 'cli-' || to_char(n, 'FM000000000'), 'infinity' "
    "FROM generate_series($1::integer, $2::integer - 1) n WHERE $3 > 0",
)
#: What happened in ninety days, by everything that is kept of it.
_HAPPENED: Final = (
    "INSERT INTO console_hour (tenant, day, hour, jurisdiction, channel, measure, n) "
    "SELECT 'bench', $1::date - d, h, 'CO', channel, measure, 40 + (d * 7 + h * 13) % 90 FROM generate_series(0, $2 - 1) d, "
    "generate_series(7, 18) h, unnest(ARRAY['sms', 'email', 'voice', 'whatsapp']) channel, unnest(ARRAY['accepted', 'sent', 'delivered', "
    "'read', 'answered', 'promised', 'replies', 'opt_outs', 'deferred', 'blocked', 'unknown', 'cost:USD']) measure",
    "INSERT INTO console_rule (tenant, day, rule, pack, effect, channel, n) SELECT 'bench', $1::date - d, rule, 'CO', effect, 'sms', 5 + d "
    "FROM generate_series(0, $2 - 1) d, unnest(ARRAY['CO-HOURS', 'CO-FREQ-3d', 'CO-FREQ-1d']) rule, unnest(ARRAY['defer', 'deny']) effect",
    "UPDATE console_cursor SET zone = 'America/Bogota' WHERE $1::date IS NOT NULL AND $2 > 0",
)
#: People written by one statement.
PART: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One page: seconds of each time that it was asked for, and how much it is."""

    name: str
    seconds: Sequence[float]
    bytes: int

    @property
    def median(self) -> float:
        """Half of them took no longer."""
        return percentile(list(self.seconds), 0.5)


async def measured(ground: Ground, count: int, asked: int) -> list[Shown]:
    """A book of so many people, and every page of its console, each ``asked`` for so often."""
    await ground.cluster.make(NAME, like=book.BOOK)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(NAME))
        await people.fill(connection, count)
        await SandboxClock().set(connection, TUESDAY)
        await _reckoned(ground, connection, min(PATTERN, count))
        for first in range(min(PATTERN, count), count, PART):
            for statement in _LAID_OUT:
                await connection.execute(statement, first, min(count, first + PART), min(PATTERN, count))
        for statement in _HAPPENED:
            await connection.execute(statement, TUESDAY.date(), DAYS)
        await connection.execute("VACUUM (ANALYZE)")
        gateway = await stack.enter_async_context(
            house.running(
                ground.folder,
                database_url=ground.cluster.url(NAME),
                redis_url=ground.redis_url,
                key=ground.key,
                carrier_port=1,
            )
        )
        jar = aiohttp.CookieJar(unsafe=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        shown = await _asked(session, gateway.url("/console"), ground.key, await _pages(connection, count), asked)
    await ground.cluster.drop(NAME)
    return shown


async def _reckoned(ground: Ground, connection: Any, count: int) -> None:
    """Give people a past of a few days and let the console's own job reckon them, and nobody else."""
    chance = random.Random(SEED)
    for person in range(count):
        for hours in chance.sample(range(3, 160), chance.choice((0, 0, 1, 1, 2, 3))):
            await connection.execute(_RECENT, contact_id(person), debt_id(person), TUESDAY, hours)
    await connection.execute(
        "INSERT INTO console_due (tenant, contact, at) SELECT 'bench', id, '-infinity' FROM contact WHERE id < $1",
        contact_id(count),
    )
    file = ground.folder / "console.toml"
    write_settings(file, database_url=ground.cluster.url(NAME), redis_url=ground.redis_url, port=1, carrier_port=1)
    async with gateway_house(settings_of(file)) as made:
        await tally(made).catch_up()
    if not await connection.fetchval("SELECT count(*) FROM console_margin"):
        raise house.NotStarted("nobody was reckoned")
    await connection.execute("UPDATE console_due SET at = 'infinity'")


async def _pages(connection: Any, count: int) -> Mapping[str, str]:
    """Every page by name, with the filters that people use."""
    subject = await connection.fetchval("SELECT subject FROM contact WHERE id = $1", contact_id(count // 2))
    rule = await connection.fetchval("SELECT rule FROM console_margin GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    since = (TUESDAY - timedelta(days=2)).date().isoformat()
    return {
        "today": "",
        "frequency, everybody": "/frequency",
        "frequency, one law": "/frequency?jurisdiction=CO",
        "frequency, one rule": f"/frequency?rule={rule}",
        "frequency, a creditor of half of all": "/frequency?creditor=C1",
        "frequency, a creditor of a hundredth": "/frequency?creditor=C7",
        "frequency, one debt": f"/frequency?debt={debt_id(count // 3)}",
        "frequency, one channel": "/frequency?channel=sms",
        "frequency, contacted since": f"/frequency?since={since}",
        "frequency, a channel nobody is tied to": "/frequency?channel=email",
        "people, by name": f"/people?q={contact_id(count // 2)}",
        "a person": f"/people/{subject.hex}",
        "blocked": "/blocked",
        "unknown": "/unknown",
        "held": "/held",
        "channels": "/channels",
        "packs": "/packs",
        "chain": "/chain",
    }


async def _asked(
    session: aiohttp.ClientSession, url: str, key: str, pages: Mapping[str, str], asked: int
) -> list[Shown]:
    async def form(at: str, to: str, **fields: str) -> None:
        async with session.get(url + at) as answer:
            token = _FORM.search(await answer.text())
        if token is None:
            raise house.NotStarted(f"no form on {at}")
        async with session.post(url + to, data={"form": token[1], **fields}, allow_redirects=False) as answer:
            if answer.status != 303:
                raise house.NotStarted(f"{to} answered {answer.status}")

    await form("/sign-in", "/sign-in", key=key)
    person = pages["a person"]
    await form(person, f"{person}/why", reason="audit", note="a measurement")
    found = []
    for name, path in pages.items():
        seconds, size = [], 0
        for _ in range(asked):
            began = time.perf_counter()
            async with session.get(url + path) as answer:
                size = len(await answer.read())
                if answer.status != 200:
                    raise house.NotStarted(f"{path} answered {answer.status}")
            seconds.append(time.perf_counter() - began)
        found.append(Shown(name=name, seconds=seconds, bytes=size))
    return found


def section(rows: Sequence[Shown], count: int) -> str:
    """The table."""
    lines = [
        f"{count:,} people; each page asked for {len(rows[0].seconds)} times.",
        "",
        "| page | median ms | longest ms | kB |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.median * 1_000:,.0f} | {max(row.seconds) * 1_000:,.0f} | {row.bytes / 1_000:,.0f} |"
        )
    return "\n".join(lines)


async def _bench(running: Running, folder: Path, count: int, asked: int) -> int:
    ground = await ground_of(running, folder, replace(SHORT, contacts=1))
    rows = await measured(ground, count, asked)
    print(section(rows, count))
    slow = [row.name for row in rows if row.median > SECONDS_MAX]
    for name in slow:
        print(f"bench: over {SECONDS_MAX:.0f} s: {name}", file=sys.stderr)
    return 1 if slow else 0


def main() -> int:
    """0: every page is there within its second. 1: one is not."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("people", type=int, nargs="?", default=PEOPLE, help="how many people there are")
    parser.add_argument("--asked", type=int, default=ASKED, help="how often each page is asked for")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".tregua" / "bench-console")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with servers(folder, lasting=False) as running:
            return asyncio.run(_bench(running, folder, asked.people, asked.asked))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
