"""E-mail by SMTP submission: one mail a parcel, headers that nobody can smuggle anything into, and a marked way back."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate, getaddresses, parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from adapters.kit.discovery import Spec
from adapters.kit.mail_dkim import Key, private_key, signed
from adapters.kit.mail_marks import LOCAL_PART_OCTETS_MAX, Box, Marks, PostOffice
from adapters.kit.mail_transport import ADDRESS_INVALID, Host, Letter, MailTransport, Refused, Stage, Taken, Tls
from adapters.kit.port import Forged, Hook
from adapters.kit.settings import Table
from adapters.kit.transport import MayHaveLeft, NothingLeft
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    CannotTell,
    Lost,
    NotSent,
    Outcome,
    Parcel,
    Quote,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Traced,
    Unknown,
)

#: RFC 4954 section 6: the host wants us to log in (differently). That is about us and not about the mail.
_LOGIN: Final = frozenset({530, 534, 535, 538})

#: Greylisting (RFC 6647 section 5) lets a second try pass after minutes; other 4xx are no shorter.
TRY_AGAIN_SECONDS: Final = 300.0
MAIL_BYTES_MAX: Final = 4 * 1024 * 1024
REASON_CHARACTERS_MAX: Final = 200
URL_CHARACTERS_MAX: Final = 400
PORT_SUBMISSION: Final = 587

#: What may stand in no header: controls, line and paragraph separators, halves of surrogate pairs. CPython's own check has
#: missed some of these more than once (CVE-2024-6923, CVE-2026-1299).
UNSAFE_IN_HEADER: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
_ADDRESS: Final = re.compile(r"<?[^\s<>@]{1,255}@[^\s<>]{1,255}>?")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SELECTOR: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
#: The kind of hook that is a mail program's one click (RFC 8058).
UNSUBSCRIBE: Final = "unsubscribe"
_CLICK_PART: Final = re.compile(
    rb'Content-Disposition: *form-data; *name="List-Unsubscribe"\r\n(?:[^\r\n]+\r\n)*\r\nOne-Click\r\n', re.IGNORECASE
)
_DOMAIN: Final = re.compile(r"(?=.{1,190}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "smtp"``.

    ``sender`` (``from``) is what people see; ``domain`` is where bounces and replies come in and what identifiers end in.
    ``unsubscribe_url`` holds ``{attempt}`` and ``{mark}``. ``listen`` is ours: the door for mail that comes in.
    """

    host: Host
    sender: Address
    domain: str
    subject: str | None = None
    unsubscribe_url: str | None = None
    delivery_receipts: bool = False
    read_receipts: bool = False
    listen: tuple[str, int] | None = None
    listen_lmtp: bool = False
    complaints: str = field(default="", repr=False)
    #: By which mails are signed here; none: by the relay.
    keys: tuple[Key, ...] = field(default=(), repr=False)


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    server = _endpoint(asked, "server", asked.text("server"), PORT_SUBMISSION)
    sender = asked.text("from")
    domain = asked.text("domain")
    username, password = asked.text_or_none("username"), asked.text_or_none("password")
    tls = asked.text_or_none("tls") or Tls.STARTTLS.value
    ca_file = asked.text_or_none("ca_file")
    subject = asked.text_or_none("subject")
    unsubscribe_url = asked.text_or_none("unsubscribe_url")
    receipts = asked.text_or_none("receipts") or "none"
    listen = asked.text_or_none("listen")
    listen_protocol = asked.text_or_none("listen_protocol") or "smtp"
    complaints = asked.text_or_none("complaints")
    dkim = [_dkim(asked, f"{name}dkim") for name in ("", "second_")]
    dkim_domain = asked.text_or_none("dkim_domain")
    asked.done()
    if tls not in set(Tls):
        raise asked.wrong("tls", f"must be one of {', '.join(Tls)}")
    if tls == Tls.NONE and not _loopback(server[0]):
        raise asked.wrong("tls", "may be none for 127.0.0.1, ::1 and localhost only")
    if (username is None) != (password is None):
        raise asked.wrong("username", "and password are given together or not at all")
    if not _DOMAIN.fullmatch(domain):
        raise asked.wrong("domain", "must be a domain in small letters, such as mail.example.com")
    if subject is not None and UNSAFE_IN_HEADER.search(subject):
        raise asked.wrong("subject", "holds a control character")
    if unsubscribe_url is not None and not _one_click(unsubscribe_url):
        raise asked.wrong("unsubscribe_url", "must begin with https:// and hold {attempt} and {mark}")
    if receipts not in ("none", "delivery", "delivery and read"):
        raise asked.wrong("receipts", "must be none, delivery, or delivery and read")
    if listen_protocol not in ("smtp", "lmtp"):
        raise asked.wrong("listen_protocol", "must be smtp or lmtp")
    if complaints is not None and _address(complaints) is None:
        raise asked.wrong("complaints", "must be a mail address")
    shown = _shown(sender)
    if shown is None:
        raise asked.wrong("from", 'must be a mail address, such as "Cobranza <avisos@example.com>"')
    return Settings(
        host=Host(
            host=server[0],
            port=server[1],
            tls=Tls(tls),
            local_name=domain,
            username=username,
            password=password,
            ca_file=ca_file,
        ),
        sender=shown,
        domain=domain,
        subject=subject,
        unsubscribe_url=unsubscribe_url,
        delivery_receipts=receipts != "none",
        read_receipts=receipts == "delivery and read",
        listen=None if listen is None else _endpoint(asked, "listen", listen, None),
        listen_lmtp=listen_protocol == "lmtp",
        complaints=(complaints or f"abuse@{domain}").lower(),
        keys=_keys(asked, dkim, dkim_domain or shown.domain.lower()),
    )


def _dkim(asked: Table, name: str) -> tuple[str, str] | None:
    """A selector and the file of its private key, given together or not at all."""
    selector, file = asked.text_or_none(f"{name}_selector"), asked.text_or_none(f"{name}_key_file")
    if (selector is None) != (file is None):
        raise asked.wrong(f"{name}_selector", f"and {name}_key_file are given together or not at all")
    if selector is None or file is None:
        return None
    if not _SELECTOR.fullmatch(selector):
        raise asked.wrong(f"{name}_selector", "must be labels of a domain in small letters, such as tregua2026")
    return selector, file


def _keys(asked: Table, dkim: list[tuple[str, str] | None], domain: str) -> tuple[Key, ...]:
    if not _DOMAIN.fullmatch(domain):
        raise asked.wrong("dkim_domain", "must be a domain in small letters, such as example.com")
    keys = []
    for name, told in zip(("dkim", "second_dkim"), dkim, strict=True):
        if told is None:
            continue
        try:
            private = private_key(Path(told[1]).read_bytes())
        except OSError:
            raise asked.wrong(f"{name}_key_file", "cannot be read") from None
        except ValueError as error:
            raise asked.wrong(f"{name}_key_file", str(error)) from None
        keys.append(Key(domain=domain, selector=told[0], private=private))
    return tuple(keys)


class SmtpMail:
    """One submission host and one address that people see. Also has a door for mail: meets ``ReceivesMail``."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: MailTransport) -> None:
        self._name = name
        self._settings = settings
        self._marks = Marks(domain=settings.domain, secret=mark_secret)
        self._transport = transport

    def __repr__(self) -> str:
        return f"SmtpMail({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """E-mail."""
        return Channel.EMAIL

    @property
    def post_office(self) -> PostOffice | None:
        """Where mail comes in, if ``listen`` says so."""
        told = self._settings
        if told.listen is None:
            return None
        also = frozenset({told.sender.addr_spec.lower(), told.complaints})
        return PostOffice(host=told.listen[0], port=told.listen[1], lmtp=told.listen_lmtp, marks=self._marks, also=also)

    def quote(self, _to: str, _text: str, /) -> Quote | None:
        """Nobody is billed for a mail by its length."""
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Submit one mail with one final dot. RFC 5321 section 3.3."""
        recipient = _address(parcel.to)
        if not parcel.to.isascii():
            # RFC 6531 asks for SMTPUTF8 on every host of the way; few have it.
            return Rejected(code="smtputf8", reason="an address with letters beyond ASCII is not written to yet")
        if recipient is None:
            return Rejected(code="address", reason="not a mail address that can be written to", address_invalid=True)
        made = written(self._settings, self._marks, parcel, recipient)
        if isinstance(made, Rejected):
            return made
        if self._settings.keys:
            made = signed(made, self._settings.keys, int(time.time()))
        notify = "SUCCESS,FAILURE,DELAY" if self._settings.delivery_receipts else "FAILURE,DELAY"
        submitted = await self._transport.submit(
            Letter(
                sender=self._marks.address(Box.BOUNCE, parcel.attempt),
                recipient=recipient.addr_spec,
                content=made,
                envelope_id=parcel.attempt.hex,
                notify=notify,
                by_seconds=max(parcel.validity_seconds, 1),
            )
        )
        match submitted:
            case Taken():
                identifier = self._marks.message_id(parcel.attempt)
                return Sent(provider_id=identifier.strip("<>"), provider_status=str(submitted.code))
            case NothingLeft():
                return NotSent(reason=submitted.reason)
            case MayHaveLeft():
                return Unknown(reason=submitted.reason)
            case Refused():
                return _refused(submitted)

    async def find(self, _lost: Lost, /) -> Traced:
        """SMTP has no list to look in; a bounce, a receipt or an answer tells later."""
        return CannotTell(reason="mail hosts keep no list")

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """One click of RFC 8058: the address that it is sent to carries our mark, so it is she or whom she gave the mail.

        A GET never comes here, for scanners open every link. Mail itself comes in by ``webhooks/mail.py``.
        """
        if hook.kind != UNSUBSCRIBE or not _clicked(hook):
            raise Forged("no click of ours")
        query = parse_qs(urlsplit(hook.url).query)
        attempt = self._marks.named(*(query.get(name, [""])[0] for name in ("attempt", "mark")))
        if attempt is None:
            raise Forged("the mark is not ours")
        return (
            Receipt(
                key=f"{attempt.hex}:{UNSUBSCRIBE}",
                kind=ReceiptKind.DELIVERED,
                provider_status=UNSUBSCRIBE,
                attempt=attempt,
                opted_out=True,
            ),
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()


def written(settings: Settings, marks: Marks, parcel: Parcel, recipient: Address) -> bytes | Rejected:
    """The mail as it goes over the wire, without dots doubled; ``Rejected`` when something cannot stand in a header or a body."""
    subject = parcel.subject or settings.subject
    headers: dict[str, str | Address] = {
        "From": settings.sender,
        "To": recipient,
        "Reply-To": Address(addr_spec=marks.address(Box.REPLY, parcel.attempt)),
        **({} if subject is None else {"Subject": subject}),
        "Date": formatdate(),
        "Message-ID": marks.message_id(parcel.attempt),
        # RFC 3834 section 5: nobody's holiday reply is asked for.
        "Auto-Submitted": "auto-generated",
        **_unsubscribing(settings, marks, parcel),
    }
    if settings.read_receipts:
        # RFC 8098 section 2.1: the same address as the return path, so that mail programs need not suspect it.
        headers["Disposition-Notification-To"] = marks.address(Box.BOUNCE, parcel.attempt)
    mail = EmailMessage(policy=_WIRE)
    try:
        for name, value in headers.items():
            if UNSAFE_IN_HEADER.search(str(value)):
                return Rejected(code="header", reason=f"{name} would hold a control character or a line separator")
            mail[name] = value
        # Quoted-printable goes through every host as it is, and no line is longer than 76 characters.
        mail.set_content(parcel.text, cte="quoted-printable")
        if parcel.html is not None:
            mail.add_alternative(parcel.html, subtype="html", cte="quoted-printable")
        content = mail.as_bytes()
    except UnicodeEncodeError:
        return Rejected(code="unencodable", reason="the content is not Unicode: it holds half of a surrogate pair")
    except (MessageError, ValueError, RecursionError):
        # ``verify_generated_headers`` speaks here, should our own check ever have missed something.
        return Rejected(code="header", reason="a header could not be written safely")
    if len(content) > MAIL_BYTES_MAX:
        return Rejected(code="size", reason=f"the mail is longer than {MAIL_BYTES_MAX} bytes")
    if not _holds_only(content, {*headers, *_OF_MIME}):
        return Rejected(code="header", reason="a header could not be written safely")
    return content


class _Wire(EmailPolicy):
    """Headers as they go over the wire. Addresses and identifiers, in ASCII by then, stay whole.

    The standard library would encode as a word of RFC 2047 whatever is longer than a line and has no space in it, and no
    mail program reads those in ``List-Unsubscribe`` or ``Message-ID``.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        """One header with its line ends."""
        if name in _WHOLE:
            return f"{name}: {value}\r\n".replace(">, <", ">,\r\n <").encode("ascii")
        return super().fold_binary(name, value)


_WIRE: Final = _Wire(linesep="\r\n")
_WHOLE: Final = frozenset({"To", "Reply-To", "Message-ID", "List-Unsubscribe", "Disposition-Notification-To"})
_OF_MIME: Final = frozenset({"MIME-Version", "Content-Type", "Content-Transfer-Encoding"})


def _holds_only(content: bytes, names: set[str]) -> bool:
    """Whether the head of a written mail holds these headers, each at most once, and nothing else."""
    head, _, _ = content.partition(b"\r\n\r\n")
    found: list[str] = []
    for line in head.split(b"\r\n"):
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
            return False
        if line[:1] not in (b" ", b"\t"):
            found.append(line.partition(b":")[0].decode("latin-1"))
        elif not line.strip():
            return False
    return len(found) == len(set(found)) and set(found) <= names


def _unsubscribing(settings: Settings, marks: Marks, parcel: Parcel) -> dict[str, str]:
    """RFC 2369 and, where a page takes the click, RFC 8058."""
    by_mail = f"<mailto:{marks.address(Box.STOP, parcel.attempt)}?subject=BAJA>"
    url = settings.unsubscribe_url or _own_click(parcel)
    if url is None:
        return {"List-Unsubscribe": by_mail}
    for name, value in marks.variables(parcel.attempt).items():
        url = url.replace("{" + name + "}", value)
    return {"List-Unsubscribe": f"<{url}>, {by_mail}", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _own_click(parcel: Parcel) -> str | None:
    """Where this gateway takes the click itself; None where people cannot open it: RFC 8058 section 3.1 asks for https."""
    status = urlsplit(parcel.status_url)
    if status.scheme != "https" or not status.path.endswith("/status"):
        return None
    return f"https://{status.netloc}{status.path.removesuffix('status')}{UNSUBSCRIBE}?attempt={{attempt}}&mark={{mark}}"


def _clicked(hook: Hook) -> bool:
    """Whether the body is the one that RFC 8058 section 3.2 asks for, by either of its two forms."""
    if hook.method != "POST":
        return False
    form = hook.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if form == "multipart/form-data":
        return _CLICK_PART.search(hook.body) is not None
    return b"List-Unsubscribe=One-Click" in hook.body.split(b"&")


def _refused(said: Refused) -> Outcome:
    """What a 4xx or 5xx means. Both are the host's word that it has nothing of ours (RFC 5321 section 4.2.5)."""
    if said.code // 100 == 4:
        # Greylisting and full mailboxes are about this mail; the others go on.
        reason = f"{said.stage.value} put off {_code(said)}"
        return NotSent(reason=reason, retry_after_seconds=TRY_AGAIN_SECONDS, about=About.MESSAGE)
    if said.code in _LOGIN:
        return NotSent(reason=f"login asked for {said.code}", about=About.ACCOUNT)
    code = _code(said)
    return Rejected(
        code=code,
        reason=_without_person(said.text) or f"{said.stage.value} refused",
        address_invalid=said.stage is Stage.RECIPIENT and code in ADDRESS_INVALID,
    )


def _code(said: Refused) -> str:
    """The enhanced code (RFC 2034) where the host gives one of the same class, else the reply's."""
    match = _ENHANCED.match(said.text)
    return match[1] if match and match[1][0] == str(said.code)[0] else str(said.code)


def _without_person(text: str) -> str:
    return _UNPRINTABLE.sub(" ", _ADDRESS.sub("(address)", text))[:REASON_CHARACTERS_MAX].strip()


def _address(text: str) -> Address | None:
    """A mail address without a name, in ASCII; what needs SMTPUTF8 (RFC 6531) is not written to yet."""
    if not text.isascii() or UNSAFE_IN_HEADER.search(text):
        return None
    try:
        address = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        return None
    if not address.username or not address.domain or len(address.username) > LOCAL_PART_OCTETS_MAX:
        return None
    # Comments and spaces, which RFC 5322 allows within an address, would be left out: another spelling, and perhaps another person.
    return address if address.addr_spec == text else None


def _shown(text: str) -> Address | None:
    # Releases of Python differ in what they make of a list here: it is said to be one address, so it must be.
    if len(getaddresses([text])) != 1:
        return None
    name, spec = parseaddr(text)
    address = _address(spec)
    if address is None or UNSAFE_IN_HEADER.search(name):
        return None
    return Address(display_name=name, addr_spec=address.addr_spec)


def _endpoint(asked: Table, name: str, text: str, port: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, found = parts.hostname, parts.port or port
    except ValueError:
        host, found = None, None
    if not host or not found or parts.path or parts.query or parts.username is not None:
        raise asked.wrong(name, "must be a host and a port, such as 127.0.0.1:2525")
    return host, found


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _one_click(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    whole = (
        "{attempt}" in url
        and "{mark}" in url
        and len(url) <= URL_CHARACTERS_MAX
        and not UNSAFE_IN_HEADER.search(url)
        and url.isascii()
    )
    return parts.scheme == "https" and bool(parts.hostname) and whole and not set(url) & set("<>, ")


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> SmtpMail:
    read = settings(name, table)
    return SmtpMail(name, read, mark_secret, MailTransport(read.host))


SPEC: Final = Spec(kind="smtp", channel=Channel.EMAIL, hooks=frozenset({UNSUBSCRIBE}), build=_build)
