"""The description: valid, whole, and nothing served that it does not know."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.pages import docs_page
from gateway.api.problems import KINDS, Slug
from gateway.api.table import ROUTES
from gateway.compose import api
from tests.api.conftest import Surface
from tests.api.described import DOCUMENT

#: Whatever the contract promises by this issue; the description may hold more.
PROMISED = """
POST /v1/messages · GET /v1/messages · GET /v1/messages/{id} · POST /v1/messages/{id}/cancel · POST /v1/decisions
PUT /v1/contacts/{id} · GET /v1/contacts/{id} · GET /v1/contacts/{id}/timeline · POST /v1/contacts/{id}/events
GET /v1/contacts/{id}/consents · PUT /v1/debts/{id} · GET /v1/debts/{id} · GET /v1/policy · PUT /v1/policy
PUT /v1/templates/{name} · GET /v1/templates/{name} · POST /v1/templates/{name}/preview · POST /v1/messages/batch
POST /v1/webhooks · GET /v1/webhooks · DELETE /v1/webhooks/{id} · GET /v1/webhooks/{id}/deliveries
POST /v1/webhooks/{id}/deliveries/{delivery}/retry · POST /v1/webhooks/{id}/replay
GET /v1/trace · GET /v1/trace/export · GET /v1/trace/head
GET /healthz · GET /readyz · GET /metrics · GET /openapi.json · GET /docs
"""


def test_the_description_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())
    assert errors == []


def test_every_whole_number_that_may_be_sent_has_its_limits() -> None:
    """Else one of more than 64 bits is as it is described, and refused."""
    without = set()

    def look(schema: Any, place: str, seen: frozenset[str]) -> None:
        if isinstance(schema, list):
            for each in schema:
                look(each, place, seen)
        elif isinstance(schema, dict):
            if (named := schema.get("$ref")) and named not in seen:
                look(DOCUMENT["components"]["schemas"][named.rpartition("/")[2]], named, seen | {named})
            if schema.get("type") == "integer" and not schema.keys() >= {"minimum", "maximum"}:
                without.add(place)
            for name, inner in schema.items():
                look(inner, f"{place}/{name}", seen)

    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            look(operation.get("requestBody"), f"{method} {path}", frozenset())
    assert without == set()


def test_everything_promised_is_described() -> None:
    described = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}
    promised = {line.strip() for line in re.split(r"[·\n]", PROMISED) if line.strip()}
    assert promised - described == set()


def test_operations_have_names_of_their_own() -> None:
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_whatever_changes_or_names_people_asks_for_a_key() -> None:
    for route in ROUTES:
        if route.path.startswith("/v1/"):
            assert route.scope is not None, f"{route.method} {route.path} is open to everybody"
        else:
            assert route.method == "GET"


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert part["$ref"].removeprefix("#/components/schemas/") in schemas
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(DOCUMENT)


def test_bodies_refuse_unknown_fields_in_the_description_too() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("MessageAsk", "ContactAsk", "AddressAsk", "ContentAsk", "DebtAsk", "WebhookAsk", "StatusEventAsk"):
        assert schemas[name]["additionalProperties"] is False


def test_a_put_may_leave_out_the_id_that_stands_in_its_path() -> None:
    schema = DOCUMENT["paths"]["/v1/contacts/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert "id" in schema["properties"]
    assert "id" not in schema["required"]
    assert "id" in DOCUMENT["components"]["schemas"]["ContactAsk"]["required"]


async def test_no_route_is_undocumented(surface: Surface) -> None:
    """What the application serves is the table, and beside it the hooks of providers, links to notes and her own page."""
    described = {(route.method, route.path) for route in ROUTES}
    for resource in api(surface.town.house).router.resources():
        for route in resource:
            if route.method == "HEAD" or resource.canonical.startswith(("/hooks/", "/media/", "/p/", "/console")):
                continue
            assert (route.method, resource.canonical) in described


async def test_the_description_is_served_as_it_is_generated(surface: Surface) -> None:
    served = (await surface.ask("GET", "/openapi.json", key=None)).document
    assert served["servers"] == [{"url": surface.town.url}]
    assert served["paths"] == DOCUMENT["paths"]
    assert served["components"] == DOCUMENT["components"]


class _Page(HTMLParser):
    """Collects what a page loads, links to and is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.styled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
        self.styled |= "style" in named
        self.loads += [value for name, value in attrs if name in ("src", "srcset", "data", "action") and value]
        if tag == "link":
            self.loads.append(named.get("href") or "")
        if tag == "a":
            self.links.append(named.get("href") or "")
        if named.get("id"):
            self.ids.add(named["id"] or "")


def _read(page: bytes) -> _Page:
    read = _Page()
    read.feed(page.decode())
    return read


def test_the_page_shows_every_operation_and_loads_nothing() -> None:
    read = _read(docs_page(DOCUMENT))
    assert read.loads == []
    assert "script" not in read.tags
    assert not read.styled, "the policy of the page lets no style attribute apply"
    assert {route.name for route in ROUTES} <= read.ids
    for link in read.links:
        if link.startswith("#"):
            assert link[1:] in read.ids, f"{link} leads nowhere"
        elif link.startswith("/problems/"):
            assert link.removeprefix("/problems/") in set(Slug)


def test_the_page_shows_what_it_is_given_as_text() -> None:
    hostile = {
        **DOCUMENT,
        "info": {**DOCUMENT["info"], "title": "<script>alert(1)</script>", "description": "<img src=x>"},
    }
    read = _read(docs_page(hostile))
    assert {"script", "img"} & read.tags == set()


@pytest.mark.parametrize("path", ["/docs", "/problems", "/problems/invalid"])
async def test_pages_carry_a_policy_that_lets_nothing_run(surface: Surface, path: str) -> None:
    answered = await surface.ask("GET", path, key=None)
    assert answered.status == 200
    policy = answered.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answered.headers["X-Content-Type-Options"] == "nosniff"


async def test_every_problem_has_its_page(surface: Surface) -> None:
    listed = (await surface.ask("GET", "/problems", key=None)).raw.decode()
    for slug, kind in KINDS.items():
        assert f'href="/problems/{slug}"' in listed
        page = await surface.ask("GET", f"/problems/{slug}", key=None)
        assert page.status == 200
        assert kind.title in page.raw.decode()
    assert (await surface.ask("GET", "/problems/no-such-thing", key=None)).slug == "not-found"


def test_every_problem_has_a_kind() -> None:
    assert set(KINDS) == set(Slug)
