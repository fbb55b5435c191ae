"""What a carrier, whoever had the number before, or somebody who owes with her tells blocks what waits in the commit that keeps it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from gateway.compose import dispatcher, receiving
from gateway.people import profiles
from storage import messages, people
from tests.conftest import NewDatabase
from tests.gateway.town import PROVIDER, Town, message, person, town
from vocabulary.outcome import Receipt, ReceiptKind

#: Of the simulated carrier's numbers: one whose owner has told it to stop.
STOPPED = "+573001230005"
BEFORE = "2026-11-24T09:00:00-05:00"


@pytest.fixture(scope="module")
async def still(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """One town for all of them, without a worker: whatever changes is changed by what was told."""
    async with town(await new_database(like=template_url), redis_url, tmp_path_factory.mktemp("others")) as found:
        yield found


async def waiting(found: Town, *contacts: Any, **more: Any) -> list[str]:
    ids = []
    for contact in contacts:
        answered = await found.send(message(contact, **more))
        assert answered["status"] in ("queued", "deferred"), answered
        ids.append(answered["id"])
    return ids


async def blocked_with(found: Town, person: str, *ids: str) -> list[str]:
    """Their statuses; what is blocked is so by the transaction that kept the last word about ``person``, and in the trace after it."""
    rows = await found.rows(
        "SELECT id, status, xmin::text AS xid FROM message WHERE id = ANY($1::uuid[])",
        [UUID(each.removeprefix("msg_")) for each in ids],
    )
    (kept,) = await found.rows(
        "SELECT xmin::text AS xid FROM contact_event WHERE contact = $1 AND type <> 'contact' ORDER BY id DESC LIMIT 1",
        person,
    )
    assert {row["xid"] for row in rows if row["status"] == "blocked"} <= {kept["xid"]}
    entries = await found.rows("SELECT kind FROM trace WHERE xmin::text = $1 ORDER BY idx", kept["xid"])
    blocked = [row for row in rows if row["status"] == "blocked"]
    kinds = [row["kind"] for row in entries if row["kind"] in ("event", "decided")]
    assert kinds == sorted(kinds, reverse=True)  # her word first
    assert kinds[0] == "event"
    assert kinds.count("decided") == len(blocked)
    by_id = {row["id"]: row["status"] for row in rows}
    return [by_id[UUID(each.removeprefix("msg_"))] for each in ids]


async def test_a_carrier_that_refuses_because_she_told_it_to_stop(still: Town) -> None:
    """The first message learns of it; the second of hers and that of whoever shares the number never set out."""
    (first,) = await waiting(still, person("ana", STOPPED))
    second, third = await waiting(
        still, "ana", person("beto", STOPPED), debts=["d1"], send_at="2026-11-24T12:00:00-05:00"
    )
    (other,) = await waiting(still, person("carla", "+573001230777"), send_at="2026-11-24T12:00:00-05:00")
    sender = dispatcher(still.house)
    await sender.round(limit=1)
    await sender.drain()
    assert (await still.get(first))["status"] == "failed"
    assert await blocked_with(still, "ana", second, third, other) == ["blocked", "blocked", "deferred"]
    told = await still.rows(
        "SELECT contact FROM crm_event WHERE type = 'message.blocked' AND contact = ANY($1)", ["ana", "beto"]
    )
    assert sorted(row["contact"] for row in told) == ["ana", "beto"]


async def test_a_receipt_that_says_that_she_stopped(still: Town) -> None:
    await waiting(still, person("dora", "+573001230778"))
    sender = dispatcher(still.house)
    await sender.round(limit=1)
    await sender.drain()
    second, third = await waiting(
        still, "dora", person("ema", "+573001230778"), debts=["d1"], send_at="2026-11-24T12:00:00-05:00"
    )
    (attempt,) = await still.rows("SELECT id FROM attempt WHERE contact = 'dora'")
    receiver, _ = receiving(still.house)
    receipt = Receipt(
        key="r1",
        attempt=attempt["id"],
        kind=ReceiptKind.FAILED,
        provider_status="failed",
        error_code="21610",
        opted_out=True,
    )
    await receiver.put(PROVIDER, [receipt], b"")
    assert await blocked_with(still, "dora", second, third) == ["blocked", "blocked"]
    # The same receipt again is no second word.
    await receiver.put(PROVIDER, [receipt], b"")
    kept = await still.rows(
        "SELECT id FROM contact_event WHERE contact = 'dora' AND type = 'consent' AND detail->>'state' = 'withdrawn'"
    )
    assert len(kept) == 1


async def test_a_stranger_who_stopped_becomes_somebody(still: Town) -> None:
    """Her new number is one from which we were told to stop before we knew whose it was."""
    await still.reply("STOP", sender="+573001230779")
    (hers,) = await waiting(still, person("flor", "+573001230780"), send_at="2026-11-24T12:00:00-05:00")
    status, answered, _ = await still.call("PUT", "/v1/contacts/flor", person("flor", "+573001230779"))
    assert status == 200, answered
    assert await blocked_with(still, "flor", hers) == ["blocked"]


#: Where each of the two is held: it has looked for the other, what it writes is not committed.
HELD: dict[str, tuple[Any, str]] = {
    "the stop comes first": (people, "stranger_stopped"),
    "she is named first": (profiles, "stopped_before"),
}


@pytest.mark.parametrize("order", HELD)
async def test_a_stranger_who_stops_just_as_she_is_named(
    still: Town, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Side by side neither would see the other; the second waits for the first and finds what it left."""
    n = list(HELD).index(order)
    name, number = f"gala-{n}", f"+57300123078{n + 1}"
    done, go = asyncio.Event(), asyncio.Event()
    where, what = HELD[order]
    step = getattr(where, what)

    async def held(*arguments: Any) -> Any:
        found = await step(*arguments)
        done.set()
        await go.wait()
        return found

    async def stops() -> None:
        await still.reply("STOP", sender=number)

    async def is_named() -> None:
        status, answered, _ = await still.call("PUT", f"/v1/contacts/{name}", person(name, number))
        assert status == 200, answered

    async def waits() -> bool:
        return bool(await still.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    first, second = (stops, is_named) if order == "the stop comes first" else (is_named, stops)
    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(where, what, held)
        tasks.create_task(first())
        await done.wait()
        monkeypatch.setattr(where, what, step)
        following = tasks.create_task(second())
        while not (following.done() or await waits()):
            await asyncio.sleep(0.01)
        go.set()
    answered = await still.send(message(name))
    assert answered["status"] == "blocked", answered
    # Colombia: no channel that she has not authorised, or not any more.
    assert [reason["rule"] for reason in answered["decision"]["reasons"]] == ["CO-CHAN-2"]


@pytest.mark.parametrize("meanwhile", ["erased", "another number"])
async def test_a_number_that_is_hers_no_more_when_its_stop_is_kept(
    still: Town, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Whose it was is looked for before she is held: the stop is then that of a number which nobody has, and is not lost."""
    name, number = f"hana-{meanwhile[0]}", f"+5730012307{meanwhile == 'erased':d}9"
    status, answered, _ = await still.call("PUT", f"/v1/contacts/{name}", person(name, number))
    assert status == 200, answered
    looks = messages.waiting_of
    turns = 0

    async def looked(*arguments: Any) -> Any:
        nonlocal turns
        turns += 1
        if turns == 1:
            if meanwhile == "erased":
                status, answered, _ = await still.call("DELETE", f"/v1/contacts/{name}")
            else:
                status, answered, _ = await still.call("PUT", f"/v1/contacts/{name}", person(name, "+573001230788"))
            assert status < 300, answered
        return await looks(*arguments)

    monkeypatch.setattr(messages, "waiting_of", looked)
    await still.reply("STOP", sender=number)
    assert turns == 2
    answered = await still.send(message(person(f"{name}-next", number)))
    assert "CO-CHAN-2" in [reason["rule"] for reason in answered["decision"]["reasons"]]


#: What is told of one who owes with her, in the United Kingdom: what it does to the other's message.
STANDING: dict[str, tuple[dict[str, Any], str]] = {
    "a crisis": ({"type": "status", "is": "moratorium", "kind": "mental_health"}, "blocked"),
    "hardship is her own": ({"type": "status", "is": "hardship"}, "queued"),
    "who breathes again": ({"type": "status", "is": "moratorium", "ended": True}, "queued"),
}


@pytest.mark.parametrize("name", STANDING)
async def test_how_a_joint_debtor_stands(still: Town, name: str) -> None:
    said, status = STANDING[name]
    n = list(STANDING).index(name)
    joint = {
        who: {
            **person(f"{who}-{n}", f"+4479111230{n}{k}"),
            "jurisdictions": ["UK"],
            "zones": ["Europe/London"],
        }
        for k, who in enumerate(("gwen", "hugh", "iris"))
    }
    debt, alone = (
        {"id": f"joint-{n}", "contacts": [{"contact": f"{w}-{n}", "role": "debtor"} for w in ("gwen", "hugh")]},
        f"alone-{n}",
    )
    for who in joint.values():
        answered, body, _ = await still.call("PUT", f"/v1/contacts/{who['id']}", who)
        assert answered == 200, body
    answered, body, _ = await still.call(
        "PUT", f"/v1/debts/{debt['id']}", {"creditor": "C1", "contacts": debt["contacts"]}
    )
    assert answered == 200, body
    (his,) = await waiting(still, f"hugh-{n}", debts=[debt["id"]])
    (hers,) = await waiting(still, f"iris-{n}", debts=[{"id": alone}])
    answered, body, _ = await still.call("POST", f"/v1/contacts/gwen-{n}/events", {"at": BEFORE, **said})
    assert answered == 200, body
    assert await blocked_with(still, f"gwen-{n}", his, hers) == [status, "queued"]
