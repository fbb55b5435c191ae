"""One HTTP/1.1 call over aiohttp's connections and its parser, without a session around it.

A session (redirects, cookies, proxies, middlewares, traces, a request and a response object for each call) is two thirds of what
a call costs, and none of it is wanted here. What stays aiohttp's: the pool with its limit, DNS, TCP, TLS, and reading the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import SERVER_SOFTWARE, RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

T = TypeVar("T")

#: Where calls go: few in a process. Beyond so many the oldest is made anew when it is needed.
HOSTS_KEPT_MAX: Final = 256
READ_BYTES: Final = 64 * 1024
#: Methods whose calls have no body unless one is given (RFC 9110, section 8.6).
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SWITCHING: Final = 101


class NotHttpError(aiohttp.ClientError):
    """What came back is not an answer of HTTP."""


class Wire:
    """The connections of one pool. Belongs to the event loop in which it is made."""

    def __init__(self, connector: aiohttp.BaseConnector, *, connect: aiohttp.ClientTimeout) -> None:
        self._connector = connector
        self._connect = connect
        self._hosts: dict[tuple[str, str | None, int | None], aiohttp.ClientRequest] = {}

    async def call(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        take: Callable[[RawResponseMessage, aiohttp.StreamReader], Awaitable[T]],
        leaving: Callable[[], None] = lambda: None,
    ) -> T:
        """What ``take`` makes of the answer. ``leaving`` is called just before the first byte goes to the socket.

        Raises ``aiohttp.ClientError``, ``TimeoutError`` or ``OSError``; ``ValueError`` where a header would break the line.
        The limit of the whole call is the caller's; of the wait for a connection, DNS, TCP and TLS, ours.
        """
        host = self._host(url)
        sent = _head(method, url, host.headers["Host"], headers, body)
        if body:
            sent += body
        connection = await self._connector.connect(host, [], self._connect)
        try:
            protocol, transport = _open(connection)
            protocol.set_response_params(
                skip_payload=method == "HEAD", read_until_eof=True, auto_decompress=False, read_bufsize=READ_BYTES
            )
            leaving()
            transport.write(sent)
            try:
                message, payload = await protocol.read()
                while message.code < 200 and message.code != _SWITCHING:
                    message, payload = await protocol.read()
            except HttpProcessingError as error:
                raise NotHttpError from error
            taken = await take(message, payload)
        except BaseException:
            connection.close()
            raise
        # A connection whose answer was not read to its end is not kept; aiohttp sees to that.
        connection.release()
        return taken

    def _host(self, url: URL) -> aiohttp.ClientRequest:
        """What the connector asks of a request: where it goes. The same for all calls to one host."""
        key = (url.scheme, url.raw_host, url.port)
        found = self._hosts.get(key)
        if found is None:
            if len(self._hosts) >= HOSTS_KEPT_MAX:
                del self._hosts[next(iter(self._hosts))]
            origin = URL.build(scheme=url.scheme, host=url.raw_host or "", port=url.port, path="/", encoded=True)
            found = self._hosts[key] = aiohttp.ClientRequest("GET", origin)
        return found


def _open(connection: Connection) -> tuple[ResponseHandler, asyncio.Transport]:
    """Its two ends. Raises ``ClientConnectionResetError`` where the other side has closed it: then nothing can leave."""
    protocol = connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the other side has closed it")
    return protocol, transport


def _head(method: str, url: URL, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The request up to its body, with what aiohttp's own client would add."""
    named = {name.lower() for name in headers}
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1"]
    if "host" not in named:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if "accept" not in named:
        lines.append("Accept: */*")
    if "user-agent" not in named:
        lines.append(f"User-Agent: {SERVER_SOFTWARE}")
    if body is not None and "content-type" not in named:
        lines.append("Content-Type: application/octet-stream")
    if body is not None or method not in _BODILESS:
        lines.append(f"Content-Length: {len(body or b'')}")
    text = "\r\n".join(lines)
    ends = len(lines) - 1
    # No header and no address brings a line of its own (CWE-113).
    if text.count("\r") != ends or text.count("\n") != ends or "\x00" in text or " " in url.raw_path_qs:
        raise ValueError("a header or an address with an end in it")
    return f"{text}\r\n\r\n".encode()


async def whole(payload: aiohttp.StreamReader, bytes_max: int) -> bytes | None:
    """A body to its end, or None when it is longer or breaks off."""
    parts: list[bytes] = []
    size = 0
    try:
        while not payload.at_eof():
            part = await payload.readany()
            size += len(part)
            if size > bytes_max:
                return None
            parts.append(part)
    except (aiohttp.ClientError, OSError):
        return None
    return parts[0] if len(parts) == 1 else b"".join(parts)
