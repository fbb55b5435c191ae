"""Keys over HTTP: made, rotated with two alive, ended; what expired opens nothing; what a tenant may ask for, with and without Redis."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio

from gateway.tenants import keys
from gateway.tenants.opening import create_key, create_tenant
from gateway.tenants.quotas import Quotas
from storage import tenancy
from storage.tenancy import Limits
from tests.api.conftest import Surface
from tests.gateway.town import message, number, person
from throttling.pacing import SHARE_ALONE

QUICK = 0.2


@pytest.fixture(autouse=True)
def _soon_felt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BELIEVED_SECONDS_MAX", QUICK)


async def opens(surface: Surface, key: str) -> bool:
    await asyncio.sleep(QUICK * 1.2)
    return (await surface.ask("GET", "/v1/messages", key=key)).status == 200


async def make(surface: Surface, **more: Any) -> dict[str, Any]:
    answered = await surface.ask("POST", "/v1/keys", {"scopes": ["read"], "label": "CRM", **more})
    assert answered.status == 201, answered.raw
    made: dict[str, Any] = answered.document
    return made


async def shown(surface: Surface, identity: str) -> dict[str, Any]:
    for page in await surface.pages("/v1/keys?limit=500"):
        for each in page:
            if each["id"] == identity:
                return each
    raise AssertionError("not listed")


async def test_a_key_is_shown_once_and_opens_what_it_may(surface: Surface) -> None:
    made = await make(surface)
    assert (await surface.ask("GET", "/v1/messages", key=made["key"])).status == 200
    assert (await surface.ask("GET", "/v1/policy", key=made["key"])).slug == "scope-missing"
    listed = await surface.ask("GET", "/v1/keys")
    assert made["key"].encode() not in listed.raw
    assert made["key"].split("_")[3].encode() not in listed.raw
    assert (await shown(surface, made["id"]))["label"] == "CRM"


async def test_two_keys_live_while_one_takes_over_and_never_three(surface: Surface) -> None:
    first = await make(surface)
    second = (await surface.ask("POST", f"/v1/keys/{first['id']}/rotate", {"overlap_seconds": 3600})).document
    assert second["scopes"] == first["scopes"]
    assert second["follows"] == first["id"]
    assert await opens(surface, first["key"])
    assert await opens(surface, second["key"])
    until = datetime.fromisoformat(second["old_until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(minutes=60)
    assert (await shown(surface, first["id"]))["expires_at"] == second["old_until"]
    third = (await surface.ask("POST", f"/v1/keys/{second['id']}/rotate", {})).document
    assert not await opens(surface, first["key"])
    assert await opens(surface, second["key"])
    assert await opens(surface, third["key"])


async def test_without_an_overlap_the_old_one_ends_now(surface: Surface) -> None:
    first = await make(surface)
    answered = await surface.ask("POST", f"/v1/keys/{first['id']}/rotate", {"overlap_seconds": 0})
    assert answered.status == 201
    assert not await opens(surface, first["key"])
    again = await surface.ask("POST", f"/v1/keys/{first['id']}/rotate", {})
    assert (again.status, again.slug) == (404, "not-found")


async def test_a_rotation_never_lets_a_key_live_longer_than_it_would_have(surface: Surface) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    first = await make(surface, expires_at=soon.isoformat())
    second = (await surface.ask("POST", f"/v1/keys/{first['id']}/rotate", {})).document
    assert abs(datetime.fromisoformat(second["old_until"]) - soon) < timedelta(seconds=1)


async def test_an_expired_key_opens_nothing_even_where_it_was_believed(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "BELIEVED_SECONDS_MAX", 5.0)
    made = await make(surface, expires_at=(datetime.now(UTC) + timedelta(seconds=1.2)).isoformat())
    assert (await surface.ask("GET", "/v1/messages", key=made["key"])).status == 200
    await asyncio.sleep(1.3)
    assert (await surface.ask("GET", "/v1/messages", key=made["key"])).slug == "no-valid-key"


async def test_a_revoked_key_is_shown_as_that_and_another_tenants_is_not_there(surface: Surface) -> None:
    made = await make(surface)
    assert (await surface.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204
    assert not await opens(surface, made["key"])
    assert (await shown(surface, made["id"]))["revoked_at"] is not None
    assert (await surface.ask("DELETE", f"/v1/keys/{made['id']}")).slug == "not-found"
    database = surface.town.house.database
    foreign = await create_key(database, "t2", env="test", scopes=["read"], label="theirs")
    identity = foreign.split("_")[2]
    assert (await surface.ask("DELETE", f"/v1/keys/{identity}")).slug == "not-found"
    assert (await surface.ask("POST", f"/v1/keys/{identity}/rotate", {})).slug == "not-found"
    assert await opens(surface, foreign)


FLAWS = {
    "no scope": ({"scopes": []}, "/scopes"),
    "a scope that is none": ({"scopes": ["root"]}, "/scopes/0"),
    "an end in the past": ({"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
    "a label with a line feed": ({"scopes": ["read"], "label": "a\nb"}, "/label"),
}


@pytest.mark.parametrize(("body", "pointer"), FLAWS.values(), ids=FLAWS.keys())
async def test_what_is_wrong_with_a_key_is_named(surface: Surface, body: Any, pointer: str) -> None:
    answered = await surface.ask("POST", "/v1/keys", body)
    assert (answered.status, answered.pointers) == (422, [pointer])


# ---- what a tenant may ask for ------------------------------------------------------------------------------------------


@pytest.fixture
async def bounded(surface: Surface) -> tuple[str, Any]:
    """A tenant's key, and how to bound the tenant."""
    database = surface.town.house.database
    tenant = f"b{time.monotonic_ns()}"
    await create_tenant(database, tenant, "B", {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}})
    key = await create_key(database, tenant, env="test", scopes=["admin"], label="b")

    async def bound(**more: Any) -> None:
        assert await database.run(lambda connection: tenancy.put_limits(connection, tenant, Limits(**more)))
        await asyncio.sleep(QUICK * 1.2)

    return key, bound


async def test_an_unbounded_tenant_is_told_nothing(surface: Surface) -> None:
    answered = await surface.ask("GET", "/v1/messages")
    assert not [name for name in answered.headers if name.lower().startswith("ratelimit")]


async def test_requests_beyond_the_pace_are_told_when_to_come_back(surface: Surface, bounded: tuple[str, Any]) -> None:
    key, bound = bounded
    await bound(requests_per_second=0.5, requests_burst=3)
    passed = [await surface.ask("GET", "/v1/messages", key=key) for _ in range(3)]
    assert [each.status for each in passed] == [200, 200, 200]
    assert [each.headers["RateLimit-Remaining"] for each in passed] == ["2", "1", "0"]
    assert passed[0].headers["RateLimit-Policy"] == '"requests";q=3;w=6'
    assert passed[0].headers["RateLimit"] == '"requests";r=2;t=2'
    assert passed[0].headers["RateLimit-Limit"] == "3"
    over = await surface.ask("GET", "/v1/messages/nothing", key=key)
    assert (over.status, over.slug) == (429, "too-many-requests")
    assert 1 <= int(over.headers["Retry-After"]) <= 2
    assert over.headers["RateLimit-Remaining"] == "0"
    # Somebody else's pace is her own.
    assert (await surface.ask("GET", "/v1/messages")).status == 200


async def test_processes_share_one_pace(surface: Surface, redis_url: str) -> None:
    ours = [redis.asyncio.Redis.from_url(redis_url) for _ in range(4)]
    processes = [Quotas(each) for each in ours]
    limits = Limits(requests_per_second=1.0, requests_burst=10, messages_per_day=25)
    tenant, today = f"shared{time.monotonic_ns()}", datetime.now(UTC)
    asked = await asyncio.gather(*(processes[n % 4].request(tenant, limits) for n in range(64)))
    assert sum(each.granted for each in asked if each) in (10, 11)
    taken = await asyncio.gather(*(processes[n % 4].messages(tenant, limits, 3, today) for n in range(64)))
    assert sum(each.granted for each in taken if each) == 25
    for each in ours:
        await each.aclose()


async def test_without_redis_each_process_grants_a_share_and_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.asyncio.Redis.from_url("redis://127.0.0.1:1")
    alone = Quotas(away)
    limits = Limits(requests_per_second=1.0, requests_burst=20, messages_per_day=100)
    today = datetime.now(UTC)
    asked = [await alone.request("t", limits) for _ in range(30)]
    assert sum(each.granted for each in asked if each) == 20 * SHARE_ALONE
    taken = [await alone.messages("t", limits, 1, today) for _ in range(60)]
    assert sum(each.granted for each in taken if each) == 100 * SHARE_ALONE
    await alone.give_back("t", limits, 2, today)
    again = await alone.messages("t", limits, 5, today)
    assert again is not None
    assert again.granted == 2
    await away.aclose()


async def test_a_day_has_so_many_messages_and_repeats_are_free(surface: Surface, bounded: tuple[str, Any]) -> None:
    key, bound = bounded
    await bound(messages_per_day=3)
    first = message(person("q1", number(1, 330)))
    accepted = await surface.send(first, idempotency="one", key=key)
    assert (accepted.status, accepted.headers["RateLimit-Remaining"]) == (202, "2")
    for _ in range(3):
        repeated = await surface.send(first, idempotency="one", key=key)
        assert (repeated.headers["Idempotent-Replay"], repeated.headers["RateLimit-Remaining"]) == ("true", "2")
    assert (await surface.send({}, key=key)).status == 422
    batch = [{**message(person(f"q{n}", number(n, 330))), "idempotency_key": f"b{n}"} for n in (2, 3, 4)]
    results = (await surface.ask("POST", "/v1/messages/batch", batch, key=key)).document
    assert [each["status"] for each in results] == [202, 202, 429]
    over = await surface.send(message(person("q5", number(5, 330))), key=key)
    assert (over.status, over.slug) == (429, "too-many-requests")
    assert 1 <= int(over.headers["Retry-After"]) <= 86_400
    assert over.headers["RateLimit-Policy"] == '"messages";q=3;w=86400'
    assert (await surface.ask("GET", "/v1/messages", key=key)).status == 200


async def test_who_has_both_bounds_is_told_of_both_and_of_the_nearer_one_in_short(
    surface: Surface, bounded: tuple[str, Any]
) -> None:
    key, bound = bounded
    await bound(requests_per_second=0.01, requests_burst=5, messages_per_day=1)
    first = await surface.send(message(person("q6", number(6, 330))), key=key)
    assert first.status == 202
    assert first.headers["RateLimit-Policy"] == '"requests";q=5;w=500, "messages";q=1;w=86400'
    assert [each.split(";")[:2] for each in first.headers["RateLimit"].split(", ")] == [
        ['"requests"', "r=4"],
        ['"messages"', "r=0"],
    ]
    assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("1", "0")
    over = await surface.send(message(person("q7", number(7, 330))), key=key)
    assert (over.status, over.headers["RateLimit-Limit"]) == (429, "1")
    # It is the day that is waited for, not the pace.
    assert int(over.headers["Retry-After"]) == int(over.headers["RateLimit-Reset"])
    asked = await surface.ask("GET", "/v1/messages", key=key)
    assert (asked.status, asked.headers["RateLimit-Policy"]) == (200, '"requests";q=5;w=500')
