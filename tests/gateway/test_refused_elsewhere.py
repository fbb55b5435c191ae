"""What somebody refuses blocks what waits in the commit that keeps it, whoever tells of it: hers, and of who shares the address."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import NewDatabase
from tests.gateway.town import Town, message, number, person, town

BEFORE = "2026-11-24T09:00:00-05:00"


@pytest.fixture(scope="module")
async def still(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """One town for all of them, without a worker: whatever changes is changed by what was said."""
    async with town(await new_database(like=template_url), redis_url, tmp_path_factory.mktemp("still")) as found:
        yield found


#: What the CRM tells of ana (``at``: with her address in it), what waits, and for whom it is blocked.
TOLD: dict[str, tuple[dict[str, Any], bool, dict[str, Any], set[str]]] = {
    "no more at the address": ({"type": "consent", "state": "withdrawn", "channel": "sms"}, True, {}, {"ana", "beto"}),
    "no more on the channel": ({"type": "consent", "state": "withdrawn", "channel": "sms"}, False, {}, {"ana"}),
    "no more anywhere": ({"type": "consent", "state": "withdrawn", "all": True}, False, {}, {"ana"}),
    "on a register": (
        {"type": "listed", "list": "RNE", "channel": "sms", "since": "2026-01-05"},
        True,
        {"purpose": "marketing"},
        {"ana", "beto"},
    ),
    "somebody else's number": ({"type": "not_associated", "channel": "sms"}, True, {}, {"ana"}),
    "an answer forbids nothing": ({"type": "reply", "channel": "sms"}, True, {}, set()),
    "a yes forbids nothing": ({"type": "consent", "state": "granted", "channel": "sms"}, True, {}, set()),
}


@pytest.mark.parametrize("name", TOLD)
async def test_nothing_that_it_forbids_waits_after_its_commit(still: Town, name: str) -> None:
    said, at_address, more, blocked = TOLD[name]
    n = list(TOLD).index(name) + 1
    shared = number(n)
    names = {who: f"{who}-{n}" for who in ("ana", "beto", "carla")}
    granted = await _marketing(still, names, shared, n) if more else None
    for who in names.values():
        contact = who if granted else person(who, number(n, area=301) if who.startswith("carla") else shared)
        answered = await still.send(message(contact, **more))
        assert answered["status"] == "queued", answered
    body = {"at": BEFORE, **said, **({"address": shared} if at_address else {})}
    status, answered, _ = await still.call("POST", f"/v1/contacts/{names['ana']}/events", body)
    assert status == 200, answered
    rows = await still.rows(
        "SELECT contact, status, xmin::text AS xid FROM message WHERE contact = ANY($1)", list(names.values())
    )
    assert {row["contact"] for row in rows if row["status"] == "blocked"} == {names[who] for who in blocked}
    assert {row["status"] for row in rows if row["status"] != "blocked"} == {"queued"}
    # One commit: her word, what it blocks, what the CRM is told, and the trace, in which her word stands first.
    (kept,) = await still.rows(
        "SELECT xmin::text AS xid FROM contact_event WHERE contact = $1 ORDER BY id DESC LIMIT 1", names["ana"]
    )
    assert {row["xid"] for row in rows if row["status"] == "blocked"} <= {kept["xid"]}
    told = await still.rows(
        "SELECT contact FROM crm_event WHERE type = 'message.blocked' AND contact = ANY($1)", list(names.values())
    )
    assert {row["contact"] for row in told} == {names[who] for who in blocked}
    entries = await still.rows("SELECT kind FROM trace WHERE xmin::text = $1 ORDER BY idx", kept["xid"])
    assert [entry["kind"] for entry in entries] == ["event", *("decided" for _ in blocked)]


async def _marketing(still: Town, names: dict[str, str], shared: str, n: int) -> bool:
    """They asked for advertising, each of them."""
    for who in names.values():
        theirs = number(n, area=301) if who.startswith("carla") else shared
        await still.call("PUT", f"/v1/contacts/{who}", person(who, theirs))
        yes = {
            "type": "consent",
            "at": "2026-01-05T10:00:00-05:00",
            "state": "granted",
            "purpose": "marketing",
            "channel": "sms",
        }
        status, answered, _ = await still.call("POST", f"/v1/contacts/{who}/events", {**yes, "instrument": "separate"})
        assert status == 200, answered
    return True


async def test_a_repeated_refusal_is_no_second_one(still: Town) -> None:
    """The CRM sends the same event again after she has changed her mind: what waits by then still waits."""
    shared = number(90)
    await still.send(message(person("ana-90", shared)))
    stop = {"id": "stop-90", "type": "consent", "at": BEFORE, "state": "withdrawn", "channel": "sms", "address": shared}
    yes = {**stop, "id": "yes-90", "at": "2026-11-24T09:30:00-05:00", "state": "granted", "instrument": "separate"}
    for body in (stop, yes):
        status, answered, _ = await still.call("POST", "/v1/contacts/ana-90/events", body)
        assert status == 200, answered
    again = await still.send(message("ana-90", debts=["d1"]))
    assert again["status"] == "queued"
    await still.call("POST", "/v1/contacts/ana-90/events", stop)
    assert (await still.get(again["id"]))["status"] == "queued"
