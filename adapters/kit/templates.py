"""Logic-less templates: ``{{name}}`` is one value, encoded for the place where it stands; nothing is ever evaluated.

A template is parsed once, at start, and filled in one pass: what a value contains is never read as a template. Each place
has its own encoding, so that no value breaks out of it: JSON (RFC 8259 section 7), an address (RFC 3986 section 2.1), a form
(application/x-www-form-urlencoded, WHATWG URL section 5.2) and a header (RFC 9110 section 5.5).
"""

import json
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

TEMPLATE_CHARACTERS_MAX: Final = 16 * 1024
#: Names that begin so are the operator's own credentials; the rest of the name is theirs.
SECRETS: Final = "secrets."

_OPENS: Final = "{{"
_NAME: Final = re.compile(r"\{\{ *([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?) *\}\}")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_HEADER_TEXT: Final = re.compile(r"[\x20-\x7e]*")
_NOT_IN_HEADER: Final = re.compile(r"[^\x20-\x24\x26-\x7e]")
# RFC 3986 section 3.3: the characters of a path, its slashes and its percent-encodings.
_PATH_TEXT: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_DOTS: Final = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")

#: The transport's own business (RFC 9110 section 7.6.1): set from outside, they would change where a request ends.
_HOP_HEADERS: Final = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


class TemplateError(ValueError):
    """A template cannot be used. The text says what is wrong with it and never repeats it."""


@dataclass(frozen=True, slots=True)
class Name:
    """Where a value stands. ``bare``: outside the quotes of a JSON text, where only a whole number may stand."""

    name: str
    bare: bool = False


Part = str | Name


@dataclass(frozen=True, slots=True)
class Template:
    """Text and names in turn. Written by the operator, so it may hold a credential and has no ``repr``."""

    parts: tuple[Part, ...] = field(repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The values it asks for."""
        return frozenset(part.name for part in self.parts if isinstance(part, Name))

    def filled(self, values: Mapping[str, str], encode: Callable[[Name, str], str] = lambda _, value: value) -> str:
        """The text with each value in its place."""
        return "".join(part if isinstance(part, str) else encode(part, values[part.name]) for part in self.parts)


def parsed(text: str, known: Set[str]) -> Template:
    """Read a template; raises ``TemplateError`` for ``{{`` that begins no name and for a name that is not known."""
    if len(text) > TEMPLATE_CHARACTERS_MAX:
        raise TemplateError(f"is longer than {TEMPLATE_CHARACTERS_MAX} characters")
    parts: list[Part] = []
    at = 0
    while (opens := text.find(_OPENS, at)) >= 0:
        found = _NAME.match(text, opens)
        if found is None:
            raise TemplateError("has {{ that does not begin a name such as {{text}}")
        if found[1] not in known:
            # The name is the operator's own word, no value.
            raise TemplateError(f"asks for {{{{{found[1]}}}}}; known are: {', '.join(sorted(known))}")
        parts += [text[at:opens], Name(found[1])]
        at = found.end()
    parts.append(text[at:])
    return Template(tuple(part for part in parts if part != ""))


def parsed_json(text: str, known: Set[str], numbers: Set[str]) -> Template:
    """Read a JSON text with names inside its strings; ``numbers`` may also stand outside of them.

    Tried with samples, so that what is sent is JSON of this very shape whatever the values are.
    """
    parts: list[Part] = []
    quoted = escaped = False
    for part in parsed(text, known).parts:
        if isinstance(part, Name):
            if escaped:
                raise TemplateError("has a backslash before {{, which would spoil what comes after it")
            if not quoted and part.name not in numbers:
                raise TemplateError(f"has {{{{{part.name}}}}} outside of quotes; only {', '.join(sorted(numbers))} may")
            parts.append(Name(part.name, bare=not quoted))
            continue
        parts.append(part)
        for character in part:
            if escaped:
                escaped = False
            elif quoted and character == "\\":
                escaped = True
            elif character == '"':
                quoted = not quoted
    template = Template(tuple(parts))
    sample = "".join(part if isinstance(part, str) else "0" if part.bare else "x" for part in parts)
    try:
        read = json.loads(sample)
    except (ValueError, RecursionError):
        raise TemplateError("is not JSON") from None
    if not isinstance(read, dict | list):
        raise TemplateError("is not a JSON object or array")
    return template


def filled_json(template: Template, values: Mapping[str, str]) -> bytes:
    """The JSON text. In quotes a value is escaped down to ASCII; outside of them only digits get in."""
    return template.filled(values, _json_encoded).encode()


def _json_encoded(name: Name, value: str) -> str:
    if name.bare:
        return str(int(value))
    return json.dumps(value)[1:-1]


def parsed_path(text: str, known: Set[str]) -> Template:
    """Read the path of an address, which may hold values but neither a query nor a way up."""
    template = parsed(text, known)
    literal = "".join(part if isinstance(part, str) else "x" for part in template.parts)
    if not literal.startswith("/") or not _PATH_TEXT.fullmatch(literal) or _DOTS.search(literal):
        raise TemplateError("must begin with / and be a path alone: its query stands in query")
    return template


def filled_path(template: Template, values: Mapping[str, str]) -> str:
    """The path; a value is one piece of it and never more, whatever slashes it holds."""
    return template.filled(values, lambda _, value: quote(value, safe="").replace(".", "%2E"))


def filled_form(fields: Mapping[str, Template], values: Mapping[str, str]) -> str:
    """Names and filled values as a form or a query, in UTF-8."""
    return urlencode([(name, template.filled(values)) for name, template in fields.items()])


def parsed_header(name: str, text: str, known: Set[str], secrets: Mapping[str, str]) -> Template:
    """Read one header. A credential goes into it as it is, and must therefore be printable ASCII."""
    if not _HEADER_NAME.fullmatch(name):
        raise TemplateError("is not the name of a header")
    if name.lower() in _HOP_HEADERS:
        raise TemplateError("is set by the transport alone")
    template = parsed(text, known)
    if not all(_HEADER_TEXT.fullmatch(part) for part in template.parts if isinstance(part, str)):
        raise TemplateError("must be printable ASCII")
    for asked in template.names:
        if asked.startswith(SECRETS) and not _HEADER_TEXT.fullmatch(secrets[asked.removeprefix(SECRETS)]):
            raise TemplateError(f"asks for {{{{{asked}}}}}, which is not printable ASCII")
    return template


def filled_header(template: Template, values: Mapping[str, str]) -> str:
    """The header's value; whatever a header cannot carry is percent-encoded, and so is the percent sign."""
    return template.filled(values, _header_encoded)


def _header_encoded(name: Name, value: str) -> str:
    if name.name.startswith(SECRETS):
        return value
    return _NOT_IN_HEADER.sub(lambda found: quote(found[0], safe=""), value)
