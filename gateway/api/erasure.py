"""A person's own rights over HTTP: to be shown everything, to be erased, and the hold that forbids erasing her."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Route, answer
from gateway.asks import Id, Instant
from gateway.people.erasure import OnHold
from gateway.people.exports import page
from gateway.refusals import NotThere
from gateway.tenants.keys import Scope

REASON_CHARS_MAX: Final = 500


class HoldAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a person's data must stay, and until when; left out = until it is released."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]
    until: Instant | None = None


class HoldShown(Struct, frozen=True):
    """A hold."""

    contact: str
    reason: str
    until: datetime | None
    at: datetime


class ErasureShown(Struct, frozen=True):
    """The receipt: what went, how many digests stay so that a new import does not write to her, and the trace's entry of it.

    `waiting`: something of hers is in the air; nothing more is sent, and the rest follows when it has landed.
    """

    id: str
    subject: Annotated[str, Meta(description="The name under which the trace goes on speaking of her.")]
    why: Literal["requested", "retention"]
    state: Literal["waiting", "done"]
    asked_at: datetime
    done_at: datetime | None
    erased: dict[str, int] | None
    suppressed: int | None
    entry: Annotated[str | None, Meta(description="The leaf hash of the entry that says so.")]


class PersonExported(Struct, frozen=True):
    """Everything that is kept of a person, oldest first."""

    contact: dict[str, Any]
    statements: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    debts: list[dict[str, Any]]
    registers: list[str]
    told_to_the_creditor: list[dict[str, Any]]
    trace_entries: int


async def erase(call: Call) -> web.StreamResponse:
    """Erase a person."""
    try:
        receipt = await call.desk.eraser.erase(call.tenant, call.path_as("id", Id))
    except OnHold as error:
        until = "until it is released" if error.hold.until is None else f"until {error.hold.until.isoformat()}"
        raise Problem(Slug.LEGAL_HOLD, f"The data must stay {until}: {error.hold.reason}") from None
    return answer(receipt.document, 200 if receipt.done else 202)


async def show_receipt(call: Call) -> web.StreamResponse:
    """One receipt."""
    return answer(await call.desk.eraser.show(call.tenant, call.path("id")))


async def hold(call: Call) -> web.StreamResponse:
    """Keep her data."""
    return answer(await call.desk.eraser.hold(call.tenant, call.path_as("id", Id), call.body.reason, call.body.until))


async def show_hold(call: Call) -> web.StreamResponse:
    """The hold that stands."""
    found = await call.desk.eraser.held(call.tenant, call.path_as("id", Id))
    if found is None:
        raise NotThere
    return answer({"contact": call.path_as("id", Id), "reason": found.reason, "until": found.until, "at": found.at})


async def release(call: Call) -> web.StreamResponse:
    """End the hold."""
    await call.desk.eraser.release(call.tenant, call.path_as("id", Id))
    return web.Response(status=204)


async def export(call: Call) -> web.StreamResponse:
    """Everything that is kept of her: JSON, or a page for her where the caller would rather have HTML."""
    found = await call.desk.exporter.of(call.tenant, call.path_as("id", Id))
    accepted = call.request.headers.get("Accept", "")
    if "text/html" in accepted and "application/json" not in accepted:
        return web.Response(
            body=page(found).encode(),
            headers={
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "Cache-Control": "no-store",
            },
        )
    return answer(found, headers={"Cache-Control": "no-store"})


ROUTES: Final = (
    Route(
        method="DELETE",
        path="/v1/contacts/{id}",
        handler=erase,
        name="eraseContact",
        tag="Contacts",
        summary="Erase a person",
        description="Her profile, words, messages and the key of what is sealed go; the trace keeps proving what was done without "
        "saying to whom. Keyed digests of her addresses stay, so that a new import does not write to her (`HOUSE-ERASED`) until a "
        "consent with an instrument is younger. 202: something of hers is in the air, and the rest follows when it has landed.",
        scope=Scope.CONTACTS,
        answers={200: ErasureShown, 202: ErasureShown},
        problems=(Slug.NOT_FOUND, Slug.LEGAL_HOLD),
    ),
    Route(
        method="GET",
        path="/v1/erasures/{id}",
        handler=show_receipt,
        name="showErasure",
        tag="Contacts",
        summary="Show the receipt of an erasure",
        scope=Scope.CONTACTS,
        answers={200: ErasureShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/contacts/{id}/export",
        handler=export,
        name="exportContact",
        tag="Contacts",
        summary="Show a person everything that is kept of her",
        description="JSON; with `Accept: text/html` a page that she can read, in her language.",
        scope=Scope.READ,
        answers={200: PersonExported},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="PUT",
        path="/v1/contacts/{id}/hold",
        handler=hold,
        name="holdContact",
        tag="Contacts",
        summary="Keep a person's data whatever is asked",
        description="A legal hold: while it stands she cannot be erased, neither on request nor by retention.",
        scope=Scope.ADMIN,
        body=HoldAsk,
        example={"reason": "lawsuit 2026-0417, archive until judgement", "until": None},
        answers={200: HoldShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/contacts/{id}/hold",
        handler=show_hold,
        name="showHold",
        tag="Contacts",
        summary="Show the hold that stands",
        scope=Scope.READ,
        answers={200: HoldShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="DELETE",
        path="/v1/contacts/{id}/hold",
        handler=release,
        name="releaseContact",
        tag="Contacts",
        summary="End a hold",
        scope=Scope.ADMIN,
        answers={204: None},
        problems=(Slug.NOT_FOUND,),
    ),
)
