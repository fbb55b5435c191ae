"""Telegram by a bot: python-telegram-bot over our one transport, and the updates that Telegram brings with our secret.

Telegram knows people by the number of their chat, reports nothing about what was sent, and has no list of it: an ending that
is not known stays so. https://core.telegram.org/bots/api is the source of every name here.
"""

import hmac
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from telegram import Bot, LinkPreviewOptions, Message, Update
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData

from adapters.kit.discovery import Spec
from adapters.kit.media import Store, fetch
from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.settings import Table
from adapters.kit.transport import Answered, MayHaveLeft, NothingLeft, Transport
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
    Rejected,
    Reply,
    Sent,
    Traced,
    Unknown,
)

BASE_URL: Final = "https://api.telegram.org"

#: https://core.telegram.org/bots/api#sendmessage, counted as Telegram counts: in UTF-16 code units.
TEXT_UNITS_MAX: Final = 4_096
#: https://core.telegram.org/bots/api#sendvoice
VOICE_BYTES_MAX: Final = 50 * 1024 * 1024

#: What Telegram is asked to tell us of, and nothing else (https://core.telegram.org/bots/api#setwebhook).
UPDATES: Final = ("message", "edited_message", "callback_query", "my_chat_member")
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name

#: Telegram tells its refusals apart by their words alone. The person stopped the bot:
OPTED_OUT: Final = frozenset({"forbidden: bot was blocked by the user"})
#: There is no such chat, or nobody in it any more:
ADDRESS_INVALID: Final = frozenset(
    {
        "bad request: chat not found",
        "bad request: peer_id_invalid",
        "bad request: user_is_deleted",
        "bad request: input_user_deactivated",
        "forbidden: user is deactivated",
    }
)

#: 408 and 409 may stand for a message that was taken; every other 4xx with Telegram's own words is its word.
_UNCERTAIN: Final = frozenset({408, 409})

#: 401 for a token that was taken back, 404 for one that is none: it is about us and not about the message.
_ACCOUNT: Final = frozenset({401, 404})

RETRY_AFTER_SECONDS_MAX: Final = 3_600.0
REASON_CHARACTERS_MAX: Final = 200

_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")
_USERNAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{4,31}")
_CHAT: Final = re.compile(r"[1-9][0-9]{0,15}")
_PAYLOAD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# Telegram's texts may repeat a number; reasons are kept and shown where no number may stand.
_NUMBER: Final = re.compile(r"[0-9]{5,}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

#: What a person can put into a chat beside words, by the name of its field; each has a file or none.
_THINGS: Final = (
    *("voice", "audio", "photo", "video", "video_note", "animation", "document"),
    *("sticker", "contact", "location", "venue", "poll", "dice", "game", "story"),
)

# The package logs whole requests and answers at DEBUG; this logger is never given to anyone.
_SILENT: Final = logging.Logger("adapters.telegram_bot.silent", level=logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "telegram"``.

    ``token`` is what the bot is run by; ``bot`` its name without the ``@``, which stands in links; ``secret`` is what Telegram
    shows with each update, and proves it.
    """

    token: str = field(repr=False)
    secret: str = field(repr=False)
    bot: str
    base_url: str = BASE_URL


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    read = Settings(
        token=asked.text("token"),
        secret=asked.text("secret"),
        bot=asked.text("bot"),
        base_url=asked.base_url("base_url", BASE_URL),
    )
    asked.done()
    if not _TOKEN.fullmatch(read.token):
        raise asked.wrong("token", "must be as BotFather gives it: a number, a colon and letters")
    if not _SECRET.fullmatch(read.secret):
        raise asked.wrong("secret", "must be of 16 to 256 letters, digits, _ and -")
    if not _USERNAME.fullmatch(read.bot):
        raise asked.wrong("bot", "must be the bot's name without the @")
    return read


class _NotTakenError(TelegramError):
    """Carries an ending through the package, which knows only answers."""

    def __init__(self, exchange: NothingLeft | MayHaveLeft) -> None:
        super().__init__(exchange.reason)
        self.exchange = exchange


class _NotDoneError(TelegramError):
    """An answer that is not a readable 2xx, as the package would hide its status from us and log its body."""

    def __init__(self, answered: Answered) -> None:
        words = (_object(answered) or {}).get("description")
        super().__init__(f"{answered.status} {_without_person(words) if isinstance(words, str) else ''}".rstrip())
        self.answered = answered


class _OverTransport(BaseRequest):
    """The package's own port for HTTP, met by our one transport. It never retries and never logs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def read_timeout(self) -> float | None:
        """The transport has the limit."""
        return None

    async def initialize(self) -> None:
        """Nothing is opened before it is used."""

    async def shutdown(self) -> None:
        """The transport is closed by who made it."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any
    ) -> tuple[int, bytes]:
        """Make one call, once; raises ``_NotTakenError`` or ``_NotDoneError``, returns only 2xx with ``result`` in it."""
        kind, body = _written(request_data)
        headers = {"Content-Type": kind, "Accept": "application/json"}
        exchange = await self._transport.exchange(method.upper(), url, headers=headers, body=body, once=True)
        if not isinstance(exchange, Answered):
            raise _NotTakenError(exchange)
        if not 200 <= exchange.status < 300 or "result" not in (_object(exchange) or {}):
            raise _NotDoneError(exchange)
        assert exchange.body is not None
        return exchange.status, exchange.body


class _QuietBot(Bot):
    _LOGGER = _SILENT


class TelegramBot:
    """One bot."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        request = _OverTransport(transport)
        self._bot = _QuietBot(
            settings.token,
            base_url=f"{settings.base_url}/bot",
            base_file_url=f"{settings.base_url}/file/bot",
            request=request,
            get_updates_request=request,
        )

    def __repr__(self) -> str:
        return f"TelegramBot({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """Telegram."""
        return Channel.TELEGRAM

    def quote(self, _to: str, _text: str, /) -> Quote | None:
        """Telegram costs nothing and counts no segments."""
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Send one message with one POST: her words as they are, for no ``parse_mode`` makes them anything else."""
        if not _CHAT.fullmatch(parcel.to):
            return Rejected(code="address", reason="not the number of a private chat", address_invalid=True)
        if parcel.template is not None:
            return Rejected(code="template", reason="Telegram has no registered templates")
        try:
            if parcel.note is not None:
                if len(parcel.note.audio) > VOICE_BYTES_MAX:
                    return Rejected(code="too_long", reason=f"a voice note of more than {VOICE_BYTES_MAX} bytes")
                sent = await self._bot.send_voice(
                    int(parcel.to), parcel.note.audio, duration=round(parcel.note.seconds), filename="note.ogg"
                )
            else:
                if not _encodable(parcel.text):
                    return Rejected(
                        code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair"
                    )
                if units(parcel.text) > TEXT_UNITS_MAX:
                    return Rejected(code="too_long", reason=f"more than {TEXT_UNITS_MAX} characters")
                # A preview is fetched by Telegram's servers: that would open a person's signed link before she does.
                sent = await self._bot.send_message(
                    int(parcel.to),
                    parcel.text,
                    parse_mode=None,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                )
            reference = self._reference(sent.chat.id, sent.message_id)
        except _NotTakenError as ending:
            if isinstance(ending.exchange, NothingLeft):
                return NotSent(reason=ending.exchange.reason)
            return Unknown(reason=ending.exchange.reason)
        except _NotDoneError as ending:
            return _refused(ending.answered)
        except Exception as error:
            # The package choked on a 2xx, or we on our own bug, and nobody can look up which.
            return Unknown(reason=f"answer not understood: {type(error).__name__}")
        return Sent(provider_id=reference)

    async def find(self, _lost: Lost, /) -> Traced:
        """Nobody can tell: Telegram has no list of what a bot sent."""
        return CannotTell(reason="Telegram has no list of what was sent")

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Check the secret and read one update. What is not a person's word in a private chat says nothing."""
        shown = next((value for name, value in hook.headers.items() if name.lower() == SECRET_HEADER.lower()), "")
        if not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._settings.secret.encode()):
            raise Forged("not our secret")
        try:
            update = Update.de_json(json.loads(hook.body), None)
            return self._said(update)
        except Unreadable:
            raise
        except Exception as error:  # the package raises whatever a field of the wrong kind makes it raise
            raise Unreadable(f"no update: {type(error).__name__}") from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    # Beside the port: what only Telegram has

    def start_url(self, payload: str) -> str:
        """A link that opens a chat with the bot and hands it ``payload``. Raises ValueError when it cannot stand there."""
        if not _PAYLOAD.fullmatch(payload):
            raise ValueError("a start payload is of 1 to 64 letters, digits, _ and -")
        return f"https://t.me/{self._settings.bot}?start={payload}"

    async def say(self, chat: str, text: str) -> bool:
        """Answer somebody who just wrote, once and at best; whether Telegram took it. Never a message of a tenant's."""
        try:
            await self._bot.send_message(int(chat), text, parse_mode=None)
        except TelegramError:
            return False
        return True

    async def fetch(self, reference: str, bytes_max: int, /) -> bytes | None:
        """The file that a reply's ``media`` names; None when it is gone, too long or not to be had now."""
        try:
            told = await self._bot.get_file(reference)
        except Exception:  # whatever Telegram or the package says instead: it is not to be had
            return None
        # Telegram answers with a path of its own; the package puts our address and token before it.
        if told.file_path is None or (told.file_size or 0) > bytes_max:
            return None
        return await fetch(Store(base_url=self._settings.base_url, domains=()), told.file_path, bytes_max)

    async def set_webhook(self, url: str) -> None:
        """Have updates brought to ``url`` with our secret. Raises TelegramError."""
        await self._bot.set_webhook(url, secret_token=self._settings.secret, allowed_updates=list(UPDATES))

    async def webhook(self) -> Mapping[str, object]:
        """Where updates are brought now, and what went wrong last. Raises TelegramError."""
        return (await self._bot.get_webhook_info()).to_dict()

    async def delete_webhook(self) -> None:
        """Have no updates brought. Raises TelegramError."""
        await self._bot.delete_webhook()

    def _reference(self, chat: int, message: int) -> str:
        # Telegram counts messages by chat: the number alone is not unique, and the chat's own is a person.
        digest = hmac.new(self._mark_secret, f"telegram chat {chat}".encode(), sha256).hexdigest()
        return f"{message}-{digest[:12]}"

    def _said(self, update: Update | None) -> tuple[Reply, ...]:
        if update is None:
            raise Unreadable("no update")
        key = f"{self._settings.bot}:{update.update_id}"
        chat = update.effective_chat
        if chat is None or chat.type != chat.PRIVATE:
            # Groups and channels are nobody's address, and whoever speaks there is not known to be she.
            return ()
        user = update.effective_user
        told = Reply(
            key=key,
            channel=Channel.TELEGRAM,
            sender=str(chat.id),
            recipient=self._settings.bot,
            text="",
            language=_matched(_LANGUAGE, user.language_code if user is not None else None),
        )
        if update.my_chat_member is not None:
            # She stopped the bot, or started it again: the first is a stop, the second says nothing of what she allows.
            stopped = update.my_chat_member.new_chat_member.status == "kicked"
            return (replace(told, carrier_opt_out=True, afresh=False),) if stopped else ()
        if update.callback_query is not None:
            return (replace(told, text=_clean(update.callback_query.data or "")),)
        if update.message is not None:
            words, files = _content(update.message)
            identity = self._reference(chat.id, update.message.message_id)
            return (replace(told, text=words, media=files, provider_id=identity),)
        if update.edited_message is not None:
            # Already heard; what she changed it into may still be a stop.
            words, _ = _content(update.edited_message)
            return (replace(told, text=words, afresh=False),)
        return ()


def units(text: str) -> int:
    """How long Telegram says that a text is: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _content(message: Message) -> tuple[str, tuple[str, ...]]:
    """Her words, and Telegram's names of the files that she put with them. Raises Unreadable for what is not known."""
    if message.text is not None:
        return _clean(message.text), ()
    for thing in _THINGS:
        found = getattr(message, thing)
        if not found:
            continue
        # Of a photo Telegram makes several sizes; the last is the largest.
        whole = found[-1] if isinstance(found, Sequence) else found
        words = message.caption or (getattr(found, "emoji", None) if thing == "sticker" else None) or ""
        identity = getattr(whole, "file_id", None)
        return _clean(words), (identity,) if isinstance(identity, str) and thing != "sticker" else ()
    raise Unreadable("nothing in it that is known")


def _clean(text: str) -> str:
    # PostgreSQL has no text with NUL in it, and a NUL must not be what keeps a STOP from being heard.
    return text.replace("\x00", "")


def _refused(answered: Answered) -> Outcome:
    """What a send that was answered, but not with a readable 2xx, means. https://core.telegram.org/bots/api#making-requests."""
    if 200 <= answered.status < 300:
        return Sent(provider_id=None)
    told = _object(answered) or {}
    description = told.get("description")
    if answered.status == 429:
        return NotSent(reason="throttled", retry_after_seconds=_retry_after(told.get("parameters")), about=About.PACE)
    said = told.get("ok") is False and isinstance(description, str) and 400 <= answered.status < 500
    if said and answered.status in _ACCOUNT:
        return NotSent(reason=f"our token is refused: {answered.status}", about=About.ACCOUNT)
    if said and answered.status not in _UNCERTAIN:
        words = str(description).strip().rstrip(".").lower()
        return Rejected(
            code=str(answered.status),
            reason=_without_person(str(description)),
            opted_out=words in OPTED_OUT,
            address_invalid=words in ADDRESS_INVALID,
        )
    return Unknown(reason=f"answered {answered.status}")


def _retry_after(parameters: object) -> float | None:
    """https://core.telegram.org/bots/api#responseparameters."""
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        return None
    return min(float(seconds), RETRY_AFTER_SECONDS_MAX)


def _written(asked: RequestData | None) -> tuple[str, bytes | None]:
    """The body of a call and its kind, as the package's own client writes it: a form, of parts when it has a file."""
    if asked is None:
        return "application/x-www-form-urlencoded", None
    if not asked.contains_files:
        return "application/x-www-form-urlencoded", urlencode(asked.json_parameters).encode("ascii")
    boundary = uuid4().hex
    parts = []
    for name, value in asked.json_parameters.items():
        parts.append(_part(boundary, f'name="{name}"', None, value.encode()))
    for name, (file_name, content, kind) in asked.multipart_data.items():
        assert isinstance(content, bytes)
        parts.append(_part(boundary, f'name="{name}"; filename="{file_name}"', kind, content))
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _part(boundary: str, disposition: str, kind: str | None, content: bytes) -> bytes:
    """RFC 7578 section 4. Names here are Telegram's own parameters and ours, never a person's."""
    assert not set(disposition) & {"\r", "\n"}
    lines = [f"--{boundary}", f"Content-Disposition: form-data; {disposition}"]
    lines += [f"Content-Type: {kind}"] if kind is not None else []
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


def _object(answered: Answered) -> dict[str, Any] | None:
    if answered.body is None:
        return None
    try:
        read = json.loads(answered.body.decode())
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matched(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _without_person(message: str) -> str:
    return _UNPRINTABLE.sub(" ", _NUMBER.sub("(number)", message))[:REASON_CHARACTERS_MAX]


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> TelegramBot:
    return TelegramBot(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="telegram", channel=Channel.TELEGRAM, hooks=frozenset({"any"}), build=_build)
