"""One process each: the API and the worker, from settings to a clean end at SIGTERM or Ctrl-C."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
import uvloop
from aiohttp import web

from gateway.api.app import SERVER
from gateway.compose import Pace, api, house, worker
from gateway.counting import shown
from gateway.listening import listening
from gateway.logs import configure
from gateway.settings import Settings

log = structlog.get_logger()

#: How long open requests may take to end after a stop was asked for.
GRACE_SECONDS: Final = 10.0


def run(settings: Settings, process: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Run one process until it is told to stop."""
    configure(settings.log_level)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await process(settings, stop)

    uvloop.run(main())


async def serve(
    settings: Settings, stop: asyncio.Event, *, extend: Callable[[web.Application], Any] = lambda _app: None
) -> None:
    """The API. ``extend`` may add to the application before it starts (the sandbox does)."""
    async with house(settings) as made:
        app = api(made)
        extend(app)
        runner = web.AppRunner(app, shutdown_timeout=GRACE_SECONDS, **SERVER)
        try:
            await runner.setup()
            with listening("TREGUA_HOST and TREGUA_PORT", settings.host, settings.port):
                await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            _settle_memory()
            log.info("api.ready", url=settings.public_url)
            await stop.wait()
        finally:
            await runner.cleanup()


async def work(settings: Settings, stop: asyncio.Event, *, pace: Pace | None = None) -> None:
    """The worker."""
    async with house(settings, pace=pace) as made:
        working = worker(made)
        _settle_memory()
        port = await made.stack.enter_async_context(shown(made.metrics, settings.worker_host, settings.worker_port))
        log.info("worker.ready", port=port)

        async def until_stopped() -> None:
            await stop.wait()
            working.stop()

        stopper = asyncio.create_task(until_stopped())
        try:
            await working.run()
        finally:
            stopper.cancel()


def _settle_memory() -> None:
    """What stands after the start stays: the collector need not walk it at every turn."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
