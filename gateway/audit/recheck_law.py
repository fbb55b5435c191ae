"""The packs' own text as rows that SQL can join: what the recheck asks, read without any code of the engine's.

It reads the same TOML files and nothing else: what it does not know how to ask again, it names (``Unasked``) instead of passing over.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib import resources
from typing import Any, Final

import holidays

DIGEST_CHARS: Final = 12
YEARS: Final = range(2015, 2041)

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CHANNELS: Final = ("sms", "email", "whatsapp", "telegram", "voice", "web", "call_live", "visit", "letter")
#: A call by a person and one by a machine are one way, the telephone.
_LISTS: Final = ("forms", "purposes", "sender_roles", "sectors", "roles", "address_kinds")
_SPAN: Final = re.compile(r"(\d+) (minute|hour|day|date|clear day)s?")
#: From which outcome on a contact counts. ``attempted`` is not known, so it counts everywhere.
_LEFT: Final = (
    "attempted", "not_connected", "no_answer", "voicemail_reached", "voicemail_left", "delivered", "read", "connected",
    "conversation",
)  # fmt: skip
_SPOKEN: Final = ("conversation", "attempted")
COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "left": _LEFT,
    "connected": tuple(o for o in _LEFT if o != "not_connected"),
    "reached": tuple(o for o in _LEFT if o not in ("not_connected", "no_answer")),
    "made": tuple(o for o in _LEFT if o not in ("not_connected", "no_answer", "voicemail_reached")),
    "answered": ("attempted", "delivered", "read", "connected", "conversation"),
    "conversation": _SPOKEN,
    "two_way": _LEFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """A rule that SQL over the trace cannot ask again, and why."""

    pack: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One pack's file: its label as decisions name it, and what stands in it."""

    label: str
    code: str
    document: Mapping[str, Any]


def texts() -> list[Text]:
    """Every pack of this release."""
    found = []
    for file in sorted(resources.files("jurisdictions").joinpath("packs").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            source = file.read_bytes()
            code = file.name.removesuffix(".toml")
            label = f"{code}@{sha256(source).hexdigest()[:DIGEST_CHARS]}"
            found.append(Text(label=label, code=code, document=tomllib.loads(source.decode())))
    return found


def clauses(text: Text, readings: Mapping[str, str]) -> tuple[list[dict[str, Any]], list[Unasked]]:
    """The clauses of a pack under some readings (the pack's default where none is chosen), and those that are not asked again."""
    document = text.document
    if document.get("status", "in_force") != "in_force":
        return [], []
    chosen = {name: readings.get(name, str(table["default"])) for name, table in document.get("readings", {}).items()}
    groups = document.get("channels", {})
    exemptions = document.get("exemptions", {})
    found: list[dict[str, Any]] = []
    unasked: list[Unasked] = []
    for raw in document.get("rules", []):
        if raw.get("status") == "shadow" or any(
            chosen[name] != value for name, value in raw.get("only_if", {}).items()
        ):
            continue
        rule = _read(raw, chosen)
        asked = _asked(rule)
        why = asked if isinstance(asked, str) else _not_in_trace(rule)
        if why is not None:
            unasked.append(Unasked(pack=text.label, rule=rule["id"], why=why))
            continue
        assert not isinstance(asked, str)
        if asked is None:  # under this reading the rule asks for nothing
            continue
        kind, params = asked
        for name in ("of", "channels"):
            if params.get(name) is not None:
                params[name] = _channels(params[name], groups)
        found.append(
            {
                "label": text.label,
                "rule": rule["id"],
                "kind": kind,
                "channels": _channels(rule["channels"], groups) if "channels" in rule else None,
                **{name: rule.get(name) for name in _LISTS},
                "purposes_except": rule.get("purposes_except"),
                "roles_except": rule.get("roles_except"),
                "begins": _iso(rule.get("effective_from") or document["effective_from"]),
                "ends": _iso(rule.get("effective_to") or document.get("effective_to")),
                "lifts": [_lift(exemptions[name]) for name in rule.get("unless", [])],
                "params": {**params, "excludes": "excludes" in params},
            }
        )
    return found, unasked


def holidays_of(text: Text) -> Iterator[tuple[str, str, date]]:
    """(label, calendar, date) of every holiday that a pack knows."""
    for name, table in text.document.get("calendars", {}).items():
        days: set[date] = set()
        if table.get("country") is not None:
            days = set(
                holidays.country_holidays(
                    table["country"],
                    subdiv=table.get("subdivision"),
                    years=YEARS,
                    observed=table.get("observed", True),
                    categories=tuple(table.get("categories", ("public",))),
                )
            )
        days -= {_day(each) for each in table.get("removed", ())}
        days |= {_day(each) for each in table.get("added", {})}
        for day in sorted(days):
            yield text.label, name, day


def _day(written: str | date) -> date:
    return written if isinstance(written, date) else date.fromisoformat(written)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _read(value: Any, chosen: Mapping[str, str]) -> Any:
    """The rule as it reads once every named reading is chosen."""
    if isinstance(value, dict):
        if "reading" in value:
            return _read(value[chosen[value["reading"]]], chosen)
        return {name: _read(each, chosen) for name, each in value.items()}
    if isinstance(value, list):
        return [_read(each, chosen) for each in value]
    return value


def _channels(names: Iterable[str], groups: Mapping[str, list[str]]) -> list[str] | None:
    """Channels behind names and groups; None for all of them."""
    found: list[str] = []
    for name in names:
        if name == "all":
            return None
        found += [name] if name in _CHANNELS else groups[name]
    return found


def _not_in_trace(rule: Mapping[str, Any]) -> str | None:
    for name in ("debt_kinds", "debt_kinds_except", "past_due_days_max"):
        if name in rule:
            return f"{name}: what kind of debt it is stands in the CRM's profile, not in the trace"
    return None


def _lift(table: Mapping[str, Any]) -> dict[str, Any]:
    within = table.get("within")
    return {
        "lift": table["lift"],
        "purpose": table.get("purpose"),
        "given_to": table.get("given_to"),
        "seconds": None if within is None else _span(within)["seconds"],
    }


def _asked(rule: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | str | None:
    """What a rule asks, as a kind and its parameters; a sentence where SQL cannot ask it; None where it asks nothing."""
    if "hours" in rule:
        return "hours", _hours(rule["hours"])
    for kind in ("count", "gap", "sticky"):
        if kind in rule:
            table = rule[kind]
            if table["period"] == "none":
                return None
            counted = {
                "of": rule.get("channels"),
                **table,
                "outcomes": list(COUNTED[table["counts"]]),
                **_span(table["period"]),
            }
            return kind, counted
    if "since" in rule:
        table = rule["since"]
        return f"since_{table['event']}", {
            "of": rule.get("channels"),
            **table,
            "unit": "dates",
            "number": table["days"],
        }
    if "requires" in rule:
        (kind, table), *_ = rule["requires"].items()
        within = table.get("within") if isinstance(table, dict) else None
        return kind, {**table, "seconds": None if within is None else _span(within)["seconds"]}
    if "content" in rule:
        return "content: the words are sealed with the person's key, and not in the header"
    return _forbidden(rule["forbids"])


def _forbidden(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | str:
    for name in ("roles", "address_kinds", "address_sources"):
        if name in table:
            return "barred", {name: table[name]}
    if table.get("always"):
        return "barred", {}
    if "status" in table:
        if "notice" in table["status"]:
            return "forbids.status: whether the notice was received in time is reckoned in working days from a letter"
        return "status", dict(table["status"])
    if "register" in table:
        return "register", {**table["register"], "names": [name.casefold() for name in table["register"]["names"]]}
    if table.get("withdrawn"):
        return "withdrawn", {"from_creditor": table.get("creditor_may_restore", True)}
    if table.get("inconvenient_place"):
        return "place", {}
    if table.get("inconvenient_time"):
        return "inconvenient", {}
    if "portfolio" in table:
        return "forbids.portfolio: which way belongs to which portfolio is a setting, and not in the trace"
    return "stranger", {}


def _hours(table: Mapping[str, Any]) -> dict[str, Any]:
    days: list[list[list[int]] | None] = [[] if table.get("unlisted", "closed") == "closed" else None for _ in _DAYS]
    for name, text in table["open"].items():
        first, _, last = name.partition("-")
        for number in range(_DAYS.index(first), _DAYS.index(last or first) + 1):
            days[number] = _windows(text)
    return {
        "days": days,
        "calendar": table.get("calendar"),
        "holidays": table.get("holidays", "ignored"),
        "inside": table.get("closing") == "inside",
        "clock": table.get("clock"),
        "asked": table.get("asked"),
    }


def _windows(text: str) -> list[list[int]]:
    if text == "closed":
        return []
    if text == "all":
        return [[0, 86_400]]
    return [[_seconds(each) for each in window.split("-")] for window in text.split()]


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _span(text: str) -> dict[str, Any]:
    if text in ("iso week", "calendar month"):
        return {"unit": text, "number": 1, "seconds": None}
    match = _SPAN.fullmatch(text)
    assert match is not None, text
    number, unit = int(match[1]), match[2]
    if unit in ("date", "clear day"):
        return {"unit": f"{unit}s", "number": number, "seconds": None}
    seconds = number * {"minute": 60, "hour": 3600, "day": 86_400}[unit]
    return {"unit": "elapsed", "number": number, "seconds": seconds}
