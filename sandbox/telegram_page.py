"""What the telephone has for Telegram alone: voice notes that play, and what a person can do in a chat beside writing."""

import base64
import binascii
from typing import Final

from aiohttp import web

from sandbox import problem
from sandbox.problem import Problem
from sandbox.telegram import DEEDS, TelegramCarrier

TEXT_CHARACTERS_MAX: Final = 4_096
AUDIO_CHARACTERS_MAX: Final = 48 * 1024


class TelegramPage:
    """Routes beside ``/sandbox/reply``; ``carrier`` is set once the sandbox runs, None when it has no bot."""

    carrier: TelegramCarrier | None = None

    def routes(self) -> list[web.RouteDef]:
        """``POST /sandbox/telegram`` and the files."""
        return [web.post("/sandbox/telegram", self._deed), web.get("/sandbox/telegram/{name}", self._file)]

    async def _deed(self, request: web.Request) -> web.Response:
        """She edits her last message, sends a sticker, a photo or a voice note, presses a button, blocks the bot or unblocks it."""
        carrier = self._there()
        read = await problem.body(request, frozenset({"from", "does", "text", "audio"}))
        sender, does = problem.text(read, "from", 16), problem.text(read, "does", 16)
        if not carrier.is_address(sender):
            raise problem.wrong("/from", "must be the number of a chat, such as 573001234567")
        if does not in DEEDS:
            raise problem.wrong("/does", f"must be one of {', '.join(DEEDS)}")
        text = problem.text(read, "text", TEXT_CHARACTERS_MAX) if does in ("edit", "press") else ""
        audio = _audio(problem.text(read, "audio", AUDIO_CHARACTERS_MAX)) if does == "voice" else b""
        return web.json_response(await carrier.deed(sender, does, text, audio))

    async def _file(self, request: web.Request) -> web.Response:
        path = self._there().file(request.match_info["name"])
        if path is None:
            raise Problem(404, "not-found", "There is no such thing")
        return web.Response(body=path.read_bytes(), content_type="audio/ogg")

    def _there(self) -> TelegramCarrier:
        if self.carrier is None:
            raise Problem(404, "not-found", "There is no bot in this sandbox")
        return self.carrier


def _audio(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise problem.wrong("/audio", "must be a file in base64") from None
