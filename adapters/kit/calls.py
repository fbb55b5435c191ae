"""One call to a provider, as its table describes it: method, path, query, headers and body, all of them templates."""

import base64
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from adapters.kit.sections import Section
from adapters.kit.templates import (
    SECRETS,
    Template,
    filled_form,
    filled_header,
    filled_json,
    filled_path,
    parsed,
    parsed_header,
    parsed_json,
    parsed_path,
)


class Method(StrEnum):
    """What a provider may be called with."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"


#: Values that are whole numbers, which may stand in JSON without quotes.
NUMBERS: Final = frozenset({"validity_seconds"})
#: What a person wrote or is written has no place in an address or a header, which proxies log. Her number may need one.
NOT_IN_PATH: Final = frozenset({"text", "status_url"})
NOT_IN_HEADER: Final = frozenset({"text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call with every value in its place. All of it is personal or secret."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call before it has values."""

    method: Method
    path: Template = field(repr=False)
    query: Mapping[str, Template] = field(repr=False)
    headers: Mapping[str, Template] = field(repr=False)
    form: Mapping[str, Template] | None = field(repr=False)
    json: Template | None = field(repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The values it asks for."""
        templates = [self.path, *self.query.values(), *self.headers.values(), *(self.form or {}).values()]
        return frozenset().union(*(template.names for template in templates), self.json.names if self.json else ())

    def filled(self, values: Mapping[str, str]) -> Request:
        """The call with these values, in one pass."""
        headers = {name: filled_header(template, values) for name, template in self.headers.items()}
        body = None
        if self.json is not None:
            body = filled_json(self.json, values)
        elif self.form is not None:
            body = filled_form(self.form, values).encode("ascii")
        query = filled_form(self.query, values)
        return Request(
            method=self.method.value,
            target=filled_path(self.path, values) + (f"?{query}" if query else ""),
            headers=headers,
            body=body,
        )


def read_call(
    section: Section, default: Method, known: Set[str], secrets: Mapping[str, str], basic: Template | None
) -> Call:
    """Read ``method path query headers form json`` of a table; raises ``SettingsError``.

    ``known`` are the values that it may ask for beside ``secrets``; ``basic`` is the ``Authorization`` of every call.
    """
    names = known | {SECRETS + name for name in secrets}
    method = section.one_of("method", Method, default)
    path = section.template("path", lambda text: parsed_path(text, names - NOT_IN_PATH))
    query = section.templates("query", lambda _, text: parsed(text, names)) or {}
    told = section.templates("headers", lambda name, text: parsed_header(name, text, names - NOT_IN_HEADER, secrets))
    headers = dict(told or {})
    given = {name.lower() for name in headers}
    if len(given) != len(headers):
        raise section.wrong("headers", "has one header twice")
    if basic is not None:
        if "authorization" in given:
            raise section.wrong("headers", "has Authorization, which basic_user and basic_password make")
        headers["Authorization"] = basic
    form = section.templates("form", lambda _, text: parsed(text, names))
    body = section.template_or_none("json", lambda text: parsed_json(text, names, NUMBERS))
    if form is not None and body is not None:
        raise section.wrong("form", "and json cannot both be the body")
    if method is Method.GET and (form is not None or body is not None):
        raise section.wrong("method", "GET has no body: form and json are for POST and PUT, query is for GET")
    if method is not Method.GET and form is None and body is None:
        raise section.wrong("json", "or form is needed as the body of a POST or PUT")
    if "content-type" not in given and method is not Method.GET:
        kind = "application/json" if body is not None else "application/x-www-form-urlencoded"
        headers["Content-Type"] = Template((kind,))
    return Call(method=method, path=path, query=query, headers=headers, form=form, json=body)


def read_basic(section: Section) -> Template | None:
    """``basic_user`` and ``basic_password``, where the provider asks for RFC 7617, as a header's value."""
    user, password = section.text_or_none("basic_user"), section.text_or_none("basic_password")
    if (user is None) != (password is None):
        raise section.wrong("basic_user", "and basic_password are given together or not at all")
    if user is None or password is None:
        return None
    if ":" in user:
        raise section.wrong("basic_user", "must have no colon in it")
    return Template(("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii"),))
