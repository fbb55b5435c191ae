"""Reports over HTTP: asked for, followed, fetched."""

import asyncio
from datetime import timedelta
from typing import Annotated, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.problems import Problem, Slug
from gateway.api.requests import REQUEST_ID, dress
from gateway.api.routes import Call, Route, answer
from gateway.asks import Id, Instant, PackCode
from gateway.audit.reports import FORMATS, PERIOD_DAYS, PERIOD_DAYS_MAX, Asked, TooMany, missing
from gateway.audit.reports_counts import Period
from gateway.refusals import Flaw, Refused
from gateway.tenants.keys import Scope

#: How long a reader may take for what was handed to it.
WRITE_SECONDS_MAX: Final = 30.0


class ReportAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to report. Left out: the last thirty days, everybody. ``until`` is not later than now."""

    format: Literal["pdf", "csv", "ndjson", "parquet"]
    kind: Literal["frequency"] = "frequency"
    language: Annotated[Literal["en", "es", "pt"], Meta(description="Of the PDF and of the rules' words.")] = "en"
    since: Instant | None = None
    until: Instant | None = None
    contact: Id | None = None
    jurisdiction: PackCode | None = None


class ReportShown(Struct, frozen=True):
    """A report: `done` people of `total` are counted. `sha256`: of its file, as in the trace. `remade`: how often an erasure changed it."""

    id: str
    state: Literal["waiting", "making", "ready", "failed"]
    format: Literal["pdf", "csv", "ndjson", "parquet"]
    language: Literal["en", "es", "pt"]
    since: Instant
    until: Instant
    contact: str | None
    jurisdiction: str | None
    done: int
    total: int | None
    size: int | None
    sha256: str | None
    remade: int
    created_at: Instant
    expires_at: Instant


async def ask(call: Call) -> web.StreamResponse:
    """Keep the question."""
    body: ReportAsk = call.body
    if (how := missing(body.format)) is not None:
        raise Refused([Flaw("/format", f"What writes it is not installed here: {how}.")])
    now, _ = await call.desk.database.read(call.desk.clock.now)
    until = min(body.until or now, now)
    since = body.since or until - timedelta(days=PERIOD_DAYS)
    if since >= until:
        raise Refused([Flaw("/since", "Not before the end of the period, which is not later than now.")])
    if until - since > timedelta(days=PERIOD_DAYS_MAX):
        raise Refused([Flaw("/since", f"A period is at most {PERIOD_DAYS_MAX} days.")])
    asked = Asked(
        format=body.format,
        language=body.language,
        period=Period(since=since, until=until, contact=body.contact, jurisdiction=body.jurisdiction),
    )
    try:
        found = await call.desk.reports.ask(call.tenant, asked)
    except TooMany:
        raise Problem(Slug.TOO_MANY_REQUESTS, "As many reports wait to be made as a tenant may ask for.") from None
    return answer(found, 202, {"Location": f"/v1/reports/{found['id']}"})


async def show(call: Call) -> web.StreamResponse:
    """How far it is."""
    return answer(await call.desk.reports.show(call.tenant, call.path("id")))


async def file(call: Call) -> web.StreamResponse:
    """The file itself."""
    row = await call.desk.reports.row(call.tenant, call.path("id"))
    if row.state != "ready":
        raise Problem(Slug.REPORT_NOT_READY, f"It is {row.state}.", more={"state": row.state, "remade": row.remade})
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="frequency-{row.id.hex}.{row.format}"',
            "Content-Length": str(row.size),
            "X-Content-Type-Options": "nosniff",
            "X-Report-Type": FORMATS[row.format],
        }
    )
    dress(response, call.request[REQUEST_ID])
    await response.prepare(call.request)
    try:
        async for piece in call.desk.reports.parts(row):
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await response.write(piece)
        await response.write_eof()
    except BaseException:
        # The length has gone out: a connection that breaks before it is no file.
        if call.request.transport is not None:
            call.request.transport.abort()
        raise
    return response


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/reports",
        handler=ask,
        name="askForReport",
        tag="Audit",
        summary="Ask for a report of contact frequency",
        description=(
            "Made in the background: follow `GET /v1/reports/{id}`, then fetch its file. Per person and counting rule: the contacts of "
            "the period, the most that counted at once, the limit, what still counted at the end, and messages held back; with the "
            "rules' texts, the readings in force, the signed head, and the same figures recounted from the trace by SQL alone."
        ),
        scope=Scope.AUDIT,
        body=ReportAsk,
        example={"format": "pdf", "language": "es", "since": "2026-11-01T00:00:00-05:00"},
        answers={202: ReportShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/reports/{id}",
        handler=show,
        name="showReport",
        tag="Audit",
        summary="See how far a report is",
        scope=Scope.AUDIT,
        answers={200: ReportShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/reports/{id}/file",
        handler=file,
        name="fetchReport",
        tag="Audit",
        summary="Fetch a report that is ready",
        description=(
            "As an attachment. Kept for seven days. When somebody is erased, a report about her is gone and one about everybody is made "
            "anew without her: until then it is not ready, and `remade` has grown."
        ),
        scope=Scope.AUDIT,
        answers={200: bytes},
        media_type="application/octet-stream",
        problems=(Slug.NOT_FOUND, Slug.REPORT_NOT_READY),
    ),
)
