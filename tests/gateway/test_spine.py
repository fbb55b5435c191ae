"""One SMS through the whole house: lawfully out, delivered, answered, proved."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from storage.database import Connection
from tests.gateway.town import ANA, SUNDAY, Town, message, person
from tracelog.export import Holds, verify


async def export(town: Town) -> list[bytes]:
    async with town.session.get(
        f"{town.url}/v1/trace/export", headers={"Authorization": f"Bearer {town.key}"}
    ) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.read()).splitlines(keepends=True)


async def kinds(town: Town, identity: str) -> list[str]:
    rows = await town.rows("SELECT kind FROM trace WHERE message = $1 ORDER BY idx", identity.removeprefix("msg_"))
    return [row["kind"] for row in rows]


async def test_a_message_goes_out_and_is_delivered_once(busy: Town) -> None:
    answered = await busy.send(message())
    assert answered["status"] == "queued"
    assert answered["decision"]["outcome"] == "allow"
    assert answered["cost"] == {"segments": 2, "encoding": "UCS-2", "amount": "0.0560", "currency": "USD"}
    found = await busy.until(answered["id"], "delivered")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["delivered"]
    arrived = await busy.arrived(ANA)
    assert [line["text"] for line in arrived] == [message()["content"]["text"]]
    assert await kinds(busy, answered["id"]) == [
        "accepted",
        "decided",
        "reserved",
        "settled",
        "receipt",
        "receipt",
    ] or (set(await kinds(busy, answered["id"])) == {"accepted", "decided", "reserved", "settled", "receipt"})
    assert isinstance(verify(await export(busy)), Holds)


async def test_on_a_sunday_it_waits_for_monday_and_leaves_at_that_second(busy: Town) -> None:
    await busy.set_clock(SUNDAY)
    answered = await busy.send(message())
    assert answered["status"] == "deferred"
    assert answered["decision"]["until"] == "2026-11-23T07:00:00-05:00"
    assert [reason["rule"] for reason in answered["decision"]["reasons"]] == ["CO-HRS-3c"]
    await busy.set_clock("2026-11-23T06:59:58-05:00")
    await asyncio.sleep(1.2)
    assert (await busy.get(answered["id"]))["status"] == "deferred"
    assert await busy.arrived() == []
    found = await busy.until(answered["id"], "delivered", seconds=4)
    left = datetime.fromisoformat(found["attempts"][0]["at"])
    opening = datetime.fromisoformat("2026-11-23T07:00:00-05:00")
    assert opening <= left < opening + timedelta(seconds=2)
    assert len(await busy.arrived()) == 1


async def test_a_second_one_on_the_same_day_waits_for_the_next(busy: Town) -> None:
    first = await busy.send(message())
    await busy.until(first["id"], "delivered")
    second = await busy.send(message(contact="ana", debts=["d1"]))
    assert second["status"] == "deferred"
    assert second["decision"]["until"] == "2026-11-25T07:00:00-05:00"
    assert {reason["rule"] for reason in second["decision"]["reasons"]} == {"CO-FREQ-3d"}


async def test_the_same_key_answers_the_same_and_another_body_is_refused(busy: Town) -> None:
    key = uuid4().hex
    first = await busy.send(message(), key)
    await busy.until(first["id"], "delivered")
    status, again, headers = await busy.call("POST", "/v1/messages", message(), **{"Idempotency-Key": key})
    assert status == 202
    assert headers["Idempotent-Replay"] == "true"
    assert again == first
    status, problem, _ = await busy.call(
        "POST", "/v1/messages", message(form="text", metadata={"a": "b"}), **{"Idempotency-Key": key}
    )
    assert status == 422, problem
    assert len(await busy.arrived()) == 1


async def test_baja_between_accept_and_dispatch_stops_the_message(quiet: Town) -> None:
    answered = await quiet.send(message())
    assert answered["status"] == "queued"
    await quiet.reply("BAJA")
    quiet.start_worker()
    found = await quiet.until(answered["id"], "blocked")
    assert [reason["rule"] for reason in found["decision"]["reasons"]] == ["CO-CHAN-2"]
    assert await quiet.arrived() == []
    order = await quiet.rows("SELECT kind FROM trace WHERE tenant = 't1' ORDER BY idx")
    assert [row["kind"] for row in order][-4:] == ["decided", "reply", "event", "decided"]


async def test_without_authorisation_nothing_goes(busy: Town) -> None:
    stranger = person()
    del stranger["addresses"][0]["authorised"]
    answered = await busy.send(message(stranger))
    assert answered["status"] == "blocked"
    assert "CO-CHAN-2" in [reason["rule"] for reason in answered["decision"]["reasons"]]


async def test_without_pack_or_zone_nothing_goes(busy: Town) -> None:
    nowhere = person("noone", "+18005550199", jurisdictions=[], zones=[])
    answered = await busy.send(message(nowhere))
    assert answered["status"] == "blocked"
    rules = [reason["rule"] for reason in answered["decision"]["reasons"]]
    assert "HOUSE-NOZONE" in rules


async def test_cancel_stops_what_waits_and_not_what_left(busy: Town) -> None:
    await busy.set_clock(SUNDAY)
    waiting = await busy.send(message())
    status, cancelled, _ = await busy.call("POST", f"/v1/messages/{waiting['id']}/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    await busy.set_clock("2026-11-24T10:00:00-05:00")
    left = await busy.send(message())
    await busy.until(left["id"], "delivered")
    status, _, _ = await busy.call("POST", f"/v1/messages/{left['id']}/cancel")
    assert status == 409
    assert len(await busy.arrived()) == 1


async def test_expired_before_its_hour(busy: Town) -> None:
    await busy.set_clock(SUNDAY)
    answered = await busy.send(message(expires_at="2026-11-22T20:00:00-05:00"))
    assert answered["status"] == "deferred"
    await busy.set_clock("2026-11-22T20:00:01-05:00")
    await busy.until(answered["id"], "expired")


async def test_too_close_to_closing_waits_for_the_next_opening(busy: Town) -> None:
    await busy.set_clock("2026-11-24T18:59:00-05:00")
    answered = await busy.send(message())
    assert answered["status"] == "queued"
    found = await busy.until(answered["id"], "deferred")
    assert [reason["rule"] for reason in found["decision"]["reasons"]] == ["HOUSE-EDGE"]
    assert found["decision"]["until"] == "2026-11-25T07:00:00-05:00"


async def test_wanted_later_leaves_then(busy: Town) -> None:
    answered = await busy.send(message(send_at="2026-11-24T11:00:00-05:00"))
    assert answered["status"] == "deferred"
    assert answered["decision"]["until"] == "2026-11-24T11:00:00-05:00"
    await busy.set_clock("2026-11-24T11:00:00-05:00")
    await busy.until(answered["id"], "delivered")


async def test_endings_by_number(busy: Town) -> None:
    wanted = {
        "0001": "read",
        "0002": "undelivered",
        "0003": "failed",
        "0005": "failed",
    }
    for digits, status in wanted.items():
        answered = await busy.send(message(person(f"p{digits}", f"+57300123{digits}")))
        found = await busy.until(answered["id"], status)
        assert len(found["attempts"]) == 1
    again = await busy.send(message(contact="p0005", debts=["d1"]))
    assert again["status"] == "blocked", "21610 is an opt-out"
    again = await busy.send(message(contact="p0003", debts=["d1"]))
    assert again["status"] == "queued", "what the carrier refused gives its reservation back"
    again = await busy.send(message(contact="p0002", debts=["d1"]))
    assert again["status"] == "deferred", "what was not delivered counts"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE trace SET kind = 'x'",
        "DELETE FROM trace",
        "TRUNCATE trace",
        "UPDATE signed_head SET size = 0",
        "DELETE FROM contact_event",
    ],
)
async def test_the_application_cannot_change_what_was_written(quiet: Town, sql: str) -> None:
    await quiet.send(message())

    async def job(connection: Connection) -> None:
        await connection.execute(sql)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await quiet.house.database.run(job)
