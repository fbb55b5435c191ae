"""Many messages in one request: each by itself, in order, once, as array and as lines."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.api.batch import MESSAGES_MAX
from gateway.api.shapes import BatchResult
from storage.database import Connection
from storage.messages import take_keys
from tests.api.conftest import Answered, Surface
from tests.gateway.town import SUNDAY, TENANT, TUESDAY, message, person

LINES = {"Content-Type": "application/x-ndjson"}


def one(identity: str, **more: Any) -> dict[str, Any]:
    number = f"+57300{int(uuid4().int % 10_000_000):07d}"
    return {"idempotency_key": uuid4().hex, **message(person(identity, number)), **more}


async def batch(surface: Surface, items: Any, *, key: str = "send") -> list[dict[str, Any]]:
    answered = await surface.ask("POST", "/v1/messages/batch", items, key=key)
    assert answered.status == 200, answered.raw
    results = answered.document
    assert isinstance(results, list)
    return results


def read_lines(answered: Answered) -> list[dict[str, Any]]:
    assert (answered.status, answered.headers["Content-Type"]) == (200, "application/x-ndjson")
    results = [json.loads(line) for line in answered.raw.split(b"\n") if line]
    for result in results:
        msgspec.convert(result, BatchResult)
    return results


def lines(items: list[Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


async def test_one_result_each_in_order(surface: Surface) -> None:
    items = [one(f"b-{number}", metadata={"n": str(number)}) for number in range(30)]
    results = await batch(surface, items)
    assert [result["status"] for result in results] == [202] * 30
    assert [result["idempotency_key"] for result in results] == [item["idempotency_key"] for item in items]
    assert [result["message"]["metadata"]["n"] for result in results] == [str(number) for number in range(30)]
    shown = await surface.ask("GET", f"/v1/messages/{results[7]['message']['id']}", key="read")
    assert shown.document == results[7]["message"]


async def test_lines_are_answered_in_lines(surface: Surface) -> None:
    items = [one(f"b-line-{number}") for number in range(5)]
    raw = b"\r\n" + lines(items).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    answered = await surface.ask("POST", "/v1/messages/batch", raw=raw, headers=LINES)
    results = read_lines(answered)
    assert [result["idempotency_key"] for result in results] == [item["idempotency_key"] for item in items]
    assert {result["status"] for result in results} == {202}


BAD: dict[str, tuple[Any, int, str, list[str]]] = {
    "no object": (7, 422, "invalid", [""]),
    "no key": (message("b-good"), 400, "idempotency-key-missing", ["/idempotency_key"]),
    "a key that is none": ({**message("b-good"), "idempotency_key": "ñ"}, 400, "idempotency-key-missing", ["/idempotency_key"]),
    "an unknown field": (one("b-x", chanel="sms"), 422, "invalid", ["/chanel"]),
    "an unknown contact": ({**message("b-nobody"), "idempotency_key": "k"}, 422, "invalid", ["/contact"]),
    "a NUL": (one("b-x", content={"text": "a\0b"}), 422, "invalid", ["/content/text"]),
    "the end of time": (one("b-x", expires_at="9999-12-31T23:59:59-12:00"), 422, "invalid", ["/expires_at"]),
    "too deep": (one("b-x", metadata=json.loads("[" * 40 + "]" * 40)), 400, "too-deep", []),
}  # fmt: skip


@pytest.mark.parametrize("as_lines", [False, True], ids=["array", "lines"])
@pytest.mark.parametrize(("bad", "status", "slug", "pointers"), BAD.values(), ids=BAD.keys())
async def test_a_bad_item_spoils_only_itself(
    surface: Surface, bad: Any, status: int, slug: str, pointers: list[str], as_lines: bool
) -> None:
    items = [one("b-before"), bad, one("b-after")]
    if as_lines:
        results = read_lines(await surface.ask("POST", "/v1/messages/batch", raw=lines(items), headers=LINES))
    else:
        results = await batch(surface, items)
    assert [result["status"] for result in results] == [202, status, 202]
    problem = results[1]["problem"]
    assert problem["type"] == f"/problems/{slug}"
    assert [error["pointer"] for error in problem.get("errors", [])] == pointers


TRAPS = {
    "a name twice": b'{"contact": "a", "contact": "b"}',
    "NaN": b'{"contact": NaN}',
    "a number without end": b'{"contact": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
async def test_an_item_with_a_trap_spoils_only_itself(surface: Surface, trap: bytes) -> None:
    good = [json.dumps(one(f"b-trap-{number}")).encode() for number in range(2)]
    raw = b" [ " + good[0] + b" ,\n" + trap + b"," + good[1] + b" ]\n"
    answered = await surface.ask("POST", "/v1/messages/batch", raw=raw)
    assert [result["status"] for result in answered.document] == [202, 400, 202]
    raw = good[0] + b"\n" + trap + b"\n" + b"{broken" + b"\n\n" + good[1]
    results = read_lines(await surface.ask("POST", "/v1/messages/batch", raw=raw, headers=LINES))
    assert [(result["status"], result.get("replayed")) for result in results] == [
        (202, True), (400, None), (400, None), (202, True),
    ]  # fmt: skip


WHOLE: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no array": (b"{}", {}, 422, "invalid"),
    "nothing": (b"", {}, 400, "unreadable-json"),
    "an array that does not end": (b"[1, 2", {}, 400, "unreadable-json"),
    "an item that is not JSON": (b"[1, x]", {}, 400, "unreadable-json"),
    "a comma too many": (b"[1,]", {}, 400, "unreadable-json"),
    "something behind it": (b"[1] 2", {}, 400, "unreadable-json"),
    "a comma too few": (b"[1 2]", {}, 400, "unreadable-json"),
    "not UTF-8": (b'["\xff"]', {}, 400, "unreadable-json"),
    "no end of brackets": (b"[" * 100_000, {}, 400, "too-deep"),
    "too many": (b"[" + b",".join([b"1"] * (MESSAGES_MAX + 1)) + b"]", {}, 422, "invalid"),
    "too many lines": (b"1\n" * (MESSAGES_MAX + 1), LINES, 422, "invalid"),
    "text": (b"[]", {"Content-Type": "text/plain"}, 415, "media-type-not-supported"),
    "compressed": (b"[]", {"Content-Encoding": "gzip"}, 415, "content-encoding-not-supported"),
}


@pytest.mark.parametrize(("raw", "headers", "status", "slug"), WHOLE.values(), ids=WHOLE.keys())
async def test_what_is_no_batch_is_refused_whole(
    surface: Surface, raw: bytes, headers: dict[str, str], status: int, slug: str
) -> None:
    good = json.dumps(one("b-whole")).encode()
    before = await surface.stored()
    for body in {raw, raw.replace(b"[1", b"[" + good, 1)}:
        answered = await surface.ask("POST", "/v1/messages/batch", raw=body, headers=headers)
        assert (answered.status, answered.slug) == (status, slug)
    assert await surface.stored() == before


async def test_nothing_in_nothing_out(surface: Surface) -> None:
    assert await batch(surface, []) == []
    assert read_lines(await surface.ask("POST", "/v1/messages/batch", raw=b"\n", headers=LINES)) == []


async def test_the_same_batch_again_gives_the_first_answers(surface: Surface) -> None:
    items = [one(f"b-again-{number}") for number in range(10)] + [one("b-again-x", channel="fax")]
    first = await batch(surface, items)
    before = await surface.stored()
    again = await batch(surface, items)
    assert [result.get("replayed") for result in again] == [True] * 10 + [None]
    assert [result.get("message") for result in again] == [result.get("message") for result in first]
    assert await surface.stored() == before


async def test_a_key_means_the_same_in_a_batch_and_alone(surface: Surface) -> None:
    item = one("b-alone")
    body = {name: value for name, value in item.items() if name != "idempotency_key"}
    alone = await surface.send(body, idempotency=item["idempotency_key"])
    (result,) = await batch(surface, [item])
    assert (result["replayed"], result["message"]) == (True, alone.document)
    (other,) = await batch(surface, [{**item, "metadata": {"n": "2"}}])
    assert (other["status"], other["problem"]["type"]) == (422, "/problems/idempotency-key-reused")


async def test_a_key_twice_in_one_batch_is_one_message(surface: Surface) -> None:
    item = one("b-twice")
    results = await batch(surface, [item, one("b-between"), item, {**item, "metadata": {"n": "2"}}])
    assert [result["status"] for result in results] == [202, 202, 202, 422]
    assert results[0]["message"] == results[2]["message"]
    assert [result.get("replayed") for result in results] == [None, None, True, None]


async def test_a_key_behind_a_bad_item_is_free(surface: Surface) -> None:
    """Refused twice, then accepted, then again: each by its own body, whatever stood before it under the key."""
    good = one("b-free")
    bad = {**good, "contact": "b-free-nobody"}
    worse = {**good, "debts": ["b-free-none"]}
    results = await batch(surface, [bad, bad, worse, good, good])
    assert [result["status"] for result in results] == [422, 422, 422, 202, 202]
    assert results[1]["problem"]["errors"] == results[0]["problem"]["errors"]
    assert results[2]["problem"]["errors"][0]["pointer"] == "/debts/0"
    assert results[4]["message"] == results[3]["message"]


async def test_a_batch_is_decided_and_traced_as_single_messages_are(surface: Surface) -> None:
    await surface.town.set_clock(SUNDAY)
    try:
        alone = (await surface.send(_bare(one("b-law")))).document
        results = await batch(surface, [one("b-law"), one("b-law-2")])
    finally:
        await surface.town.set_clock(TUESDAY)
    for result in results:
        shown = result["message"]
        assert (shown["status"], shown["decision"]["until"]) == (alone["status"], alone["decision"]["until"])
        assert shown["decision"]["reasons"] == alone["decision"]["reasons"]
        trace = (await surface.ask("GET", f"/v1/trace?message={shown['id']}", key="audit")).document["items"]
        assert [entry["kind"] for entry in trace] == ["accepted", "decided"]


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "idempotency_key"}


async def test_a_thousand_messages_are_a_batch(surface: Surface) -> None:
    items = [one(f"b-many-{number % 100}") for number in range(MESSAGES_MAX)]
    results = read_lines(await surface.ask("POST", "/v1/messages/batch", raw=lines(items), headers=LINES))
    assert [result["idempotency_key"] for result in results] == [item["idempotency_key"] for item in items]
    assert {result["status"] for result in results} == {202}
    assert len({result["message"]["id"] for result in results}) == MESSAGES_MAX


async def test_another_tenants_keys_and_people_are_not_met(surface: Surface) -> None:
    item = one("b-mine")
    (mine,) = await batch(surface, [item])
    (others,) = await batch(surface, [item], key="other")
    assert (mine["status"], others["status"]) == (202, 202)
    assert mine["message"]["id"] != others["message"]["id"]
    (refused,) = await batch(surface, [{**item, "idempotency_key": "o", "contact": "b-mine-2"}], key="other")
    assert refused["problem"]["errors"][0]["pointer"] == "/contact"


async def test_a_message_that_comes_alone_does_not_wait_behind_a_batch(surface: Surface) -> None:
    """Somebody else holds a key of the batch, so that its commit waits: nothing else does."""
    item = one("b-slow")
    holds, lets_go = asyncio.Event(), asyncio.Event()

    async def hold_key(connection: Connection) -> None:
        await take_keys(connection, [(TENANT, item["idempotency_key"], b"-" * 32, uuid4())], datetime.now(UTC))
        holds.set()
        await lets_go.wait()
        raise LookupError  # nothing of it stands

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        holder = group.create_task(_ended(surface.town.house.database.run(hold_key)))
        await holds.wait()
        waits = group.create_task(batch(surface, [item]))
        while not await surface.town.rows("SELECT FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)
        assert (await surface.send(message(person("b-alone", "+573001112299")))).status == 202
        assert not waits.done()
        lets_go.set()
    assert isinstance(holder.result(), LookupError)
    assert [result["status"] for result in waits.result()] == [202]


async def _ended(work: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    return None
