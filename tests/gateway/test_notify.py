"""Events for the CRM: signed as Standard Webhooks says, in order per person, repeated until they are taken."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook
from yarl import URL

from gateway.egress import Egress, Refused
from gateway.listening import free_port
from tests.gateway.town import Town, message
from tracelog.head import opened


class Crm:
    """An endpoint of a CRM, which may be out of sorts."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.refuse = 0

    async def take(self, request: web.Request) -> web.Response:
        """Keep what came, or refuse it."""
        body = await request.read()
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=500)
        self.got.append((dict(request.headers), body))
        return web.Response()

    def types(self) -> list[str]:
        """The types of what came, in order."""
        return [json.loads(body)["type"] for _, body in self.got]

    async def until(self, count: int) -> None:
        """Wait for so many."""
        for _ in range(500):
            if len(self.got) >= count:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"got only {self.types()}")


@pytest.fixture
async def crm() -> AsyncIterator[tuple[Crm, str]]:
    found = Crm()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield found, f"http://127.0.0.1:{port}/hook"
    await runner.cleanup()


async def _register(town: Town, url: str) -> dict[str, Any]:
    status, made, _ = await town.call("POST", "/v1/webhooks", {"url": url})
    assert status in (200, 201), made
    assert isinstance(made, dict)
    return made


async def test_events_are_signed_and_in_order(busy: Town, crm: tuple[Crm, str]) -> None:
    found, url = crm
    made = await _register(busy, url)
    secret = made.get("secret") or made["secrets"][0]
    found.refuse = 1
    answered = await busy.send(message())
    await busy.until(answered["id"], "delivered")
    await busy.reply("hola, ya vi")
    await busy.reply("BAJA")
    await found.until(5)
    assert found.types() == [
        "message.sent", "message.delivered", "reply.received", "reply.received", "consent.changed",
    ]  # fmt: skip
    for headers, body in found.got:
        told = Webhook(secret).verify(body.decode(), headers)
        assert told["tenant"] == "t1"
        assert told["data"]["contact"] == "ana"
    assert [json.loads(b)["data"].get("text") for _, b in found.got][2:4] == ["hola, ya vi", "BAJA"]
    assert len({headers["webhook-id"] for headers, _ in found.got}) == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
        "https://2130706433/hook",
        "https://0x7f.1/hook",
        "https://user:pw@example.com/hook",
        "ftp://example.com/hook",
        "https://example.com:22/hook",
    ],
)
def test_addresses_inside_are_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises((Refused, ValueError)):
        Egress().check(URL(url))


async def test_a_name_that_resolves_inside_is_refused_at_the_connection() -> None:
    egress = Egress()
    try:
        with pytest.raises(OSError, match=r"not public|Cannot connect"):
            await egress.post("https://localhost/hook", b"{}", {}, 1024)
    finally:
        await egress.close()


async def test_a_long_line_of_one_person_does_not_hold_up_another(busy: Town, crm: tuple[Crm, str]) -> None:
    found, url = crm
    made = await _register(busy, url)
    await busy.rows(
        """
        WITH told AS (
          INSERT INTO crm_event (id, tenant, contact, type, body, occurred_at)
          SELECT gen_random_uuid(), 't1', CASE WHEN n <= 2000 THEN 'long' ELSE 'short' END, 'reply.received',
            json_build_object('n', n), now() FROM generate_series(1, 2001) n RETURNING id, contact, seq
        )
        INSERT INTO crm_delivery (endpoint, event, tenant, contact, seq, state, next_at, first_at)
        SELECT $1::uuid, id, 't1', contact, seq, 'waiting', now(), now() FROM told
        """,
        made["id"].removeprefix("whk_"),
    )
    for _ in range(400):
        numbers = [json.loads(body)["data"]["n"] for _, body in found.got]
        if 2001 in numbers:
            break
        await asyncio.sleep(0.02)
    assert 2001 in numbers
    assert len(numbers) < 1000, "the short line waited for the long one"
    assert [n for n in numbers if n <= 2000] == sorted(n for n in numbers if n <= 2000)


async def test_every_event_to_the_crm_carries_the_last_signed_head(busy: Town, crm: tuple[Crm, str]) -> None:
    found, url = crm
    await busy.call("POST", "/v1/webhooks", {"url": url})
    _, shown, _ = await busy.call("GET", "/v1/trace/head")
    sent = await busy.send(message())
    await busy.until(sent["id"], "delivered")
    await found.until(2)
    for headers, _ in found.got:
        head = opened(b64decode(headers["tregua-checkpoint"]).decode(), bytes.fromhex(shown["public_key"]))
        assert head.head.size >= shown["size"]
