"""The way to people's own pages: it sends without calling anybody, announces once where it is told to, and never fails for that."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.kit.links import attempt_of_token
from adapters.kit.port import Forged, Hook
from adapters.kit.settings import SettingsError
from adapters.kit.signing import status_url
from adapters.kit.testing import Bench, HangsUp, NeverAnswers, Says, Step, loopback_only
from adapters.web_inbox import SPEC, WebInbox
from vocabulary.channel import Channel
from vocabulary.outcome import Found, Lost, Parcel, Sent

SECRET = b"canary-secret-that-marks-attempts"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
PARCEL = Parcel(
    attempt=ATTEMPT,
    channel=Channel.WEB,
    to="cli-canary",
    text="Hola canary",
    validity_seconds=60,
    status_url=status_url("https://t.example/in", "web", SECRET, ATTEMPT),
)


@dataclass
class Tried:
    bench: Bench
    way: WebInbox


@pytest.fixture
async def tried() -> AsyncIterator[Tried]:
    async with loopback_only(), Bench() as bench:
        table = {"announce_url": f"{bench.base_url}/told", "announce_secret": "canary-secret-of-announcements"}
        way = SPEC.build("web", table, SECRET)
        assert isinstance(way, WebInbox)
        yield Tried(bench, way)
        await way.close()


async def settled(bench: Bench) -> None:
    for _ in range(100):
        if bench.seen:
            return
        await asyncio.sleep(0.01)


async def test_sent_without_calling_anybody() -> None:
    async with loopback_only():
        way = SPEC.build("web", {}, SECRET)
        ending = await way.send(PARCEL)
        assert ending == Sent(provider_id=ATTEMPT.hex, provider_status="in the inbox")
        assert way.quote("cli-canary", "text") is None
        await way.close()


async def test_announced_once_with_the_address_of_her_page_and_without_her_words(tried: Tried) -> None:
    tried.bench.script(Says(status=204))
    assert isinstance(await tried.way.send(PARCEL), Sent)
    await settled(tried.bench)
    (seen,) = tried.bench.seen
    told = json.loads(seen.body)
    assert (seen.method, seen.target) == ("POST", "/told")
    assert seen.headers["authorization"] == "Bearer canary-secret-of-announcements"
    assert set(told) == {"contact", "attempt", "url"}
    assert told["url"].startswith("https://t.example/in/p/")
    assert attempt_of_token(SECRET, told["url"][-22:]) == ATTEMPT
    assert b"Hola canary" not in seen.body


@pytest.mark.parametrize(
    "step", [Says(status=500), HangsUp(), NeverAnswers(), Says(status=302, headers={"Location": "/"})]
)
async def test_whatever_becomes_of_the_announcement_it_is_sent_and_not_told_again(tried: Tried, step: Step) -> None:
    tried.bench.script(step)
    assert isinstance(await tried.way.send(PARCEL), Sent)
    await settled(tried.bench)
    await asyncio.sleep(0.05)
    assert len(tried.bench.seen) == 1


async def test_an_ending_that_nobody_told_is_found_in_the_inbox() -> None:
    way = SPEC.build("web", {}, SECRET)
    now = datetime.now(UTC)
    lost = Lost(attempt=ATTEMPT, to="c", text="t", not_before=now, not_after=now + timedelta(seconds=1))
    assert await way.find(lost) == Found(provider_id=ATTEMPT.hex, provider_status="in the inbox")
    await way.close()


async def test_every_hook_is_forged() -> None:
    way = SPEC.build("web", {}, SECRET)
    with pytest.raises(Forged):
        way.read(Hook(method="POST", url="https://t.example/hooks/web", kind="any", headers={}, body=b""))
    await way.close()


@pytest.mark.parametrize(
    "table",
    [
        {"announce_url": "http://elsewhere.example/told", "announce_secret": "s"},
        {"announce_url": "https://elsewhere.example/told"},
        {"announce_secret": "s"},
        {"announce_url": "not an address", "announce_secret": "s"},
        {"anounce_url": "https://elsewhere.example"},
    ],
)
def test_a_wrong_table_is_refused_without_its_values(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as refused:
        SPEC.build("web", table, SECRET)
    assert "elsewhere" not in str(refused.value)


async def test_nothing_of_hers_is_in_a_repr(tried: Tried) -> None:
    assert "canary" not in repr(tried.way)
    assert "canary" not in repr(PARCEL)
