"""A person as a row of a table tells of her: several things in one cell, and what holds for each of her addresses."""

import re
from collections.abc import Iterable
from typing import Any, Final

_APART: Final = re.compile(r"[\s;,|]+")


def listed(cell: str) -> list[str]:
    """What stands in one cell, parted by blanks, semicolons, commas or bars."""
    return [part for part in _APART.split(cell) if part]


def addresses_of(
    named: Iterable[tuple[str, str]],
    *,
    kind: str | None,
    source: str | None,
    authorised_at: str | None,
    instrument: str | None,
) -> list[dict[str, Any]]:
    """Addresses with their channels as the API takes them, each with what the row says of all of them (None: nothing)."""
    of_each: dict[str, Any] = {name: value for name, value in (("kind", kind), ("source", source)) if value is not None}
    if authorised_at is not None:
        of_each["authorised"] = {"at": authorised_at, "instrument": instrument or "separate"}
    return [{"channel": channel, "address": address, **of_each} for channel, address in named]
