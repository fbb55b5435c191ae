"""Her rights where she lives, in her language: sentences from ``rights.toml``, their citation and force from the packs."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

from jurisdictions.library import Library
from vocabulary.event import Weekday
from vocabulary.verdict import Force

FILE: Final = "rights.toml"

_DAYS: Final = {
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "pt": ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"),
}
_TO: Final = {"es": "{} a {}", "en": "{} to {}", "pt": "{} a {}"}
_EVERY: Final = {"es": "todos los días", "en": "every day", "pt": "todos os dias"}
_CLOSED: Final = {"es": "nunca en festivos", "en": "never on public holidays", "pt": "nunca em feriados"}
_CLOSED_SUNDAY: Final = {
    "es": "nunca en domingo ni en festivos",
    "en": "never on Sundays or public holidays",
    "pt": "nunca aos domingos nem em feriados",
}
_TIMES: Final = {"es": ("vez", "veces"), "en": ("time", "times"), "pt": ("vez", "vezes")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that the law of a place gives her. ``place`` is the pack's code, ``title`` what the pack is called."""

    place: str
    rule: str
    says: str
    citation: str
    force: str


def rights(law: Library, places: Iterable[str], language: str, day: date) -> tuple[Right, ...]:
    """What the packs of these places that are in effect on ``day`` give her; what has ended or only stands in a bill is left out."""
    found: list[Right] = []
    table = _table()
    for place in places:
        pack = law.packs.get(place)
        if pack is None or not pack.binds or not pack.in_effect(day):
            continue
        for line in table["places"].get(place, ()):
            source = _source(law, place, line["rule"], day)
            if source is not None:
                words = table["sentences"][line["says"]][language]
                found.append(
                    Right(
                        place=place,
                        rule=line["rule"],
                        says=_filled(words, line, language),
                        citation=source[0],
                        force=source[1],
                    )
                )
    return tuple(found)


def places_covered() -> frozenset[str]:
    """The places for which rights are written down."""
    return frozenset(_table()["places"])


def lines(place: str) -> Sequence[Mapping[str, Any]]:
    """What is written down for a place."""
    return tuple(_table()["places"].get(place, ()))


def _source(law: Library, place: str, rule: str, day: date) -> tuple[str, str] | None:
    """Citation and force of the rule behind a line; None when no rule of that name is in force on the day."""
    pack = law.packs[place]
    for found in pack.rules:
        table = found.table
        begins, ends = table.effective_from, table.effective_to
        if (
            found.id == rule
            and table.status in (None, "in_force")
            and (begins is None or begins <= day)
            and (ends is None or day <= ends)
        ):
            return table.cite, str(table.force or Force.BINDING)
    for duty in pack.duties:
        if duty.rule == rule:
            return duty.citation, str(Force.BINDING)
    return None


def _filled(words: str, line: Mapping[str, Any], language: str) -> str:
    n = line.get("n", 0)
    return words.format(
        n=n,
        days=line.get("days", 0),
        times=_TIMES[language][n != 1],
        when=_hours(line["when"], language) if "when" in line else "",
    )


def _hours(table: Sequence[Sequence[str]], language: str) -> str:
    parts = [f"{_span(days, language)} {opens}–{closes}" for days, opens, closes, *_ in table]
    open_on_holidays = any("H" in row[3:] for row in table)
    if not open_on_holidays:
        parts.append((_CLOSED if any("Sun" in row[0] for row in table) else _CLOSED_SUNDAY)[language])
    return ", ".join(parts)


def _span(days: str, language: str) -> str:
    names = dict(zip((str(day) for day in Weekday), _DAYS[language], strict=True))
    first, _, last = days.partition("-")
    if (first, last) == ("Mon", "Sun"):
        return _EVERY[language]
    return _TO[language].format(names[first], names[last]) if last else names[first]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("pages.debtor").joinpath(FILE).read_text("utf-8"))
