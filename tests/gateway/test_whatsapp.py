"""WhatsApp through the whole gateway: the window that she opens, templates beyond it, notes, and what its codes do to her messages."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from adapters.kit import transport
from gateway.compose import Pace
from tests.conftest import NewDatabase
from tests.gateway.test_mail import events
from tests.gateway.town import AUTHORISED, CHAT_PROVIDER, TUESDAY, Town, message, person, town

PACE = Pace(lookups=tuple(timedelta(seconds=s) for s in (0.2, 0.2)), absent_apart=timedelta(seconds=1), sweep_seconds=1)
TEMPLATE = {
    "default": "es",
    "variables": {"name": {"type": "name"}, "amount": {"type": "text"}},
    "locales": {
        "es": {
            "whatsapp": {
                "text": "Hola {{name}}, su cuota de {{amount}} está lista. Responda BAJA para no recibir más mensajes.",
                "registered": {CHAT_PROVIDER: {"reference": "cuota_lista", "language": "es_CO"}},
            }
        }
    },
}


@pytest.fixture(scope="module")
async def site(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town with a number on WhatsApp and a worker; a call is given up after two seconds, not after twenty."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transport, "CALL_SECONDS", 2.0)
        async with town(await new_database(like=template_url), redis_url, folder, pace=PACE, whatsapp=True) as found:
            found.start_worker()
            yield found


#: Each test has people of its own: these digits stand in their numbers.
_PEOPLE = count(100)
_OURS = [0]


@pytest.fixture
async def chat(site: Town) -> Town:
    """The town on a Tuesday at ten, with nobody whom another test knows."""
    _OURS[0] = next(_PEOPLE)
    await site.set_clock(TUESDAY)
    return site


def number(last: str = "0077") -> str:
    return f"+57300{_OURS[0]}{last}"


async def known(found: Town, last: str = "0077", *channels: str) -> str:
    """A person with this number on WhatsApp and the other channels; her id."""
    addresses = [
        {"channel": c, "address": number(last), "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
        for c in ("whatsapp", *channels)
    ]
    identity = f"p{_OURS[0]}-{last}"
    status, answered, _ = await found.call("PUT", f"/v1/contacts/{identity}", person(identity, addresses=addresses))
    assert status == 200, answered
    return identity


async def wrote(found: Town, text: str = "hola", last: str = "0077") -> None:
    await found.reply(text, number(last), "whatsapp")


async def send(found: Town, identity: str, **more: Any) -> dict[str, Any]:
    return await found.send(message(identity, **{"channel": "whatsapp", **more}))


def rules(answered: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in answered["decision"]["reasons"]]


async def fault(found: Town, name: str) -> None:
    await found.fault(name, provider=CHAT_PROVIDER)


# The window


async def test_nobody_is_written_to_freely_who_has_not_written(chat: Town):
    answered = await send(chat, await known(chat))
    assert (answered["status"], rules(answered)) == ("blocked", ["PW-24H"])
    assert await chat.arrived(number()) == []


async def test_her_word_opens_the_window_for_a_day_and_no_longer(chat: Town):
    identity = await known(chat, "0001")
    await wrote(chat, last="0001")
    await chat.advance(timedelta(hours=1))
    first = await send(chat, identity)
    assert (await chat.until(first["id"], "read"))["attempts"][0]["provider"] == CHAT_PROVIDER
    await chat.advance(timedelta(hours=23, minutes=1))
    late = await send(chat, identity)
    assert late["status"] == "blocked"
    assert "PW-24H" in rules(late)
    assert [shown["text"] for shown in await chat.arrived(number("0001"))] == [message()["content"]["text"]]


async def test_a_template_of_the_way_needs_no_window_and_arrives_as_one(chat: Town):
    status, answered, _ = await chat.call("PUT", "/v1/templates/cuota", TEMPLATE)
    assert status == 200, answered
    identity = await known(chat)
    content = {"template": "cuota", "variables": {"name": "Ana", "amount": "$ 1.200"}}
    sent = await send(chat, identity, content=content)
    await chat.until(sent["id"], "delivered")
    assert [shown["text"] for shown in await chat.arrived(number())] == ["[cuota_lista es_CO] · Ana · $ 1.200"]


async def test_a_template_without_one_of_its_values_is_refused_by_name(chat: Town):
    await chat.call("PUT", "/v1/templates/cuota", TEMPLATE)
    body = message(await known(chat), channel="whatsapp", content={"template": "cuota", "variables": {"name": "Ana"}})
    status, problem, _ = await chat.call("POST", "/v1/messages", body, **{"Idempotency-Key": f"few {_OURS[0]}"})
    assert (status, [flaw["pointer"] for flaw in problem["errors"]]) == (422, ["/content/variables/amount"])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a number that is none": (
        {"contact": person("bad", addresses=[{"channel": "whatsapp", "address": "ana@example.com"}])},
        "/contact/addresses/0/address",
    ),
    "a note without a recording": ({"form": "voice_note", "content": {"audio": {}}}, "/content/audio"),
    "a note of a recording that is not there": (
        {"form": "voice_note", "content": {"audio": {"media": "med_none"}}},
        "/content/audio/media",
    ),
}


@pytest.mark.parametrize("case", list(BAD))
async def test_what_does_not_fit_whatsapp_is_refused_by_name(chat: Town, case: str):
    told, pointer = BAD[case]
    body = {**message(await known(chat), channel="whatsapp"), **told}
    status, problem, _ = await chat.call("POST", "/v1/messages", body, **{"Idempotency-Key": f"bad {_OURS[0]}"})
    assert (status, [flaw["pointer"] for flaw in problem["errors"]]) == (422, [pointer])


# What people do


async def test_a_stop_by_a_tap_or_in_whatsapp_itself_ends_the_channel(chat: Town):
    for last, deed in (("0078", {"does": "edit", "text": "BAJA"}), ("0079", {"does": "stop"})):
        identity = await known(chat, last)
        await wrote(chat, last=last)
        body = {"from": number(last), **deed}
        async with chat.session.post(f"{chat.carrier_url}/sandbox/whatsapp", json=body) as answer:
            assert answer.status == 200
        _, shown, _ = await chat.call("GET", f"/v1/contacts/{identity}/consents")
        states = [(one["state"], one["channel"]) for one in shown["items"]]
        assert ("withdrawn", "whatsapp") in states, deed
        # Neither is a contact of hers: only her greeting is.
        replies = [item["data"]["text"] for item in await events(chat, identity) if item["type"] == "reply"]
        assert replies == ["hola"]
        answered = await send(chat, identity)
        assert answered["status"] == "blocked"
        assert "PW-OPTIN" in rules(answered)


# What its codes do


async def test_who_stopped_at_meta_has_said_so_to_us(chat: Town):
    identity = await known(chat, "0005")
    await wrote(chat, last="0005")
    failed = await chat.until((await send(chat, identity))["id"], "failed")
    assert failed["attempts"][0]["outcome"] == "rejected"
    _, shown, _ = await chat.call("GET", f"/v1/contacts/{identity}/consents")
    newest = shown["items"][0]
    assert (newest["state"], newest["channel"]) == ("withdrawn", "whatsapp")


async def test_what_meta_does_not_take_goes_the_next_way_that_the_law_allows(chat: Town):
    identity = await known(chat, "0003", "sms")
    await wrote(chat, last="0003")
    body = message(identity, channels=["whatsapp", "sms"])
    del body["channel"]
    tried = await chat.until((await chat.send(body))["id"], "failed")
    assert [(one["channel"], one["outcome"]) for one in tried["attempts"]] == [
        ("whatsapp", "rejected"),
        ("sms", "rejected"),
    ]


async def test_throttled_it_rests_and_leaves_once(chat: Town):
    identity = await known(chat)
    await wrote(chat)
    await fault(chat, "throttle")
    sent = await send(chat, identity)
    done = await chat.until(sent["id"], "delivered", seconds=20)
    assert [attempt["outcome"] for attempt in done["attempts"]] == ["not_sent", "delivered"]
    assert len(await chat.arrived(number())) == 1


# Named scenarios


async def test_receipt_before_id(chat: Town):
    """jasmin#472: the receipt is here before the answer that brings the id."""
    identity = await known(chat)
    await wrote(chat)
    await fault(chat, "early_receipt")
    done = await chat.until((await send(chat, identity))["id"], "delivered")
    assert done["attempts"][0]["provider_id"].startswith("wamid.")


async def test_status_going_back(chat: Town):
    """courier#1189, chatwoot#14529: ``sent`` after ``delivered`` and after ``read`` changes nothing."""
    identity = await known(chat, "0001")
    await wrote(chat, last="0001")
    await fault(chat, "reorder_receipts")
    await fault(chat, "duplicate_receipt")
    sent = await send(chat, identity)
    await chat.until(sent["id"], "read")
    for _ in range(100):
        receipts = [item for item in await events(chat, identity) if item["type"] == "receipt"]
        if len(receipts) == 6:
            break
        await asyncio.sleep(0.05)
    assert len(receipts) == 6
    assert (await chat.get(sent["id"]))["status"] == "read"


@pytest.mark.parametrize("silence", ["timeout", "hang_up"])
async def test_timed_out_though_accepted(chat: Town, silence: str):
    """notifications-api#802: nobody answered, the message is out: it is never sent again, and the status tells."""
    identity = await known(chat)
    await wrote(chat)
    await fault(chat, silence)
    sent = await send(chat, identity)
    done = await chat.until(sent["id"], "delivered", seconds=20)
    assert len(done["attempts"]) == 1
    assert len(await chat.arrived(number())) == 1
