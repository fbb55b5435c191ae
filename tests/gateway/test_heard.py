"""What she answers has its effect in the same commit: one table of replies and what follows, for the law, the CRM and herself."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from tests.gateway.town import ANA, Town, message, number, person

#: The law of the United States lets one confirmation through; this person lives there.
USA = "+13035550142"
MORNING = "2026-11-24T10:00:00-07:00"
REMINDER = {"text": "Your payment is due on Friday."}


def american(**more: Any) -> dict[str, Any]:
    return person("joe", USA, **{"jurisdictions": ["US"], "zones": ["America/Denver"], "locale": "en-US", **more})


async def crm(town: Town, kind: str) -> list[dict[str, Any]]:
    rows = await town.rows("SELECT body FROM crm_event WHERE type = $1 ORDER BY seq", kind)
    return [json.loads(row["body"]) for row in rows]


async def said(town: Town, contact: str) -> list[dict[str, Any]]:
    """Her statements and replies as her timeline tells them, oldest first."""
    status, answered, _ = await town.call("GET", f"/v1/contacts/{contact}/timeline?limit=100")
    assert status == 200, answered
    told = [item for item in answered["items"] if item["type"] in ("statement", "reply", "contact_event")]
    return [{"kind": item["type"], "channel": item["channel"], **item["data"]} for item in reversed(told)]


async def decided(town: Town, **more: Any) -> dict[str, Any]:
    body = message(contact="ana", debts=["d1"], content={"text": "Hola Ana, le recordamos su cuota."}, **more)
    status, answered, _ = await town.call("POST", "/v1/decisions", body)
    assert status == 200, answered
    assert isinstance(answered, dict)
    return answered


async def told(town: Town, reply: str, metadata: dict[str, str] | None = None) -> None:
    """One collection SMS to her, delivered, and her answer to it."""
    sent = await town.send(message(metadata=metadata or {}))
    await town.until(sent["id"], "delivered")
    await town.reply(reply)


#: reply, kind of the statement that follows, a part of it, the reason for the flag.
FOLLOWS = [
    ("yo no debo nada, nunca saqué ese crédito", "status", {"is": "dispute", "debts": ["d1"]}, "dispute"),
    ("estoy sin trabajo y no tengo cómo pagar", "status", {"is": "hardship", "debts": ["d1"]}, "hardship"),
    ("no soy Ana, número equivocado", "consent", {"state": "withdrawn"}, "wrong_person"),
    ("el 15 de diciembre pago 200.000 pesos", "promise",
     {"pays_on": "2026-12-15", "amount": "200000", "currency": "COP"}, "promise_to_pay"),
    ("pago apenas pueda", None, {}, "promise_to_pay"),
    ("ya pagué ayer", None, {}, "already_paid"),
    ("llámeme por favor", "call_requested", {}, "call_me"),
    ("quiero hablar con un asesor", None, {}, "human"),
    ("escríbame después de las 6 de la tarde", "inconvenient", {"from": "00:00:00", "to": "18:00:00"}, None),
    ("no me llamen los domingos", "inconvenient", {"days": ["Sun"]}, None),
    ("prefiero correo", "channel_preferred", {}, None),
    ("un mensaje al mes es suficiente", None, {}, "preference"),
    ("ladrones hijueputas", None, {}, None),
    ("cuánto debo?", None, {}, None),
]  # fmt: skip


async def test_what_she_answers_has_its_effect(busy: Town) -> None:
    """Each row is a person of her own, written to about a debt of her own."""
    sent = []
    for n in range(len(FOLLOWS)):
        sent.append(await busy.send(message(person(f"p{n}", number(n)), debts=[{"id": f"d{n}"}])))
    for n, (reply, *_) in enumerate(FOLLOWS):
        await busy.until(sent[n]["id"], "delivered")
        await busy.reply(reply, number(n))
    flagged = {body["contact"]: body["reason"] for body in await crm(busy, "contact.flagged")}
    for n, (reply, kind, part, flag) in enumerate(FOLLOWS):
        assert flagged.get(f"p{n}") == flag, reply
        rows = await busy.rows("SELECT type FROM contact_event WHERE contact = $1", f"p{n}")
        kinds = {row["type"] for row in rows} - {"contact", "reply", "consent"}
        assert kinds == ({kind} if kind else set()) - {"consent"}, reply
        part = {name: [f"d{n}"] if name == "debts" else value for name, value in part.items()}
        hers = await said(busy, f"p{n}")
        assert not part or any(part.items() <= item.items() for item in hers), (reply, hers)


async def test_a_doubt_holds_every_channel_for_a_day_and_a_person_is_asked(busy: Town) -> None:
    await told(busy, "no me interesa")
    assert [body["reason"] for body in await crm(busy, "contact.flagged")] == ["unsure"]
    held = await decided(busy)
    reasons = {reason["rule"]: reason for reason in held["reasons"]}
    assert held["outcome"] == "defer"
    assert reasons["HOUSE-HELD"]["until"] == "2026-11-25T10:00:00-05:00"[:10] + reasons["HOUSE-HELD"]["until"][10:]
    everywhere = await busy.call(
        "POST", "/v1/decisions",
        message(contact="ana", debts=["d1"], channel="email", content={"subject": "s", "text": "t"}),
    )  # fmt: skip
    assert "HOUSE-HELD" in {reason["rule"] for reason in everywhere[1].get("reasons", [])} or everywhere[0] == 422
    await busy.advance(timedelta(hours=24, seconds=1))
    assert "HOUSE-HELD" not in {reason["rule"] for reason in (await decided(busy))["reasons"]}


async def test_a_doubt_is_lifted_by_a_person_and_by_a_start_of_hers(busy: Town) -> None:
    await told(busy, "no me interesa")
    assert "HOUSE-HELD" in {reason["rule"] for reason in (await decided(busy))["reasons"]}
    now = (await decided(busy))["decided_at"]
    status, answered, _ = await busy.call("POST", "/v1/contacts/ana/events", {"type": "held", "at": now, "ended": True})
    assert status == 200, answered
    assert "HOUSE-HELD" not in {reason["rule"] for reason in (await decided(busy))["reasons"]}
    await busy.reply("esto es un acoso")
    assert "HOUSE-HELD" in {reason["rule"] for reason in (await decided(busy))["reasons"]}
    await busy.reply("quiero volver a recibir mensajes")
    assert "HOUSE-HELD" not in {reason["rule"] for reason in (await decided(busy))["reasons"]}


async def test_what_a_machine_answers_is_not_she(busy: Town) -> None:
    await told(busy, "Respuesta automática: estoy fuera de la oficina. Responda BAJA para no recibir más.")
    assert [body["intent"] for body in await crm(busy, "reply.received")] == ["auto_reply"]
    assert await busy.rows("SELECT 1 FROM contact_event WHERE type = 'reply'") == []
    assert await crm(busy, "consent.changed") == []


async def test_a_channel_that_is_refused_by_name_is_the_one_that_ends(busy: Town) -> None:
    await told(busy, "no me llamen más, escríbanme")
    assert [(body["state"], body["channel"]) for body in await crm(busy, "consent.changed")][-1:] == [
        ("withdrawn", "voice")
    ]


async def test_what_only_resembles_a_start_allows_nothing(busy: Town) -> None:
    await told(busy, "BAJA")
    await busy.reply("volvé a mandarme los recordatorios dale")
    assert [body["state"] for body in await crm(busy, "consent.changed")] == ["withdrawn"]
    await busy.reply("ALTA")
    assert [body["state"] for body in await crm(busy, "consent.changed")] == ["withdrawn", "granted"]


async def test_a_bare_word_ends_where_it_came_by_and_a_sentence_ends_everything(busy: Town) -> None:
    await told(busy, "BAJA")
    await busy.reply("no me escriban más")
    assert [body["channel"] for body in await crm(busy, "consent.changed")] == ["sms", None]


async def american_town(town: Town) -> None:
    await town.set_clock(MORNING)
    sent = await town.send(message(american(), content={"text": "C1: your balance is ready. Reply STOP to opt out."}))
    assert sent["decision"]["outcome"] == "allow", sent["decision"]
    await town.until(sent["id"], "delivered")


async def confirmations(town: Town) -> list[Any]:
    return await town.rows(
        "SELECT id, status, decision, expires_at - created_at AS lives FROM message "
        "WHERE ask::json->>'purpose' = 'optout_confirmation' ORDER BY created_at"
    )


async def test_an_opt_out_is_confirmed_once_in_her_language_where_the_law_lets_it(busy: Town) -> None:
    await american_town(busy)
    await busy.reply("stop", USA)
    (row,) = await confirmations(busy)
    await busy.until(f"msg_{row['id'].hex}", "delivered")
    texts = [line["text"] for line in await busy.arrived(USA)]
    assert texts[1:] == ["You will receive no more messages here. This is the only confirmation."]
    await busy.reply("STOP", USA)
    await busy.reply("please stop texting me", USA)
    assert len(await confirmations(busy)) == 1
    kinds = await busy.rows("SELECT kind FROM trace WHERE message = $1 ORDER BY idx", row["id"].hex)
    assert [each["kind"] for each in kinds][:3] == ["accepted", "decided", "reserved"]
    held = message("joe", debts=["d1"], content={"text": "C1: your balance is ready. Reply STOP to opt out."})
    assert (await busy.send(held))["status"] == "blocked"


async def test_where_the_law_knows_no_confirmation_none_is_sent(busy: Town) -> None:
    await told(busy, "BAJA")
    assert await confirmations(busy) == []
    assert len(await busy.arrived(ANA)) == 1


async def test_a_confirmation_that_was_not_sent_in_time_is_not_sent_at_all(quiet: Town) -> None:
    quiet.start_worker()
    await american_town(quiet)
    await quiet.stop_workers()
    await quiet.reply("stop", USA)
    (row,) = await confirmations(quiet)
    assert row["lives"] == timedelta(minutes=5), "whatever a law's own minutes are"
    await quiet.advance(timedelta(minutes=5, seconds=1))
    quiet.start_worker()
    await quiet.until(f"msg_{row['id'].hex}", "expired", "blocked")
    assert len(await quiet.arrived(USA)) == 1
    await quiet.stop_workers()


async def test_help_is_answered_once_a_day(busy: Town) -> None:
    await american_town(busy)
    await busy.reply("HELP", USA)
    await busy.reply("help", USA)
    await asyncio.sleep(0)
    rows = await busy.rows("SELECT id FROM message WHERE ask::json->>'purpose' = 'requested_info'")
    assert len(rows) == 1
    await busy.until(f"msg_{rows[0]['id'].hex}", "delivered")
    assert "Reply STOP" in (await busy.arrived(USA))[-1]["text"]
    await busy.reply("help", USA)
    assert len(await busy.rows("SELECT id FROM message WHERE ask::json->>'purpose' = 'requested_info'")) == 1
    await busy.advance(timedelta(hours=24, minutes=1))
    await busy.reply("help", USA)
    assert len(await busy.rows("SELECT id FROM message WHERE ask::json->>'purpose' = 'requested_info'")) == 2
