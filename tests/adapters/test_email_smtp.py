"""What goes over the wire by ``adapters/email_smtp.py``, read by parsers that did not write it, and headers nobody gets into."""

import email.parser
import email.policy
import mailbox
import random
import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.email_smtp import SPEC, SmtpMail, settings, written
from adapters.email_smtp import _address as address_of
from adapters.kit.mail_marks import LOCAL_PART_OCTETS_MAX, Box, Marks
from adapters.kit.mail_testing import MailBench, Phase, Turn, Word
from adapters.kit.settings import SettingsError
from tests.adapters.email_smtp_demands import DOMAIN, table
from vocabulary.channel import Channel
from vocabulary.outcome import NotSent, Parcel, Rejected, Sent

SECRET = b"marks attempts"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
MARKS = Marks(domain=DOMAIN, secret=SECRET)
SUBJECT = "Su cuota de julio, señora Ñáñez €"
TEXT = "Hola canary, su cuota\n.está lista\n..\n.\nFrom aquí se paga.\nResponda BAJA 😀 = fin\t\n" + "x" * 2_000
HTML = '<html><body><p style="a">Hola <b>canary</b> €</p>\n.\n<a href="https://x.example/?a=1&amp;b=2">pagar</a></body></html>'


def parcel(**more: object) -> Parcel:
    whole = Parcel(
        attempt=ATTEMPT,
        channel=Channel.EMAIL,
        to="canary@example.com",
        text=TEXT,
        subject=SUBJECT,
        validity_seconds=60,
        status_url="https://tregua.example/unused",
    )
    return replace(whole, **more)  # type: ignore[arg-type]


def write(told: Parcel, **more: object) -> bytes | Rejected:
    recipient = address_of(told.to)
    assert recipient is not None
    return written(settings("m", table("127.0.0.1:1", **more)), MARKS, told, recipient)


def parsed(content: bytes) -> EmailMessage:
    return email.parser.BytesParser(policy=email.policy.default).parsebytes(content)


def raw_headers(content: bytes) -> list[tuple[str, str]]:
    """A parser of our own: RFC 5322 section 2.2, unfolded, and nothing decoded."""
    head, _, _ = content.partition(b"\r\n\r\n")
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", head)
    assert b"\n" not in unfolded.replace(b"\r\n", b"")
    assert b"\r" not in unfolded.replace(b"\r\n", b"")
    found = []
    for line in unfolded.split(b"\r\n"):
        match = re.fullmatch(rb"([!-9;-~]+):[ ]?([ -~\t]*)", line)
        assert match, line
        found.append((match[1].decode(), match[2].decode()))
    return found


@pytest.fixture
async def bench() -> AsyncIterator[MailBench]:
    async with MailBench() as found:
        yield found


async def over_the_wire(bench: MailBench, told: Parcel, **more: object) -> bytes:
    bench.script(None)
    adapter = SPEC.build("m", table(bench.address, **more), SECRET)
    ending = await adapter.send(told)
    await adapter.close()
    assert isinstance(ending, Sent), ending
    return bench.mails[-1].content


# What arrives


async def test_a_second_and_a_third_parser_read_what_was_meant(bench: MailBench, tmp_path: Path):
    content = await over_the_wire(bench, parcel(html=HTML))
    box = mailbox.Maildir(tmp_path / "box")
    by_mailbox = parsed(box.get_bytes(box.add(content)))
    for mail in (parsed(content), by_mailbox):
        assert mail["Subject"] == SUBJECT
        assert mail["From"].addresses[0].addr_spec == "avisos@cobranza.example"
        assert mail["From"].addresses[0].display_name == "Cobranza C1"
        assert [one.addr_spec for one in mail["To"].addresses] == ["canary@example.com"]
        assert mail.get_content_type() == "multipart/alternative"
        plain, page = mail.iter_parts()
        assert (plain.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
        assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == TEXT.rstrip("\n")
        assert page.get_content().replace("\r\n", "\n").rstrip("\n") == HTML
        assert not mail.defects
        assert not plain.defects
    names = [name for name, _ in raw_headers(content)]
    assert len(names) == len(set(names))


async def test_without_html_it_is_one_part(bench: MailBench):
    mail = parsed(await over_the_wire(bench, parcel()))
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == TEXT.rstrip("\n")


async def test_lines_and_octets_are_those_that_every_host_takes(bench: MailBench):
    content = await over_the_wire(bench, parcel(html=HTML * 50), unsubscribe_url="https://x.example/{attempt}/{mark}")
    assert content.isascii()
    assert b"\x00" not in content
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


async def test_the_envelope_and_the_head_carry_marks_that_fit(bench: MailBench):
    content = await over_the_wire(bench, parcel())
    mail = parsed(content)
    assert MARKS.named_by(bench.mails[0].sender) == (Box.BOUNCE, ATTEMPT)
    assert MARKS.named_by(mail["Reply-To"].addresses[0].addr_spec) == (Box.REPLY, ATTEMPT)
    headers = dict(raw_headers(content))
    assert MARKS.named_in(headers["Message-ID"]) == ATTEMPT
    assert headers["Message-ID"].startswith(f"<{ATTEMPT.hex}.")
    assert headers["Auto-Submitted"] == "auto-generated"
    stop = re.fullmatch(r"<mailto:([^?>]+)\?subject=BAJA>", headers["List-Unsubscribe"])
    assert stop
    assert MARKS.named_by(stop[1]) == (Box.STOP, ATTEMPT)
    assert "List-Unsubscribe-Post" not in headers
    assert "Disposition-Notification-To" not in headers
    assert len(bench.mails[0].sender.partition("@")[0]) <= LOCAL_PART_OCTETS_MAX


async def test_one_click_only_where_a_page_takes_it(bench: MailBench):
    content = await over_the_wire(bench, parcel(), unsubscribe_url="https://x.example/u?a={attempt}&k={mark}")
    headers = dict(raw_headers(content))
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url, by_mail = headers["List-Unsubscribe"].split(", ")
    digits, mark = re.fullmatch(r"<https://x\.example/u\?a=([0-9a-f]{32})&k=([a-z2-7]{24})>", url).groups()  # type: ignore[union-attr]
    assert MARKS.named_by(f"stop+{digits}.{mark}@{DOMAIN}") == (Box.STOP, ATTEMPT)
    assert by_mail.startswith("<mailto:stop+")


async def test_receipts_are_asked_for_where_wanted(bench: MailBench):
    async with MailBench(extensions=["DSN"]) as host:
        content = await over_the_wire(host, parcel(), receipts="delivery and read")
        assert host.mails[0].recipient_words == ["NOTIFY=SUCCESS,FAILURE,DELAY"]
    named = MARKS.named_by(dict(raw_headers(content))["Disposition-Notification-To"])
    assert named == (Box.BOUNCE, ATTEMPT)


async def test_a_subject_of_the_settings_stands_where_the_message_has_none(bench: MailBench):
    content = await over_the_wire(bench, parcel(subject=None), subject="Un mensaje de C1 para usted")
    assert parsed(content)["Subject"] == "Un mensaje de C1 para usted"
    assert "Subject" not in dict(raw_headers(await over_the_wire(bench, parcel(subject=None))))


async def test_the_id_told_is_the_identifier_of_the_mail(bench: MailBench):
    bench.script(None)
    adapter = SPEC.build("m", table(bench.address), SECRET)
    ending = await adapter.send(parcel())
    await adapter.close()
    assert isinstance(ending, Sent)
    assert f"<{ending.provider_id}>" == dict(raw_headers(bench.mails[0].content))["Message-ID"]


# Nobody gets into the headers


def hostile(seed: int) -> list[str]:
    """Two thousand values, each of which has broken some mail program once, or is one letter away from it."""
    chance = random.Random(seed)
    ends = [
        "\r\n",
        "\n",
        "\r",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
        "\x00",
        "\x7f",
        "\t",
        "\x1b",
    ]
    loads = [
        "Bcc: all@example.com",
        "To: other@example.com",
        "Content-Type: text/html",
        "\r\n<script>alert(1)</script>",
        ".\r\nMAIL FROM:<x@y.example>",
        " continued",
        "",
        "Subject: twice",
        "=?utf-8?q?=0d=0aBcc:_x=40y.example?=",
        "--boundary",
    ]
    words = [
        "Su cuota",
        "ñandú €",
        "a" * 120,
        "",
        "=?utf-8?b?",
        "?=",
        '"',
        "\\",
        "<a@b.example>",
        ";",
        ":",
        "😀",
        "(x)",
    ]
    made = []
    while len(made) < 2_000:
        pieces = [chance.choice(chance.choice((words, loads, ends, ends))) for _ in range(chance.randint(1, 6))]
        if chance.random() < 0.2:
            pieces.append(chr(chance.choice((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800, 0xDFFF))))
        chance.shuffle(pieces)
        made.append("".join(pieces))
    return made


def whole(content: bytes, told: Parcel) -> None:
    """What was written holds our headers and no other, for whoever reads it."""
    allowed = {
        *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Unsubscribe"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }
    ours = raw_headers(content)
    assert {name for name, _ in ours} <= allowed
    assert len(ours) == len({name for name, _ in ours})
    mail = parsed(content)
    assert {name for name, _ in mail.items()} <= allowed
    assert [one.addr_spec for one in mail["To"].addresses] == [told.to]
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == TEXT.rstrip("\n")


def test_two_thousand_hostile_subjects_add_no_header_and_change_no_body():
    refused = 0
    for value in hostile(1):
        told = parcel(subject=value)
        made = write(told)
        unsafe = re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", value)
        if unsafe:
            assert isinstance(made, Rejected), repr(value)
            assert made.code == "header"
            refused += 1
        elif isinstance(made, Rejected):
            # What looks like an encoded word with a line break in it: some releases of Python will not write it, which is safe.
            assert made.code == "header"
            assert "=?" in value, repr(value)
        else:
            whole(made, told)
    assert 1_000 < refused < 2_000


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_subject_is_refused_or_read_as_it_was_meant(value: str):
    told = parcel(subject=value)
    made = write(told)
    if isinstance(made, bytes):
        whole(made, told)


async def test_two_thousand_hostile_recipients_reach_nobody_else(bench: MailBench):
    """Whatever is taken for an address is said to the host as that one address and nothing more."""
    adapter = SPEC.build("m", table(bench.address), SECRET)
    assert isinstance(adapter, SmtpMail)
    reached = 0
    for value in hostile(2):
        for to in (value, f"ana{value}@example.com", f"ana@{value}"):
            ending: object = None
            if address_of(to) is None or not to.isascii():
                ending = await adapter.send(parcel(to=to))
                assert isinstance(ending, Rejected), repr(to)
            elif reached < 50:
                reached += 1
                bench.script(None)
                ending = await adapter.send(parcel(to=to))
                assert isinstance(ending, Sent), repr(to)
                assert bench.mails[-1].recipient == to
    assert len(bench.mails) == reached == bench.dots
    await adapter.close()


ADDRESSES: Mapping[str, bool] = {
    "ana@example.com": True,
    "ana.b+c@sub.example.com": True,
    "o'hara@example.com": True,
    '"ana b"@example.com': True,
    "a" * 64 + "@example.com": True,
    "a" * 65 + "@example.com": False,
    "ana(x)@example.com": False,
    "ana @example.com": False,
    "ana": False,
    "@example.com": False,
    "ana@": False,
    "ana@@example.com": False,
    "Ana <ana@example.com>": False,
    "ana@example.com, otra@example.com": False,
    "ana@example.com\r\nRCPT TO:<otra@example.com>": False,
    "ana@example.com> SIZE=1": False,
    "": False,
}


@pytest.mark.parametrize("to", list(ADDRESSES))
async def test_an_address_is_written_to_or_refused_before_a_connection(bench: MailBench, to: str):
    adapter = SPEC.build("m", table(bench.address), SECRET)
    if ADDRESSES[to]:
        bench.script(None)
    ending = await adapter.send(parcel(to=to))
    await adapter.close()
    if ADDRESSES[to]:
        assert isinstance(ending, Sent)
        assert bench.mails[0].recipient == to
        assert [one.addr_spec for one in parsed(bench.mails[0].content)["To"].addresses] == [to]
    else:
        assert isinstance(ending, Rejected)
        assert ending.address_invalid
        assert bench.connections == 0


async def test_an_address_beyond_ascii_is_refused_and_not_taken_for_none(bench: MailBench):
    adapter = SPEC.build("m", table(bench.address), SECRET)
    ending = await adapter.send(parcel(to="ñandú@example.com"))
    await adapter.close()
    assert isinstance(ending, Rejected)
    assert (ending.code, ending.address_invalid) == ("smtputf8", False)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"text": "half \ud800"}, "unencodable"),
        ({"html": "half \udfff"}, "unencodable"),
        ({"subject": "half \udfff"}, "header"),
        ({"text": "ñ" * 3_000_000}, "size"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_a_connection(
    bench: MailBench, more: Mapping[str, object], code: str
):
    adapter = SPEC.build("m", table(bench.address), SECRET)
    ending = await adapter.send(parcel(**more))
    await adapter.close()
    assert isinstance(ending, Rejected)
    assert (ending.code, bench.connections) == (code, 0)


def test_our_own_check_holds_where_the_librarys_does_not(monkeypatch: pytest.MonkeyPatch):
    """As in CVE-2024-6923: what the library writes is looked at once more before it leaves."""
    from adapters import email_smtp

    class Careless(email_smtp._Wire):
        def fold_binary(self, name: str, value: object) -> bytes:
            return b"Subject: x\r\nBcc: all@example.com\r\n" if name == "Subject" else super().fold_binary(name, value)

    monkeypatch.setattr(email_smtp, "_WIRE", Careless(linesep="\r\n"))
    made = write(parcel())
    assert isinstance(made, Rejected)
    assert made.code == "header"


# Marks


def test_a_mark_of_another_attempt_secret_or_domain_names_nobody():
    for box in Box:
        ours = MARKS.address(box, ATTEMPT)
        assert MARKS.named_by(ours.upper()) == (box, ATTEMPT)
        for other in (
            Marks(domain=DOMAIN, secret=b"x").address(box, ATTEMPT),
            Marks(domain="other.example", secret=SECRET).address(box, ATTEMPT),
            Marks(domain="other.example", secret=SECRET).address(box, ATTEMPT).replace("other.example", DOMAIN),
            ours.replace(ATTEMPT.hex, UUID(int=ATTEMPT.int ^ 1).hex),
            ours.replace(box.value, "other"),
            ours.replace("+", "-"),
            ours.replace("@", "x@"),
            ours[:-1],
        ):
            assert MARKS.named_by(other) is None, other


def test_one_letter_of_a_mark_changed_names_nobody():
    ours = MARKS.address(Box.BOUNCE, ATTEMPT)
    start, end = ours.index("+") + 1, ours.index("@")
    for at in range(start, end):
        for letter in "abcdefghijklmnopqrstuvwxyz0123456789.":
            other = ours[:at] + letter + ours[at + 1 :]
            assert other == ours or MARKS.named_by(other) is None


def test_the_last_identifier_of_ours_among_many_is_the_one_answered():
    first, last = uuid4(), uuid4()
    header = f"<a@b.example> {MARKS.message_id(first)} <c@d.example>\t{MARKS.message_id(last)} <e@f.example>"
    assert MARKS.named_in(header) == last
    assert MARKS.named_in("<" * 100_000 + "@" * 100_000) is None
    assert MARKS.named_in(f"<{ATTEMPT.hex}.{'a' * 24}@{DOMAIN}>") is None


# Settings


WRONG = [
    ("server", "relay.example:99999"),
    ("server", "user@relay.example"),
    ("server", "relay.example/path"),
    ("tls", "ssl"),
    ("from", "nobody"),
    ("from", "Ana <ana@example.com>, Eva <eva@example.com>"),
    ("from", "ñandú@example.com"),
    ("domain", "localhost"),
    ("domain", "-a.example"),
    ("domain", "Mail.example"),
    ("domain", "a.example\n"),
    ("username", "without a password"),
    ("password", "without a name"),
    ("subject", "two\nlines"),
    ("unsubscribe_url", "http://x.example/{attempt}/{mark}"),
    ("unsubscribe_url", "https://x.example/{attempt}"),
    ("unsubscribe_url", "https://x.example/{attempt}/{mark}>"),
    ("receipts", "all"),
    ("listen", "7777"),
    ("listen", "10.0.0.8"),
    ("listen_protocol", "pop3"),
    ("complaints", "abuse"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_that_cannot_be_is_refused_by_name_and_not_by_value(name: str, value: str):
    with pytest.raises(SettingsError, match=name.replace("password", "username")) as refusal:
        settings("m", {**table("127.0.0.1:25"), name: value})
    assert value not in str(refusal.value)


def test_the_door_is_where_listen_says():
    adapter = SPEC.build("m", table("127.0.0.1:25", listen="[::1]:2525", listen_protocol="lmtp"), SECRET)
    assert isinstance(adapter, SmtpMail)
    office = adapter.post_office
    assert office is not None
    assert (office.host, office.port, office.lmtp) == ("::1", 2525, True)
    assert office.also == {"avisos@cobranza.example", f"abuse@{DOMAIN}"}
    assert SPEC.build("m", table("127.0.0.1:25"), SECRET).post_office is None  # type: ignore[attr-defined]


async def test_a_code_that_speaks_of_the_mailbox_and_not_of_its_name_leaves_the_address(bench: MailBench):
    adapter = SPEC.build("m", table(bench.address), SECRET)
    bench.script(Turn(Phase.RCPT, Word(452, "4.2.2 full")), Turn(Phase.RCPT, Word(550, "5.2.2 full")))
    assert isinstance(await adapter.send(parcel()), NotSent)
    ending = await adapter.send(parcel())
    await adapter.close()
    assert isinstance(ending, Rejected)
    assert not ending.address_invalid


def test_the_table_that_is_documented_is_one_and_every_setting_is_named(checkout: Path):
    page = (checkout / "docs" / "channels" / "email.md").read_text()
    shown = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    told = shown["providers"]["mail-main"]
    adapter = SPEC.build("mail-main", told, SECRET)
    assert isinstance(adapter, SmtpMail)
    assert adapter.post_office is not None
    with pytest.raises(SettingsError, match="unknown settings: x") as refusal:
        settings("m", {**told, "x": "y"})
    known = str(refusal.value).partition("Known are: kind, ")[2].split(", ")
    assert len(known) > 10
    assert [name for name in known if f"\n{name} = " not in page and f"`{name}`" not in page] == []
