"""Writes ``types.py`` and ``operations.py`` of the client from the gateway's own description, so that neither can fall behind.

``python clients/python/generate.py`` from the root of the repository; ``--check`` only says whether they are in step.
"""

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = Path(__file__).resolve().parent / "tregua_client"
#: Operations for people and machines that are no CRM.
LEFT_OUT: Final = {"metrics", "describe", "docs", "listProblems", "showProblem"}
_PLAIN: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}
_WORDS: Final = re.compile(r"(?<!^)(?=[A-Z])")


def main() -> int:
    """Write both files; with ``--check`` exit 1 when they are not what they should be."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    check = arguments.parse_args().check
    sys.path.insert(0, str(ROOT))
    from gateway.api.openapi import document
    from gateway.api.table import ROUTES

    described = document(ROUTES, server="https://gateway", version="0.1.0")
    stale = False
    for name, text in (("types.py", types(described)), ("operations.py", operations(described))):
        path = PACKAGE / name
        formatted = _formatted(text)
        if not path.exists() or path.read_text() != formatted:
            stale = True
            if not check:
                path.write_text(formatted)
    return 1 if check and stale else 0


def _formatted(text: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    command = [str(ruff), "format", "--line-length", "120", "--stdin-filename", "x.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


# ---- types ------------------------------------------------------------------------------------------------------------


def types(described: Mapping[str, Any]) -> str:
    """Every schema as a type: what the gateway takes and answers."""
    schemas: dict[str, Any] = described["components"]["schemas"]
    lines = [
        '"""What the gateway takes and answers, as types. Made by ``generate.py`` from its description; not written by hand."""',
        "",
        "from typing import Any, Literal, NotRequired, TypedDict",
        "",
    ]
    aliases = {name: schema for name, schema in schemas.items() if "properties" not in schema}
    for name in sorted(aliases):
        lines += [f"{_name(name)} = {_type(aliases[name], quoted=True)}", ""]
    for name in sorted(set(schemas) - set(aliases)):
        lines += [*_table(_name(name), schemas[name]), ""]
    return "\n".join(lines)


def _table(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    fields = {
        field: each if field in required else f"NotRequired[{each}]"
        for field, each in ((field, _type(part, quoted=True)) for field, part in schema["properties"].items())
    }
    said = " ".join(schema.get("description", "").split()).replace('"""', "'''")
    if any(keyword.iskeyword(field) or not field.isidentifier() for field in fields):
        # A name that Python keeps for itself: the other spelling, whose types are read as one string each.
        plain = {field: _type(part) for field, part in schema["properties"].items()}
        fields = {field: each if field in required else f"NotRequired[{each}]" for field, each in plain.items()}
        yield f"{name} = TypedDict("
        yield f"    {name!r}, {{{', '.join(f'{field!r}: {each!r}' for field, each in fields.items())}}},"
        yield ")"
        yield f'"""{said or name}"""'
        return
    yield f"class {name}(TypedDict):"
    yield f'    """{said or name}"""'
    yield ""
    yield from (f"    {field}: {each}" for field, each in fields.items())
    if not fields:
        yield "    pass"


def _name(schema: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", schema) if part)


def _type(schema: Mapping[str, Any], *, quoted: bool = False, module: str = "") -> str:
    if "$ref" in schema:
        name = module + _name(schema["$ref"].rpartition("/")[2])
        return f'"{name}"' if quoted else name
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(repr(each) for each in schema['enum'])}]"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            parts = dict.fromkeys(_type(part, module=module) for part in schema[several])
            union = " | ".join(parts)
            return f'"{union}"' if quoted and len(parts) > 1 else union
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PLAIN[each] for each in kind)
    if kind == "array":
        inner = (
            _type(schema["items"], module=module)
            if isinstance(schema.get("items"), dict) and schema["items"]
            else "Any"
        )
        return f'"list[{inner}]"' if quoted else f"list[{inner}]"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        inner = _type(schema["additionalProperties"], module=module)
        return f'"dict[str, {inner}]"' if quoted else f"dict[str, {inner}]"
    return _PLAIN.get(kind, "Any") if isinstance(kind, str) else "Any"


# ---- operations -------------------------------------------------------------------------------------------------------


def operations(described: Mapping[str, Any]) -> str:
    """Every operation as a method, once for each of the two clients."""
    lines = [
        '"""The operations of the gateway as methods. Made by ``generate.py`` from its description; not written by hand."""',
        "",
        "from collections.abc import AsyncIterator, Iterator",
        "from typing import Any, Literal, Protocol, cast",
        "from urllib.parse import quote",
        "",
        "from tregua_client import types as t",
        "from tregua_client.request import Request, fresh_key",
        "",
        "",
        "class _Sends(Protocol):",
        "    def _send(self, request: Request, /) -> Any: ...",
        "",
        "",
        "class _SendsAsync(Protocol):",
        "    async def _send(self, request: Request, /) -> Any: ...",
    ]
    for name, waits in (("Operations", False), ("AsyncOperations", True)):
        lines += ["", "", f"class {name}:"]
        lines += [f'    """Everything that the gateway does for a CRM{", to be awaited" if waits else ""}."""']
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                if operation["operationId"] not in LEFT_OUT:
                    lines += _method(path, method, operation, waits=waits)
    return "\n".join(lines) + "\n"


def _method(path: str, method: str, operation: Mapping[str, Any], *, waits: bool) -> list[str]:
    given: list[str] = []
    named: list[str] = []
    query: list[str] = []
    body: list[str] = []
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            given.append(f"{_field(parameter['name'])}: str")
        elif parameter["in"] == "query":
            kind = _type(parameter["schema"], module="t.")
            field = _field(parameter["name"])
            named.append(f"{field}: {kind}" if parameter["required"] else f"{field}: {kind} | None = None")
            query.append(f'"{parameter["name"]}": {field}')
        else:
            named.append("idempotency_key: str | None = None")
            body.append("key=fresh_key() if idempotency_key is None else idempotency_key")
    if content := operation.get("requestBody", {}).get("content"):
        media, described = next(iter(content.items()))
        if media == "application/json":
            given.append(f"body: {_type(described['schema'], module='t.')}")
            body.append("body=body")
        else:
            given.append("content: bytes")
            named.append(f"media_type: Literal[{', '.join(map(repr, content))}] = {media!r}")
            body.append("content=content, media_type=media_type")
    answers = {int(status): each for status, each in operation["responses"].items() if status.startswith("2")}
    kind, how = _answer(answers[min(answers)])
    route = re.sub(r"\{(\w+)\}", lambda match: "{quote(" + _field(match[1]) + ', safe="")}', path)
    request = ", ".join(
        [
            f'"{method.upper()}"',
            f'{"f" if "{" in route else ""}"{route}"',
            *([f"query={{{', '.join(query)}}}"] if query else []),
            *body,
            f'reads="{how}"',
        ]
    )
    name = _WORDS.sub("_", operation["operationId"]).lower()
    head = f"    {'async ' if waits else ''}def {name}(self: {'_SendsAsync' if waits else '_Sends'}, "
    head += ", ".join([*given, *(["*", *named] if named else [])]) + f") -> {kind}:"
    said = operation.get("summary", name) + "."
    send = f"{'await ' if waits else ''}self._send(Request({request}))"
    lines = [
        "",
        head,
        f'        """{said}"""',
        f"        {send if kind == 'None' else f'return cast({kind!r}, {send})'}",
    ]
    items = _items(answers[min(answers)])
    if items is not None and any(part.startswith('"cursor"') for part in query):
        lines += _walk(name, given, named, items, waits=waits)
    return lines


def _walk(name: str, given: list[str], named: list[str], items: str, *, waits: bool) -> list[str]:
    """A generator over every page of a list."""
    kept = [each for each in named if not each.startswith("cursor:")]
    handed = [each.partition(":")[0] for each in given] + [
        f"{each.partition(':')[0]}={each.partition(':')[0]}" for each in kept
    ]
    kind = "AsyncIterator" if waits else "Iterator"
    me = "AsyncOperations" if waits else "Operations"
    wait = "await " if waits else ""
    return [
        "",
        f"    {'async ' if waits else ''}def every_{name.removeprefix('list_').removeprefix('show_')}(self, "
        + ", ".join([*given, "*", *kept]) + f") -> {kind}[{items}]:",
        f'        """Every item of ``{name}``, page by page."""',
        "        cursor: str | None = None",
        "        while True:",
        f"            page = {wait}{me}.{name}(cast(Any, self), {', '.join([*handed, 'cursor=cursor'])})",
        *(
            ['            for item in page["items"]:', "                yield item"]
            if waits
            else ['            yield from page["items"]']
        ),
        '            cursor = page["next"]',
        "            if cursor is None:",
        "                return",
    ]  # fmt: skip


def _answer(response: Mapping[str, Any]) -> tuple[str, str]:
    content = response.get("content", {})
    if not content:
        return "None", "nothing"
    if "application/json" in content:
        return _type(content["application/json"]["schema"], module="t."), "json"
    return "bytes", "bytes"


def _items(response: Mapping[str, Any]) -> str | None:
    """The type of the items where the answer is a page."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    found = re.fullmatch(r"ListOf_(\w+?)_", schema.get("$ref", "").rpartition("/")[2])
    return f"t.{_name(found[1])}" if found else None


def _field(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


if __name__ == "__main__":
    sys.exit(main())
