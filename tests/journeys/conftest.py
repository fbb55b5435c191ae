"""The whole gateway, as the tests of the roof have it, and an endpoint of a CRM."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.gateway.conftest import busy, quiet

__all__ = ["Crm", "busy", "crm", "quiet"]


@dataclass
class Crm:
    """An endpoint of a CRM. ``down``: it answers 503. What it took is kept in the order in which it came."""

    url: str = ""
    down: bool = False
    refused: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Keep what came, or refuse it."""
        body = await request.read()
        if self.down:
            self.refused += 1
            return web.Response(status=503)
        self.got.append((dict(request.headers), body))
        return web.Response()

    def events(self) -> list[dict[str, Any]]:
        """What it took."""
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
async def crm() -> AsyncIterator[Crm]:
    """One on loopback."""
    found = Crm()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()
