"""Telegram's words, Bot API 10.0: users, chats, messages and updates as they stand on the wire, and its refusals.

https://core.telegram.org/bots/api; ``tests/sandbox/test_telegram.py`` holds every shape against the types of python-telegram-bot.
"""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aiohttp import BodyPartReader, MultipartReader, web

TEXT_UNITS_MAX: Final = 4_096
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
FIELDS_MAX: Final = 100

CHAT: Final = re.compile(r"[1-9][0-9]{0,15}")


class TelegramError(Exception):
    """Telegram says no: ``status`` is HTTP's and ``error_code`` both; only the words tell refusals apart."""

    def __init__(self, status: int, description: str, parameters: Mapping[str, object] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters

    def response(self) -> web.Response:
        """https://core.telegram.org/bots/api#making-requests."""
        told: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters is not None:
            told["parameters"] = dict(self.parameters)
        return web.json_response(told, status=self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call's parameters, however they came: in the address, as a form, in parts or as JSON."""

    values: Mapping[str, str] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)

    def structure(self, name: str) -> Any:
        """A parameter that is JSON inside; None when it is left out."""
        if name not in self.values:
            return None
        try:
            return json.loads(self.values[name])
        except (ValueError, RecursionError):
            raise TelegramError(400, f"Bad Request: can't parse {name} JSON object") from None


async def asked(request: web.Request) -> Asked:
    """Read a call. Raises ``TelegramError`` 400 or 413."""
    values = dict(request.query)
    files: dict[str, bytes] = {}
    try:
        if request.content_type == "multipart/form-data":
            # Not ``request.multipart``: what else comes to this door is small, and a voice note is not.
            async for part in MultipartReader(request.headers, request.content, client_max_size=REQUEST_BYTES_MAX):
                if not isinstance(part, BodyPartReader) or part.name is None:
                    raise TelegramError(400, "Bad Request: can't parse the request")
                name = part.name
                content = bytes(await part.read())
                if len(files) + len(values) >= FIELDS_MAX:
                    raise TelegramError(413, "Request Entity Too Large")
                if part.filename is not None:
                    files[name] = content
                else:
                    values[name] = content.decode()
        elif request.content_type == "application/json":
            told = json.loads(await request.text())
            values |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
        elif request.body_exists:
            values |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, AttributeError, RecursionError):
        raise TelegramError(400, "Bad Request: can't parse the request") from None
    return Asked(values=values, files=files)


def done(result: Any, description: str | None = None) -> web.Response:
    """What a call that worked answers."""
    told: dict[str, Any] = {"ok": True, "result": result}
    if description is not None:
        told["description"] = description
    return web.json_response(told)


def bot(token: str, name: str) -> dict[str, Any]:
    """https://core.telegram.org/bots/api#user, of the bot itself."""
    return {"id": int(token.partition(":")[0]), "is_bot": True, "first_name": name, "username": name}


def bot_itself(token: str, name: str) -> dict[str, Any]:
    """What only getMe tells."""
    return bot(token, name) | {
        "can_join_groups": False,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def person(chat: str) -> dict[str, Any]:
    """Whoever has the chat of that number; in a private chat both numbers are the same."""
    return {"id": int(chat), "is_bot": False, "first_name": f"Persona {chat[-4:]}", "language_code": "es"}


def private(chat: str) -> dict[str, Any]:
    """https://core.telegram.org/bots/api#chat."""
    return {"id": int(chat), "type": "private", "first_name": f"Persona {chat[-4:]}"}


def message(number: int, chat: str, sender: Mapping[str, Any], at: datetime, **more: Any) -> dict[str, Any]:
    """https://core.telegram.org/bots/api#message."""
    return {"message_id": number, "from": dict(sender), "chat": private(chat), "date": int(at.timestamp()), **more}


def written(text: str) -> dict[str, Any]:
    """A text with what Telegram finds in it: a command at its beginning."""
    told: dict[str, Any] = {"text": text}
    command = re.match(r"/[A-Za-z0-9_]{1,32}(?=\s|$)", text)
    if command is not None:
        told["entities"] = [{"type": "bot_command", "offset": 0, "length": command.end()}]
    return told


def voice(file_id: str, seconds: int, size: int) -> dict[str, Any]:
    """https://core.telegram.org/bots/api#voice."""
    return {
        "file_id": file_id,
        "file_unique_id": file_id[:12],
        "duration": seconds,
        "mime_type": "audio/ogg",
        "file_size": size,
    }


def sticker() -> dict[str, Any]:
    """https://core.telegram.org/bots/api#sticker."""
    return {
        "file_id": "sandbox-sticker",
        "file_unique_id": "sandbox-stick",
        "type": "regular",
        "width": 512,
        "height": 512,
        "is_animated": False,
        "is_video": False,
        "emoji": "👍",
    }


def photo() -> list[dict[str, Any]]:
    """https://core.telegram.org/bots/api#photosize."""
    sizes = [("small", 90, 90), ("large", 1280, 1280)]
    return [
        {"file_id": f"sandbox-{name}", "file_unique_id": f"sandbox-{name}-u", "width": width, "height": height}
        for name, width, height in sizes
    ]


def membership(chat: str, the_bot: Mapping[str, Any], at: datetime, *, blocked: bool) -> dict[str, Any]:
    """https://core.telegram.org/bots/api#chatmemberupdated: the person stopped the bot, or started it again."""
    member = {"user": dict(the_bot), "status": "member"}
    kicked = {"user": dict(the_bot), "status": "kicked", "until_date": 0}
    before, after = (member, kicked) if blocked else (kicked, member)
    return {
        "chat": private(chat),
        "from": person(chat),
        "date": int(at.timestamp()),
        "old_chat_member": before,
        "new_chat_member": after,
    }


def check(asking: Asked, blocked: Set[str]) -> str:
    """The chat that a message goes to. Raises what Telegram says to one that it does not like."""
    chat = asking.values.get("chat_id", "")
    if not chat:
        raise TelegramError(400, "Bad Request: chat_id is empty")
    if not CHAT.fullmatch(chat) or chat.endswith("0003"):
        raise TelegramError(400, "Bad Request: chat not found")
    if chat.endswith("0005") or chat in blocked:
        raise TelegramError(403, "Forbidden: bot was blocked by the user")
    return chat


def text_of(asking: Asked) -> str:
    """The text that is sent. Raises what Telegram says to one that it does not like."""
    text = asking.values.get("text", "")
    if not text.strip():
        raise TelegramError(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) // 2 > TEXT_UNITS_MAX:
        raise TelegramError(400, "Bad Request: message is too long")
    return text
