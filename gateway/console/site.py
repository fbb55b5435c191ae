"""The console over HTTP: who may open a page, which language it speaks, and what every form must carry."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from aiohttp import web

from gateway.api.desk import Adviser, Auditor, Prover, Registrar
from gateway.browsers import first_spoken, form_pairs, html_page
from gateway.console.sessions import Session, Sessions
from gateway.entries import Scribe
from gateway.judge import Judge
from gateway.refusals import NotThere, Refused
from gateway.seal import Broken, Sealer
from gateway.tenants.keys import Scope
from gateway.tenants.policies import Policies
from jurisdictions.library import Library
from pages.console.render import HEADERS, LANGUAGES, PICTURE_SECURITY, Press
from storage import chain, console
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway, of_tenant

log = structlog.get_logger()

BODY_BYTES_MAX: Final = 16 * 1024
BODY_SECONDS_MAX: Final = 10.0
FIELDS_MAX: Final = 20
FIELD_CHARS_MAX: Final = 2_000
#: Days that a page looks back where nobody says, and at most.
DAYS: Final = 28
DAYS_MAX: Final = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the pages need of the rest of the house."""

    database: Database
    clock: LegalClock
    law: Library = field(repr=False)
    judge: Judge
    policies: Policies
    auditor: Auditor
    adviser: Adviser
    registrar: Registrar
    prover: Prover
    sealer: Sealer
    scribe: Scribe
    sessions: Sessions
    press: Press


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request of somebody who is signed in. ``fields``: of the form that was sent, once its token was found right."""

    rooms: Rooms
    request: web.Request = field(repr=False)
    session: Session
    language: str
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def tenant(self) -> str:
        """Whose console it is."""
        return self.session.tenant

    def asked(self, name: str) -> str | None:
        """A filter as it was asked for; None where it was left open."""
        value = self.request.query.get(name, "").strip()
        return value[:200] if value and value.isprintable() else None

    def link(self, path: str, **query: object) -> str:
        """The address of a page of the console."""
        kept = {name: value for name, value in query.items() if value is not None}
        return f"{self.rooms.press.root}/console{path}" + (f"?{urlencode(kept)}" if kept else "")

    async def read(self, job: Callable[[Connection], Awaitable[Any]]) -> Any:
        """Read from the database. Raises DatabaseAway."""
        return await self.rooms.database.read(job)

    def page(self, template: str, *, title: str, at: str = "", status: int = 200, **values: Any) -> web.Response:
        """A page within the frame. ``at``: the entry of the navigation that it belongs to."""
        html = self.rooms.press.draw(
            template,
            self.language,
            title=title,
            at=at,
            session=self.session,
            navigation=[each for each in navigation() if self.session.may(each.scope)],
            here=self.request.path_qs,
            languages_at=[(code, self._spoken(code)) for code in LANGUAGES],
            link=self.link,
            **values,
        )
        return html_response(html, status)

    def _spoken(self, code: str) -> str:
        return f"?{urlencode([(n, v) for n, v in self.request.query.items() if n != 'lang'] + [('lang', code)])}"

    def back(self, path: str, **query: object) -> web.Response:
        """Go on with a GET."""
        return web.Response(status=303, headers={**HEADERS, "Location": self.link(path, **query)})

    def picture(self, drawn: bytes) -> web.Response:
        """A chart."""
        headers = {**HEADERS, "Content-Security-Policy": PICTURE_SECURITY}
        return web.Response(body=drawn, content_type="image/svg+xml", charset="utf-8", headers=headers)

    async def now(self) -> tuple[datetime, tzinfo]:
        """The law's instant and the zone in which this tenant's day is told."""

        async def job(connection: Connection) -> tuple[datetime, tzinfo]:
            now, _ = await self.rooms.clock.now(connection)
            return now, zone_named(await console.zone(connection, self.tenant))

        found: tuple[datetime, tzinfo] = await self.read(job)
        return found

    async def trace(self, kind: str, facts: dict[str, Any]) -> None:
        """Write down what whoever is signed in did, about nobody in particular."""

        async def job(connection: Connection) -> None:
            now, _ = await self.rooms.clock.now(connection)
            entry = self.rooms.scribe.entry(kind, tenant=self.tenant, at=now, facts={**self.who(), **facts})
            await chain.append(connection, {self.tenant: [entry]})

        await self.rooms.database.run(job)

    def who(self) -> dict[str, Any]:
        """Whoever is signed in, as facts of an entry."""
        return {"by": self.session.key, "role": self.session.role.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days that a page is about, both included."""

    since: date
    until: date


def span_of(visit: Visit, today: date, days: int = DAYS) -> Span:
    """The period asked for; what cannot be read is the usual one."""
    until = _date(visit.asked("until")) or today
    since = _date(visit.asked("since")) or until - timedelta(days=days - 1)
    since = min(since, until)
    return Span(since=max(since, until - timedelta(days=DAYS_MAX - 1)), until=until)


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def zone_named(name: str | None) -> tzinfo:
    """A zone by its name; UTC for none and for what is no zone."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


Show = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page or form. ``word``: what the navigation calls it, None for those that it does not name."""

    method: str
    path: str
    show: Show
    scope: Scope
    word: str | None = None


_PAGES: list[Page] = []


def navigation() -> Sequence[Page]:
    """What the navigation names, in order."""
    return [page for page in _PAGES if page.word is not None]


class Site:
    """The routes of the console: ``pages`` behind their doors, and the doors themselves."""

    def __init__(self, rooms: Rooms, pages: Sequence[Page]) -> None:
        self._rooms = rooms
        self._pages = pages
        _PAGES[:] = pages

    def routes(self) -> list[web.RouteDef]:
        """What to mount at the root."""
        return [
            web.route(
                page.method,
                f"/console{page.path}",
                self._shown(page) if page.method == "GET" else self._heard(page),
            )
            for page in self._pages
        ]

    def _shown(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def shown(request: web.Request) -> web.StreamResponse:
            language = spoken(request)
            try:
                session = await self._rooms.sessions.find(request)
                if session is None:
                    response: web.StreamResponse = self._to_the_door(request)
                elif not session.may(page.scope):
                    response = self._plain("forbidden", language, 403)
                else:
                    visit = Visit(rooms=self._rooms, request=request, session=session, language=language)
                    with of_tenant(session.tenant):
                        response = await page.show(visit)
            except DatabaseAway:
                response = self._plain("away", language, 503)
            except NotThere:
                response = self._plain("gone", language, 404)
            except Broken:
                response = self._plain("broken", language, 500)
            keep_language(request, response, language)
            return response

        return shown

    def _heard(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def heard(request: web.Request) -> web.StreamResponse:
            language = spoken(request)
            try:
                session = await self._rooms.sessions.find(request)
                if session is None:
                    return self._to_the_door(request)
                fields = await form_of(request)
                if (
                    fields is None
                    or not ours(request)
                    or not self._rooms.sessions.fits(session.form, fields.get("form", ""))
                ):
                    return self._plain("stale", language, 403)
                if not session.may(page.scope):
                    return self._plain("forbidden", language, 403)
                visit = Visit(rooms=self._rooms, request=request, session=session, language=language, fields=fields)
                with of_tenant(session.tenant):
                    return await page.show(visit)
            except DatabaseAway:
                return self._plain("away", language, 503)
            except NotThere:
                return self._plain("gone", language, 404)
            except Refused:
                return self._plain("refused", language, 422)

        return heard

    def _to_the_door(self, request: web.Request) -> web.Response:
        root = self._rooms.press.root
        place = f"{root}/console/sign-in"
        if request.method == "GET" and request.path != f"{root}/console":
            # Where somebody wanted to go, without what was asked for there: filters may name people.
            place += f"?to={quote(request.path.removeprefix(f'{root}/console'), safe='')}"
        return web.Response(status=303, headers={**HEADERS, "Location": place})

    def _plain(self, kind: str, language: str, status: int) -> web.Response:
        return plain(self._rooms.press, kind, language, status)


def plain(press: Press, kind: str, language: str, status: int) -> web.Response:
    """A page that says one thing."""
    response = html_response(press.draw("plain", language, kind=kind), status)
    if status in (429, 503):
        response.headers["Retry-After"] = "30"
    return response


def html_response(html: str, status: int) -> web.Response:
    """A page with the console's headers."""
    return html_page(html, status, HEADERS)


LANGUAGE_COOKIE: Final = "tregua-console-language"


def spoken(request: web.Request) -> str:
    """The language asked for, else the one that was asked for last, else the first that the browser names and we speak."""
    for asked in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return first_spoken(request, LANGUAGES)


def keep_language(request: web.Request, response: web.StreamResponse, language: str) -> None:
    """Remember the language that was asked for."""
    if request.query.get("lang") == language and not response.prepared:
        response.set_cookie(LANGUAGE_COOKIE, language, path="/", httponly=True, samesite="Strict", max_age=31_536_000)


def ours(request: web.Request) -> bool:
    """Whether a form stood on a page of ours, as far as the browser says (https://www.w3.org/TR/fetch-metadata/)."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    return site in ("same-origin", "none") and (origin is None or origin.rpartition("://")[2] == request.host)


async def form_of(request: web.Request) -> dict[str, str] | None:
    """The fields of a form, each once; None where it cannot be read, or says one thing twice or at too great length."""
    pairs = await form_pairs(request, bytes_max=BODY_BYTES_MAX, seconds_max=BODY_SECONDS_MAX, fields_max=FIELDS_MAX)
    fields = dict(pairs or ())
    if pairs is None or len(fields) != len(pairs) or any(len(value) > FIELD_CHARS_MAX for value in fields.values()):
        return None
    return fields
