"""The ways out as an operator sees them: what works, what rests, what is broken, and what they said lately."""

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.routes import Call, Route, answer
from gateway.tenants.keys import Scope


class WayEndingShown(Struct, frozen=True):
    """How one attempt ended; no person is in it."""

    at: str
    ending: Annotated[str, Meta(description="`sent`, `rejected`, `not_sent` or `unknown`.")]
    reason: str | None


class WayShown(Struct, frozen=True):
    """One way of one channel."""

    provider: Annotated[str, Meta(description="The operator's name for it.")]
    channel: str
    kind: str
    weight: Annotated[int | None, Meta(description="Its share of the first choice; null: it stands by in its order.")]
    state: Annotated[
        str,
        Meta(
            description="`closed`: in use. `resting`: its provider asked for a pause. `open`: it did not work and is left alone. "
            "`probing`: one message at a time, until one goes through."
        ),
    ]
    wait_seconds: Annotated[float, Meta(description="Until it may be used again.")]
    recent: Annotated[list[WayEndingShown], Meta(description="Its last endings, newest first.")]


class WaysShown(Struct, frozen=True):
    """Every way."""

    items: list[WayShown]


async def listed(call: Call) -> web.StreamResponse:
    """All ways, channel by channel, in the operator's order."""
    return answer({"items": await call.desk.ways()})


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/ways",
        handler=listed,
        name="listWays",
        tag="Service",
        summary="How every way out is doing",
        description="As all workers together have found it. What is known may be lost with Redis, and is then found out again.",
        scope=Scope.AUDIT,
        answers={200: WaysShown},
    ),
)
