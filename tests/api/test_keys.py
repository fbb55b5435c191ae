"""Keys: how they are written, who gets in with which, and how fast a revoked one is shut out."""

import asyncio
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from gateway.tenants import keys
from gateway.tenants.keys import ROLES, Keyring, Scope, digest_of, fresh, granted
from gateway.tenants.opening import create_key
from storage import tenancy
from storage.clock import DatabaseClock
from tests.api.conftest import Surface
from tests.api.described import ROUTES, route_of
from tests.gateway.town import TENANT

PUBLISHED = r"gwk_[a-z]{2,12}_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"


def test_a_key_is_what_the_published_pattern_finds() -> None:
    assert PUBLISHED in (keys.__doc__ or "")
    for _ in range(200):
        key = fresh("live")
        assert re.fullmatch(PUBLISHED, key.text)
        assert key.digest == sha256(key.text.encode()).digest() == digest_of(key.text)
        assert key.text.split("_")[2] == key.id


def test_keys_are_never_alike_and_never_shown() -> None:
    made = [fresh("live") for _ in range(200)]
    assert len({key.text.split("_")[3] for key in made}) == 200
    assert made[0].text not in repr(made[0])


def test_a_mistyped_key_is_no_key() -> None:
    """CRC-32 finds every single changed character and every swap of neighbours."""
    text = fresh("live").text
    for index in range(4, len(text)):
        for other in "aZ0_":
            if other != text[index]:
                assert digest_of(text[:index] + other + text[index + 1 :]) is None
    for index in range(9, len(text) - 1):
        if text[index] != text[index + 1]:
            assert digest_of(text[:index] + text[index + 1] + text[index] + text[index + 2 :]) is None
    for wrong in ("", text[:-1], text + "a", text + "\n", " " + text, text.upper(), "gwk_live", "ñ" * 80):
        assert digest_of(wrong) is None


@pytest.mark.parametrize("env", ["", "L", "live!", "a" * 13, "Live", "li_ve"])
def test_the_name_of_an_installation_is_small_letters(env: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        fresh(env)


def test_admin_carries_every_scope_and_roles_are_the_contracts() -> None:
    assert granted(["admin"]) == frozenset(Scope)
    assert granted(["send"]) == {Scope.SEND}
    assert ROLES["officer"] == {Scope.READ, Scope.AUDIT}
    assert ROLES["operator"] == {Scope.READ, Scope.CONTACTS, Scope.SEND}
    with pytest.raises(ValueError, match="root"):
        granted(["root"])


BAD_HEADERS = {
    "none": {},
    "empty": {"Authorization": ""},
    "another scheme": {"Authorization": "Basic dXNlcjpwYXNz"},
    "no key": {"Authorization": "Bearer"},
    "no key but a blank": {"Authorization": "Bearer "},
    "nonsense": {"Authorization": "Bearer gwk_live_x_y_z"},
    "a key that nobody made": {"Authorization": f"Bearer {fresh('live').text}"},
    "a key in the address": {},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
async def test_without_a_valid_key_nobody_gets_in(surface: Surface, headers: dict[str, str]) -> None:
    answered = await surface.ask("GET", f"/v1/messages?key={surface.keys['admin']}", key=None, headers=headers)
    assert (answered.status, answered.slug) == (401, "no-valid-key")
    assert answered.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(surface: Surface, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {surface.keys['read']}"}
    assert (await surface.ask("GET", "/v1/messages", key=None, headers=headers)).status == 200


NEEDED: dict[str, tuple[str, str, Any, Scope]] = {
    "send": ("POST", "/v1/messages", {}, Scope.SEND),
    "list": ("GET", "/v1/messages", None, Scope.READ),
    "show": ("GET", "/v1/messages/msg_" + "0" * 32, None, Scope.READ),
    "cancel": ("POST", "/v1/messages/msg_" + "0" * 32 + "/cancel", None, Scope.SEND),
    "decide": ("POST", "/v1/decisions", {}, Scope.READ),
    "put a contact": ("PUT", "/v1/contacts/c", {"zones": 1}, Scope.CONTACTS),
    "show a contact": ("GET", "/v1/contacts/nobody", None, Scope.READ),
    "events": ("POST", "/v1/contacts/nobody/events", [], Scope.CONTACTS),
    "timeline": ("GET", "/v1/contacts/nobody/timeline", None, Scope.READ),
    "consents": ("GET", "/v1/contacts/nobody/consents", None, Scope.READ),
    "put a debt": ("PUT", "/v1/debts/d", {"kind": 1}, Scope.CONTACTS),
    "show a debt": ("GET", "/v1/debts/nothing", None, Scope.READ),
    "show the policy": ("GET", "/v1/policy", None, Scope.ADMIN),
    "put the policy": ("PUT", "/v1/policy", [], Scope.ADMIN),
    "save a template": ("PUT", "/v1/templates/t", {}, Scope.SEND),
    "list templates": ("GET", "/v1/templates", None, Scope.READ),
    "show a template": ("GET", "/v1/templates/nothing", None, Scope.READ),
    "list versions": ("GET", "/v1/templates/nothing/versions", None, Scope.READ),
    "preview a template": ("POST", "/v1/templates/nothing/preview", {}, Scope.READ),
    "send a batch": ("POST", "/v1/messages/batch", {}, Scope.SEND),
    "create a webhook": ("POST", "/v1/webhooks", {}, Scope.ADMIN),
    "list webhooks": ("GET", "/v1/webhooks", None, Scope.ADMIN),
    "remove a webhook": ("DELETE", "/v1/webhooks/whk_" + "0" * 32, None, Scope.ADMIN),
    "deliveries": ("GET", "/v1/webhooks/whk_" + "0" * 32 + "/deliveries", None, Scope.ADMIN),
    "retry": ("POST", f"/v1/webhooks/whk_{'0' * 32}/deliveries/evt_{'0' * 32}/retry", None, Scope.ADMIN),
    "replay": ("POST", "/v1/webhooks/whk_" + "0" * 32 + "/replay", {}, Scope.ADMIN),
    "trace": ("GET", "/v1/trace", None, Scope.AUDIT),
    "export": ("GET", "/v1/trace/export", None, Scope.AUDIT),
    "head": ("GET", "/v1/trace/head", None, Scope.AUDIT),
    "costs": ("GET", "/v1/costs", None, Scope.READ),
    "make a key": ("POST", "/v1/keys", {}, Scope.ADMIN),
    "list keys": ("GET", "/v1/keys", None, Scope.ADMIN),
    "rotate a key": ("POST", "/v1/keys/nothing/rotate", {}, Scope.ADMIN),
    "revoke a key": ("DELETE", "/v1/keys/nothing", None, Scope.ADMIN),
    "rotate a secret": ("POST", "/v1/webhooks/whk_" + "0" * 32 + "/secrets", None, Scope.ADMIN),
    "prove an entry": ("GET", "/v1/trace/proof?index=0", None, Scope.AUDIT),
    "prove growth": ("GET", "/v1/trace/consistency?old=1", None, Scope.AUDIT),
    "show cosignatures": ("GET", "/v1/trace/cosignatures", None, Scope.AUDIT),
    "hand in a cosignature": ("POST", "/v1/trace/cosignatures", {}, Scope.AUDIT),
    "frequency": ("GET", "/v1/audit/frequency", None, Scope.AUDIT),
    "ask for a report": ("POST", "/v1/reports", {}, Scope.AUDIT),
    "show a report": ("GET", "/v1/reports/nothing", None, Scope.AUDIT),
    "fetch a report": ("GET", "/v1/reports/nothing/file", None, Scope.AUDIT),
    "list ways": ("GET", "/v1/ways", None, Scope.AUDIT),
    "take media": ("POST", "/v1/media", None, Scope.SEND),
    "show media": ("GET", "/v1/media/nothing", None, Scope.READ),
    "erase a contact": ("DELETE", "/v1/contacts/nobody", None, Scope.CONTACTS),
    "show an erasure": ("GET", "/v1/erasures/nothing", None, Scope.CONTACTS),
    "export a contact": ("GET", "/v1/contacts/nobody/export", None, Scope.READ),
    "hold a contact": ("PUT", "/v1/contacts/nobody/hold", [], Scope.ADMIN),
    "show a hold": ("GET", "/v1/contacts/nobody/hold", None, Scope.READ),
    "release a contact": ("DELETE", "/v1/contacts/nobody/hold", None, Scope.ADMIN),
    "offer a chat": ("POST", "/v1/contacts/nobody/telegram", None, Scope.CONTACTS),
    "read a register": ("POST", "/v1/registers/nothing/versions", None, Scope.ADMIN),
    "show registers": ("GET", "/v1/registers", None, Scope.READ),
    "register versions": ("GET", "/v1/registers/nothing/versions", None, Scope.READ),
}


@pytest.mark.parametrize(("method", "path", "body", "needed"), NEEDED.values(), ids=NEEDED.keys())
async def test_each_scope_opens_its_doors_and_no_other(
    surface: Surface, method: str, path: str, body: Any, needed: Scope
) -> None:
    for scope in Scope:
        answered = await surface.ask(method, path, body, key=scope.value)
        if scope in (needed, Scope.ADMIN):
            assert answered.status not in (401, 403)
        else:
            assert (answered.status, answered.slug) == (403, "scope-missing")
            assert answered.document["scope"] == needed.value
            assert needed.value in answered.document["detail"]


async def test_every_guarded_route_stands_in_the_table_above(surface: Surface) -> None:
    tried = [route_of(method, path) for method, path, _, _ in NEEDED.values()]
    assert {route.name for route in ROUTES if route.scope} == {route.name for route in tried if route}


async def test_a_new_key_opens_at_once_and_a_revoked_one_soon_does_not(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.BELIEVED_SECONDS_MAX <= 5
    monkeypatch.setattr(keys, "BELIEVED_SECONDS_MAX", 0.3)
    database = surface.town.house.database
    key = await create_key(database, TENANT, env="test", scopes=["read"], label="short")
    assert (await surface.ask("GET", "/v1/messages", key=key)).status == 200
    now, _ = await database.read(DatabaseClock().now)
    assert await database.run(lambda c: tenancy.revoke_key(c, key.split("_")[2], now))
    await asyncio.sleep(0.35)
    assert (await surface.ask("GET", "/v1/messages", key=key)).slug == "no-valid-key"


async def test_the_hot_path_asks_the_database_once(surface: Surface) -> None:
    database = surface.town.house.database
    key = await create_key(database, TENANT, env="test", scopes=["read"], label="hot")
    asked = 0
    read = database.read

    class Counting:
        async def read(self, job: Any) -> Any:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.02)
            return await read(job)

    ring = Keyring(Counting(), DatabaseClock())  # type: ignore[arg-type]
    found = await asyncio.gather(*(ring.holder(key) for _ in range(50)))
    assert {holder.tenant for holder in found if holder} == {TENANT}
    assert asked == 1
    await ring.holder(key)
    assert asked == 1


async def test_a_caller_who_leaves_does_not_take_the_answer_with_him(surface: Surface) -> None:
    database = surface.town.house.database
    key = await create_key(database, TENANT, env="test", scopes=["read"], label="left")
    ring = Keyring(database, DatabaseClock())
    one, other = (asyncio.create_task(ring.holder(key)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    holder = await other
    assert holder is not None
    assert holder.tenant == TENANT


async def test_believed_keys_are_bounded(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BELIEVED_MAX", 3)
    database = surface.town.house.database
    ring = Keyring(database, DatabaseClock())
    for index in range(6):
        text = await create_key(database, TENANT, env="test", scopes=["read"], label=f"b{index}")
        assert await ring.holder(text) is not None
    assert len(ring._believed) == 3


async def test_last_use_is_written_in_one_go(surface: Surface) -> None:
    database = surface.town.house.database
    ring = Keyring(database, DatabaseClock())
    texts = [await create_key(database, TENANT, env="test", scopes=["read"], label="used") for _ in range(3)]
    for text in texts[:2]:
        await ring.holder(text)
    before, _ = await database.read(DatabaseClock().now)
    await ring.touch()
    rows = {row.id: row.last_used_at for row in await database.read(lambda c: tenancy.keys(c, TENANT))}
    used = [rows[text.split("_")[2]] for text in texts]
    assert used[2] is None
    for at in used[:2]:
        assert at is not None
        assert timedelta(0) <= at - before < timedelta(minutes=1)
