"""Reads a mail that came in: a bounce, a receipt, a complaint, a wish to hear no more, a machine's answer, or a person's words.

Pure: bytes in, receipts and replies out. Reports are found by their parts and not by the type of the whole, for some hosts
(OpenSMTPD) send them as ``multipart/mixed``.
"""

import re
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser, Parser
from email.policy import compat32
from email.utils import parseaddr
from hashlib import sha256
from typing import Final
from uuid import UUID

from adapters.kit.mail_marks import HEADER_CHARACTERS_MAX, Box, PostOffice
from adapters.kit.mail_transport import ADDRESS_INVALID
from adapters.kit.port import Unreadable
from vocabulary.channel import Channel
from vocabulary.outcome import Receipt, ReceiptKind, Reply
from webhooks.mail_text import READ_CHARACTERS_MAX, clean, her_words, of_html

PARTS_MAX: Final = 200
DEPTH_MAX: Final = 20
BLOCKS_MAX: Final = 20
TEXT_BYTES_MAX: Final = 4 * READ_CHARACTERS_MAX
ADDRESS_CHARACTERS_MAX: Final = 320

#: RFC 3464 section 2.3.3. ``expanded``: it arrived, and goes on to others from there.
ACTIONS: Final[dict[str, ReceiptKind]] = {
    "failed": ReceiptKind.UNDELIVERED,
    "delayed": ReceiptKind.ACCEPTED,
    "delivered": ReceiptKind.DELIVERED,
    "relayed": ReceiptKind.SENT,
    "expanded": ReceiptKind.DELIVERED,
}

#: RFC 8098 section 3.2.6.2: only who displays it has read it; who deletes it unread has had it.
DISPOSITIONS: Final[dict[str, ReceiptKind]] = {
    "displayed": ReceiptKind.READ,
    "deleted": ReceiptKind.DELIVERED,
    "dispatched": ReceiptKind.DELIVERED,
    "processed": ReceiptKind.DELIVERED,
}

#: RFC 5965 section 7.3 and its registry: a person (or her provider for her) says that this was not wanted.
COMPLAINTS: Final = frozenset({"abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "miscategorized"})

_PRECEDENCES: Final = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
_MACHINE_HEADERS: Final = ("X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "X-Autoresponder")

_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_REPLY: Final = re.compile(r"\b[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})\b")
_WORD: Final = re.compile(r"[a-z][a-z_-]{0,31}")
_ADDRESS: Final = re.compile(r"[^\s<>@\x00-\x1f\x7f]{1,255}@[^\s<>@\x00-\x1f\x7f]{1,255}")
#: Python's codecs that are no character sets.
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "rot13"})


class NotForUs(Exception):
    """The mail speaks of nothing that we sent: refused with 550, nothing kept."""


def read(raw: bytes, sender: str, recipients: Sequence[str], office: PostOffice) -> tuple[Receipt | Reply, ...]:
    """What one mail says. ``sender`` is of its envelope, empty for a report. Raises ``Unreadable`` or ``NotForUs``."""
    mail = BytesParser(policy=compat32).parsebytes(raw)
    parts = list(_parts(mail))
    box, attempt = next(filter(None, (office.marks.named_by(one) for one in recipients)), (None, None))
    reports = [part for part in parts if part.get_content_type() in _REPORTS]
    if reports:
        return tuple(_told(reports[0], parts, attempt or _returned(parts, office), office))
    if attempt is None:
        # Some programs take an identifier that is longer than a line for words, and encode it.
        named = (office.marks.named_in(_decoded(_header(mail, name))) for name in ("In-Reply-To", "References"))
        attempt = next(filter(None, named), None)
    machine = _machine(mail, sender)
    if machine is not None:
        return (_by_machine(mail, machine, box, attempt),)
    if box is Box.STOP and attempt is not None:
        # RFC 2369 section 3.2: sent by her mail program when she presses "unsubscribe". What it says does not matter.
        return (_receipt(attempt, ReceiptKind.DELIVERED, "unsubscribe", opted_out=True),)
    return (_reply(mail, parts, sender, recipients, attempt),)


def _told(report: Message, parts: Sequence[Message], attempt: UUID | None, office: PostOffice) -> Iterator[Receipt]:
    """What a report says; the first of its parts that is one counts."""
    blocks = list(_blocks(report))
    if attempt is None:
        for name in ("Original-Mail-From", "Original-Message-ID"):
            for block in blocks:
                named = office.marks.named_by(_spec(_header(block, name)))
                attempt = attempt or (named[1] if named else office.marks.named_in(_header(block, name)))
    if attempt is None:
        raise NotForUs
    kind = report.get_content_type().removeprefix("message/").removeprefix("global-")
    if kind == "feedback-report":
        found = _complaint(attempt, blocks)
    elif kind == "disposition-notification":
        found = _disposition(attempt, blocks)
    else:
        found = _delivery(attempt, blocks, parts)
    if not found:
        raise Unreadable("a report that says nothing")
    yield from found


def _delivery(attempt: UUID, blocks: Sequence[Message], parts: Sequence[Message]) -> list[Receipt]:
    """RFC 3464: one block a recipient. There was one recipient, so of several blocks each is about her."""
    found: dict[str, Receipt] = {}
    for block in blocks:
        action = _first_word(_header(block, "Action"))
        if action is None:
            continue
        code = _enhanced(_header(block, "Status"), _header(block, "Diagnostic-Code"))
        if code is not None and code.endswith(".0.0"):
            code = _in_words(code, parts)
        word = action if code is None else f"{action} {code}"
        failed = action == "failed"
        found[word] = _receipt(
            attempt,
            ACTIONS.get(action, ReceiptKind.UNREADABLE),
            word,
            error_code=code if failed or action == "delayed" else None,
            address_invalid=failed and code in ADDRESS_INVALID,
        )
    return list(found.values())


def _disposition(attempt: UUID, blocks: Sequence[Message]) -> list[Receipt]:
    """RFC 8098: ``Disposition: manual-action/MDN-sent-manually; displayed``."""
    for block in blocks:
        word = _first_word(_header(block, "Disposition").rpartition(";")[2].partition("/")[0])
        if word is not None:
            return [_receipt(attempt, DISPOSITIONS.get(word, ReceiptKind.UNREADABLE), word)]
    return []


def _complaint(attempt: UUID, blocks: Sequence[Message]) -> list[Receipt]:
    """RFC 5965: she had it, and told her provider that she does not want it."""
    for block in blocks:
        word = _first_word(_header(block, "Feedback-Type"))
        if word is not None:
            meant = word in COMPLAINTS
            known = meant or word == "not-spam"
            kind = ReceiptKind.DELIVERED if known else ReceiptKind.UNREADABLE
            return [_receipt(attempt, kind, f"feedback {word}", opted_out=meant)]
    return []


_REPORTS: Final = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
        "message/feedback-report",
    }
)


def _machine(mail: Message, sender: str) -> str | None:
    """Why this was not written by a person (RFC 3834 section 2, and what programs did before it); None: it may have been."""
    submitted = _first_word(_header(mail, "Auto-Submitted"))
    if submitted is not None and submitted != "no":
        return submitted
    if sender in ("", "<>"):
        return "no return path"
    if _header(mail, "Precedence").strip().lower() in _PRECEDENCES:
        return "precedence"
    return next((name for name in _MACHINE_HEADERS if mail[name] is not None), None)


def _by_machine(mail: Message, why: str, box: Box | None, attempt: UUID | None) -> Receipt:
    if attempt is None:
        # An answer to nothing of ours, or one that names nothing: there is nobody to tell it of.
        raise NotForUs
    if mail["X-Failed-Recipients"] is not None:
        # Exim's bounces before it sent reports.
        return _receipt(attempt, ReceiptKind.UNDELIVERED, "failed")
    if why == "no return path" and box is Box.BOUNCE:
        raise Unreadable("a bounce or an answer without a report")
    # It answers, so it was given the mail; whether she saw it, it does not say.
    return _receipt(attempt, ReceiptKind.ACCEPTED, "auto-reply")


def _reply(
    mail: Message, parts: Sequence[Message], sender: str, recipients: Sequence[str], attempt: UUID | None
) -> Reply:
    author = _address(_spec(_header(mail, "From"))) or _address(sender)
    if author is None:
        raise Unreadable("nobody wrote it")
    plain = [_text(part) for part in parts if part.get_content_type() == "text/plain" and not _attached(part)]
    said = her_words("\n".join(plain))
    if not any(text.strip() for text in plain):
        pages = [_text(part) for part in parts if part.get_content_type() == "text/html" and not _attached(part)]
        said = her_words("\n".join(of_html(page) for page in pages))
    subject = clean(_decoded(_header(mail, "Subject")))
    if not said and subject and not subject.lower().startswith(("re:", "rv:", "fwd:", "fw:", "res:", "enc:")):
        # "BAJA" in the subject of an empty mail.
        said = subject
    identifier = _header(mail, "Message-ID").strip()
    # Not by the identifier alone: some programs repeat theirs, and the second "BAJA" must be heard.
    same = "\x00".join((identifier, author, _header(mail, "Date").strip(), str(attempt), said))
    return Reply(
        key=sha256(same.encode("utf-8", "replace")).hexdigest()[:40],
        channel=Channel.EMAIL,
        sender=author,
        recipient=recipients[0],
        text=said,
        provider_id=clean(identifier)[:250].strip("<>") or None,
        attempt=attempt,
    )


def _receipt(
    attempt: UUID,
    kind: ReceiptKind,
    word: str,
    *,
    error_code: str | None = None,
    opted_out: bool = False,
    address_invalid: bool = False,
) -> Receipt:
    return Receipt(
        key=f"{attempt.hex}:{word}",
        kind=kind,
        provider_status=word,
        attempt=attempt,
        error_code=error_code,
        opted_out=opted_out,
        address_invalid=address_invalid,
    )


def _parts(mail: Message) -> Iterator[Message]:
    """Every part that is no envelope of others, and mails within the mail as one part each."""
    waiting = [(mail, 0)]
    for _ in range(PARTS_MAX):
        if not waiting:
            return
        part, depth = waiting.pop(0)
        inner = _inner(part)
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            if depth < DEPTH_MAX:
                waiting[:0] = [(one, depth + 1) for one in inner if isinstance(one, Message)]
        else:
            yield part


def _blocks(report: Message) -> Iterator[Message]:
    """The groups of fields of a report, however the parser took it to pieces."""
    inner = _inner(report)
    for block in inner[:BLOCKS_MAX] if isinstance(inner, list) else ():
        if not isinstance(block, Message):
            continue
        yield block
        rest = _inner(block)
        if isinstance(rest, str) and rest.strip():
            for text in re.split(r"(?:\r?\n){2,}", rest)[:BLOCKS_MAX]:
                yield Parser(policy=compat32).parsestr(text.strip() + "\n\n", headersonly=True)


def _returned(parts: Sequence[Message], office: PostOffice) -> UUID | None:
    """The attempt that the mail which is sent back carries in its identifier."""
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/rfc822", "message/global"):
            inner = _inner(part)
            heads = [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []
        elif kind in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            heads = [Parser(policy=compat32).parsestr(_text(part), headersonly=True)]
        else:
            continue
        for head in heads:
            if (attempt := office.marks.named_in(_header(head, "Message-ID"))) is not None:
                return attempt
    return None


def _inner(part: Message) -> object:
    """The parts or the text of a part. The library chokes on character sets that are none (``idna``, ``undefined``)."""
    try:
        return part.get_payload()
    except (LookupError, ValueError):
        return None


def _header(mail: Message, name: str) -> str:
    """The first header of a name as text, unfolded; empty when there is none."""
    value = mail.get(name)
    return "" if value is None else re.sub(r"[\r\n]+\s*", " ", str(value)[:HEADER_CHARACTERS_MAX])


def _spec(header: str) -> str:
    """The address in a header, empty when there is none: comments within comments can be deeper than the library goes."""
    try:
        return parseaddr(header)[1]
    except RecursionError:
        return ""


def _decoded(header: str) -> str:
    try:
        return str(make_header(decode_header(header)))
    except (HeaderParseError, LookupError, ValueError):
        return header


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        inner = _inner(part)
        return str(inner[0]) if isinstance(inner, list) and inner else ""
    content = content[:TEXT_BYTES_MAX]
    for charset in (str(part.get_content_charset() or "utf-8"), "utf-8", "cp1252"):
        if charset.replace("-", "_").lower() in _NO_CHARSETS:
            continue
        try:
            return content.decode(charset)
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")


def _attached(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")


def _address(text: str) -> str | None:
    return text if len(text) <= ADDRESS_CHARACTERS_MAX and _ADDRESS.fullmatch(text) else None


def _first_word(header: str) -> str | None:
    """``Auto-Submitted: auto-replied; owner-email="…"`` → ``auto-replied``."""
    match = _WORD.match(re.sub(r"\([^()]*\)", " ", header).strip().lower())
    return match[0] if match else None


def _in_words(code: str, parts: Sequence[Message]) -> str:
    """OpenSMTPD tells what the other host said in the words for people only: ``<address>: 550 5.1.1 …``."""
    words = next((_text(part) for part in parts if part.get_content_type() == "text/plain"), "")
    said = _REPLY.search(words[:READ_CHARACTERS_MAX])
    return said[1] if said and said[1][0] == code[0] else code


def _enhanced(status: str, diagnostic: str) -> str | None:
    """The code of RFC 3463; hosts that tell only its class (5.0.0) often repeat the whole in what the other host said."""
    first = _STATUS.search(status)
    if first is not None and not first[1].endswith(".0.0"):
        return first[1]
    second = _STATUS.search(diagnostic)
    if second is not None and (first is None or second[1][0] == first[1][0]):
        return second[1]
    return first[1] if first else None
