"""A tenant's keys: made, listed with their last use, rotated while both hold, and ended."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.cursors import cursor, place
from gateway.api.problems import Slug
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import ListOf
from gateway.asks import Instant
from gateway.refusals import Flaw, NotThere, Refused
from gateway.tenants.keys import Scope, installation_of
from gateway.tenants.opening import create_key, rotate_key
from storage import tenancy
from storage.database import Connection
from storage.tenancy import KeyRow

KEYS_MAX: Final = 200
OVERLAP_SECONDS: Final = 86_400
OVERLAP_SECONDS_MAX: Final = 30 * 86_400

Label = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*(?![\s\S])")]


class KeyAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new key. `admin` carries every scope. Left-out `expires_at`: it lives until it is revoked."""

    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=5)]
    label: Label = ""
    expires_at: Instant | None = None


class RotateAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how long the old key opens beside the new one."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=OVERLAP_SECONDS_MAX)] = OVERLAP_SECONDS


class KeyShown(Struct, frozen=True):
    """A key without its text, which is kept nowhere. Last use is written within ten seconds."""

    id: str
    label: str
    scopes: list[Scope]
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None
    follows: str | None


class KeyMade(KeyShown, frozen=True):
    """A new key. `key` is shown this once."""

    key: Annotated[str, Meta(pattern="^gwk_")]


class KeyRotated(KeyMade, frozen=True):
    """A key that took over; the one that it `follows` opens until `old_until`."""

    old_until: Instant


async def create(call: Call) -> web.StreamResponse:
    """The key, with its text, once."""
    ask: KeyAsk = call.body

    async def look(connection: Connection) -> tuple[int, datetime]:
        _, real = await call.desk.clock.now(connection)
        rows = await tenancy.keys(connection, call.tenant)
        return sum(_lives(row, real) for row in rows), real

    living, real = await call.desk.database.read(look)
    if ask.expires_at is not None and ask.expires_at <= real:
        raise Refused([Flaw("/expires_at", "has passed")])
    if living >= KEYS_MAX:
        raise Refused([Flaw("", f"A tenant has at most {KEYS_MAX} living keys: revoke one that is not used.")])
    scopes = [Scope.ADMIN.value] if Scope.ADMIN in ask.scopes else [s.value for s in Scope if s in ask.scopes]
    text = await create_key(
        call.desk.database,
        call.tenant,
        env=_installation(call),
        scopes=scopes,
        label=ask.label,
        expires_at=ask.expires_at,
    )
    rows = await call.desk.database.read(lambda connection: tenancy.keys(connection, call.tenant))
    row = next(row for row in rows if row.id == text.split("_")[2])
    return answer({**_shown(row), "key": text}, 201)


async def listed(call: Call) -> web.StreamResponse:
    """A page of keys, oldest first, those that have ended too."""
    after, limit = place(call.query.cursor, str), call.query.limit
    rows = await call.desk.database.read(lambda connection: tenancy.keys(connection, call.tenant))
    start = 0
    if after is not None:
        start = next((index + 1 for index, row in enumerate(rows) if row.id == after[0]), len(rows))
    items = rows[start : start + limit]
    more = len(rows) > start + limit
    return answer({"items": [_shown(row) for row in items], "next": cursor(items[-1].id) if more else None})


async def rotate(call: Call) -> web.StreamResponse:
    """The key that takes over, with its text, once."""
    ask: RotateAsk = call.body
    made = await rotate_key(
        call.desk.database,
        call.path("id"),
        env=_installation(call),
        overlap=timedelta(seconds=ask.overlap_seconds),
        tenant=call.tenant,
    )
    if made is None:
        raise NotThere
    return answer({**_shown(made.key), "key": made.text, "old_until": _utc(made.old_until)}, 201)


async def revoke(call: Call) -> web.StreamResponse:
    """No body."""

    async def job(connection: Connection) -> bool:
        _, real = await call.desk.clock.now(connection)
        row = await tenancy.live_key(connection, call.path("id"), real)
        if row is None or row.tenant != call.tenant:
            return False
        return await tenancy.revoke_key(connection, row.id, real)

    if not await call.desk.database.run(job):
        raise NotThere
    return web.Response(status=204)


def _installation(call: Call) -> str:
    """A key made here opens what the caller's own opens, and says so."""
    return installation_of(call.request.headers["Authorization"].partition(" ")[2].strip())


def _lives(row: KeyRow, real: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > real)


def _shown(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "scopes": list(row.scopes),
        "created_at": _utc(row.created_at),
        "last_used_at": _utc(row.last_used_at),
        "expires_at": _utc(row.expires_at),
        "revoked_at": _utc(row.revoked_at),
        "follows": row.follows,
    }


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/keys",
        handler=create,
        name="createKey",
        tag="Keys",
        summary="Make a key",
        description="The answer holds the key, this once: only its digest is kept.",
        scope=Scope.ADMIN,
        body=KeyAsk,
        example={"scopes": ["send", "read"], "label": "CRM, production", "expires_at": None},
        answers={201: KeyMade},
    ),
    Route(
        method="GET",
        path="/v1/keys",
        handler=listed,
        name="listKeys",
        tag="Keys",
        summary="List keys with their last use",
        scope=Scope.ADMIN,
        query=Page,
        answers={200: ListOf[KeyShown]},
    ),
    Route(
        method="POST",
        path="/v1/keys/{id}/rotate",
        handler=rotate,
        name="rotateKey",
        tag="Keys",
        summary="Let a new key take over",
        description="Both open for `overlap_seconds`; then the old one ends by itself. No more than two live beside each other: "
        "the one that the old one took over from ends at once.",
        scope=Scope.ADMIN,
        body=RotateAsk,
        example={"overlap_seconds": 86_400},
        answers={201: KeyRotated},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{id}",
        handler=revoke,
        name="revokeKey",
        tag="Keys",
        summary="End a key",
        description="Every process has noticed within five seconds. A key may end itself.",
        scope=Scope.ADMIN,
        answers={204: None},
        problems=(Slug.NOT_FOUND,),
    ),
)
