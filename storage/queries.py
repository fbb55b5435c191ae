"""Reads named SQL from the files beside the modules that run it."""

from functools import cache
from importlib import resources


@cache
def queries(file: str) -> dict[str, str]:
    """The statements of ``sql/<file>.sql`` by name; each begins with a line ``-- name: …`` and a comment that says what it does."""
    text = resources.files("storage").joinpath(f"sql/{file}.sql").read_text("utf-8")
    named: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, statement = block.partition("\n")
        if name.strip() in named:
            raise ValueError(f"sql/{file}.sql names {name.strip()} twice")
        named[name.strip()] = statement.strip()
    return named
