"""She taps stop on her page while a thousand messages of hers and of others wait and two workers send: none of hers leaves after."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.test_person_page import link_of, say
from tests.gateway.town import Town, message, town
from tests.sizes import PAGE_QUEUE

BATCH = 500
HER = "+51987650077"


def in_peru(identity: str, to: str) -> dict[str, Any]:
    """Where no law counts messages, so that everything may leave at once."""
    address = {"channel": "sms", "address": to, "kind": "personal", "source": "supplied"}
    return {
        "id": identity,
        "role": "debtor",
        "jurisdictions": ["PE"],
        "zones": ["America/Lima"],
        "addresses": [address],
    }


def body(contact: Any, key: str, text: str = "Hola, su cuota está lista.") -> dict[str, Any]:
    return message(contact, content={"text": text}, idempotency_key=key)


async def attempts_of_hers(found: Town) -> int:
    (row,) = await found.rows("SELECT count(*) AS n FROM attempt WHERE contact = 'rosa'")
    return int(row["n"])


@pytest.mark.campaign
async def test_none_of_hers_leaves_after_the_commit(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path
) -> None:
    with counted("C9", "she taps stop on her page while messages of hers and of others wait") as tally:
        async with town(await new_database(like=template_url), redis_url, tmp_path) as found:
            tally.trials, blocked = await _tapped(found)
            tally.faults["blocked by her word"] = blocked


async def _tapped(found: Town) -> tuple[int, int]:
    """How many messages waited, and how many of them her word blocked."""
    found.start_worker()
    first = await found.send(message(in_peru("rosa", HER), content={"text": "Su página: {{link}}"}))
    await found.until(first["id"], "sent", "delivered")
    url = await link_of(found, HER)
    await found.stop_workers()
    queue = [
        body("rosa", f"hers-{n}") if n % 2 else body(in_peru(f"p-{n}", f"+5198{n:07d}"), f"theirs-{n}")
        for n in range(PAGE_QUEUE)
    ]
    for start in range(0, PAGE_QUEUE, BATCH):
        status, answered, _ = await found.call("POST", "/v1/messages/batch", queue[start : start + BATCH])
        assert status in (200, 202), answered
    (waiting,) = await found.rows("SELECT count(*) AS n FROM message WHERE status = 'queued'")
    assert waiting["n"] == PAGE_QUEUE
    found.start_worker()
    found.start_worker()
    while await attempts_of_hers(found) < 3:
        await asyncio.sleep(0.05)
    asked_at = time.monotonic()
    status, html, _ = await say(found, url, "stop_all")
    answered_at = time.monotonic()
    assert status == 303, html
    at_answer = await attempts_of_hers(found)
    # Nothing to wait for: the commit of her word is the one that blocked them.
    (still,) = await found.rows(
        "SELECT count(*) AS n FROM message WHERE contact = 'rosa' AND status IN ('queued', 'deferred')"
    )
    assert still["n"] == 0
    commits = await found.rows(
        "SELECT DISTINCT xmin::text AS xid FROM message WHERE contact = 'rosa' AND status = 'blocked' "
        "UNION SELECT DISTINCT xmin::text FROM contact_event WHERE contact = 'rosa' AND detail ->> 'state' = 'withdrawn'"
    )
    assert len(commits) == 1
    blocked_seconds = time.monotonic() - asked_at
    while (await found.rows("SELECT count(*) AS n FROM message WHERE status IN ('queued', 'dispatching')"))[0]["n"]:
        await asyncio.sleep(0.1)
        assert time.monotonic() - answered_at < 120
    assert await attempts_of_hers(found) == at_answer
    # By the trace, which orders by commits: nothing of hers is reserved after her word.
    kinds = [
        row["kind"] if row["kind"] == "reserved" else "stop"
        for row in await found.rows(
            "SELECT t.kind FROM trace t JOIN contact c ON c.subject = t.subject WHERE c.id = 'rosa' AND (t.kind = 'reserved' "
            "OR (t.kind = 'event' AND convert_from(t.header, 'UTF8') LIKE '%withdrawn%')) ORDER BY t.idx"
        )
    ]
    assert "stop" in kinds
    assert "reserved" not in kinds[kinds.index("stop") :]
    (hers,) = await found.rows("SELECT count(*) AS n FROM message WHERE contact = 'rosa' AND status = 'blocked'")
    arrived = await found.arrived(HER)
    assert hers["n"] == PAGE_QUEUE // 2 - (len(arrived) - 1)
    print(f"all {hers['n']} of hers blocked {blocked_seconds:.2f} s after she tapped")
    return PAGE_QUEUE, int(hers["n"])
