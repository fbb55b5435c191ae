"""The simulated Bot API in front of the real adapter, held against python-telegram-bot: its types, and its own client's calls."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
import telegram
from aiohttp import ClientSession, web
from telegram.request import HTTPXRequest, RequestData

from adapters.kit.testing import loopback_only
from adapters.kit.transport import Answered, Exchange, Transport
from adapters.telegram_bot import TEXT_UNITS_MAX, TelegramBot, settings
from sandbox.app import DOOR, make_app
from sandbox.settings import Settings, TelegramAccount, TwilioAccount
from tests.sandbox.conftest import Gateway, until
from vocabulary.channel import Channel
from vocabulary.outcome import Note, NotSent, Outcome, Parcel, Receipt, Rejected, Reply, Sent, Unknown
from webhooks.intake import routes
from webhooks.port import Ending

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SECRET = "secret-of-the-webhook"
BOT = "cobranza_c1_bot"
CHAT = "573001230000"

#: What each method answers, in the package's own types.
ANSWERS: dict[str, type[telegram.TelegramObject]] = {
    "getMe": telegram.User,
    "sendMessage": telegram.Message,
    "sendVoice": telegram.Message,
    "getWebhookInfo": telegram.WebhookInfo,
    "getFile": telegram.File,
}


def whole(kind: type[telegram.TelegramObject], told: Any) -> telegram.TelegramObject:
    """Read by the package; a field that it does not know, anywhere inside, fails."""
    read = kind.de_json(json.loads(json.dumps(told)), None)
    assert read is not None
    leftovers(read)
    return read


def leftovers(found: object) -> None:
    if isinstance(found, telegram.TelegramObject):
        assert not found.api_kwargs, f"{type(found).__name__} has no {sorted(found.api_kwargs)}"
        for name in found.__slots__:
            leftovers(getattr(found, name, None))
    elif isinstance(found, list | tuple):
        for part in found:
            leftovers(part)


def parameters(headers: Any, body: bytes) -> dict[str, bytes]:
    """What a call asks for, whichever way it is written; the boundary between its parts is nobody's business."""
    kind = headers.get("Content-Type", "")
    if not kind.startswith("multipart/"):
        return {name: value.encode() for name, value in parse_qsl(body.decode(), keep_blank_values=True)}
    parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    found: dict[str, bytes] = {}
    for part in parsed.iter_parts():
        assert isinstance(part, EmailMessage)
        shown = [part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type()]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found["|".join(str(each) for each in (shown if part.get_filename() else shown[:1]))] = content
    return found


class Checked(Transport):
    """Our one transport, with every answer held against the package's types."""

    def __init__(self, *, call_seconds: float) -> None:
        super().__init__(call_seconds=call_seconds)
        self.calls: list[tuple[str, dict[str, bytes]]] = []

    async def exchange(
        self, method: str, url: str, *, headers: Any, body: bytes | None = None, once: bool = False
    ) -> Exchange:
        called = urlsplit(url).path.rpartition("/")[2]
        self.calls.append((called, parameters(headers, body or b"")))
        exchange = await super().exchange(method, url, headers=headers, body=body, once=once)
        if isinstance(exchange, Answered) and "/file/" not in url:
            assert exchange.body is not None
            told = json.loads(exchange.body)
            if exchange.status == 200:
                assert told["ok"] is True
                if called in ANSWERS:
                    whole(ANSWERS[called], told["result"])
            else:
                assert told["ok"] is False
                assert told["error_code"] == exchange.status
                assert set(told) <= {"ok", "error_code", "description", "parameters"}
        return exchange


class Stock(HTTPXRequest):
    """The package's own client, listened to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, dict[str, bytes]]] = []

    async def do_request(self, url: str, method: str, request_data: RequestData | None = None, **more: Any) -> Any:  # type: ignore[override]
        async def heard(request: Any) -> None:
            body = await request.aread()
            self.calls.append((url.rpartition("/")[2], parameters(request.headers, body)))

        self._client.event_hooks["request"] = [heard]
        return await super().do_request(url, method, request_data, **more)


class Listening(Gateway):
    """The gateway, with every update held against the package's types."""

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        whole(telegram.Update, json.loads(raw))
        await super().put(provider, received, raw)


@dataclass
class Bots:
    adapter: TelegramBot
    transport: Checked
    gateway: Gateway
    client: ClientSession
    phone: str
    base_url: str
    hook_url: str

    async def send(self, to: str = CHAT, text: str = "Hola ñandú €", **more: Any) -> Outcome:
        parcel = Parcel(
            attempt=uuid4(), channel=Channel.TELEGRAM, to=to, text=text, validity_seconds=60, status_url="http://x"
        )
        return await self.adapter.send(replace(parcel, **more))

    async def post(self, path: str, told: object) -> tuple[int, Any]:
        async with self.client.post(self.phone + path, json=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def does(self, does: str, **more: Any) -> Any:
        status, told = await self.post("/sandbox/telegram", {"from": CHAT, "does": does, **more})
        assert status == 200, told
        return told

    async def wrote(self, text: str, chat: str = CHAT) -> Any:
        status, told = await self.post("/sandbox/reply", {"channel": "telegram", "from": chat, "text": text})
        assert status == 200, told
        return told

    async def fault(self, fault: str, **more: Any) -> None:
        status, _ = await self.post("/sandbox/faults", {"provider": "bot", "fault": fault, **more})
        assert status == 200

    async def arrived(self) -> list[dict[str, Any]]:
        async with self.client.get(f"{self.phone}/sandbox/messages", params={"channel": "telegram"}) as answer:
            found = await answer.json()
            assert isinstance(found, list)
            return found


@pytest.fixture
async def bots(tmp_path: Path) -> AsyncIterator[Bots]:
    async with loopback_only(), ClientSession() as client:
        gateway = Listening()
        house = web.Application()
        hooks = web.AppRunner(house, access_log=None)
        late: list[Any] = []

        async def take(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse = await late[0](request)
            return response

        house.router.add_post("/hooks/{provider}", take)
        await hooks.setup()
        await web.TCPSite(hooks, "127.0.0.1", 0).start()
        public = f"http://127.0.0.1:{hooks.addresses[0][1]}"
        account = TelegramAccount(provider="bot", token=TOKEN, bot=BOT, secret=SECRET, hook_url=f"{public}/hooks/bot")
        twilio = TwilioAccount(
            provider="twilio", account_sid="AC0", auth_token="token", number="+15005550006", inbound_url=public
        )
        carrier = Settings(
            directory=tmp_path / "sandbox", twilio=twilio, telegram=account, retry_seconds=(0.05, 0.1, 0.2)
        )
        app = make_app(carrier, clock=gateway)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{app[DOOR].port}"
        transport = Checked(call_seconds=1.5)
        table = {"token": TOKEN, "secret": SECRET, "bot": BOT, "base_url": base_url}
        adapter = TelegramBot("bot", settings("bot", table), b"marks", transport)
        kinds = {"bot": frozenset({"any"})}
        made = routes({"bot": adapter}, gateway, public, gateway, kinds)
        late += [route.handler for route in made if (route.method, route.path) == ("POST", "/hooks/{provider}")]
        phone = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Bots(adapter, transport, gateway, client, phone, base_url, f"{public}/hooks/bot")
        await adapter.close()
        await runner.cleanup()
        await hooks.cleanup()


async def test_every_call_is_what_the_packages_own_client_makes(bots: Bots) -> None:
    audio = b"OggS" + bytes(range(256)) + b"\r\n--x\r\n"
    await bots.send(text="Hola *Ana* <b>ñandú</b> €&=+% 😀\r\nfin")
    await bots.send(note=Note(url="http://x", audio=audio, seconds=2.6))
    await bots.adapter.set_webhook(bots.hook_url)
    await bots.adapter.webhook()
    stock = Stock()
    async with telegram.Bot(TOKEN, base_url=f"{bots.base_url}/bot", request=stock) as bot:
        stock.calls.clear()
        await bot.send_message(
            int(CHAT),
            "Hola *Ana* <b>ñandú</b> €&=+% 😀\r\nfin",
            link_preview_options=telegram.LinkPreviewOptions(is_disabled=True),
        )
        await bot.send_voice(int(CHAT), audio, duration=3, filename="note.ogg")
        updates = ["message", "edited_message", "callback_query", "my_chat_member"]
        await bot.set_webhook(bots.hook_url, secret_token=SECRET, allowed_updates=updates)
        await bot.get_webhook_info()
    assert bots.transport.calls == stock.calls
    assert [name for name, _ in stock.calls] == ["sendMessage", "sendVoice", "setWebhook", "getWebhookInfo"]
    assert "parse_mode" not in stock.calls[0][1]


async def test_the_package_alone_gets_along_with_it(bots: Bots) -> None:
    async with telegram.Bot(TOKEN, base_url=f"{bots.base_url}/bot", base_file_url=f"{bots.base_url}/file/bot") as bot:
        assert (await bot.get_me()).username == BOT
        assert await bot.delete_webhook()
        await bots.wrote("hola")
        await bots.does("press", text="pay:1")
        updates = await bot.get_updates()
        assert [update.update_id for update in updates] == [100_000_001, 100_000_002]
        query = updates[1].callback_query
        assert query is not None
        assert await query.answer()
        with pytest.raises(telegram.error.BadRequest, match="uery is too old"):
            await query.answer()
        assert await bot.get_updates(offset=updates[1].update_id + 1) == ()
        with pytest.raises(telegram.error.BadRequest, match="ad webhook"):
            await bot.set_webhook("http://tregua.example/hooks/bot")
        assert await bot.set_webhook(bots.hook_url, secret_token=SECRET)
        with pytest.raises(telegram.error.Conflict):
            await bot.get_updates()
    with pytest.raises(telegram.error.InvalidToken):
        async with telegram.Bot("110201543:wrong", base_url=f"{bots.base_url}/bot"):
            pass


async def test_a_text_and_a_voice_note_arrive(bots: Bots) -> None:
    audio = b"OggS" + bytes(range(256)) * 300
    text, spoken = await bots.send(), await bots.send(note=Note(url="http://x", audio=audio, seconds=3), text="Hola")
    assert isinstance(text, Sent)
    assert isinstance(spoken, Sent)
    assert text.provider_id is not None
    assert spoken.provider_id is not None
    assert (text.provider_id[:2], spoken.provider_id[:2]) == ("1-", "2-")
    assert CHAT not in text.provider_id
    first, second = await bots.arrived()
    assert (first["text"], first["audio_url"], first["to"], first["from"]) == ("Hola ñandú €", None, CHAT, f"@{BOT}")
    async with bots.client.get(bots.phone + second["audio_url"]) as answer:
        assert await answer.read() == audio


@pytest.mark.parametrize(
    ("chat", "ending"),
    [
        ("573001230001", Sent),
        ("573001230002", Sent),
        ("573001230003", Rejected),
        ("573001230004", Unknown),
        ("573001230005", Rejected),
        ("-100200300", Rejected),
        ("@someone", Rejected),
    ],
)
async def test_last_digits(bots: Bots, chat: str, ending: type) -> None:
    found = await bots.send(chat)
    assert isinstance(found, ending)
    if isinstance(found, Rejected):
        assert (found.opted_out, found.address_invalid) == (chat.endswith("5"), not chat.endswith("5"))
    assert len(await bots.arrived()) == (0 if ending is Rejected else 1)


@pytest.mark.parametrize(
    ("fault", "ending", "arrives"),
    [
        ("timeout", Unknown, 1),
        ("hang_up", Unknown, 1),
        ("refuse_connection", NotSent, 0),
        ("server_error", Unknown, 0),
        ("throttle", NotSent, 0),
        ("reject", Rejected, 0),
    ],
)
async def test_faults(bots: Bots, fault: str, ending: type, arrives: int) -> None:
    await bots.fault(fault)
    found = await bots.send()
    assert isinstance(found, ending)
    assert len(await bots.arrived()) == arrives
    if isinstance(found, NotSent) and fault == "throttle":
        assert found.retry_after_seconds == 1.0
    if isinstance(found, Rejected):
        assert not found.opted_out


@pytest.mark.parametrize("length", [TEXT_UNITS_MAX, TEXT_UNITS_MAX + 1])
async def test_the_limit_of_a_text_is_telegrams(bots: Bots, length: int) -> None:
    """Counted in UTF-16, of which an emoji takes two: both sides say the same."""
    text = "😀" * (length // 2) + "a" * (length % 2)
    found = await bots.send(text=text)
    assert isinstance(found, Sent if length <= TEXT_UNITS_MAX else Rejected)
    with pytest.raises(telegram.error.BadRequest, match="too long"):
        async with telegram.Bot(TOKEN, base_url=f"{bots.base_url}/bot") as bot:
            await bot.send_message(int(CHAT), text + "aa")


async def test_what_she_does_is_told_and_read(bots: Bots) -> None:
    await bots.wrote("/start abc_DEF-123")
    await bots.wrote("BAJA \x00ya ñandú 😀")
    await bots.does("edit", text="ALTO")
    await bots.does("sticker")
    await bots.does("photo")
    await bots.does("voice", audio=base64.b64encode(b"OggS her voice").decode())
    await bots.does("press", text="pay:1")
    await bots.does("block")
    assert isinstance(await bots.send(), Rejected)
    await bots.does("unblock")
    assert isinstance(await bots.send(), Sent)
    replies = bots.gateway.replies()
    heard = [(reply.text, reply.afresh, reply.carrier_opt_out, len(reply.media)) for reply in replies]
    assert heard == [
        ("/start abc_DEF-123", True, False, 0),
        ("BAJA ya ñandú 😀", True, False, 0),
        ("ALTO", False, False, 0),
        ("👍", True, False, 0),
        ("", True, False, 1),
        ("", True, False, 1),
        ("pay:1", True, False, 0),
        ("", False, True, 0),
    ]
    assert {(reply.sender, reply.channel, reply.language) for reply in replies} == {(CHAT, Channel.TELEGRAM, "es")}
    assert len({reply.key for reply in replies}) == len(replies)
    assert await bots.adapter.fetch(replies[5].media[0], 1_000) == b"OggS her voice"
    assert await bots.adapter.fetch(replies[5].media[0], 3) is None
    assert await bots.adapter.fetch("nothing", 1_000) is None


@pytest.mark.parametrize(
    "update",
    [
        {"message": {"message_id": 1, "date": 1, "chat": {"id": -5, "type": "group", "title": "G"}, "text": "STOP"}},
        {"channel_post": {"message_id": 1, "date": 1, "chat": {"id": -5, "type": "channel"}, "text": "STOP"}},
        {"inline_query": {"id": "1", "from": {"id": 5, "is_bot": False, "first_name": "A"}, "query": "", "offset": ""}},
    ],
    ids=["a group", "a channel", "a query inline"],
)
async def test_what_is_nobodys_word_is_taken_and_says_nothing(bots: Bots, update: dict[str, Any]) -> None:
    headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
    async with bots.client.post(bots.hook_url, json={"update_id": 5, **update}, headers=headers) as answer:
        assert answer.status == 200
    assert bots.gateway.received == []


async def test_an_update_is_brought_again_until_it_is_taken(bots: Bots) -> None:
    bots.gateway.away = True
    told = await bots.wrote("no más")
    assert told["hook"] == {"status": 503, "taken": False}
    info = await bots.adapter.webhook()
    assert info["last_error_message"] == "Wrong response from the webhook: 503"
    bots.gateway.away = False
    await until(bots.gateway.replies)
    assert [reply.text for reply in bots.gateway.replies()] == ["no más"]


async def test_a_strangers_update_is_refused_and_a_doubled_one_has_one_key(bots: Bots) -> None:
    await bots.fault("forged_receipt")
    await bots.fault("duplicate_receipt")
    await bots.wrote("hola")
    assert bots.gateway.endings == [Ending.FORGED, Ending.KEPT, Ending.KEPT]
    assert [reply.text for reply in bots.gateway.replies()] == ["hola", "hola"]
    assert len({reply.key for reply in bots.gateway.replies()}) == 1
    assert all(isinstance(one, Reply) for one in bots.gateway.received)


@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        ({"from": "ana", "does": "edit", "text": "x"}, "/from"),
        ({"from": CHAT, "does": "dance"}, "/does"),
        ({"from": CHAT, "does": "voice", "audio": "?"}, "/audio"),
        ({"from": CHAT, "does": "edit"}, "/text"),
    ],
)
async def test_what_is_wrong_is_named(bots: Bots, told: dict[str, str], pointer: str) -> None:
    status, said = await bots.post("/sandbox/telegram", told)
    assert (status, said["errors"][0]["pointer"]) == (422, pointer)
