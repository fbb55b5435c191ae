"""The one SMTP transport: a mail is taken, refused, or it is said precisely whether its final dot may have left us.

That dot is the border (RFC 5321 section 4.1.1.4, RFC 1047): a host that has not seen it must not deliver, a host that has may
have delivered whatever happens to its answer. So the body goes out first, its last byte is waited for, and only then the dot.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from adapters.kit import transport
from adapters.kit.transport import MayHaveLeft, NothingLeft

#: RFC 5321 asks for minutes; the law's arithmetic allows a call twenty seconds (``transport.CALL_SECONDS``).
CONNECTIONS_MAX: Final = 20
#: Hosts let go of idle connections after 30 s (Exim, some relays) or more; ours are given up before.
IDLE_SECONDS: Final = 20.0
#: Postfix and others limit the mails of one connection; a fresh one costs little then.
MAILS_PER_CONNECTION_MAX: Final = 100
#: How long a host is told goodbye when the way out is closed.
QUIT_SECONDS: Final = 1.0
FLUSH_STEP_SECONDS: Final = 0.005
#: What the kernel may hold of a body that the host does not read: what is beyond it is known to be unread.
SEND_BUFFER_BYTES: Final = 64 * 1024
REPLY_CHARACTERS_MAX: Final = 500

#: Enhanced codes (RFC 3463 section 3.2, RFC 7505) by which a host says that there is no such address, now or ever: bad mailbox,
#: bad system, bad syntax, moved without a trace, a domain that takes no mail. 5.2.x (full, disabled) are of a mailbox that exists.
ADDRESS_INVALID: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})

_LINE_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_DOT_FIRST: Final = re.compile(rb"(?m)^\.")


class Tls(StrEnum):
    """How a connection is made private. ``NONE`` is for loopback only; whoever makes settings refuses it elsewhere."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class Stage(StrEnum):
    """Where in a mail's submission a host said no."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A submission host. Name and password are given together or not at all."""

    host: str
    port: int
    tls: Tls
    #: What we call ourselves in EHLO.
    local_name: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    #: A file of certificates to trust instead of the system's.
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail for one recipient. ``envelope_id`` and ``notify`` are of RFC 3461, ``by_seconds`` of RFC 2852: told where known."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    envelope_id: str
    notify: str
    by_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The host answered 2xx to the final dot."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The host answered 4xx or 5xx. ``text`` is its own and may repeat an address."""

    stage: Stage
    code: int
    text: str = field(repr=False)


Submission = Taken | Refused | NothingLeft | MayHaveLeft


class _Said(Exception):
    """Carries a refusal out of the conversation."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.stage)
        self.refused = refused


@dataclass(slots=True)
class _Connection:
    client: aiosmtplib.SMTP
    idle_since: float = 0.0
    mails: int = 0
    #: After a refusal the host still holds half a mail, and is told to forget it before the next.
    half: bool = False


@dataclass(slots=True)
class _Flight:
    """How far one submission has come."""

    #: Whether anything of it was said to a host.
    begun: bool = False
    #: Whether the final dot was handed to the socket.
    dotted: bool = False


class MailTransport:
    """A pool of kept connections to one host. Safe for concurrent calls; belongs to the event loop of its first call."""

    def __init__(
        self, host: Host, *, call_seconds: float | None = None, connections_max: int = CONNECTIONS_MAX
    ) -> None:
        self._host = host
        self._call_seconds = transport.CALL_SECONDS if call_seconds is None else call_seconds
        self._connect_seconds = min(transport.CONNECT_SECONDS, self._call_seconds)
        self._room = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []
        self._closed = False
        self._context: ssl.SSLContext | None = None

    async def submit(self, letter: Letter) -> Submission:
        """Submit one mail, once.

        A cancelled call raises ``CancelledError``: whoever cancels a send must take it for ``MayHaveLeft``.
        """
        if self._closed:
            return NothingLeft(reason="this way out is closed")
        flight = _Flight()
        try:
            async with asyncio.timeout(self._call_seconds), self._room:
                return await self._submitted(letter, flight)
        except _Said as said:
            return said.refused
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError) as error:
            # The type and the code alone: texts of hosts carry addresses, those of network errors carry hosts.
            reason = _named(error)
            return MayHaveLeft(reason=reason) if flight.dotted else NothingLeft(reason=reason)

    async def close(self) -> None:
        """Let go of every connection; calls made later say ``NothingLeft``."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await connection.client.quit(timeout=QUIT_SECONDS)
            connection.client.close()

    async def _submitted(self, letter: Letter, flight: _Flight) -> Taken:
        while True:
            kept = self._kept()
            try:
                async with self._held(kept or await self._opened()) as connection:
                    return await self._spoken(connection, letter, flight)
            except (aiosmtplib.SMTPResponseException, ConnectionError):
                # A kept connection that the host had given up meanwhile: nothing of this mail was heard by anyone.
                if kept is None or flight.begun:
                    raise

    async def _spoken(self, connection: _Connection, letter: Letter, flight: _Flight) -> Taken:
        client = connection.client
        if connection.half:
            await client.rset()
            connection.half = False
        dsn = client.supports_extension("dsn")
        of_mail = [f"SIZE={len(letter.content)}"] if client.supports_extension("size") else []
        if dsn:
            of_mail += ["RET=HDRS", f"ENVID={letter.envelope_id}"]
        if client.supports_extension("deliverby"):
            of_mail.append(f"BY={letter.by_seconds};R")
        reply = await _asked(client, f"MAIL FROM:<{letter.sender}>", *of_mail)
        if reply.code == 421 and connection.mails and not flight.begun:
            # https://www.rfc-editor.org/rfc/rfc5321#section-3.8: it closes the channel, as it may after a while.
            raise aiosmtplib.SMTPResponseException(reply.code, "closed by the host")
        flight.begun = True
        _expect(reply, Stage.SENDER, 2)
        of_recipient = [f"NOTIFY={letter.notify}"] if dsn else []
        _expect(await _asked(client, f"RCPT TO:<{letter.recipient}>", *of_recipient), Stage.RECIPIENT, 2)
        _expect(await _asked(client, "DATA"), Stage.CONTENT, 3)
        protocol = client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("lost before the body")
        body = _DOT_FIRST.sub(b"..", _LINE_ENDS.sub(b"\r\n", letter.content))
        protocol.write(body if body.endswith(b"\r\n") else body + b"\r\n")
        await _flushed(protocol)
        flight.dotted = True
        protocol.write(b".\r\n")
        reply = await protocol.read_response()
        _expect(reply, Stage.CONTENT, 2)
        return Taken(code=reply.code)

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.client.is_connected and time.monotonic() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.client.close()
        return None

    async def _opened(self) -> _Connection:
        host = self._host
        client = aiosmtplib.SMTP(
            hostname=host.host,
            port=host.port,
            local_hostname=host.local_name,
            username=host.username,
            password=host.password,
            timeout=self._call_seconds,
            use_tls=host.tls is Tls.IMPLICIT,
            start_tls=host.tls is Tls.STARTTLS,
            tls_context=None if host.tls is Tls.NONE else self._trusting(),
        )
        async with asyncio.timeout(self._connect_seconds):
            try:
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
                client.get_transport_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            except BaseException:
                client.close()
                raise
        return _Connection(client)

    def _trusting(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._host.ca_file)
        return self._context

    @contextlib.asynccontextmanager
    async def _held(self, connection: _Connection) -> AsyncIterator[_Connection]:
        """Give a connection back when its conversation ended in order, and end it when it did not."""
        try:
            yield connection
        except _Said:
            connection.half = True
            self._give_back(connection)
            raise
        except BaseException:
            connection.client.close()
            raise
        self._give_back(connection)

    def _give_back(self, connection: _Connection) -> None:
        connection.mails += 1
        if self._closed or connection.mails >= MAILS_PER_CONNECTION_MAX or not connection.client.is_connected:
            connection.client.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)


async def _asked(client: aiosmtplib.SMTP, *words: str) -> aiosmtplib.SMTPResponse:
    return await client.execute_command(" ".join(words).encode("ascii"))


def _expect(reply: aiosmtplib.SMTPResponse, stage: Stage, kind: int) -> None:
    """Raise what the host said, unless it is of the kind that lets the conversation go on."""
    if reply.code // 100 == kind:
        return
    if reply.code // 100 in (4, 5):
        raise _Said(Refused(stage=stage, code=reply.code, text=reply.message[:REPLY_CHARACTERS_MAX]))
    raise aiosmtplib.SMTPResponseException(reply.code, "an answer that is none")


async def _flushed(protocol: SMTPProtocol) -> None:
    """Wait until the kernel has the whole body; raise when the connection is gone first."""
    while True:
        # One turn, so that an end which has come in already is heard before the dot.
        await asyncio.sleep(0)
        wire = cast(asyncio.WriteTransport | None, protocol.transport)
        if wire is None or wire.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("lost before the final dot")
        if not wire.get_write_buffer_size():
            return
        await asyncio.sleep(FLUSH_STEP_SECONDS)


def _named(error: BaseException) -> str:
    code = getattr(error, "code", None)
    name = type(error).__name__
    return f"{name} {code}" if isinstance(code, int) and 200 <= code < 600 else name
