"""The trace over HTTP: pages that leave nothing out, an export that proves itself, and a head that covers it."""

import json
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway import exports
from gateway.seal import Broken
from storage.database import DatabaseAway
from tests.api.conftest import Surface
from tests.gateway.town import TENANT, message, person
from tracelog.export import Broken as BrokenExport
from tracelog.export import Holds, verify
from tracelog.head import opened, pinned_key


async def send(surface: Surface, identity: str, key: str = "admin") -> dict[str, Any]:
    number = f"+57302{int(uuid4().int % 10_000_000):07d}"
    answered = await surface.send(message(person(identity, number, name="Ana Secreta")), key=key)
    assert answered.status == 202
    sent: dict[str, Any] = answered.document
    return sent


async def entries(surface: Surface, query: str, key: str = "audit") -> list[dict[str, Any]]:
    return [entry for page in await surface.pages(f"/v1/trace?{query}", key=key) for entry in page]


async def export(surface: Surface, key: str = "audit") -> list[bytes]:
    answered = await surface.ask("GET", "/v1/trace/export", key=key)
    assert answered.status == 200
    assert answered.headers["Content-Type"] == "application/x-ndjson"
    return answered.raw.splitlines(keepends=True)


async def test_pages_hold_every_entry_in_index_order(surface: Surface) -> None:
    for _ in range(4):
        await send(surface, "t-order")
    found = await entries(surface, "limit=7")
    assert [entry["index"] for entry in found] == list(range(len(found)))
    ((size,),) = await surface.town.rows("SELECT size FROM chain WHERE tenant = $1", TENANT)
    assert len(found) == size > 7


async def test_entries_are_found_by_person_message_and_kind(surface: Surface) -> None:
    one, two = await send(surface, "t-found"), await send(surface, "t-found")
    of_message = await entries(surface, f"message={one['id']}")
    assert [entry["kind"] for entry in of_message] == ["accepted", "decided"]
    assert {entry["message"] for entry in of_message} == {one["id"]}
    of_person = await entries(surface, "contact=t-found&limit=1")
    assert {entry["message"] for entry in of_person} >= {one["id"], two["id"]}
    assert len({entry["subject"] for entry in of_person}) == 1
    decided = await entries(surface, "contact=t-found&kind=decided")
    assert [entry["message"] for entry in decided] == [one["id"], two["id"]]
    assert decided[0]["facts"]["outcome"] == "allow"
    assert await entries(surface, "contact=t-nobody") == []
    assert await entries(surface, f"message=msg_{uuid4().hex}") == []


async def test_a_page_names_nobody(surface: Surface) -> None:
    sent = await send(surface, "t-private")
    shown = json.dumps(await entries(surface, f"message={sent['id']}"))
    for word in ("t-private", "Secreta", "Hola", "+57302"):
        assert word not in shown
    assert '"payload": "kept"' in shown


async def test_an_export_proves_itself_and_its_head_is_the_one_shown(surface: Surface) -> None:
    await send(surface, "t-export")
    lines = await export(surface)
    head = (await surface.ask("GET", "/v1/trace/head", key="audit")).document
    holds = verify(lines, public_key=bytes.fromhex(head["public_key"]))
    assert isinstance(holds, Holds), holds
    assert (holds.size, holds.root.hex(), holds.origin) == (head["size"], head["root"], head["origin"])
    assert holds.size == len(lines) - 1
    assert pinned_key(head["verifier_key"]).hex() == head["public_key"]
    assert opened(head["note"], bytes.fromhex(head["public_key"])).head.size == head["size"]


async def test_an_export_of_many_pages_is_whole(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    await send(surface, "t-many")
    monkeypatch.setattr(exports, "PAGE", 3)
    holds = verify(await export(surface))
    assert isinstance(holds, Holds), holds


async def test_an_export_holds_one_tenants_entries(surface: Surface) -> None:
    mine, other = await send(surface, "t-mine"), await send(surface, "t-theirs", key="other")
    text = b"".join(await export(surface))
    assert mine["id"].removeprefix("msg_").encode() in text
    assert other["id"].removeprefix("msg_").encode() not in text
    theirs = await export(surface, key="other")
    assert isinstance(verify(theirs), Holds)
    assert other["id"].removeprefix("msg_").encode() in b"".join(theirs)
    assert await entries(surface, f"message={mine['id']}", key="other") == []
    assert await entries(surface, "contact=t-mine", key="other") == []


async def test_an_export_that_breaks_off_is_no_export(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away after the first page: the caller sees a broken answer, never a short one."""
    await send(surface, "t-cut")
    monkeypatch.setattr(exports, "PAGE", 3)
    read = exports.chain.rows
    pages = 0

    async def failing(*arguments: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages > 1:
            raise DatabaseAway("gone")
        async for row in read(*arguments):
            yield row

    monkeypatch.setattr(exports.chain, "rows", failing)
    got = bytearray()
    with pytest.raises(aiohttp.ClientPayloadError):
        await take(surface, got)
    assert got.count(b"\n") <= 3
    assert b'"export"' not in got
    assert isinstance(verify(bytes(got).splitlines(keepends=True)), BrokenExport)


async def take(surface: Surface, got: bytearray) -> None:
    """Everything that comes of an export, until it ends or breaks."""
    headers = {"Authorization": f"Bearer {surface.keys['audit']}"}
    async with surface.town.session.get(surface.town.url + "/v1/trace/export", headers=headers) as answer:
        assert answer.status == 200
        async for chunk in answer.content.iter_any():
            got += chunk


async def test_what_does_not_hold_is_not_signed(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(tenant: str) -> Any:
        raise Broken("entry 3 was changed")

    monkeypatch.setattr(type(surface.town.house.sealer), "seal", lambda self, tenant: refuse(tenant))
    answered = await surface.ask("GET", "/v1/trace/head", key="audit")
    assert (answered.status, answered.slug) == (500, "trace-broken")


async def test_a_flipped_byte_is_told_by_the_page_that_holds_it(surface: Surface) -> None:
    """Done as the owner of the database with the triggers off, as nobody else can; put back at the end."""
    sent = await send(surface, "t-flip", key="other")
    flip = (
        "UPDATE trace SET header = set_byte(header, 2, get_byte(header, 2) # 1) WHERE message = $1 AND kind = 'decided'"
    )
    identity = sent["id"].removeprefix("msg_")
    await surface.town.rows("ALTER TABLE trace DISABLE TRIGGER trace_append_only")
    try:
        await surface.town.rows(flip, identity)
        answered = await surface.ask("GET", f"/v1/trace?message={sent['id']}", key="other")
        assert (answered.status, answered.slug) == (500, "trace-broken")
        # The export goes out all the same, and names the entry to whoever checks it.
        broken = verify(await export(surface, key="other"))
        assert isinstance(broken, BrokenExport)
        flipped = await surface.town.rows("SELECT idx FROM trace WHERE message = $1 AND kind = 'decided'", identity)
        assert broken.index == flipped[0]["idx"]
    finally:
        await surface.town.rows(flip, identity)
        await surface.town.rows("ALTER TABLE trace ENABLE TRIGGER trace_append_only")
    assert isinstance(verify(await export(surface, key="other")), Holds)
