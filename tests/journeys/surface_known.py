"""What schemathesis is told of the things that are there, so that its questions reach past the first 404; and what it was answered."""

import json
import os
from typing import Any

import schemathesis

from tests.journeys import surface_audio

__all__ = ["KNOWN", "SEEN", "surface_audio"]

#: What there is, by the path that asks for it and the name of its parameter; set by whoever starts schemathesis.
KNOWN = "SURFACE_KNOWN"
#: The file into which each answer's operation and status are written.
SEEN = "SURFACE_SEEN"


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
def after_call(_context: object, case: Any, response: Any) -> None:
    """Write down who answered what."""
    with open(os.environ[SEEN], "a", encoding="utf-8") as seen:
        seen.write(f"{case.method} {case.path} {response.status_code}\n")
