"""HTTP/1.1 over bare protocols, as much as the bench needs: whole messages with a length, kept connections, no pipelining.

What stands on the same two cores as the system it measures must be cheap. Both sides here speak only to servers and clients
of this house, all of which announce the length of what they send.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"


def fields(head: bytes) -> dict[str, str]:
    """The header fields of a head, names in small letters."""
    return {
        name.decode("latin-1").lower(): value.strip().decode("latin-1")
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }


def answer(status: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A whole response."""
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status.encode(),
        content_type.encode(),
        len(body),
        body,
    )


class Unspoken(Exception):
    """The other side speaks HTTP in a way that this file does not."""


class _Whole(asyncio.Protocol):
    """Cuts a stream into whole messages."""

    def __init__(self) -> None:
        self._held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        while (end := held.find(_END)) >= 0:
            head = held[:end]
            whole = end + len(_END) + _length(head)
            if len(held) < whole:
                break
            body, held = held[end + len(_END) : whole], held[whole:]
            self.take(head, body)
        self._held = held

    def take(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


def _length(head: bytes) -> int:
    folded = head.lower()
    if b"\r\ntransfer-encoding:" in folded:
        raise Unspoken("a body in chunks")
    start = folded.find(_LENGTH)
    if start < 0:
        return 0
    start += len(_LENGTH)
    end = folded.find(b"\r\n", start)
    return int(folded[start:] if end < 0 else folded[start:end])


class Serving(_Whole):
    """One connection of a server; ``take`` is given (this connection, head, body) and answers by ``say``."""

    def __init__(self, take: Callable[["Serving", bytes, bytes], None]) -> None:
        super().__init__()
        self._take = take

    def take(self, head: bytes, body: bytes) -> None:
        self._take(self, head, body)

    def say(self, response: bytes) -> None:
        """Answer, unless the other side has gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(response)


class Calling(_Whole):
    """One kept connection of a client with at most one request in flight. A lost connection is told as status 0."""

    def __init__(self, told: Callable[["Calling", int, bytes], None]) -> None:
        super().__init__()
        self._told = told
        self._waiting = False

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent here any more."""
        return self.transport is None or self.transport.is_closing()

    def call(self, request: bytes) -> None:
        """Send one request; ``told`` hears of its end."""
        assert not self._waiting
        assert self.transport is not None
        self._waiting = True
        self.transport.write(request)

    def take(self, head: bytes, body: bytes) -> None:
        self._waiting = False
        self._told(self, int(head[9:12]), body)

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        if self._waiting:
            self._waiting = False
            self._told(self, 0, b"")


class Pool:
    """Requests to one port of this machine, at most so many at once, each with a word to be told its status to."""

    def __init__(self, port: int, open_max: int) -> None:
        self._port = port
        self._open_max = open_max
        self._open = 0
        self._idle: list[Calling] = []
        self._queue: deque[tuple[bytes, Callable[[int], None]]] = deque()
        self._ends: dict[Calling, Callable[[int], None]] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def call(self, request: bytes, told: Callable[[int], None]) -> None:
        """Send when there is room."""
        self._queue.append((request, told))
        self._go()

    def close(self) -> None:
        """Let go of the connections; requests in flight are told as lost."""
        for connection in (*self._idle, *self._ends):
            if connection.transport is not None:
                connection.transport.close()

    def _go(self) -> None:
        while self._queue:
            if self._idle:
                connection = self._idle.pop()
                if connection.lost:
                    self._open -= 1
                    continue
                self._send(connection)
            elif self._open < self._open_max:
                self._open += 1
                task = asyncio.get_running_loop().create_task(self._connect())
                self._connecting.add(task)
                task.add_done_callback(self._connecting.discard)
                return
            else:
                return

    def _send(self, connection: Calling) -> None:
        request, self._ends[connection] = self._queue.popleft()
        connection.call(request)

    async def _connect(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Calling(self._told), "127.0.0.1", self._port
            )
        except OSError:
            self._open -= 1
            if self._queue:
                _, told = self._queue.popleft()
                told(0)
            return
        self._idle.append(connection)
        self._go()

    def _told(self, connection: Calling, status: int, _: bytes) -> None:
        told = self._ends.pop(connection)
        if connection.lost:
            self._open -= 1
        else:
            self._idle.append(connection)
        told(status)
        self._go()
