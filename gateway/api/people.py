"""People and debts: their profiles, what happened with them, and what they allowed."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from aiohttp import web
from msgspec import Meta

from gateway.api.cursors import cursor, place
from gateway.api.problems import Slug
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import ConsentsShown, ContactShown, DebtShown, EventsTaken, ListOf, TimelineItem
from gateway.asks import EVENTS_MAX, ContactAsk, DebtAsk, EventAsk, Id, Instant
from gateway.people.consents import standing
from gateway.people.profiles import show_contact, show_debt
from gateway.refusals import Flaw, NotThere, Refused
from gateway.tenants.keys import Scope
from storage import people, timeline
from storage.database import Connection
from storage.timeline import ConsentRow, Happened
from vocabulary.ids import shown

Events = EventAsk | Annotated[list[EventAsk], Meta(min_length=1, max_length=EVENTS_MAX)]


class ConsentsQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of the list, and as of which instant."""

    at: Instant | None = None


#: What the places of a timeline are named by, in the order of their ranks.
_PREFIXES: Final = {"message": "msg", "attempt": "att", "reply": "evt", "statement": "evt", "contact_event": "evt"}
_IDS: Final = {"message": "msg", "attempt": "att", "corrected_by": "evt"}


async def put_contact(call: Call) -> web.StreamResponse:
    """The person as kept."""
    return answer(await call.desk.registrar.put_contact(call.tenant, call.body))


async def show_one_contact(call: Call) -> web.StreamResponse:
    """One person."""
    identity = call.path_as("id", Id)

    async def read(connection: Connection) -> dict[str, Any] | None:
        row = (await people.contacts(connection, [(call.tenant, identity)])).get((call.tenant, identity))
        return None if row is None else show_contact(row)

    return answer(await _found(call, read))


async def add_events(call: Call) -> web.StreamResponse:
    """The ids of what was told."""
    identity, several = call.path_as("id", Id), isinstance(call.body, list)
    events = call.body if several else [call.body]
    try:
        return answer({"ids": await call.desk.registrar.add_events(call.tenant, identity, events)})
    except Refused as error:
        if several:
            raise
        # Pointers lead into the body as it came: one event, no array.
        raise Refused([Flaw(flaw.pointer.removeprefix("/0"), flaw.detail) for flaw in error.flaws]) from None


async def show_timeline(call: Call) -> web.StreamResponse:
    """A page of everything that happened with a person."""
    identity, query = call.path_as("id", Id), call.query
    before = place(query.cursor, datetime, int, str)

    async def read(connection: Connection) -> list[Happened] | None:
        if not await people.contacts(connection, [(call.tenant, identity)]):
            return None
        return await timeline.timeline(connection, call.tenant, identity, before=before, limit=query.limit + 1)

    found = await _found(call, read)
    items, last = found[: query.limit], found[query.limit - 1 : query.limit]
    more = len(found) > query.limit
    return answer(
        {
            "items": [_happened(one) for one in items],
            "next": cursor(last[0].at, last[0].rank, last[0].key) if more else None,
        }
    )


async def show_consents(call: Call) -> web.StreamResponse:
    """A page of what a person allowed and took back; as of an instant, also what stood then."""
    identity, query = call.path_as("id", Id), call.query
    before = place(query.cursor, datetime, UUID)

    async def read(connection: Connection) -> tuple[list[ConsentRow], dict[str, Any]] | None:
        row = (await people.contacts(connection, [(call.tenant, identity)])).get((call.tenant, identity))
        if row is None:
            return None
        rows = await timeline.consents(
            connection, call.tenant, identity, before=before, limit=query.limit + 1, until=query.at
        )
        stands = {} if query.at is None else {"standing": await standing(connection, row, query.at)}
        return rows, stands

    found, stands = await _found(call, read)
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer(
        {
            "items": [_consent(row) for row in items],
            "next": cursor(items[-1].at, items[-1].id) if more else None,
            **stands,
        }
    )


async def put_debt(call: Call) -> web.StreamResponse:
    """The debt as kept."""
    return answer(await call.desk.registrar.put_debt(call.tenant, call.body))


async def show_one_debt(call: Call) -> web.StreamResponse:
    """One debt."""
    identity = call.path_as("id", Id)

    async def read(connection: Connection) -> dict[str, Any] | None:
        row = (await people.debts(connection, [(call.tenant, identity)])).get((call.tenant, identity))
        return None if row is None else show_debt(row)

    return answer(await _found(call, read))


async def _found(call: Call, read: Any) -> Any:
    found = await call.desk.database.read(read)
    if found is None:
        raise NotThere
    return found


def _happened(one: Happened) -> dict[str, Any]:
    data = dict(one.data)
    for name, kind in _IDS.items():
        if name in data:
            data[name] = shown(kind, UUID(data[name]))
    if one.address is not None:
        data["address"] = one.address
    prefix = _PREFIXES.get(one.type)
    return {
        # Decisions and receipts are entries of the trace and carry its index.
        "id": shown(prefix, UUID(one.key)) if prefix else f"trace_{int(one.key)}",
        "at": _utc(one.at),
        "type": one.type,
        "channel": one.channel,
        "data": data,
    }


def _consent(row: ConsentRow) -> dict[str, Any]:
    said = row.detail
    return {
        "id": shown("evt", row.id),
        "at": _utc(row.at),
        "state": said["state"],
        "channel": row.channel,
        "address": row.address,
        "all": said.get("all", False),
        "purpose": row.purpose,
        "given_to": said.get("given_to"),
        "grants": said.get("grants"),
        "debts": None if row.debts is None else list(row.debts),
        "for_days": said.get("for_days"),
        "evidence": {
            "instrument": said.get("instrument") or row.evidence.get("instrument"),
            "text": row.words,
            "external_id": row.external_id,
            "channel": row.evidence.get("channel"),
            "page": row.evidence.get("page"),
            "provider_id": row.evidence.get("provider_id"),
        },
        "corrected_by": None if row.superseded_by is None else shown("evt", row.superseded_by),
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ROUTES: Final = (
    Route(
        method="PUT",
        path="/v1/contacts/{id}",
        handler=put_contact,
        name="putContact",
        tag="Contacts",
        summary="Put a person's profile",
        description="Replaces the whole profile, never what she said. An `id` in the body must equal the one in the path. An "
        "address's `authorised` is kept once as a consent.",
        scope=Scope.CONTACTS,
        body=ContactAsk,
        example={
            "name": "Ana",
            "role": "debtor",
            "locale": "es-CO",
            "jurisdictions": ["CO"],
            "zones": ["America/Bogota"],
            "addresses": [
                {
                    "channel": "sms",
                    "address": "+573001234567",
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": {"at": "2026-01-05T10:00:00-05:00", "instrument": "separate"},
                }
            ],
        },
        identified_by="id",
        answers={200: ContactShown},
    ),
    Route(
        method="GET",
        path="/v1/contacts/{id}",
        handler=show_one_contact,
        name="showContact",
        tag="Contacts",
        summary="Show a person",
        scope=Scope.READ,
        answers={200: ContactShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/contacts/{id}/events",
        handler=add_events,
        name="addEvents",
        tag="Contacts",
        summary="Tell what happened elsewhere",
        description="A human call, a visit, a letter, a dispute, a consent, a preference: one event or an array, each with its own "
        "`at`. A repeated `id` changes nothing and answers the same; a bad event refuses the whole array. What a refusal forbids to wait "
        "for her, and for whoever shares an address that it closes, is blocked when the answer comes.",
        scope=Scope.CONTACTS,
        body=Events,
        example=[
            {
                "type": "contact",
                "at": "2026-11-20T10:00:00-05:00",
                "channel": "call_live",
                "outcome": "conversation",
                "debts": ["obl-778"],
                "id": "call-4711",
            },
            {"type": "status", "at": "2026-11-20T10:04:00-05:00", "is": "dispute", "debts": ["obl-778"]},
        ],
        answers={200: EventsTaken},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/contacts/{id}/timeline",
        handler=show_timeline,
        name="showTimeline",
        tag="Contacts",
        summary="Show everything that happened with a person, newest first",
        scope=Scope.READ,
        query=Page,
        answers={200: ListOf[TimelineItem]},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/contacts/{id}/consents",
        handler=show_consents,
        name="showConsents",
        tag="Contacts",
        summary="Show what a person allowed and took back, newest first",
        description="With `at`, only what had been said by then, and in `standing` what stood: her word on each address and every "
        "wish of hers, by the same fold over her statements that decides today.",
        scope=Scope.READ,
        query=ConsentsQuery,
        answers={200: ConsentsShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="PUT",
        path="/v1/debts/{id}",
        handler=put_debt,
        name="putDebt",
        tag="Debts",
        summary="Put a debt's facts",
        scope=Scope.CONTACTS,
        body=DebtAsk,
        example={
            "creditor": "bank-1",
            "contract_signed": "2025-11-01",
            "due": "2026-02-01",
            "kind": "consumer",
            "contacts": [{"contact": "cli-1001", "role": "debtor"}],
        },
        identified_by="id",
        answers={200: DebtShown},
    ),
    Route(
        method="GET",
        path="/v1/debts/{id}",
        handler=show_one_debt,
        name="showDebt",
        tag="Debts",
        summary="Show a debt",
        scope=Scope.READ,
        answers={200: DebtShown},
        problems=(Slug.NOT_FOUND,),
    ),
)
