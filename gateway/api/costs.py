"""What messages cost: by tenant, channel, way, campaign, debt, person or message."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.cursors import cursor, place
from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import ListOf
from gateway.asks import Instant
from gateway.refusals import Flaw
from gateway.tenants.keys import Scope
from storage import costs
from storage.costs import CostRow
from storage.database import Connection

#: What bounds a span that was left open.
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class CostsQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By what to add up, and of which attempts: those reserved from ``since`` until before ``until``."""

    group_by: Literal["tenant", "channel", "provider", "contact", "message", "campaign", "debt"] = "tenant"
    since: Instant | None = None
    until: Instant | None = None


class CostSum(Struct, frozen=True):
    """One sum in one currency. `spent` is what is known and, of the rest, what is expected."""

    key: Annotated[str, Meta(description="What it is of; empty where a message named no campaign or no debt.")]
    currency: str
    messages: int
    attempts: int
    expected: str | None
    actual: str | None
    spent: str


async def sums(call: Call) -> web.StreamResponse:
    """A page of sums in the order of their keys."""
    query: CostsQuery = call.query
    since, until = query.since or _ALWAYS[0], query.until or _ALWAYS[1]
    if since >= until:
        raise Problem(Slug.INVALID, flaws=[Flaw("/since", "is not before until")], inside="query")
    skip = (place(query.cursor, int) or (0,))[0]

    async def read(connection: Connection) -> list[CostRow]:
        return await costs.sums(
            connection,
            call.tenant,
            query.group_by,
            since=since,
            until=until,
            skip=skip,
            limit=query.limit + 1,
        )

    found = await call.desk.database.read(read)
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer(
        {
            "items": [_shown(row) for row in items],
            "next": cursor(skip + query.limit) if more else None,
        }
    )


def _shown(row: CostRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "currency": row.currency,
        "messages": row.messages,
        "attempts": row.attempts,
        "expected": _amount(row.expected),
        "actual": _amount(row.actual),
        "spent": _amount(row.spent),
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.6f}"


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/costs",
        handler=sums,
        name="listCosts",
        tag="Costs",
        summary="What was spent, added up",
        description=(
            "One sum for each key and currency. `expected` is what the ways were expected to ask when messages were reserved, "
            "`actual` what is known by now: what providers told, what their count of segments comes to, and nothing for what "
            "did not leave. A message about several debts is shared evenly among them; `campaign` is `metadata.campaign`. "
            "Attempts without a known price stand in no sum."
        ),
        scope=Scope.READ,
        query=CostsQuery,
        answers={200: ListOf[CostSum]},
    ),
)
