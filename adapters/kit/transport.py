"""The one HTTP transport: a call is answered, or it is said precisely whether bytes may have left us.

That precision is what keeps a person from being written to twice: only a call of which nothing left may be made again.
``Wire`` says so just before the first byte is handed to the socket; before it come the wait for a free connection, DNS, TCP
and TLS. There are no redirects, cookies or proxies from the environment here, and no retries but one: a GET or PUT on which the
other side hung up is asked again, and never a POST. A call that makes a provider send is made ``once``, whatever its method is.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp.http import RawResponseMessage
from yarl import URL

from adapters.kit.wire import Wire, whole
from vocabulary.values import quickly_made

#: The whole of one call, from the wait for a connection to the last byte of the answer (``CALL`` of the design).
CALL_SECONDS: Final = 20.0
#: The wait for a free connection, DNS, TCP and TLS together.
CONNECT_SECONDS: Final = 8.0
#: An idle connection is given up before a provider gives it up: 60 s is the usual limit of load balancers.
IDLE_SECONDS: Final = 25.0
CONNECTIONS_MAX: Final = 100
ANSWER_BYTES_MAX: Final = 1024 * 1024
# aiohttp rounds longer time-outs up to a whole second unless told otherwise; the limit is used in sums of law.
_NEVER_ROUNDED: Final = 1e9
#: RFC 9110, section 9.2.2, but for DELETE, which nobody here makes.
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT"})


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The other side answered. ``body`` is None when it came broken, compressed or longer than ``ANSWER_BYTES_MAX``."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingLeft:
    """Provably no byte of the request left this process. ``reason`` names no address and no secret."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MayHaveLeft:
    """The request may have arrived; nobody answered. ``reason`` names no address and no secret."""

    reason: str


Exchange = Answered | NothingLeft | MayHaveLeft


class _Flight:
    """How far one call has come: whether its request has been handed to the socket, and what was answered."""

    __slots__ = ("answered", "left")

    def __init__(self) -> None:
        self.left = False
        self.answered: Answered | None = None

    def leaves(self) -> None:
        """The first byte goes now."""
        self.left = True

    async def take(self, message: RawResponseMessage, payload: aiohttp.StreamReader) -> Answered:
        """The answer, with its whole body or None. Whatever becomes of the body, the status holds, for it came first."""
        self.answered = Answered(status=message.code, headers=message.headers, body=None)
        if message.headers.get("Content-Encoding", "identity").lower() != "identity":
            return self.answered
        body = await whole(payload, ANSWER_BYTES_MAX)
        return Answered(status=message.code, headers=message.headers, body=body)


class Transport:
    """A pool of connections to one provider. Safe for concurrent calls; belongs to the event loop of its first call."""

    def __init__(
        self,
        *,
        call_seconds: float | None = None,
        connect_seconds: float | None = None,
        connections_max: int | None = None,
    ) -> None:
        call_seconds = CALL_SECONDS if call_seconds is None else call_seconds
        connect_seconds = CONNECT_SECONDS if connect_seconds is None else connect_seconds
        self._timeout = aiohttp.ClientTimeout(
            total=call_seconds, connect=min(connect_seconds, call_seconds), ceil_threshold=_NEVER_ROUNDED
        )
        self._connections_max = CONNECTIONS_MAX if connections_max is None else connections_max
        self._connector: aiohttp.TCPConnector | None = None
        self._wire: Wire | None = None
        self._closed = False

    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, once: bool = False
    ) -> Exchange:
        """Make one call; with ``once``, never a second time by any method.

        A cancelled call raises ``CancelledError``: whoever cancels a send must take it for ``MayHaveLeft``.
        """
        if self._closed:
            return NothingLeft(reason="this way out is closed")
        flight = _Flight()
        # A compressed answer could unfold without end; nobody here needs one.
        sent = {**headers, "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(self._timeout.total):
                return await self._call(method, URL(url, encoded=True), sent, body, flight, again=not once)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if flight.answered is not None:
                return flight.answered
            # The type alone: texts of network errors carry hosts, and those of URLs carry addresses of people.
            reason = type(error).__name__
            return MayHaveLeft(reason=reason) if flight.left else NothingLeft(reason=reason)

    async def close(self) -> None:
        """Let go of every connection; calls made later say ``NothingLeft``."""
        self._closed = True
        connector, self._connector, self._wire = self._connector, None, None
        if connector is not None:
            await connector.close()

    async def _call(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, flight: _Flight, *, again: bool
    ) -> Answered:
        try:
            return await self._opened().call(method, url, headers, body, flight.take, flight.leaves)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A kept connection may have been closed just now. Who only asks may ask again; nothing that sends does.
            if not (again and flight.left and method in _REPEATABLE):
                raise
        return await self._opened().call(method, url, headers, body, flight.take, flight.leaves)

    def _opened(self) -> Wire:
        if self._wire is None:
            self._connector = aiohttp.TCPConnector(limit=self._connections_max, keepalive_timeout=IDLE_SECONDS)
            self._wire = Wire(self._connector, connect=self._timeout)
        return self._wire
