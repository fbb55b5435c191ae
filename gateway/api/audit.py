"""The audit of contact frequency: each person, each limit, what counts and what is left."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from gateway.api.cursors import cursor, place
from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import FrequencyShown, ListOf
from gateway.asks import Id, Instant, PackCode, Sendable
from gateway.audit.margins import Scope as Asked
from gateway.refusals import Flaw
from gateway.tenants.keys import Scope
from vocabulary.channel import Channel


class FrequencyQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to ask about. ``since`` and ``until`` bound the messages held back; what counts towards a limit is the law's."""

    contact: Id | None = None
    jurisdiction: PackCode | None = None
    creditor: Id | None = None
    debt: Id | None = None
    channel: Sendable | None = None
    since: Instant | None = None
    until: Instant | None = None
    margin_max: (
        Annotated[int, Meta(ge=0, le=1_000, description="Only people who are this close to a limit, or closer.")] | None
    ) = None


async def frequency(call: Call) -> web.StreamResponse:
    """A page of people by their ids."""
    query: FrequencyQuery = call.query
    after = place(query.cursor, str)
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise Problem(Slug.INVALID, flaws=[Flaw("/since", "is not before until")], inside="query")
    asked = Asked(
        contact=query.contact,
        jurisdiction=query.jurisdiction,
        creditor=query.creditor,
        debt=query.debt,
        channel=None if query.channel is None else Channel(query.channel),
        since=query.since,
        until=query.until,
        margin_max=query.margin_max,
    )
    items, more = await call.desk.auditor.page(call.tenant, asked, after[0] if after else "", query.limit)
    return answer({"items": items, "next": None if more is None else cursor(more)})


ROUTES = (
    Route(
        method="GET",
        path="/v1/audit/frequency",
        handler=frequency,
        name="auditFrequency",
        tag="Audit",
        summary="How close each person is to each limit",
        description=(
            "Per person: every counting rule that binds her now, by the very functions that decide: what it counted, its limit, "
            "how many more it lets pass (`margin`), the window in which contacts count and when the limit frees. `held` says how "
            "many messages each rule deferred or blocked. Nearest limit first within a person."
        ),
        scope=Scope.AUDIT,
        query=FrequencyQuery,
        answers={200: ListOf[FrequencyShown]},
    ),
)
