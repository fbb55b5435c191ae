"""What a person said, told over HTTP: wishes, announcements and doubts, each with what proves it."""

from typing import Any

import pytest

from storage import history, people
from storage.clock import SandboxClock
from storage.database import Connection
from tests.api.conftest import Surface
from tests.api.test_people import AT, LATER, number, put, tell, timeline
from tests.gateway.town import TENANT
from vocabulary.event import Event

MORE = "2026-11-23T12:00:00-05:00"

STATEMENTS: dict[str, dict[str, Any]] = {
    "a channel she prefers": {"type": "channel_preferred", "channel": "whatsapp"},
    "a channel she no longer prefers": {"type": "channel_preferred", "channel": "sms", "ended": True},
    "her language": {"type": "language_preferred", "locale": "pt-BR"},
    "where her clock stands": {"type": "zone_stated", "zones": ["Europe/Madrid"]},
    "no longer there": {"type": "zone_stated", "ended": True},
    "a call she wants": {"type": "call_requested", "from": MORE, "debts": ["d1"]},
    "a promise": {
        "type": "promise",
        "pays_on": "2026-12-01",
        "amount": "150000.50",
        "currency": "COP",
        "debts": ["d1"],
    },
    "a promise without a sum": {"type": "promise"},
    "a doubt": {"type": "held", "until": MORE, "reason": "unsure"},
    "a doubt no more": {"type": "held", "ended": True},
    "hardship": {"type": "status", "is": "hardship", "debts": ["d1"]},
    "an attorney": {"type": "status", "is": "attorney"},
}

EVIDENCE = {
    "words": "prefiero que me llamen",
    "channel": "sms",
    "purpose": "collection",
    "instrument": "reply",
    "page": "debtor/3",
    "provider_id": "SM123",
}


async def events_of(surface: Surface, identity: str) -> list[Event]:
    async def read(connection: Connection) -> list[Event]:
        now, _ = await SandboxClock().now(connection)
        row = (await people.contacts(connection, [(TENANT, identity)]))[TENANT, identity]
        key = (TENANT, identity)
        return list((await history.histories(connection, {key: [a.endpoint for a in row.addresses]}, now))[key])

    found: list[Event] = await surface.town.house.database.read(read)
    return found


async def test_every_statement_is_told_kept_and_shown_with_its_proof(surface: Surface) -> None:
    """What is read back for the law says what was told, field by field, and the timeline shows the proof."""
    await put(surface, "s-all")
    told = [{**each, "at": AT, "evidence": EVIDENCE} for each in STATEMENTS.values()]
    ids = await tell(surface, "s-all", told)
    kept = {f"evt_{event.id}": event for event in await events_of(surface, "s-all")}
    shown = {item["id"]: item for item in await timeline(surface, "s-all")}
    for identity, event in zip(ids, told, strict=True):
        facts = history.facts_of(kept[identity])
        for name in set(event) - {"at", "evidence", "from", "until"}:
            assert facts.get(name, False) == event[name], (event, facts)
        for name in {"from", "until"} & set(event):
            assert facts[name].startswith("2026-11-23T12:00:00")
        item = shown[identity]
        assert item["type"] == "statement"
        assert item["data"]["text"] == EVIDENCE["words"]
        assert item["data"]["evidence"] == {k: v for k, v in EVIDENCE.items() if k != "words"}


async def test_a_consent_says_what_proves_it(surface: Surface) -> None:
    address = (await put(surface, "s-proof"))["addresses"][0]["address"]
    said = {"type": "consent", "at": AT, "state": "withdrawn", "all": True}
    await tell(surface, "s-proof", {**said, "evidence": {**EVIDENCE, "address": address}})
    shown = (await surface.ask("GET", "/v1/contacts/s-proof/consents")).document["items"][0]
    assert shown["evidence"] == {
        "instrument": "reply",
        "text": EVIDENCE["words"],
        "external_id": None,
        "channel": "sms",
        "page": "debtor/3",
        "provider_id": "SM123",
    }


async def test_the_trace_says_by_which_way_it_came_and_never_what_names_her(surface: Surface) -> None:
    address = (await put(surface, "s-trace"))["addresses"][0]["address"]
    await tell(surface, "s-trace", {"type": "promise", "at": AT, "evidence": {**EVIDENCE, "address": address}})
    entries = (await surface.ask("GET", "/v1/trace?contact=s-trace&limit=500")).document["items"]
    (facts,) = [e["facts"] for e in entries if e["facts"].get("type") == "promise" and "page" in str(e["facts"])][-1:]
    assert facts["evidence"]["page"] == "debtor/3"
    assert facts["evidence"]["instrument"] == "reply"
    assert not [secret for secret in (address, "SM123", EVIDENCE["words"]) if secret in str(facts)]


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"type": "channel_preferred", "channel": "visit"}, "/channel"),
        ({"type": "channel_preferred"}, "/channel"),
        ({"type": "language_preferred", "locale": "español"}, "/locale"),
        ({"type": "zone_stated", "zones": ["Europe/Madrid", "Mars/Olympus"]}, "/zones/1"),
        ({"type": "zone_stated"}, "/zones"),
        ({"type": "zone_stated", "zones": ["Europe/Madrid"], "ended": True}, "/zones"),
        ({"type": "call_requested", "from": MORE, "to": LATER}, "/from"),
        ({"type": "call_requested", "address": "not a number"}, "/address"),
        ({"type": "promise", "amount": "1.5e3", "currency": "COP"}, "/amount"),
        ({"type": "promise", "amount": "01", "currency": "COP"}, "/amount"),
        ({"type": "promise", "amount": "10"}, "/amount"),
        ({"type": "promise", "amount": "10", "currency": "pesos"}, "/currency"),
        ({"type": "promise", "pays_on": "tomorrow"}, "/pays_on"),
        ({"type": "held"}, "/until"),
        ({"type": "held", "until": "2027-11-23T12:00:00-05:00"}, "/until"),
        ({"type": "held", "until": "2026-11-01T12:00:00-05:00"}, "/until"),
        ({"type": "held", "until": MORE, "ended": True}, "/until"),
        ({"type": "held", "until": MORE, "evidence": {"address": "x"}}, "/evidence/address"),
        ({"type": "held", "until": MORE, "evidence": {"said": "x"}}, "/evidence/said"),
        ({"type": "register_read", "list": "RNE"}, "/type"),
    ],
)
async def test_a_statement_that_cannot_be_is_refused_by_name(
    surface: Surface, event: dict[str, Any], pointer: str
) -> None:
    await surface.ask("PUT", "/v1/contacts/s-bad", {})
    refused = await surface.ask("POST", "/v1/contacts/s-bad/events", [{**event, "at": AT}])
    assert refused.status == 422
    assert refused.pointers == ["/0" + pointer]
    assert not (await timeline(surface, "s-bad"))


async def test_a_repeated_statement_changes_nothing_and_a_correction_takes_its_place(surface: Surface) -> None:
    await surface.ask("PUT", "/v1/contacts/s-again", {"addresses": [{"channel": "sms", "address": number()}]})
    first = {"type": "promise", "at": AT, "pays_on": "2026-12-01", "id": "s-again-1"}
    ids = await tell(surface, "s-again", first)
    assert await tell(surface, "s-again", first) == ids
    await tell(surface, "s-again", {**first, "id": "s-again-2", "pays_on": "2026-12-05", "corrects": "s-again-1"})
    (promise,) = await events_of(surface, "s-again")
    assert str(history.facts_of(promise)["pays_on"]) == "2026-12-05"


async def test_what_stood_at_any_instant_is_answered_as_it_would_have_been_then(surface: Surface) -> None:
    """Her word on each address and every wish, before she said anything, between two statements, and after both."""
    shown = await put(surface, "s-stood")
    address = shown["addresses"][0]["address"]
    told = [
        {"type": "channel_preferred", "at": "2026-11-01T10:00:00Z", "channel": "sms", "address": address},
        {
            "type": "promise",
            "at": "2026-11-02T10:00:00Z",
            "pays_on": "2026-12-01",
            "amount": "10.00",
            "currency": "USD",
        },
        {"type": "consent", "at": "2026-11-03T10:00:00Z", "state": "withdrawn", "channel": "sms", "address": address},
        {"type": "held", "at": "2026-11-03T10:00:00Z", "until": "2026-11-04T10:00:00Z"},
        {"type": "zone_stated", "at": "2026-11-05T10:00:00Z", "zones": ["Europe/Madrid"]},
    ]
    ids = await tell(surface, "s-stood", told)

    async def stood(at: str) -> tuple[dict[str, Any], list[str]]:
        found = (await surface.ask("GET", f"/v1/contacts/s-stood/consents?at={at}", key="read")).document
        return found["standing"], [one["state"] for one in found["items"]]

    standing, items = await stood("2025-12-31T00:00:00Z")
    assert items == []
    assert {one["word"] for one in standing["addresses"]} == {"silent"}
    assert (standing["prefers"], standing["promises"], standing["held_until"]) == (None, [], None)
    standing, items = await stood("2026-11-02T12:00:00Z")
    assert items == ["granted"]
    assert [one["word"] for one in standing["addresses"] if one["channel"] == "sms"] == ["yes"]
    assert (standing["prefers"]["id"], standing["prefers"]["address"]) == (ids[0], address)
    assert [(one["id"], one["amount"]) for one in standing["promises"]] == [(ids[1], "10.00")]
    standing, items = await stood("2026-11-03T12:00:00Z")
    assert items == ["withdrawn", "granted"]
    hers = next(one for one in standing["addresses"] if one["channel"] == "sms")
    assert (hers["word"], hers["since"]) == ("no", "2026-11-03T10:00:00.000Z")
    assert standing["held_until"] == "2026-11-04T10:00:00.000Z"
    standing, _ = await stood("2026-11-06T12:00:00Z")
    assert (standing["held_until"], standing["zones"]) == (None, ["Europe/Madrid"])
    assert "standing" not in (await surface.ask("GET", "/v1/contacts/s-stood/consents", key="read")).document
    assert (await surface.ask("GET", "/v1/contacts/s-stood/consents?at=yesterday", key="read")).pointers == ["/at"]
