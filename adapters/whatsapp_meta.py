"""WhatsApp by Meta's Cloud API over our one transport: texts, approved templates, voice notes, reply buttons and its webhook.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import aiohttp

from adapters.kit import media
from adapters.kit.discovery import Spec
from adapters.kit.documents import encodable, reason
from adapters.kit.media import Store
from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.retry import RETRY_AFTER_SECONDS_MAX, retry_after
from adapters.kit.settings import Table
from adapters.kit.transport import Answered, NothingLeft, Transport
from adapters.kit.verification import Algorithm, Digits, Signed
from adapters.whatsapp_meta_errors import Meaning, code_of
from adapters.whatsapp_meta_hooks import told
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    CannotTell,
    Lost,
    Note,
    NotSent,
    Outcome,
    Parcel,
    Quote,
    Receipt,
    Registered,
    Rejected,
    Reply,
    Sent,
    Traced,
    Unknown,
)

BASE_URL: Final = "https://graph.facebook.com"
VERSION: Final = "v23.0"

#: …/messages/text-messages and …/messages/interactive-reply-buttons-messages.
TEXT_CHARACTERS_MAX: Final = 4_096
BUTTONS_TEXT_CHARACTERS_MAX: Final = 1_024
BUTTONS_MAX: Final = 3
BUTTON_CHARACTERS_MAX: Final = 20

#: How long an uploaded note is used again (Meta keeps it for thirty days), and how many are remembered.
UPLOADED_SECONDS: Final = 86_400.0
UPLOADED_MAX: Final = 256
NOTE_TYPE: Final = "audio/ogg; codecs=opus"

#: What a refusal that may be tried again is about.
_ABOUT: Final = {Meaning.LATER: About.PACE, Meaning.PAIR: About.MESSAGE, Meaning.OURS: About.ACCOUNT}

CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")

#: 408 and 409 may stand for a message that was taken.
_UNCERTAIN_STATUSES: Final = frozenset({408, 409})

_NUMBER_ID: Final = re.compile(r"[0-9]{1,32}")
_VERSION: Final = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")
_WAMID: Final = re.compile(r"[\x21-\x7e]{1,256}")
_WORD: Final = re.compile(r"[a-z_]{1,32}")
_TEMPLATE: Final = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:_[A-Za-z]{2,4})?")
#: Code 132018.
_VALUE_FLAW: Final = re.compile(r"[\n\r\t]| {5,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "whatsapp_meta"``.

    ``app_secret`` signs Meta's calls, ``app_secret_secondary`` is taken too while it is being changed, ``verify_token`` is
    ours and proves to us that it is Meta who greets. ``buttons`` stand below every free text that is short enough for them.
    """

    phone_number_id: str
    access_token: str = field(repr=False)
    app_secret: str = field(repr=False)
    verify_token: str = field(repr=False)
    app_secret_secondary: str | None = field(default=None, repr=False)
    version: str = VERSION
    base_url: str = BASE_URL
    buttons: tuple[str, ...] = ()


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    read = Settings(
        phone_number_id=asked.text("phone_number_id"),
        access_token=asked.text("access_token"),
        app_secret=asked.text("app_secret"),
        verify_token=asked.text("verify_token"),
        app_secret_secondary=asked.text_or_none("app_secret_secondary"),
        version=asked.text_or_none("version") or VERSION,
        base_url=asked.base_url("base_url", BASE_URL),
        buttons=asked.labels("buttons", most=BUTTONS_MAX, characters_max=BUTTON_CHARACTERS_MAX),
    )
    asked.done()
    if not _NUMBER_ID.fullmatch(read.phone_number_id):
        raise asked.wrong(
            "phone_number_id", "must be Meta's id of the number, digits only; it is not the number itself"
        )
    if not _VERSION.fullmatch(read.version):
        raise asked.wrong("version", f"must be written as in {VERSION}")
    if not read.access_token.isascii():
        raise asked.wrong("access_token", "must be ASCII")
    return read


#: Where Meta keeps media, beside its API.
MEDIA_DOMAINS: Final = ("facebook.com", "fbsbx.com", "whatsapp.net")
MEDIA_TOLD_BYTES_MAX: Final = 64 * 1024


class MetaWhatsApp:
    """One number of one WhatsApp Business Account."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._graph = f"{settings.base_url}/{settings.version}"
        keys = tuple(filter(None, (settings.app_secret, settings.app_secret_secondary)))
        self._signature = Signed(
            header="X-Hub-Signature-256", algorithm=Algorithm.SHA256, digits=Digits.HEX, prefix="sha256=", keys=keys
        )
        # By the digest of a note: Meta's id for it, and until when it is used. The oldest first.
        self._uploaded: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"MetaWhatsApp({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """WhatsApp."""
        return Channel.WHATSAPP

    def quote(self, _to: str, _text: str, /) -> Quote | None:
        """WhatsApp has no segments, and its price hangs on who spoke last."""
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Create one message with one POST; before a voice note, the note itself is uploaded, which sends nothing."""
        content = await self._content(parcel)
        if not isinstance(content, dict):
            return content
        whole = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": parcel.to,
            # Comes back in every status: the same mark that other providers carry in their address.
            "biz_opaque_callback_data": urlsplit(parcel.status_url).query,
            **content,
        }
        exchange = await self._transport.exchange(
            "POST",
            f"{self._graph}/{self._settings.phone_number_id}/messages",
            headers=self._headers("application/json"),
            body=json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(),
            once=True,
        )
        if isinstance(exchange, NothingLeft):
            return NotSent(reason=exchange.reason)
        if not isinstance(exchange, Answered):
            return Unknown(reason=exchange.reason)
        if 200 <= exchange.status < 300:
            return _sent(exchange)
        return _refused(exchange)

    async def find(self, _lost: Lost, /) -> Traced:
        """Meta lists its messages by their own ids only; its statuses, which carry our mark, are what tells."""
        return CannotTell(reason="Meta has no list in which a message could be looked up")

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify ``X-Hub-Signature-256`` over the raw body, and read."""
        if not self._signature.genuine(hook):
            raise Forged("signature does not fit")
        return told(hook.body, self._mark_secret, self._graph)

    def challenge(self, hook: Hook, /) -> bytes:
        """What Meta is answered when it asks whether the address is ours; raises ``Forged`` for anybody else.

        https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
        """
        try:
            asked = parse_qs(urlsplit(hook.url).query, keep_blank_values=True, errors="strict", max_num_fields=32)
        except ValueError:
            raise Forged("not a query") from None
        (token,), (given,) = asked.get("hub.verify_token", [""])[:1], asked.get("hub.challenge", [""])[:1]
        fits = hmac.compare_digest(token.encode(), self._settings.verify_token.encode())
        if not fits or asked.get("hub.mode") != ["subscribe"]:
            raise Forged("not Meta's greeting")
        if not CHALLENGE.fullmatch(given):
            raise Unreadable("no hub.challenge")
        return given.encode()

    async def fetch(self, reference: str, bytes_max: int, /) -> bytes | None:
        """…/business-phone-numbers/media#get-media-url: the medium's address, which lasts five minutes, and what lies there."""
        store = Store(
            base_url=self._settings.base_url,
            domains=MEDIA_DOMAINS,
            headers={"Authorization": f"Bearer {self._settings.access_token}"},
        )
        told = read_document(await media.fetch(store, reference, MEDIA_TOLD_BYTES_MAX) or b"")
        address = told.get("url") if told is not None else None
        if not isinstance(address, str) or not store.holds(address):
            return None
        # Meta wants to know who asks there too, and at no other place.
        return await media.fetch(store.at(address), address, bytes_max)

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    def _headers(self, content_type: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._settings.access_token}", "Content-Type": content_type}

    async def _content(self, parcel: Parcel) -> dict[str, Any] | NotSent | Rejected:
        if parcel.template is not None:
            return _template(parcel.template)
        if parcel.note is not None:
            media = await self._upload(parcel.note)
            return media if not isinstance(media, str) else {"type": "audio", "audio": {"id": media, "voice": True}}
        return _text(parcel.text, self._settings.buttons)

    async def _upload(self, note: Note) -> str | NotSent | Rejected:
        """…/business-phone-numbers/media: the note at Meta. Whatever happens here, nothing has reached her."""
        if not note.audio:
            return Rejected(code="media", reason="the voice note is empty")
        digest, now = hashlib.sha256(note.audio).digest(), time.monotonic()
        known = self._uploaded.get(digest)
        if known is not None and known[1] > now:
            return known[0]
        form = aiohttp.FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("type", NOTE_TYPE)
        form.add_field("file", note.audio, filename="note.ogg", content_type=NOTE_TYPE)
        writer = form()
        exchange = await self._transport.exchange(
            "POST",
            f"{self._graph}/{self._settings.phone_number_id}/media",
            headers=self._headers(writer.headers["Content-Type"]),
            body=await writer.as_bytes(),
            once=True,
        )
        if not isinstance(exchange, Answered):
            return NotSent(reason=f"the voice note was not uploaded: {exchange.reason}")
        identifier = (_object(exchange) or {}).get("id")
        if 200 <= exchange.status < 300 and isinstance(identifier, str) and _WAMID.fullmatch(identifier):
            self._uploaded[digest] = (identifier, now + UPLOADED_SECONDS)
            self._uploaded.move_to_end(digest)
            while len(self._uploaded) > UPLOADED_MAX:
                self._uploaded.popitem(last=False)
            return identifier
        ending = _refused(exchange)
        if isinstance(ending, Rejected | NotSent):
            return ending
        return NotSent(reason=f"the voice note was not uploaded: answered {exchange.status}")


def _text(text: str, buttons: tuple[str, ...]) -> dict[str, Any] | Rejected:
    if not text:
        return Rejected(code="empty", reason="neither a text nor a template nor a voice note")
    if not encodable(text):
        return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
    if len(text) > TEXT_CHARACTERS_MAX:
        return Rejected(code="too_long", reason=f"a WhatsApp text holds {TEXT_CHARACTERS_MAX} characters")
    if not buttons or len(text) > BUTTONS_TEXT_CHARACTERS_MAX:
        return {"type": "text", "text": {"preview_url": False, "body": text}}
    replies = [{"type": "reply", "reply": {"id": f"b{n}", "title": title}} for n, title in enumerate(buttons, 1)]
    return {
        "type": "interactive",
        "interactive": {"type": "button", "body": {"text": text}, "action": {"buttons": replies}},
    }


def _template(template: Registered) -> dict[str, Any] | Rejected:
    """…/templates/overview: the body's values in their order."""
    language = template.language.replace("-", "_")
    if not _TEMPLATE.fullmatch(template.reference) or not _LANGUAGE.fullmatch(language):
        return Rejected(code="template", reason="the template has no name and language at this provider")
    for value in template.values:
        if not encodable(value):
            return Rejected(code="unencodable", reason="a value is not Unicode: it holds half of a surrogate pair")
        if not value.strip() or _VALUE_FLAW.search(value):
            flaw = "a value of the template is empty, or holds a line break, a tab or more than four spaces in a row"
            return Rejected(code="template", reason=flaw)
    asked: dict[str, Any] = {
        "name": template.reference,
        "language": {"policy": "deterministic", "code": language},
    }
    if template.values:
        values = [{"type": "text", "text": value} for value in template.values]
        asked["components"] = [{"type": "body", "parameters": values}]
    return {"type": "template", "template": asked}


def _sent(answered: Answered) -> Sent:
    messages = (_object(answered) or {}).get("messages")
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    return Sent(
        provider_id=_matched(_WAMID, first.get("id")),
        # Told of templates: ``accepted``, ``held_for_quality_assessment``, ``paused``.
        provider_status=_matched(_WORD, first.get("message_status")),
    )


def _refused(answered: Answered) -> NotSent | Rejected | Unknown:
    """What an answer that is no 2xx means: Meta's own word decides, and where it has none, nobody knows."""
    error = (_object(answered) or {}).get("error")
    error = error if isinstance(error, dict) else {}
    number, message = error.get("code"), error.get("message")
    if type(number) is not int or not isinstance(message, str):
        if answered.status == 429:
            return NotSent(reason="throttled", retry_after_seconds=_asked_rest(answered.headers), about=About.PACE)
        return Unknown(reason=f"answered {answered.status}")
    code = code_of(number)
    if code.meaning in _ABOUT:
        rest = max(code.rest_seconds, _asked_rest(answered.headers) or 0.0)
        return NotSent(reason=f"not taken now: {number}", retry_after_seconds=rest, about=_ABOUT[code.meaning])
    certain = 400 <= answered.status < 500 and answered.status not in _UNCERTAIN_STATUSES
    if code.meaning is Meaning.UNCERTAIN or not certain:
        return Unknown(reason=f"answered {answered.status}, code {number}")
    if answered.status == 429:
        return NotSent(
            reason=f"throttled: {number}", retry_after_seconds=_asked_rest(answered.headers), about=About.PACE
        )
    return Rejected(code=str(number), reason=reason(message), opted_out=code.opted_out)


def _asked_rest(headers: Mapping[str, str]) -> float | None:
    """Seconds by ``Retry-After``, or by the minutes that Graph puts into its header about use.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers-2
    """
    plain = retry_after(headers)
    if plain is not None:
        return plain
    try:
        use = json.loads(headers.get("X-Business-Use-Case-Usage", ""))
        minutes = [float(item["estimated_time_to_regain_access"]) for items in use.values() for item in items if item]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    longest = max(minutes, default=0.0) * 60
    return min(longest, RETRY_AFTER_SECONDS_MAX) if longest > 0 else None


def _object(answered: Answered) -> dict[str, Any] | None:
    return None if answered.body is None else read_document(answered.body)


def read_document(body: bytes) -> dict[str, Any] | None:
    """A JSON object, None for anything else."""
    try:
        read = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _matched(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> MetaWhatsApp:
    return MetaWhatsApp(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="whatsapp_meta", channel=Channel.WHATSAPP, hooks=frozenset({"any"}), build=_build)
