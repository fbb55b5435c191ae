"""Erasure: the person is nowhere any more, the proof still holds, and a new import does not write to her."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
import redis.asyncio

from gateway.addresses import endpoint
from gateway.compose import eraser
from gateway.people import erasure
from gateway.people.erasure import Eraser
from tests.gateway.town import TENANT, Town, message, person
from tracelog.export import Holds, verify
from vocabulary.channel import Channel

NAME = "Ana Canario Ñandú"
NUMBER = "+573014447788"
OTHER = "+573014447799"
MAIL = "ana.canario@example.com"
WORDS = "tengo cancer y no puedo pagar"
TEXT = "Hola canaria: su cuota está lista. Responda BAJA para no recibir más mensajes."
#: However one of them may be spelt, this part of it would be seen.
CANARIES = ("Canario", "3014447788", "ana.canario", "cancer", "canaria")


async def call(town: Town, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
    status, answered, _ = await town.call(method, path, body)
    assert status == expect, answered
    return answered


def ana(identity: str = "e-ana", **more: Any) -> dict[str, Any]:
    known = person(identity, NUMBER)
    mail = {"channel": "email", "address": MAIL}
    return {**known, "name": NAME, "addresses": [*known["addresses"], mail], **more}


async def dump(town: Town) -> str:
    """Every row of every table, as text, with what is bytes as its text too."""
    tables = await town.rows(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables "
        "WHERE table_schema IN ('tregua', 'vault') AND table_type = 'BASE TABLE'"
    )
    parts = []
    for (table,) in tables:
        for (row,) in await town.rows(f"SELECT t::text FROM {table} t"):
            parts.append(row)
            for piece in row.replace('"', "").split(","):
                if piece.strip("()").startswith("\\\\x"):
                    parts.append(bytes.fromhex(piece.strip("()")[3:]).decode("latin-1"))
    return "\n".join(parts)


async def kept_in_redis(url: str) -> str:
    client = redis.asyncio.Redis.from_url(url)
    try:
        found = []
        async for key in client.scan_iter():
            found.append(repr(key) + repr(await client.dump(key)))
        return "".join(found)
    finally:
        await client.aclose()


async def settled(town: Town, identity: str) -> None:
    await town.until(identity, "delivered", "read")


async def a_life(town: Town) -> dict[str, Any]:
    """Ana is written to, answers, says things elsewhere, is told of to the CRM; hooks about her number are kept raw."""
    await call(town, "PUT", "/v1/contacts/e-ana", ana())
    await call(
        town, "PUT", "/v1/debts/e-debt", {"contacts": [{"contact": "e-ana", "role": "debtor"}], "kind": "consumer"}
    )
    sent = await town.send(message("e-ana", debts=["e-debt"], content={"text": TEXT}), key="e-key")
    await settled(town, sent["id"])
    await town.reply(WORDS, NUMBER)
    events = [
        {"type": "promise", "at": "2026-11-20T10:00:00-05:00", "evidence": {"words": WORDS, "address": NUMBER}},
        {"type": "status", "at": "2026-11-20T10:00:00-05:00", "is": "hardship", "evidence": {"words": WORDS}},
    ]
    await call(town, "POST", "/v1/contacts/e-ana/events", events)
    await town.rows(
        "INSERT INTO hook_kept VALUES (gen_random_uuid(), 'twilio-test', 'inbound', 'x', $1, now())",
        f"From=%2B{NUMBER[1:]}&Body=hola".encode(),
    )
    await town.rows("INSERT INTO stranger_stop VALUES ('sms', $1, now()) ON CONFLICT DO NOTHING", NUMBER)
    return sent


async def proves(town: Town) -> None:
    """The whole trace, taken out and checked from the outside."""
    status, text, _ = await town.call("GET", "/v1/trace/export")
    assert status == 200
    lines = text if isinstance(text, str) else str(text)
    assert isinstance(verify(line.encode() + b"\n" for line in lines.splitlines()), Holds)


async def test_who_was_erased_is_nowhere(busy: Town, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Canaries of her name, number, mail and words: in no column of any table, in no log, nowhere in Redis; the proof holds."""
    caplog.set_level(logging.DEBUG)
    sent = await a_life(busy)
    before = await dump(busy)
    assert all(canary in before for canary in ("Canario", "3014447788", "ana.canario", "cancer"))
    receipt = await call(busy, "DELETE", "/v1/contacts/e-ana")
    assert receipt["state"] == "done"
    assert receipt["erased"]["contacts"] == receipt["erased"]["keys"] == receipt["erased"]["debts"] == 1
    assert receipt["erased"]["messages"] == receipt["erased"]["attempts"] == 1
    assert receipt["erased"]["payloads"] >= 3
    assert receipt["erased"]["hooks"] >= 1
    assert receipt["suppressed"] == 2
    after = await dump(busy)
    assert not [canary for canary in CANARIES if canary.casefold() in after.casefold()]
    assert "e-ana" not in after
    assert not [canary for canary in CANARIES if canary in caplog.text]
    assert not [canary for canary in CANARIES if canary in await kept_in_redis(redis_url)]
    await proves(busy)
    entries = (await call(busy, "GET", "/v1/trace?limit=500"))["items"]
    (erased,) = [entry for entry in entries if entry["kind"] == "erased"]
    assert (erased["subject"], erased["leaf"]) == (receipt["subject"], receipt["entry"])
    hers = [entry for entry in entries if entry["subject"] == receipt["subject"]]
    assert {entry["payload"] for entry in hers} == {"none", "erased"}
    # What she was asked to be called by is gone for the API too, and a request repeated is told so.
    for path in ("/v1/contacts/e-ana", "/v1/contacts/e-ana/export", "/v1/contacts/e-ana/timeline"):
        await call(busy, "GET", path, expect=404)
    await call(busy, "DELETE", "/v1/contacts/e-ana", expect=404)
    await call(busy, "GET", f"/v1/messages/{sent['id']}", expect=404)
    body = message("e-ana", debts=["e-debt"], content={"text": TEXT})
    status, _, _ = await busy.call("POST", "/v1/messages", body, **{"Idempotency-Key": "e-key"})
    assert status == 410
    assert await call(busy, "GET", f"/v1/erasures/{receipt['id']}") == receipt


async def test_a_new_import_does_not_write_to_her_until_she_consents_anew(busy: Town) -> None:
    await call(busy, "PUT", "/v1/contacts/e-ana", ana())
    await call(busy, "DELETE", "/v1/contacts/e-ana")
    again = await busy.send(message(ana("e-other-name")))
    assert again["status"] == "blocked"
    assert "HOUSE-ERASED" in [reason["rule"] for reason in again["decision"]["reasons"]]
    old = ana("e-old")["addresses"][0]
    assert old["authorised"]["at"] < "2026-11-24"
    await busy.advance(timedelta(minutes=5))
    fresh = {**old, "authorised": {"at": "2026-11-24T10:03:00-05:00", "instrument": "separate"}}
    allowed = await busy.send(message({**ana("e-other-name"), "addresses": [fresh]}))
    assert allowed["status"] == "queued"
    await settled(busy, allowed["id"])
    # A new person by the same number without a consent of her own is not written to.
    blocked = await busy.send(message(person("e-third", NUMBER)))
    assert "HOUSE-ERASED" in [reason["rule"] for reason in blocked["decision"]["reasons"]]


async def test_who_shares_the_number_and_was_not_erased_is_spared(quiet: Town) -> None:
    await call(quiet, "PUT", "/v1/contacts/e-ana", ana())
    await call(quiet, "PUT", "/v1/contacts/e-sister", person("e-sister", NUMBER))
    await call(quiet, "DELETE", "/v1/contacts/e-ana")
    assert (await call(quiet, "POST", "/v1/decisions", message("e-sister")))["outcome"] == "allow"
    assert (await call(quiet, "POST", "/v1/decisions", message(person("e-new", NUMBER))))["outcome"] == "deny"


async def flies(town: Town, identity: str) -> None:
    """A message as dispatch leaves it between its commit and the provider's answer."""
    await town.rows(
        "INSERT INTO attempt (id, tenant, message, contact, n, provider, channel, address, state, validity_seconds, reserved_at, "
        "latest, deadline, begun_at) SELECT gen_random_uuid(), tenant, id, contact, 1, 'twilio-test', 'sms', $1, 'dispatching', 60, "
        "now(), now(), now() + interval '1 hour', now() FROM message WHERE id = $2::text::uuid",
        NUMBER,
        identity.removeprefix("msg_"),
    )
    await town.rows("UPDATE message SET status = 'dispatching' WHERE id = $1::text::uuid", identity[4:])


async def test_a_hold_that_came_after_the_request_holds_nobody_else_up(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for what is in the air; one is held meanwhile. The other goes, and she when the hold ends."""
    monkeypatch.setattr(erasure, "WAITING_MAX", 1)  # who is held takes no place in line either
    asked = []
    for name in ("e-held", "e-other"):
        sent = await quiet.send(message(person(name, NUMBER), content={"text": TEXT}))
        await flies(quiet, sent["id"])
        asked.append((await call(quiet, "DELETE", f"/v1/contacts/{name}", expect=202))["id"])
    await call(quiet, "PUT", "/v1/contacts/e-held/hold", {"reason": "lawsuit 17"})
    await quiet.rows("UPDATE attempt SET state = 'sent' WHERE state = 'dispatching'")
    assert await eraser(quiet.house).finish() == 1
    states = [(await call(quiet, "GET", f"/v1/erasures/{each}"))["state"] for each in asked]
    assert states == ["waiting", "done"]
    await call(quiet, "DELETE", "/v1/contacts/e-held/hold", expect=204)
    assert await eraser(quiet.house).finish() == 1


async def test_what_is_in_the_air_lands_first_and_nothing_more_leaves(quiet: Town) -> None:
    """A message on its way is finished and counted; what waited behind it is cancelled; then all of it goes."""
    await call(quiet, "PUT", "/v1/contacts/e-ana", ana())
    flying = await quiet.send(message("e-ana", content={"text": TEXT}))
    waiting = await quiet.send(message("e-ana", send_at="2026-11-25T10:00:00-05:00"))
    await flies(quiet, flying["id"])
    receipt = await call(quiet, "DELETE", "/v1/contacts/e-ana", expect=202)
    assert (receipt["state"], receipt["erased"]) == ("waiting", None)
    assert (await quiet.get(waiting["id"]))["status"] == "cancelled"
    assert (await quiet.send(message("e-ana")))["status"] == "blocked"
    assert await eraser(quiet.house).finish() == 0
    assert (await call(quiet, "DELETE", "/v1/contacts/e-ana", expect=202))["id"] == receipt["id"]
    await quiet.rows("UPDATE attempt SET state = 'sent', provider_id = 'SMlate' WHERE state = 'dispatching'")
    assert await eraser(quiet.house).finish() == 1
    done = await call(quiet, "GET", f"/v1/erasures/{receipt['id']}")
    assert (done["state"], done["erased"]["messages"]) == ("done", 3)
    assert "3014447788" not in await dump(quiet)


async def test_what_a_provider_says_of_her_later_is_not_kept(busy: Town) -> None:
    """A receipt that comes after she was erased would bring her number back; one of nobody's is kept for the operator."""
    await busy.fault("late_receipt")
    await call(busy, "PUT", "/v1/contacts/e-ana", ana())
    sent = await busy.send(message("e-ana", content={"text": TEXT}))
    await busy.until(sent["id"], "sent")
    await call(busy, "DELETE", "/v1/contacts/e-ana")
    heard = await busy.rows("SELECT key FROM hook_seen")
    async with asyncio.timeout(20):
        while await busy.rows("SELECT key FROM hook_seen") == heard:
            await asyncio.sleep(0.05)
    assert "3014447788" not in await dump(busy)
    assert await busy.rows("SELECT FROM hook_kept") == []


async def test_a_hold_keeps_her_and_says_why(quiet: Town) -> None:
    await call(quiet, "PUT", "/v1/contacts/e-ana", ana())
    await call(quiet, "PUT", "/v1/contacts/nobody/hold", {"reason": "x"}, expect=404)
    await call(quiet, "PUT", "/v1/contacts/e-ana/hold", {"reason": ""}, expect=422)
    held = await call(
        quiet, "PUT", "/v1/contacts/e-ana/hold", {"reason": "lawsuit 17", "until": "2027-01-01T00:00:00Z"}
    )
    assert held["reason"] == "lawsuit 17"
    refused = await call(quiet, "DELETE", "/v1/contacts/e-ana", expect=409)
    assert refused["type"] == "/problems/legal-hold"
    assert "lawsuit 17" in refused["detail"]
    await call(quiet, "GET", "/v1/contacts/e-ana")
    await call(quiet, "DELETE", "/v1/contacts/e-ana/hold", expect=204)
    await call(quiet, "DELETE", "/v1/contacts/e-ana/hold", expect=404)
    await call(quiet, "PUT", "/v1/contacts/e-ana/hold", {"reason": "lawsuit 17", "until": "2026-11-24T10:00:00-05:00"})
    assert (await call(quiet, "DELETE", "/v1/contacts/e-ana"))["state"] == "done"


def keeping(town: Town, days: int) -> Eraser:
    made = town.house
    return Eraser(
        database=made.database,
        clock=made.clock,
        scribe=made.scribe,
        law=made.law,
        secret=made.endpoint_secret,
        retention_days=days,
    )


async def test_what_nobody_needs_any_more_goes_by_itself(quiet: Town) -> None:
    """After the house's time or the law's, whichever is longer; never under a hold; who had said stop stays suppressed."""
    usual = {"colombian": ["CO"], "chilean": ["CL"], "held": ["CO"], "lively": ["CO"], "stopped": ["CO"]}
    for number, (identity, laws) in enumerate(usual.items()):
        known = {**person(identity, f"+5730144477{number:02d}"), "jurisdictions": laws}
        await call(quiet, "PUT", f"/v1/contacts/{identity}", known)
    await call(quiet, "PUT", "/v1/contacts/held/hold", {"reason": "x"})
    stop = {"type": "consent", "at": "2026-11-20T10:00:00-05:00", "state": "withdrawn", "all": True}
    await call(quiet, "POST", "/v1/contacts/stopped/events", stop)
    assert await keeping(quiet, 365).retain() == 0
    await quiet.advance(timedelta(days=366))
    await call(quiet, "POST", "/v1/contacts/lively/events", {"type": "inbound_call", "at": "2027-11-01T10:00:00-05:00"})
    assert await keeping(quiet, 365).retain() == 2
    left = {row["id"] for row in await quiet.rows("SELECT id FROM contact")}
    assert left == {"chilean", "held", "lively"}
    ((suppressed,),) = await quiet.rows("SELECT endpoint FROM suppression")
    assert suppressed == endpoint(quiet.house.endpoint_secret, TENANT, Channel.SMS, "+573014447704")
    await quiet.advance(timedelta(days=365))
    assert await keeping(quiet, 365).retain() == 2
    assert {row["id"] for row in await quiet.rows("SELECT id FROM contact")} == {"held"}


async def test_she_is_shown_everything(busy: Town) -> None:
    """Her profile, what was said to her and by her, debts and registers: as JSON, and as a page in her language."""
    await a_life(busy)
    found = await call(busy, "GET", "/v1/contacts/e-ana/export")
    assert found["contact"]["name"] == NAME
    assert found["messages"][0]["content"]["text"] == TEXT
    assert found["messages"][0]["attempts"][0]["address"] == NUMBER
    assert [each["id"] for each in found["debts"]] == ["e-debt"]
    said = {each["type"]: each for each in found["statements"]}
    assert set(said) >= {"reply", "promise", "status", "consent"}
    assert said["reply"]["words"] == said["promise"]["words"] == WORDS
    assert found["trace_entries"] > 3
    for locale, title in (("es-CO", "Sus datos"), ("pt-BR", "Seus dados"), ("en", "Your data"), (None, "Sus datos")):
        await call(busy, "PUT", "/v1/contacts/e-ana", ana(locale=locale, name="Ana <b>Canario</b>"))
        status, text, headers = await busy.call("GET", "/v1/contacts/e-ana/export", Accept="text/html")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert f"<h1>{title}</h1>" in text
        assert "Ana &lt;b&gt;Canario&lt;/b&gt;" in text
        assert all(part in text for part in (NUMBER, WORDS, "e-debt", "Hola canaria"))
        assert "<script" not in text


async def test_only_the_eraser_may_take_away(quiet: Town) -> None:
    """As the gateway works every day, the database lets nobody delete what happened or a key."""
    for table in ("vault.person_key", "contact_event", "attempt", "trace_payload", "trace"):
        with pytest.raises(Exception, match="permission denied"):
            await quiet.house.database.run(lambda c, table=table: c.execute(f"DELETE FROM {table}"))

    async def as_eraser(connection: Any) -> None:
        await connection.execute("SET LOCAL ROLE tregua_eraser")
        await connection.execute("DELETE FROM trace")

    with pytest.raises(Exception, match="permission denied"):
        await quiet.house.database.run(as_eraser)


async def test_who_looked_for_somebody_just_erased_looks_again(quiet: Town) -> None:
    """Her row is found, then erased by another, then named: the whole transaction is run again and finds her gone."""
    await call(quiet, "PUT", "/v1/contacts/e-ana", ana())
    found: list[bool] = []

    async def job(connection: Any) -> None:
        row = await connection.fetchrow("SELECT FROM contact WHERE id = 'e-ana'")
        found.append(row is not None)
        if row is not None:
            await call(quiet, "DELETE", "/v1/contacts/e-ana")
            await connection.execute(
                "INSERT INTO legal_hold (tenant, contact, reason, at) VALUES ($1, 'e-ana', 'x', now())", TENANT
            )

    await quiet.house.database.run(job)
    assert found == [True, False]


async def test_accepting_and_erasing_at_once_leave_no_message_without_a_person(quiet: Town) -> None:
    """Twenty times both at once: every message is refused, blocked or gone, and nothing fails."""
    for turn in range(20):
        identity = f"e-race-{turn}"
        number = f"+57301555{turn:04d}"
        await call(quiet, "PUT", f"/v1/contacts/{identity}", person(identity, number))
        sends = [
            quiet.call("POST", "/v1/messages", message(identity), **{"Idempotency-Key": f"{identity}-{n}"})
            for n in range(4)
        ]
        answers = await asyncio.gather(*sends, quiet.call("DELETE", f"/v1/contacts/{identity}"))
        assert answers[-1][0] == 200
        assert {status for status, _, _ in answers[:-1]} <= {202, 422}
    assert await quiet.rows("SELECT FROM message") == []
