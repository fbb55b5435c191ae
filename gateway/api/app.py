"""Makes the HTTP application: the routes behind their gate, and one place where every request gets its id and every refusal its problem."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from gateway.api.desk import Desk
from gateway.api.openapi import document
from gateway.api.pages import docs_page
from gateway.api.problems import Problem, Slug, not_allowed, of_http, of_refusal
from gateway.api.reading import BODY_BYTES_MAX
from gateway.api.requests import Namer, dress
from gateway.api.routes import RATE_LIMIT, Gate
from gateway.api.service import DESCRIPTION, DOCS
from gateway.api.table import ROUTES
from gateway.ending import end
from gateway.seal import Broken
from gateway.tenants.quotas import rate_limit_headers
from storage.database import DatabaseAway

#: How the runner is to be made (``web.AppRunner(app, **SERVER)``): who sends a head or nothing at all is let go after half a
#: minute, heads stay small, nothing is inflated, and no request line is logged, since addresses can name people.
SERVER: Final[Mapping[str, Any]] = {
    "keepalive_timeout": 30.0,
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "lingering_time": 2.0,
    "auto_decompress": False,
    "access_log": None,
    "handler_cancellation": False,
}

log = structlog.get_logger()


@cache
def _methods() -> dict[str, str]:
    """What ``Allow`` says of each path that has nothing variable in it."""
    found: dict[str, set[str]] = {}
    for route in ROUTES:
        if "{" not in route.path:
            found.setdefault(route.path, set()).update((route.method, *(["HEAD"] if route.method == "GET" else ())))
    return {path: ",".join(sorted(methods)) for path, methods in found.items()}


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(desk: Desk, extra_routes: Iterable[web.AbstractRouteDef] = ()) -> web.Application:
    """The application. ``extra_routes`` are those of hooks, pages and the sandbox, which keep no keys and stand in no description."""
    namer, gate = Namer(), Gate(desk)
    desk.metrics.http_open.set_function(lambda: gate.open)
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_answers(desk, namer)])
    expect = _expecting(namer)
    for route in ROUTES:
        if route.method == "GET":
            app.router.add_get(route.path, gate.serve(route), expect_handler=expect)
        else:
            app.router.add_route(route.method, route.path, gate.serve(route), expect_handler=expect)
    app.router.add_routes(extra_routes)
    app[DESCRIPTION], app[DOCS] = _described(desk)
    app.cleanup_ctx.append(_touching(desk))
    return app


def _described(desk: Desk) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    """The description and its page."""

    @cache
    def described() -> dict[str, Any]:
        return document(ROUTES, server=desk.public_url, version=desk.version)

    return cache(lambda: msgspec.json.encode(described())), cache(lambda: docs_page(described()))


def _answers(desk: Desk, namer: Namer) -> Any:
    @web.middleware
    async def answers(request: web.Request, handler: _Handler) -> web.StreamResponse:
        started = time.perf_counter()
        request_id = namer.name(request)
        try:
            response = await handler(request)
        except Exception as error:
            problem = problem_of(error, request, request_id)
            if problem is None:
                raise
            response = problem.response(request_id)
        if not response.prepared:
            dress(response, request_id)
            response.headers.update(rate_limit_headers(request.get(RATE_LIMIT, ())))
        resource = request.match_info.route.resource
        desk.metrics.answered(
            request.method if resource is not None else "other",
            resource.canonical if resource is not None else "none",
            response.status,
            time.perf_counter() - started,
        )
        return response

    return answers


def problem_of(error: Exception, request: web.Request, request_id: str) -> Problem | None:
    """What the caller is told of an exception; None lets the framework answer (redirects)."""
    if isinstance(error, DatabaseAway):
        log.warning("http.database_away", request=request_id)
    refusal = of_refusal(error)
    if refusal is not None:
        return refusal
    match error:
        case Broken():
            log.critical("http.trace_broken", request=request_id, what=str(error))
            return Problem(Slug.TRACE_BROKEN)
        case web.RequestPayloadError() | ConnectionError():
            return Problem(Slug.JSON, "The body could not be read to its end.")
        case web.HTTPMethodNotAllowed() if request.path in _methods():
            # A path of its own, that also looks like one with an id in it: only its own methods are its methods.
            return not_allowed(_methods()[request.path])
        case web.HTTPException():
            return of_http(error)
        case _:
            _report(error, request, request_id)
            return Problem(Slug.INTERNAL)


def _report(error: Exception, request: web.Request, request_id: str) -> None:
    """Where it failed, and nothing that was in hand: messages of exceptions quote rows and bodies."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    resource = request.match_info.route.resource
    log.error(
        "http.failed",
        request=request_id,
        method=request.method if resource else "other",
        route=resource.canonical if resource else "none",
        error=type(error).__name__,
        where=" < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames)),
    )


def _expecting(namer: Namer) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
    async def expecting(request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Expect", "").lower() == "100-continue":
            # As the framework's own handler does, which answers everything else in plain text.
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
            return None
        request_id = namer.name(request)
        response = Problem(Slug.EXPECTATION).response(request_id)
        dress(response, request_id)
        return response

    return expecting


def _touching(desk: Desk) -> Callable[[web.Application], AsyncIterator[None]]:
    async def touching(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(desk.keyring.keep_touching())
        yield
        await end(task)
        if not task.cancelled():
            task.result()
        await desk.keyring.touch()

    return touching
