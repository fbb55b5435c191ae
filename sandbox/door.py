"""The port on which the simulated carriers listen: it can be shut, so that a connection is really refused."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.latch import Latch


class Door:
    """One listening address in front of an application. Shut, the port stays ours and the kernel answers every SYN with RST."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._busy: set[object] = set()
        app.middlewares.append(self._noted)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, auto_decompress=False)
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._latch = Latch(self._listen)

    @property
    def port(self) -> int:
        """The port, once ``open`` has returned."""
        return self._port

    async def open(self) -> None:
        """Bind and listen."""
        await self._runner.setup()
        self._bind()
        await self._listen()

    async def shut(self, seconds: float) -> None:
        """Refuse connections for so long, and end those that are idle: they would hide it."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._bind()
        protocols = self._runner.server
        assert protocols is not None
        for connection in list(protocols.connections):
            if connection in self._busy:
                connection.close()
            else:
                # ``close`` would leave an idle connection open and answer nobody on it.
                connection.force_close()
        await self._latch.after(seconds)

    async def reopen(self) -> None:
        """Listen again now."""
        await self._latch.now()

    async def close(self) -> None:
        """Stop for good."""
        self._latch.stop()
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        await self._runner.cleanup()

    @web.middleware
    async def _noted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)

    def _bind(self) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind((self._host, self._port))
        except OSError:
            bound.close()
            raise
        self._port = bound.getsockname()[1]
        self._socket = bound

    async def _listen(self) -> None:
        if self._server is not None or self._socket is None:
            return
        bound, self._socket = self._socket, None
        protocols = self._runner.server
        assert protocols is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(protocols, sock=bound, backlog=1024)
