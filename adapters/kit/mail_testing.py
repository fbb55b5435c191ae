"""The bench on which every way out by SMTP is tried: a scripted mail host on loopback, and what its table must bring.

The counterpart of ``testing.py`` for what is not HTTP. It is written on bare sockets, so that it can stop in the middle of a
word, and it counts final dots: each is one mail that a host may deliver.
"""

import asyncio
import base64
import datetime as calendar
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LINE_BYTES_MAX: Final = 64 * 1024
#: The receiving socket's buffer: small, so that a host which stops reading is felt in the middle of a body.
BUFFER_BYTES: Final = 4096

#: RFC 5321 section 4.1.2: a path and its parameters.
_PATH: Final = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^"<>\s])*)>((?: \S+)*)')


class Phase(IntEnum):
    """Where in a conversation something happens. The first four are of a connection, the rest of one mail."""

    GREETING = 0
    EHLO = 1
    STARTTLS = 2
    AUTH = 3
    MAIL = 4
    RCPT = 5
    DATA = 6
    BODY = 7
    DOT = 8


@dataclass(frozen=True, slots=True)
class Word:
    """The host answers so."""

    code: int
    text: str = "so it is"


@dataclass(frozen=True, slots=True)
class Silence:
    """The host reads and never answers."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The host ends the connection in good order (FIN)."""


@dataclass(frozen=True, slots=True)
class Break:
    """The host breaks the connection (RST)."""


@dataclass(frozen=True, slots=True)
class Babble:
    """The host says something that is no SMTP."""


Act = Word | Silence | Goodbye | Break | Babble


@dataclass(frozen=True, slots=True)
class Turn:
    """One act at one phase; what comes before goes well."""

    phase: Phase
    act: Act


@dataclass(slots=True, kw_only=True)
class SeenMail:
    """One mail, as far as it came."""

    sender: str = ""
    sender_words: Sequence[str] = ()
    recipient: str = ""
    recipient_words: Sequence[str] = ()
    content: bytes = field(default=b"", repr=False)
    dotted: bool = False
    private: bool = False
    login: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDemands:
    """What one provider says by SMTP; each adapter's tests bring one, and nothing in it may be left out."""

    #: The table of ``tregua.toml`` for a host at ``host:port``: in the open, and by STARTTLS under this file of certificates.
    table: Callable[[str], Mapping[str, object]]
    private_table: Callable[[str, Path], Mapping[str, object]]
    #: Whatever in those tables may never be seen in a log or in a ``repr``.
    secrets: Sequence[str]
    username: str
    password: str
    #: Settings that may be left out of ``table``.
    optional: frozenset[str]
    rejected: Turn
    address_invalid: Turn
    throttled: Turn
    throttled_seconds: float


@dataclass(slots=True)
class _Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    turn: Turn | None = None
    private: bool = False
    login: str | None = None


class _Over(Exception):
    """The connection is done with."""


class MailBench:
    """A mail host on ``127.0.0.1`` that does as scripted, mail after mail; one that nobody scripted is refused with 554 5.9.9."""

    def __init__(self, *, certificate: Path | None = None, extensions: Sequence[str] = ()) -> None:
        self.mails: list[SeenMail] = []
        self.connections = 0
        self.commands: list[str] = []
        self._extensions = tuple(extensions)
        self._certificate = certificate
        self._turns: deque[Turn | None] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def address(self) -> str:
        """Where it stands."""
        return f"127.0.0.1:{self._port}"

    @property
    def dots(self) -> int:
        """How many mails came whole, with their final dot."""
        return sum(mail.dotted for mail in self.mails)

    def script(self, *turns: Turn | None) -> None:
        """What to do with the mails (and connections) to come, in order; None takes a mail."""
        self._turns.extend(turns)

    async def __aenter__(self) -> Self:
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        held.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._connected, sock=held, limit=LINE_BYTES_MAX)
        self._port = held.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if kind is None:
            assert not self._turns, f"scripted and never come to: {list(self._turns)}"

    async def hang_up_idle(self) -> None:
        """End every connection, as hosts do with those that idle."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        line = _Line(reader, writer)
        if self._turns and (turn := self._turns[0]) is not None and turn.phase < Phase.MAIL:
            line.turn = self._turns.popleft()
        try:
            await self._conversation(line)
        except (_Over, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            # The end of a test ends its connections; nobody waits for this task but the bench itself.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _conversation(self, line: _Line) -> None:
        await self._at(line, Phase.GREETING, Word(220, "bench ESMTP"))
        mail = SeenMail()
        while True:
            text = (await line.reader.readuntil(b"\r\n")).decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb, _, rest = text.partition(" ")
            self.commands.append(verb.upper())
            match verb.upper():
                case "EHLO":
                    await self._at(line, Phase.EHLO, Word(250, "\n".join(["bench", *self._offered(line)])))
                case "STARTTLS":
                    await self._private(line)
                case "AUTH":
                    await self._login(line, rest)
                case "MAIL":
                    if mail.sender:
                        await self._say(line, Word(503, "5.5.1 nested MAIL"))
                        continue
                    line.turn = (
                        self._turns.popleft() if self._turns else Turn(Phase.MAIL, Word(554, "5.9.9 unscripted"))
                    )
                    mail = SeenMail(private=line.private, login=line.login)
                    mail.sender, mail.sender_words = _path(rest, "FROM:")
                    self.mails.append(mail)
                    await self._at(line, Phase.MAIL, Word(250, "2.1.0 ok"))
                case "RCPT":
                    mail.recipient, mail.recipient_words = _path(rest, "TO:")
                    await self._at(line, Phase.RCPT, Word(250, "2.1.5 ok"))
                case "DATA":
                    if await self._at(line, Phase.DATA, Word(354, "go on")):
                        await self._body(line, mail)
                        mail = SeenMail()
                case "RSET":
                    mail = SeenMail()
                    await self._say(line, Word(250, "2.0.0 forgotten"))
                case "QUIT":
                    await self._say(line, Word(221, "2.0.0 goodbye"))
                    return
                case _:
                    await self._say(line, Word(500, "5.5.2 what?"))

    def _offered(self, line: _Line) -> list[str]:
        more = [] if self._certificate is None or line.private else ["STARTTLS"]
        return ["8BITMIME", "ENHANCEDSTATUSCODES", "AUTH PLAIN", *self._extensions, *more]

    async def _private(self, line: _Line) -> None:
        assert self._certificate is not None
        await self._at(line, Phase.STARTTLS, Word(220, "2.0.0 go on"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        await line.writer.start_tls(context)
        line.private = True

    async def _login(self, line: _Line, rest: str) -> None:
        _, _, told = rest.partition(" ")
        _, name, word = base64.b64decode(told).decode().split("\0")
        line.login = f"{name}:{word}"
        await self._at(line, Phase.AUTH, Word(235, "2.7.0 welcome"))

    async def _body(self, line: _Line, mail: SeenMail) -> None:
        lines: list[bytes] = []
        if line.turn is not None and line.turn.phase is Phase.BODY:
            lines.append(await line.reader.readuntil(b"\r\n"))
            await self._at(line, Phase.BODY, Word(250))
        while (read := await line.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(read.removeprefix(b"."))
        mail.content = b"".join(lines)
        mail.dotted = True
        await self._at(line, Phase.DOT, Word(250, "2.0.0 queued as 4F2A"))

    async def _at(self, line: _Line, phase: Phase, usual: Word) -> bool:
        """Do what is scripted for this phase, else the usual; whether it was the usual."""
        act: Act = usual
        if line.turn is not None and line.turn.phase is phase:
            act, line.turn = line.turn.act, None
        await self._do(line, act)
        if isinstance(act, Word) and act.code == 421:
            raise _Over
        return act is usual

    async def _do(self, line: _Line, act: Act) -> None:
        match act:
            case Word():
                await self._say(line, act)
            case Silence():
                await asyncio.Event().wait()
            case Goodbye():
                raise _Over
            case Break():
                raw: socket.socket = line.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                line.writer.transport.abort()
                raise _Over
            case Babble():
                line.writer.write(b"\x00\x01 what is a code?\r\n")
                await line.writer.drain()
                raise _Over

    async def _say(self, line: _Line, word: Word) -> None:
        *more, last = word.text.split("\n")
        said = [f"{word.code}-{text}" for text in more] + [f"{word.code} {last}"]
        line.writer.write("".join(f"{text}\r\n" for text in said).encode())
        await line.writer.drain()


def _path(rest: str, keyword: str) -> tuple[str, list[str]]:
    assert rest.upper().startswith(keyword), rest
    match = _PATH.fullmatch(rest[len(keyword) :])
    assert match, rest
    return match[1], match[2].split()


def certificate(folder: Path) -> Path:
    """A certificate of its own for 127.0.0.1, with its key, valid today; a file to serve and to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail host of a test")])
    now = calendar.datetime.fromtimestamp(time.time(), calendar.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - calendar.timedelta(days=1))
        .not_valid_after(now + calendar.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "mail-host.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
