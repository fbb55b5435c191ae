"""What is Telegram's alone: its refusals word by word, voice notes on the wire, updates of every kind."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from adapters.kit.port import Forged, Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.testing import Bench
from adapters.kit.transport import Transport
from adapters.telegram_bot import TelegramBot, settings, units
from tests.adapters.telegram_bot_demands import BOT, CHAT, PERSON, PRIVATE, SECRET, error, hook, message, says, table
from vocabulary.channel import Channel
from vocabulary.outcome import About, Note, NotSent, Parcel, Registered, Rejected, Reply, Sent, Unknown

PARCEL = Parcel(
    attempt=uuid4(), channel=Channel.TELEGRAM, to=str(CHAT), text="Hola", validity_seconds=60, status_url="http://x"
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench() as found:
        yield found


@pytest.fixture
async def bot(bench: Bench) -> AsyncIterator[TelegramBot]:
    made = TelegramBot("bot", settings("bot", table(bench.base_url)), b"marks", Transport(call_seconds=1.5))
    yield made
    await made.close()


def read(bot: TelegramBot, update: dict[str, Any]) -> tuple[Any, ...]:
    return bot.read(hook({"update_id": 7, **update}))


@pytest.mark.parametrize(
    ("status", "words", "ending"),
    [
        (400, "Bad Request: chat not found", (Rejected, False, True)),
        (400, "Bad Request: PEER_ID_INVALID", (Rejected, False, True)),
        (400, "Bad Request: message is too long", (Rejected, False, False)),
        (400, "Bad Request: VOICE_MESSAGES_FORBIDDEN", (Rejected, False, False)),
        (403, "Forbidden: bot was blocked by the user", (Rejected, True, False)),
        (403, "Forbidden: user is deactivated", (Rejected, False, True)),
        (403, "Forbidden: bot can't initiate conversation with a user", (Rejected, False, False)),
        (403, "Forbidden: a word of tomorrow", (Rejected, False, False)),
    ],
)
async def test_each_refusal_has_its_meaning(
    bench: Bench, bot: TelegramBot, status: int, words: str, ending: Any
) -> None:
    bench.script(error(status, words))
    found = await bot.send(PARCEL)
    assert isinstance(found, Rejected)
    assert (type(found), found.opted_out, found.address_invalid) == ending


@pytest.mark.parametrize(
    ("status", "ending"), [(401, NotSent), (404, NotSent), (408, Unknown), (409, Unknown), (502, Unknown)]
)
async def test_what_is_not_about_the_message(bench: Bench, bot: TelegramBot, status: int, ending: type) -> None:
    bench.script(error(status, "no"))
    found = await bot.send(PARCEL)
    assert isinstance(found, ending)
    if isinstance(found, NotSent):
        assert found.about is About.ACCOUNT


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [({"retry_after": 35}, 35.0), ({"retry_after": -1}, None), ({"retry_after": True}, None), ({}, None), (None, None)],
)
async def test_how_long_to_wait(bench: Bench, bot: TelegramBot, parameters: Any, seconds: float | None) -> None:
    bench.script(error(429, "Too Many Requests: retry after 35", parameters=parameters))
    assert await bot.send(PARCEL) == NotSent(reason="throttled", retry_after_seconds=seconds, about=About.PACE)


@pytest.mark.parametrize(
    ("result", "ending"),
    [(message(), Sent), ({}, Unknown), (True, Unknown), ([], Unknown), ({"message_id": "x"}, Unknown)],
)
async def test_a_message_that_the_package_cannot_read(
    bench: Bench, bot: TelegramBot, result: Any, ending: type
) -> None:
    bench.script(says(200, {"ok": True, "result": result}))
    assert isinstance(await bot.send(PARCEL), ending)
    assert bench.posts == 1


async def test_a_voice_note_is_one_upload(bench: Bench, bot: TelegramBot) -> None:
    audio = bytes(range(256)) * 20
    bench.script(says(200, {"ok": True, "result": message()}))
    assert isinstance(await bot.send(replace(PARCEL, note=Note(url="http://x", audio=audio, seconds=4.4))), Sent)
    (seen,) = bench.seen
    assert seen.target.endswith("/sendVoice")
    assert audio in seen.body
    assert b'name="duration"\r\n\r\n4\r\n' in seen.body


@pytest.mark.parametrize(
    "more",
    [
        {"template": Registered(reference="x", language="es")},
        {"to": "-100123"},
        {"to": "@canal"},
        {"to": "0"},
        {"text": "\ud800"},
        {"text": "a" * 4_097},
    ],
)
async def test_what_telegram_cannot_carry_is_not_tried(bench: Bench, bot: TelegramBot, more: dict[str, Any]) -> None:
    assert isinstance(await bot.send(replace(PARCEL, **more)), Rejected)
    assert bench.seen == []


def test_length_is_counted_in_utf_16() -> None:
    assert [units(text) for text in ("", "a", "ñ", "€", "😀", "\ud800")] == [0, 1, 1, 1, 2, 1]


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), "ñ", "\udce9"])
def test_another_secret_is_forged_before_anything_is_read(bot: TelegramBot, secret: str) -> None:
    with pytest.raises(Forged):
        bot.read(replace(hook({}, secret=secret), body=b"no JSON"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"update_id": 1, "message": 3}',
        b"[" * 100_000,
        b"\xff",
        b'{"update_id": 1, "message": {}}',
    ],
)
def test_what_is_genuine_and_cannot_be_read_is_kept(bot: TelegramBot, body: bytes) -> None:
    with pytest.raises(Unreadable):
        bot.read(replace(hook({}), body=body))


def test_a_message_with_nothing_known_in_it_is_kept(bot: TelegramBot) -> None:
    with pytest.raises(Unreadable):
        read(bot, {"message": message(thing_of_tomorrow={"x": 1})})


@pytest.mark.parametrize(
    ("content", "text", "media"),
    [
        ({"text": "hola"}, "hola", ()),
        ({"location": {"latitude": 4.6, "longitude": -74.1}}, "", ()),
        ({"contact": {"phone_number": "+573001230001", "first_name": "B"}}, "", ()),
        ({"dice": {"emoji": "🎲", "value": 3}}, "", ()),
        (
            {"document": {"file_id": "doc", "file_unique_id": "d"}, "caption": "el comprobante"},
            "el comprobante",
            ("doc",),
        ),
        ({"video_note": {"file_id": "vn", "file_unique_id": "v", "length": 3, "duration": 2}}, "", ("vn",)),
    ],
)
def test_what_she_can_put_into_a_chat(bot: TelegramBot, content: dict[str, Any], text: str, media: Any) -> None:
    (reply,) = read(bot, {"message": message(**content)})
    assert isinstance(reply, Reply)
    assert (reply.text, reply.media, reply.afresh, reply.key) == (text, media, True, f"{BOT}:7")


@pytest.mark.parametrize(("status", "stops"), [("kicked", True), ("member", False)])
def test_only_a_block_is_a_stop(bot: TelegramBot, status: str, stops: bool) -> None:
    the_bot = {"id": 1, "is_bot": True, "first_name": "C1"}
    more = {"until_date": 0} if stops else {}
    change = {
        "chat": PRIVATE,
        "from": PERSON,
        "date": 1,
        "old_chat_member": {"user": the_bot, "status": "member"},
        "new_chat_member": {"user": the_bot, "status": status, **more},
    }
    told = read(bot, {"my_chat_member": change})
    assert [(reply.carrier_opt_out, reply.afresh) for reply in told] == ([(True, False)] if stops else [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "no-colon"),
        ("token", "1:a b"),
        ("secret", "short"),
        ("secret", "with space and more"),
        ("bot", "@c1_bot"),
    ],
)
def test_settings_that_telegram_would_not_take(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refusal:
        settings("bot", {**table("http://127.0.0.1:1"), name: value})
    assert value not in str(refusal.value)


def test_a_link_holds_what_telegram_carries(bot: TelegramBot) -> None:
    assert bot.start_url("aB_-9") == f"https://t.me/{BOT}?start=aB_-9"
    for wrong in ("", "a" * 65, "a b", "a&b", "ñ"):
        with pytest.raises(ValueError, match="payload"):
            bot.start_url(wrong)


def test_updates_are_json_as_telegram_writes_it(bot: TelegramBot) -> None:
    update = {"update_id": 7, "message": message(text="ya pagué 😀")}
    for written in (json.dumps(update), json.dumps(update, ensure_ascii=False)):
        (reply,) = bot.read(replace(hook({}), body=written.encode()))
        assert isinstance(reply, Reply)
        assert (reply.text, reply.language) == ("ya pagué 😀", "es")
