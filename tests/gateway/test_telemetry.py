"""One trace a message, as a collector of OpenTelemetry receives it: from the CRM's request to what the CRM is told."""

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.settings import Wrong, read
from tests.gateway.town import Town, message, number, person, town

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
#: The keys of messages here; each goes to a number of its own, since the law lets each person be written to once.
NUMBERS = ("one", "two", "three")
#: What one message that is sent, delivered and told of comes to; the worker decides it once more, as every message.
WHOLE = {
    "POST /v1/messages",
    "message.accept",
    "message.decide",
    "message.reserve",
    "provider.send",
    "provider.receipt",
    "crm.deliver",
}


@dataclass
class Collector:
    """Takes OTLP/HTTP in protobuf, and answers as one does."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """One export."""
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        for resource in told.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert names["service.name"] == "tregua"
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def of(self, trace: str) -> list[Span]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", found.take)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    yield found
    await runner.cleanup()


@pytest.fixture
async def crm() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A CRM's endpoint, and the heads of what it was told."""
    heads: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        heads.append(dict(request.headers))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", heads
    await runner.cleanup()


async def all_told(place: Town, seconds: float = 120.0) -> None:
    """Return once the CRM has taken every event there is."""
    deadline = asyncio.get_running_loop().time() + seconds
    while await place.rows("SELECT FROM crm_delivery WHERE state <> 'delivered'"):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def told(place: Town, parent: str | None, key: str) -> str:
    """Send one message under a trace; its id once it was delivered."""
    given = {} if parent is None else {"traceparent": parent}
    body = message(
        person(f"ana-{key}", number(NUMBERS.index(key)), name="Ana Canario"), metadata={"campaign": "canary"}
    )
    status, answered, _ = await place.call("POST", "/v1/messages", body, **{"Idempotency-Key": key, **given})
    assert status == 202, answered
    await place.until(answered["id"], "delivered", "read", seconds=120)
    return str(answered["id"])


async def test_a_message_is_one_trace_from_the_crm_s_request_to_what_the_crm_is_told(
    own_url: str, redis_url: str, tmp_path: Path, collector: Collector, crm: tuple[str, list[dict[str, str]]]
) -> None:
    hook, heads = crm
    database = own_url
    async with town(database, redis_url, tmp_path, traces_url=collector.url) as place:
        status, _, _ = await place.call("POST", "/v1/webhooks", {"url": hook})
        assert status == 201
        place.start_worker()
        identity = await told(place, f"00-{TRACE}-{PARENT}-01", "one")
        await all_told(place)
        assert [TRACE in head["traceparent"] for head in heads] == [True] * max(1, len(heads))
        # What the CRM did not ask to be recorded is not, and its header is no reason to refuse it.
        unsampled = await told(place, f"00-{'a' * 32}-{PARENT}-00", "two")
        broken = await told(place, "nonsense", "three")
        await all_told(place)
        await place.stop_workers()
    spans = collector.of(TRACE)
    assert {span.name for span in spans} == WHOLE
    # Everything hangs together: every parent is the CRM's span or one of these.
    known = {span.span_id for span in spans} | {bytes.fromhex(PARENT)}
    assert all(span.parent_span_id in known for span in spans)
    [request] = [span for span in spans if span.name == "POST /v1/messages"]
    assert request.parent_span_id.hex() == PARENT
    facts = {(span.name, a.key): a.value for span in spans for a in span.attributes}
    assert facts["message.accept", "tregua.message"].string_value == identity
    assert facts["message.decide", "tregua.outcome"].string_value == "allow"
    assert facts["provider.send", "tregua.ending"].string_value == "sent"
    assert facts["POST /v1/messages", "http.response.status_code"].int_value == 202
    assert sum(span.name == "message.decide" for span in spans) == 2
    [ours] = {s.trace_id.hex() for s in collector.spans for a in s.attributes if a.value.string_value == broken}
    assert ours != TRACE
    assert {span.name for span in collector.of(ours)} == WHOLE
    assert not collector.of("a" * 32)
    whole = b"".join(collector.raw)
    assert unsampled.encode() not in whole
    for canary in (b"Canario", b"canary", number(0)[1:].encode(), b"cuota"):
        assert canary not in whole


async def test_without_a_collector_nothing_is_kept_and_nothing_imported(busy: Town) -> None:
    await told(busy, f"00-{TRACE}-{PARENT}-01", "one")
    [row] = await busy.rows("SELECT ask::jsonb ? 'trace' AS there FROM message")
    assert row["there"] is False
    asked = "import sys, gateway.compose; print([m for m in sys.modules if 'opentelemetry' in m or 'protobuf' in m])"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.strip() == "[]"


NEEDED = {
    "TREGUA_DATABASE_URL": "postgresql://x",
    "TREGUA_REDIS_URL": "redis://x",
    "TREGUA_PUBLIC_URL": "https://x.example",
    "TREGUA_SECRET_KEY": "x" * 40,
}
ADDRESSES: dict[str, tuple[dict[str, str], str | None]] = {
    "none": ({}, None),
    "one for everything": ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
    "one for traces": (
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/t", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
        "https://c/t",
    ),
    "switched off": ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
}


@pytest.mark.parametrize(("given", "url"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_the_collector_is_named_as_opentelemetry_names_it(given: dict[str, str], url: str | None) -> None:
    assert read({**NEEDED, **given}).traces_url == url


def test_an_address_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(Wrong, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        read({**NEEDED, "OTEL_EXPORTER_OTLP_ENDPOINT": "collector"})
