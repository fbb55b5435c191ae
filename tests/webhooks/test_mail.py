"""The door for mail over real SMTP and LMTP: who is let in, when 250 is said, and what is kept."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from adapters.kit.mail_marks import Box, Marks, PostOffice
from tests.webhooks.test_intake import Counting, Remembering
from vocabulary.outcome import Receipt, Reply
from webhooks import mail
from webhooks.mail import MAIL_BYTES_MAX, RAW_BYTES_MAX, MailListener
from webhooks.port import Ending

ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
MARKS = Marks(domain="mail.cobranza.example", secret=b"marks attempts")
SEEN = "avisos@cobranza.example"
OFFICE = PostOffice(host="127.0.0.1", port=0, lmtp=False, marks=MARKS, also=frozenset({SEEN}))
BOUNCE, REPLY, STOP = (MARKS.address(box, ATTEMPT) for box in Box)
BAJA = b"From: canary@example.com\r\nMessage-ID: <1@x>\r\n\r\nBAJA\r\n"


@dataclass
class Caller:
    """A mail host that speaks command by command."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hear(self, seconds: float = 30.0) -> str:
        """One whole reply."""
        async with asyncio.timeout(seconds):
            lines = []
            while True:
                line = (await self.reader.readline()).decode()
                lines.append(line)
                if line[3:4] != "-":
                    return "".join(lines)

    async def say(self, words: str | bytes) -> str:
        self.writer.write((words.encode() if isinstance(words, str) else words) + b"\r\n")
        return await self.hear()

    async def bring(self, content: bytes, *to: str, sender: str = "canary@example.com") -> str:
        """One mail: the reply to its final dot, or the first that is no 2xx."""
        for words in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in to)):
            said = await self.say(words)
            if not said.startswith("250"):
                return said
        assert (await self.say("DATA")).startswith("354")
        return await self.say(content + b".")


@dataclass
class Door:
    listener: MailListener
    inbox: Remembering
    counter: Counting

    @contextlib.asynccontextmanager
    async def caller(self, hello: str = "EHLO") -> AsyncIterator[Caller]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        caller = Caller(reader, writer)
        assert (await caller.hear()).startswith("220 mail.cobranza.example")
        assert (await caller.say(f"{hello} relay.example")).startswith("250")
        try:
            yield caller
        finally:
            writer.close()

    @property
    def told(self) -> list[Receipt | Reply]:
        return [one for _, received, _ in self.inbox.put_in for one in received]

    @property
    def empty(self) -> bool:
        return not self.inbox.put_in and not self.inbox.unreadable


@contextlib.asynccontextmanager
async def opened(office: PostOffice) -> AsyncIterator[Door]:
    inbox, counter = Remembering(), Counting()
    listener = MailListener("mail-main", office, inbox, counter)
    await listener.start()
    yield Door(listener, inbox, counter)
    await listener.close()


@pytest.fixture(autouse=True)
def _nobody_in_a_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        yield
    for record in caplog.get_records("call"):
        said = logging.Formatter().format(record)
        for canary in ("canary", "BAJA", ATTEMPT.hex):
            assert canary not in said, f"{record.name} said {canary!r}"


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened(OFFICE) as found:
        yield found


async def test_a_reply_is_kept_and_answered(door: Door):
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, REPLY)).startswith("250")
    ((provider, received, raw),) = door.inbox.put_in
    assert (provider, raw) == ("mail-main", BAJA)
    (reply,) = received
    assert isinstance(reply, Reply)
    assert (reply.text, reply.sender, reply.attempt) == ("BAJA", "canary@example.com", ATTEMPT)
    assert door.counter.counted == [("mail-main", Ending.KEPT)]


async def test_dots_at_the_beginning_of_lines_are_taken_away(door: Door):
    async with door.caller() as caller:
        assert (await caller.bring(b"From: a@example.com\r\n\r\n..BAJA\r\n...\r\n", REPLY)).startswith("250")
    assert [one.text for one in door.told if isinstance(one, Reply)] == [".BAJA\n.."]


async def test_a_bounce_without_a_return_path_is_let_in(door: Door):
    raw = b"From: d@x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n"
    raw += b"Reporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--B--\r\n"
    async with door.caller() as caller:
        assert (await caller.bring(raw, BOUNCE, sender="")).startswith("250")
    assert [one.provider_status for one in door.told if isinstance(one, Receipt)] == ["failed 5.1.1"]


STRANGERS = {
    "nobody": "somebody@cobranza.example",
    "another's domain": REPLY.replace("@mail.", "@"),
    "a made-up mark": f"reply+{ATTEMPT.hex}.{'a' * 24}@mail.cobranza.example",
    "no mark": "bounce@mail.cobranza.example",
    "a relay for others": "ana@elsewhere.example",
    "the master": "postmaster",
}


@pytest.mark.parametrize("stranger", list(STRANGERS))
async def test_nobody_else_lives_here(door: Door, stranger: str):
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, STRANGERS[stranger])).startswith("550 5.1.1")
    assert door.empty
    ending = Ending.FORGED if stranger in ("a made-up mark", "another's domain") else Ending.REFUSED
    assert door.counter.counted == [("mail-main", ending)]


@pytest.mark.parametrize("to", [REPLY.upper(), SEEN.title(), REPLY])
async def test_hosts_may_change_capitals(door: Door, to: str):
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, to)).startswith("250")


async def test_no_250_before_the_commit(door: Door):
    door.inbox.gate = asyncio.Event()
    async with door.caller() as caller:
        bringing = asyncio.create_task(caller.bring(BAJA, REPLY))
        await asyncio.sleep(0.2)
        assert not bringing.done()
        door.inbox.gate.set()
        assert (await bringing).startswith("250")


async def test_whoever_hangs_up_before_the_answer_does_not_undo_what_was_brought(door: Door):
    door.inbox.gate = asyncio.Event()
    async with door.caller() as caller:
        bringing = asyncio.create_task(caller.bring(BAJA, REPLY))
        await asyncio.sleep(0.2)
        bringing.cancel()
        await asyncio.gather(bringing, return_exceptions=True)
    await asyncio.sleep(0.05)
    door.inbox.gate.set()
    await asyncio.sleep(0.1)
    assert len(door.inbox.put_in) == 1


async def test_without_a_database_it_is_put_off_and_taken_later(door: Door):
    door.inbox.away = True
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, REPLY)).startswith("451 4.3.0")
        assert (await caller.bring(b"From: nobody\r\n\r\n", REPLY, sender="none")).startswith("451 4.3.0")
        assert door.empty
        door.inbox.away = False
        assert (await caller.bring(BAJA, REPLY)).startswith("250")
    assert [ending for _, ending in door.counter.counted] == [Ending.AWAY, Ending.AWAY, Ending.KEPT]


async def test_with_a_bug_of_ours_it_is_put_off(door: Door):
    door.inbox.broken = True
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, REPLY)).startswith("451 4.3.0")
        door.inbox.broken = False
        assert (await caller.bring(BAJA, REPLY)).startswith("250")


async def test_what_cannot_be_read_is_kept_for_people(door: Door):
    raw = b"From: MAILER-DAEMON@x\r\n\r\nHi. This is the qmail-send program.\r\n" + b"x" * 70 + b"\r\n"
    async with door.caller() as caller:
        assert (await caller.bring(raw * 20_000, BOUNCE, sender="")).startswith("250")
    ((provider, kind, kept),) = door.inbox.unreadable
    assert (provider, kind, len(kept)) == ("mail-main", "mail", RAW_BYTES_MAX)
    assert door.counter.counted == [("mail-main", Ending.UNREADABLE)]


async def test_a_parsers_mistake_loses_no_mail(door: Door, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(mail, "read", broken)
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, REPLY)).startswith("250")
    assert [raw for _, _, raw in door.inbox.unreadable] == [BAJA]


async def test_a_machine_that_answers_nothing_of_ours_is_sent_away(door: Door):
    async with door.caller() as caller:
        assert (await caller.bring(b"Auto-Submitted: auto-replied\r\n" + BAJA, SEEN)).startswith("550 5.7.1")
    assert door.empty
    assert door.counter.counted == [("mail-main", Ending.REFUSED)]


async def test_a_mail_too_large_is_refused_and_the_next_is_taken(door: Door):
    line = b"x" * 998 + b"\r\n"
    async with door.caller() as caller:
        assert (await caller.say(f"MAIL FROM:<a@example.com> SIZE={MAIL_BYTES_MAX + 1}")).startswith("552")
        assert (await caller.bring(line * (MAIL_BYTES_MAX // 1_000 + 1), REPLY)).startswith("552")
        assert door.empty
        assert (await caller.bring(BAJA, REPLY)).startswith("250")


async def test_a_long_line_is_read_though_the_rfc_forbids_it(door: Door):
    async with door.caller() as caller:
        assert (await caller.bring(b"From: a@example.com\r\n\r\nBAJA " + b"x" * 20_000 + b"\r\n", REPLY)).startswith(
            "250"
        )
    assert len(door.told) == 1


async def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail, "COMMAND_SECONDS_MAX", 0.3)
    async with opened(OFFICE) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
        async with asyncio.timeout(3):
            assert (await reader.read()).startswith(b"220")
        writer.close()


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    """Line by line, each in time; it is the whole that has a limit."""
    monkeypatch.setattr(mail, "COMMAND_SECONDS_MAX", 0.5)
    async with opened(OFFICE) as door, door.caller() as caller:
        for words in ("MAIL FROM:<a@example.com>", f"RCPT TO:<{REPLY}>", "DATA"):
            await caller.say(words)
        ended = asyncio.create_task(caller.reader.read())
        for _ in range(30):
            caller.writer.write(b"x\r\n")
            await asyncio.sleep(0.1)
            if ended.done():
                break
        assert ended.done()
        assert door.empty


async def test_too_many_at_once_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail, "SESSIONS_MAX", 2)
    async with opened(OFFICE) as door, door.caller(), door.caller() as second:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
        assert (await reader.read()).startswith(b"421 4.3.2")
        writer.close()
        assert (await second.say("QUIT")).startswith("221")
        await asyncio.sleep(0.05)
        async with door.caller() as third:
            assert (await third.bring(BAJA, REPLY)).startswith("250")


async def test_too_many_recipients_and_too_many_commands(door: Door):
    async with door.caller() as caller:
        await caller.say("MAIL FROM:<a@example.com>")
        for _ in range(mail.RECIPIENTS_MAX):
            assert (await caller.say(f"RCPT TO:<{REPLY}>")).startswith("250")
        assert (await caller.say(f"RCPT TO:<{REPLY}>")).startswith("452")
        said = "250"
        for _ in range(mail.COMMANDS_MAX + 1):
            said = await caller.say("NOOP")
            if not said.startswith("250"):
                break
        assert said.startswith("421")


async def test_one_mail_for_two_marks_is_read_once(door: Door):
    other = MARKS.address(Box.REPLY, UUID(int=5))
    async with door.caller() as caller:
        assert (await caller.bring(BAJA, REPLY, other)).startswith("250")
    assert [one.attempt for one in door.told] == [ATTEMPT]


async def test_smuggling_by_bare_line_ends_makes_one_mail(door: Door):
    """https://sec-consult.com/blog/detail/smtp-smuggling-spoofing-e-mails-worldwide/: only CR LF dot CR LF ends a mail."""
    smuggled = b"From: eva@example.com\r\n\r\nBAJA\r\n"
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"):
        inner = end + f"MAIL FROM:<x@y>\r\nRCPT TO:<{REPLY}>\r\nDATA\r\n".encode() + smuggled
        async with door.caller() as caller:
            assert (await caller.bring(BAJA + end + str(end).encode() + inner, REPLY)).startswith("250")
    assert len(door.told) == 5
    assert {one.sender for one in door.told if isinstance(one, Reply)} == {"canary@example.com"}


async def test_by_lmtp_each_recipient_is_answered():
    other = MARKS.address(Box.REPLY, UUID(int=5))
    async with opened(replace(OFFICE, lmtp=True)) as door, door.caller("LHLO") as caller:
        assert (await caller.bring(BAJA, REPLY, other)).startswith("250")
        assert (await caller.hear()).startswith("250")
        door.inbox.away = True
        assert (await caller.bring(BAJA, REPLY)).startswith("451")
        assert (await caller.say("NOOP")).startswith("250"), "and nothing else was waiting"
        assert (await caller.say("EHLO x")).startswith("500")


async def test_at_the_end_what_has_its_dot_is_kept_and_answered():
    async with opened(OFFICE) as door:
        door.inbox.gate = asyncio.Event()
        async with door.caller() as caller:
            bringing = asyncio.create_task(caller.bring(BAJA, REPLY))
            await asyncio.sleep(0.2)
            closing = asyncio.create_task(door.listener.close())
            await asyncio.sleep(0.1)
            door.inbox.gate.set()
            assert (await bringing).startswith("250")
            await closing
            assert await caller.reader.read() == b""
        assert len(door.inbox.put_in) == 1


async def test_a_taken_port_is_said():
    async with opened(OFFICE) as door:
        listener = MailListener("b", replace(OFFICE, port=door.listener.port), door.inbox, door.counter)
        with pytest.raises(OSError, match="address already in use"):
            await listener.start()
        await listener.close()


async def test_two_hundred_at_once_are_each_kept_once(door: Door):
    async def one(number: int) -> str:
        async with door.caller() as caller:
            return await caller.bring(BAJA.replace(b"<1@x>", b"<%d@x>" % number), REPLY)

    for start in range(0, 200, 20):
        said = await asyncio.gather(*(one(number) for number in range(start, start + 20)))
        assert all(answer.startswith("250") for answer in said)
    assert len({one.key for one in door.told}) == 200
