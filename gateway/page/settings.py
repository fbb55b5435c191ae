"""``[page]`` of ``tregua.toml``: how long links live, where people find help, and what those who write to them are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: How long a link opens its page, real time, where nothing else is said.
LINK_DAYS: Final = 30
LINK_DAYS_MAX: Final = 365
NAMES_MAX: Final = 1_000
CHARACTERS_MAX: Final = 200


class Unfit(ValueError):
    """The table cannot be used; the text names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """``help``: a telephone number, an address or a sentence that is shown as it is. ``names``: the CRM's ids in words for people."""

    link_days: int = LINK_DAYS
    help: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def page_settings(table: object) -> PageSettings:
    """Read the table. Raises Unfit."""
    if not isinstance(table, dict) or set(table) - {"link_days", "help", "names"}:
        raise Unfit("[page] knows only link_days, help and names")
    days = table.get("link_days", LINK_DAYS)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LINK_DAYS_MAX:
        raise Unfit(f"[page] link_days must be a whole number from 1 to {LINK_DAYS_MAX}")
    help_ = table.get("help")
    if help_ is not None and not _shown(help_):
        raise Unfit(f"[page] help must be a text of at most {CHARACTERS_MAX} characters on one line")
    names = table.get("names", {})
    if not isinstance(names, dict) or len(names) > NAMES_MAX or not all(_shown(name) for name in names.values()):
        raise Unfit('[page] names must be a table of texts, as in { C1 = "Banco Uno" }')
    return PageSettings(link_days=days, help=help_, names=dict(names))


def _shown(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= CHARACTERS_MAX and value.isprintable()
