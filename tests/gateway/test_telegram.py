"""Telegram through the whole gateway: a link binds a chat, what she says there is heard, and what cannot be known stays so."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.compose import Pace
from gateway.starts import OPEN_MAX, SORRY, sorry_in
from tests.gateway.test_mail import events
from tests.gateway.test_spine import export
from tests.gateway.town import BOT_PROVIDER, Town, message, person, town
from tracelog.export import Holds, verify

PACE = Pace(lookups=tuple(timedelta(seconds=s) for s in (0.2, 0.2)), absent_apart=timedelta(seconds=1), sweep_seconds=1)
CHAT = "573001234567"


@pytest.fixture
async def chat(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a bot and a worker."""
    async with town(own_url, redis_url, tmp_path, pace=PACE, telegram=True) as found:
        found.start_worker()
        yield found


async def told(found: Town, identity: str = "ana", **more: Any) -> None:
    status, answered, _ = await found.call("PUT", f"/v1/contacts/{identity}", person(identity, **more))
    assert status == 200, answered


async def link(found: Town, identity: str = "ana") -> str:
    """A token for a person, out of the link that the CRM would give her."""
    status, offered, _ = await found.call("POST", f"/v1/contacts/{identity}/telegram")
    assert status == 201, offered
    url, _, token = offered["url"].partition("?start=")
    assert url == "https://t.me/cobranza_c1_bot"
    assert isinstance(token, str)
    return token


async def wrote(found: Town, text: str, sender: str = CHAT) -> None:
    await found.reply(text, sender, "telegram")


async def does(found: Town, deed: str, **more: str) -> None:
    body = {"from": CHAT, "does": deed, **more}
    async with found.session.post(f"{found.carrier_url}/sandbox/telegram", json=body) as answer:
        assert answer.status == 200, await answer.text()


async def chats(found: Town, identity: str = "ana") -> list[tuple[str, str, str]]:
    _, shown, _ = await found.call("GET", f"/v1/contacts/{identity}")
    return [(a["address"], a["kind"], a["source"]) for a in shown["addresses"] if a["channel"] == "telegram"]


async def consents(found: Town, identity: str = "ana") -> list[tuple[str, str | None]]:
    """What she allowed or took back by Telegram or everywhere, the last first."""
    _, shown, _ = await found.call("GET", f"/v1/contacts/{identity}/consents")
    return [(one["state"], one["channel"]) for one in shown["items"] if one["channel"] in (None, "telegram")]


async def replies(found: Town, identity: str = "ana") -> list[str]:
    return [item["data"]["text"] for item in await events(found, identity) if item["type"] == "reply"]


async def crm(found: Town, kind: str) -> list[dict[str, Any]]:
    rows = await found.rows("SELECT body FROM crm_event WHERE type = $1 ORDER BY seq", kind)
    return [json.loads(row["body"]) for row in rows]


def by_telegram(identity: str = "ana", **more: Any) -> dict[str, Any]:
    return message(identity, channel="telegram", debts=[{"id": "d1"}], **more)


async def started(found: Town) -> None:
    await told(found)
    await wrote(found, f"/start {await link(found)}")


async def test_a_link_binds_a_chat_and_what_she_says_there_joins_her_conversation(chat: Town) -> None:
    await told(chat)
    refused, problem, _ = await chat.call("POST", "/v1/messages", by_telegram(), **{"Idempotency-Key": "early"})
    assert (refused, problem["errors"][0]["pointer"]) == (422, "/channel")
    token = await link(chat)
    await wrote(chat, f"/start {token}")
    assert await chats(chat) == [(CHAT, "personal", "supplied")]
    assert await consents(chat) == [("granted", "telegram")]
    assert [body["by"] for body in await crm(chat, "consent.changed")] == ["start"]
    assert [(body["address"], body["text"], body["intent"]) for body in await crm(chat, "reply.received")] == [
        (CHAT, "/start", "other")
    ]
    answered = await chat.send(by_telegram())
    found = await chat.until(answered["id"], "sent")
    assert found["attempts"][0]["provider"] == BOT_PROVIDER
    assert CHAT not in found["attempts"][0]["provider_id"]
    assert [line["text"] for line in await chat.arrived(CHAT)] == [message()["content"]["text"]]
    await wrote(chat, "Ya pagué la cuota")
    assert await replies(chat) == ["Ya pagué la cuota", "/start"]
    kinds = [row["kind"] for row in await chat.rows("SELECT kind FROM trace ORDER BY idx")]
    assert kinds.count("bound") == 1
    assert isinstance(verify(await export(chat)), Holds)
    for row in await chat.rows("SELECT words FROM contact_event WHERE words IS NOT NULL"):
        assert token not in row["words"]
    assert token not in str(await chat.rows("SELECT * FROM telegram_start"))


async def test_a_profile_put_again_does_not_take_her_chat_away(chat: Town) -> None:
    await started(chat)
    await told(chat, name="Ana María")
    assert await chats(chat) == [(CHAT, "personal", "supplied")]
    status, _, _ = await chat.call("POST", "/v1/messages", by_telegram(), **{"Idempotency-Key": "one"})
    assert status == 202


async def test_a_link_binds_once(chat: Town) -> None:
    await told(chat)
    token = await link(chat)
    await asyncio.gather(*(wrote(chat, f"/start {token}", str(573000000100 + n)) for n in range(6)))
    assert len(await chats(chat)) == 1


async def test_a_link_that_binds_nothing_is_answered_once_and_kindly(chat: Town) -> None:
    await told(chat)
    used, old = await link(chat), await link(chat)
    await wrote(chat, f"/start {used}", "573000000111")
    await chat.rows("UPDATE telegram_start SET expires_at = created_at WHERE used_at IS NULL RETURNING 1")
    for token in (used, old, "a" * 32, "nothing"):
        await wrote(chat, f"/start {token}")
    for _ in range(100):
        arrived = await chat.arrived(CHAT)
        if arrived:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert [line["text"] for line in await chat.arrived(CHAT)] == [SORRY["es"]]
    assert await chats(chat) == [("573000000111", "personal", "supplied")]
    assert await chat.rows("SELECT 1 FROM attempt") == []


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("es-CO", "es"), ("en", "en"), ("pt-br", "pt"), ("PT", "pt"), ("fr", "es"), ("", "es"), (None, "es")],
)
def test_a_stranger_is_answered_in_the_language_of_the_program(language: str | None, spoken: str) -> None:
    assert sorry_in(language) == SORRY[spoken]


async def test_a_link_of_somebody_who_was_erased_binds_nothing(chat: Town) -> None:
    await told(chat)
    token = await link(chat)
    status, _, _ = await chat.call("DELETE", "/v1/contacts/ana")
    assert status < 300
    await wrote(chat, f"/start {token}")
    assert (await chat.call("GET", "/v1/contacts/ana"))[0] in (404, 410)
    assert await chat.rows("SELECT 1 FROM address") == []


async def test_a_link_lifts_nothing_that_she_took_back(chat: Town) -> None:
    await started(chat)
    await wrote(chat, "BAJA")
    await wrote(chat, f"/start {await link(chat)}")
    await wrote(chat, "/start")
    assert await consents(chat) == [("withdrawn", "telegram"), ("granted", "telegram")]
    blocked = await chat.send(by_telegram())
    assert blocked["status"] == "blocked"
    await wrote(chat, "ALTA")
    assert (await consents(chat))[0] == ("granted", "telegram")
    again = await chat.send(by_telegram())
    assert again["status"] == "queued", "she said so herself"


async def test_what_a_stranger_stopped_stays_stopped_when_the_chat_turns_out_to_be_hers(chat: Town) -> None:
    await told(chat)
    await wrote(chat, "BAJA")
    await wrote(chat, f"/start {await link(chat)}")
    assert await consents(chat) == [("withdrawn", "telegram")]
    assert (await chat.send(by_telegram()))["status"] == "blocked"


async def test_blocking_the_bot_is_a_stop_and_no_reply(chat: Town) -> None:
    await started(chat)
    await does(chat, "block")
    assert await consents(chat) == [("withdrawn", "telegram"), ("granted", "telegram")]
    assert await replies(chat) == ["/start"]
    assert (await chat.send(by_telegram()))["status"] == "blocked"
    await does(chat, "unblock")
    assert (await chat.send(by_telegram()))["status"] == "blocked"


async def test_who_blocked_unheard_is_heard_at_the_next_message(chat: Town) -> None:
    await told(chat)
    await wrote(chat, f"/start {await link(chat)}", "573000000005")
    answered = await chat.send(by_telegram())
    found = await chat.until(answered["id"], "failed")
    assert found["attempts"][0]["outcome"] == "rejected"
    assert (await chat.send(by_telegram()))["status"] == "blocked"


async def test_an_edit_is_no_second_reply_and_a_stop_in_it_counts(chat: Town) -> None:
    await started(chat)
    await wrote(chat, "mañana les escribo")
    before = len(await crm(chat, "reply.received"))
    await does(chat, "edit", text="mañana les escribo, sin falta")
    await does(chat, "edit", text="ALTA")
    assert await replies(chat) == ["mañana les escribo", "/start"]
    assert len(await crm(chat, "reply.received")) == before
    assert await consents(chat) == [("granted", "telegram")]
    await does(chat, "edit", text="BAJA")
    assert (await consents(chat))[0] == ("withdrawn", "telegram")
    assert await replies(chat) == ["mañana les escribo", "/start"]


async def test_stickers_photos_and_buttons_do_not_break_it(chat: Town) -> None:
    await started(chat)
    for deed in ("sticker", "photo"):
        await does(chat, deed)
    await does(chat, "press", text="no más")
    assert len(await replies(chat)) == 4
    assert await chat.rows("SELECT 1 FROM hook_kept") == []
    assert (await consents(chat))[0] == ("withdrawn", "telegram")


async def test_what_nobody_can_tell_stays_unknown_and_is_never_sent_again(chat: Town) -> None:
    await started(chat)
    await chat.fault("hang_up", provider=BOT_PROVIDER)
    answered = await chat.send(by_telegram())
    await chat.until(answered["id"], "unknown")
    for _ in range(200):
        found = await chat.get(answered["id"])
        if found.get("resolution"):
            break
        await asyncio.sleep(0.05)
    assert (found["resolution"], len(found["attempts"])) == ("undetermined", 1)
    assert len(await chat.arrived(CHAT)) == 1
    assert (await chat.send(by_telegram()))["status"] == "deferred", "an unknown one counts"


async def test_a_throttled_one_waits_and_goes(chat: Town) -> None:
    await started(chat)
    await chat.fault("throttle", provider=BOT_PROVIDER)
    answered = await chat.send(by_telegram())
    found = await chat.until(answered["id"], "sent")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["not_sent", "sent"]


async def test_a_stranger_without_our_secret_is_refused_and_leaves_nothing(chat: Town) -> None:
    await started(chat)
    await chat.fault("forged_receipt", provider=BOT_PROVIDER)
    await wrote(chat, "hola")
    assert await replies(chat) == ["hola", "/start"]
    assert await consents(chat) == [("granted", "telegram")]


async def test_two_people_of_one_tenant_in_one_chat_share_it(chat: Town) -> None:
    await started(chat)
    await told(chat, "bea", addresses=[])
    await wrote(chat, f"/start {await link(chat, 'bea')}")
    assert await chats(chat, "bea") == [(CHAT, "shared", "supplied")]
    assert await chats(chat) == [(CHAT, "personal", "supplied")]


async def test_a_voice_note_of_hers_is_fetched_and_kept(chat: Town) -> None:
    await started(chat)
    sound = b"OggS" + bytes(200)
    await does(chat, "voice", audio=base64.b64encode(sound).decode())
    (heard,) = [body for body in await crm(chat, "reply.received") if body.get("media")]
    for _ in range(200):
        async with chat.session.get(
            f"{chat.url}/v1/media/{heard['media'][0]}", headers={"Authorization": f"Bearer {chat.key}"}
        ) as answer:
            if answer.status == 200:
                assert await answer.read() == sound
                assert answer.headers["Content-Disposition"].startswith("attachment")
                return
        await asyncio.sleep(0.05)
    raise AssertionError("it was never kept")


async def test_a_text_is_never_cut(chat: Town) -> None:
    await started(chat)
    text = "😀" * 2_049
    status, problem, _ = await chat.call(
        "POST", "/v1/messages", by_telegram(content={"text": text}), **{"Idempotency-Key": "long"}
    )
    assert (status, problem["errors"][0]["pointer"]) == (422, "/content/text")
    assert "4096" in problem["errors"][0]["detail"]
    answered = await chat.send(by_telegram(content={"text": text[1:]}))
    await chat.until(answered["id"], "sent")


@pytest.mark.parametrize("identity", ["nobody", "no%20id"])
async def test_nobody_gets_no_link(chat: Town, identity: str) -> None:
    assert (await chat.call("POST", f"/v1/contacts/{identity}/telegram"))[0] == 404


async def test_links_that_wait_are_limited_and_go_with_her(chat: Town) -> None:
    await told(chat)
    for _ in range(OPEN_MAX):
        await link(chat)
    status, problem, _ = await chat.call("POST", "/v1/contacts/ana/telegram")
    assert (status, problem["type"].rpartition("/")[2]) == (422, "invalid")


async def test_without_a_bot_there_is_no_link(quiet: Town) -> None:
    await told(quiet)
    status, problem, _ = await quiet.call("POST", "/v1/contacts/ana/telegram")
    assert (status, problem["errors"][0]["detail"]) == (422, "no way is configured for telegram")
