"""What schemathesis is told of the things that are there, so that its questions reach past the first 404; and what it was answered."""

import ast
import json
import os
import threading
from typing import Any

import schemathesis

from tests.journeys import surface_audio

__all__ = ["KEPT", "KNOWN", "SEEN", "surface_audio"]

#: What there is, by the path that asks for it and the name of its parameter; set by whoever starts schemathesis.
KNOWN = "SURFACE_KNOWN"
#: What nobody may take away, for others are asked of it; it comes to know of it by itself, from what it is answered.
KEPT = "SURFACE_KEPT"
#: Of that name there is nothing of any kind.
NOTHING = "nothing"
#: The file into which each answer's operation and status are written.
SEEN = "SURFACE_SEEN"

_parse = ast.parse
_parsing = threading.Lock()


def _in_turn(*source: Any, **options: Any) -> Any:
    """As it is. Early releases of Python 3.11 count the depth of all threads together, and fall over two that read at once."""
    with _parsing:
        return _parse(*source, **options)


# In its own process two threads draw values, and read the source of what those are sifted by.
if KNOWN in os.environ:
    ast.parse = _in_turn


@schemathesis.hook
def before_load_schema(_context: object, raw_schema: dict[str, Any]) -> None:
    """Each parameter that names something gets what is there as its examples."""
    known = json.loads(os.environ[KNOWN])
    for path, item in raw_schema["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                found = known.get(path, {}).get(parameter["name"])
                if found:
                    parameter["examples"] = {f"known-{n}": {"value": value} for n, value in enumerate(found)}


@schemathesis.hook
def before_call(_context: object, case: Any, _options: object) -> None:
    """Ask that nothing be ended instead of what has to stay."""
    if case.method == "DELETE" or case.path.endswith("/rotate"):
        kept = json.loads(os.environ[KEPT])
        for name, value in case.path_parameters.items():
            if value in kept:
                case.path_parameters[name] = NOTHING


@schemathesis.hook
def after_call(_context: object, case: Any, response: Any) -> None:
    """Write down who answered what."""
    with open(os.environ[SEEN], "a", encoding="utf-8") as seen:
        seen.write(f"{case.method} {case.path} {response.status_code}\n")
