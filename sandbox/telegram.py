"""A simulator of Telegram's Bot API: one bot, its chats, its webhook with the secret, and files in both directions."""

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from sandbox import telegram_words as words
from sandbox.carrier import Simulated, Surroundings
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.settings import TelegramAccount
from sandbox.telegram_words import Asked, TelegramError, done
from sandbox.truth import Line
from sandbox.unanswered import hung_up, never_answer, real
from sandbox.wire import Call

CHANNEL: Final = "telegram"
UPDATES_MAX: Final = 100
FILE_BYTES_MAX: Final = 20 * 1024 * 1024

#: What a person can do in a chat beside writing: ``POST /sandbox/telegram``.
DEEDS: Final = ("edit", "sticker", "photo", "voice", "press", "block", "unblock")

Method = Callable[[web.Request, Asked], Awaitable[web.Response]]


class TelegramCarrier(Simulated[TelegramAccount]):
    """One bot, and everybody who has a chat with it."""

    channel = CHANNEL
    kind: Final = "telegram"

    def __init__(self, around: Surroundings, account: TelegramAccount) -> None:
        super().__init__(around, account)
        self._bot = words.bot(account.token, account.bot)
        self._files = around.settings.directory / "telegram"
        self._files.mkdir(parents=True, exist_ok=True)
        self._hook_url, self._secret, self._allowed = account.hook_url, account.secret, list[str]()
        self._last_error: tuple[int, str] | None = None
        self._waiting: list[dict[str, Any]] = []
        self._pressed: set[str] = set()
        self._blocked: set[str] = set()
        # A message's number is of its chat, an update's of the bot; both go on where they were before a restart.
        self._numbers: dict[str, int] = {}
        self._update = 100_000_000
        for line in self._truth:
            if line.get("provider") == account.provider:
                self._remember(line)

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        return words.CHAT.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Telegram's paths: methods by GET and POST, and files."""
        return [
            web.route("*", "/bot{token}/{method}", self._answer),
            web.get("/file/bot{token}/{path:.+}", self._download),
        ]

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes; what the gateway answered."""
        if text.startswith("/start"):
            self._blocked.discard(sender)
        number = self._next(sender)
        told = words.message(number, sender, words.person(sender), datetime.now(UTC), **words.written(text))
        return await self._from_person("message", told, sender, text, number)

    async def deed(self, sender: str, does: str, text: str, audio: bytes) -> dict[str, Any]:
        """The person does one of ``DEEDS``; what the gateway answered."""
        now, whose = datetime.now(UTC), words.person(sender)
        last = self._numbers.get(sender, 0)
        match does:
            case "edit":
                told = words.message(last, sender, whose, now, edit_date=int(now.timestamp()), **words.written(text))
                return await self._from_person("edited_message", told, sender, f"(edited) {text}", None)
            case "block" | "unblock":
                blocked = does == "block"
                (self._blocked.add if blocked else self._blocked.discard)(sender)
                told = words.membership(sender, self._bot, now, blocked=blocked)
                return await self._from_person("my_chat_member", told, sender, f"({does}s the bot)", None)
            case "press":
                identity = uuid4().hex[:16]
                self._pressed.add(identity)
                told = {"id": identity, "from": whose, "chat_instance": sender, "data": text}
                told["message"] = words.message(last, sender, self._bot, now, text="?")
                return await self._from_person("callback_query", told, sender, text, None)
        number = self._next(sender)
        content: dict[str, Any] = {"sticker": words.sticker()}
        if does == "photo":
            content = {"photo": words.photo(), "caption": text}
        elif does == "voice":
            identity = self._kept(audio)
            content = {"voice": words.voice(identity, max(1, len(audio) // 4_000), len(audio))}
        told = words.message(number, sender, whose, now, **content)
        return await self._from_person("message", told, sender, f"({does}) {text}".strip(), number)

    def file(self, name: str) -> Path | None:
        """A voice note by its name, for the telephone."""
        if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
            return None
        path = self._files / name
        return path if path.is_file() else None

    # What the gateway asks of Telegram

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            method = self._methods().get(request.match_info["method"].lower(), _no_method)
            return await method(request, await words.asked(request))
        except TelegramError as error:
            return error.response()

    def _methods(self) -> Mapping[str, Method]:
        return {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "sendvoice": self._send_voice,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._webhook_info,
            "getupdates": self._get_updates,
            "getfile": self._get_file,
            "answercallbackquery": self._answer_callback,
        }

    def _authenticate(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.match_info["token"].encode(), self._account.token.encode()):
            raise TelegramError(401, "Unauthorized")

    async def _get_me(self, _request: web.Request, _asked: Asked) -> web.Response:
        return done(words.bot_itself(self._account.token, self._account.bot))

    async def _send_message(self, request: web.Request, asked: Asked) -> web.Response:
        # Read before anything is struck, as Telegram looks at the call before it looks at the chat.
        text = words.text_of(asked)
        content: dict[str, Any] = words.written(text)
        preview = asked.structure("link_preview_options")
        if preview is not None:
            content["link_preview_options"] = preview
        return await self._send(request, asked, text, content, None)

    async def _send_voice(self, request: web.Request, asked: Asked) -> web.Response:
        audio = asked.files.get("voice")
        if audio is None:
            raise TelegramError(400, "Bad Request: there is no voice in the request")
        identity = self._kept(audio)
        duration = int(asked.values.get("duration", "0")) if asked.values.get("duration", "0").isdigit() else 0
        content: dict[str, Any] = {"voice": words.voice(identity, duration, len(audio))}
        text = asked.values.get("caption", "")
        if text:
            content["caption"] = text
        return await self._send(request, asked, text, content, f"{self._account.files_url}/{identity}")

    async def _send(
        self, request: web.Request, asked: Asked, text: str, content: dict[str, Any], audio_url: str | None
    ) -> web.Response:
        await asyncio.sleep(self._settings.answer_seconds)
        ending = self._faults.take_call(self.provider)
        to = asked.values.get("chat_id", "")
        try:
            _strike(ending)
            chat = words.check(asked, self._blocked)
        except TelegramError as error:
            self._refused(to, error.status)
            raise
        number = self._next(chat)
        resource = words.message(number, chat, self._bot, datetime.now(UTC), **content)
        swallowed = chat.endswith("0004")
        identity = f"{self.provider}:{chat}:{number}"
        more = {"audio_url": audio_url, "resource": None if swallowed else resource, "number": number}
        await self._took(None if swallowed else identity, chat, f"@{self._account.bot}", text, **more)
        if not swallowed:
            self._became(identity, "sent")
        if swallowed or ending is Fault.TIMEOUT:
            return await never_answer(request, self._settings.hold_seconds)
        return hung_up(request) if ending is Fault.HANG_UP else done(resource)

    async def _set_webhook(self, _request: web.Request, asked: Asked) -> web.Response:
        url = asked.values.get("url", "")
        if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise TelegramError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        allowed = asked.structure("allowed_updates")
        line: Line = {
            "type": "webhook",
            "provider": self.provider,
            "url": url,
            "secret": asked.values.get("secret_token", ""),
            "allowed": allowed if isinstance(allowed, list) else self._allowed,
            "real": real(),
        }
        self._truth.append(line)
        self._remember(line)
        return done(True, "Webhook was set" if url else "Webhook was deleted")

    async def _delete_webhook(self, request: web.Request, _asked: Asked) -> web.Response:
        return await self._set_webhook(request, Asked(values={}, files={}))

    async def _webhook_info(self, _request: web.Request, _asked: Asked) -> web.Response:
        told: dict[str, Any] = {
            "url": self._hook_url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._waiting),
            "max_connections": 40,
        }
        if self._allowed:
            told["allowed_updates"] = self._allowed
        if self._last_error is not None:
            told["last_error_date"], told["last_error_message"] = self._last_error
        return done(told)

    async def _get_updates(self, _request: web.Request, asked: Asked) -> web.Response:
        if self._hook_url:
            raise TelegramError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        offset = asked.structure("offset")
        if isinstance(offset, int):
            # Whoever asks from an update on has taken those before it.
            self._waiting = [update for update in self._waiting if update["update_id"] >= offset]
        return done(self._waiting[:UPDATES_MAX])

    async def _get_file(self, _request: web.Request, asked: Asked) -> web.Response:
        identity = asked.values.get("file_id", "")
        path = self.file(identity)
        if path is None:
            raise TelegramError(400, "Bad Request: invalid file_id")
        size = path.stat().st_size
        told = {
            "file_id": identity,
            "file_unique_id": identity[:12],
            "file_size": size,
            "file_path": f"voice/{identity}",
        }
        return done(told)

    async def _answer_callback(self, _request: web.Request, asked: Asked) -> web.Response:
        if asked.values.get("callback_query_id", "") not in self._pressed:
            raise TelegramError(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        self._pressed.discard(asked.values["callback_query_id"])
        return done(True)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authenticate(request)
        except TelegramError as error:
            return error.response()
        path = self.file(request.match_info["path"].removeprefix("voice/"))
        if path is None:
            return TelegramError(404, "Not Found").response()
        return web.Response(body=path.read_bytes(), content_type="application/octet-stream")

    # What Telegram tells the gateway

    async def _from_person(
        self, kind: str, told: dict[str, Any], sender: str, text: str, number: int | None
    ) -> dict[str, Any]:
        update = {"update_id": self._next_update(), kind: told}
        identity = f"{self.provider}:update:{update['update_id']}"
        more = {"update": update["update_id"], "number": number, "blocked": sender in self._blocked}
        await self._heard(identity, sender, f"@{self._account.bot}", text, **more)
        if self._allowed and kind not in self._allowed:
            return {"id": identity, "hook": {"status": None, "taken": False}}
        if not self._hook_url:
            self._waiting.append(update)
            return {"id": identity, "hook": {"status": None, "taken": False}}
        # Telegram tells no receipts; what can be told twice or forged is a person's word.
        struck = self._faults.take_receipts(self.provider)
        if Fault.FORGED_RECEIPT in struck:
            stop = words.message(self._next(sender), sender, words.person(sender), datetime.now(UTC), text="BAJA")
            await self._told({"update_id": self._next_update(), "message": stop}, secret=secrets.token_urlsafe(32))
        status = await self._told(update)
        if Fault.DUPLICATE_RECEIPT in struck:
            status = await self._told(update)
        return {"id": identity, "hook": {"status": status, "taken": taken(status)}}

    async def _told(self, update: Mapping[str, Any], *, secret: str | None = None) -> int | None:
        """Bring an update to the webhook; until it is taken, unless it is a stranger who brings it."""
        headers = {"Content-Type": "application/json"}
        shown = self._secret if secret is None else secret
        if shown:
            headers["X-Telegram-Bot-Api-Secret-Token"] = shown
        body = json.dumps(update, ensure_ascii=False).encode()
        post = self._hooks.post if secret is not None else self._hooks.post_until_taken
        status = await post(Call(url=self._hook_url, body=body, headers=headers))
        if secret is None and not taken(status):
            words_of_it = "Connection refused" if status is None else f"Wrong response from the webhook: {status}"
            self._last_error = (int(datetime.now(UTC).timestamp()), words_of_it)
        return status

    # What Telegram remembers

    def _next(self, chat: str) -> int:
        self._numbers[chat] = self._numbers.get(chat, 0) + 1
        return self._numbers[chat]

    def _next_update(self) -> int:
        self._update += 1
        return self._update

    def _kept(self, audio: bytes) -> str:
        identity = "AwAC" + secrets.token_hex(16)
        (self._files / identity).write_bytes(audio[:FILE_BYTES_MAX])
        return identity

    def _remember(self, line: Line) -> None:
        chat = line.get("to") if line["type"] == "arrived" else line.get("from")
        if isinstance(chat, str) and isinstance(line.get("number"), int):
            self._numbers[chat] = max(self._numbers.get(chat, 0), line["number"])
        if line["type"] == "reply":
            self._update = max(self._update, line["update"])
            (self._blocked.add if line["blocked"] else self._blocked.discard)(line["from"])
        if line["type"] == "webhook":
            self._hook_url, self._secret, self._allowed = line["url"], line["secret"], line["allowed"]


async def _no_method(_request: web.Request, _asked: Asked) -> web.Response:
    raise TelegramError(404, "Not Found")


def _strike(ending: Fault | None) -> None:
    """The faults that end in an answer; those that end in none are the caller's."""
    if ending is Fault.SERVER_ERROR:
        raise TelegramError(500, "Internal Server Error")
    if ending is Fault.THROTTLE:
        raise TelegramError(429, "Too Many Requests: retry after 1", {"retry_after": 1})
    if ending is Fault.REJECT:
        raise TelegramError(403, "Forbidden: bot can't initiate conversation with a user")
