"""The bench on which every adapter is tried: a scripted provider on loopback, and what its table must bring.

Shipped, so that an adapter written elsewhere can be held to the same demands. It asks what nobody writes a test for: an
answer that was scripted and never fetched fails, and so does a connection to anything but loopback.
"""

import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self

from adapters.kit.port import Hook
from vocabulary.outcome import Lost, ReceiptKind

REQUEST_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """The provider answers.

    With ``promised_bytes`` above the length of ``body`` it breaks off in the middle, or stays silent there.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised_bytes: int | None = None
    after_seconds: float = 0.0
    then_silent: bool = False


@dataclass(frozen=True, slots=True)
class NeverAnswers:
    """The provider reads the request and stays silent."""


@dataclass(frozen=True, slots=True)
class HangsUp:
    """The provider reads the request and ends the connection in good order (FIN)."""


@dataclass(frozen=True, slots=True)
class Resets:
    """The provider reads the request and breaks the connection (RST)."""


@dataclass(frozen=True, slots=True)
class Babbles:
    """The provider answers with something that is not HTTP."""


Step = Says | NeverAnswers | HangsUp | Resets | Babbles


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request, as it came in. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What one provider's words are on the wire; each adapter's tests bring one, and nothing in it may be left out."""

    #: The table of ``tregua.toml`` for a provider that stands at this address.
    table: Callable[[str], Mapping[str, object]]
    #: Whatever in that table may never be seen in a log or in a ``repr``.
    secrets: Sequence[str]
    sent: Says
    sent_id: str
    rejected: Says
    opted_out: Says
    #: None where no word of the provider's says that an address is none at all.
    address_invalid: Says | None
    #: Says how long to wait: ``throttled_seconds``.
    throttled: Says
    throttled_seconds: float
    server_fault: Says
    #: What its list answers when it shows the lost parcel under this id, and when it does not.
    found: Callable[[Lost, str], Sequence[Says]]
    absent: Sequence[Says]
    #: Every status word, and a word that does not exist.
    statuses: Mapping[str, ReceiptKind]
    unknown_status: str
    #: Genuine hooks: of a status word, and of something that a person wrote, signed for this address.
    status_hook: Callable[[str, str], Hook]
    inbound_hook: Callable[[str, str], Hook]
    #: Which header carries the signature.
    signature_header: str
    #: Where its parcels go and its replies come from: E.164, unless the provider knows people by something else.
    to: str = "+573001230000"
    #: Whether it has a list in which a lost parcel can be looked up. Without one, a lost parcel stays lost: nobody can tell.
    lists: bool = True
    #: The provider's word for a parcel that its list shows.
    listed_status: str = "sent"
    #: Whether it reports on what was sent; without reports there are neither words nor hooks of status.
    reports: bool = True
    #: What its signature covers. A secret that is shown with each call covers neither.
    signs: frozenset[str] = frozenset({"url", "body"})


class Bench:
    """A provider on ``127.0.0.1`` that answers request after request as scripted, and remembers each."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._steps: deque[Step] = deque()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def base_url(self) -> str:
        """Where it stands."""
        return f"http://127.0.0.1:{self._port}"

    def script(self, *steps: Step) -> None:
        """What to do with the requests to come, in order; one more request than steps is answered with 599."""
        self._steps.extend(steps)

    @property
    def posts(self) -> int:
        """How many requests would have made a provider send."""
        return sum(1 for seen in self.seen if seen.method != "GET")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if kind is None:
            assert not self._steps, f"scripted and never asked for: {list(self._steps)}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read(reader)) is not None:
                self.seen.append(request)
                step = self._steps.popleft() if self._steps else Says(status=599, body=b"nothing was scripted")
                if not await _play(step, writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            # The end of a test ends its connections; nobody waits for this task but the bench itself.
            pass
        finally:
            self._connections.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    length = int(headers.get("content-length", "0"))
    assert length <= REQUEST_BYTES_MAX
    return Seen(method=method, target=target, headers=headers, body=await reader.readexactly(length))


async def _play(step: Step, writer: asyncio.StreamWriter) -> bool:
    """Do what was scripted; whether the connection goes on."""
    match step:
        case Says():
            await asyncio.sleep(step.after_seconds)
            promised = len(step.body) if step.promised_bytes is None else step.promised_bytes
            lines = [f"HTTP/1.1 {step.status} -", f"Content-Length: {promised}"]
            lines += [f"{name}: {value}" for name, value in step.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + step.body)
            await writer.drain()
            if step.then_silent:
                await asyncio.Event().wait()
            return promised == len(step.body)
        case NeverAnswers():
            await asyncio.Event().wait()
            return False
        case HangsUp():
            return False
        case Resets():
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()
            return False
        case Babbles():
            writer.write(b"\x00\x01 what is a status line?\r\n\r\n")
            await writer.drain()
            return False


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """An address on loopback where every connection is refused: the port is held and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


class _Watch:
    """Sees every connection of this process. An audit hook cannot be taken out again, so there is one, and it is switched."""

    def __init__(self) -> None:
        self.installed = False
        self.strangers: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.strangers is None or event != "socket.connect":
            return
        address = arguments[1]
        if not isinstance(address, tuple) or ip_address(str(address[0]).partition("%")[0]).is_loopback:
            return
        self.strangers.append(str(address))
        raise PermissionError("a test may connect to loopback only")


_WATCH: Final = _Watch()


@contextlib.asynccontextmanager
async def loopback_only() -> AsyncIterator[None]:
    """Refuses every connection off loopback while it lasts, and fails at its end when there was one."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    strangers: list[str] = []
    _WATCH.strangers = strangers
    try:
        yield
    finally:
        _WATCH.strangers = None
    assert not strangers, f"connections off loopback: {strangers}"
