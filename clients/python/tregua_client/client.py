"""The two clients: the same operations, one to be called, one to be awaited."""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tregua_client.operations import AsyncOperations, Operations
from tregua_client.request import Request

TIMEOUT_SECONDS: Final = 30.0
VERSION: Final = "0.1.0"


def _headers(key: str) -> dict[str, str]:
    if not key or not key.isascii() or any(letter.isspace() for letter in key):
        raise ValueError("an API key is printable ASCII without spaces")
    return {"Authorization": f"Bearer {key}", "User-Agent": f"tregua-client-python/{VERSION}"}


def _base(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("a gateway's address begins with https:// (or http:// on this machine)")
    return url


class Tregua(Operations):
    """A gateway, to be called. Safe to share between threads; close it, or use it as a context."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``url`` is the gateway's public address, ``key`` an API key of one tenant. Connects to nothing yet."""
        self._client = httpx.Client(
            base_url=_base(url),
            headers=_headers(key),
            timeout=timeout_seconds,
            transport=transport,
            follow_redirects=False,
        )

    def _send(self, request: Request, /) -> Any:
        tried = 0
        while True:
            tried += 1
            response: httpx.Response | None = None
            error: httpx.TransportError | None = None
            try:
                response = self._client.send(request.build(self._client))
            except httpx.TransportError as raised:
                error = raised
            gap = request.gap_seconds(tried, response, error)
            if gap is None:
                if error is not None:
                    raise error
                assert response is not None
                return request.answered(response)
            time.sleep(gap)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTregua(AsyncOperations):
    """A gateway, to be awaited. Use it in one event loop; close it, or use it as a context."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``url`` is the gateway's public address, ``key`` an API key of one tenant. Connects to nothing yet."""
        self._client = httpx.AsyncClient(
            base_url=_base(url),
            headers=_headers(key),
            timeout=timeout_seconds,
            transport=transport,
            follow_redirects=False,
        )

    async def _send(self, request: Request, /) -> Any:
        tried = 0
        while True:
            tried += 1
            response: httpx.Response | None = None
            error: httpx.TransportError | None = None
            try:
                response = await self._client.send(request.build(self._client))
            except httpx.TransportError as raised:
                error = raised
            gap = request.gap_seconds(tried, response, error)
            if gap is None:
                if error is not None:
                    raise error
                assert response is not None
                return request.answered(response)
            await asyncio.sleep(gap)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
