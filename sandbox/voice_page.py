"""What the telephone has for calls alone: how the next call to a number goes."""

from aiohttp import web

from sandbox import problem
from sandbox.problem import Problem
from sandbox.voice import VoiceCarrier
from sandbox.voice_words import Ending

COUNT_MAX = 1_000


class CallsPage:
    """Routes beside ``/sandbox/reply``; ``carrier`` is set once the sandbox runs, None when nobody calls in it."""

    carrier: VoiceCarrier | None = None

    def routes(self) -> list[web.RouteDef]:
        """``POST /sandbox/calls``."""
        return [web.post("/sandbox/calls", self._expect)]

    async def _expect(self, request: web.Request) -> web.Response:
        """The next calls to a number are busy, unanswered, answered by a machine …"""
        if self.carrier is None:
            raise Problem(404, "not-found", "Nobody calls in this sandbox")
        read = await problem.body(request, frozenset({"to", "ending", "count"}))
        to, ending = problem.text(read, "to", 16), problem.text(read, "ending", 16)
        if not self.carrier.is_address(to):
            raise problem.wrong("/to", "must be a number in E.164, such as +573001234567")
        if ending not in set(Ending):
            raise problem.wrong("/ending", f"must be one of {', '.join(Ending)}")
        count = problem.count_or_none(read, "count", COUNT_MAX) or 1
        self.carrier.expect(to, Ending(ending), count)
        return web.json_response({"to": to, "ending": ending, "count": count})
