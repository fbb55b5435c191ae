"""E-mail through the whole house: lawfully out by SMTP, delivered, read, answered, bounced, complained of, and proved."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import pytest

from adapters.email_smtp import SmtpMail, _own_click
from adapters.kit.mail_marks import Box
from gateway.compose import Pace
from tests.gateway.test_spine import export
from tests.gateway.town import AUTHORISED, MAIL_PROVIDER, Town, message, person, town
from tracelog.export import Holds, verify
from vocabulary.channel import Channel
from vocabulary.outcome import Parcel

PACE = Pace(lookups=tuple(timedelta(seconds=s) for s in (0.3, 0.3)), absent_apart=timedelta(seconds=1), sweep_seconds=1)
SUBJECT = "Su cuota de julio, señora Ñáñez"


@pytest.fixture
async def post(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a mail host and a worker."""
    async with town(own_url, redis_url, tmp_path, pace=PACE, mail=True) as found:
        found.start_worker()
        yield found


def by_mail(local: str, **more: Any) -> dict[str, Any]:
    """A collection mail to ``local@ejemplo.test``."""
    contact = person(local)
    contact["addresses"] = [
        {
            "channel": "email",
            "address": f"{local}@ejemplo.test",
            "kind": "personal",
            "source": "supplied",
            "authorised": AUTHORISED,
        }
    ]
    content = message()["content"] | {"subject": SUBJECT, "html": "<p>Hola <b>Ana</b></p>"}
    return message(contact, channel="email", content=content, **more)


async def events(found: Town, contact: str) -> list[dict[str, Any]]:
    status, told, _ = await found.call("GET", f"/v1/contacts/{contact}/timeline")
    assert status == 200, told
    items = told["items"]
    assert isinstance(items, list)
    return items


async def states(found: Town) -> list[str]:
    """What replies of hers have allowed or taken back, the last first."""
    statements = [item["data"] for item in await events(found, "ana") if item["type"] == "statement"]
    return [data["state"] for data in statements if data.get("instrument") == "reply"]


async def attempt_of(found: Town, identity: str) -> UUID:
    (row,) = await found.rows("SELECT id FROM attempt WHERE message = $1", UUID(identity.removeprefix("msg_")))
    assert isinstance(row["id"], UUID)
    return row["id"]


def way(found: Town) -> SmtpMail:
    adapter = found.house.adapters[MAIL_PROVIDER]
    assert isinstance(adapter, SmtpMail)
    return adapter


async def write(found: Town, to: str, text: str, **headers: str) -> int:
    """A mail to our own door from outside; the code that it is answered with."""
    office = way(found).post_office
    assert office is not None
    mail = EmailMessage()
    mail["From"] = headers.pop("From", "ana@ejemplo.test")
    mail["Message-ID"] = make_msgid()
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    client = aiosmtplib.SMTP(hostname=office.host, port=office.port, start_tls=False, local_hostname="outside.test")
    async with client:
        try:
            await client.send_message(mail, sender="someone@ejemplo.test", recipients=[to])
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[0].code
        except aiosmtplib.SMTPResponseException as refused:
            return refused.code
    return 250


async def test_a_mail_goes_out_is_delivered_and_answered(post: Town) -> None:
    answered = await post.send(by_mail("ana"))
    assert answered["status"] == "queued"
    await post.until(answered["id"], "delivered")
    (arrived,) = await post.arrived("ana@ejemplo.test")
    assert arrived["text"] == message()["content"]["text"]
    assert (arrived["channel"], arrived["provider"], arrived["audio_url"]) == ("email", MAIL_PROVIDER, None)
    await post.reply("Ya pagué la cuota", "ana@ejemplo.test", "email")
    replies = [item for item in await events(post, "ana") if item["type"] == "reply"]
    # Ours, which the simulator quotes below hers as mail programs do, holds the word BAJA.
    assert [item["data"]["text"] for item in replies] == ["Ya pagué la cuota"]
    assert await states(post) == []
    assert isinstance(verify(await export(post)), Holds)


async def test_stop_by_mail_stops_the_next_one(post: Town) -> None:
    first = await post.send(by_mail("ana"))
    await post.until(first["id"], "delivered")
    await post.reply("BAJA", "ana@ejemplo.test", "email")
    second = await post.send(by_mail("ana"))
    assert second["status"] == "blocked"
    assert "CO-CHAN-2" in [reason["rule"] for reason in second["decision"]["reasons"]]


async def test_endings_by_local_part(post: Town) -> None:
    for digits, status in {"0001": "read", "0002": "undelivered", "0003": "failed", "0005": "delivered"}.items():
        answered = await post.send(by_mail(f"p{digits}"))
        found = await post.until(answered["id"], status)
        assert len(found["attempts"]) == 1
    for _ in range(100):
        again = await post.send(by_mail("p0005"))
        if again["status"] == "blocked":
            break
        await asyncio.sleep(0.05)
    assert again["status"] == "blocked", "a complaint is an opt-out"
    for refused in ("p0003", "p0002"):
        again = await post.send(by_mail(refused))
        rules = [reason["rule"] for reason in again["decision"]["reasons"]]
        assert again["status"] == "blocked"
        assert "HOUSE-ADDRESS" in rules, "that there is no such mailbox stands"


async def test_one_that_is_never_answered_is_unknown_and_never_sent_again(
    post: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = way(post)._transport
    monkeypatch.setattr(transport, "_call_seconds", 0.5)
    answered = await post.send(by_mail("p0004"))
    await post.until(answered["id"], "unknown")
    await asyncio.sleep(2.5)
    found = await post.get(answered["id"])
    assert (found["status"], len(found["attempts"])) == ("unknown", 1)
    assert len(await post.arrived("p0004@ejemplo.test")) == 1


async def test_greylisted_waits_five_minutes_and_leaves(post: Town) -> None:
    await post.fault("throttle", provider=MAIL_PROVIDER)
    answered = await post.send(by_mail("ana"))
    for _ in range(200):
        found = await post.get(answered["id"])
        if found["attempts"] and found["attempts"][0]["outcome"] == "not_sent":
            break
        await asyncio.sleep(0.02)
    assert (found["status"], len(found["attempts"])) == ("queued", 1)
    await asyncio.sleep(1.0)
    assert await post.arrived() == []
    await post.advance(timedelta(seconds=301))
    found = await post.until(answered["id"], "delivered")
    assert len(found["attempts"]) == 2
    assert len(await post.arrived()) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("hang_up", "delivered"),
        ("duplicate_receipt", "delivered"),
        ("early_receipt", "delivered"),
        ("forged_receipt", "delivered"),
        ("drop_receipt", "sent"),
        ("reject", "failed"),
    ],
)
async def test_faults_end_in_what_is_true(post: Town, fault: str, status: str) -> None:
    await post.fault(fault, provider=MAIL_PROVIDER)
    answered = await post.send(by_mail("ana"))
    found = await post.until(answered["id"], status)
    await asyncio.sleep(0.3)
    assert (await post.get(answered["id"]))["status"] == status
    assert len(found["attempts"]) == 1
    assert len(await post.arrived()) == (0 if status == "failed" else 1)


async def test_what_a_machine_answers_is_not_hers(post: Town) -> None:
    answered = await post.send(by_mail("ana"))
    await post.until(answered["id"], "delivered")
    attempt = await attempt_of(post, answered["id"])
    marks = way(post)._marks
    for box in (Box.BOUNCE, Box.REPLY):
        text = "Estoy de vacaciones. STOP. BAJA. Ya no quiero más mensajes."
        assert await write(post, marks.address(box, attempt), text, Auto_Submitted="auto-replied (vacation)") == 250
    items = await events(post, "ana")
    assert {item["type"] for item in items} & {"reply", "statement"} <= {"statement"}
    assert not [item for item in items if item["type"] == "reply"]
    again = await post.send(by_mail("ana"))
    assert again["status"] == "deferred", "her consent stands; it is the day's limit that holds"
    kinds = await post.rows("SELECT kind FROM trace WHERE message = $1", answered["id"].removeprefix("msg_"))
    assert [row["kind"] for row in kinds].count("receipt") >= 2, "and what it said is in the trace"


async def test_who_answers_by_our_mark_is_known_by_it_and_not_by_the_head_of_the_mail(post: Town) -> None:
    answered = await post.send(by_mail("ana"))
    await post.until(answered["id"], "delivered")
    marks = way(post)._marks
    attempt = await attempt_of(post, answered["id"])
    headers = {"From": "ana.otra@trabajo.test"}
    assert await write(post, marks.address(Box.REPLY, attempt), "necesito un acuerdo de pago", **headers) == 250
    replies = [item for item in await events(post, "ana") if item["type"] == "reply"]
    assert [item["data"]["text"] for item in replies] == ["necesito un acuerdo de pago"]


async def test_a_stranger_may_stop_and_not_start_her_messages(post: Town) -> None:
    """Whoever writes in her name to the address that everybody sees has no mark of ours."""
    first = await post.send(by_mail("ana"))
    await post.until(first["id"], "delivered")
    seen = "avisos@cobranza.test"
    assert await write(post, seen, "BAJA") == 250
    assert (await post.send(by_mail("ana")))["status"] == "blocked"
    assert await write(post, seen, "ALTA") == 250
    assert await states(post) == ["withdrawn"]
    marks = way(post)._marks
    attempt = await attempt_of(post, first["id"])
    assert await write(post, seen, "ALTA", In_Reply_To=marks.message_id(attempt)) == 250
    assert await states(post) == ["granted", "withdrawn"], "with our mark it is she"


async def test_the_unsubscribe_of_a_mail_program_is_her_stop(post: Town) -> None:
    answered = await post.send(by_mail("ana"))
    await post.until(answered["id"], "delivered")
    attempt = await attempt_of(post, answered["id"])
    assert await write(post, way(post)._marks.address(Box.STOP, attempt), "") == 250
    assert (await post.send(by_mail("ana")))["status"] == "blocked"


@pytest.mark.parametrize("to", ["otra@mail.cobranza.test", "bounce+{}.aaaaaaaaaaaaaaaaaaaaaaaa@mail.cobranza.test"])
async def test_nobody_else_lives_here(post: Town, to: str) -> None:
    answered = await post.send(by_mail("ana"))
    await post.until(answered["id"], "delivered")
    attempt = await attempt_of(post, answered["id"])
    assert await write(post, to.format(attempt.hex), "Hola") == 550


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        ),
    ],
)
async def test_one_click_is_her_stop_and_nothing_less_is(post: Town, form: str, body: bytes) -> None:
    """RFC 8058: a POST of its own body to the address in the head. What scanners and strangers send changes nothing."""
    answered = await post.send(by_mail("ana"))
    await post.until(answered["id"], "delivered")
    attempt = await attempt_of(post, answered["id"])
    marks = way(post)._marks.variables(attempt)
    at = f"{post.url}/hooks/{MAIL_PROVIDER}/unsubscribe?attempt={marks['attempt']}&mark="
    for method, url, sent, status in (
        ("GET", at + marks["mark"], b"", 405),
        ("POST", at + marks["mark"], b"", 403),
        ("POST", at + marks["mark"], b"List-Unsubscribe=Later", 403),
        ("POST", at + "a" * 24, body, 403),
        ("POST", f"{post.url}/hooks/{MAIL_PROVIDER}/unsubscribe", body, 403),
    ):
        async with post.session.request(method, url, data=sent, headers={"Content-Type": form}) as answer:
            assert answer.status == status, (method, url)
    assert await states(post) == []
    for _ in range(2):
        async with post.session.post(at + marks["mark"], data=body, headers={"Content-Type": form}) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
    assert await states(post) == ["withdrawn"]
    assert (await post.send(by_mail("ana")))["status"] == "blocked"


def test_the_head_names_the_click_where_it_can_be_made() -> None:
    def parcel(url: str) -> Parcel:
        return Parcel(
            attempt=uuid4(), channel=Channel.EMAIL, to="a@b.test", text="x", validity_seconds=60, status_url=url
        )

    assert _own_click(parcel("https://g.example/x/hooks/mail/status?a=1&k=2")) == (
        "https://g.example/x/hooks/mail/unsubscribe?attempt={attempt}&mark={mark}"
    )
    assert _own_click(parcel("http://127.0.0.1/hooks/mail/status?a=1")) is None
