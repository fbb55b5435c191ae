"""The one HTTP transport: a call is answered, or it is said precisely whether bytes may have left us.

That precision is what keeps a person from being written to twice: only a call of which nothing left may be made again.
aiohttp announces ``on_request_headers_sent`` just before the first byte is handed to the socket; before it come the wait
for a free connection, DNS, TCP and TLS. There are no retries, redirects, cookies or proxies from the environment here;
aiohttp itself repeats a GET or PUT on which the other side hung up, and never a POST: a call that makes a provider send is
made ``once``, whatever its method is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

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
    """Whether the request of one call has been handed to the socket."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


async def _leaves(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    flight = context.trace_request_ctx
    assert isinstance(flight, _Flight)
    flight.left = True


class _Once:
    """Stands in each try that aiohttp makes of one call (``client_middlewares``), and lets the first one through only."""

    def __init__(self) -> None:
        self._tried = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._tried:
            raise aiohttp.ClientError("would be made twice")
        self._tried = True
        return await handler(request)


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
        self._session: aiohttp.ClientSession | None = None
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
        sent = CIMultiDict(headers)
        # A compressed answer could unfold without end; nobody here needs one.
        sent["Accept-Encoding"] = "identity"
        try:
            async with self._opened().request(
                method,
                URL(url, encoded=True),
                data=body,
                headers=sent,
                allow_redirects=False,
                trace_request_ctx=flight,
                middlewares=(_Once(),) if once else (),
            ) as response:
                return Answered(status=response.status, headers=response.headers, body=await _body(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The type alone: texts of network errors carry hosts, and those of URLs carry addresses of people.
            reason = type(error).__name__
            return MayHaveLeft(reason=reason) if flight.left else NothingLeft(reason=reason)

    async def close(self) -> None:
        """Let go of every connection; calls made later say ``NothingLeft``."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_leaves)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections_max, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trace_configs=[trace],
                trust_env=False,
                auto_decompress=False,
                raise_for_status=False,
            )
        return self._session


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body, or None: then the status still holds, for it came first."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.content.iter_any():
            size += len(part)
            if size > ANSWER_BYTES_MAX:
                return None
            parts.append(part)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    return b"".join(parts)
