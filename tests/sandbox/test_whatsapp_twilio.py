"""WhatsApp at the simulated Twilio, by the real adapter and the real intake; whatever passes is held against Twilio's description."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from adapters.kit.signing import inbound_url, status_url
from adapters.kit.testing import loopback_only
from adapters.kit.transport import Answered, Exchange, Transport
from adapters.whatsapp_twilio import SPEC, TwilioWhatsApp
from adapters.whatsapp_twilio import settings as twilio_settings
from sandbox.app import DOOR, make_app
from sandbox.settings import Settings, TwilioAccount
from sandbox.whatsapp_twilio import BASE
from tests.adapters import twilio_oai
from tests.sandbox.conftest import ACCOUNT, NUMBER, SECRET, TOKEN, Gateway, until
from vocabulary.channel import Channel
from vocabulary.outcome import Found, Lost, Note, NotSent, Outcome, Parcel, Receipt, Registered, Rejected, Sent, Unknown
from webhooks.intake import routes
from webhooks.port import Ending

PERSON = "+573001230000"
CONTENT = "HX" + "0a" * 16


class Behind(Transport):
    """Our one transport, with every exchange held against Twilio's description, which knows nothing of ``/whatsapp``."""

    async def exchange(
        self, method: str, url: str, *, headers: Any, body: bytes | None = None, once: bool = False
    ) -> Exchange:
        parts = urlsplit(url)
        target = parts.path.removeprefix(BASE) + (f"?{parts.query}" if parts.query else "")
        twilio_oai.check_request(method, target, headers.get("Content-Type"), body or b"")
        exchange = await super().exchange(method, url, headers=headers, body=body, once=once)
        if isinstance(exchange, Answered) and exchange.status < 300:
            assert exchange.body is not None
            twilio_oai.check_answer(method, target, exchange.status, json.loads(exchange.body))
        return exchange


@dataclass
class Phone:
    gateway: Gateway
    client: ClientSession
    public: str
    adapter: TwilioWhatsApp
    port: int

    def parcel(self, to: str = PERSON, **told: Any) -> Parcel:
        attempt = uuid4()
        whole = Parcel(
            attempt=attempt,
            channel=Channel.WHATSAPP,
            to=to,
            text="Hola ñandú €",
            validity_seconds=60,
            status_url=status_url(self.public, "wa", SECRET, attempt),
        )
        return replace(whole, **told)

    async def send(self, to: str = PERSON, **told: Any) -> Outcome:
        return await self.adapter.send(self.parcel(to, **told))

    async def post(self, path: str, told: object) -> Any:
        async with self.client.post(f"http://127.0.0.1:{self.port}{path}", json=told) as answer:
            assert answer.status == 200
            return await answer.json()

    async def messages(self) -> Any:
        async with self.client.get(f"http://127.0.0.1:{self.port}/sandbox/messages?channel=whatsapp") as answer:
            return await answer.json()

    async def writes(self, text: str = "hola", sender: str = PERSON) -> None:
        told = await self.post("/sandbox/reply", {"channel": "whatsapp", "from": sender, "text": text})
        assert told["hook"] == {"status": 200, "taken": True}

    def codes(self) -> list[str | None]:
        return [one.error_code for one in self.gateway.received if isinstance(one, Receipt)]


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    async with loopback_only(), ClientSession() as client:
        gateway = Gateway()
        house = web.Application()
        late: dict[str, Any] = {}

        async def hooks(request: web.Request) -> web.StreamResponse:
            answer: web.StreamResponse = await late[request.match_info["kind"]](request)
            return answer

        async def note(_request: web.Request) -> web.Response:
            return web.Response(body=b"OggS", content_type="audio/ogg")

        house.router.add_post("/hooks/{provider}/{kind}", hooks)
        house.router.add_get("/notes/x.ogg", note)
        runner = web.AppRunner(house, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        public = f"http://127.0.0.1:{runner.addresses[0][1]}"
        account = TwilioAccount(
            provider="wa",
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            number=NUMBER,
            inbound_url=inbound_url(public, "wa"),
        )
        sms = replace(account, provider="twilio-main", inbound_url=inbound_url(public, "twilio-main"))
        settings = Settings(
            directory=tmp_path / "sandbox",
            twilio=sms,
            whatsapp_twilio=account,
            late_seconds=0.4,
            retry_seconds=(0.05, 0.1, 0.2, 0.4),
        )
        app = make_app(settings, clock=gateway, set_clock=gateway.set_clock)
        sandbox = web.AppRunner(app, access_log=None)
        await sandbox.setup()
        await web.TCPSite(sandbox, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{app[DOOR].port}{BASE}"
        table = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "base_url": base}
        adapter = TwilioWhatsApp("wa", twilio_settings("wa", table), SECRET, Behind(call_seconds=1.5))
        for route in routes({"wa": adapter}, gateway, public, gateway, {"wa": SPEC.hooks}):
            late[route.path.rpartition("/")[2]] = route.handler
        yield Phone(gateway, client, public, adapter, sandbox.addresses[0][1])
        await adapter.close()
        await sandbox.cleanup()
        await runner.cleanup()


async def test_in_the_window_a_text_arrives_and_is_read(phone: Phone):
    person = "+573001230001"
    await phone.writes(sender=person)
    parcel = phone.parcel(person)
    assert isinstance(await phone.adapter.send(parcel), Sent)
    await until(lambda: phone.gateway.words() == ["sent", "delivered", "read"])
    receipts = [one for one in phone.gateway.received if isinstance(one, Receipt)]
    assert {one.attempt for one in receipts} == {parcel.attempt}
    (message,) = await phone.messages()
    assert (message["to"], message["from"], message["text"]) == (person, NUMBER, "Hola ñandú €")
    assert [(one.sender, one.recipient, one.text) for one in phone.gateway.replies()] == [(person, NUMBER, "hola")]


async def test_outside_the_window_a_text_is_taken_and_fails_with_63016(phone: Phone):
    assert isinstance(await phone.send(), Sent)
    await until(lambda: phone.gateway.words() == ["failed"])
    assert phone.codes() == ["63016"]


async def test_the_window_closes_after_a_day_of_the_gateways_clock(phone: Phone):
    await phone.writes()
    await phone.send()
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])
    later = datetime.now(UTC) + timedelta(hours=24, seconds=5)
    await phone.post("/sandbox/clock", {"now": later.isoformat()})
    await phone.send()
    await until(lambda: phone.codes()[-1] == "63016")


async def test_a_template_needs_no_window(phone: Phone):
    assert isinstance(
        await phone.send(template=Registered(reference=CONTENT, language="es", values=("Ana", "julio"))), Sent
    )
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])
    assert [message["text"] for message in await phone.messages()] == [f"[{CONTENT}] · Ana · julio"]


@pytest.mark.parametrize(("path", "told"), [("/notes/x.ogg", ["sent", "delivered"]), ("/notes/gone.ogg", ["failed"])])
async def test_a_voice_note_is_fetched_by_twilio(phone: Phone, path: str, told: list[str]):
    await phone.writes()
    note = Note(url=phone.public + path, audio=b"OggS", seconds=1.0)
    assert isinstance(await phone.send(note=note, text=""), Sent)
    await until(lambda: phone.gateway.words() == told)
    assert [message["audio_url"] for message in await phone.messages()] == [phone.public + path]
    assert phone.codes()[-1] == (None if told[-1] == "delivered" else "63019")


async def test_the_last_digits_pick_an_ending(phone: Phone):
    await phone.writes(sender="+573001230002")
    await phone.send("+573001230002")
    await until(lambda: phone.gateway.words() == ["sent", "undelivered"])
    assert phone.codes() == [None, "63049"]
    rejected, silent, stopped = [await phone.send(f"+57300123{last}") for last in ("0003", "0004", "0005")]
    assert isinstance(rejected, Rejected)
    assert not rejected.opted_out
    assert isinstance(silent, Unknown)
    assert isinstance(stopped, Rejected)
    assert stopped.opted_out


@pytest.mark.parametrize("fault", ["timeout", "hang_up"])
async def test_what_was_accepted_although_nobody_answered_is_found(phone: Phone, fault: str):
    await phone.writes()
    await phone.post("/sandbox/faults", {"provider": "whatsapp_twilio", "fault": fault})
    before = datetime.now(UTC)
    parcel = phone.parcel()
    assert isinstance(await phone.adapter.send(parcel), Unknown)
    lost = Lost(
        attempt=parcel.attempt,
        to=PERSON,
        text=parcel.text,
        not_before=before,
        not_after=before + timedelta(seconds=30),
    )
    assert isinstance(await phone.adapter.find(lost), Found)
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])


async def test_faults_of_receipts_strike_it_as_they_strike_sms(phone: Phone):
    await phone.writes()
    for fault in ("duplicate_receipt", "forged_receipt", "reorder_receipts"):
        await phone.post("/sandbox/faults", {"provider": "wa", "fault": fault})
    await phone.send()
    await until(lambda: phone.gateway.words() == ["delivered", "delivered", "sent", "sent"])
    assert phone.gateway.endings.count(Ending.FORGED) == 1


async def test_throttled_it_rests(phone: Phone):
    await phone.post("/sandbox/faults", {"provider": "wa", "fault": "throttle"})
    assert isinstance(await phone.send(), NotSent)
