"""Reads what Meta's webhook tells: statuses by our mark, what people write, tap and react with, several at once.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from adapters.kit.documents import wholesome
from adapters.kit.port import Forged, Unreadable
from adapters.kit.signing import attempt_marked
from adapters.whatsapp_meta_errors import code_of
from vocabulary.channel import Channel
from vocabulary.outcome import Receipt, ReceiptKind, Reply

#: …/webhooks/reference/messages/status: ``played`` is told of voice notes alone, and says more than that they were seen.
STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "sent": ReceiptKind.SENT,
    "failed": ReceiptKind.FAILED,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
    "played": ReceiptKind.READ,
}

#: Items of one call that are looked at; Meta sends at most a thousand updates at once.
ITEMS_MAX: Final = 1_000
MARK_CHARACTERS_MAX: Final = 512

#: What is told of a chat without being a word of hers in it.
_NO_WORDS: Final = frozenset({"system", "request_welcome", "revoke"})
_MEDIA: Final = ("image", "video", "audio", "voice", "document", "sticker")

_WAMID: Final = re.compile(r"[\x21-\x7e]{1,256}")
_STATUS_WORD: Final = re.compile(r"[a-z_]{1,32}")
_WA_ID: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
#: People who hide their number are known by an id of this business alone (``CO.13491208655302741918``).
_USER_ID: Final = re.compile(r"[A-Za-z]{2}\.[A-Za-z0-9.]{1,128}")
_MEDIA_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")


def told(body: bytes, mark_secret: bytes, media_base: str) -> tuple[Receipt | Reply, ...]:
    """What a genuine call says. Raises ``Unreadable`` when that is nothing of ours, ``Forged`` when all marks are false.

    ``media_base`` is where Meta answers with the address of a medium. What cannot be read beside something that can is told
    as a receipt that nobody awaits, so that the operator sees it.
    """
    received: list[Receipt | Reply] = []
    strange = false_marks = 0
    for field, value in _changes(body):
        if field == "user_preferences":
            received.extend(_stops(value))
        elif field != "messages":
            strange += 1
            continue
        for status in _list(value, "statuses"):
            try:
                received.append(_receipt(status, mark_secret))
            except Forged:
                false_marks += 1
            except Unreadable:
                strange += 1
        for message in _list(value, "messages"):
            if message.get("type") in _NO_WORDS or "group_id" in message:
                continue
            try:
                received.append(_reply(message, _display(value), media_base))
            except Unreadable:
                strange += 1
    if not received and false_marks:
        # Whoever holds the app's secret can sign for Meta, but cannot mark for us.
        raise Forged("mark does not fit")
    if not received and strange:
        raise Unreadable("nothing that a message of ours or a person says")
    if strange or false_marks:
        digest = hashlib.sha256(body).hexdigest()[:32]
        received.append(Receipt(key=f"unreadable:{digest}", kind=ReceiptKind.UNREADABLE, provider_status="unreadable"))
    return tuple(received)


def _changes(body: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        whole = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None
    if not isinstance(whole, dict) or whole.get("object") != "whatsapp_business_account":
        raise Unreadable("not of a WhatsApp Business Account")
    for entry in _list(whole, "entry"):
        for change in _list(entry, "changes"):
            value = change.get("value")
            yield str(change.get("field")), value if isinstance(value, dict) else {}


def _receipt(status: Mapping[str, Any], mark_secret: bytes) -> Receipt:
    sid, word = _text(status, "id"), _text(status, "status")
    if not _WAMID.fullmatch(sid) or not _STATUS_WORD.fullmatch(word):
        raise Unreadable("no id or no status")
    codes = [error["code"] for error in _list(status, "errors") if type(error.get("code")) is int]
    known = code_of(codes[0]) if codes else None
    return Receipt(
        key=f"{sid}:{word}",
        kind=STATUSES.get(word, ReceiptKind.UNREADABLE),
        provider_status=word,
        attempt=_attempt(_text(status, "biz_opaque_callback_data"), mark_secret),
        provider_id=sid,
        error_code=str(codes[0]) if codes else None,
        opted_out=known is not None and known.opted_out,
    )


def _attempt(mark: str, mark_secret: bytes) -> UUID | None:
    """The attempt that a mark names. Another program on the same number may have marks of its own: those are not ours."""
    if len(mark) > MARK_CHARACTERS_MAX or not mark.startswith("a="):
        return None
    parts = parse_qs(mark, keep_blank_values=True)
    attempt = attempt_marked(mark_secret, parts.get("a", [""])[0], parts.get("k", [""])[0])
    if attempt is None:
        raise Forged("mark does not fit")
    return attempt


def _reply(message: Mapping[str, Any], recipient: str, media_base: str) -> Reply:
    sid = _text(message, "id")
    if not _WAMID.fullmatch(sid):
        raise Unreadable("no id")
    kind = _text(message, "type")
    edited = _dict(_dict(message, "edit"), "message")
    shown = edited if kind == "edit" else message
    words = _words(shown)
    return Reply(
        key=sid,
        channel=Channel.WHATSAPP,
        sender=_sender(message),
        recipient=recipient,
        text=wholesome(words),
        provider_id=sid,
        media=_media(shown, media_base),
        # A word that was changed, and a reaction that was taken back, are heard for a stop only.
        afresh=kind != "edit" and not (kind == "reaction" and not words),
    )


def _words(message: Mapping[str, Any]) -> str:
    kind = _text(message, "type")
    part = _dict(message, kind)
    match kind:
        case "text":
            return _text(part, "body")
        case "button":
            return _text(part, "text") or _text(part, "payload")
        case "interactive":
            chosen = _dict(part, _text(part, "type"))
            return _text(chosen, "title") or _text(chosen, "body")
        case "reaction":
            return _text(part, "emoji")
        case "order":
            return _text(part, "text")
        case _:
            return _text(part, "caption")


def _media(message: Mapping[str, Any], media_base: str) -> tuple[str, ...]:
    kind = _text(message, "type")
    identifier = _text(_dict(message, kind), "id")
    if kind not in _MEDIA or not _MEDIA_ID.fullmatch(identifier):
        return ()
    return (f"{media_base}/{identifier}",)


def _stops(value: Mapping[str, Any]) -> Iterator[Reply]:
    """…/webhooks/reference/user_preferences: she told WhatsApp to stop our marketing; that is an objection to the channel."""
    for preference in _list(value, "user_preferences"):
        when = preference.get("timestamp")
        number = _WA_ID.fullmatch(_text(preference, "wa_id"))
        if _text(preference, "value") != "stop" or number is None:
            continue
        yield Reply(
            key=f"preference:{number[1]}:{when}",
            channel=Channel.WHATSAPP,
            sender="+" + number[1],
            recipient=_display(value),
            text="",
            carrier_opt_out=True,
            afresh=False,
        )


def _sender(message: Mapping[str, Any]) -> str:
    number = _WA_ID.fullmatch(_text(message, "from"))
    if number is not None:
        return "+" + number[1]
    # Who hides her number is nobody we know: kept for the operator, who may.
    user = _text(message, "from_user_id")
    if not _USER_ID.fullmatch(user):
        raise Unreadable("nobody wrote it")
    return user


def _display(value: Mapping[str, Any]) -> str:
    shown = re.sub(r"[^0-9]", "", _text(_dict(value, "metadata"), "display_phone_number"))[:15]
    return f"+{shown}" if shown else ""


def _list(of: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = of.get(name)
    return [item for item in items[:ITEMS_MAX] if isinstance(item, dict)] if isinstance(items, list) else []


def _dict(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""
