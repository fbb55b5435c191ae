"""One shape for every route: what it asks of a caller and what it may answer, in a table that router and description share."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.api.desk import Desk
from gateway.api.flaws import pointer_of
from gateway.api.problems import Problem, Slug
from gateway.api.reading import convert, parse, read_body
from gateway.asks import is_idempotency_key
from gateway.refusals import Flaw, NotThere, Refused
from gateway.tenants.keys import Holder, Scope
from gateway.tenants.quotas import Allowance, Standing, retry_after, said
from storage.database import of_tenant
from storage.tenancy import NO_LIMITS

REQUESTS_OPEN_MAX: Final = 2_000
#: Of one tenant, so that one that pours does not drown the others.
REQUESTS_OPEN_TENANT_MAX: Final = 500
LIMIT_MAX: Final = 500
LIMIT_DEFAULT: Final = 50

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many items at most.")]
Cursor = Annotated[str, Meta(min_length=1, max_length=512, description="`next` of the page before.")]

#: Where a request keeps what its answer says of the tenant's pace.
RATE_LIMIT: Final = web.RequestKey("rate_limit", list[Standing])

# A plus sign that was not escaped reaches us as a space: an offset cannot be anything else.
_LOST_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:[0-9]{2}$)")


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route that takes no query parameters."""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of a list."""

    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was let in and read. ``body`` and ``query`` are of the route's types, ``raw`` is the body as JSON.

    A Struct where the house has dataclasses: it is made for every request, several times as fast.
    """

    desk: Desk
    request: web.Request
    tenant: str
    body: Any = None
    raw: Any = None
    query: Any = None
    idempotency_key: str = ""
    #: What may still be accepted of the tenant's day; None where it has no bound.
    allowance: Allowance | None = None

    def __repr__(self) -> str:
        return f"Call({self.request.method})"

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def path_as(self, name: str, kind: Any) -> str:
        """A part of the path that is of a kind, such as an id of the caller's. Raises NotThere: there cannot be such a thing."""
        try:
            found: str = msgspec.convert(self.path(name), kind)
        except msgspec.ValidationError:
            raise NotThere from None
        return found


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. ``answers`` maps each good status to the type of its body (None: no body)."""

    method: str
    path: str
    handler: Handler
    name: str
    tag: str
    summary: str
    description: str = ""
    scope: Scope | None
    body: Any = None
    example: Any = None
    #: Media types of a body that is no JSON; the handler reads it.
    bytes_of: tuple[str, ...] = ()
    #: The handler reads the body: an array, or lines of its items.
    in_lines: bool = False
    #: A part of the path that the body's ``id`` must equal; it may be left out there.
    identified_by: str | None = None
    query: type[msgspec.Struct] = NoQuery
    idempotent: bool = False
    #: What it accepts counts towards the tenant's messages of the day.
    counted: bool = False
    answers: Mapping[int, Any]
    media_type: str = "application/json"
    problems: tuple[Slug, ...] = ()

    def refusals(self) -> tuple[Slug, ...]:
        """Every problem that this operation may answer with."""
        slugs = list(self.problems)
        if self.scope is not None:
            slugs += [Slug.UNAUTHENTICATED, Slug.SCOPE, Slug.INVALID, Slug.TOO_MANY_REQUESTS]
            slugs += [Slug.DATABASE_AWAY, Slug.OVERLOADED]
        if self.body is not None:
            slugs += [Slug.JSON, Slug.DUPLICATE_KEY, Slug.TOO_DEEP, Slug.NUMBER, Slug.BODY_TOO_SLOW]
            slugs += [Slug.BODY_TOO_LARGE, Slug.MEDIA_TYPE, Slug.CONTENT_ENCODING, Slug.EXPECTATION]
        if self.bytes_of:
            slugs += [Slug.BODY_TOO_SLOW, Slug.BODY_TOO_LARGE, Slug.MEDIA_TYPE, Slug.CONTENT_ENCODING, Slug.EXPECTATION]
        if self.idempotent:
            slugs += [Slug.KEY_MISSING, Slug.KEY_IN_WORK, Slug.KEY_REUSED, Slug.GONE]
        return tuple(dict.fromkeys([*slugs, Slug.INTERNAL]))


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=msgspec.json.encode(document),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


class Gate:
    """Lets requests in: counts what is open, asks for the key, reads what the route asks for, and calls its handler."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.open = 0
        self._open_of: dict[str, int] = {}

    def serve(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The route's handler as the router wants it."""
        if route.scope is None:

            async def public(request: web.Request) -> web.StreamResponse:
                return await route.handler(Call(desk=self._desk, request=request, tenant=""))

            return public

        scope = route.scope

        async def guarded(request: web.Request) -> web.StreamResponse:
            if self.open >= REQUESTS_OPEN_MAX:
                raise Problem(Slug.OVERLOADED)
            self.open += 1
            try:
                holder = await self._holder(request, scope)
                if holder.limits is not NO_LIMITS:
                    request[RATE_LIMIT] = []
                    await self._bounded(request, holder)
                return await self._counted(route, request, holder)
            finally:
                self.open -= 1

        return guarded

    async def _holder(self, request: web.Request, scope: Scope) -> Holder:
        given = request.headers.get("Authorization", "")
        scheme, _, text = given.partition(" ")
        holder = await self._desk.keyring.holder(text.strip()) if scheme.lower() == "bearer" else None
        if holder is None:
            raise Problem(Slug.UNAUTHENTICATED)
        if scope not in holder.scopes:
            raise Problem(Slug.SCOPE, f"This needs a key with the scope {scope.value}.", more={"scope": scope.value})
        return holder

    async def _bounded(self, request: web.Request, holder: Holder) -> None:
        """Take the request from its tenant's pace, and say with every answer what is left of it."""
        standing = await self._desk.quotas.request(holder.tenant, holder.limits)
        if standing is None:
            return
        request[RATE_LIMIT].append(standing)
        if not standing.granted:
            raise Problem(Slug.TOO_MANY_REQUESTS, said(standing), headers=retry_after(standing))

    async def _counted(self, route: Route, request: web.Request, holder: Holder) -> web.StreamResponse:
        open_of, tenant = self._open_of, holder.tenant
        count = open_of.get(tenant, 0)
        if count >= REQUESTS_OPEN_TENANT_MAX:
            raise Problem(Slug.TOO_MANY_REQUESTS)
        open_of[tenant] = count + 1
        try:
            # A forgotten WHERE in here shows nothing of anybody else's.
            with of_tenant(tenant):
                return await route.handler(await self._read(route, request, holder))
        finally:
            if open_of[tenant] == 1:
                del open_of[tenant]
            else:
                open_of[tenant] -= 1

    async def _read(self, route: Route, request: web.Request, holder: Holder) -> Call:
        desk, tenant = self._desk, holder.tenant
        allowance = None
        if route.counted and holder.limits.messages_per_day is not None:
            _, real = await desk.database.read(desk.clock.now)
            allowance = Allowance(desk.quotas, tenant, holder.limits, real, request[RATE_LIMIT])
        query = _query(request, route.query)
        key = _idempotency_key(request) if route.idempotent else ""
        if route.body is None or route.in_lines:
            return Call(
                desk=desk, request=request, tenant=tenant, query=query, idempotency_key=key, allowance=allowance
            )
        raw, closely = parse(await read_body(request))
        if route.identified_by is not None:
            _identify(raw, request.match_info[route.identified_by])
            closely = True
        body = convert(raw, route.body, closely)
        return Call(
            desk=desk,
            request=request,
            tenant=tenant,
            body=body,
            raw=raw,
            query=query,
            idempotency_key=key,
            allowance=allowance,
        )


def _idempotency_key(request: web.Request) -> str:
    given = request.headers.getall("Idempotency-Key", [])
    if len(given) != 1 or not is_idempotency_key(given[0]):
        raise Problem(Slug.KEY_MISSING)
    return given[0]


def _identify(raw: Any, identity: str) -> None:
    if isinstance(raw, dict) and raw.setdefault("id", identity) != identity:
        raise Refused([Flaw("/id", "Not the id in the address.")])


@cache
def _members(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """What a query may hold; asked at every request."""
    return msgspec.structs.fields(kind)


def _query(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    members = _members(kind)
    if not request.query_string and not any(member.required for member in members):
        return kind()
    given: dict[str, Any] = {}
    flaws = []
    kinds = {member.encode_name: member.type for member in members}
    for name, value in request.query.items():
        if name in given:
            flaws.append(Flaw(pointer_of("", name[:80]), "Given twice."))
        given[name] = _written(value, kinds[name]) if name in kinds else value
    try:
        converted: msgspec.Struct = convert(given, kind)
    except Refused as error:
        flaws = [*flaws, *error.flaws]
    if flaws:
        raise Problem(Slug.INVALID, flaws=flaws, inside="query")
    return converted


def _written(value: str, kind: Any) -> str | int:
    """A parameter as JSON would have it: what is meant as a number as a number."""
    kinds = {_plain(part) for part in (get_args(kind) if get_origin(kind) is not Annotated else (kind,))} or {kind}
    if int in kinds and value.isascii() and value.isdecimal() and len(value) <= 18:
        return int(value)
    if datetime in kinds:
        return _LOST_PLUS.sub("+", value)
    return value


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
