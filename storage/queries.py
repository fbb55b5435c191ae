"""Reads named SQL from the files beside the modules that run it."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TypeVar

T = TypeVar("T")


def shared(column: Sequence[T]) -> Sequence[T]:
    """A column of values of which none is null as it is handed to a statement: once, where all rows have the same.

    Handing over a value costs the driver more than most of what is done with it. The statement reads ``coalesce(value, (array)[1])``,
    for ``unnest`` fills what is short with nulls.
    """
    return column[:1] if column and column.count(column[0]) == len(column) else column


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
