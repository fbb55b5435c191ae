"""Shows the sandbox, which is a process of its own, at ``/sandbox`` of the gateway's port."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from sandbox.problem import BODY_BYTES_MAX, Problem

#: A reply waits for the gateway's own hook to answer, which has 15 s.
FORWARD_SECONDS_MAX: Final = 20.0

_TO_SANDBOX: Final = ("Accept", "Content-Type", "Sec-Fetch-Site")
_FROM_SANDBOX: Final = (
    "Cache-Control",
    "Content-Security-Policy",
    "Content-Type",
    "Referrer-Policy",
    "X-Content-Type-Options",
)


def mount(app: web.Application, sandbox_url: str) -> None:
    """Add ``/sandbox`` and what lies below it to ``app``; ``sandbox_url`` is where the sandbox listens (``http://127.0.0.1:…``)."""
    forward = _Forward(sandbox_url.rstrip("/"))
    app.cleanup_ctx.append(forward.running)
    app.router.add_route("*", "/sandbox", forward.take)
    app.router.add_route("*", "/sandbox/{tail:.*}", forward.take)


class _Forward:
    def __init__(self, sandbox_url: str) -> None:
        self._url = sandbox_url
        self._session: aiohttp.ClientSession

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=FORWARD_SECONDS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        yield
        await self._session.close()

    async def take(self, request: web.Request) -> web.Response:
        """Pass one request on, and its answer back."""
        body = b""
        async for part in request.content.iter_any():
            body += part
            if len(body) > BODY_BYTES_MAX:
                return Problem(413, "too-large", "The body is too large").response()
        headers = {name: request.headers[name] for name in _TO_SANDBOX if name in request.headers}
        try:
            async with self._session.request(
                request.method,
                URL(self._url + request.raw_path, encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                kept = {name: answer.headers[name] for name in _FROM_SANDBOX if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Problem(503, "unavailable", "The sandbox is not running").response()
