"""Puts the console together and stands at its door: signing in and out, its files, and what tells open pages that there is news."""

import asyncio
import contextlib
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp_sse import sse_response

from gateway.browsers import PerMinute, Stream, has_left
from gateway.console.sessions import Sessions
from gateway.console.site import (
    Page,
    Rooms,
    Site,
    Visit,
    form_of,
    html_response,
    keep_language,
    ours,
    plain,
    spoken,
)
from gateway.console.table import PAGES
from gateway.tenants.keys import Keyring, Scope
from pages.console import render
from pages.console.render import HEADERS, LANGUAGES, Press
from storage import chain, console
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway, of_tenant

#: Tries to sign in from one address in a minute, in one process.
TRIES_MINUTE_MAX: Final = 20
KEY_CHARS_MAX: Final = 200
#: Live pages of one process.
LIVE_MAX: Final = 200
LIVE_SECONDS_MAX: Final = 600.0
LIVE_LOOK_SECONDS: Final = 2.0


class Door:
    """What may be asked for without a session, and the stream that open pages listen to."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._tries = PerMinute(TRIES_MINUTE_MAX)
        self._live = 0
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """The routes to mount at the root."""
        return [
            web.get("/console/-/{name}", self.file),
            web.get("/console/sign-in", self.ask),
            web.post("/console/sign-in", self.enter),
            web.get("/console/live", self.live, allow_head=False),
        ]

    async def close(self, _app: web.Application) -> None:
        """Let every open stream end."""
        self._closing.set()

    async def file(self, request: web.Request) -> web.StreamResponse:
        """What the pages are made of beside their words: the same for everybody."""
        found = render.file(request.match_info["name"])
        if found is None:
            return plain(self._rooms.press, "gone", spoken(request), 404)
        body, kind = found
        headers = {**HEADERS, "Cache-Control": "public, max-age=300"}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The form that asks for a key."""
        return self._form(request, None, 200)

    def _form(self, request: web.Request, flaw: str | None, status: int) -> web.Response:
        language = spoken(request)
        door = self._rooms.sessions.door(request)
        to = request.query.get("to", "")
        html = self._rooms.press.draw(
            "sign_in",
            language,
            form=self._rooms.sessions.token(door),
            flaw=flaw,
            to=to if _inside(to) else "",
            languages_at=[(code, f"?lang={code}") for code in LANGUAGES],
        )
        response = html_response(html, status)
        self._rooms.sessions.give(response, self._rooms.sessions.door_cookie, door)
        keep_language(request, response, language)
        return response

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Exchange a key for a session."""
        press, sessions = self._rooms.press, self._rooms.sessions
        if not self._tries.take(request.remote or ""):
            return plain(press, "slow", spoken(request), 429)
        fields = await form_of(request)
        if fields is None or not ours(request):
            return self._form(request, "stale", 403)
        if not sessions.fits(sessions.token(sessions.door(request)), fields.get("form", "")):
            return self._form(request, "stale", 403)
        key = fields.get("key", "").strip()
        try:
            begun = await sessions.begin(key) if 0 < len(key) <= KEY_CHARS_MAX else None
            if begun is None:
                return self._form(request, "no_key", 403)
            value, session, holder = begun

            async def job(connection: Connection) -> None:
                now, _ = await self._rooms.clock.now(connection)
                facts = {"by": session.key, "role": session.role.value}
                entry = self._rooms.scribe.entry("signed_in", tenant=holder.tenant, at=now, facts=facts)
                await chain.append(connection, {holder.tenant: [entry]})

            with of_tenant(holder.tenant):
                await self._rooms.database.run(job)
        except DatabaseAway:
            return plain(press, "away", spoken(request), 503)
        to = fields.get("to", "")
        place = f"{press.root}/console{to if _inside(to) else ''}"
        response = web.Response(status=303, headers={**HEADERS, "Location": place})
        sessions.give(response, sessions.cookie, value)
        sessions.take(response, sessions.door_cookie)
        return response

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Tells an open page that the figures changed; what, the page asks for itself."""
        try:
            session = await self._rooms.sessions.find(request)
        except DatabaseAway:
            session = None
        if session is None or self._live >= LIVE_MAX or self._closing.is_set():
            # No content ends an EventSource for good: the page then shows what is new when it is loaded again.
            return web.Response(status=204, headers=dict(HEADERS))
        self._live += 1
        try:
            async with sse_response(request, headers=dict(HEADERS), response_cls=Stream) as stream:
                async with asyncio.timeout(LIVE_SECONDS_MAX):
                    known = await self._mark(session.tenant)
                    while not self._closing.is_set() and not has_left(request):
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(LIVE_LOOK_SECONDS):
                                await self._closing.wait()
                        mark = await self._mark(session.tenant)
                        if mark != known:
                            if await self._rooms.sessions.find(request) is None:
                                break
                            known = mark
                            await stream.send("", event="news")
        except (TimeoutError, ConnectionError, DatabaseAway):
            pass
        finally:
            self._live -= 1
        return stream

    async def _mark(self, tenant: str) -> int:
        with of_tenant(tenant):
            return await self._rooms.database.read(lambda connection: console.counted_to(connection, tenant))


async def sign_out(visit: Visit) -> web.StreamResponse:
    """End the session."""
    await visit.trace("signed_out", {})
    await visit.rooms.sessions.end(visit.session)
    response = visit.back("/sign-in")
    visit.rooms.sessions.take(response, visit.rooms.sessions.cookie)
    return response


def open_console(app: web.Application, rooms: Rooms) -> None:
    """Add the console to the application."""
    door = Door(rooms)
    leave = Page(method="POST", path="/sign-out", show=sign_out, scope=Scope.READ)
    app.router.add_routes([*door.routes(), *Site(rooms, (*PAGES, leave)).routes()])
    app.on_shutdown.append(door.close)


def sessions_of(*, database: Database, clock: LegalClock, keyring: Keyring, secret: bytes, public_url: str) -> Sessions:
    """Sessions under a public address: cookies are marked secure where it is https."""
    parts = urlsplit(public_url)
    return Sessions(
        database=database,
        clock=clock,
        keyring=keyring,
        secret=secret,
        root=parts.path.rstrip("/"),
        secure=parts.scheme == "https",
    )


def press_of(public_url: str) -> Press:
    """Whoever draws pages under a public address."""
    return Press(root=urlsplit(public_url).path.rstrip("/"))


def _inside(to: str) -> bool:
    """Whether it is a path of the console and nothing else."""
    return (
        to.startswith("/")
        and not to.startswith("//")
        and len(to) <= 200
        and to.isascii()
        and all(c.isalnum() or c in "/-_" for c in to)
    )
