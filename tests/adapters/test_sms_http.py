"""What a table of ``sms_http`` may and may not say, what its answers mean, and whose hooks are believed."""

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import pytest

from adapters import sms_http
from adapters.kit import transport
from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.signing import status_url
from adapters.kit.testing import Bench, HangsUp, NeverAnswers, Resets, Says, Step
from adapters.sms_http import SPEC, HttpSms
from tests.adapters import sms_http_demands
from tests.adapters.sms_http_demands import HOOK_KEY, ID, query, says, signed, table
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    Absent,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Parcel,
    Quote,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Unknown,
)

SECRET = b"marks attempts"
PUBLIC = "https://tregua.example"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOST = Lost(attempt=ATTEMPT, to="+573001230000", text="x", not_before=NOW, not_after=NOW + timedelta(minutes=1))


def changed(base_url: str, *changes: tuple[str, object]) -> dict[str, Any]:
    """The table of the demands with other settings; ``...`` takes one away."""
    whole: Any = copy.deepcopy(table(base_url))
    for path, value in changes:
        *steps, last = path.split("/")
        place = whole
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place[int(last)] = value
        elif value is ...:
            del place[last]
        else:
            place[last] = value
    return whole  # type: ignore[no-any-return]


def built(base_url: str, *changes: tuple[str, object]) -> HttpSms:
    adapter = SPEC.build("faro", changed(base_url, *changes), SECRET)
    assert isinstance(adapter, HttpSms)
    return adapter


def parcel(text: str = "Hola canary", to: str = "+573001230000") -> Parcel:
    url = status_url(PUBLIC, "faro", SECRET, ATTEMPT)
    return Parcel(attempt=ATTEMPT, channel=Channel.SMS, to=to, text=text, validity_seconds=90, status_url=url)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(transport, "CALL_SECONDS", 1.0)
    async with Bench() as bench:
        yield bench


# What is sent


HOSTILE = ['","to":"+1","x":"', "\\", "{{secrets.token}}", "\r\nX-Evil: 1", "ñandú € 😀 \u2028", "&a=b#%", "}}", "\x00"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_text_stays_the_text_in_json(bench: Bench, text: str):
    adapter = built(bench.base_url)
    bench.script(says(201, {}))
    await adapter.send(parcel(text))
    (seen,) = bench.seen
    assert json.loads(seen.body) == {
        "to": "573001230000",
        "from": "85432",
        "text": text,
        "reference": ATTEMPT.hex,
        "valid": 90,
        "hook": {"url": status_url(PUBLIC, "faro", SECRET, ATTEMPT)},
    }
    assert (seen.method, seen.target) == ("POST", "/v1/messages")
    assert seen.headers["authorization"] == "Bearer canary-token-of-the-account"
    assert seen.headers["x-request"] == ATTEMPT.hex
    assert seen.headers["content-type"] == "application/json"
    assert "x-evil" not in seen.headers
    await adapter.close()


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_text_stays_the_text_in_a_query(bench: Bench, text: str):
    """And the call of a GET is one call, in which the secrets stand nowhere but in their fields."""
    fields = {"para": "{{to_national}}", "txt": "{{text}}", "u": "{{secrets.token}}", "dcs": "{{encoding}}"}
    adapter = built(
        bench.base_url,
        ("send", {"method": "GET", "path": "/enviar/{{to}}", "query": fields}),
        ("encodings", {"gsm7": "0", "ucs2": "8"}),
    )
    bench.script(Says(status=200, body=b"0|1"))
    await adapter.send(parcel(text))
    (seen,) = bench.seen
    dcs = "0" if text.isascii() and "\x00" not in text else "8"
    assert query(seen.target) == {"para": ["3001230000"], "txt": [text], "u": [sms_http_demands.TOKEN], "dcs": [dcs]}
    assert (seen.method, urlsplit(seen.target).path, seen.body) == ("GET", "/enviar/%2B573001230000", b"")
    await adapter.close()


async def test_a_form_and_basic_credentials(bench: Bench):
    adapter = built(
        bench.base_url + "/deep/",
        (
            "send",
            {"path": "/{{from}}", "form": {"n": "{{to}}", "t": "a {{text}}"}, "headers": {"X-A": "{{secrets.token}}"}},
        ),
        ("find", ...),
        ("basic_user", "usuario"),
        ("basic_password", "canary:ñ"),
    )
    bench.script(says(200, {}))
    await adapter.send(parcel("b&c=d"))
    (seen,) = bench.seen
    assert (seen.method, seen.target) == ("POST", "/deep/85432")
    assert seen.body == urlencode({"n": "+573001230000", "t": "a b&c=d"}).encode()
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(seen.headers["authorization"].removeprefix("Basic ")).decode() == "usuario:canary:ñ"
    await adapter.close()


async def test_half_of_a_surrogate_pair_is_rejected_before_anything_leaves(bench: Bench):
    adapter = built(bench.base_url)
    assert isinstance(await adapter.send(parcel("\ud800")), Rejected)
    assert bench.seen == []


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("step", [HangsUp(), Resets(), NeverAnswers()], ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("kept", [False, True])
async def test_a_send_is_made_once_by_whatever_method(bench: Bench, method: str, step: Step, kept: bool):
    """An HTTP library repeats a GET or PUT on which the other side hung up; a person would be written to twice."""
    fields = {"p": "{{to}}", "t": "{{text}}"}
    place = {"query": fields} if method == "GET" else {"form": fields}
    adapter = built(bench.base_url, ("send", {"method": method, "path": "/x", **place}))
    if kept:
        bench.script(says(200, {}))
        assert isinstance(await adapter.send(parcel()), Sent)
    bench.script(step)
    assert isinstance(await adapter.send(parcel()), Unknown)
    assert len(bench.seen) == 1 + kept
    await adapter.close()


def test_what_it_is_expected_to_cost():
    adapter = built("https://a.example", ("prices", {"currency": "USD", "default": "0.05", "+57": "0.0110"}))
    assert adapter.quote("+573001230000", "x" * 161) == Quote(
        segments=2, encoding="GSM-7", amount="0.0220", currency="USD"
    )
    assert adapter.quote("+5491112345678", "ñandú€ç") == Quote(
        segments=1, encoding="UCS-2", amount="0.0500", currency="USD"
    )
    assert built("https://a.example").quote("+573001230000", "x") == Quote(segments=1, encoding="GSM-7")


# What an answer means


def code(number: object) -> dict[str, object]:
    return {"error": {"code": number}}


LINES = (
    "answer",
    {"format": "text", "separator": "|", "code": "0", "id": "1", "codes": {"0": "sent", "*": "rejected"}},
)

ANSWERS: list[tuple[str, tuple[tuple[str, object], ...], int, object, object]] = [
    ("a code that is not in the table", (), 200, code(77), Unknown(reason="answered 200")),
    ("a refusal whose code is not in the table", (), 400, code(77), Unknown(reason="answered 400")),
    ("a code as a number", (), 400, code(2001), Rejected(code="2001", reason="answered 400 with the code 2001")),
    ("a code that is no word", (), 400, code({"x": 1}), Unknown(reason="answered 400")),
    ("the provider's word that it did not", (), 400, code(2005), NotSent),
    ("a server fault with a code is not believed", (), 502, code(2001), Unknown(reason="answered 502")),
    ("a server fault whose status is declared is", (), 500, code(2001), Rejected),
    ("a server fault in nobody's words", (("answer/http", ...),), 503, {}, Unknown(reason="answered 503")),
    ("a declared status without a code", (), 500, {}, Unknown(reason="answered 500")),
    ("a request time-out with a code is not believed", (), 408, code(2001), Unknown(reason="answered 408")),
    ("a conflict with a code is not believed", (), 409, code(2001), Unknown(reason="answered 409")),
    ("a status declared to mean nothing was sent", (("answer/http", {"503": "not_sent"}),), 503, {}, NotSent),
    ("the code refines a declared status", (("answer/http", {"400": "rejected"}),), 400, code(2002), Rejected),
    (
        "a declared status without its code",
        (("answer/http", {"402": "rejected"}),),
        402,
        {},
        Rejected(code="http-402", reason="answered 402"),
    ),
    ("too many, in nobody's words", (), 429, {}, NotSent(reason="throttled", about=About.PACE)),
    (
        "too many, declared to be unknown",
        (("answer/http", {"429": "unknown"}),),
        429,
        {},
        Unknown(reason="answered 429"),
    ),
    (
        "too many, with a wait",
        (),
        400,
        {"error": {"code": 2004, "wait": 12}},
        NotSent(reason="throttled", retry_after_seconds=12.0, about=About.PACE),
    ),
    (
        "too many, with a wait without end",
        (),
        400,
        {"error": {"code": 2004, "wait": 10**12}},
        NotSent(reason="throttled", retry_after_seconds=3600.0, about=About.PACE),
    ),
    (
        "too many, with no number as a wait",
        (),
        400,
        {"error": {"code": 2004, "wait": "soon"}},
        NotSent(reason="throttled", about=About.PACE),
    ),
    ("a redirect", (), 302, {}, Unknown(reason="answered 302")),
    ("an id that is a number", (), 200, {"messages": [{"id": 17}]}, Sent(provider_id="17")),
    ("an id that is none", (), 200, {"messages": [{"id": "a b"}]}, Sent(provider_id=None)),
    ("parts", (), 200, {"messages": [{"id": "1", "parts": 3}]}, Sent(provider_id="1", segments=3)),
    ("parts that are none", (), 200, {"messages": [{"id": "1", "parts": -3}]}, Sent(provider_id="1")),
    ("a line that says yes", (LINES,), 200, b"0|id-1|OK\r\n", Sent(provider_id="id-1")),
    ("a line that says no", (LINES,), 200, b"12|nadie", Rejected(code="12", reason="answered 200 with the code 12")),
    ("nothing, where yes has a word", (LINES,), 200, b"", Unknown(reason="answered 200")),
    ("a page, where yes has a word", (LINES,), 200, b"<html>" + b"x" * 80, Unknown(reason="answered 200")),
    (
        "a code that is somebody's number",
        (("answer/codes", {"*": "rejected"}),),
        400,
        code("573001230000"),
        Rejected(code="(number)", reason="answered 400 with the code (number)"),
    ),
]


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case[0])
async def test_an_answer_means(bench: Bench, case: Any):
    _, changes, status, said, expected = case
    adapter = built(bench.base_url, *changes)
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    bench.script(Says(status=status, body=body))
    ending = await adapter.send(parcel())
    assert isinstance(ending, expected) if isinstance(expected, type) else ending == expected
    await adapter.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "9999999"}, 3600.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 11:00:30 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
async def test_how_long_to_wait(bench: Bench, headers: dict[str, str], seconds: float | None):
    adapter = built(bench.base_url)
    bench.script(Says(status=429, headers=headers))
    assert await adapter.send(parcel()) == NotSent(reason="throttled", retry_after_seconds=seconds, about=About.PACE)
    await adapter.close()


# Looking up what was lost


def item(**told: object) -> dict[str, object]:
    return {"id": ID, "reference": ATTEMPT.hex, "status": "sent"} | told


ONE = ("find", [{"path": "/m/{{id}}", "format": "json", "id": "id", "status": "status", "absent_http": ["404"]}])

LOOKUPS: list[tuple[str, tuple[tuple[str, object], ...], list[Says], object]] = [
    ("in the second place", (), [says(200, {"messages": []}), says(200, {"messages": [item()]})], Found),
    ("with dashes", (), [says(200, {"messages": [item(reference=str(ATTEMPT))]})], Found),
    ("among others", (), [says(200, {"messages": [item(reference="other", id="x"), item()]})], Found),
    ("somebody else's only", (), [says(200, {"messages": [item(reference="x")]})] * 2, Absent),
    ("without an id", (), [says(200, {"messages": [item(id=None)]})], CannotTell),
    ("more than is read", (), [says(200, {"messages": [item(reference="x")] * 1001})], CannotTell),
    ("the second place is silent", (), [says(200, {"messages": []}), says(500, {})], CannotTell),
    ("one by its own address", (ONE,), [says(200, {"id": ID, "status": "sent"})], Found),
    ("none by its own address", (ONE,), [says(404, {})], Absent),
    ("an object that is not what was asked for", (ONE,), [says(200, {"oh": "no"})], CannotTell),
    ("a refusal", (ONE,), [says(403, {})], CannotTell),
    ("nothing to look up in", (("find", ...),), [], CannotTell),
]


@pytest.mark.parametrize("case", LOOKUPS, ids=lambda case: case[0])
async def test_a_look_up(bench: Bench, case: Any):
    _, changes, steps, expected = case
    adapter = built(bench.base_url, *changes)
    bench.script(*steps)
    traced = await adapter.find(LOST)
    assert isinstance(traced, expected)
    if isinstance(traced, Found):
        assert traced == Found(provider_id=ID, provider_status="sent")
    assert bench.posts == 0
    await adapter.close()


async def test_it_is_asked_for_by_our_own_id(bench: Bench):
    adapter = built(bench.base_url)
    bench.script(says(200, {"messages": []}), says(200, {"messages": []}))
    await adapter.find(LOST)
    assert [urlsplit(seen.target).path for seen in bench.seen] == ["/v1/waiting", "/v1/messages"]
    assert [query(seen.target) for seen in bench.seen] == [{"reference": [ATTEMPT.hex]}] * 2
    assert {seen.headers["authorization"] for seen in bench.seen} == {"Bearer canary-token-of-the-account"}
    await adapter.close()


# Hooks

HERE = f"{PUBLIC}/hooks/faro"
STATUS = json.dumps({"event": "receipt", "message": {"id": ID, "status": "delivered"}}).encode()
INBOUND = json.dumps({"event": "reply", "id": "in-1", "from": "573001230000", "to": "85432", "text": "BAJA"}).encode()


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
@pytest.mark.parametrize("digits", ["hex", "hex_upper", "base64"])
@pytest.mark.parametrize("prefix", [None, "v1="])
def test_each_way_to_sign(algorithm: str, digits: str, prefix: str | None):
    described: dict[str, object] = {**table("https://a.example")["hooks"], "algorithm": algorithm, "digits": digits}
    del described["prefix"]
    if prefix is not None:
        described["prefix"] = prefix
    adapter = built("https://a.example", ("hooks", described))
    mac = hmac.new(HOOK_KEY.encode(), INBOUND, getattr(hashlib, algorithm)).digest()
    written = {"hex": mac.hex(), "hex_upper": mac.hex().upper(), "base64": base64.b64encode(mac).decode()}
    for name, value in written.items():
        headers = {"X-Signature": (prefix or "") + value}
        hook = Hook(method="POST", url=f"{HERE}/inbound", kind="inbound", headers=headers, body=INBOUND)
        if name == digits:
            (reply,) = adapter.read(hook)
            assert isinstance(reply, Reply)
        else:
            with pytest.raises(Forged):
                adapter.read(hook)


def test_a_key_can_be_changed_without_losing_a_hook():
    secrets = {"token": "canary", "new": "canary-new", "hooks": HOOK_KEY}
    adapter = built("https://a.example", ("secrets", secrets), ("hooks/secrets", ["new", "hooks"]))
    for key in ("canary-new", HOOK_KEY):
        assert adapter.read(signed("inbound", f"{HERE}/inbound", INBOUND, key))
    with pytest.raises(Forged):
        adapter.read(signed("inbound", f"{HERE}/inbound", INBOUND, "canary"))


def shared(*changes: tuple[str, object]) -> HttpSms:
    described = {
        "secret_query": "llave",
        "secrets": ["hooks"],
        "networks": ["203.0.113.0/24", "2001:db8::/32"],
        "format": "form",
        "told_by": "tipo",
        "status_words": ["dlr", ""],
        "inbound_words": ["mo"],
    }
    receipts = {"id": "id", "status": "estado", "statuses": {"OK": "delivered"}}
    inbound = {"from": "origen", "text": "texto", "number_prefix": "+57"}
    return built("https://a.example", ("hooks", described), ("receipts", receipts), ("inbound", inbound), *changes)


def form(
    told: dict[str, str], url: str = f"{HERE}?llave={HOOK_KEY}", remote: str | None = "203.0.113.7", **headers: str
) -> Hook:
    return Hook(method="POST", url=url, kind="any", headers=headers, body=urlencode(told).encode(), remote=remote)


MO = {"tipo": "mo", "origen": "3001230000", "destino": "85432", "texto": "ya pagué"}


@pytest.mark.parametrize("remote", ["203.0.113.7", "203.0.113.255", "2001:db8::1", "::ffff:203.0.113.7"])
def test_a_shared_secret_from_a_listed_address_is_believed(remote: str):
    (reply,) = shared().read(form(MO, remote=remote))
    assert isinstance(reply, Reply)
    assert (reply.sender, reply.text, reply.recipient) == ("+573001230000", "ya pagué", "85432")


@pytest.mark.parametrize(
    "remote", [None, "", "203.0.114.7", "2001:db9::1", "127.0.0.1", "::ffff:127.0.0.1", "nobody", "@"]
)
def test_a_shared_secret_from_elsewhere_is_forged_whatever_a_header_says(remote: str | None):
    claims = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    with pytest.raises(Forged):
        shared().read(form(MO, remote=remote, **claims))


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "?",
        "?llave=",
        "?llave=x",
        f"?LLAVE={HOOK_KEY}",
        f"?llave={HOOK_KEY}x",
        f"?llave={HOOK_KEY[:-1]}",
        f"?llave={HOOK_KEY}&llave={HOOK_KEY}",
        f"?llave=x&llave={HOOK_KEY}",
        "?llave=%FF",
        "?llave=ñ",
        f"#llave={HOOK_KEY}",
    ],
)
def test_without_the_secret_it_is_forged(asked: str):
    with pytest.raises(Forged):
        shared().read(form(MO, url=HERE + asked))


def test_the_secret_may_stand_in_a_header():
    adapter = shared(("hooks/secret_query", ...), ("hooks/secret_header", "X-Llave"))
    assert adapter.read(form(MO, url=HERE, **{"x-llave": HOOK_KEY}))
    for headers in ({}, {"X-Llave": ""}, {"X-Llave": HOOK_KEY + " "}, {"X-Llave": "ñ"}, {"X-Other": HOOK_KEY}):
        with pytest.raises(Forged):
            adapter.read(form(MO, url=HERE, **headers))


async def test_the_address_for_receipts_carries_the_secret_of_the_query(bench: Bench):
    adapter = shared(("base_url", bench.base_url), ("secrets/hooks", "canary &ñ="))
    bench.script(says(200, {}))
    await adapter.send(parcel())
    told = json.loads(bench.seen[0].body)["hook"]["url"]
    assert told == f"{status_url(PUBLIC, 'faro', SECRET, ATTEMPT)}&llave={quote('canary &ñ=', safe='')}"
    body = urlencode({"id": "9", "estado": "OK"}).encode()
    (receipt,) = adapter.read(Hook(method="POST", url=told, kind="status", headers={}, body=body, remote="203.0.113.7"))
    assert isinstance(receipt, Receipt)
    assert receipt.attempt == ATTEMPT
    await adapter.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "post"])
def test_a_hook_is_a_post(method: str):
    with pytest.raises(Forged):
        shared().read(replace(form(MO), method=method))


def test_one_address_for_both_is_told_apart_by_a_field():
    adapter = built("https://a.example")
    (receipt,) = adapter.read(signed("any", HERE, STATUS))
    (reply,) = adapter.read(signed("any", HERE, INBOUND))
    assert isinstance(receipt, Receipt)
    assert isinstance(reply, Reply)
    assert (receipt.kind, receipt.provider_id, receipt.attempt) == (ReceiptKind.DELIVERED, ID, None)
    with pytest.raises(Unreadable):
        adapter.read(signed("any", HERE, b'{"event": "invoice"}'))


def test_a_field_that_is_not_there_and_any_other_word_can_tell_too():
    adapter = shared()
    (receipt,) = adapter.read(form({"id": "9", "estado": "OK"}))
    assert isinstance(receipt, Receipt)
    adapter = shared(("hooks/status_words", ["*"]), ("hooks/inbound_words", [""]))
    assert isinstance(adapter.read(form({"tipo": "17", "id": "9", "estado": "OK"}))[0], Receipt)
    assert isinstance(adapter.read(form({"origen": "3001230000", "texto": "x"}))[0], Reply)


def test_without_a_field_the_address_tells_and_one_address_only_where_there_is_one_kind():
    plain = [("hooks/told_by", ...), ("hooks/status_words", ...), ("hooks/inbound_words", ...)]
    both = shared(*plain)
    with pytest.raises(Unreadable):
        both.read(form(MO))
    assert isinstance(both.read(replace(form(MO, url=f"{HERE}/inbound?llave={HOOK_KEY}"), kind="inbound"))[0], Reply)
    assert isinstance(shared(*plain, ("receipts", ...)).read(form(MO))[0], Reply)
    only = shared(*plain, ("inbound", ...))
    assert isinstance(only.read(form({"id": "9", "estado": "OK"}))[0], Receipt)
    with pytest.raises(Unreadable):
        only.read(replace(form(MO, url=f"{HERE}/inbound?llave={HOOK_KEY}"), kind="inbound"))


@pytest.mark.parametrize(
    "url",
    [
        f"{PUBLIC}/hooks/other",
        f"{HERE}x",
        f"{HERE}/",
        f"{HERE}/status",
        f"{HERE}/inbound",
        f"{PUBLIC}/faro",
        f"{PUBLIC}/?/hooks/faro",
    ],
)
def test_a_genuine_body_at_another_address_is_forged(url: str):
    with pytest.raises(Forged):
        built("https://a.example").read(signed("any", url, STATUS))


def test_without_a_table_of_hooks_everything_is_forged():
    adapter = built("https://a.example", ("hooks", ...), ("receipts", ...), ("inbound", ...))
    with pytest.raises(Forged):
        adapter.read(signed("any", HERE, STATUS))


def batch(*items: object) -> Hook:
    return signed("any", HERE, json.dumps({"event": "receipt", "all": list(items)}).encode())


BATCH = (
    ("receipts/list", "all"),
    ("receipts/id", "id"),
    ("receipts/attempt", "reference"),
    ("receipts/status", "status"),
    ("receipts/error", "error"),
)


def test_many_receipts_in_one_hook_each_know_their_attempt():
    other = UUID(int=7)
    adapter = built("https://a.example", *BATCH)
    told = adapter.read(
        batch(
            {"id": "1", "reference": ATTEMPT.hex, "status": "sent", "error": 0},
            {"id": "2", "reference": str(other), "status": "not_delivered", "error": "2002"},
            {"id": "3", "reference": "campaña", "status": "not_delivered", "error": 2003},
        )
    )
    assert [receipt.attempt for receipt in told if isinstance(receipt, Receipt)] == [ATTEMPT, other, None]
    assert [receipt.error_code for receipt in told if isinstance(receipt, Receipt)] == [None, "2002", "2003"]
    assert [receipt.opted_out for receipt in told if isinstance(receipt, Receipt)] == [False, True, False]
    assert [receipt.address_invalid for receipt in told if isinstance(receipt, Receipt)] == [False, False, True]
    assert len({receipt.key for receipt in told}) == 3


def test_one_that_cannot_be_read_does_not_silence_the_others():
    adapter = built("https://a.example", *BATCH)
    good = {"id": "1", "reference": ATTEMPT.hex, "status": "delivered"}
    for odd in (
        {},
        [],
        7,
        None,
        {"id": "1"},
        {"status": "sent"},
        {"id": "a b", "status": "sent"},
        {"id": "1", "status": {}},
    ):
        first, second = adapter.read(batch(odd, good))
        assert isinstance(first, Receipt)
        assert isinstance(second, Receipt)
        # No attempt of anybody's has such an id, so it is kept raw and moves nothing.
        assert (first.kind, first.attempt) == (ReceiptKind.UNREADABLE, None)
        assert first.provider_id is not None
        assert first.provider_id.startswith("unreadable-")
        assert (second.kind, second.attempt) == (ReceiptKind.DELIVERED, ATTEMPT)
        with pytest.raises(Unreadable):
            adapter.read(batch(odd))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"event": "receipt", "all": []}', b"null"]
)
def test_a_genuine_hook_that_cannot_be_read_is_unreadable(body: bytes):
    adapter = built("https://a.example", *BATCH)
    for kind in ("any", "status", "inbound"):
        url = HERE if kind == "any" else f"{HERE}/{kind}"
        with pytest.raises((Unreadable, Forged)) as refusal:
            adapter.read(signed(kind, url, body))
        if not (kind == "inbound" and b"receipt" in body):
            assert refusal.type is Unreadable


def test_more_at_once_than_anyone_sends_is_unreadable():
    adapter = built("https://a.example", *BATCH)
    with pytest.raises(Unreadable):
        adapter.read(batch(*({"id": str(index), "status": "sent"} for index in range(1001))))


def test_the_mark_and_the_reference_must_name_one_attempt():
    adapter = built("https://a.example", *BATCH)
    url = status_url(PUBLIC, "faro", SECRET, ATTEMPT)
    other = json.dumps(
        {"event": "receipt", "all": [{"id": "1", "reference": UUID(int=7).hex, "status": "sent"}]}
    ).encode()
    with pytest.raises(Forged):
        adapter.read(signed("status", url, other))


def test_a_mark_speaks_for_one_receipt_only():
    adapter = built("https://a.example", *BATCH)
    two = [{"id": str(index), "status": "sent"} for index in range(2)]
    hook = signed(
        "status", status_url(PUBLIC, "faro", SECRET, ATTEMPT), json.dumps({"event": "receipt", "all": two}).encode()
    )
    assert [receipt.attempt for receipt in adapter.read(hook) if isinstance(receipt, Receipt)] == [None, None]


def test_a_message_without_an_id_is_known_by_all_of_it():
    adapter = shared()
    first, again = adapter.read(form(MO)), adapter.read(form(dict(reversed(MO.items()))))
    other = adapter.read(form({**MO, "hora": "12:01"}))
    assert first == again
    assert first[0].key != other[0].key


def test_a_message_whose_id_is_described_and_missing_is_unreadable():
    with pytest.raises(Unreadable):
        shared(("inbound/id", "id")).read(form(MO))


@pytest.mark.parametrize(
    ("prefix", "told", "sender"),
    [
        ("+", "573001230000", "+573001230000"),
        ("+57", "3001230000", "+573001230000"),
        ("+57", "300 123 0000", "+573001230000"),
        ("+57", "+573001230000", "+573001230000"),
        (None, "85432", "85432"),
        ("+", "BANCO", "BANCO"),
    ],
)
def test_numbers_become_e164(prefix: str | None, told: str, sender: str):
    adapter = shared(("inbound/number_prefix", prefix if prefix is not None else ...))
    assert [reply.sender for reply in adapter.read(form({**MO, "origen": told})) if isinstance(reply, Reply)] == [
        sender
    ]


@pytest.mark.parametrize("told", ["", " ", "ñ", "+57\n\x00", "1" * 65])
def test_who_wrote_must_be_known(told: str):
    with pytest.raises(Unreadable):
        shared().read(form({**MO, "origen": told}))


# What stops the start

WRONG: list[tuple[str, str, object]] = [
    (".send] json asks for {{from}}", "from", ...),
    ("] base_url", "base_url", ...),
    (".send] path", "send/path", "messages"),
    (".send] path", "send/path", "/a?x={{text}}"),
    (".send] path", "send/path", "/{{text}}"),
    (".send] method", "send/method", "PATCH"),
    (".send] method", "send/method", "GET"),
    (".send] json", "send/json", ...),
    (".send] json", "send/json", '{"to": {{to}}}'),
    (".send] json", "send/json", '{"to": "{{para}}"}'),
    (".send] form", "send/form", {"a": "{{to}}"}),
    (".send] headers.X-Any", "send/headers/X-Any", "{{text}}"),
    (".send] headers.X-Any", "send/headers/X-Any", "a\nb"),
    (".send] headers.Host", "send/headers/Host", "x"),
    (".send] headers", "send/headers/authorization", "x"),
    (".send] headers.X-Any", "send/headers/X-Any", 7),
    (".send] headers.X-Any", "send/headers/X-Any", "{{secrets.nobody}}"),
    ("] send never says {{text}}", "send/json", '{"to": "{{to}}"}'),
    ("] send never says {{to}}", "send/json", '{"t": "{{text}}"}'),
    (".send] has unknown settings: surprise. Known are: method, path,", "send/surprise", "x"),
    (".send] has unknown settings: kind.", "send/kind", "x"),
    ("] secrets.token", "secrets/token", ""),
    ("] secrets", "secrets/To-Ken", "x"),
    ("] basic_user", "basic_user", "x"),
    (".encodings] ucs2", "encodings", {"gsm7": "0"}),
    (".answer] format", "answer/format", "xml"),
    (".answer] format", "answer/format", ...),
    (".answer] separator", "answer/separator", "|"),
    (".answer] code", "answer/code", ...),
    (".answer] code", "answer/codes", ...),
    (".answer] id", "answer/id", "a..b"),
    (".answer] codes.7", "answer/codes/7", "maybe"),
    (".answer] codes", "answer/codes/7", "by_code"),
    (".answer] http", "answer/http", {"5xx": "not_sent"}),
    (".answer] http", "answer/http", {"600": "not_sent"}),
    (".answer] http.200", "answer/http", {"200": "rejected"}),
    (".answer] http.202", "answer/http", {"202": "not_sent"}),
    (".answer] http.504", "answer/http", {"504": "not_sent"}),
    (".answer] http.408", "answer/http", {"408": "by_code"}),
    ("] find must be tables", "find", {"path": "/x"}),
    ("] find must be tables", "find", []),
    (".find.0] id", "find/0/id", ...),
    (".find.1] path", "find/1/path", "x"),
    (".find.0] query.x", "find/0/query/x", "{{text}}"),
    (".find.0] absent_http", "find/0/absent_http", ["503"]),
    (".find.0] absent_http", "find/0/absent_http", [404]),
    (".find.0] attempt", "find/0", {"path": "/x", "format": "json", "id": "id"}),
    ("] find has more", "find", [{"path": "/{{id}}", "format": "json", "id": "id"}] * 5),
    ("] hooks is needed", "hooks", ...),
    (".hooks] secrets", "hooks/secrets", ["nobody"]),
    (".hooks] secrets", "hooks/secrets", []),
    (".hooks] signature_header", "hooks/signature_header", ...),
    (".hooks] signature_header", "hooks/secret_query", "x"),
    (".hooks] signature_header", "hooks/signature_header", "X:"),
    (".hooks] algorithm", "hooks/algorithm", "md5"),
    (".hooks] digits", "hooks/digits", "base32"),
    (".hooks] networks", "hooks", {"secret_header": "X", "secrets": ["hooks"], "format": "json"}),
    (".hooks] networks", "hooks", {"secret_header": "X", "secrets": ["hooks"], "networks": ["10.0.0.1/8"]}),
    (".hooks] networks", "hooks/networks", ["10.0.0.0/8"]),
    (".hooks] secret_query", "hooks", {"secret_query": "a", "secrets": ["hooks"], "networks": ["10.0.0.0/8"]}),
    (".hooks] format", "hooks/format", "text"),
    (".hooks] told_by", "hooks/told_by", ...),
    (".hooks] status_words", "hooks/status_words", ["reply"]),
    (".receipts] status", "receipts/status", ...),
    (".receipts] statuses", "receipts/statuses", ...),
    (".receipts] statuses.x", "receipts/statuses/x", "unreadable"),
    (".receipts] statuses.x", "receipts/statuses/x", "Delivered"),
    (".receipts] opted_out", "receipts/opted_out", "2002"),
    (".inbound] from", "inbound/from", ...),
    (".inbound] text", "inbound/text", ...),
    (".inbound] number_prefix", "inbound/number_prefix", "57"),
    ("] prices", "prices", {"currency": "usd"}),
]


@pytest.mark.parametrize(("named", "path", "value"), WRONG)
def test_what_is_wrong_is_named(named: str, path: str, value: object):
    with pytest.raises(SettingsError) as refusal:
        built("https://a.example", (path, value))
    assert str(refusal.value).startswith(f"[providers.faro{named}")
    assert "canary" not in str(refusal.value)


def test_receipts_must_name_their_message_somehow():
    bare = {"status": "s", "statuses": {"a": "sent"}}
    assert built("https://a.example", ("receipts", bare))
    with pytest.raises(SettingsError, match="receipts needs id or attempt"):
        built("https://a.example", ("receipts", bare), ("send/json", '{"t": "{{to}}{{text}}"}'))


def test_hooks_alone_are_nothing():
    with pytest.raises(SettingsError, match="hooks is needed"):
        built("https://a.example", ("receipts", ...), ("inbound", ...))


def test_credentials_that_were_written_into_a_template_are_not_shown():
    adapter = changed("https://a.example", ("send/headers/X-Key", "canary"), ("send/query", {"k": "canary"}))
    assert "canary" not in repr(sms_http.settings("faro", adapter))
