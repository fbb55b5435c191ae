"""The simulated Cloud API, by the real adapter and the real intake; whatever passes is held against Meta's description."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from adapters.kit.signing import status_url
from adapters.kit.testing import loopback_only
from adapters.kit.transport import Answered, Exchange, Transport
from adapters.whatsapp_meta import SPEC, MetaWhatsApp
from adapters.whatsapp_meta import settings as meta_settings
from sandbox.app import DOOR, make_app
from sandbox.settings import MetaAccount, Settings, TwilioAccount
from tests.adapters import meta_described
from tests.adapters.whatsapp_meta_demands import APP_SECRET, NUMBER, NUMBER_ID, PERSON, TOKEN, VERIFY
from tests.sandbox.conftest import ACCOUNT, SECRET, Gateway, until
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    Note,
    NotSent,
    Outcome,
    Parcel,
    Receipt,
    ReceiptKind,
    Registered,
    Rejected,
    Reply,
    Sent,
    Unknown,
)
from webhooks.intake import routes
from webhooks.port import Ending

AUDIO = b"OggS" + bytes(range(256))


class Checked(Transport):
    """Our one transport, with every exchange held against Meta's own description."""

    async def exchange(
        self, method: str, url: str, *, headers: Any, body: bytes | None = None, once: bool = False
    ) -> Exchange:
        target = urlsplit(url).path
        meta_described.check_request(method, target, headers, body or b"")
        assert once, "a call that makes a provider send is made once"
        exchange = await super().exchange(method, url, headers=headers, body=body, once=once)
        if isinstance(exchange, Answered):
            assert exchange.body is not None
            meta_described.check_answer(target, exchange.status, json.loads(exchange.body))
        return exchange


@dataclass
class Held(Gateway):
    """An inbox that holds each call against Meta's own description; one that is odd on purpose is not."""

    raw: list[bytes] = field(default_factory=list)

    async def put(self, provider: str, received: Any, raw: bytes, /) -> None:
        await super().put(provider, received, raw)
        self.raw.append(raw)


@dataclass
class Phone:
    gateway: Held
    adapter: MetaWhatsApp
    client: ClientSession
    settings: Settings
    public: str
    hook_url: str
    port: int = 0
    runner: web.AppRunner | None = None

    async def start(self, **changed: Any) -> None:
        self.settings = replace(self.settings, **changed)
        app = make_app(self.settings, clock=self.gateway, set_clock=self.gateway.set_clock)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]
        self.settings = replace(self.settings, carrier_port=app[DOOR].port)

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    def parcel(self, to: str = PERSON, **told: Any) -> Parcel:
        attempt = uuid4()
        whole = Parcel(
            attempt=attempt,
            channel=Channel.WHATSAPP,
            to=to,
            text="Hola ñandú €",
            validity_seconds=60,
            status_url=status_url(self.public, "meta", SECRET, attempt),
        )
        return replace(whole, **told)

    async def send(self, to: str = PERSON, **told: Any) -> Outcome:
        return await self.adapter.send(self.parcel(to, **told))

    async def post(self, path: str, told: object) -> tuple[int, Any]:
        async with self.client.post(f"http://127.0.0.1:{self.port}{path}", json=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> Any:
        async with self.client.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            assert answer.status == 200
            return await answer.json()

    async def writes(self, text: str = "hola", sender: str = PERSON) -> Any:
        status, told = await self.post("/sandbox/reply", {"channel": "whatsapp", "from": sender, "text": text})
        assert status == 200
        return told

    async def fault(self, fault: str, **more: Any) -> None:
        status, _ = await self.post("/sandbox/faults", {"provider": "whatsapp_meta", "fault": fault, **more})
        assert status == 200

    def receipts(self) -> list[Receipt]:
        return [one for one in self.gateway.received if isinstance(one, Receipt)]


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    async with loopback_only(), ClientSession() as client:
        gateway = Held()
        ways: dict[str, Any] = {}
        late: list[Any] = []
        house = web.Application()

        async def hooks(request: web.Request) -> web.StreamResponse:
            answer: web.StreamResponse = await late[0](request)
            return answer

        house.router.add_post("/hooks/{provider}", hooks)
        runner = web.AppRunner(house, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        public = f"http://127.0.0.1:{runner.addresses[0][1]}"
        twilio = TwilioAccount(
            provider="twilio-main", account_sid=ACCOUNT, auth_token="t", number="+15005550006", inbound_url=public
        )
        account = MetaAccount(
            provider="meta",
            phone_number_id=NUMBER_ID,
            access_token=TOKEN,
            app_secret=APP_SECRET,
            number=NUMBER,
            hook_url=f"{public}/hooks/meta",
        )
        settings = Settings(
            directory=tmp_path / "sandbox",
            twilio=twilio,
            whatsapp=account,
            late_seconds=0.4,
            retry_seconds=(0.05, 0.1, 0.2, 0.4),
        )
        phone = Phone(gateway, None, client, settings, public, account.hook_url)  # type: ignore[arg-type]
        await phone.start()
        table = {
            "phone_number_id": NUMBER_ID,
            "access_token": TOKEN,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY,
            "base_url": f"http://127.0.0.1:{phone.settings.carrier_port}",
        }
        phone.adapter = MetaWhatsApp("meta", meta_settings("meta", table), SECRET, Checked(call_seconds=1.5))
        ways["meta"] = phone.adapter
        made = routes(ways, gateway, public, gateway, {"meta": SPEC.hooks})
        late.extend(route.handler for route in made if route.path == "/hooks/{provider}")
        yield phone
        await phone.adapter.close()
        await phone.stop()
        await runner.cleanup()
        for raw in gateway.raw:
            told = json.loads(raw)
            (value,) = [change["value"] for entry in told["entry"] for change in entry["changes"]]
            if "user_preferences" not in value and value.get("messages", [{}])[0].get("type") not in (
                "sticker",
                "edit",
            ):
                meta_described.check_hook(raw)


async def test_in_the_window_a_text_arrives_and_each_status_carries_our_mark(phone: Phone):
    assert (await phone.writes())["hook"] == {"status": 200, "taken": True}
    parcel = phone.parcel()
    ending = await phone.adapter.send(parcel)
    assert isinstance(ending, Sent)
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])
    assert {(one.attempt, one.provider_id) for one in phone.receipts()} == {(parcel.attempt, ending.provider_id)}
    (message,) = await phone.get("/sandbox/messages?channel=whatsapp")
    assert datetime.fromisoformat(message.pop("at")).utcoffset() is not None
    assert message == {
        "channel": "whatsapp",
        "provider": "meta",
        "to": PERSON,
        "from": NUMBER,
        "text": "Hola ñandú €",
        "audio_url": None,
    }


async def test_outside_the_window_a_text_is_taken_and_fails_afterwards(phone: Phone):
    """As Meta does it: 200 first, then a status with 131047."""
    assert isinstance(await phone.send(), Sent)
    await until(lambda: phone.gateway.words() == ["failed"])
    assert [(one.kind, one.error_code) for one in phone.receipts()] == [(ReceiptKind.FAILED, "131047")]


async def test_the_window_closes_after_a_day_of_the_gateways_clock(phone: Phone):
    await phone.writes()
    phone.gateway.ahead = timedelta(hours=23, minutes=59)
    await phone.post("/sandbox/clock", {"now": (datetime.now(UTC) + phone.gateway.ahead).isoformat()})
    await phone.send()
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])
    await phone.post("/sandbox/clock", {"now": (datetime.now(UTC) + timedelta(hours=24, seconds=5)).isoformat()})
    await phone.send()
    await until(lambda: "failed" in phone.gateway.words())


async def test_what_counts_as_approved_arrives_without_her_having_written(phone: Phone):
    assert phone.settings.whatsapp is not None
    await phone.stop()
    await phone.start(whatsapp=replace(phone.settings.whatsapp, texts_approved=True))
    await phone.send()
    await until(lambda: phone.gateway.words() == ["sent", "delivered"])


def template(*values: str, reference: str = "cuota_lista", language: str = "es") -> Registered:
    return Registered(reference=reference, language=language, values=values)


async def test_a_template_needs_no_window_and_renders_what_was_approved(phone: Phone):
    assert phone.settings.whatsapp is not None
    approved = {("cuota_lista", "es"): "Hola {{1}}, su cuota de {{2}} está lista."}
    await phone.stop()
    await phone.start(whatsapp=replace(phone.settings.whatsapp, templates=approved))
    assert await phone.send(template=template("Ana", "julio")) == Sent(
        provider_id=(await shown(phone))["id"], provider_status="accepted"
    )
    (message,) = await phone.get("/sandbox/messages?channel=whatsapp")
    assert message["text"] == "Hola Ana, su cuota de julio está lista."
    few = await phone.send(template=template("Ana"))
    other = await phone.send(template=template("Ana", "julio", reference="otra"))
    assert [one.code for one in (few, other) if isinstance(one, Rejected)] == ["132000", "132001"]


async def shown(phone: Phone) -> dict[str, Any]:
    lines = (phone.settings.directory / "carrier.ndjson").read_text().splitlines()
    arrived = [line for line in map(json.loads, lines) if line["type"] == "arrived"]
    assert isinstance(arrived[-1], dict)
    return arrived[-1]


async def test_without_a_list_of_templates_each_is_approved_and_shown_by_its_values(phone: Phone):
    assert isinstance(await phone.send(template=template("Ana", "julio")), Sent)
    (message,) = await phone.get("/sandbox/messages?channel=whatsapp")
    assert message["text"] == "[cuota_lista es] · Ana · julio"


async def test_a_voice_note_plays_on_the_telephone_and_is_told_as_played(phone: Phone):
    person = "+573001230001"
    await phone.writes(sender=person)
    note = Note(url="http://127.0.0.1:1/x.ogg", audio=AUDIO, seconds=2.0)
    assert isinstance(await phone.send(person, note=note, text=""), Sent)
    await until(lambda: phone.gateway.words() == ["sent", "delivered", "read", "played"])
    (message,) = await phone.get("/sandbox/messages?channel=whatsapp")
    assert message["text"] == ""
    async with phone.client.get(f"http://127.0.0.1:{phone.port}{message['audio_url']}") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "audio/ogg", AUDIO)


async def test_what_is_no_opus_file_is_not_taken_up(phone: Phone):
    ending = await phone.send(note=Note(url="http://127.0.0.1:1/x", audio=b"ID3 mp3", seconds=2.0))
    assert isinstance(ending, Rejected)
    assert ending.code == "131053"


@pytest.mark.parametrize(
    ("last", "told"),
    [("0000", ["sent", "delivered"]), ("0001", ["sent", "delivered", "read"]), ("0002", ["sent", "failed"])],
)
async def test_the_last_digits_pick_what_is_told(phone: Phone, last: str, told: list[str]):
    person = f"+57300123{last}"
    await phone.writes(sender=person)
    await phone.send(person)
    await until(lambda: phone.gateway.words() == told)


async def test_the_last_digits_pick_an_ending(phone: Phone):
    rejected, silent, stopped = [await phone.send(f"+57300123{last}") for last in ("0003", "0004", "0005")]
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.opted_out) == ("130497", False)
    assert isinstance(silent, Unknown)
    assert isinstance(stopped, Rejected)
    assert (stopped.code, stopped.opted_out) == ("131050", True)


async def test_a_button_that_she_presses_is_told_as_a_button(phone: Phone):
    table = {
        "phone_number_id": NUMBER_ID,
        "access_token": TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": VERIFY,
        "base_url": f"http://127.0.0.1:{phone.settings.carrier_port}",
        "buttons": ["Ya pagué", "BAJA"],
    }
    adapter = MetaWhatsApp("meta", meta_settings("meta", table), SECRET, Checked(call_seconds=1.5))
    await phone.writes()
    assert isinstance(await adapter.send(phone.parcel()), Sent)
    bubbles = await phone.get(f"/sandbox/conversation?with=%2B{PERSON[1:]}")
    assert bubbles[-1]["buttons"] == ["Ya pagué", "BAJA"]
    await phone.writes("BAJA")
    kinds = [json.loads(raw)["entry"][0]["changes"][0]["value"].get("messages", [{}])[0] for raw in phone.gateway.raw]
    assert [kind["type"] for kind in kinds if kind] == ["text", "interactive"]
    assert [one.text for one in phone.gateway.replies()] == ["hola", "BAJA"]
    await adapter.close()


DEEDS: dict[str, tuple[str, bool, bool]] = {
    "react": ("👍", True, False),
    "sticker": ("", True, False),
    "voice": ("", True, False),
    "edit": ("BAJA", False, False),
    "stop": ("", False, True),
}


@pytest.mark.parametrize("does", list(DEEDS))
async def test_what_she_does_beside_writing(phone: Phone, does: str):
    text, afresh, stops = DEEDS[does]
    asked = {"from": PERSON, "does": does, **({"text": text} if does in ("react", "edit") else {})}
    status, told = await phone.post("/sandbox/whatsapp", asked)
    assert (status, told["hook"]["taken"]) == (200, True)
    (reply,) = phone.gateway.replies()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.afresh, reply.carrier_opt_out, reply.sender) == (text, afresh, stops, PERSON)
    assert (await phone.post("/sandbox/whatsapp", {**asked, "does": "sing"}))[0] == 422


async def test_too_many_to_one_person_at_once_rest_six_seconds(phone: Phone):
    await phone.writes()
    endings = [await phone.send() for _ in range(46)]
    assert all(isinstance(ending, Sent) for ending in endings[:45])
    assert endings[45] == NotSent(reason="not taken now: 131056", retry_after_seconds=6.0, about=About.MESSAGE)
    assert isinstance(await phone.send("+573001239999", template=template()), Sent)


FAULTS: dict[str, type] = {
    "timeout": Unknown,
    "hang_up": Unknown,
    "server_error": Unknown,
    "throttle": NotSent,
    "reject": Rejected,
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_fault_of_the_call_ends_it(phone: Phone, fault: str):
    await phone.writes()
    await phone.fault(fault)
    assert isinstance(await phone.send(), FAULTS[fault])
    if FAULTS[fault] is Unknown and fault != "server_error":
        # It was accepted all the same: what comes later names the attempt by our mark alone.
        await until(lambda: phone.gateway.words() == ["sent", "delivered"])
        assert all(one.attempt is not None for one in phone.receipts())


async def test_a_receipt_before_the_id_names_its_attempt(phone: Phone):
    await phone.writes()
    await phone.fault("early_receipt")
    parcel = phone.parcel()
    assert isinstance(await phone.adapter.send(parcel), Sent)
    assert phone.gateway.words() == ["sent", "delivered"]
    assert {one.attempt for one in phone.receipts()} == {parcel.attempt}


async def test_doubled_forged_and_swapped_receipts(phone: Phone):
    await phone.writes()
    for fault in ("duplicate_receipt", "forged_receipt", "reorder_receipts"):
        await phone.fault(fault)
    await phone.send()
    await until(lambda: phone.gateway.words() == ["delivered", "delivered", "sent", "sent"])
    assert phone.gateway.endings.count(Ending.FORGED) == 1
    assert len({one.key for one in phone.receipts()}) == 2


async def test_it_goes_on_telling_after_a_restart(phone: Phone):
    await phone.writes()
    phone.gateway.away = True
    await phone.send()
    await until(lambda: Ending.AWAY in phone.gateway.endings)
    await phone.stop()
    phone.gateway.away = False
    await phone.start()
    await until(lambda: set(phone.gateway.words()) == {"sent", "delivered"})
    # She wrote before the restart, and the window is still open.
    assert isinstance(await phone.send(), Sent)
    await until(lambda: phone.gateway.words().count("delivered") == 2)


@pytest.mark.parametrize("flaw", ["token", "number"])
async def test_a_stranger_is_turned_away(phone: Phone, flaw: str):
    told = {"access_token": "another"} if flaw == "token" else {"phone_number_id": "1"}
    table = {
        "phone_number_id": NUMBER_ID,
        "access_token": TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": VERIFY,
        "base_url": f"http://127.0.0.1:{phone.settings.carrier_port}",
    }
    adapter = MetaWhatsApp("meta", meta_settings("meta", table | told), SECRET, Checked(call_seconds=1.5))
    ending = await adapter.send(phone.parcel())
    assert isinstance(ending, NotSent if flaw == "token" else Rejected)
    assert await phone.get("/sandbox/messages") == []
    await adapter.close()
