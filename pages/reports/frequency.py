"""What a report of contact frequency says, before it is any kind of file."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

LANGUAGES: Final = ("en", "es", "pt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person under one rule: ``contacts`` that it counted in the period, the most that counted at once (``peak``), its limit,
    and what still counted at the end. ``held``: messages that the rule deferred or blocked in the period.
    """

    contact: str
    rule: str
    pack: str
    citation: str
    asks: str
    channels: tuple[str, ...]
    debt: str | None
    contacts: int
    peak: int
    peak_at: datetime | None
    limit: int
    counted: int
    held: int

    @property
    def margin(self) -> int:
        """How far the peak stayed from the limit; less than none where it went beyond."""
        return self.limit - self.peak


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """A rule in the words of its pack."""

    rule: str
    pack: str
    force: str
    citation: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How an open question of the law was read; ``since`` when that was chosen, None where it is the pack's default."""

    name: str
    value: str
    default: bool
    says: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The signed head of the trace that the figures rest on, and where it can be checked."""

    note: str
    size: int
    verifier_key: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the report is about. ``packs``: (label, title) of each law that bound anybody in it."""

    report: str
    tenant: str
    language: str
    since: datetime
    until: datetime
    made_at: datetime
    contact: str | None
    jurisdiction: str | None
    checkpoint: Checkpoint


@dataclass(slots=True, kw_only=True)
class RuleTotal:
    """All people under one rule."""

    rule: str
    pack: str
    limit: int
    people: int = 0
    contacts: int = 0
    peak: int = 0
    at_limit: int = 0
    beyond: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What SQL over the trace alone found: how many figures were compared, how many differ, and the breaches of the period."""

    compared: int
    differing: tuple[str, ...]
    not_compared: int
    contacts: int
    breaches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """What is known once everybody was looked at."""

    people: int
    lines: int
    totals: tuple[RuleTotal, ...]
    packs: tuple[tuple[str, str], ...]
    rules: tuple[RuleText, ...]
    readings: tuple[Reading, ...]
    recount: Recount


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def plain(line: Line) -> dict[str, Any]:
    """A line as JSON has it, in the order of the columns."""
    return {
        "contact": line.contact,
        "rule": line.rule,
        "pack": line.pack,
        "citation": line.citation,
        "asks": line.asks,
        "channels": list(line.channels),
        "debt": line.debt,
        "contacts": line.contacts,
        "peak": line.peak,
        "peak_at": instant(line.peak_at),
        "limit": line.limit,
        "margin": line.margin,
        "counted_at_end": line.counted,
        "held": line.held,
    }
