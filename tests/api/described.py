"""Holds every answer that a test gets against the description: the status, the media type, the schema, and no field more."""

import re
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from gateway.api.openapi import document
from gateway.api.routes import Route
from gateway.api.table import ROUTES

DOCUMENT = document(ROUTES, server="https://gateway.example", version="0")


def route_of(method: str, path: str) -> Route | None:
    """The route that serves a path; literal parts win over parameters, as in the router."""
    bare = path.partition("?")[0]
    fitting = [
        route
        for route in ROUTES
        if route.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), bare)
    ]
    return min(fitting, key=lambda route: route.path.count("{"), default=None)


def hold(method: str, path: str, status: int, media_type: str, body: bytes) -> None:
    """Fail when the answer is not one that the description announces."""
    route = route_of(method, path)
    if route is None:
        return
    operation = DOCUMENT["paths"][route.path][method.lower()]
    assert str(status) in operation["responses"], f"{method} {route.path} answered {status}, which is not described"
    content = operation["responses"][str(status)].get("content", {})
    if not content:
        assert body == b"", "a body where none is described"
        return
    assert {media_type.partition(";")[0], "*/*"} & set(content), (
        f"{media_type} is not described for {method} {route.path}"
    )
    if media_type.partition(";")[0] not in ("application/json", "application/problem+json"):
        return
    value = msgspec.json.decode(body)
    schema = content[media_type.partition(";")[0]]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)
    kind = route.answers.get(status)
    if kind is not None:
        assert_same_names(value, msgspec.to_builtins(msgspec.convert(value, kind)), "")


def assert_same_names(given: Any, described: Any, where: str) -> None:
    """Fail on a member that the type does not know: msgspec leaves those out silently."""
    if isinstance(given, dict):
        assert set(given) == set(described), f"{where}: {set(given) ^ set(described)} is not described"
        for name in given:
            assert_same_names(given[name], described[name], f"{where}/{name}")
    elif isinstance(given, list):
        for index, (one, other) in enumerate(zip(given, described, strict=True)):
            assert_same_names(one, other, f"{where}/{index}")
