"""The description in OpenAPI 3.1, generated from the route table and the types that it names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.api.problems import KINDS, MEDIA_TYPE, RETRIED, Slug
from gateway.api.routes import Route
from gateway.api.shapes import ProblemShown
from gateway.asks import KEY_CHARS_MAX

_REFERENCE: Final = "#/components/schemas/{name}"
#: One JSON value a line.
LINES: Final = "application/x-ndjson"
_PATH_PART = re.compile(r"\{(\w+)\}")

_DESCRIPTION: Final = """\
A messaging gateway for debt collection that sends only when the law and the person allow it.

Every request carries `Authorization: Bearer gwk_…`. Instants are RFC 3339 with an offset. Errors are `application/problem+json` \
(RFC 9457) with a stable `type` that has a page. Lists are paged by an opaque `cursor`. A refusal by law is not an error."""

_HEADERS: Final = {
    "X-Request-Id": {"description": "The request's id; in problems it is the `instance`.", "schema": {"type": "string"}}
}


def document(routes: Sequence[Route], *, server: str, version: str) -> dict[str, Any]:
    """The whole description."""
    kinds = _kinds(routes)
    schemas, components = msgspec.json.schema_components([*kinds.values(), ProblemShown], ref_template=_REFERENCE)
    components = {name: _plain(component) for name, component in components.items()}
    described = _Described(dict(zip(kinds, schemas, strict=False)), components)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = described.operation(route)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Tregua",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server.rstrip("/")}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key with the scope named."}
            },
        },
    }


def _plain(component: dict[str, Any]) -> dict[str, Any]:
    """A component without defaults of null: they say no more than that a field may be left out, and generators of clients read
    a field with a default as one that is always there."""
    properties = component.get("properties")
    if properties is None:
        return component
    return component | {
        "properties": {
            name: {key: value for key, value in schema.items() if not (key == "default" and value is None)}
            for name, schema in properties.items()
        }
    }


def _kinds(routes: Iterable[Route]) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for route in routes:
        members = [member.type for member in msgspec.structs.fields(route.query)]
        for kind in (route.body, *route.answers.values(), *members):
            if kind is not None:
                kinds.setdefault(repr(kind), kind)
    return kinds


class _Described:
    """The schemas of the types that routes name, and what is made of them."""

    def __init__(self, schemas: Mapping[str, dict[str, Any]], components: Mapping[str, dict[str, Any]]) -> None:
        self._schemas = schemas
        self._components = components

    def operation(self, route: Route) -> dict[str, Any]:
        """One operation of a path."""
        described: dict[str, Any] = {"operationId": route.name, "tags": [route.tag], "summary": route.summary}
        if route.description:
            described["description"] = route.description
        described["security"] = [] if route.scope is None else [{"key": [route.scope.value]}]
        if parameters := self._parameters(route):
            described["parameters"] = parameters
        if route.body is not None:
            schema = self._schemas[repr(route.body)]
            if route.identified_by is not None:
                schema = self._without_id(schema)
            content = {"schema": schema} if route.example is None else {"schema": schema, "example": route.example}
            described["requestBody"] = {"required": True, "content": {"application/json": content}}
            if route.in_lines:
                described["requestBody"]["content"][LINES] = {"schema": {"type": "string"}}
        if route.bytes_of:
            described["requestBody"] = {"required": True, "content": {kind: {} for kind in route.bytes_of}}
        described["responses"] = self._answers(route) | _refusals(route)
        return described

    def _parameters(self, route: Route) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in _PATH_PART.findall(route.path)
        ]
        for member in msgspec.structs.fields(route.query):
            schema = _without_null(self._schemas[repr(member.type)])
            if member.default not in (None, msgspec.NODEFAULT):
                schema["default"] = member.default
            found.append({"name": member.encode_name, "in": "query", "required": member.required, "schema": schema})
        if route.idempotent:
            schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "pattern": "^[\\x20-\\x7e]+$"}
            found.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": schema})
        return found

    def _without_id(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The body of a PUT: its id stands in the path and may be left out."""
        component = self._components[schema["$ref"].rpartition("/")[2]]
        return component | {"required": [name for name in component["required"] if name != "id"]}

    def _answers(self, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for status, kind in route.answers.items():
            headers = dict(_HEADERS)
            if route.idempotent:
                headers["Idempotent-Replay"] = {
                    "description": "`true` when this answer was given before.",
                    "schema": {"type": "string", "const": "true"},
                }
            found[str(status)] = {"description": route.summary, "headers": headers}
            if kind is not None:
                found[str(status)]["content"] = {route.media_type: {"schema": self._schemas[repr(kind)]}}
                if route.in_lines:
                    found[str(status)]["content"][LINES] = {"schema": {"type": "string"}}
        return found


def _refusals(route: Route) -> dict[str, Any]:
    slugs_of: dict[int, list[Slug]] = {}
    for slug in route.refusals():
        slugs_of.setdefault(KINDS[slug].status, []).append(slug)
    found: dict[str, Any] = {}
    for status, slugs in sorted(slugs_of.items()):
        headers = dict(_HEADERS)
        if any(slug in RETRIED for slug in slugs):
            headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "string"}}
        if status == 401:
            headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
        found[str(status)] = {
            "description": " ".join(f"[`{slug}`](/problems/{slug}): {KINDS[slug].title}." for slug in slugs),
            "headers": headers,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="ProblemShown")}}},
        }
    return found


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: what may be left out is null in the type and absent in a query."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if "anyOf" not in schema:
        return dict(schema)
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**rest, **choices[0]} if len(choices) == 1 else {**rest, "anyOf": choices}
