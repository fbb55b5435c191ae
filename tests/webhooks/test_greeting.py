"""The GET with which Meta asks whether an address is ours: answered to whoever knows our word, and to nobody else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession, web

from adapters.sms_twilio import SPEC as TWILIO
from adapters.whatsapp_meta import SPEC as META
from tests.adapters import sms_twilio_demands, whatsapp_meta_demands
from tests.adapters.whatsapp_meta_demands import VERIFY, hook, inbound, said, whole
from tests.webhooks.test_intake import Counting, Remembering
from webhooks.intake import routes
from webhooks.port import Ending

GREETING = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444"}


@dataclass
class Door:
    inbox: Remembering
    counter: Counting
    client: ClientSession
    base: str

    async def get(self, way: str, **query: str) -> tuple[int, str, str]:
        async with self.client.get(f"{self.base}/hooks/{way}?{urlencode(query)}") as answer:
            return answer.status, await answer.text(), answer.content_type


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    ways = {
        "meta": META.build("meta", whatsapp_meta_demands.table("http://127.0.0.1:1"), b"marks"),
        "twilio": TWILIO.build("twilio", sms_twilio_demands.table("http://127.0.0.1:1"), b"marks"),
    }
    inbox, counter = Remembering(), Counting()
    app = web.Application()
    app.add_routes(routes(ways, inbox, "https://tregua.example", counter, {"meta": META.hooks}))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as client:
        yield Door(inbox, counter, client, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
    for way in ways.values():
        await way.close()


async def test_who_knows_our_word_gets_the_challenge_back_as_plain_text(door: Door):
    assert await door.get("meta", **GREETING) == (200, "1158201444", "text/plain")
    assert door.counter.counted == []


STRANGERS: dict[str, dict[str, str]] = {
    "with another word": {"hub.verify_token": "another"},
    "with half of it": {"hub.verify_token": VERIFY[:-1]},
    "with none": {"hub.verify_token": ""},
    "with a word that is no ASCII": {"hub.verify_token": "ñandú"},
    "who does not subscribe": {"hub.mode": "unsubscribe"},
}


@pytest.mark.parametrize("stranger", list(STRANGERS))
async def test_a_stranger_learns_nothing(door: Door, stranger: str):
    status, body, _ = await door.get("meta", **{**GREETING, **STRANGERS[stranger]})
    assert (status, body) == (403, "")
    assert door.counter.counted == [("meta", Ending.FORGED)]


@pytest.mark.parametrize("challenge", ["", "<script>", "a b", "1\r\nSet-Cookie: a=b", "9" * 300])
async def test_what_is_no_challenge_is_not_given_back(door: Door, challenge: str):
    status, body, _ = await door.get("meta", **{**GREETING, "hub.challenge": challenge})
    assert (status, body) == (400, "")


@pytest.mark.parametrize("way", ["twilio", "nobody"])
async def test_a_way_that_is_never_greeted_has_no_such_address(door: Door, way: str):
    status, _, _ = await door.get(way, **GREETING)
    assert status == 404


async def test_its_calls_come_to_the_same_address(door: Door):
    genuine = hook(whole(inbound(said(text={"body": "BAJA"}))))
    async with door.client.post(f"{door.base}/hooks/meta", data=genuine.body, headers=genuine.headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    ((provider, received, raw),) = door.inbox.put_in
    assert (provider, len(received), raw) == ("meta", 1, genuine.body)
