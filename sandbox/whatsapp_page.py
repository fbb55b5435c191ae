"""What the telephone has for WhatsApp alone: voice notes that play, and what a person can do in a chat beside writing."""

from typing import Final

from aiohttp import web

from sandbox import problem
from sandbox.meta import DEEDS, MetaCarrier
from sandbox.problem import Problem

TEXT_CHARACTERS_MAX: Final = 4_096


class WhatsAppPage:
    """Routes beside ``/sandbox/reply``; ``carrier`` is set once the sandbox runs, None when it has no number at Meta."""

    carrier: MetaCarrier | None = None

    def routes(self) -> list[web.RouteDef]:
        """``POST /sandbox/whatsapp`` and the files."""
        return [web.post("/sandbox/whatsapp", self._deed), web.get("/sandbox/whatsapp/{name}", self._file)]

    async def _deed(self, request: web.Request) -> web.Response:
        """She reacts, sends a sticker or a voice note, changes her last words, or tells WhatsApp to stop what we send."""
        carrier = self._there()
        read = await problem.body(request, frozenset({"from", "does", "text"}))
        sender, does = problem.text(read, "from", 16), problem.text(read, "does", 16)
        if not carrier.is_address(sender):
            raise problem.wrong("/from", "must be a number in E.164, such as +573001234567")
        if does not in DEEDS:
            raise problem.wrong("/does", f"must be one of {', '.join(DEEDS)}")
        text = problem.text(read, "text", TEXT_CHARACTERS_MAX) if does in ("react", "edit") else ""
        return web.json_response(await carrier.deed(sender, does, text))

    async def _file(self, request: web.Request) -> web.Response:
        path = self._there().file(request.match_info["name"])
        if path is None:
            raise Problem(404, "not-found", "There is no such thing")
        return web.Response(body=path.read_bytes(), content_type="audio/ogg")

    def _there(self) -> MetaCarrier:
        if self.carrier is None:
            raise Problem(404, "not-found", "There is no WhatsApp number in this sandbox")
        return self.carrier
