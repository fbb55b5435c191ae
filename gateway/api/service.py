"""What operators and developers ask of the process itself: does it live, is it ready, what does it count, how is it spoken to."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.api.pages import CSP, problem_page, problems_page
from gateway.api.problems import KINDS, Problem, Slug
from gateway.api.routes import Call, Route, answer
from gateway.api.shapes import Healthy, Ready
from gateway.refusals import NotThere
from storage import liveness, migrate, recheck
from storage.database import Connection, DatabaseAway

#: A probe that waits longer than this has its answer.
PROBE_SECONDS_MAX: Final = 3.0

#: The generated description and its page, made when somebody asks for the first time: a process that starts need not wait for them.
DESCRIPTION: Final[web.AppKey[Callable[[], bytes]]] = web.AppKey("description")
DOCS: Final[web.AppKey[Callable[[], bytes]]] = web.AppKey("docs")


async def healthz(_: Call) -> web.StreamResponse:
    """The process answers; nothing else is asked."""
    return answer({"status": "ok"})


async def readyz(call: Call) -> web.StreamResponse:
    """Whether messages would be taken and sent. Valkey may be away: then only pace and hints suffer."""

    async def read(connection: Connection) -> list[str]:
        failing = []
        if not set(migrate.files()) <= await liveness.migrations(connection):
            failing.append("migrations")
        if not await liveness.alive(connection, "worker"):
            failing.append("worker")
        return failing

    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            failing = await call.desk.database.read(read)
    except (DatabaseAway, TimeoutError):
        failing = ["database"]
    if failing:
        raise Problem(Slug.NOT_READY, f"Missing: {', '.join(failing)}.", more={"failing": failing})
    return answer({"status": "ready", "degraded": [] if await call.desk.redis_ready() else ["redis"]})


async def metrics(call: Call) -> web.StreamResponse:
    """Prometheus' text; the depth of the queue is read now, everything else is counted as it happens."""

    counted = call.desk.metrics
    gauges = (
        counted.messages_due,
        counted.messages_due_seconds,
        counted.recheck_breaches,
        counted.recheck_seconds,
        counted.deliveries_due,
        counted.deliveries_due_seconds,
        counted.deliveries_parked,
        counted.messages_unknown,
        counted.workers,
    )

    async def read(connection: Connection) -> Sequence[float]:
        now, real = await call.desk.clock.now(connection)
        due, oldest = await liveness.depth(connection, now)
        rounds = await recheck.remembered(connection)
        queues = await liveness.queues(connection, real)
        return (
            due,
            0.0 if oldest is None else (now - oldest).total_seconds(),
            sum(breaches for _, _, _, breaches in rounds),
            max(((real - at).total_seconds() for _, at, _, _ in rounds), default=float("nan")),
            queues.deliveries_due,
            0.0 if queues.deliveries_oldest is None else (real - queues.deliveries_oldest).total_seconds(),
            queues.deliveries_parked,
            queues.unknown,
            queues.workers,
        )

    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            figures = await call.desk.database.read(read)
    except (DatabaseAway, TimeoutError):
        # A number that nobody could read is no zero.
        figures = [float("nan")] * len(gauges)
    for gauge, figure in zip(gauges, figures, strict=True):
        gauge.set(figure)
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            counted.policies_unreadable.set(len(await call.desk.policies.unreadable()))
    except (DatabaseAway, TimeoutError):
        counted.policies_unreadable.set(float("nan"))
    for provider, state in (await call.desk.way_states()).items():
        counted.way_state.labels(provider).set(_WAY_STATES[state])
    return web.Response(body=generate_latest(counted.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


_WAY_STATES: Final = {"closed": 0, "resting": 1, "probing": 2, "open": 3}


async def description(call: Call) -> web.StreamResponse:
    """The OpenAPI document."""
    return _page(call.request.app[DESCRIPTION](), "application/json")


async def docs(call: Call) -> web.StreamResponse:
    """The same for people."""
    return _page(call.request.app[DOCS](), "text/html; charset=utf-8")


async def list_problems(_: Call) -> web.StreamResponse:
    """Every way in which this API says no."""
    return _page(problems_page(), "text/html; charset=utf-8")


async def show_problem(call: Call) -> web.StreamResponse:
    """One of them."""
    try:
        slug = Slug(call.path("slug"))
    except ValueError:
        raise NotThere from None
    return _page(problem_page(slug, KINDS[slug]), "text/html; charset=utf-8")


def _page(body: bytes, content_type: str) -> web.Response:
    headers = {"Content-Type": content_type, "Cache-Control": "public, max-age=300"}
    if content_type.startswith("text/html"):
        headers |= {"Content-Security-Policy": CSP, "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
    return web.Response(body=body, headers=headers)


def _service(path: str, handler: Any, name: str, summary: str, kind: Any, **more: Any) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        name=name,
        tag="Service",
        summary=summary,
        scope=None,
        answers={200: kind},
        **more,
    )


ROUTES: Final = (
    _service("/healthz", healthz, "health", "Does the process live?", Healthy),
    _service(
        "/readyz",
        readyz,
        "readiness",
        "Is everything there that must be?",
        Ready,
        description="The database, its migrations, and a worker that beat lately. Valkey away is 200 with `degraded`.",
        problems=(Slug.NOT_READY,),
    ),
    _service("/metrics", metrics, "metrics", "Figures for Prometheus", str, media_type="text/plain"),
    _service("/openapi.json", description, "describe", "This description", dict[str, Any]),
    _service("/docs", docs, "docs", "This description as a page", str, media_type="text/html"),
    _service("/problems", list_problems, "listProblems", "Every problem", str, media_type="text/html"),
    _service(
        "/problems/{slug}",
        show_problem,
        "showProblem",
        "One problem and what to do about it",
        str,
        media_type="text/html",
        problems=(Slug.NOT_FOUND,),
    ),
)
