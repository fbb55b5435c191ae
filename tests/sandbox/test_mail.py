"""The simulated mail host in front of the real adapter and the real door: what it takes, and what it tells afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from adapters.email_smtp import SPEC, SmtpMail
from sandbox.app import MAIL_PORT, make_app
from sandbox.settings import MailAccount
from tests.sandbox.conftest import SECRET, Gateway, Sandboxed, until
from vocabulary.channel import Channel
from vocabulary.outcome import NotSent, Outcome, Parcel, Receipt, ReceiptKind, Rejected, Sent, Unknown
from webhooks.mail import MailListener

TO = "ana@ejemplo.test"


class Post:
    """A gateway with a door for mail, and the sandbox with a mail host."""

    def __init__(self, sandboxed: Sandboxed, folder: Path) -> None:
        self.sandboxed = sandboxed
        self.gateway: Gateway = sandboxed.gateway
        self.folder = folder
        self.table: dict[str, Any] = {
            "kind": "smtp",
            "tls": "none",
            "from": "C1 <avisos@cobranza.test>",
            "domain": "mail.cobranza.test",
            "receipts": "delivery and read",
            "listen": "127.0.0.1:1",
        }
        self.port = 0
        self.runner: web.AppRunner | None = None
        self.adapter: SmtpMail
        self.door: MailListener

    async def start(self) -> None:
        await self.open_door()
        await self.start_host()
        adapter = SPEC.build("mail-main", {**self.table, "server": f"127.0.0.1:{self.port}"}, SECRET)
        assert isinstance(adapter, SmtpMail)
        self.adapter = adapter

    async def open_door(self, port: int = 0) -> None:
        adapter = SPEC.build("mail-main", {**self.table, "server": "127.0.0.1:1"}, SECRET)
        assert isinstance(adapter, SmtpMail)
        assert adapter.post_office is not None
        office = replace(adapter.post_office, port=port)
        self.door = MailListener("mail-main", office, self.gateway, self.gateway)
        await self.door.start()
        self.door_port = self.door.port

    async def start_host(self) -> None:
        account = MailAccount(
            provider="mail-main",
            sender="avisos@cobranza.test",
            port=self.port,
            inbound_host="127.0.0.1",
            inbound_port=self.door_port,
        )
        settings = replace(self.sandboxed.settings, directory=self.folder, mail=account, carrier_port=0)
        app = make_app(settings, clock=self.gateway)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.phone = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.port = app[MAIL_PORT]

    async def stop_host(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()

    async def send(self, to: str = TO, text: str = "Hola\nResponda BAJA") -> tuple[UUID, Outcome]:
        attempt = uuid4()
        parcel = Parcel(
            attempt=attempt,
            channel=Channel.EMAIL,
            to=to,
            text=text,
            subject="Su cuota",
            validity_seconds=60,
            status_url="x",
        )
        return attempt, await self.adapter.send(parcel)

    async def call(self, method: str, path: str, told: object = None) -> tuple[int, Any]:
        async with self.sandboxed.client.request(method, self.phone + path, json=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def fault(self, fault: str, **more: Any) -> None:
        status, told = await self.call("POST", "/sandbox/faults", {"provider": "mail-main", "fault": fault, **more})
        assert status == 200, told

    def told(self, attempt: UUID) -> list[Receipt]:
        return [one for one in self.gateway.received if isinstance(one, Receipt) and one.attempt == attempt]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        file = next(self.folder.glob("*.ndjson"))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [line for line in lines if line["type"] == kind]


@pytest.fixture
async def post(sandboxed: Sandboxed, tmp_path: Path) -> AsyncIterator[Post]:
    found = Post(sandboxed, tmp_path / "mail")
    await found.start()
    yield found
    await found.adapter.close()
    await found.stop_host()
    await found.door.close()


async def test_what_arrived_is_shown_in_the_contracts_shape(post: Post):
    _, ending = await post.send(text="Hola ñandú €\n.\nfin")
    assert isinstance(ending, Sent)
    status, (message,) = await post.call("GET", f"/sandbox/messages?channel=email&to={TO}")
    assert status == 200
    assert set(message) == {"channel", "provider", "to", "from", "text", "audio_url", "at"}
    assert (message["channel"], message["provider"], message["to"]) == ("email", "mail-main", TO)
    assert message["from"] == "C1 <avisos@cobranza.test>"
    assert message["text"] == "Hola ñandú €\n.\nfin"
    assert (await post.call("GET", "/sandbox/messages?channel=sms"))[1] == []


ENDINGS = {
    "0001": [ReceiptKind.DELIVERED, ReceiptKind.READ],
    "0002": [ReceiptKind.UNDELIVERED],
    "0005": [ReceiptKind.DELIVERED, ReceiptKind.DELIVERED],
    "0009": [ReceiptKind.DELIVERED],
}


@pytest.mark.parametrize("digits", list(ENDINGS))
async def test_what_is_told_by_local_part(post: Post, digits: str):
    attempt, ending = await post.send(f"p{digits}@ejemplo.test")
    assert isinstance(ending, Sent)
    await until(lambda: len(post.told(attempt)) == len(ENDINGS[digits]))
    await asyncio.sleep(0.1)
    assert [one.kind for one in post.told(attempt)] == ENDINGS[digits]
    assert [one.opted_out for one in post.told(attempt)].count(True) == (digits == "0005")
    assert [one.address_invalid for one in post.told(attempt)].count(True) == (digits == "0002")


async def test_refused_by_local_part(post: Post):
    _, ending = await post.send("p0003@ejemplo.test")
    assert isinstance(ending, Rejected)
    assert ending.address_invalid
    assert [line["code"] for line in post.lines("refused")] == [550]
    assert (await post.call("GET", "/sandbox/messages"))[1] == []


async def test_never_answered_by_local_part(post: Post):
    post.adapter._transport._call_seconds = 0.5
    attempt, ending = await post.send("p0004@ejemplo.test")
    assert isinstance(ending, Unknown)
    assert len((await post.call("GET", "/sandbox/messages"))[1]) == 1
    await asyncio.sleep(0.2)
    assert post.told(attempt) == []


OF_CALLS: dict[str, tuple[type, int]] = {
    "throttle": (NotSent, 0),
    "server_error": (NotSent, 0),
    "reject": (Rejected, 0),
    "hang_up": (Unknown, 1),
    "timeout": (Unknown, 1),
}


@pytest.mark.parametrize("fault", list(OF_CALLS))
async def test_a_fault_strikes_one_mail_and_the_next_passes(post: Post, fault: str):
    post.adapter._transport._call_seconds = 0.7
    await post.fault(fault)
    kind, arrived = OF_CALLS[fault]
    _, ending = await post.send()
    assert isinstance(ending, kind)
    assert len((await post.call("GET", "/sandbox/messages"))[1]) == arrived
    assert isinstance((await post.send())[1], Sent)


async def test_a_connection_is_really_refused_and_the_telephones_carrier_is_not(post: Post):
    await post.send()
    await post.fault("refuse_connection", seconds=30)
    assert isinstance((await post.send())[1], NotSent)
    assert (await post.call("DELETE", "/sandbox/faults"))[0] == 200
    assert isinstance((await post.send())[1], Sent)


async def test_forged_reports_are_refused_and_the_true_one_is_believed(post: Post):
    await post.fault("forged_receipt")
    attempt, _ = await post.send()
    await until(lambda: post.told(attempt))
    assert [one.kind for one in post.told(attempt)] == [ReceiptKind.DELIVERED]
    await until(lambda: len(post.lines("hook")) == 2)
    assert [(line["forged"], line["answered"]) for line in post.lines("hook")] == [(True, 550), (False, 250)]


async def test_reports_doubled_dropped_and_before_the_answer(post: Post):
    await post.fault("duplicate_receipt")
    attempt, _ = await post.send()
    await until(lambda: len(post.told(attempt)) == 2)
    assert len({one.key for one in post.told(attempt)}) == 1
    await post.fault("drop_receipt")
    attempt, _ = await post.send()
    await asyncio.sleep(0.2)
    assert post.told(attempt) == []
    await post.fault("early_receipt")
    attempt, _ = await post.send()
    assert len(post.told(attempt)) == 1, "told before the send has returned"


async def test_she_answers_the_last_mail_and_ours_is_quoted_below(post: Post):
    first, _ = await post.send()
    last, _ = await post.send()
    status, told = await post.call(
        "POST", "/sandbox/reply", {"channel": "email", "from": TO, "text": "no más\nya pagué"}
    )
    assert (status, told["hook"]) == (200, {"status": 250, "taken": True})
    (reply,) = post.gateway.replies()
    assert (reply.text, reply.sender, reply.attempt) == ("no más\nya pagué", TO, last)
    assert reply.attempt != first
    assert [line["text"] for line in post.lines("reply")] == ["no más\nya pagué"]


async def test_who_was_never_written_to_writes_to_the_address_that_everybody_sees(post: Post):
    await post.call("POST", "/sandbox/reply", {"channel": "email", "from": TO, "text": "BAJA"})
    (reply,) = post.gateway.replies()
    assert (reply.text, reply.recipient, reply.attempt) == ("BAJA", "avisos@cobranza.test", None)


@pytest.mark.parametrize("sender", ["+573001230000", "ana", "ana@", "a b@c.test", "ana@ejemplo.test\r\nX: y"])
async def test_a_mail_comes_from_a_mail_address(post: Post, sender: str):
    status, problem = await post.call("POST", "/sandbox/reply", {"channel": "email", "from": sender, "text": "x"})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/from"])


async def test_while_the_gateways_database_is_away_mails_are_put_off_and_come_again(post: Post):
    post.gateway.away = True
    attempt, _ = await post.send()
    _, told = await post.call("POST", "/sandbox/reply", {"channel": "email", "from": TO, "text": "BAJA"})
    assert told["hook"] == {"status": 451, "taken": False}
    assert post.gateway.received == []
    post.gateway.away = False
    await until(lambda: post.told(attempt) and post.gateway.replies())


async def test_what_a_restart_kept_from_being_told_is_told_after_it(post: Post):
    await post.door.close()
    attempt, _ = await post.send("p0001@ejemplo.test")
    await asyncio.sleep(0.1)
    await post.stop_host()
    await post.open_door(post.door_port)
    await post.start_host()
    await until(lambda: len(post.told(attempt)) == 2)
    assert [one.kind for one in post.told(attempt)] == [ReceiptKind.DELIVERED, ReceiptKind.READ]
    assert len((await post.call("GET", "/sandbox/messages"))[1]) == 1
