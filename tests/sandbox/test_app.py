"""The sandbox's own calls (contract, section 7), its page, and its place on the gateway's port."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from sandbox.faults import Fault, Faults
from sandbox.mount import mount
from sandbox.problem import BODY_BYTES_MAX
from tests.sandbox.conftest import NUMBER, Sandboxed, until


async def refused(sandboxed: Sandboxed, path: str, told: object) -> tuple[int, list[str]]:
    status, problem = await sandboxed.post(path, told)
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    return status, [error["pointer"] for error in problem.get("errors", ())]


# What arrived


async def test_messages_are_filtered_and_oldest_first(sandboxed: Sandboxed):
    for index, to in enumerate(["+573001230000", "+573001230007", "+573001230000"]):
        await sandboxed.send(to, text=f"n {index}")
    assert [one["text"] for one in await sandboxed.get("/sandbox/messages")] == ["n 0", "n 1", "n 2"]
    # A plus that nobody escaped means a space in an address.
    for written in ("%2B573001230000", "+573001230000"):
        found = await sandboxed.get(f"/sandbox/messages?to={written}")
        assert [one["text"] for one in found] == ["n 0", "n 2"]
    assert await sandboxed.get("/sandbox/messages?channel=email") == []
    assert len(await sandboxed.get("/sandbox/messages?channel=sms&to=")) == 3
    assert await sandboxed.get("/sandbox/messages?to=%2B1") == []


async def test_a_message_arrives_on_the_gateways_clock(sandboxed: Sandboxed):
    status, told = await sandboxed.post("/sandbox/clock", {"now": "2026-11-23T06:59:50-05:00"})
    assert status == 200
    assert datetime.fromisoformat(told["now"]) - datetime.fromisoformat("2026-11-23T06:59:50-05:00") < timedelta(
        seconds=2
    )
    await sandboxed.send()
    (message,) = await sandboxed.get("/sandbox/messages")
    at = datetime.fromisoformat(message["at"])
    assert timedelta() <= at - datetime.fromisoformat("2026-11-23T06:59:50-05:00") < timedelta(seconds=2)
    shown = await sandboxed.get("/sandbox/clock")
    assert datetime.fromisoformat(shown["now"]) >= at
    await sandboxed.post("/sandbox/clock", {"real": True})
    await sandboxed.send()
    last = (await sandboxed.get("/sandbox/messages"))[-1]
    assert abs(datetime.fromisoformat(last["at"]) - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_clock_that_does_not_answer_leaves_the_last_difference(sandboxed: Sandboxed):
    await sandboxed.post("/sandbox/clock", {"now": "2026-11-23T06:59:50-05:00"})
    sandboxed.gateway.clock_away = True
    await asyncio.sleep(0.3)
    await sandboxed.send()
    (message,) = await sandboxed.get("/sandbox/messages")
    assert message["at"].startswith("2026-11-23T11:59:5")


CLOCKS = [
    ({}, ""),
    ({"now": "2026-11-23T07:00:00-05:00", "real": True}, ""),
    ({"now": "2026-11-23T07:00:00"}, "/now"),
    ({"now": "2026-11-23"}, "/now"),
    ({"now": 1764000000}, "/now"),
    ({"advance": "1h"}, "/advance"),
    ({"advance": "P"}, "/advance"),
    ({"advance": "PT"}, "/advance"),
    ({"advance": "P1M"}, "/advance"),
    ({"advance": 3600}, "/advance"),
    ({"real": False}, "/real"),
    ({"real": 1}, "/real"),
    ({"then": "x"}, "/then"),
    ({"now": "1999-01-01T00:00:00Z"}, "/now"),
]


@pytest.mark.parametrize(("told", "pointer"), CLOCKS)
async def test_a_clock_that_cannot_be_set_so(sandboxed: Sandboxed, told: dict[str, Any], pointer: str):
    assert await refused(sandboxed, "/sandbox/clock", told) == (422, [pointer])


@pytest.mark.parametrize("advance", ["PT1H", "P1D", "P2W", "-PT30M", "P1DT2H3M4S", "PT0S"])
async def test_durations_of_the_contract_are_taken(sandboxed: Sandboxed, advance: str):
    assert (await sandboxed.post("/sandbox/clock", {"advance": advance}))[0] == 200


# Replies and faults


REPLIES = [
    ({"from": "+573001230000", "text": "x"}, "/channel"),
    ({"channel": "pigeon", "from": "+573001230000", "text": "x"}, "/channel"),
    ({"channel": "sms", "text": "x"}, "/from"),
    ({"channel": "sms", "from": "573001230000", "text": "x"}, "/from"),
    ({"channel": "sms", "from": ["+573001230000"], "text": "x"}, "/from"),
    ({"channel": "sms", "from": "+573001230000"}, "/text"),
    ({"channel": "sms", "from": "+573001230000", "text": " "}, "/text"),
    ({"channel": "sms", "from": "+573001230000", "text": 5}, "/text"),
    ({"channel": "sms", "from": "+573001230000", "text": "x" * 1601}, "/text"),
    ({"channel": "sms", "from": "+573001230000", "text": "x\ud800"}, "/text"),
    ({"channel": "sms", "from": "+573001230000", "text": "x", "a/b~c": 1}, "/a~1b~0c"),
    ([], ""),
    ("x", ""),
]


@pytest.mark.parametrize(("told", "pointer"), REPLIES)
async def test_a_reply_that_cannot_be_given(sandboxed: Sandboxed, told: object, pointer: str):
    assert await refused(sandboxed, "/sandbox/reply", told) == (422, [pointer])
    assert sandboxed.gateway.received == []


FAULTS = [
    ({"provider": "twilio-main"}, "/fault"),
    ({"provider": "twilio-main", "fault": "plague"}, "/fault"),
    ({"provider": "pigeon", "fault": "timeout"}, "/provider"),
    ({"provider": 5, "fault": "timeout"}, "/provider"),
    ({"fault": "timeout", "count": 0}, "/count"),
    ({"fault": "timeout", "count": 1.5}, "/count"),
    ({"fault": "timeout", "count": True}, "/count"),
    ({"fault": "timeout", "count": "1"}, "/count"),
    ({"fault": "timeout", "seconds": 0}, "/seconds"),
    ({"fault": "timeout", "seconds": -1}, "/seconds"),
    ({"fault": "timeout", "seconds": 1e9}, "/seconds"),
    ({"fault": "timeout", "minutes": 1}, "/minutes"),
]


@pytest.mark.parametrize(("told", "pointer"), FAULTS)
async def test_a_fault_that_cannot_be_armed(sandboxed: Sandboxed, told: object, pointer: str):
    assert await refused(sandboxed, "/sandbox/faults", told) == (422, [pointer])
    assert await sandboxed.get("/sandbox/faults") == []


@pytest.mark.parametrize("fault", list(Fault))
async def test_every_fault_of_the_contract_is_armed(sandboxed: Sandboxed, fault: Fault):
    for provider in ("twilio-main", "twilio"):
        told = {"provider": provider, "fault": fault.value, "count": 2, "seconds": 0.5}
        status, answer = await sandboxed.post("/sandbox/faults", told)
        assert (status, answer["provider"], answer["fault"], answer["seconds"]) == (200, "twilio-main", fault, 0.5)
    assert len(await sandboxed.get("/sandbox/faults")) == 2


BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"\xff", 400),
    (b'{"fault": "timeout", "fault": "timeout"}', 400),
    (b'{"fault": "timeout", "count": NaN}', 400),
    (b"[" * 60_000, 400),
    (b" " * (BODY_BYTES_MAX + 1), 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES)
async def test_what_is_not_readable_is_refused(sandboxed: Sandboxed, body: bytes, status: int):
    async with sandboxed.client.post(f"http://127.0.0.1:{sandboxed.port}/sandbox/faults", data=body) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")


def test_faults_strike_in_order_by_count_by_time_and_by_provider():
    now = 0.0
    faults = Faults(lambda: now)
    faults.arm("one", Fault.THROTTLE, 2, None)
    faults.arm("one", Fault.REJECT, None, 5.0)
    faults.arm(None, Fault.TIMEOUT, None, None)
    faults.arm("one", Fault.DROP_RECEIPT, 1, None)
    faults.arm("one", Fault.DUPLICATE_RECEIPT, 2, None)
    assert faults.take_call("two") is Fault.TIMEOUT
    assert faults.take_call("two") is None
    assert [faults.take_call("one") for _ in range(4)] == [Fault.THROTTLE, Fault.THROTTLE, Fault.REJECT, Fault.REJECT]
    now = 5.1
    assert faults.take_call("one") is None
    assert faults.take_receipts("two") == frozenset()
    assert faults.take_receipts("one") == {Fault.DROP_RECEIPT, Fault.DUPLICATE_RECEIPT}
    assert faults.take_receipts("one") == {Fault.DUPLICATE_RECEIPT}
    assert faults.take_receipts("one") == frozenset()
    assert faults.waiting() == []


# The page


async def test_the_page_runs_nothing_but_its_own_files(sandboxed: Sandboxed):
    async with sandboxed.client.get(f"http://127.0.0.1:{sandboxed.port}/sandbox") as answer:
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in page.replace("http-equiv", "")
    assert "<script>" not in page
    assert " style=" not in page
    assert " onclick" not in page
    for name, content_type in (
        ("phone.css", "text/css"),
        ("phone.js", "text/javascript"),
        ("phone.svg", "image/svg+xml"),
    ):
        assert f"/sandbox/files/{name}" in page
        async with sandboxed.client.get(f"http://127.0.0.1:{sandboxed.port}/sandbox/files/{name}") as answer:
            assert (answer.status, answer.content_type) == (200, content_type)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            text = await answer.text()
        text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://"):
            assert forbidden not in text
    for stranger in ("phone.html", "..%2Fapp.py", "%2e%2e/app.py", "x"):
        async with sandboxed.client.get(f"http://127.0.0.1:{sandboxed.port}/sandbox/files/{stranger}") as answer:
            assert answer.status == 404


async def test_a_conversation_has_both_sides_and_the_latest_status(sandboxed: Sandboxed):
    await sandboxed.send("+573001230002", text="<b>pague</b>")
    await until(lambda: len(sandboxed.gateway.words()) == 2)
    await sandboxed.post("/sandbox/reply", {"channel": "sms", "from": "+573001230002", "text": "no"})
    bubbles = await sandboxed.get("/sandbox/conversation?with=%2B573001230002")
    assert [(one["direction"], one["text"], one["status"], one["party"]) for one in bubbles] == [
        ("in", "<b>pague</b>", "undelivered", NUMBER),
        ("out", "no", None, NUMBER),
    ]
    assert await sandboxed.get("/sandbox/people") == ["+573001230002"]
    async with sandboxed.client.get(f"http://127.0.0.1:{sandboxed.port}/sandbox/conversation") as answer:
        assert answer.status == 422


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_may_not_press_buttons_here(sandboxed: Sandboxed, site: str):
    body = json.dumps({"channel": "sms", "from": "+573001230000", "text": "BAJA"})
    for path in ("reply", "faults", "clock"):
        async with sandboxed.client.post(
            f"http://127.0.0.1:{sandboxed.port}/sandbox/{path}", data=body, headers={"Sec-Fetch-Site": site}
        ) as answer:
            assert answer.status == 403
    assert sandboxed.gateway.received == []


# On the gateway's port


async def test_it_is_reached_on_the_gateways_port(sandboxed: Sandboxed):
    app = web.Application()
    mount(app, f"http://127.0.0.1:{sandboxed.port}")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        await sandboxed.send()
        async with sandboxed.client.get(f"{base}/sandbox/messages?to=%2B573001230000") as answer:
            assert (answer.status, len(await answer.json())) == (200, 1)
        async with sandboxed.client.get(f"{base}/sandbox") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with sandboxed.client.post(f"{base}/sandbox/faults", json={"fault": "plague"}) as answer:
            assert (answer.status, answer.content_type) == (422, "application/problem+json")
            told = await answer.json()
            assert told["errors"][0]["pointer"] == "/fault"
            assert told["detail"].startswith("/fault: must be one of timeout, ")
        async with sandboxed.client.get(f"{base}/sandbox/messages?channel=fax") as answer:
            assert (await answer.json())["detail"].startswith("channel is none of call_live, email, ")
        async with sandboxed.client.delete(f"{base}/sandbox/faults") as answer:
            assert answer.status == 200
        async with sandboxed.client.post(
            f"{base}/sandbox/reply", json={}, headers={"Sec-Fetch-Site": "cross-site"}
        ) as answer:
            assert answer.status == 403
        async with sandboxed.client.post(f"{base}/sandbox/faults", data=b" " * (BODY_BYTES_MAX + 1)) as answer:
            assert answer.status == 413
        await sandboxed.stop()
        async with sandboxed.client.get(f"{base}/sandbox") as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
    finally:
        await runner.cleanup()
