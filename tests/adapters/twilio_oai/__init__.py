"""Holds requests and answers against Twilio's own OpenAPI file, cut into one file a resource."""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from openapi_schema_validator import OAS30Validator

SPEC: dict[str, Any] = json.loads(Path(__file__).with_name("messages.json").read_text())
_CALLS: dict[str, Any] = json.loads(Path(__file__).with_name("calls.json").read_text())
SPEC["paths"] |= _CALLS["paths"]
SPEC["components"]["schemas"] |= _CALLS["components"]["schemas"]

#: What a list is called, the schema of what stands in it, and which of its fields are instants.
_LISTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "messages": ("api.v2010.account.message", ("date_created", "date_sent", "date_updated")),
    "calls": ("api.v2010.account.call", ("date_created", "date_updated", "start_time", "end_time")),
}

#: How a value of a form is read, by the type that is described for it: a list of one is written like the one.
_NUMBERS: dict[object, Any] = {"integer": int, "array": lambda value: [value]}


def operation(method: str, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The operation that a request asks for, and what stands in its path."""
    for template, operations in SPEC["paths"].items():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        if (found := re.fullmatch(pattern, path)) and method.lower() in operations:
            return operations[method.lower()], found.groupdict()
    raise AssertionError(f"Twilio has no {method} {path}")


def check_request(method: str, target: str, content_type: str | None, body: bytes) -> None:
    """Fails unless Twilio describes such a request: path, query and form, with no field that it does not know."""
    parts = urlsplit(target)
    asked, in_path = operation(method, parts.path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = {(parameter["in"], parameter["name"]): parameter for parameter in asked["parameters"]}
    for name, value in in_path.items():
        _check(known["path", name]["schema"], unquote(value))
    for name, value in query.items():
        # The file calls days ``date-time``; its own words and examples are YYYY-MM-DD.
        schema = {key: rule for key, rule in known["query", name]["schema"].items() if key != "format"}
        _check(schema, _NUMBERS.get(schema["type"], str)(value))
        if name.startswith("DateSent"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", value)
    if method == "POST":
        ((kind, described),) = asked["requestBody"]["content"].items()
        assert content_type is not None
        assert content_type.partition(";")[0] == kind
        schema = described["schema"]
        form = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
        assert set(form) <= set(schema["properties"]), "a field that Twilio does not know"
        assert set(schema.get("required", ())) <= set(form)
        _check(
            schema,
            {name: _NUMBERS.get(schema["properties"][name].get("type"), str)(value) for name, value in form.items()},
        )


def check_answer(method: str, target: str, status: int, told: Mapping[str, Any]) -> None:
    """Fails unless Twilio describes such an answer; a message must have every field that is described, and no other."""
    described, _ = operation(method, urlsplit(target).path)
    schema = described["responses"][str(status)]["content"]["application/json"]["schema"]
    _check(schema, told)
    listed = "calls" if "/Calls" in urlsplit(target).path else "messages"
    component, instants = _LISTED[listed]
    for one in told.get(listed, [told]):
        assert set(one) == set(SPEC["components"]["schemas"][component]["properties"])
        for name in instants:
            if one[name] is not None:
                assert parsedate_to_datetime(one[name]).utcoffset() is not None


def _check(schema: Mapping[str, Any], value: object) -> None:
    OAS30Validator({"allOf": [schema], "components": SPEC["components"]}).validate(value)
