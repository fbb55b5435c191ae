"""A tenant's policy: readings, house rules that only tighten, and overrides of rules that do not bind."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from jurisdictions.built_in import HOUSE, always, asked_for, her_word
from jurisdictions.caps import Cap, CapAsk, caps_of
from jurisdictions.compile import Context, PackError, Rule, compile_rule
from jurisdictions.library import Library
from jurisdictions.localtime import NEVER, in_utc
from jurisdictions.words import Words, words
from vocabulary.channel import Channel, Sector, SenderRole
from vocabulary.event import History
from vocabulary.verdict import Force

#: Names that the gateway itself uses, besides those of its own rules.
RESERVED: Final = frozenset(
    {
        "HOUSE-ADDRESS",
        "HOUSE-BEST-HOUR",
        "HOUSE-CAP",
        "HOUSE-EDGE",
        "HOUSE-LAG",
        "HOUSE-NOPACK",
        "HOUSE-NOZONE",
        "HOUSE-SENDAT",
        "HOUSE-STICKY",
    }
)
HOUSE_RULES_MAX: Final = 100
OVERRIDES_MAX: Final = 100

#: What would loosen instead of tighten.
_LOOSENS: Final = ("unless", "only_if")


#: A country (ISO 3166-1) or a part of one (ISO 3166-2).
PLACE: Final = r"^[A-Z]{2}(-[A-Z0-9]{1,8})*(?![\s\S])"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a policy, and where (JSON Pointer)."""

    pointer: str
    why: str


class Auto(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How ``channel: "auto"`` chooses among what is allowed. ``exploration``: how often chance does, never not at all."""

    on: bool = True
    cost_weight: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.25
    exploration: Annotated[float, msgspec.Meta(ge=0.01, le=0.5)] = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """A checked policy, ready for ``decide``. ``overridden``: rule ids with the instant (UTC) until which they are set aside."""

    sender: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    #: Its own rules and those that every house has; and the same with those that keep what a person asked for.
    asked: tuple[Rule, ...] = ()
    asked_kept: tuple[Rule, ...] = ()
    overridden: Mapping[str, datetime] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()
    auto: Auto = field(default_factory=Auto)
    document: Mapping[str, Any] = field(default_factory=dict)

    def keeping(self, history: History) -> tuple[Rule, ...] | None:
        """What is asked of a message that the law by itself does not deny; None where its person asked for nothing."""
        return self.asked_kept if self.asked_kept and asked_for(history) else None


class _Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    role: SenderRole | None = None
    creditor: str | None = None
    collector: str | None = None
    sector: Sector | None = None
    #: Where the creditor has its seat: ``CO``, ``US-FL``.
    seat: Annotated[str, msgspec.Meta(pattern=PLACE)] | None = None


class _Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    value: str
    authority: str | None = None
    reason: str | None = None


class _Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    rule: str
    authority: str
    reason: str
    until: datetime | None = None


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    sender: _Sender | None = None
    readings: dict[str, str | _Chosen] = {}
    house_rules: list[dict[str, Any]] = []
    overrides: list[_Override] = []
    caps: list[CapAsk] = []
    auto: Auto = Auto()


def policy_of(document: Mapping[str, Any], law: Library) -> Policy | list[Problem]:
    """The policy that a plain JSON object writes down, or everything that is wrong with it.

    ``{"sender", "readings", "house_rules", "overrides", "caps", "auto"}``, each of which may be left out. A reading is its value, or
    ``{"value", "authority", "reason"}`` where it protects the person less than the default.
    """
    try:
        read = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at ")
        return [Problem(_pointer(path), why)]
    problems: list[Problem] = []
    readings = _readings(read.readings, law, problems)
    rules = _rules(read.house_rules, law, problems)
    overridden = _overridden(read.overrides, law, problems)
    caps, flaws = caps_of(read.caps)
    problems += [Problem(f"/caps{pointer}", why) for pointer, why in flaws]
    if problems:
        return problems
    sender = {} if read.sender is None else {k: v for k, v in msgspec.to_builtins(read.sender).items() if v is not None}
    return Policy(
        sender=sender,
        readings=readings,
        rules=rules,
        asked=(*always(), *rules),
        asked_kept=(*always(), *rules, *her_word()),
        overridden=overridden,
        caps=caps,
        auto=read.auto,
        document=document,
    )


def _pointer(path: str) -> str:
    """``$.overrides[0].until`` as ``/overrides/0/until``."""
    plain = path.strip("`").removeprefix("$").replace("[", ".").replace("]", "")
    return "".join(f"/{_escaped(part)}" for part in plain.split(".") if part)


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _readings(given: Mapping[str, str | _Chosen], law: Library, problems: list[Problem]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name, each in given.items():
        pointer = f"/readings/{_escaped(name)}"
        value = each if isinstance(each, str) else each.value
        try:
            law.reading_values({name: value})
        except ValueError as error:
            problems.append(Problem(pointer, str(error)))
            continue
        reading = law.readings[name]
        reasoned = not isinstance(each, str) and bool((each.authority or "").strip() and (each.reason or "").strip())
        if value != reading.default and value not in reading.stricter and not reasoned:
            why = f"“{value}” protects the person less than “{reading.default}”: name an authority and a reason"
            problems.append(Problem(pointer, why))
        chosen[name] = value
    return chosen


def _rules(given: list[dict[str, Any]], law: Library, problems: list[Problem]) -> tuple[Rule, ...]:
    if len(given) > HOUSE_RULES_MAX:
        problems.append(Problem("/house_rules", f"more than {HOUSE_RULES_MAX} rules"))
        return ()
    rules: list[Rule] = []
    seen: set[str] = set()
    for number, raw in enumerate(given):
        pointer = f"/house_rules/{number}"
        why = _refused(raw, seen)
        if why is not None:
            problems.append(Problem(pointer, why))
            continue
        try:
            rules.append(compile_rule(_as_house(raw), "", _context(law, raw)))
        except PackError as error:
            where = error.where.partition(")")[2] if error.where.startswith("(") or ")" in error.where else error.where
            problems.append(Problem(pointer + _pointer(where.strip()), error.why))
        except ValueError as error:
            problems.append(Problem(pointer, str(error)))
    return tuple(rules)


def _refused(raw: Mapping[str, Any], seen: set[str]) -> str | None:
    name = raw.get("id")
    if not isinstance(name, str) or not name.startswith("HOUSE-"):
        return "a house rule's id begins with HOUSE-"
    if name in RESERVED or any(name == rule.id for rule in (*always(), *her_word())):
        return f"“{name}” is a name of the gateway's own"
    if name in seen:
        return f"“{name}” is there twice"
    seen.add(name)
    for key in _LOOSENS:
        if key in raw:
            return f"“{key}” would exempt: house rules only tighten"
    if raw.get("force", "house") != Force.HOUSE:
        return "the force of a house rule is house"
    if raw.get("status", "in_force") != "in_force":
        return "a house rule is in force or not there"
    hours = raw.get("hours")
    if isinstance(hours, dict) and "asked" in hours:
        return "“asked” would exempt: house rules only tighten"
    count = raw.get("count")
    if isinstance(count, dict) and "excludes" in count:
        return "“excludes” would exempt: house rules only tighten"
    return None


def _as_house(raw: Mapping[str, Any]) -> dict[str, Any]:
    says = raw.get("says", f"house rule {raw['id']}")
    return {
        "cite": "house rule",
        **raw,
        "force": Force.HOUSE.value,
        "says": {"en": says} if isinstance(says, str) else says,
    }


def _context(law: Library, raw: Mapping[str, Any]) -> Context:
    """House rules may name any pack's calendar as ``CO`` or ``CO.name``, and write their phrases where a list would stand."""
    content = raw.get("content")
    written_words: dict[str, Words] = {}
    if isinstance(content, dict):
        phrases = [each for key in ("never", "always") for each in content.get(key) or () if isinstance(each, str)]
        written_words = {phrase: words(phrase, (phrase,)) for phrase in phrases}
    calendars = {
        name: calendar
        for pack in law.packs.values()
        for own, calendar in pack.calendars.items()
        for name in (f"{pack.code}.{own}", own)
    }
    return Context(
        code=HOUSE,
        label=HOUSE,
        groups=dict(_GROUPS),
        calendars=calendars,
        words=written_words,
        exemptions={},
        readings={},
    )


_GROUPS: Final = {
    "telephone": (Channel.VOICE, Channel.CALL_LIVE),
    "electronic": (
        Channel.SMS,
        Channel.EMAIL,
        Channel.WHATSAPP,
        Channel.TELEGRAM,
        Channel.WEB,
    ),
}


def _overridden(given: list[_Override], law: Library, problems: list[Problem]) -> dict[str, datetime]:
    if len(given) > OVERRIDES_MAX:
        problems.append(Problem("/overrides", f"more than {OVERRIDES_MAX} overrides"))
        return {}
    forces: dict[str, set[Force]] = {}
    for rule in itertools.chain.from_iterable(pack.rules for pack in law.packs.values()):
        forces.setdefault(rule.id, set()).add(rule.table.force)
    overridden: dict[str, datetime] = {}
    for number, each in enumerate(given):
        pointer = f"/overrides/{number}"
        if each.rule not in forces:
            problems.append(Problem(f"{pointer}/rule", f"no rule “{each.rule}”"))
        elif Force.BINDING in forces[each.rule]:
            problems.append(Problem(f"{pointer}/rule", f"“{each.rule}” is binding law and has no override"))
        for key in ("authority", "reason"):
            if not getattr(each, key).strip():
                problems.append(Problem(f"{pointer}/{key}", "must be said"))
        if each.until is not None and each.until.tzinfo is None:
            problems.append(Problem(f"{pointer}/until", "needs an offset"))
            continue
        overridden[each.rule] = NEVER if each.until is None else in_utc(each.until)
    return overridden
