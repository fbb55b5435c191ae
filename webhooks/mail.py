"""The door for mail: an SMTP or LMTP listener that takes what answers a mail of ours, and says 250 only once it is kept."""

import asyncio
import logging
from typing import Final, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.kit.mail_marks import Box, PostOffice
from adapters.kit.port import Unreadable
from vocabulary.outcome import Receipt, Reply
from webhooks.mail_reading import NotForUs, read
from webhooks.port import Counter, Ending, Inbox, InboxAwayError

#: A reply may bring a photograph of a receipt; past this the sender is told so (552).
MAIL_BYTES_MAX: Final = 10 * 1024 * 1024
#: What is handed on as it came: enough for the operator to see what it is.
RAW_BYTES_MAX: Final = 256 * 1024
#: From one command to the next, and from DATA to the final dot.
COMMAND_SECONDS_MAX: Final = 60.0
#: Of one command on one connection; a relay with more mail comes back.
COMMANDS_MAX: Final = 200
SESSIONS_MAX: Final = 32
RECIPIENTS_MAX: Final = 10
#: Beyond RFC 5321's 998, for mail programs of people are not that strict.
LINE_BYTES_MAX: Final = 64 * 1024
#: How long mails that have their final dot are waited for at the end.
GRACE_SECONDS: Final = 5.0

_KIND: Final = "mail"

log = logging.getLogger(__name__)


class MailListener:
    """Listens where one way's mail comes in. ``provider`` is the operator's name for that way."""

    def __init__(self, provider: str, office: PostOffice, inbox: Inbox, counter: Counter) -> None:
        self.provider = provider
        self._office = office
        self._desk = _Desk(provider, office, inbox, counter)
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that it was told to listen at."""
        return self._office.host, self._office.port

    @property
    def port(self) -> int:
        """The port, once ``start`` has returned."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Bind and listen. Raises ``OSError`` when the address is taken."""
        # The package tells its log every address and every line of a mail; nobody may read those there.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._session(loop), self._office.host, self._office.port)

    async def close(self) -> None:
        """Take nothing more in; what has its final dot is kept and answered first."""
        if self._server is None:
            return
        self._server.close()
        await self._desk.finished(GRACE_SECONDS)
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()

    def _session(self, loop: asyncio.AbstractEventLoop) -> asyncio.BaseProtocol:
        if len(self._sessions) >= SESSIONS_MAX:
            return _Full()
        kind = _LmtpSession if self._office.lmtp else _SmtpSession
        session = kind(
            self._desk,
            data_size_limit=MAIL_BYTES_MAX,
            enable_SMTPUTF8=True,
            hostname=self._office.marks.domain,
            ident="ESMTP",
            timeout=COMMAND_SECONDS_MAX,
            command_call_limit=COMMANDS_MAX,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            loop=loop,
        )
        session.open_sessions = self._sessions
        return session


class _Counted(SMTP):
    """One connection, among those that are open."""

    line_length_limit = LINE_BYTES_MAX
    open_sessions: set[SMTP]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self.open_sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It ends."""
        self.open_sessions.discard(self)
        super().connection_lost(error)


class _SmtpSession(_Counted):
    pass


class _LmtpSession(_Counted, LMTP):
    pass


class _Full(asyncio.Protocol):
    """What a connection too many is told."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so, and go."""
        wire = cast(asyncio.WriteTransport, transport)
        wire.write(b"421 4.3.2 too many connections, come back later\r\n")
        transport.close()


class _Desk:
    """Answers the commands of every connection. The names of its methods are the package's."""

    def __init__(self, provider: str, office: PostOffice, inbox: Inbox, counter: Counter) -> None:
        self._provider = provider
        self._office = office
        self._inbox = inbox
        self._counter = counter
        self._busy: set[asyncio.Task[Ending]] = set()

    async def handle_RCPT(  # noqa: N802 - the package's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Only who lives here: marked addresses, and the few that people see."""
        if address.lower() not in self._office.also and self._office.marks.named_by(address) is None:
            self._counter.count(self._provider, Ending.FORGED if _looks_marked(address) else Ending.REFUSED)
            return "550 5.1.1 nobody of that name lives here"
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """The mail has its final dot: read, keep, and only then answer."""
        content = envelope.original_content or b""
        sender = envelope.mail_from or ""
        recipients = list(envelope.rcpt_tos)
        keeping = asyncio.create_task(self._kept(content, "" if sender == "<>" else sender, recipients))
        self._busy.add(keeping)
        keeping.add_done_callback(self._busy.discard)
        # Whoever leaves before the answer does not undo what has begun.
        try:
            ending = await asyncio.shield(keeping)
        except Exception:
            # Answered here, and not by the package, which would forget to end the mail.
            log.exception("mail.not_kept")
            return _OUR_BUG
        self._counter.count(self._provider, ending)
        said = _ANSWERS[ending]
        # RFC 2033 section 4.2: an LMTP client is answered once for every recipient.
        return "\r\n".join([said] * len(recipients)) if isinstance(server, LMTP) else said

    async def handle_exception(self, _error: Exception) -> str:
        """Our own bug: the sender keeps the mail and comes back."""
        return _OUR_BUG

    async def finished(self, seconds: float) -> None:
        """Wait until what has begun is kept."""
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=seconds)
            # One turn for the answers.
            await asyncio.sleep(0.01)

    async def _kept(self, content: bytes, sender: str, recipients: list[str]) -> Ending:
        received: tuple[Receipt | Reply, ...] | None
        try:
            # Ten megabytes of a stranger's making are not taken to pieces while everybody waits.
            received = await asyncio.to_thread(_received, content, sender, recipients, self._office)
        except NotForUs:
            return Ending.REFUSED
        try:
            if received is None:
                await self._inbox.keep_unreadable(self._provider, _KIND, content[:RAW_BYTES_MAX])
                return Ending.UNREADABLE
            await self._inbox.put(self._provider, received, content[:RAW_BYTES_MAX])
        except InboxAwayError:
            return Ending.AWAY
        return Ending.KEPT


_OUR_BUG: Final = "451 4.3.0 something is wrong here, come back later"
_ANSWERS: Final[dict[Ending, str]] = {
    Ending.KEPT: "250 2.0.0 kept",
    Ending.UNREADABLE: "250 2.0.0 kept",
    Ending.FORGED: "550 5.7.1 this answers no mail of ours",
    Ending.REFUSED: "550 5.7.1 this answers no mail of ours",
    Ending.AWAY: "451 4.3.0 cannot keep it now, come back later",
}


def _received(
    content: bytes, sender: str, recipients: list[str], office: PostOffice
) -> tuple[Receipt | Reply, ...] | None:
    """What the mail says; None when it cannot be read, whatever the reason: no mail may be lost to a parser's mistake."""
    try:
        return read(content, sender, recipients, office)
    except NotForUs:
        raise
    except (Unreadable, Exception):
        return None


def _looks_marked(address: str) -> bool:
    return any(address.lower().startswith(f"{box}+") for box in Box)
