"""Mail that came in, byte by byte: what hosts, machines and people write, and what is made of it."""

import contextlib
import random
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.mail_marks import Box, Marks, PostOffice
from adapters.kit.port import Unreadable
from vocabulary.channel import Channel
from vocabulary.outcome import Receipt, ReceiptKind, Reply
from webhooks.mail_reading import NotForUs, read
from webhooks.mail_text import TEXT_CHARACTERS_MAX

ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
MARKS = Marks(domain="mail.cobranza.example", secret=b"marks attempts")
SEEN = "avisos@cobranza.example"
FEEDBACK = "abuse@mail.cobranza.example"
OFFICE = PostOffice(host="127.0.0.1", port=0, lmtp=False, marks=MARKS, also=frozenset({SEEN, FEEDBACK}))
BOUNCE, REPLY, STOP = (MARKS.address(box, ATTEMPT) for box in Box)
OURS = MARKS.message_id(ATTEMPT)
BOUNCES = Path(__file__).with_name("bounces")


def mail(*lines: str, encoding: str = "utf-8") -> bytes:
    return "\r\n".join([*lines, ""]).replace("\n", "\r\n").replace("\r\r\n", "\r\n").encode(encoding)


def only(raw: bytes, to: Sequence[str] = (BOUNCE,), sender: str = "") -> Receipt | Reply:
    (found,) = read(raw, sender, to, OFFICE)
    return found


def report(
    *blocks: str, top: str = "multipart/report; report-type=delivery-status", returned: str = OURS, **head: str
) -> bytes:
    return mail(
        "From: MAILER-DAEMON@mx.example",
        "Subject: Undelivered Mail Returned to Sender",
        *(f"{name.replace('_', '-')}: {value}" for name, value in head.items()),
        "MIME-Version: 1.0",
        f'Content-Type: {top}; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "I'm afraid I wasn't able to deliver your message.",
        "--B",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example",
        "",
        *("\n".join([block, ""]) for block in blocks),
        "--B",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {returned}",
        "Subject: Su cuota",
        "",
        "--B--",
    )


def block(action: str, status: str, diagnostic: str | None = None) -> str:
    said = [] if diagnostic is None else [f"Diagnostic-Code: {diagnostic}"]
    return "\n".join(["Final-Recipient: rfc822; ana@example.com", f"Action: {action}", f"Status: {status}", *said])


# Reports of hosts

DELIVERIES = [
    # (label, block, kind, what is told, code, invalid)
    (
        "Postfix, no such user",
        block("failed", "5.1.1", "smtp; 550 5.1.1 <ana@example.com>: Recipient address rejected"),
        *(ReceiptKind.UNDELIVERED, "failed 5.1.1", "5.1.1", True),
    ),
    ("Postfix, no such domain", block("failed", "5.4.4"), ReceiptKind.UNDELIVERED, "failed 5.4.4", "5.4.4", False),
    ("Exim, no more than a class", block("failed", "5.0.0"), ReceiptKind.UNDELIVERED, "failed 5.0.0", "5.0.0", False),
    (
        "Exim, with what the other host said",
        block("failed", "5.0.0", "smtp; 550-5.1.1 The email account that you tried\n to reach does not exist."),
        *(ReceiptKind.UNDELIVERED, "failed 5.1.1", "5.1.1", True),
    ),
    ("Exchange, not found", block("failed", "5.1.10"), ReceiptKind.UNDELIVERED, "failed 5.1.10", "5.1.10", True),
    ("full", block("failed", "5.2.2 (mailbox full)"), ReceiptKind.UNDELIVERED, "failed 5.2.2", "5.2.2", False),
    ("disabled", block("failed", "5.2.1"), ReceiptKind.UNDELIVERED, "failed 5.2.1", "5.2.1", False),
    ("given up after days", block("failed", "4.4.7"), ReceiptKind.UNDELIVERED, "failed 4.4.7", "4.4.7", False),
    ("still tries", block("delayed", "4.4.1"), ReceiptKind.ACCEPTED, "delayed 4.4.1", "4.4.1", False),
    (
        "said of a delay, not of the address",
        block("delayed", "5.1.1"),
        ReceiptKind.ACCEPTED,
        "delayed 5.1.1",
        "5.1.1",
        False,
    ),
    ("delivered", block("delivered", "2.0.0"), ReceiptKind.DELIVERED, "delivered 2.0.0", None, False),
    ("in capitals", block("Delivered", "2.1.5"), ReceiptKind.DELIVERED, "delivered 2.1.5", None, False),
    ("goes on from there", block("relayed", "2.0.0"), ReceiptKind.SENT, "relayed 2.0.0", None, False),
    ("goes on to many", block("expanded", "2.0.0"), ReceiptKind.DELIVERED, "expanded 2.0.0", None, False),
    ("with a comment", block("(sadly) failed", "5.7.1"), ReceiptKind.UNDELIVERED, "failed 5.7.1", "5.7.1", False),
    ("without a status", block("failed", ""), ReceiptKind.UNDELIVERED, "failed", None, False),
    ("of tomorrow", block("teleported", "2.0.0"), ReceiptKind.UNREADABLE, "teleported 2.0.0", None, False),
]


@pytest.mark.parametrize("sample", DELIVERIES, ids=[sample[0] for sample in DELIVERIES])
@pytest.mark.parametrize("top", ["multipart/report; report-type=delivery-status", "multipart/mixed"])
def test_a_delivery_report_is_read_by_its_part(sample: tuple[str, str, ReceiptKind, str, str | None, bool], top: str):
    _, told, kind, word, code, invalid = sample
    assert only(report(told, top=top)) == Receipt(
        key=f"{ATTEMPT.hex}:{word}",
        kind=kind,
        provider_status=word,
        attempt=ATTEMPT,
        error_code=code,
        address_invalid=invalid,
    )


@pytest.mark.parametrize("name", [file.stem for file in sorted(BOUNCES.glob("*.eml"))])
def test_the_bounce_of_a_real_host(name: str):
    """Sent by our own adapter to that host, which was refused with 550 5.1.1 and told us so; kept as it came over the wire."""
    found = only((BOUNCES / f"{name}.eml").read_bytes())
    assert isinstance(found, Receipt)
    assert (found.kind, found.attempt, found.address_invalid) == (ReceiptKind.UNDELIVERED, ATTEMPT, True)
    assert found.error_code == "5.1.1"


def test_there_is_a_bounce_of_a_real_host():
    assert {file.name for file in BOUNCES.glob("*.eml")} >= {"opensmtpd.eml"}


def test_the_returned_head_names_the_attempt_where_the_address_does_not():
    raw = report(block("failed", "5.1.1"))
    found = only(raw, to=[SEEN])
    assert isinstance(found, Receipt)
    assert found.attempt == ATTEMPT


@pytest.mark.parametrize("returned", ["<somebody@else.example>", "", OURS.replace(ATTEMPT.hex, "0" * 32), OURS[:-9]])
def test_a_report_about_a_mail_that_is_not_ours_is_refused(returned: str):
    """Bounces of mails that others send in our name come back to us; they are not kept."""
    with pytest.raises(NotForUs):
        read(report(block("failed", "5.1.1"), returned=returned), "", [SEEN], OFFICE)


def test_several_blocks_are_each_told_once():
    raw = report(block("delayed", "4.4.1"), block("delayed", "4.4.1"), block("failed", "5.1.1"))
    found = read(raw, "", [BOUNCE], OFFICE)
    assert [one.provider_status for one in found if isinstance(one, Receipt)] == ["delayed 4.4.1", "failed 5.1.1"]


def test_a_report_that_says_nothing_is_kept_for_people():
    with pytest.raises(Unreadable):
        read(report("X-Nothing: here"), "", [BOUNCE], OFFICE)


def test_an_old_bounce_of_exim_is_read_by_its_header():
    raw = mail("From: MAILER-DAEMON@mx.example", "X-Failed-Recipients: ana@example.com", "", "no such user")
    found = only(raw)
    assert isinstance(found, Receipt)
    assert (found.kind, found.attempt, found.address_invalid) == (ReceiptKind.UNDELIVERED, ATTEMPT, False)


def test_a_bounce_of_no_known_form_is_kept_for_people():
    """qmail's has no part to read; that nothing is known of it must not look as if it had arrived."""
    raw = mail("From: MAILER-DAEMON@mx.example", "Subject: failure notice", "", "Hi. This is the qmail-send program.")
    with pytest.raises(Unreadable):
        read(raw, "", [BOUNCE], OFFICE)


# Read, and complained of


def enclosed(kind: str, fields: str, returned: str = OURS) -> bytes:
    return mail(
        "From: ana@example.com",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "in words",
        "--B",
        f"Content-Type: message/{kind}",
        "",
        fields,
        "",
        "--B",
        "Content-Type: message/rfc822",
        "",
        f"Message-ID: {returned}",
        "",
        "Responda BAJA",
        "--B--",
    )


@pytest.mark.parametrize(
    ("disposition", "kind", "word"),
    [
        ("manual-action/MDN-sent-manually; displayed", ReceiptKind.READ, "displayed"),
        ("automatic-action/MDN-sent-automatically; displayed", ReceiptKind.READ, "displayed"),
        ("manual-action/MDN-sent-automatically;deleted/error", ReceiptKind.DELIVERED, "deleted"),
        ("automatic-action/MDN-sent-automatically; processed", ReceiptKind.DELIVERED, "processed"),
        ("manual-action/MDN-sent-manually; eaten", ReceiptKind.UNREADABLE, "eaten"),
    ],
)
def test_a_read_receipt(disposition: str, kind: ReceiptKind, word: str):
    raw = enclosed("disposition-notification", f"Reporting-UA: x\nDisposition: {disposition}")
    found = only(raw, sender="ana@example.com")
    assert isinstance(found, Receipt)
    assert (found.kind, found.provider_status, found.attempt) == (kind, word, ATTEMPT)


@pytest.mark.parametrize(
    ("word", "kind", "stops"),
    [
        ("abuse", ReceiptKind.DELIVERED, True),
        ("fraud", ReceiptKind.DELIVERED, True),
        ("other", ReceiptKind.DELIVERED, True),
        ("opt-out", ReceiptKind.DELIVERED, True),
        ("not-spam", ReceiptKind.DELIVERED, False),
        ("auth-failure", ReceiptKind.UNREADABLE, False),
    ],
)
@pytest.mark.parametrize("to", [FEEDBACK, BOUNCE])
def test_a_complaint(word: str, kind: ReceiptKind, stops: bool, to: str):
    found = only(enclosed("feedback-report", f"Feedback-Type: {word}\nVersion: 1"), to=[to], sender="fbl@example.com")
    assert isinstance(found, Receipt)
    assert (found.kind, found.opted_out, found.attempt) == (kind, stops, ATTEMPT)


def test_a_complaint_whose_mail_was_taken_out_is_known_by_its_envelope():
    fields = f"Feedback-Type: abuse\nOriginal-Mail-From: <{BOUNCE}>"
    found = only(
        enclosed("feedback-report", fields, returned="<redacted@example.com>"), to=[FEEDBACK], sender="f@e.example"
    )
    assert isinstance(found, Receipt)
    assert (found.attempt, found.opted_out) == (ATTEMPT, True)


def test_a_complaint_about_nothing_of_ours_is_refused():
    with pytest.raises(NotForUs):
        read(enclosed("feedback-report", "Feedback-Type: abuse", returned="<x@y.example>"), "f@e.x", [FEEDBACK], OFFICE)


def test_the_unsubscribe_button_stops_whatever_it_says():
    found = only(mail("From: ana@example.com", "Subject: BAJA", "", "hola"), to=[STOP], sender="ana@example.com")
    assert isinstance(found, Receipt)
    assert (found.kind, found.opted_out, found.provider_status) == (ReceiptKind.DELIVERED, True, "unsubscribe")


# Machines

MACHINES = {
    "RFC 3834": "Auto-Submitted: auto-replied",
    "RFC 3834, with parameters": 'Auto-Submitted: auto-replied (vacation); owner-email="x@y"',
    "generated": "Auto-Submitted: auto-generated",
    "Exchange": "X-Auto-Response-Suppress: All",
    "old vacation programs": "Precedence: bulk",
    "junk": "Precedence: junk",
    "of a list": "Precedence: list",
    "cPanel": "X-Autorespond: vacaciones",
    "autoreply": "X-Autoreply: yes",
}


@pytest.mark.parametrize("to", [REPLY, BOUNCE])
@pytest.mark.parametrize("machine", list(MACHINES))
def test_a_machine_is_never_taken_for_her(machine: str, to: str):
    raw = mail("From: ana@example.com", MACHINES[machine], "Subject: Fuera de la oficina", "", "BAJA. STOP.")
    found = only(raw, to=[to], sender="ana@example.com")
    assert found == Receipt(
        key=f"{ATTEMPT.hex}:auto-reply",
        kind=ReceiptKind.ACCEPTED,
        provider_status="auto-reply",
        attempt=ATTEMPT,
    )


def test_a_machine_without_a_return_path_is_none_of_hers_either():
    found = only(mail("From: ana@example.com", "", "BAJA"), to=[REPLY], sender="")
    assert isinstance(found, Receipt)


def test_a_machine_that_answers_nothing_of_ours_is_refused():
    with pytest.raises(NotForUs):
        read(mail("From: a@example.com", "Auto-Submitted: auto-replied", "", "x"), "a@example.com", [SEEN], OFFICE)


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Precedence: first-class", "Auto-Submitted: No (a person)"])
def test_a_person_who_says_so_is_one(header: str):
    assert isinstance(
        only(mail("From: ana@example.com", header, "", "BAJA"), to=[REPLY], sender="ana@example.com"), Reply
    )


# People


def reply(*lines: str, to: Sequence[str] = (REPLY,), sender: str = "ana@example.com", encoding: str = "utf-8") -> Reply:
    found = only(mail(*lines, encoding=encoding), to=to, sender=sender)
    assert isinstance(found, Reply)
    return found


def test_a_reply():
    found = reply("From: Ana <Ana@Example.com>", "Message-ID: <x@example.com>", "Subject: Re: Su cuota", "", "Ya pagué")
    assert (found.sender, found.recipient, found.text) == ("Ana@Example.com", REPLY, "Ya pagué")
    assert (found.channel, found.attempt, found.provider_id) == (Channel.EMAIL, ATTEMPT, "x@example.com")
    assert "ana" not in repr(found).lower()


@pytest.mark.parametrize(
    "header",
    [
        f"In-Reply-To: {OURS}",
        f"References: <a@b.example> {OURS}",
        f"References: <a@b.example>\r\n {OURS}\r\n <c@d.example>",
        f"In-Reply-To: {OURS.upper()}",
        "In-Reply-To: =?utf-8?q?" + OURS.replace("<", "=3C").replace(">", "=3E").replace("@", "=40") + "?=",
    ],
)
def test_the_identifier_it_answers_names_the_attempt(header: str):
    assert reply("From: ana@example.com", header, "", "BAJA", to=[SEEN]).attempt == ATTEMPT


def test_a_mail_that_answers_nothing_has_no_attempt_and_is_heard():
    found = reply("From: ana@example.com", "In-Reply-To: <forged@mail.cobranza.example>", "", "BAJA", to=[SEEN])
    assert (found.attempt, found.text) == (None, "BAJA")


def test_from_the_head_before_the_envelope_and_from_nobody_not_at_all():
    assert reply("From: ana@example.com", "", "x", sender="bounces@lists.example").sender == "ana@example.com"
    assert reply("From: undisclosed", "", "x", sender="ana@example.com").sender == "ana@example.com"
    with pytest.raises(Unreadable):
        read(mail("From: undisclosed", "", "x"), "also nobody", [REPLY], OFFICE)


def test_the_same_mail_again_has_the_same_key_and_another_word_has_another():
    head = ("From: ana@example.com", "Message-ID: <1@x>", "Date: Tue, 24 Nov 2026 10:00:00 -0500")
    first = reply(*head, "", "BAJA")
    assert reply("Received: from elsewhere", *head, "", "BAJA").key == first.key
    assert reply(*head, "", "ALTA").key != first.key, "some programs repeat their identifiers"
    assert reply("From: eva@example.com", *head[1:], "", "BAJA").key != first.key


def part(kind: str, text: str, *head: str) -> str:
    return "\n".join(["--B", f"Content-Type: {kind}", *head, "", text])


def several(kind: str, *parts: str) -> tuple[str, ...]:
    return ("From: ana@example.com", f'Content-Type: multipart/{kind}; boundary="B"', "", *parts, "--B--")


def test_the_plain_text_before_the_page_and_the_page_where_there_is_no_other():
    plain, page = part("text/plain", "BAJA"), part("text/html; charset=utf-8", "<p>OTRA<p>COSA")
    assert reply(*several("alternative", plain, page)).text == "BAJA"
    assert reply(*several("alternative", page)).text == "OTRA\nCOSA"
    assert reply(*several("alternative", part("text/plain", "  "), page)).text == "OTRA\nCOSA"


def test_texts_between_pictures_are_one_and_attachments_are_none():
    parts = (
        part("text/plain", "Aquí el recibo"),
        part("image/png", "AAAA", "Content-Transfer-Encoding: base64"),
        part("text/plain", "ya pagué"),
        part("text/plain", "BAJA", "Content-Disposition: attachment; filename=ley.txt"),
        part("message/rfc822", "Subject: x\n\nSTOP"),
    )
    assert reply(*several("mixed", *parts)).text == "Aquí el recibo\nya pagué"


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("utf-8", "utf-8"),
        ("iso-8859-1", "iso-8859-1"),
        ("us-ascii", "utf-8"),
        ("windows-1252", "cp1252"),
        ("x-none", "utf-8"),
        ("idna", "utf-8"),
        ("zlib", "utf-8"),
        ("unicode_escape", "utf-8"),
        ("undefined", "latin-1"),
    ],
)
def test_words_are_read_whatever_the_mail_says_they_are_written_in(charset: str, written: str):
    lines = ("From: ana@example.com", f"Content-Type: text/plain; charset={charset}", "", "Señora, ya pagué")
    assert reply(*lines, encoding=written).text == "Señora, ya pagué"


def test_an_empty_mail_speaks_by_its_subject_and_an_answer_does_not():
    assert reply("From: ana@example.com", "Subject: =?utf-8?q?BAJA_=C2=A1ya!?=", "", "").text == "BAJA ¡ya!"
    assert reply("From: ana@example.com", "Subject: RE: Responda BAJA", "", "").text == ""


def test_controls_and_lengths_are_cut():
    found = reply("From: ana@example.com", "", "B\x00AJA\x1b[31m" + "x" * 100_000)
    assert "\x00" not in found.text
    assert "\x1b" not in found.text
    assert found.text.startswith("BAJA")
    assert len(found.text) == TEXT_CHARACTERS_MAX


# Strangers


def bombs() -> list[bytes]:
    deep = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    return [
        b"",
        b"\r\n",
        b"\x00" * 1_000,
        deep + b"--B\r\n" * 50_000,
        nested,
        b"From: " + b"(" * 50_000,
        b"From: " + b"<" * 50_000 + b"a@b.example",
        b"From: a@b.example\r\nReferences: " + b"<a@b> " * 50_000,
        b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
        *(
            b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n" + bomb * 100_000
            for bomb in (
                b"<!--",
                b"<![CDATA[",
                b"<?",
                b"</",
                b"<a x",
                b"&#",
                b"<script>",
                b"<a b='",
                b"<a id=",
                b"<p></blockquote>",
            )
        ),
        b"From: a@b.example\r\nContent-Type: text/plain; charset*0*=utf-8''%\r\n\r\nx",
        b"From: a@b.example\r\n\r\n" + b">" * 500_000,
        b"From: a@b.example\r\n\r\n" + b"On 1 wrote:\r\n" * 50_000,
        b"From: a@b.example\r\n\r\n" + b"On " + b"a " * 250_000,
        b"From: a@b.example\r\n\r\n" + b"De: x\r\n" * 100_000,
        b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\n",
        report(*(["Action: failed\nStatus: 5.1.1"] * 5_000)),
    ]


@pytest.mark.parametrize("number", range(len(bombs())))
def test_a_bomb_costs_little(number: int):
    begun = time.process_time()
    with contextlib.suppress(Unreadable, NotForUs):
        read(bombs()[number], "a@b.example", [REPLY], OFFICE)
    assert time.process_time() - begun < 3.0


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read_or_refused(raw: bytes):
    with contextlib.suppress(Unreadable, NotForUs):
        read(raw, "a@b.example", [REPLY], OFFICE)


def test_a_mail_with_anything_changed_in_it_is_read_or_refused():
    chance = random.Random(7)
    samples = [
        report(block("failed", "5.1.1")),
        enclosed("feedback-report", "Feedback-Type: abuse"),
        mail(*several("alternative", part("text/plain", "BAJA"), part("text/html", "<p>x"))),
    ]
    for _ in range(3_000):
        raw = bytearray(chance.choice(samples))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(raw))
            if chance.random() < 0.5:
                raw[at] = chance.randrange(256)
            else:
                del raw[at : at + chance.randint(1, 40)]
        with contextlib.suppress(Unreadable, NotForUs):
            read(bytes(raw), chance.choice(["", "a@b.example"]), [chance.choice([BOUNCE, REPLY, STOP, SEEN])], OFFICE)
