"""The pages of the surface: its description and its problems for people to read, without script and without anything from elsewhere."""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib import resources
from typing import Any, Final

from gateway.api.problems import KINDS, Kind, Slug

_STYLE: Final = resources.files("gateway.api").joinpath("pages.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()

#: Nothing runs, nothing is loaded, and only the one style sheet that stands in the page applies.
CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_CODE = re.compile(r"``?([^`]+)``?")
_REF = re.compile(r"#/components/schemas/(.+)")
_GENERIC = re.compile(r"^(\w+?)_(\w+)_$")


def docs_page(document: Mapping[str, Any]) -> bytes:
    """The description as a page, in the order of its paths."""
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    tags = [tag["name"] for tag in document["tags"]]
    nav = "".join(_nav(tag, [o for o in operations if tag in o[2]["tags"]]) for tag in tags)
    shown = "".join(
        f'<section><h2 id="tag-{escape(tag)}">{escape(tag)}</h2>'
        + "".join(_operation(*operation) for operation in operations if tag in operation[2]["tags"])
        + "</section>"
        for tag in tags
    )
    schemas = "".join(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    info = document["info"]
    intro = "".join(f"<p>{_words(part)}</p>" for part in info["description"].split("\n\n"))
    body = (
        f'<nav><a class="brand" href="#top">{escape(info["title"])}</a>{nav}'
        '<p class="group"><a href="#types">Types</a></p><p class="group"><a href="/problems">Problems</a></p>'
        '<p class="group"><a href="/openapi.json">openapi.json</a></p></nav>'
        f'<main id="top"><header><h1>{escape(info["title"])} <small>{escape(info["version"])}</small></h1>{intro}'
        f"<p>Server: <code>{escape(document['servers'][0]['url'])}</code></p></header>{shown}"
        f'<section><h2 id="types">Types</h2>{schemas}</section></main>'
    )
    return _html(f"{info['title']} API", body, wide=True)


def problems_page() -> bytes:
    """All problems, by status."""
    rows = "".join(
        f'<tr><td><span class="status">{kind.status}</span></td><td><a href="/problems/{slug}"><code>{slug}</code></a></td>'
        f"<td>{escape(kind.title)}</td></tr>"
        for slug, kind in sorted(KINDS.items(), key=lambda pair: (pair[1].status, pair[0]))
    )
    body = (
        '<main><p><a href="/docs">API</a></p><h1>Problems</h1><p>Errors are <code>application/problem+json</code> (RFC 9457). '
        "Each <code>type</code> is stable and has its page here.</p>"
        f'<div class="scroll"><table><thead><tr><th>Status</th><th>Type</th><th>Title</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></main>"
    )
    return _html("Problems", body)


def problem_page(slug: Slug, kind: Kind) -> bytes:
    """One problem, and what to do about it."""
    body = (
        f'<main><p><a href="/problems">Problems</a></p><h1>{escape(kind.title)}</h1>'
        f'<p><span class="status">{kind.status}</span> <code>/problems/{slug}</code></p><p>{_words(kind.remedy)}</p></main>'
    )
    return _html(kind.title, body)


def _nav(tag: str, operations: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    links = "".join(
        f'<li><a href="#{operation["operationId"]}"><b class="{method}">{method.upper()}</b> <span>{_path(path)}</span></a></li>'
        for path, method, operation in operations
    )
    return f'<p class="group"><a href="#tag-{escape(tag)}">{escape(tag)}</a></p><ul>{links}</ul>'


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f'<article id="{operation["operationId"]}"><h3><b class="{method}">{method.upper()}</b> <code>{_path(path)}</code></h3>'
        f"<p><strong>{_words(operation['summary'])}</strong></p>"
    ]
    if "description" in operation:
        parts.append(f"<p>{_words(operation['description'])}</p>")
    for requirement in operation["security"]:
        parts.append(f'<p>Scope <span class="scope">{escape(requirement["key"][0])}</span></p>')
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code>{_required(one['required'])}</td><td>{one['in']}</td>"
            f"<td>{_kind(one['schema'])}</td><td>{_notes(one['schema'])}</td></tr>"
            for one in parameters
        )
        parts.append(_table(("Parameter", "In", "Type", ""), rows))
    if body := operation.get("requestBody"):
        media, content = next(iter(body["content"].items()))
        named = "" if media == "application/json" else f" <small>{escape(', '.join(body['content']))}</small>"
        parts.append(f"<p>Body: {_kind(content.get('schema', {}))}{named}</p>")
        if "properties" in content.get("schema", {}):
            parts.append(_fields(content["schema"]))
        if "example" in content:
            shown = json.dumps(content["example"], indent=2, ensure_ascii=False)
            parts.append(f"<pre>{escape(shown)}</pre>")
    parts.append(_answers(operation["responses"]))
    return "".join(parts) + "</article>"


def _answers(responses: Mapping[str, Any]) -> str:
    good, bad = [], []
    for status, response in responses.items():
        content = response.get("content", {})
        if "application/problem+json" in content:
            links = re.findall(r"\[`([^`]+)`\]", response["description"])
            shown = ", ".join(f'<a href="/problems/{slug}">{slug}</a>' for slug in links)
            bad.append(f'<li><span class="status">{status}</span> {shown}</li>')
        else:
            kind = next((f"{_kind(c['schema'])} <small>{escape(m)}</small>" for m, c in content.items()), "no body")
            good.append(f'<li><span class="status good">{status}</span> {kind}</li>')
    return f'<ul class="answers">{"".join(good)}</ul><details><summary>Problems</summary><ul class="answers">{"".join(bad)}</ul></details>'


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    words = f"<p>{_words(schema['description'])}</p>" if "description" in schema else ""
    inside = _fields(schema) if "properties" in schema else f"<p>{_kind(schema)}</p>"
    return f'<article id="type-{escape(name)}"><h3><code>{escape(schema.get("title", name))}</code></h3>{words}{inside}</article>'


def _fields(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{_required(name in required)}</td><td>{_kind(one)}</td><td>{_notes(one)}</td></tr>"
        for name, one in schema["properties"].items()
    )
    return _table(("Field", "Type", ""), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        match = _REF.fullmatch(schema["$ref"])
        name = match[1] if match else schema["$ref"]
        shown = _GENERIC.sub(r"\1[\2]", name)
        return f'<a href="#type-{escape(name)}">{escape(shown)}</a>'
    if "anyOf" in schema:
        return " | ".join(_kind(choice) for choice in schema["anyOf"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {_kind(schema['additionalProperties'])}"
    kind = schema.get("type", "anything")
    return escape(f"{kind} ({schema['format']})" if "format" in schema else kind)


def _notes(schema: Mapping[str, Any]) -> str:
    bounds = {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {} items",
        "maxItems": "at most {} items",
        "maxProperties": "at most {} members",
        "minimum": "from {}",
        "maximum": "to {}",
    }
    notes = [_words(schema["description"])] if "description" in schema else []
    notes += [text.format(schema[name]) for name, text in bounds.items() if schema.get(name, 1) != 1]
    if 1 in (schema.get("minLength"), schema.get("minItems")):
        notes.append("not empty")
    if schema.get("minimum") == 1:
        notes.append("from 1")
    if schema.get("default") is not None:
        notes.append(f"left out: <code>{escape(json.dumps(schema['default']))}</code>")
    return "; ".join(note.rstrip(".") for note in notes)


def _required(required: bool) -> str:
    return ' <em class="required">required</em>' if required else ""


def _table(heads: Iterable[str], rows: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _path(path: str) -> str:
    return re.sub(r"\{(\w+)\}", r"<i>{\1}</i>", escape(path)).replace("}</i>/", "}</i><wbr>/")


def _words(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def _html(title: str, body: str, *, wide: bool = False) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f'<body class="{"wide" if wide else "narrow"}">{body}</body></html>'
    ).encode()
