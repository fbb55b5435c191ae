"""Makes the page of every call for the site, from the table that the router is made from; a hook of mkdocs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE: Final = "reference.md"
DECISIONS: Final = "decisions"
#: Pages of problems are the gateway's own, not the site's.
_PROBLEM: Final = re.compile(r"\[`([a-z-]+)`\]\(/problems/[a-z-]+\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every decision and every page that nobody gave a place gets one, so that a new file needs no line anywhere else."""
    assert isinstance(config.nav, list)
    docs = Path(config.docs_dir)
    named = set(_named(config.nav))
    for entry in config.nav:
        if isinstance(entry, dict) and "Decisions" in entry:
            entry["Decisions"] = sorted(str(path.relative_to(docs)) for path in docs.glob(f"{DECISIONS}/*.md"))
            named.update(entry["Decisions"])
    others = sorted({path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - named)
    for page in others:
        section = "Channels" if page.startswith("channels/") else "More"
        _section(config.nav, section).append(page)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    from gateway.api.openapi import document
    from gateway.api.table import ROUTES

    described = document(ROUTES, server="https://gateway.example", version="")
    files.append(File.generated(config, PAGE, content="\n".join(_page(described))))
    return files


def _named(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, list):
                yield from _named(value)
            elif value is not None:
                yield value


def _section(nav: list[Any], name: str) -> list[Any]:
    for entry in nav:
        if isinstance(entry, dict) and name in entry:
            found: list[Any] = entry[name]
            return found
    nav.append({name: []})
    return nav[-1][name]  # type: ignore[no-any-return]


def _page(described: dict[str, Any]) -> Iterator[str]:
    yield "# Every call"
    yield ""
    yield "Made from the description that the gateway serves at `/openapi.json`. What holds for all calls: [how it answers](api.md)."
    yield ""
    operations = [(path, method, each) for path, item in described["paths"].items() for method, each in item.items()]
    for tag in dict.fromkeys(each["tags"][0] for _, _, each in operations):
        yield f"## {tag}"
        yield ""
        for path, method, each in operations:
            if each["tags"][0] == tag:
                yield from _operation(path, method, each)
    yield "## Shapes"
    yield ""
    for name, schema in sorted(described["components"]["schemas"].items()):
        yield from _schema(name, schema)


def _operation(path: str, method: str, each: dict[str, Any]) -> Iterator[str]:
    yield f"### {each['summary']} {{ #{each['operationId']} }}"
    yield ""
    yield f"`{method.upper()} {path}`"
    yield ""
    scopes = [scope for rule in each.get("security", []) for granted in rule.values() for scope in granted]
    if scopes:
        yield f"Scope: `{'` `'.join(scopes)}`."
        yield ""
    if each.get("description"):
        yield _text(each["description"])
        yield ""
    given = [(each["name"], each["in"], each.get("required"), each["schema"]) for each in each.get("parameters", [])]
    if given:
        yield "| Parameter | In | Type |"
        yield "|---|---|---|"
        for name, where, required, schema in given:
            yield f"| `{name}`{' (needed)' if required else ''} | {where} | {_type(schema)} |"
        yield ""
    for media, body in each.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{media}`, {_type(body.get('schema', {}))}"
        yield ""
    yield "| Answer | What |"
    yield "|---|---|"
    for status, answer in each["responses"].items():
        types = [_type(body["schema"]) for body in answer.get("content", {}).values() if "schema" in body]
        said = f"{types[0]}" if types and status < "300" else _cell(answer["description"])
        yield f"| {status} | {said} |"
    yield ""


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name} {{ #{name} }}"
    yield ""
    if schema.get("description"):
        yield _text(schema["description"])
        yield ""
    if schema.get("properties"):
        yield "| Field | Type | |"
        yield "|---|---|---|"
        needed = set(schema.get("required", []))
        for field, kind in schema["properties"].items():
            said = _cell(kind.get("description", ""))
            yield f"| `{field}`{' (needed)' if field in needed else ''} | {_type(kind)} | {said} |"
        yield ""
    else:
        yield _type(schema)
        yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[union]))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "anything")
    said = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{said} ({schema['format']})" if "format" in schema else said


def _text(text: str) -> str:
    return _PROBLEM.sub(r"`\1`", text).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|").replace("\n", " ")
