"""What mail hosts and mail programs write to us: delivery reports, read receipts, complaints and a person's answer, byte by byte.

Written by hand and not by the library that the gateway reads with, so that the two can disagree.
"""

import base64
import html
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from uuid import uuid4


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A mail that arrived, as far as answers to it need it. ``return_path`` is of its envelope; ``head`` are its headers."""

    message_id: str
    return_path: str
    reply_to: str
    recipient: str
    subject: str
    text: str
    head: str = field(repr=False)


def report(original: Original, host: str, word: str, now: datetime) -> bytes:
    """A delivery report (RFC 3464) of the action ``delivered`` or ``failed``."""
    failed = word == "failed"
    status = "5.1.1" if failed else "2.0.0"
    said = f"550 5.1.1 <{original.recipient}>: Recipient address rejected: User unknown" if failed else "250 2.0.0 Ok"
    subject = "Undelivered Mail Returned to Sender" if failed else "Successful Mail Delivery Report"
    told = "could not be delivered" if failed else "was delivered"
    boundary = uuid4().hex
    return _lines(
        f"From: Mail Delivery System <MAILER-DAEMON@{host}>",
        f"To: {original.return_path}",
        f"Subject: {subject}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{uuid4().hex}@{host}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        "This is a MIME-encapsulated message.",
        "",
        f"--{boundary}",
        "Content-Description: Notification",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the mail system at host {host}.",
        "",
        f"Your message {told}.",
        "",
        f"<{original.recipient}>: {said}",
        "",
        f"--{boundary}",
        "Content-Description: Delivery report",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {host}",
        f"Arrival-Date: {format_datetime(now)}",
        "",
        f"Final-Recipient: rfc822; {original.recipient}",
        f"Original-Recipient: rfc822;{original.recipient}",
        f"Action: {word}",
        f"Status: {status}",
        f"Remote-MTA: dns; mx.{host}",
        f"Diagnostic-Code: smtp; {said}",
        "",
        f"--{boundary}",
        "Content-Description: Message Headers",
        "Content-Type: text/rfc822-headers",
        "",
        original.head,
        "",
        f"--{boundary}--",
    )


def read_receipt(original: Original, host: str, now: datetime) -> bytes:
    """A message disposition notification (RFC 8098): she has it on her screen and pressed "yes"."""
    boundary = uuid4().hex
    return _lines(
        f"From: {original.recipient}",
        f"To: {original.return_path}",
        f"Subject: {Header('Leído: ' + original.subject, 'utf-8').encode()}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{uuid4().hex}@{host}>",
        f"In-Reply-To: {original.message_id}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=disposition-notification; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        _base64("Este es un acuse de recibo del mensaje que usted envió."),
        "",
        f"--{boundary}",
        "Content-Type: message/disposition-notification",
        "",
        f"Reporting-UA: {host}; sandbox",
        f"Original-Recipient: rfc822;{original.recipient}",
        f"Final-Recipient: rfc822;{original.recipient}",
        f"Original-Message-ID: {original.message_id}",
        "Disposition: manual-action/MDN-sent-manually; displayed",
        "",
        f"--{boundary}--",
    )


def complaint(original: Original, host: str, to: str, now: datetime) -> bytes:
    """An abuse report (RFC 5965), as a feedback loop sends it when she presses "this is spam"; her address is taken out."""
    boundary = uuid4().hex
    head = original.head.replace(original.recipient, f"redacted@{host}")
    return _lines(
        f"From: Feedback Loop <feedback@{host}>",
        f"To: {to}",
        "Subject: FW: complaint about a message",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{uuid4().hex}@{host}>",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=feedback-report; boundary="{boundary}"',
        "",
        f"--{boundary}",
        'Content-Type: text/plain; charset="US-ASCII"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "This is an email abuse report for an email message.",
        "",
        f"--{boundary}",
        "Content-Type: message/feedback-report",
        "",
        "Feedback-Type: abuse",
        "User-Agent: Sandbox-FBL/1.0",
        "Version: 1",
        f"Arrival-Date: {format_datetime(now)}",
        f"Reporting-MTA: dns; {host}",
        "",
        f"--{boundary}",
        "Content-Type: message/rfc822",
        "Content-Disposition: inline",
        "",
        head,
        "",
        "(the text is left out)",
        "",
        f"--{boundary}--",
    )


def answer(original: Original | None, to: str, sender: str, text: str, identifier: str, now: datetime) -> bytes:
    """What her mail program sends when she presses "reply" and writes: in text and in HTML, ours quoted below."""
    quoting, quoted = "", ""
    threading: list[str] = []
    if original is not None:
        stamp = f"El {now.day}/{now.month}/{now.year} a las {now.hour:02d}:{now.minute:02d}, <{original.reply_to}> escribió:"
        quoting = "\n\n" + stamp + "\n\n" + "\n".join(f"> {line}" for line in original.text.split("\n"))
        ours = html.escape(original.text).replace("\n", "<br>")
        quoted = f'<br><div class="gmail_quote"><div dir="ltr">{html.escape(stamp)}<br></div><blockquote>{ours}</blockquote></div>'
        threading = [f"In-Reply-To: {original.message_id}", f"References: {original.message_id}"]
    hers = html.escape(text).replace("\n", "<br>")
    subject = re.sub(r"[\x00-\x1f\x7f]", " ", f"Re: {original.subject}" if original is not None else "Hola")
    boundary = uuid4().hex
    return _lines(
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {Header(subject, 'utf-8').encode()}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{identifier}>",
        *threading,
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        f"--{boundary}",
        'Content-Type: text/plain; charset="UTF-8"',
        "Content-Transfer-Encoding: base64",
        "",
        _base64(text + quoting),
        "",
        f"--{boundary}",
        'Content-Type: text/html; charset="UTF-8"',
        "Content-Transfer-Encoding: base64",
        "",
        _base64(f'<div dir="auto">{hers}</div>{quoted}'),
        "",
        f"--{boundary}--",
    )


def _base64(text: str) -> str:
    return "\r\n".join(base64.encodebytes(text.encode()).decode("ascii").split())


def _lines(*lines: str) -> bytes:
    return re.sub(r"\r\n|\r|\n", "\r\n", "\r\n".join([*lines, ""])).encode("utf-8", "replace")
