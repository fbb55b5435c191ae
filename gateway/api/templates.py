"""Templates over HTTP: saved in versions, listed, shown, and previewed as each channel would say them."""

import re
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta

from gateway.api.cursors import cursor, place
from gateway.api.problems import Slug
from gateway.api.routes import Call, NoQuery, Page, Route, answer
from gateway.api.shapes import ListOf, TemplateKept, TemplateListed, TemplatePreviewed, TemplateShown, VersionShown
from gateway.refusals import Flaw, NotThere, Refused
from gateway.templates.asks import PreviewAsk, TemplateAsk
from gateway.tenants.keys import Scope

_NAME: Final = re.compile(r"[A-Za-z0-9._:@+~-]{1,128}")


class VersionQuery(NoQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which version; left out, the one in force."""

    version: Annotated[int, Meta(ge=1, le=2_000_000_000)] | None = None


async def put(call: Call) -> web.StreamResponse:
    """The version that is in force from now on."""
    name = call.path("name")
    if _NAME.fullmatch(name) is None:
        raise Refused([Flaw("/name", "A template's name is 1 to 128 letters, digits and . _ : @ + ~ -")])
    return answer(await call.desk.templates.put(call.tenant, name, call.body))


async def show(call: Call) -> web.StreamResponse:
    """One version."""
    return answer(await call.desk.templates.document(call.tenant, _name(call), call.query.version))


async def listed(call: Call) -> web.StreamResponse:
    """A page of templates by name."""
    query: Page = call.query
    after = place(query.cursor, str)
    found = await call.desk.templates.listed(call.tenant, after[0] if after else None, query.limit + 1)
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer({"items": items, "next": cursor(items[-1]["name"]) if more else None})


async def versions(call: Call) -> web.StreamResponse:
    """A page of versions, newest first."""
    query: Page = call.query
    before = place(query.cursor, int)
    if before is not None and before[0] >= 1 << 31:
        before = ((1 << 31) - 1,)
    found = await call.desk.templates.versions(call.tenant, _name(call), before[0] if before else None, query.limit + 1)
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer({"items": items, "next": cursor(items[-1]["version"]) if more else None})


async def preview(call: Call) -> web.StreamResponse:
    """The words, filled."""
    return answer(await call.desk.templates.preview(call.tenant, _name(call), call.body))


def _name(call: Call) -> str:
    name = call.path("name")
    if _NAME.fullmatch(name) is None:
        raise NotThere
    return name


_TEMPLATE: Final = {
    "default": "es",
    "jurisdictions": ["CO"],
    "variables": {
        "name": {"type": "name", "example": "Ana"},
        "amount": {"type": "money", "currency": "COP"},
        "due": {"type": "date"},
    },
    "locales": {
        "es": {
            "sms": {
                "text": "Hola {{name|first}}, su cuota de {{amount}} vence el {{due|date:medium}}. "
                "Responda BAJA para no recibir más mensajes."
            },
            "email": {
                "subject": "Su cuota del {{due}}",
                "text": "Hola {{name}}:\n\nSu cuota de {{amount}} vence el {{due}}.\n\nResponda BAJA para no recibir más.",
                "html": "<p>Hola {{name}}:</p><p>Su cuota de <b>{{amount}}</b> vence el {{due}}.</p>"
                "<p>Responda BAJA para no recibir más.</p>",
            },
        }
    },
}

ROUTES: Final = (
    Route(
        method="PUT",
        path="/v1/templates/{name}",
        handler=put,
        name="putTemplate",
        tag="Templates",
        summary="Save a template",
        description="Versions never change: another body is the next version, the same body the version that it was. The words are "
        "judged by the content duties of the `jurisdictions` named; what no law would ever let out is refused with its article, "
        "what may be is answered in `warnings`. Messages keep the version that they were accepted with.",
        scope=Scope.SEND,
        body=TemplateAsk,
        example=_TEMPLATE,
        answers={200: TemplateKept},
    ),
    Route(
        method="GET",
        path="/v1/templates",
        handler=listed,
        name="listTemplates",
        tag="Templates",
        summary="List templates by name",
        scope=Scope.READ,
        query=Page,
        answers={200: ListOf[TemplateListed]},
    ),
    Route(
        method="GET",
        path="/v1/templates/{name}",
        handler=show,
        name="showTemplate",
        tag="Templates",
        summary="Show a template",
        description="The version in force, or the one asked for.",
        scope=Scope.READ,
        query=VersionQuery,
        answers={200: TemplateShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/templates/{name}/versions",
        handler=versions,
        name="listTemplateVersions",
        tag="Templates",
        summary="List a template's versions, newest first",
        scope=Scope.READ,
        query=Page,
        answers={200: ListOf[VersionShown]},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/templates/{name}/preview",
        handler=preview,
        name="previewTemplate",
        tag="Templates",
        summary="See what a template says",
        description="The words on each channel with these variables, their segments, encoding and cost. Nothing is stored or sent.",
        scope=Scope.READ,
        body=PreviewAsk,
        example={"variables": {"name": "ANA PÉREZ", "amount": "120000", "due": "2026-12-05"}, "locale": "es-CO"},
        answers={200: TemplatePreviewed},
        problems=(Slug.NOT_FOUND,),
    ),
)
