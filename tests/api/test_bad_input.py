"""Bad input gets a problem that names the field, and nothing is stored: a table, row by row, over real HTTP."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.api.reading import BODY_BYTES_MAX
from tests.api.conftest import Surface
from tests.gateway.town import message, person

KEY = {"Idempotency-Key": "bad-input"}
MSG = "msg_" + "0" * 32


@dataclass(frozen=True)
class Row:
    """One bad request, and what must come back."""

    method: str
    path: str
    body: Any
    status: int
    slug: str
    pointers: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def send(body: Any, status: int, slug: str, *pointers: str, **headers: str) -> Row:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Row("POST", "/v1/messages", body, status, slug, pointers, {**KEY, **named})


def get(path: str, status: int, slug: str, *pointers: str) -> Row:
    return Row("GET", path, None, status, slug, pointers)


def put(path: str, body: Any, *pointers: str) -> Row:
    return Row("PUT", path, body, 422, "invalid", pointers)


def told(body: Any, *pointers: str) -> Row:
    return Row("POST", "/v1/contacts/bad-known/events", body, 422, "invalid", pointers)


def without(name: str) -> dict[str, Any]:
    body = message()
    del body[name]
    return body


AT = "2026-11-20T10:00:00-05:00"

ROWS: dict[str, Row] = {
    # Not readable.
    "no body": send(b"", 400, "unreadable-json"),
    "no JSON": send(b"hello", 400, "unreadable-json"),
    "not UTF-8": send(b'{"contact": "\xff"}', 400, "unreadable-json"),
    "a name twice": send(b'{"contact": "a", "contact": "b"}', 400, "duplicate-name"),
    "NaN": send(b'{"contact": NaN}', 400, "number-out-of-range"),
    "a number without end": send(b"9" * 5000, 400, "number-out-of-range"),
    "too deep": send(b"[" * 100 + b"]" * 100, 400, "too-deep"),
    "too large": send(b" " * (BODY_BYTES_MAX + 1), 413, "body-too-large"),
    "compressed": send(gzip.compress(b"{}"), 415, "content-encoding-not-supported", Content_Encoding="gzip"),
    "said to be compressed": send(b"{}", 415, "content-encoding-not-supported", Content_Encoding="br"),
    "a form": send(b"contact=a", 415, "media-type-not-supported", Content_Type="application/x-www-form-urlencoded"),
    "text": send(b"{}", 415, "media-type-not-supported", Content_Type="text/plain"),
    "another alphabet": send(b"{}", 415, "media-type-not-supported", Content_Type="application/json; charset=latin-1"),
    "an expectation": send(b"{}", 417, "expectation-not-met", Expect="the-unexpected"),
    # The idempotency key.
    "no key": Row("POST", "/v1/messages", message(), 400, "idempotency-key-missing"),
    "an empty key": send(message(), 400, "idempotency-key-missing", Idempotency_Key=""),
    "a key too long": send(message(), 400, "idempotency-key-missing", Idempotency_Key="k" * 256),
    "a key that is not ASCII": send(message(), 400, "idempotency-key-missing", Idempotency_Key="clavé"),
    # The shape of a message.
    "an array": send([], 422, "invalid", ""),
    "nothing in it": send({}, 422, "invalid", "/contact", "/content"),
    "an unknown field": send({**message(), "chanel": "sms"}, 422, "invalid", "/chanel"),
    "an unknown field inside": send(message(content={"text": "x", "txt": "y"}), 422, "invalid", "/content/txt"),
    "no contact": send(without("contact"), 422, "invalid", "/contact"),
    "an unknown contact": send(message("bad-nobody"), 422, "invalid", "/contact"),
    "an unknown debt": send(message(debts=["bad-none"]), 422, "invalid", "/debts/0"),
    "no debt": send(message(debts=[]), 422, "invalid", "/debts"),
    "a channel and channels": send(message(channels=["sms"]), 422, "invalid", "/channel"),
    "a channel that is none": send(message(channel="fax"), 422, "invalid", "/channel"),
    "a channel that people use": send(message(channel="visit"), 422, "invalid", "/channel"),
    "a purpose that is none": send(message(purpose="fun"), 422, "invalid", "/purpose"),
    "no words": send(message(content={}), 422, "invalid", "/content"),
    "a version beyond what is kept": send(
        message(content={"template": "t", "template_version": 2**40}), 422, "invalid", "/content/template_version"
    ),
    "a cap that is no number": Row(
        "PUT", "/v1/policy", {"caps": [{"amount": "ten", "currency": "USD"}]}, 422, "invalid", ("/caps/0/amount",)
    ),
    "a key without a scope": Row("POST", "/v1/keys", {"scopes": []}, 422, "invalid", ("/scopes",)),
    "costs by what is none": get("/v1/costs?group_by=mood", 422, "invalid", "/group_by"),
    "costs of no span": get("/v1/costs?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422, "invalid", "/since"),
    "a NUL in the words": send(message(content={"text": "a\0b"}), 422, "invalid", "/content/text"),
    "half a character in the words": send(message(content={"text": "a\ud83d"}), 422, "invalid", "/content/text"),
    "metadata that is no text": send(message(metadata={"n": 1}), 422, "invalid", "/metadata/n"),
    "an instant without offset": send(message(send_at="2026-11-24T10:00:00"), 422, "invalid", "/send_at"),
    "an end before now": send(message(expires_at="2020-01-01T00:00:00Z"), 422, "invalid", "/expires_at"),
    "the end of time": send(message(expires_at="9999-12-31T23:59:59-12:00"), 422, "invalid", "/expires_at"),
    # People inside a message.
    "a number that is none": send(
        message(person("bad", "+57300")), 422, "invalid", "/contact/addresses/0/address"
    ),
    "a number in letters": send(
        message(person("bad", "+1800FLOWERS")), 422, "invalid", "/contact/addresses/0/address"
    ),
    "a zone that is none": send(
        message(person("bad", zones=["America/Macondo"])), 422, "invalid", "/contact/zones/0"
    ),
    "a zone that is a path": send(message(person("bad", zones=["../../etc/passwd"])), 422, "invalid", "/contact/zones/0"),
    "an id with a blank": send(message(person("bad id")), 422, "invalid", "/contact/id"),
    # The query.
    "an unknown parameter": get("/v1/messages?contatc=c", 422, "invalid", "/contatc"),
    "a parameter where none is": get("/v1/policy?x=1", 422, "invalid", "/x"),
    "a parameter twice": get("/v1/messages?status=sent&status=read", 422, "invalid", "/status"),
    "a limit of nothing": get("/v1/messages?limit=0", 422, "invalid", "/limit"),
    "a limit too large": get("/v1/messages?limit=501", 422, "invalid", "/limit"),
    "a limit in words": get("/v1/messages?limit=ten", 422, "invalid", "/limit"),
    "a limit in other digits": get("/v1/messages?limit=%D9%A5", 422, "invalid", "/limit"),
    "a limit without end": get("/v1/messages?limit=" + "9" * 30, 422, "invalid", "/limit"),
    "an empty parameter": get("/v1/messages?contact=", 422, "invalid", "/contact"),
    "a status that is none": get("/v1/messages?status=gone", 422, "invalid", "/status"),
    "an instant that is none": get("/v1/messages?since=yesterday", 422, "invalid", "/since"),
    "an instant as a number": get("/v1/messages?since=1767600000", 422, "invalid", "/since"),
    "an instant without an offset": get("/v1/messages?since=2026-01-01T00:00:00", 422, "invalid", "/since"),
    "a NUL in the query": get("/v1/messages?contact=a%00", 422, "invalid", "/contact"),
    "a cursor that is none": get("/v1/messages?cursor=abc", 422, "invalid", "/cursor"),
    "a cursor that is not base64": get("/v1/messages?cursor=%F0%9F%98%80", 422, "invalid", "/cursor"),
    "a cursor of another list": get("/v1/messages?cursor=WzFd", 422, "invalid", "/cursor"),
    "a cursor of nothing": get("/v1/messages?cursor=W10", 422, "invalid", "/cursor"),
    "a cursor of too much": get("/v1/trace?cursor=WzEsMl0", 422, "invalid", "/cursor"),
    "a deep cursor": get("/v1/trace?cursor=" + "W1tb" * 100, 422, "invalid", "/cursor"),
    "a huge place in a cursor": get("/v1/trace?cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTld", 422, "invalid", "/cursor"),
    "a proof of nothing named": get("/v1/trace/proof", 422, "invalid", "/index"),
    "a message's id that is none": get("/v1/trace?message=msg_1", 422, "invalid", "/message"),
    # Addresses.
    "no such path": get("/v1/message", 404, "not-found"),
    "an id of another kind": get("/v1/messages/evt_" + "0" * 32, 404, "not-found"),
    "an id too short": get("/v1/messages/msg_1", 404, "not-found"),
    "an id in capitals": get("/v1/messages/msg_" + "A" * 32, 404, "not-found"),
    "an id that is nobody's": get(f"/v1/messages/{MSG}", 404, "not-found"),
    "a NUL in the path": get("/v1/contacts/a%00b", 404, "not-found"),
    "a path that climbs": get("/v1/contacts/..%2F..%2Fetc", 404, "not-found"),
    "a contact that is nobody": get("/v1/contacts/bad-nobody", 404, "not-found"),
    "a timeline of nobody": get("/v1/contacts/bad-nobody/timeline", 404, "not-found"),
    "consents of nobody": get("/v1/contacts/bad-nobody/consents", 404, "not-found"),
    "a debt that is none": get("/v1/debts/bad-none", 404, "not-found"),
    "cancel nothing": Row("POST", f"/v1/messages/{MSG}/cancel", None, 404, "not-found"),
    "a method that is none": Row("PATCH", "/v1/messages", {}, 405, "method-not-allowed"),
    "delete the trace": Row("DELETE", "/v1/trace", None, 405, "method-not-allowed"),
    # People and debts.
    "another id than the path's": put("/v1/contacts/bad-a", {"id": "bad-b"}, "/id"),
    "an id that is no text": put("/v1/contacts/bad-a", {"id": 1}, "/id"),
    "a path that is no id": put("/v1/contacts/bad%20a", {}, "/id"),
    "a person who is an array": put("/v1/contacts/bad-a", [], ""),
    "a role that is none": put("/v1/contacts/bad-a", {"role": "boss"}, "/role"),
    "a pack with a line feed": put("/v1/contacts/bad-a", {"jurisdictions": ["CO\n"]}, "/jurisdictions/0"),
    "the same address twice": put(
        "/v1/contacts/bad-a",
        {"addresses": [{"channel": "sms", "address": a} for a in ("+573001234567", "+57 300 123 4567")]},
        "/addresses/1/address",
    ),
    "a debt's day that is none": put("/v1/debts/bad-d", {"due": "2026-02-30"}, "/due"),
    "a debt's far day": put("/v1/debts/bad-d", {"due": "9999-01-01"}, "/due"),
    "a person twice in a debt": put(
        "/v1/debts/bad-d", {"contacts": [{"contact": "c", "role": r} for r in ("debtor", "spouse")]}, ""
    ),
    "a person twice in a message's debt": send(
        message(debts=[{"id": "d", "contacts": [{"contact": "c", "role": "debtor"}] * 2}]), 422, "invalid", "/debts/0"
    ),
    "a debt's unknown field": put("/v1/debts/bad-d", {"amount": "5"}, "/amount"),
    # Events.
    "an event of nobody": Row(
        "POST", "/v1/contacts/bad-nobody/events", {"type": "inbound_call", "at": AT}, 404, "not-found"
    ),
    "an event of no type": told({"type": "call", "at": AT}, "/type"),
    "an event without instant": told({"type": "inbound_call"}, "/at"),
    "an event in the future": told({"type": "inbound_call", "at": "2027-01-01T00:00:00Z"}, "/at"),
    "a bad one among good ones": told(
        [{"type": "inbound_call", "at": AT}, {"type": "inbound_call", "at": AT, "x": 1}], "/1/x"
    ),
    "one in the future among good ones": told(
        [{"type": "inbound_call", "at": AT}, {"type": "inbound_call", "at": "2027-01-01T00:00:00Z"}], "/1/at"
    ),
    "no events at all": told([], ""),
    "too many events": told([{"type": "inbound_call", "at": AT}] * 1001, ""),
    # The rest.
    "a policy that is a list": Row("PUT", "/v1/policy", [], 422, "invalid", ("",)),
    "a policy with a field that is none": Row("PUT", "/v1/policy", {"sendr": {}}, 422, "invalid", ("/sendr",)),
    "a webhook to ourselves": Row("POST", "/v1/webhooks", {"url": "https://10.0.0.1/"}, 422, "invalid", ("/url",)),
    "a webhook in plain text": Row("POST", "/v1/webhooks", {"url": "http://crm.example.com/"}, 422, "invalid", ("/url",)),
    "a webhook for no event": Row(
        "POST", "/v1/webhooks", {"url": "https://crm.example.com/", "types": ["message.lost"]}, 422, "invalid", ("/types/0",)
    ),
    "a decision about nobody": Row("POST", "/v1/decisions", message("bad-nobody"), 422, "invalid", ("/contact",)),
    "a decision with a recorded word": Row(
        "POST", "/v1/decisions", {**message("bad-known"), "record": "yes"}, 422, "invalid", ("/record",)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
async def known(surface: Surface) -> Surface:
    """The one person that some rows speak of."""
    assert (await surface.ask("PUT", "/v1/contacts/bad-known", person("bad-known"))).status == 200
    return surface


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_a_problem_names_the_flaw_and_nothing_is_stored(known: Surface, row: Row) -> None:
    before = await known.stored()
    raw = row.body if isinstance(row.body, bytes) else None
    body = None if isinstance(row.body, bytes) else row.body
    answered = await known.ask(row.method, row.path, body, raw=raw, headers=row.headers)
    assert (answered.status, answered.slug) == (row.status, row.slug), answered.raw
    assert tuple(sorted(answered.pointers)) == tuple(sorted(row.pointers))
    shown = answered.document
    assert shown["title"]
    assert shown["detail"]
    if len(row.pointers) == 1:
        assert row.pointers[0] in shown["detail"]
    assert await known.stored() == before


def test_every_problem_that_a_caller_can_cause_alone_stands_in_the_table() -> None:
    from gateway.api.problems import Slug

    elsewhere = {
        Slug.UNAUTHENTICATED, Slug.SCOPE, Slug.BODY_TOO_SLOW, Slug.KEY_IN_WORK, Slug.KEY_REUSED, Slug.GONE, Slug.TOO_LATE,
        Slug.TOO_MANY_ENDPOINTS, Slug.TOO_MANY_REQUESTS, Slug.INTERNAL, Slug.DATABASE_AWAY, Slug.OVERLOADED,
        Slug.NOT_READY, Slug.TRACE_BROKEN, Slug.LEGAL_HOLD, Slug.REPORT_NOT_READY, Slug.RANGE,
    }  # fmt: skip
    assert {row.slug for row in ROWS.values()} == {slug.value for slug in Slug if slug not in elsewhere}


@pytest.mark.parametrize(
    ("path", "methods"),
    # The last one also looks like the path of one message.
    [
        ("/v1/messages", {"GET", "HEAD", "POST"}),
        ("/v1/messages/msg_1", {"GET", "HEAD"}),
        ("/v1/messages/batch", {"POST"}),
    ],
)
async def test_a_refusal_says_which_methods_there_are(surface: Surface, path: str, methods: set[str]) -> None:
    answered = await surface.ask("PATCH", path, {})
    assert answered.status == 405
    assert {name.strip() for name in answered.headers["Allow"].split(",")} == methods


async def test_a_chunked_body_has_the_same_limits(surface: Surface) -> None:
    async def chunks(total: int) -> Any:
        for _ in range(total // 1024 + 1):
            yield b" " * 1024

    headers = {"Authorization": f"Bearer {surface.keys['admin']}", "Content-Type": "application/json", **KEY}
    url = surface.town.url + "/v1/messages"
    async with surface.town.session.post(url, data=chunks(BODY_BYTES_MAX), headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["type"] == "/problems/body-too-large"
    async with surface.town.session.post(url, data=chunks(1024), headers=headers) as answer:
        assert answer.status == 400


async def test_the_largest_body_that_may_be_is_read(surface: Surface) -> None:
    body = json.dumps(message()).encode()
    answered = await surface.ask(
        "POST", "/v1/messages", raw=body + b" " * (BODY_BYTES_MAX - len(body)), headers={"Idempotency-Key": "largest"}
    )
    assert answered.status == 202


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("crm-2026-11-24-0001", True),
        ("short", False),
        ("x" * 65, False),
        ("<script>alert(1)</script>", False),
        ("id with blanks", False),
        ("ñandú-ñandú", False),
    ],
)
async def test_a_callers_name_for_a_request_is_repeated_only_when_it_is_safe(
    surface: Surface, asked: str, kept: bool
) -> None:
    answered = await surface.ask("GET", "/v1/nothing", headers={"X-Request-Id": asked})
    assert (answered.headers["X-Request-Id"] == asked) is kept
    assert (answered.document["instance"] == asked) is kept
    assert asked.encode() in answered.raw or not kept


async def test_two_keys_are_no_key(surface: Surface) -> None:
    from multidict import CIMultiDict

    headers = CIMultiDict(
        {"Authorization": f"Bearer {surface.keys['admin']}", "Content-Type": "application/json", **KEY}
    )
    headers.add("Idempotency-Key", "another")
    async with surface.town.session.post(surface.town.url + "/v1/messages", data=b"{}", headers=headers) as answer:
        assert (answer.status, (await answer.json(content_type=None))["type"]) == (
            400,
            "/problems/idempotency-key-missing",
        )
