"""C12: names, numbers and words of people that nobody else has, and where they are seen after a day of everything."""

import io
import json
import logging
import random
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio
import structlog

from tests.campaigns import load
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.town import message, number, person, town
from tests.sizes import CANARIES, hangs_after, seed

SEED = seed(20261112)

#: Words in one pattern: one of four thousand is more than PostgreSQL has memory for. Of fewer than 32 patterns each is read once.
MARKS_AT_ONCE = 400
#: Where PostgreSQL may hold what a person is or said: her profile, what was asked and tried for her, what she said, and what waits
#: to be told to the tenant whose debtor she is. Everything else must be free of it.
PLACES = {
    ("address", "address"),
    ("attempt", "address"),
    ("contact", "name"),
    ("contact", "profile"),
    ("contact_event", "words"),
    ("crm_event", "body"),
    ("hook", "raw"),
    ("message", "ask"),
    ("reply", "text"),
}


async def _placed(database_url: str, marks: list[str]) -> set[tuple[str, str]]:
    """Every column of every table in which a mark stands, as text or as bytes."""
    some = [marks[n : n + MARKS_AT_ONCE] for n in range(0, len(marks), MARKS_AT_ONCE)]
    patterns = ["|".join(part) for part in some] + ["|".join(mark.encode().hex() for mark in part) for part in some]
    seen = set()
    # One session for all: a pattern of so many words takes longer to read than to look for, and a session reads it once.
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT table_schema AS s, table_name AS t, column_name AS c FROM information_schema.columns "
            "WHERE table_schema IN ('tregua', 'vault') AND data_type IN "
            "('text', 'json', 'jsonb', 'bytea', 'ARRAY', 'character varying')"
        )
        for row in rows:
            looked = (
                f'SELECT EXISTS (SELECT FROM "{row["s"]}"."{row["t"]}" WHERE "{row["c"]}"::text ~ ANY ($1::text[]))'
            )
            if await connection.fetchval(looked, patterns):
                seen.add((row["t"], row["c"]))
    finally:
        await connection.close()
    return seen


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_no_canary_is_seen_outside_its_place(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logging.getLogger().addHandler(handler)
    people = []
    url = await new_database(like=template_url)
    with counted("C12", "canaries through everything that is done with people", seed=SEED) as tally:
        with structlog.testing.capture_logs() as logs:
            async with town(url, redis_url, tmp_path) as found:
                found.start_worker()
                for n in range(CANARIES):
                    mark = f"Kanarie{chance.randrange(10**9):09d}"
                    to = number(chance.randrange(10**5), 310 + n % 9)
                    known = person(f"c{n}", to) | {"name": f"{mark} Ñandú"}
                    body = message(
                        known, content={"text": f"Hola {mark}, su cuota está lista."}, debts=[{"id": f"d{n}"}]
                    )
                    identity = await load.persist(found, body)
                    people.append((mark, to))
                    if n % 3 == 0:
                        await found.until(identity, "delivered", "undelivered", "sent", seconds=load.PATIENCE_SECONDS)
                        await found.reply(f"soy {mark} y no puedo pagar", to)
                    if n % 5 == 0:
                        # What is wrong is told without what was given.
                        bad = {**body, "contact": {**known, "zones": [mark], "addresses": [{"channel": mark}]}}
                        status, answered, _ = await found.call(
                            "POST", "/v1/messages", bad, **{"Idempotency-Key": f"b{n}"}
                        )
                        tally.hold(status == 422, f"{status}")
                        tally.hold(mark not in json.dumps(answered, ensure_ascii=False), f"an error showed: {answered}")
                        tally.faults["bad input"] += 1
                    if n % 7 == 0:
                        await found.call("DELETE", f"/v1/contacts/c{n}")
                        tally.faults["erased"] += 1
                await load.calm(found)
                async with found.session.get(f"{found.url}/metrics") as answer:
                    metrics = await answer.text()
                cache = redis.asyncio.Redis.from_url(redis_url)
                kept = b"\n".join(
                    [key + b" " + (await cache.dump(key) or b"") async for key in cache.scan_iter()]
                ).decode("latin-1")
                await cache.aclose()
                marks = [mark for mark, _ in people] + [to[1:] for _, to in people]
                outside = await _placed(found.database_url, marks) - PLACES
                tally.hold(not outside, f"in PostgreSQL outside its place: {sorted(outside)}")
        logging.getLogger().removeHandler(handler)
        said = (
            "\n".join(json.dumps(line, default=str) for line in logs) + lines.getvalue() + "".join(capfd.readouterr())
        )
        server = Path(urlsplit(url).query.removeprefix("host=")).parent / "postgres.log"
        written = server.read_text(errors="replace") if server.exists() else ""
        for mark, to in people:
            for where, text in (("logs", said), ("metrics", metrics), ("Redis", kept), ("PostgreSQL's log", written)):
                tally.hold(mark not in text and to[1:] not in text, f"seen in {where}")
            tally.trials += 1
