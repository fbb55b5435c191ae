"""Counts what the house does for Prometheus, at the seams where it is done, and shows a worker's own page."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.listening import listening
from gateway.metrics import Metrics
from gateway.receive import Receiver
from gateway.ways.circuits import Circuits
from vocabulary.outcome import Outcome, Receipt, Reply, ending_name

GRACE_SECONDS: Final = 1.0


class CountingCircuits(Circuits):
    """Every ending of an attempt passes by here on its way to the state of its way."""

    def __init__(self, redis: Any, metrics: Metrics) -> None:
        super().__init__(redis)
        self._metrics = metrics

    def note(self, way: str, outcome: Outcome) -> None:
        """One attempt by a way has ended so."""
        self._metrics.attempts.labels(way, ending_name(outcome)).inc()
        super().note(way, outcome)


class CountingReceiver(Receiver):
    """What providers tell, by provider and kind."""

    def __init__(self, *, metrics: Metrics, **more: Any) -> None:
        super().__init__(**more)
        self._metrics = metrics

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        """Keep what was told, and count it once it is kept."""
        await super().put(provider, received, raw)
        for item in received:
            kind = item.kind.value if isinstance(item, Receipt) else "reply"
            self._metrics.receipts.labels(provider, kind).inc()


@asynccontextmanager
async def shown(metrics: Metrics, host: str, port: int | None) -> AsyncIterator[int | None]:
    """The worker's metrics at ``/metrics``, while this is open; the port, None where none was asked for. Raises CannotListen."""
    if port is None:
        yield None
        return

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        with listening("[metrics] worker_host and worker_port", host, port):
            await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
