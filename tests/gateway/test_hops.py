"""Channels in order: the next one follows failed and undelivered, never unknown, and each is a decision of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from twilio.request_validator import RequestValidator

from adapters.kit.signing import status_url
from gateway.compose import Pace, dispatcher, sweeper
from gateway.failpoints import arm, disarm
from storage import people
from storage.database import Connection
from tests.gateway.test_spine import export
from tests.gateway.town import AUTHORISED, PROVIDER, TENANT, Town, message, person, town
from tracelog.export import Holds, verify

QUICK = Pace(
    abandoned_after=timedelta(seconds=1),
    lookups=tuple(timedelta(seconds=s) for s in (0.2, 0.2)),
    absent_apart=timedelta(seconds=0.2),
    sweep_seconds=1,
)
UNDELIVERED = "+573001230002"
REJECTED = "+573001230003"
NEVER_ANSWERED = "+573001230004"
#: In another week than the first: Colombia allows one channel a week (and one contact a day).
NEXT_WEEK = "2026-12-01T10:00:00-05:00"


@pytest.fixture
async def post(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with SMS and mail, whose worker is the test itself."""
    async with town(own_url, redis_url, tmp_path, pace=QUICK, mail=True) as found:
        yield found


def reachable(number: str, *mails: str, identity: str = "ana") -> dict[str, Any]:
    """A person with a number and mailboxes, who allowed all of them."""
    contact = person(identity, number)
    contact["addresses"] += [
        {"channel": "email", "address": mail, "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
        for mail in mails
    ]
    return contact


def in_order(number: str, *mails: str, identity: str = "ana", **more: Any) -> dict[str, Any]:
    """A message by SMS, else by mail."""
    asked = message(reachable(number, *mails or ("ana@ejemplo.test",), identity=identity), **more)
    del asked["channel"]
    return asked | {"channels": ["sms", "email"]}


async def go(found: Town) -> None:
    """One round of a worker, and all that it sent has its ending."""
    sender = dispatcher(found.house)
    await sender.round()
    await sender.drain()


async def facts(found: Town, kind: str) -> list[dict[str, Any]]:
    """What entries of a kind say, in order."""
    rows = await found.rows("SELECT header FROM trace WHERE kind = $1 ORDER BY idx", kind)
    return [json.loads(row["header"]) for row in rows]


async def told(found: Town, kind: str) -> list[dict[str, Any]]:
    """What the CRM is told of a kind, in order."""
    return [
        json.loads(row["body"])
        for row in await found.rows("SELECT body FROM crm_event WHERE type = $1 ORDER BY seq", kind)
    ]


async def hops(found: Town) -> list[bool]:
    return [row["hop"] for row in await found.rows("SELECT hop FROM message ORDER BY id")]


async def receipt(found: Town, attempt: dict[str, Any], word: str) -> int:
    """Twilio tells of an attempt, signed."""
    settings = found.house.settings
    identity = UUID(attempt["id"].removeprefix("att_"))
    url = status_url(settings.public_url, PROVIDER, found.house.mark_secret, identity)
    form = {"MessageSid": attempt["provider_id"], "MessageStatus": word}
    signature = RequestValidator(settings.providers[PROVIDER]["auth_token"]).compute_signature(url, form)
    async with found.session.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
        return answer.status


async def undelivered_by_sms(found: Town, asked: dict[str, Any] | None = None) -> str:
    """A message that left by SMS and did not arrive; its id."""
    answered = await found.send(asked or in_order(UNDELIVERED))
    await go(found)
    await found.until(answered["id"], "undelivered")
    identity = answered["id"]
    assert isinstance(identity, str)
    return identity


async def test_after_undelivered_the_next_channel_waits_for_its_own_hour_and_lifts_the_status(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    found = await post.get(identity)
    # The first one counts: another decision, and the law of Colombia allows one contact a day and one channel a week.
    assert found["status"] == "undelivered"
    assert [one["channel"] for one in found["attempts"]] == ["sms"]
    assert {reason["rule"] for reason in found["decision"]["reasons"]} == {"CO-FREQ-3d", "CO-FREQ-3e"}
    assert [event["channels_left"] for event in await told(post, "message.undelivered")] == [["email"]]
    assert await told(post, "message.deferred") == [], "the status never goes back"
    await post.set_clock(NEXT_WEEK)
    await go(post)
    found = await post.until(identity, "delivered", "read")
    assert [one["channel"] for one in found["attempts"]] == ["sms", "email"]
    assert len(await post.arrived("ana@ejemplo.test")) == 1
    assert len(await facts(post, "reserved")) == 2
    assert await hops(post) == [False]
    assert isinstance(verify(await export(post)), Holds)


async def test_after_failed_the_next_channel_goes_at_once(post: Town) -> None:
    answered = await post.send(in_order(REJECTED))
    await go(post)
    assert (await post.get(answered["id"]))["status"] == "queued"
    await go(post)
    found = await post.until(answered["id"], "delivered", "read")
    assert [(one["channel"], one["outcome"] == "rejected") for one in found["attempts"]] == [
        ("sms", True),
        ("email", False),
    ]


async def test_when_every_channel_has_failed_it_is_failed_and_nothing_goes_round_again(post: Town) -> None:
    answered = await post.send(in_order(REJECTED, "p0003@ejemplo.test"))
    await go(post)
    await go(post)
    found = await post.until(answered["id"], "failed")
    await go(post)
    assert [one["outcome"] for one in found["attempts"]] == ["rejected", "rejected"]
    assert len((await post.get(answered["id"]))["attempts"]) == 2


async def test_after_unknown_nothing_follows(post: Town) -> None:
    await post.fault("server_error", count=1)
    answered = await post.send(in_order("+573001230077"))
    await go(post)
    await post.set_clock(NEXT_WEEK)
    await go(post)
    found = await post.get(answered["id"])
    assert (found["status"], len(found["attempts"])) == ("unknown", 1)
    assert await post.arrived("ana@ejemplo.test") == []


async def test_a_late_delivered_of_the_first_calls_the_next_off(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    assert await hops(post) == [True]
    first = (await post.get(identity))["attempts"][0]
    assert await receipt(post, first, "delivered") == 200
    assert (await post.get(identity))["status"] == "delivered"
    assert await hops(post) == [False]
    await post.set_clock(NEXT_WEEK)
    await go(post)
    assert await post.arrived("ana@ejemplo.test") == []


async def test_a_stop_between_two_channels_is_heard(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    await post.reply("NO ME ESCRIBAN MAS, den de baja todos mis datos", UNDELIVERED)
    await post.set_clock(NEXT_WEEK)
    await go(post)
    found = await post.get(identity)
    assert (found["status"], len(found["attempts"])) == ("undelivered", 1)
    assert found["decision"]["outcome"] == "deny"
    assert await hops(post) == [False]
    assert (await told(post, "message.undelivered"))[-1]["channels_left"] == []
    assert await post.arrived("ana@ejemplo.test") == []


async def test_an_answer_on_one_channel_keeps_the_others_from_being_tried(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    await post.reply("gracias, ya lo vi", UNDELIVERED)
    await post.set_clock(NEXT_WEEK)
    await go(post)
    found = await post.get(identity)
    assert {reason["rule"] for reason in found["decision"]["reasons"]} >= {"HOUSE-STICKY"}
    assert (found["status"], len(found["attempts"])) == ("undelivered", 1)
    assert await post.arrived("ana@ejemplo.test") == []


async def test_cancel_says_that_it_has_left_and_calls_the_next_channel_off(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    status, problem, _ = await post.call("POST", f"/v1/messages/{identity}/cancel")
    assert status == 409, problem
    assert await hops(post) == [False]
    assert len(await facts(post, "cancelled")) == 1
    await post.set_clock(NEXT_WEEK)
    await go(post)
    assert await post.arrived("ana@ejemplo.test") == []
    status, _, _ = await post.call("POST", f"/v1/messages/{identity}/cancel")
    assert status == 409
    assert len(await facts(post, "cancelled")) == 1, "nothing was left to call off"


async def test_a_hop_ends_with_the_message_s_own_end(post: Town) -> None:
    identity = await undelivered_by_sms(post, in_order(UNDELIVERED, expires_at="2026-11-24T20:00:00-05:00"))
    await go(post)
    assert await hops(post) == [True]
    await post.set_clock("2026-11-24T20:00:01-05:00")
    await go(post)
    assert (await post.get(identity))["status"] == "undelivered"
    assert await hops(post) == [False]
    assert len(await facts(post, "expired")) == 1
    assert await told(post, "message.expired") == []


async def test_whoever_dies_with_the_second_in_hand_leaves_it_unknown_and_never_sent_again(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    await post.set_clock(NEXT_WEEK)

    class _DeadError(Exception):
        pass

    async def die() -> None:
        raise _DeadError

    arm("dispatch.after_commit", die)
    try:
        with pytest.raises(_DeadError):
            await dispatcher(post.house).round()
    finally:
        disarm()
    await go(post)
    assert len((await post.get(identity))["attempts"]) == 2, "reserved once"
    await asyncio.sleep(1.2)
    await sweeper(post.house).reap()
    for _ in range(4):
        await asyncio.sleep(0.25)
        await sweeper(post.house).look_up()
    await go(post)
    found = await post.get(identity)
    # What was told stays told: the status never goes back to unknown, and the attempt says what is not known.
    assert (found["status"], found["resolution"]) == ("undelivered", "undetermined")
    assert [one["outcome"] for one in found["attempts"]] == ["undelivered", "unknown"]
    assert await post.arrived("ana@ejemplo.test") == []


async def test_an_address_that_is_none_is_not_tried_again_and_the_next_one_is(post: Town) -> None:
    contact = reachable("+573001230077", "p0003@ejemplo.test", "ana@ejemplo.test")
    answered = await post.send(message(contact, channel="email"))
    await go(post)
    await go(post)
    found = await post.until(answered["id"], "delivered", "read")
    assert [one["outcome"] == "rejected" for one in found["attempts"]] == [True, False]
    flagged = await told(post, "contact.flagged")
    assert [(event["reason"], event["address"], event["code"]) for event in flagged] == [
        ("address_invalid", "p0003@ejemplo.test", "5.1.1")
    ]
    assert [entry["facts"]["code"] for entry in await facts(post, "address_invalid")] == ["5.1.1"]
    # The profile is put again as it was: the fact stands.
    status, _, _ = await post.call("PUT", "/v1/contacts/ana", contact)
    assert status in (200, 201)
    await post.set_clock(NEXT_WEEK)
    again = await post.send(message("ana", channel="email", debts=["d1"]))
    await go(post)
    found = await post.until(again["id"], "delivered", "read")
    assert len(found["attempts"]) == 1


async def test_who_has_no_address_left_is_blocked_by_name_until_it_shows_life(post: Town) -> None:
    await post.send(message(reachable("+573001230077", "p0003@ejemplo.test"), channel="email"))
    await go(post)
    again = await post.send(message("ana", channel="email", debts=["d1"]))
    assert again["status"] == "blocked"
    assert [reason["rule"] for reason in again["decision"]["reasons"]] == ["HOUSE-ADDRESS"]


async def test_only_what_failed_or_was_not_delivered_is_followed(post: Town) -> None:
    answered = await post.send(in_order("+573001230077"))
    await go(post)
    await post.until(answered["id"], "delivered")
    await post.set_clock(NEXT_WEEK)
    await go(post)
    assert await hops(post) == [False]
    assert await post.arrived("ana@ejemplo.test") == []


async def test_what_one_channel_calls_no_address_may_be_one_on_another(quiet: Town) -> None:
    """A landline takes no texts and rings all the same; and a text from it shows that it takes some after all."""
    number = "+573001234567"
    both = [{"channel": channel, "address": number} for channel in ("sms", "voice")]
    status, _, _ = await quiet.call("PUT", "/v1/contacts/ana", {**person(), "addresses": both})
    assert status == 200
    key = (TENANT, "ana")

    async def marked(connection: Connection) -> list[tuple[str, bool]]:
        row = (await people.contacts(connection, [key]))[key]
        return [(each.channel, each.invalid_at is not None) for each in row.addresses]

    async def job(connection: Connection) -> None:
        now, _ = await quiet.house.clock.now(connection)
        (sms, *_) = (await people.contacts(connection, [key]))[key].addresses
        await people.mark_invalid(connection, [(TENANT, sms.endpoint, "sms", now, "twilio-test", "21614")])
        assert await marked(connection) == [("sms", True), ("voice", False)]
        await people.mark_alive(connection, [(TENANT, sms.endpoint, "voice")])
        assert await marked(connection) == [("sms", True), ("voice", False)]
        await people.mark_alive(connection, [(TENANT, sms.endpoint, "sms")])
        assert await marked(connection) == [("sms", False), ("voice", False)]

    await quiet.house.database.run(job)
