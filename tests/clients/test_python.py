"""The Python client: in step with the description, and used against a real gateway as its reader would use it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.gateway.town import Town, message, number, person

CLIENT = Path(__file__).parents[2] / "clients" / "python"


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    sys.path.insert(0, str(CLIENT))
    yield
    sys.path.remove(str(CLIENT))


def test_types_and_operations_are_those_of_the_description() -> None:
    ended = subprocess.run(
        [sys.executable, CLIENT / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"run clients/python/generate.py\n{ended.stderr}"


async def test_a_day_with_the_client(busy: Town) -> None:
    from tregua_client import AsyncTregua, Problem

    async with AsyncTregua(busy.url, busy.key) as gateway:
        ana: Any = person("ana", number(1))
        assert (await gateway.put_contact("ana", ana))["id"] == "ana"
        asked: Any = message("ana")
        assert (await gateway.decide(asked))["outcome"] == "allow"
        sent = await gateway.accept_message(asked, idempotency_key="k1")
        again = await gateway.accept_message(asked, idempotency_key="k1")
        assert again["id"] == sent["id"]
        await busy.until(sent["id"], "delivered")
        assert (await gateway.show_message(sent["id"]))["status"] == "delivered"
        second = await gateway.accept_message(asked)
        assert (second["status"], second["decision"]["reasons"][0]["rule"]) == ("deferred", "CO-FREQ-3d")
        assert (await gateway.cancel_message(second["id"]))["status"] == "cancelled"
        assert [each["id"] async for each in gateway.every_messages(limit=1)] == [second["id"], sent["id"]]
        with pytest.raises(Problem) as caught:
            await gateway.accept_message({**asked, "channel": "fax"})
        assert caught.value.status == 422
        assert caught.value.flaws[0].pointer == "/channel"
        with pytest.raises(Problem) as missing:
            await gateway.show_contact("nobody")
        assert missing.value.status == 404


def answers(*scripted: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A gateway out of sorts: answers in turn, and what it was asked."""
    seen: list[httpx.Request] = []
    left = list(scripted)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return httpx.MockTransport(answer), seen


def good(body: Any = None) -> httpx.Response:
    return httpx.Response(200, json=body or {"id": "x"})


#: What a hasty reader passes, and what the client says before it asks anything.
HASTY: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "an empty key": (lambda g: g.accept_message({}, idempotency_key=""), ValueError, "1 to 255 printable ASCII"),
    "a key with an accent": (
        lambda g: g.accept_message({}, idempotency_key="ñ"),
        ValueError,
        "1 to 255 printable ASCII",
    ),
    "an instant without an offset": (
        lambda g: g.decide({"at": datetime(2026, 11, 24, 10)}),
        ValueError,
        "needs its offset",
    ),
    "the same in a filter": (lambda g: g.list_messages(since=datetime(2026, 11, 24)), ValueError, "needs its offset"),
    "a set": (lambda g: g.accept_message({"channels": {"sms"}}), TypeError, "a set cannot be sent"),
    "no number": (lambda g: g.decide({"metadata": {"a": float("nan")}}), ValueError, "JSON"),
    "no sum": (lambda g: g.decide({"amount": Decimal("NaN")}), ValueError, "finite"),
}


@pytest.mark.parametrize(("ask", "kind", "said"), HASTY.values(), ids=HASTY.keys())
def test_what_no_gateway_could_read_is_said_before_it_is_asked(
    ask: Callable[[Any], Any], kind: type[Exception], said: str
) -> None:
    from tregua_client import Tregua

    transport, seen = answers()
    with Tregua("http://gateway.test", "key", transport=transport) as gateway, pytest.raises(kind, match=said):
        ask(gateway)
    assert seen == []
    with pytest.raises(ValueError, match="begins with https://"):
        Tregua("gateway.test", "key")


def test_instants_days_and_sums_are_written_as_the_gateway_reads_them() -> None:
    from tregua_client import Tregua

    transport, seen = answers(good(), good())
    at: Any = datetime(2026, 11, 24, 10, tzinfo=timezone(timedelta(hours=-5)))
    body: Any = {"at": at, "due": at.date(), "amount": Decimal("120000.50"), "round": Decimal(120_000).normalize()}
    with Tregua("http://gateway.test", "key", transport=transport) as gateway:
        gateway.decide(body)
        gateway.list_messages(since=at)
    assert json.loads(seen[0].content) == {
        "at": "2026-11-24T10:00:00-05:00",
        "due": "2026-11-24",
        "amount": "120000.50",
        "round": "120000",
    }
    assert seen[1].url.params["since"] == "2026-11-24T10:00:00-05:00"


def away(status: int = 503) -> httpx.Response:
    return httpx.Response(status, json={"title": "away"}, headers={"Retry-After": "0"})


@pytest.mark.parametrize(
    ("call", "scripted", "tries", "ends"),
    [
        (lambda g: g.show_message("m"), [httpx.ReadTimeout("x"), away(), good()], 3, "well"),
        (lambda g: g.accept_message({}), [httpx.ReadTimeout("x"), good()], 2, "well"),
        (lambda g: g.accept_batch([]), [away(), good([])], 2, "well"),
        (lambda g: g.cancel_message("m"), [httpx.ReadTimeout("x")], 1, "ReadTimeout"),
        (lambda g: g.cancel_message("m"), [away()], 1, "Problem"),
        (lambda g: g.cancel_message("m"), [httpx.ConnectError("x"), good()], 2, "well"),
        (lambda g: g.cancel_message("m"), [away(429), good()], 2, "well"),
        (lambda g: g.show_message("m"), [httpx.Response(500)], 1, "Problem"),
        (lambda g: g.show_message("m"), [away()] * 9, 4, "Problem"),
    ],
    ids=[
        "a read is repeated", "a message has a key and is repeated", "so is a batch, by the keys in it",
        "a cancelling whose answer was lost is not", "nor when the gateway took it and is away", "but when it never left",
        "or was turned away", "a fault of the gateway's is told", "and nothing is repeated for ever",
    ],
)  # fmt: skip
def test_only_what_is_safe_is_sent_again(
    call: Callable[[Any], Any], scripted: list[Any], tries: int, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tregua_client import Tregua

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    transport, seen = answers(*scripted)
    with Tregua("http://gateway", "tg_x", transport=transport) as gateway:
        try:
            call(gateway)
            ended = "well"
        except Exception as error:
            ended = type(error).__name__
    assert (len(seen), ended) == (tries, ends)
    assert len({request.headers.get("Idempotency-Key") for request in seen}) == 1


def test_an_event_is_read_only_when_it_is_signed() -> None:
    from datetime import UTC, datetime

    from tregua_client import Forged, verified

    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = json.dumps({"type": "message.sent", "id": "evt_1", "data": {}})
    now = datetime.now(UTC)
    headers = {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("evt_1", now, body),
    }
    assert verified(body.encode(), headers, ["whsec_" + "A" * 32, secret])["type"] == "message.sent"
    with pytest.raises(Forged):
        verified(body.replace("sent", "read"), headers, secret)
    with pytest.raises(Forged):
        verified(body, {**headers, "Webhook-Timestamp": "1"}, secret)


def test_a_key_never_stands_in_what_is_printed() -> None:
    from tregua_client import Tregua
    from tregua_client.request import Request

    assert "tg_secret" not in repr(vars(Tregua("http://gateway", "tg_secret")))
    assert "+57300" not in repr(Request("POST", "/v1/messages", body={"to": "+57300"}))
