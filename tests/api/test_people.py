"""People and debts over HTTP: profiles, what happened elsewhere, the timeline, and consents with their evidence."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.api.people import ROUTES as PEOPLE
from gateway.api.reading import convert
from gateway.api.table import ROUTES
from gateway.entries import Scribe
from storage import chain
from storage.clock import SandboxClock
from storage.database import Connection
from tests.api.conftest import Surface
from tests.gateway.town import AUTHORISED, TENANT, message, person

AT = "2026-11-20T10:00:00-05:00"
LATER = "2026-11-21T09:00:00-05:00"


def number() -> str:
    return f"+57301{int(uuid4().int % 10_000_000):07d}"


async def put(surface: Surface, identity: str, **more: Any) -> dict[str, Any]:
    answered = await surface.ask("PUT", f"/v1/contacts/{identity}", person(identity, number()) | more, key="contacts")
    assert answered.status == 200, answered.raw
    shown: dict[str, Any] = answered.document
    return shown


async def tell(surface: Surface, identity: str, events: Any) -> list[str]:
    answered = await surface.ask("POST", f"/v1/contacts/{identity}/events", events, key="contacts")
    assert answered.status == 200, answered.raw
    ids: list[str] = answered.document["ids"]
    return ids


async def timeline(surface: Surface, identity: str, query: str = "") -> list[dict[str, Any]]:
    answered = await surface.ask("GET", f"/v1/contacts/{identity}/timeline{query}", key="read")
    assert answered.status == 200, answered.raw
    items: list[dict[str, Any]] = answered.document["items"]
    return items


def test_every_example_in_the_description_is_one_that_would_be_read() -> None:
    shown = [route for route in ROUTES if route.example is not None]
    assert {route.name for route in ROUTES if route.body is not None} == {route.name for route in shown}
    for route in shown:
        example = {**route.example, "id": "x"} if route.identified_by else route.example
        convert(example, route.body)
    assert PEOPLE


async def test_a_profile_is_kept_in_one_spelling_and_read_back(surface: Surface) -> None:
    asked = {
        "name": "Ana Ñandú",
        "role": "codebtor",
        "locale": "es-CO",
        "jurisdictions": ["CO"],
        "zones": ["America/Bogota"],
        "household": "h-1",
        "addresses": [
            {"channel": "sms", "address": "+57 (301) 555-12\u200b34", "kind": "work", "source": "contract"},
            {"channel": "email", "address": "Ana@Example.COM"},
        ],
    }
    answered = await surface.ask("PUT", "/v1/contacts/p-ana", asked, key="contacts")
    assert answered.status == 200
    shown = answered.document
    assert shown == {
        **asked,
        "id": "p-ana",
        "addresses": [
            {"channel": "sms", "address": "+573015551234", "kind": "work", "source": "contract"},
            {"channel": "email", "address": "ana@example.com", "kind": "unknown", "source": "unknown"},
        ],
    }
    assert (await surface.ask("GET", "/v1/contacts/p-ana", key="read")).document == shown


async def test_a_put_replaces_the_profile_and_never_what_she_said(surface: Surface) -> None:
    shown = await put(surface, "p-replace", name="Ana")
    address = shown["addresses"][0]["address"]
    await tell(
        surface, "p-replace", {"type": "consent", "at": AT, "state": "withdrawn", "address": address, "channel": "sms"}
    )
    replaced = await surface.ask("PUT", "/v1/contacts/p-replace", {}, key="contacts")
    assert (replaced.document["name"], replaced.document["addresses"]) == (None, [])
    said = (await surface.ask("GET", "/v1/contacts/p-replace/consents", key="read")).document["items"]
    assert [one["state"] for one in said] == ["withdrawn", "granted"]


async def test_an_id_in_the_body_is_the_paths_or_left_out(surface: Surface) -> None:
    for body in ({}, {"id": "p-same"}):
        assert (await surface.ask("PUT", "/v1/contacts/p-same", body)).document["id"] == "p-same"
    assert (await surface.ask("PUT", "/v1/debts/p-same", {"id": "p-same"})).document["id"] == "p-same"


async def test_an_id_may_hold_what_ids_may_hold(surface: Surface) -> None:
    for identity in ("a.b", "a:b", "a@b", "a+b", "a~b", "A-1_2"):
        assert (await surface.ask("PUT", f"/v1/contacts/{identity}", {})).document["id"] == identity
        assert (await surface.ask("GET", f"/v1/contacts/{identity}")).document["id"] == identity
    assert (await surface.ask("GET", "/v1/contacts/a%2Bb")).document["id"] == "a+b"


async def test_a_debt_keeps_whom_it_ties_unless_told(surface: Surface) -> None:
    asked = {
        "creditor": "bank-1",
        "contract_signed": "2025-11-01",
        "due": "2026-02-01",
        "kind": "consumer",
        "contacts": [{"contact": "p-tied", "role": "guarantor"}],
    }
    first = await surface.ask("PUT", "/v1/debts/p-debt", asked, key="contacts")
    assert first.document == {"id": "p-debt", **asked}
    again = await surface.ask("PUT", "/v1/debts/p-debt", {"due": "2026-03-01"}, key="contacts")
    assert again.document["contacts"] == asked["contacts"]
    assert again.document["creditor"] is None
    await surface.ask("PUT", "/v1/debts/p-debt", {"contacts": []}, key="contacts")
    assert (await surface.ask("GET", "/v1/debts/p-debt", key="read")).document["contacts"] == []


async def test_events_are_taken_once_under_the_crms_own_ids(surface: Surface) -> None:
    await put(surface, "p-events")
    events = [
        {"type": "contact", "at": AT, "channel": "call_live", "outcome": "conversation", "id": "p-call-1"},
        {"type": "status", "at": AT, "is": "dispute", "debts": ["d1"]},
    ]
    ids = await tell(surface, "p-events", events)
    assert len(ids) == 2
    before = await surface.stored()
    assert await tell(surface, "p-events", events[0]) == ids[:1]
    assert await surface.stored() == before


async def test_every_type_of_event_is_told_and_shown(surface: Surface) -> None:
    address = (await put(surface, "p-types"))["addresses"][0]["address"]
    told = [
        {"type": "contact", "at": AT, "channel": "visit", "outcome": "no_answer", "debts": ["d1"]},
        {"type": "reply", "at": AT, "channel": "sms", "text": "ya pagué", "address": address},
        {"type": "inbound_call", "at": AT},
        {"type": "consent", "at": AT, "state": "granted", "all": True, "instrument": "web"},
        {"type": "hours_requested", "at": AT, "from": "18:00", "to": "24:00", "days": ["Mon"]},
        {"type": "inconvenient", "at": AT, "place": "work"},
        {"type": "status", "at": AT, "is": "claim_pending", "debts": ["d1"]},
        {"type": "listed", "at": AT, "list": "RNE", "since": "2026-01-01"},
        {"type": "not_associated", "at": AT, "address": address, "channel": "sms"},
        {"type": "notice", "at": AT, "is": "validation", "debts": ["d1"]},
    ]
    ids = await tell(surface, "p-types", told)
    shown = {item["id"]: item for item in await timeline(surface, "p-types")}
    kinds = {"contact": "contact_event", "inbound_call": "contact_event", "reply": "reply"}
    for identity, event in zip(ids, told, strict=True):
        item = shown[identity]
        assert item["type"] == kinds.get(event["type"], "statement")
        assert item["data"]["event"] == event["type"]
        assert datetime.fromisoformat(item["at"]) == datetime.fromisoformat(AT)
        for name in ("is", "list", "place", "state", "days", "outcome", "debts", "text", "since"):
            if name in event:
                assert item["data"][name] == event[name]
        if "address" in event:
            assert item["data"]["address"] == address


async def test_a_timeline_holds_everything_newest_first(surface: Surface) -> None:
    """A message, its decision, its attempt, a receipt of it, her reply and what was told of elsewhere."""
    await put(surface, "p-line")
    sent = (await surface.send(message("p-line"))).document
    await tell(surface, "p-line", {"type": "contact", "at": AT, "channel": "letter", "outcome": "delivered"})
    await tell(surface, "p-line", {"type": "reply", "at": LATER, "channel": "call_live"})
    await attempted(surface, sent)
    items = await timeline(surface, "p-line")
    assert {item["type"] for item in items} == {
        "message", "decision", "attempt", "receipt", "reply", "statement", "contact_event",
    }  # fmt: skip
    # The reserved contact is the attempt itself, and is not shown twice.
    assert [item["data"]["outcome"] for item in items if item["type"] == "contact_event"] == ["delivered"]
    instants = [datetime.fromisoformat(item["at"]) for item in items]
    assert instants == sorted(instants, reverse=True)
    ours = [item for item in items if item["data"].get("message") == sent["id"]]
    # Within one instant what came of it stands above it.
    assert [item["type"] for item in ours] == ["receipt", "attempt", "decision", "message"]
    assert ours[3]["id"] == sent["id"]
    assert ours[2]["data"]["outcome"] == "allow"
    assert (ours[1]["data"]["state"], ours[1]["data"]["provider_id"]) == ("sent", "SM1")
    assert ours[0]["data"]["kind"] == "delivered"
    assert all(item["channel"] == "sms" for item in ours)
    assert not any("subject" in item["data"] for item in items)


async def attempted(surface: Surface, sent: dict[str, Any]) -> None:
    """Rows as dispatch and receipt write them: the attempt, its reserved contact, and the trace of a receipt."""
    identity, attempt = UUID(sent["id"].removeprefix("msg_")), uuid4()
    # The answer is rounded to milliseconds, and these share the instant of the decision.
    ((at,),) = await surface.town.rows("SELECT created_at FROM message WHERE id = $1", identity)
    await surface.town.rows(
        "INSERT INTO attempt (id, tenant, message, contact, n, provider, channel, address, state, provider_id, "
        "validity_seconds, reserved_at, latest, deadline, begun_at) "
        "VALUES ($1, $2, $3, $4, 1, 'twilio-test', 'sms', '+57300', 'sent', 'SM1', 60, $5, $5, $5, $5)",
        attempt, TENANT, identity, sent["contact"], at,
    )  # fmt: skip
    await surface.town.rows(
        "INSERT INTO contact_event (id, tenant, contact, at, type, channel, outcome, attempt) "
        "VALUES ($1, $2, $3, $4, 'contact', 'sms', 'attempted', $5)",
        uuid4(), TENANT, sent["contact"], at, attempt,
    )  # fmt: skip
    (row,) = await surface.town.rows(
        "SELECT subject FROM contact WHERE tenant = $1 AND id = $2", TENANT, sent["contact"]
    )
    entry = Scribe(b"secret").entry(
        "receipt",
        tenant=TENANT,
        at=at,
        subject=row["subject"],
        message=identity,
        facts={"attempt": attempt.hex, "kind": "delivered"},
    )

    async def job(connection: Connection) -> None:
        await chain.append(connection, {TENANT: [entry]})

    await surface.town.house.database.run(job)


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_a_timeline_is_paged_without_gap_or_double(surface: Surface, limit: int) -> None:
    identity = f"p-pages-{limit}"
    await put(surface, identity)
    # Many at one instant: the place of an item is more than its instant.
    await tell(surface, identity, [{"type": "inbound_call", "at": AT} for _ in range(5)])
    await surface.send(message(identity))
    whole = await timeline(surface, identity, "?limit=500")
    pages = await surface.pages(f"/v1/contacts/{identity}/timeline?limit={limit}")
    assert all(0 < len(page) <= limit for page in pages)
    assert [item for page in pages for item in page] == whole
    assert len(whole) == 5 + 1 + 2


async def test_consents_come_with_their_evidence(surface: Surface) -> None:
    address = (await put(surface, "p-consents"))["addresses"][0]["address"]
    await tell(
        surface,
        "p-consents",
        [
            {"type": "consent", "at": AT, "state": "withdrawn", "channel": "sms", "address": address, "id": "crm-77"},
            {
                "type": "consent",
                "at": LATER,
                "state": "granted",
                "all": True,
                "instrument": "web",
                "purpose": "collection",
            },
        ],
    )
    pages = [(await surface.ask("GET", "/v1/contacts/p-consents/consents?limit=2", key="read")).document]
    pages.append((await surface.ask("GET", f"/v1/contacts/p-consents/consents?cursor={pages[0]['next']}")).document)
    granted, withdrawn, first = [item for page in pages for item in page["items"]]
    assert pages[1]["next"] is None
    assert (granted["state"], granted["all"], granted["purpose"]) == ("granted", True, "collection")
    assert granted["evidence"]["instrument"] == "web"
    assert (withdrawn["state"], withdrawn["channel"], withdrawn["address"]) == ("withdrawn", "sms", address)
    assert withdrawn["evidence"]["external_id"] == "crm-77"
    assert (first["state"], first["address"]) == ("granted", address)
    assert first["evidence"]["instrument"] == AUTHORISED["instrument"]
    assert datetime.fromisoformat(first["at"]) == datetime.fromisoformat(AUTHORISED["at"])


async def test_a_corrected_consent_says_by_what(surface: Surface) -> None:
    await put(surface, "p-corrected")
    (old,) = await tell(
        surface, "p-corrected", {"type": "consent", "at": AT, "state": "withdrawn", "all": True, "id": "w-1"}
    )
    (new,) = await tell(
        surface, "p-corrected", {"type": "consent", "at": AT, "state": "granted", "all": True, "corrects": "w-1"}
    )
    items = (await surface.ask("GET", "/v1/contacts/p-corrected/consents")).document["items"]
    assert {item["id"]: item["corrected_by"] for item in items if item["id"] in (old, new)} == {old: new, new: None}


async def test_another_tenants_people_are_not_there(surface: Surface) -> None:
    await put(surface, "p-mine")
    await surface.ask("PUT", "/v1/debts/p-mine", {})
    for path in (
        "/v1/contacts/p-mine",
        "/v1/contacts/p-mine/timeline",
        "/v1/contacts/p-mine/consents",
        "/v1/debts/p-mine",
    ):
        assert (await surface.ask("GET", path, key="other")).slug == "not-found"
    event = {"type": "inbound_call", "at": AT}
    assert (await surface.ask("POST", "/v1/contacts/p-mine/events", event, key="other")).slug == "not-found"
    await surface.ask("PUT", "/v1/contacts/p-mine", {"name": "Other"}, key="other")
    assert (await surface.ask("GET", "/v1/contacts/p-mine")).document["name"] is None
    answered = await surface.send(message(person("p-theirs", number()), debts=["p-mine"]), key="other")
    assert answered.pointers == ["/debts/0"]


async def test_the_clock_of_events_is_the_laws(surface: Surface) -> None:
    """What lies ahead of the law's clock has not happened, whatever the machine's clock says."""
    await put(surface, "p-clock")
    now, _ = await surface.town.house.database.read(SandboxClock().now)
    ahead = {"type": "inbound_call", "at": f"{now.year}-12-31T00:00:00Z"}
    refused = await surface.ask("POST", "/v1/contacts/p-clock/events", ahead)
    assert (refused.status, refused.pointers) == (422, ["/at"])
