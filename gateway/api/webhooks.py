"""The CRM's endpoints: where events go, how each delivery went, and sending them again."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.cursors import cursor, place
from gateway.api.destinations import URL_CHARS_MAX, flaw_of
from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import DeliveryShown, EventType, ListOf, Queued, SecretMade, WebhookMade, WebhookShown
from gateway.asks import Instant
from gateway.refusals import Flaw, NotThere, Refused
from gateway.tenants.keys import Scope
from storage import deliveries, outbox
from storage.database import Connection
from storage.deliveries import DeliveryRow
from storage.outbox import EndpointRow
from vocabulary.ids import new_uuid, parsed, shown

ENDPOINTS_MAX: Final = 20
#: Standard Webhooks asks for 24 to 64 bytes.
SECRET_BYTES: Final = 32
#: How long two secrets sign beside each other.
SECRETS_OVERLAP: Final = timedelta(hours=24)


class WebhookAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where events are wanted. Left-out `types`: all of them."""

    url: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
    types: Annotated[list[EventType], Meta(max_length=20)] = []


class ReplayAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which instant on events are wanted again."""

    since: Instant


async def create(call: Call) -> web.StreamResponse:
    """The endpoint, with its secret, once."""
    ask: WebhookAsk = call.body
    if flaw := flaw_of(ask.url, call.desk.allow_networks):
        raise Refused([Flaw("/url", flaw)])
    secret = _secret()

    async def job(connection: Connection) -> EndpointRow | None:
        if await deliveries.count(connection, call.tenant) >= ENDPOINTS_MAX:
            return None
        _, real = await call.desk.clock.now(connection)
        row = EndpointRow(
            id=new_uuid(),
            tenant=call.tenant,
            url=ask.url,
            secrets=(secret,),
            types=tuple(dict.fromkeys(ask.types)),
            created_at=real,
        )
        await outbox.put_endpoint(connection, row)
        return row

    row = await call.desk.database.run(job)
    if row is None:
        raise Problem(Slug.TOO_MANY_ENDPOINTS, f"A tenant has at most {ENDPOINTS_MAX} webhooks.")
    return answer({**_endpoint(row), "secret": secret}, 201)


async def listed(call: Call) -> web.StreamResponse:
    """A page of the tenant's endpoints, oldest first."""
    after, limit = place(call.query.cursor, UUID), call.query.limit
    rows = await call.desk.database.read(lambda connection: outbox.endpoints(connection, call.tenant))
    start = 0
    if after is not None:
        start = next((index + 1 for index, row in enumerate(rows) if row.id == after[0]), len(rows))
    items = rows[start : start + limit]
    more = len(rows) > start + limit
    return answer({"items": [_endpoint(row) for row in items], "next": cursor(items[-1].id) if more else None})


async def remove(call: Call) -> web.StreamResponse:
    """No body."""
    endpoint = _endpoint_id(call)
    if not await call.desk.database.run(lambda connection: outbox.drop_endpoint(connection, call.tenant, endpoint)):
        raise NotThere
    return web.Response(status=204)


async def rotate(call: Call) -> web.StreamResponse:
    """The new secret, once."""
    endpoint, secret = _endpoint_id(call), _secret()

    async def job(connection: Connection) -> datetime | None:
        _, real = await call.desk.clock.now(connection)
        until = real + SECRETS_OVERLAP
        return until if await outbox.put_secret(connection, call.tenant, endpoint, secret, until) else None

    until = await call.desk.database.run(job)
    if until is None:
        raise NotThere
    return answer({"secret": secret, "old_until": _utc(until)}, 201)


async def list_deliveries(call: Call) -> web.StreamResponse:
    """A page of deliveries, newest event first."""
    endpoint, query = _endpoint_id(call), call.query
    before = place(query.cursor, int)

    async def read(connection: Connection) -> list[DeliveryRow] | None:
        if not await deliveries.knows(connection, call.tenant, endpoint):
            return None
        return await deliveries.page(
            connection, call.tenant, endpoint, before=before[0] if before else None, limit=query.limit + 1
        )

    found = await call.desk.database.read(read)
    if found is None:
        raise NotThere
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer(
        {"items": [_delivery(row) for row in items], "next": cursor(items[-1].seq) if more else None},
    )


async def retry(call: Call) -> web.StreamResponse:
    """One delivery in line again."""
    endpoint, event = _endpoint_id(call), parsed("evt", call.path("delivery"))
    if event is None:
        raise NotThere

    async def job(connection: Connection) -> bool:
        _, real = await call.desk.clock.now(connection)
        return await outbox.retry(connection, call.tenant, endpoint, event, real)

    if not await call.desk.database.run(job):
        raise NotThere
    return answer({"queued": 1}, 202)


async def replay(call: Call) -> web.StreamResponse:
    """Everything since an instant in line again."""
    endpoint, since = _endpoint_id(call), call.body.since

    async def job(connection: Connection) -> int | None:
        if not await deliveries.knows(connection, call.tenant, endpoint):
            return None
        _, real = await call.desk.clock.now(connection)
        return await outbox.replay(connection, call.tenant, endpoint, since, real)

    queued = await call.desk.database.run(job)
    if queued is None:
        raise NotThere
    return answer({"queued": queued}, 202)


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _endpoint_id(call: Call) -> UUID:
    identity = parsed("whk", call.path("id"))
    if identity is None:
        raise NotThere
    return identity


def _endpoint(row: EndpointRow) -> dict[str, Any]:
    return {"id": shown("whk", row.id), "url": row.url, "types": list(row.types), "created_at": _utc(row.created_at)}


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": shown("evt", row.event),
        "type": row.type,
        "contact": row.contact,
        "state": row.state,
        "tries": row.tries,
        "occurred_at": _utc(row.occurred_at),
        "first_at": _utc(row.first_at),
        "next_at": _utc(row.next_at) if row.state == "waiting" else None,
        "last_status": row.last_status,
        "last_error": row.last_error,
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/webhooks",
        handler=create,
        name="createWebhook",
        tag="Webhooks",
        summary="Name an endpoint for events",
        description="Public https addresses only, unless the operator opened a network. The answer holds the secret that signs "
        "every delivery (Standard Webhooks, `whsec_`); it is shown this once. It gets the events from now on.",
        scope=Scope.ADMIN,
        body=WebhookAsk,
        example={"url": "https://crm.example.com/tregua", "types": ["message.delivered", "reply.received"]},
        answers={201: WebhookMade},
        problems=(Slug.TOO_MANY_ENDPOINTS,),
    ),
    Route(
        method="GET",
        path="/v1/webhooks",
        handler=listed,
        name="listWebhooks",
        tag="Webhooks",
        summary="List the endpoints",
        scope=Scope.ADMIN,
        query=Page,
        answers={200: ListOf[WebhookShown]},
    ),
    Route(
        method="DELETE",
        path="/v1/webhooks/{id}",
        handler=remove,
        name="removeWebhook",
        tag="Webhooks",
        summary="Remove an endpoint with its deliveries",
        scope=Scope.ADMIN,
        answers={204: None},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/webhooks/{id}/secrets",
        handler=rotate,
        name="rotateSecret",
        tag="Webhooks",
        summary="Let a new secret take over",
        description="Every delivery carries a signature by each until `old_until`, a day later; then the new one signs alone. "
        "The new secret is shown this once. Rotated again within the day, the oldest stops at once.",
        scope=Scope.ADMIN,
        answers={201: SecretMade},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/webhooks/{id}/deliveries",
        handler=list_deliveries,
        name="listDeliveries",
        tag="Webhooks",
        summary="List what became of events, newest first",
        scope=Scope.ADMIN,
        query=Page,
        answers={200: ListOf[DeliveryShown]},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/webhooks/{id}/deliveries/{delivery}/retry",
        handler=retry,
        name="retryDelivery",
        tag="Webhooks",
        summary="Deliver one event again",
        scope=Scope.ADMIN,
        answers={202: Queued},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/webhooks/{id}/replay",
        handler=replay,
        name="replayEvents",
        tag="Webhooks",
        summary="Deliver every event since an instant again",
        scope=Scope.ADMIN,
        body=ReplayAsk,
        example={"since": "2026-11-20T00:00:00-05:00"},
        answers={202: Queued},
        problems=(Slug.NOT_FOUND,),
    ),
)
