"""A simulated mail host: takes mails by SMTP, and answers with bounces, receipts, complaints and people's words by SMTP too."""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final
from uuid import uuid4

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox import mail_words
from sandbox.carrier import Simulated, Surroundings
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.latch import Latch
from sandbox.mail_words import Original
from sandbox.settings import MailAccount
from sandbox.truth import Line

CHANNEL: Final = "email"
HOST_NAME: Final = "mx.sandbox.test"
MAIL_BYTES_MAX: Final = 8 * 1024 * 1024
#: A mail to the gateway is given up after this; it has 15 s for a hook, too.
SUBMIT_SECONDS_MAX: Final = 15.0
#: How often a mail that is left unanswered looks whether anybody still waits.
HOLD_STEP_SECONDS: Final = 0.05

_ADDRESS: Final = re.compile(r"[^\s<>@\x00-\x1f\x7f]{1,64}@[^\s<>@\x00-\x1f\x7f]{1,255}")

#: What faults of a call are in SMTP, at the recipient or after the final dot.
_AT_RECIPIENT: Final[Mapping[Fault, str]] = {
    Fault.THROTTLE: "450 4.7.1 Recipient address rejected: Greylisted, try again later",
    Fault.REJECT: "550 5.7.1 Message rejected as spam",
}
_STATUSES: Final = {"delivered": "delivered", "failed": "undelivered", "read": "read", "complaint": "complaint"}


class MailCarrier(Simulated[MailAccount]):
    """One mail host that knows every mailbox in the world."""

    channel = CHANNEL
    kind: Final = "smtp"

    def __init__(self, around: Surroundings, account: MailAccount) -> None:
        super().__init__(around, account)
        self._port = account.port
        self._server: asyncio.Server | None = None
        self._latch = Latch(self._listen)
        self._sessions: set[_Host] = set()

    @property
    def port(self) -> int:
        """Where it listens, once ``open`` has returned."""
        return self._port

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        return text.isascii() and _ADDRESS.fullmatch(text) is not None

    async def open(self) -> None:
        """Listen, and tell what a restart kept from being told."""
        # The package tells its log every address and every line.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
        await self._listen()
        for line, plan in self._untold():
            self._hooks.start(self._live(line, plan))

    async def shut(self, seconds: float) -> None:
        """Refuse connections for so long, and end those that are open."""
        self._stop()
        await self._latch.after(seconds)

    async def reopen(self) -> None:
        """Listen again now."""
        await self._latch.now()

    async def close(self) -> None:
        """Stop for good."""
        self._latch.stop()
        self._stop()

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person answers the last mail: recorded, then sent to where it asks. Returns the id and what the gateway answered."""
        original = None
        for line in self._truth.with_person(sender):
            if line["type"] == "arrived" and line["provider"] == self.provider:
                original = _original(line)
        to = self._account.sender if original is None else original.reply_to
        identifier = f"{uuid4().hex}@{HOST_NAME}"
        await self._heard(identifier, sender, to, text)
        answer = mail_words.answer(original, to, sender, text, identifier, datetime.now(UTC))
        code = await self._until_taken(sender, to, answer)
        return {"id": identifier, "hook": {"status": code, "taken": taken(code)}}

    # What the gateway says to the host; the names of these methods are aiosmtpd's

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Reports of delivery are offered (RFC 3461)."""
        session.host_name = hostname
        return [*responses[:-1], "250-ENHANCEDSTATUSCODES", "250-DSN", responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self, server: "_Host", _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A mail begins."""
        await asyncio.sleep(self._settings.answer_seconds)
        server.ending = None
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: "_Host", _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Who is asked for, and the fault that strikes this mail."""
        server.ending = self._faults.take_call(self.provider)
        said = _AT_RECIPIENT.get(server.ending) if server.ending is not None else None
        if said is None and _digits(address) == "0003":
            said = f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        if said is not None:
            self._refused(address, int(said.partition(" ")[0]))
            return said
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: "_Host", _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """The final dot: from here on the mail is ours to deliver."""
        ending, to = server.ending, envelope.rcpt_tos[0]
        if ending is Fault.SERVER_ERROR:
            self._refused(to, 451)
            return "451 4.3.0 Temporary system problem"
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        swallowed = _digits(to) == "0004"
        struck = frozenset[Fault]() if swallowed else self._faults.take_receipts(self.provider)
        plan = None if swallowed else self._plan(mail, to, server.notify, struck)
        line = await self._arrived(mail, envelope, to, plan)
        early = Fault.EARLY_RECEIPT in struck
        lost = ending in (Fault.TIMEOUT, Fault.HANG_UP)
        if plan is not None and early:
            await self._live(line, plan)
        if plan is not None and not early:
            self._hooks.start(self._live(line, plan, self._settings.late_seconds if lost else 0.0))
        if swallowed or ending is Fault.TIMEOUT:
            await self._never_answer(server)
        elif ending is Fault.HANG_UP and server.transport is not None:
            server.transport.close()
        return f"250 2.0.0 Ok: queued as {uuid4().hex[:10].upper()}"

    def _plan(self, mail: EmailMessage, to: str, notify: frozenset[str], struck: frozenset[Fault]) -> Line:
        words: list[str] = []
        if _digits(to) == "0002":
            words = ["failed"] if "NEVER" not in notify else []
        elif "SUCCESS" in notify:
            words = ["delivered"]
        if _digits(to) == "0001" and mail["Disposition-Notification-To"] is not None:
            words.append("read")
        if _digits(to) == "0005":
            words.append("complaint")
        return {"receipts": words, "faults": sorted(struck)}

    async def _arrived(self, mail: EmailMessage, envelope: Envelope, to: str, plan: Line | None) -> Line:
        body = mail.get_body(("plain", "html"))
        text = "" if body is None else str(body.get_content()).replace("\r\n", "\n").rstrip("\n")
        content = (envelope.original_content or b"").decode("utf-8", "replace")
        resource = {
            "message_id": str(mail["Message-ID"] or ""),
            "return_path": envelope.mail_from or "",
            "reply_to": str(mail["Reply-To"] or mail["From"] or ""),
            "recipient": to,
            "subject": str(mail["Subject"] or ""),
            "head": content.partition("\r\n\r\n")[0],
        }
        identifier = str(mail["Message-ID"] or uuid4().hex).strip("<>")
        sender = str(mail["From"] or envelope.mail_from)
        return await self._took(identifier, to, sender, text, resource=resource, plan=plan)

    async def _never_answer(self, server: "_Host") -> None:
        for _ in range(int(self._settings.hold_seconds / HOLD_STEP_SECONDS)):
            if server.transport is None or server.transport.is_closing():
                break
            await asyncio.sleep(HOLD_STEP_SECONDS)
        if server.transport is not None:
            server.transport.close()

    # What the host tells the gateway

    async def _live(self, line: Line, plan: Mapping[str, Any], after: float = 0.0) -> None:
        """What becomes of a mail, with the faults that strike it."""
        faults = frozenset(plan["faults"])
        settings = self._settings
        await asyncio.sleep(after + settings.queue_seconds)
        words: Sequence[str] = plan["receipts"]
        if Fault.FORGED_RECEIPT in faults:
            # Says less than is true, so that it shows wherever it is believed.
            await self._tell(line, "failed", faults, forged=True)
        if Fault.LATE_RECEIPT in faults:
            await asyncio.sleep(settings.late_seconds)
        for index, word in enumerate(reversed(words) if Fault.REORDER_RECEIPTS in faults else words):
            if index:
                await asyncio.sleep(settings.receipt_seconds)
            self._became(line["id"], _STATUSES[word])
            await self._tell(line, word, faults)

    async def _tell(self, line: Line, word: str, faults: frozenset[Fault], *, forged: bool = False) -> None:
        original = _original(line)
        if not original.return_path or (Fault.DROP_RECEIPT in faults and not forged):
            return
        now = datetime.now(UTC)
        to, content = original.return_path, b""
        match word:
            case "read":
                content = mail_words.read_receipt(original, HOST_NAME, now)
            case "complaint":
                to = f"abuse@{original.return_path.rpartition('@')[2]}"
                content = mail_words.complaint(original, HOST_NAME, to, now)
            case _:
                content = mail_words.report(original, HOST_NAME, word, now)
        sender = original.recipient if word == "read" else ""
        if forged:
            # Whoever has not seen the mail can guess at its attempt, and not at the mark.
            to = re.sub(r"\.[a-z2-7]{24}@", "." + "a" * 24 + "@", to)
        for _ in range(2 if Fault.DUPLICATE_RECEIPT in faults and not forged else 1):
            code = await (self._submitted if forged else self._until_taken)(sender, to, content)
            self._hooked(line["id"], word, code, forged=forged)

    async def _until_taken(self, sender: str, to: str, content: bytes) -> int | None:
        """Submit, and while it is put off go on in the background; the code of the first answer."""
        code = await self._submitted(sender, to, content)
        if code is None or code // 100 == 4:
            self._hooks.start(self._again(sender, to, content))
        return code

    async def _again(self, sender: str, to: str, content: bytes) -> None:
        for seconds in self._settings.retry_seconds:
            await asyncio.sleep(seconds)
            code = await self._submitted(sender, to, content)
            if code is not None and code // 100 != 4:
                return

    async def _submitted(self, sender: str, to: str, content: bytes) -> int | None:
        account = self._account
        client = aiosmtplib.SMTP(
            hostname=account.inbound_host,
            port=account.inbound_port,
            local_hostname=HOST_NAME,
            start_tls=False,
            timeout=SUBMIT_SECONDS_MAX,
        )
        try:
            async with asyncio.timeout(SUBMIT_SECONDS_MAX), client:
                await client.ehlo()
                for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
                    response = await client.execute_command(command.encode())
                    if response.code != 250:
                        return response.code
                return (await client.data(content)).code
        except aiosmtplib.SMTPResponseException as error:
            return error.code
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            return None

    async def _listen(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._session, self._account.host, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()

    def _session(self) -> "_Host":
        session = _Host(
            self, data_size_limit=MAIL_BYTES_MAX, hostname=HOST_NAME, ident="ESMTP", loop=asyncio.get_running_loop()
        )
        session.open_sessions = self._sessions
        return session


class _Host(SMTP):
    """One connection, which understands the words of RFC 3461 that the package refuses."""

    open_sessions: set["_Host"]
    ending: Fault | None = None
    notify: frozenset[str] = frozenset()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self.open_sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It ends."""
        self.open_sessions.discard(self)
        super().connection_lost(error)

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        found = super()._getparams(params)
        if found is not None:
            for name in ("RET", "ENVID", "ORCPT"):
                found.pop(name, None)
            if "NOTIFY" in found:
                self.notify = frozenset(str(found.pop("NOTIFY")).split(","))
        return found


def _original(line: Line) -> Original:
    return Original(text=line["text"], **line["resource"])


def _digits(address: str) -> str:
    """The last four characters before the ``@``: the magic of contract, section 7."""
    return address.rpartition("@")[0][-4:]
