"""The CRM's endpoints over HTTP: named, listed, removed; what became of deliveries, and sending them again."""

import base64
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from gateway.api import webhooks
from gateway.events import event
from storage import outbox
from storage.clock import DatabaseClock
from storage.database import Connection
from tests.api.conftest import OTHER_TENANT, Surface
from tests.gateway.town import TENANT

URL = "https://crm.example.com/hooks"


@pytest.fixture
async def endpoint(surface: Surface) -> dict[str, Any]:
    """A fresh endpoint, the only one of the tenant."""
    await surface.town.rows("DELETE FROM crm_endpoint")
    answered = await surface.ask("POST", "/v1/webhooks", {"url": URL})
    assert answered.status == 201
    made: dict[str, Any] = answered.document
    return made


async def happen(
    surface: Surface, kind: str = "message.delivered", *, tenant: str = TENANT, count: int = 1
) -> list[str]:
    """Events, as the core puts them into the outbox."""
    now, _ = await surface.town.house.database.read(DatabaseClock().now)
    events = [event(kind, tenant, f"w-{uuid4().hex[:6]}", now, {"n": n}) for n in range(count)]

    async def job(connection: Connection) -> None:
        await outbox.add(connection, events, now)

    await surface.town.house.database.run(job)
    return [f"evt_{one.id.hex}" for one in events]


async def test_a_secret_is_shown_once_and_signs_by_the_standard(surface: Surface, endpoint: dict[str, Any]) -> None:
    secret = endpoint["secret"]
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    now, _ = await surface.town.house.database.read(DatabaseClock().now)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, '{"type":"x"}'),
    }
    assert Webhook(secret).verify('{"type":"x"}', headers) == {"type": "x"}
    listed = (await surface.ask("GET", "/v1/webhooks")).document
    assert [item["id"] for item in listed["items"]] == [endpoint["id"]]
    assert secret not in str(listed)
    other = (await surface.ask("POST", "/v1/webhooks", {"url": URL})).document
    assert other["secret"] != secret


async def test_endpoints_are_paged_oldest_first(surface: Surface, endpoint: dict[str, Any]) -> None:
    made = [endpoint["id"]]
    for n in range(4):
        made.append((await surface.ask("POST", "/v1/webhooks", {"url": f"{URL}/{n}"})).document["id"])
    pages = await surface.pages("/v1/webhooks?limit=2")
    assert [item["id"] for page in pages for item in page] == made


async def test_a_tenant_has_only_so_many(
    surface: Surface, endpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "ENDPOINTS_MAX", 1)
    before = await surface.stored()
    answered = await surface.ask("POST", "/v1/webhooks", {"url": URL})
    assert (answered.status, answered.slug) == (409, "too-many-webhooks")
    assert await surface.stored() == before
    assert (await surface.ask("POST", "/v1/webhooks", {"url": URL}, key="other")).status == 201


async def test_an_endpoint_gets_what_it_asked_for_from_now_on(surface: Surface, endpoint: dict[str, Any]) -> None:
    await happen(surface)
    replies = (await surface.ask("POST", "/v1/webhooks", {"url": URL, "types": ["reply.received"]})).document
    assert replies["types"] == ["reply.received"]
    await happen(surface, "message.sent")
    (reply,) = await happen(surface, "reply.received")
    got = (await surface.ask("GET", f"/v1/webhooks/{replies['id']}/deliveries")).document["items"]
    assert [item["id"] for item in got] == [reply]
    every = (await surface.ask("GET", f"/v1/webhooks/{endpoint['id']}/deliveries")).document["items"]
    assert [item["type"] for item in every] == ["reply.received", "message.sent", "message.delivered"]
    assert {(item["state"], item["tries"]) for item in every} == {("waiting", 0)}


async def test_deliveries_are_paged_newest_first(surface: Surface, endpoint: dict[str, Any]) -> None:
    told = await happen(surface, count=5)
    pages = await surface.pages(f"/v1/webhooks/{endpoint['id']}/deliveries?limit=2")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item["id"] for page in pages for item in page] == list(reversed(told))


async def test_a_parked_delivery_is_tried_again_when_asked(surface: Surface, endpoint: dict[str, Any]) -> None:
    (told,) = await happen(surface)
    await surface.town.rows(
        "UPDATE crm_delivery SET state = 'parked', tries = 9, last_status = 500, last_error = 'HTTP 500' WHERE event = $1",
        UUID(told.removeprefix("evt_")),
    )
    path = f"/v1/webhooks/{endpoint['id']}/deliveries"
    (parked,) = (await surface.ask("GET", path)).document["items"]
    assert (parked["state"], parked["tries"], parked["last_status"], parked["next_at"]) == ("parked", 9, 500, None)
    again = await surface.ask("POST", f"{path}/{told}/retry")
    assert (again.status, again.document) == (202, {"queued": 1})
    (waiting,) = (await surface.ask("GET", path)).document["items"]
    assert (waiting["state"], waiting["tries"]) == ("waiting", 0)
    assert waiting["next_at"] is not None


async def test_a_replay_puts_everything_since_in_line(surface: Surface, endpoint: dict[str, Any]) -> None:
    await happen(surface, count=3)
    await surface.town.rows("UPDATE crm_delivery SET state = 'delivered'")
    path = f"/v1/webhooks/{endpoint['id']}"
    later = await surface.ask("POST", f"{path}/replay", {"since": "2199-01-01T00:00:00Z"})
    assert (later.status, later.document) == (202, {"queued": 0})
    answered = await surface.ask("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"})
    assert answered.document["queued"] >= 3
    items = (await surface.ask("GET", f"{path}/deliveries?limit=3")).document["items"]
    assert [item["state"] for item in items] == ["waiting"] * 3


async def test_a_removed_endpoint_is_gone_with_its_deliveries(surface: Surface, endpoint: dict[str, Any]) -> None:
    (told,) = await happen(surface)
    path = f"/v1/webhooks/{endpoint['id']}"
    assert (await surface.ask("DELETE", path)).status == 204
    for method, tail in (("DELETE", ""), ("GET", "/deliveries"), ("POST", f"/deliveries/{told}/retry")):
        assert (await surface.ask(method, path + tail)).slug == "not-found"
    assert (await surface.ask("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"})).slug == "not-found"
    removed = UUID(endpoint["id"].removeprefix("whk_"))
    assert await surface.town.rows("SELECT 1 FROM crm_delivery WHERE endpoint = $1", removed) == []


async def test_another_tenants_endpoint_is_not_there(surface: Surface, endpoint: dict[str, Any]) -> None:
    (told,) = await happen(surface)
    path = f"/v1/webhooks/{endpoint['id']}"
    for method, tail in (("DELETE", ""), ("GET", "/deliveries"), ("POST", f"/deliveries/{told}/retry")):
        assert (await surface.ask(method, path + tail, key="other")).slug == "not-found"
    replay = await surface.ask("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}, key="other")
    assert replay.slug == "not-found"
    assert (await surface.ask("GET", "/v1/webhooks", key="other")).document["items"] == []
    # And what happens to the other tenant is not told here.
    await happen(surface, tenant=OTHER_TENANT)
    assert len((await surface.ask("GET", f"{path}/deliveries")).document["items"]) == 1
