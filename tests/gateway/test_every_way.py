"""What other gateways got wrong, tried on every way through the whole house: each name says where it was seen first.

jasmin#472: a receipt comes before the id. courier#1189, chatwoot#14529: a status goes back. notifications-api#802: a time-out
though the provider has it, sent again. And two workers that both take one message.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.dev_ways import AGGREGATOR
from gateway.compose import Pace
from gateway.receive import RANK
from tests.gateway.town import (
    AUTHORISED,
    BOT_PROVIDER,
    CHAT_PROVIDER,
    MAIL_PROVIDER,
    PROVIDER,
    VOICE_PROVIDER,
    WEB_PROVIDER,
    Town,
    message,
    town,
)

PACE = Pace(
    lookups=tuple(timedelta(seconds=s) for s in (0.2, 0.5, 1.0)), absent_apart=timedelta(seconds=1), sweep_seconds=1
)
TOWNS: dict[str, dict[str, bool]] = {
    "each channel": {"mail": True, "telegram": True, "voice": True, "inbox": True, "whatsapp": True},
    "an aggregator": {"aggregator": True},
}


@dataclass(frozen=True)
class Way:
    """One way out. ``reports``: its provider tells what became of a message; ``calls``: sending is a call that can be cut."""

    provider: str
    channel: str
    address: str
    opens: bool = False
    reports: bool = True
    calls: bool = True


WAYS = {
    "each channel": [
        Way(PROVIDER, "sms", "+549115012{:02d}77"),
        Way(MAIL_PROVIDER, "email", "ana{:02d}x@ejemplo.test"),
        Way(VOICE_PROVIDER, "voice", "+549115013{:02d}77"),
        Way(CHAT_PROVIDER, "whatsapp", "+549115014{:02d}77", opens=True),
        Way(BOT_PROVIDER, "telegram", "9115012{:02d}77", opens=True, reports=False),
        Way(WEB_PROVIDER, "web", "p-web-{}", calls=False),
    ],
    "an aggregator": [Way(AGGREGATOR, "sms", "+549115015{:02d}77")],
}


@pytest.fixture(params=TOWNS)
async def every(
    request: pytest.FixtureRequest, own_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[tuple[Town, list[Way]]]:
    made = town(own_url, redis_url, tmp_path, pace=PACE, **TOWNS[request.param])
    async with made as found:
        yield found, WAYS[request.param]


async def known(found: Town, way: Way, number: int = 0) -> str:
    """A person in Argentina, where no law counts; she writes first where a platform asks for that."""
    identity = f"p-{way.channel}-{number}"
    address = way.address.format(number)
    contact = {
        "id": identity,
        "role": "debtor",
        "jurisdictions": ["AR"],
        "zones": ["America/Argentina/Buenos_Aires"],
        "addresses": [
            {
                "channel": way.channel,
                "address": address,
                "kind": "personal",
                "source": "supplied",
                "authorised": AUTHORISED,
            }
        ],
    }
    status, answered, _ = await found.call("PUT", f"/v1/contacts/{identity}", contact)
    assert status == 200, answered
    if way.opens:
        await found.reply("hola", address, way.channel)
    return identity


def by(way: Way, identity: str) -> dict[str, Any]:
    content = message()["content"] | ({"subject": "Su cuota"} if way.channel == "email" else {})
    return message(identity, channel=way.channel, content=content, debts=[{"id": f"d-{identity}"}])


async def told(found: Town, identity: str) -> list[str]:
    """What the CRM was told of a message, in order."""
    rows = await found.rows("SELECT type, body FROM crm_event WHERE type LIKE 'message.%' ORDER BY seq")
    return [row["type"].removeprefix("message.") for row in rows if json.loads(row["body"])["message"] == identity]


async def settled(found: Town, way: Way, identity: str) -> dict[str, Any]:
    """The message when nothing more is to come of it."""
    return await found.until(identity, *(("delivered", "read") if way.reports else ("sent",)), seconds=15)


async def test_a_receipt_before_the_id_finds_its_message(every: tuple[Town, list[Way]]) -> None:
    found, ways = every
    found.start_worker()
    for way in [way for way in ways if way.reports and way.calls]:
        identity = await known(found, way)
        await found.fault("early_receipt", provider=way.provider)
        answered = await found.send(by(way, identity))
        (attempt,) = (await settled(found, way, answered["id"]))["attempts"]
        assert attempt["outcome"] in ("delivered", "read"), way.channel
        for _ in range(100):
            (attempt,) = (await found.get(answered["id"]))["attempts"]
            if attempt["provider_id"] is not None:
                break
            await asyncio.sleep(0.02)
        assert attempt["provider_id"] is not None, way.channel
        assert await found.rows("SELECT 1 FROM hook_kept WHERE why = 'no attempt of ours'") == [], way.channel


async def test_a_status_never_goes_back(every: tuple[Town, list[Way]]) -> None:
    found, ways = every
    found.start_worker()
    for way in [way for way in ways if way.reports]:
        identity = await known(found, way)
        for fault in ("reorder_receipts", "duplicate_receipt"):
            await found.fault(fault, provider=way.provider)
        answered = await found.send(by(way, identity))
        await settled(found, way, answered["id"])
        await asyncio.sleep(0.3)
        heard = await told(found, answered["id"])
        ranks = [RANK[word] for word in heard]
        assert ranks == sorted(set(ranks)), (way.channel, heard)
        last = await found.get(answered["id"])
        assert last["status"] == heard[-1], (way.channel, heard)


async def test_a_time_out_though_the_provider_has_it_is_never_sent_again(every: tuple[Town, list[Way]]) -> None:
    found, ways = every
    found.start_worker()
    cut = [way for way in ways if way.calls]
    sent: list[tuple[Way, str]] = []
    for way in cut:
        identity = await known(found, way)
        await found.fault("hang_up", provider=way.provider)
        sent.append((way, (await found.send(by(way, identity)))["id"]))
    for way, identity in sent:
        await found.until(identity, "unknown", "sent", "delivered", "read", seconds=15)
    # Past every look-up, and past whatever would try again.
    await asyncio.sleep(2.5)
    for way, identity in sent:
        last = await found.get(identity)
        assert len(last["attempts"]) == 1, way.channel
        assert last["status"] in ("unknown", "sent", "delivered", "read"), way.channel
        assert len(await found.arrived(way.address.format(0))) == 1, way.channel


async def test_two_workers_send_one_message_once(every: tuple[Town, list[Way]]) -> None:
    found, ways = every
    people = [(way, await known(found, way, number), number) for way in ways for number in range(3)]
    sent = await asyncio.gather(*(found.send(by(way, identity)) for way, identity, _ in people))
    found.start_worker()
    found.start_worker()
    for (way, _, number), answered in zip(people, sent, strict=True):
        last = await settled(found, way, answered["id"])
        # What provably never left (a note that is still being made) is another try of the same worker's.
        left = [attempt for attempt in last["attempts"] if attempt["outcome"] != "not_sent"]
        assert len(left) == 1, way.channel
        if way.calls:
            assert len(await found.arrived(way.address.format(number))) == 1, way.channel
