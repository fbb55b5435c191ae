"""Every pack, read once, checked and made ready: ``CODE@digest`` names the very text that decided."""

import hashlib
import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jurisdictions import written
from jurisdictions.calendars import Calendar, check
from jurisdictions.compile import Context, PackError, Rule, channels_of, compile_rule, converted, duration, spoken
from jurisdictions.localtime import NEVER, PAST, starts_at
from jurisdictions.rule import Applies, Clause, Exemption, Lift
from jurisdictions.words import Words, bare, words
from vocabulary.channel import Channel, Purpose
from vocabulary.message import Question
from vocabulary.verdict import Obligation, PackUsed

#: Where the packs that come with the project stand.
PACKS: Final = Path(__file__).parent / "packs"

DIGEST_CHARS: Final = 12
#: Combinations of packs, readings and kinds of message that are kept ready.
PLANS_MAX: Final = 10_000
RULES_MAX: Final = 200
#: Sets of zones for which one plan keeps its dates ready.
ZONES_MAX: Final = 256
#: Dates for which one plan knows whether its law is in effect.
DAYS_MAX: Final = 64
FILE_BYTES_MAX: Final = 512 * 1024

_CHANNELS: Final = frozenset(channel.value for channel in Channel)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Duty:
    """A duty told with the answer, blocking nothing."""

    rule: str
    pack: str
    citation: str
    says: Mapping[str, str]
    applies: Applies
    until_notice: str | None
    told: Obligation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pack:
    """One pack as loaded. ``label`` is ``CODE@digest``, ``text`` the file as it stands."""

    code: str
    label: str
    table: written.PackTable
    rules: tuple[Rule, ...]
    duties: tuple[Duty, ...]
    calendars: Mapping[str, Calendar]
    opt_out_words: frozenset[str]
    text: str = field(repr=False)

    @property
    def binds(self) -> bool:
        """Whether its rules may block: bills and drafts never do."""
        return self.table.status == "in_force"

    def in_effect(self, day: date) -> bool:
        """Whether the pack itself is in effect on a date."""
        return self.table.effective_from <= day and (self.table.effective_to is None or day <= self.table.effective_to)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The clauses to ask about one kind of message, in the order of packs and rules, and what else comes with the packs.

    ``obligations``: its duties, as they are told while nothing has ended one. ``missing``: codes that no pack stands for.
    ``law``: packs of law that bind.
    """

    clauses: tuple[Clause, ...]
    duties: tuple[Duty, ...]
    obligations: tuple[Obligation, ...]
    labels: Mapping[str, str]
    opt_out_words: frozenset[str]
    missing: tuple[str, ...]
    law: tuple[Pack, ...]
    extra: Sequence[Rule] = ()
    #: What whoever asks keeps ready with the plan; it goes when the plan goes.
    kept: dict[tuple[object, ...], Any] = field(default_factory=dict, repr=False)
    _spans: dict[tuple[str, ...], tuple[tuple[datetime, datetime], ...]] = field(default_factory=dict, repr=False)
    _days: dict[date, bool] = field(default_factory=dict, repr=False)
    _used: dict[tuple[str, ...], tuple[PackUsed, ...]] = field(default_factory=dict, repr=False)

    def in_force(self, day: date) -> bool:
        """Whether a pack of law is in effect on a date (UTC)."""
        found = self._days.get(day)  # asked in every decision, nearly always about the same day
        if found is None:
            if len(self._days) >= DAYS_MAX:
                self._days.clear()
            found = self._days[day] = any(pack.in_effect(day) for pack in self.law)
        return found

    def used(self, packs: Mapping[str, str]) -> tuple[PackUsed, ...]:
        """The packs asked, as ``CODE@digest``, each with the fact that selected it. Their codes are those of the plan's question."""
        key = tuple(packs.values())
        used = self._used.get(key)
        if used is None:
            if len(self._used) >= ZONES_MAX:
                self._used.clear()
            used = self._used[key] = tuple(
                PackUsed(pack=self.labels.get(code, code), because=because) for code, because in packs.items()
            )
        return used

    def spans(self, zones: tuple[str, ...]) -> tuple[tuple[datetime, datetime], ...]:
        """When each clause is in force, for a person who may be in these zones, in the order of ``clauses``.

        From the first zone in which the first day begins to the last one in which the last day ends.
        """
        spans = self._spans.get(zones)
        if spans is None:
            if len(self._spans) >= ZONES_MAX:
                self._spans.clear()
            spans = self._spans[zones] = tuple(_in_force(clause, zones or ("UTC",)) for clause in self.clauses)
        return spans


def _in_force(clause: Clause, zones: tuple[str, ...]) -> tuple[datetime, datetime]:
    return (
        PAST if clause.begins is None else min(starts_at(clause.begins, name) for name in zones),
        NEVER if clause.ends is None else max(starts_at(clause.ends + timedelta(days=1), name) for name in zones),
    )


class Library:
    """All packs by code. Reading them happens in ``load``; afterwards nothing changes but a cache of plans."""

    __slots__ = ("_plans", "packs", "readings")

    def __init__(self, packs: Iterable[Pack]) -> None:
        self.packs: Mapping[str, Pack] = MappingProxyType({pack.code: pack for pack in packs})
        readings: dict[str, written.Reading] = {}
        for pack in self.packs.values():
            for name, reading in pack.table.readings.items():
                if readings.setdefault(name, reading) is not reading:
                    raise PackError(pack.code, f"readings.{name}", "another pack has a reading of that name")
        self.readings: Mapping[str, written.Reading] = MappingProxyType(readings)
        self._plans: dict[tuple[object, ...], Plan] = {}

    def reading_values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every reading with its value. Raises ValueError naming an unknown reading or value."""
        for name, value in given.items():
            if name not in self.readings:
                raise ValueError(f"no reading “{name}”; readings: {', '.join(sorted(self.readings))}")
            if value not in self.readings[name].values:
                raise ValueError(f"reading “{name}” has no value “{value}”; values: {self.readings[name].values}")
        return {name: reading.default for name, reading in self.readings.items()} | dict(given)

    def plan(
        self,
        question: Question,
        extra: Sequence[Rule] = (),
        dropped: frozenset[str] = frozenset(),
        *,
        shadow: bool = False,
    ) -> Plan:
        """What to ask about this question. ``extra``: house rules; ``dropped``: rule ids left out; ``shadow``: what never blocks.

        Raises ValueError for a reading or value that no pack knows.
        """
        message, sender, person = question.message, question.sender, question.person
        key = (
            tuple(question.packs),
            tuple(question.readings.items()),
            message.channel,
            message.form,
            message.purpose,
            message.address_kind,
            message.address_source,
            sender.role,
            sender.sector,
            person.role,
            id(extra) if extra else 0,
            dropped,
            shadow,
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = self._plans[key] = self._planned(question, extra, dropped, shadow)
        return plan

    def _planned(self, question: Question, extra: Sequence[Rule], dropped: frozenset[str], shadow: bool) -> Plan:
        values = self.reading_values(question.readings)
        packs = [self.packs[code] for code in question.packs if code in self.packs]
        rules = itertools.chain(
            ((rule, not pack.binds) for pack in packs for rule in pack.rules), ((rule, False) for rule in extra)
        )
        clauses = [
            _for_purpose(clause, question.message.purpose)
            for rule, never_blocks in rules
            if (clause := rule.under(values)) is not None
            and (never_blocks or clause.shadow) is shadow
            and clause.head.rule not in dropped
            and speaks_to(clause.applies, question)
        ]
        binding = [pack for pack in packs if pack.binds]
        duties = tuple(
            duty
            for pack in binding
            for duty in pack.duties
            if duty.rule not in dropped and speaks_to(duty.applies, question)
        )
        return Plan(
            clauses=tuple(clauses),
            duties=duties,
            obligations=tuple(duty.told for duty in duties),
            labels={pack.code: pack.label for pack in packs},
            opt_out_words=frozenset(itertools.chain.from_iterable(pack.opt_out_words for pack in packs)),
            missing=tuple(code for code in question.packs if code not in self.packs),
            law=tuple(pack for pack in binding if pack.table.kind == "jurisdiction"),
            extra=extra,  # the key names them by identity, so the plan keeps them alive
        )


#: Exemptions that only a message of this purpose can have.
_PURPOSES: Final = {
    Lift.REQUESTED_INFO: Purpose.REQUESTED_INFO,
    Lift.FRAUD_ALERT: Purpose.FRAUD_ALERT,
    Lift.OPTOUT_CONFIRMATION: Purpose.OPTOUT_CONFIRMATION,
}


def _for_purpose(clause: Clause, purpose: Purpose) -> Clause:
    unless = tuple(each for each in clause.unless if _PURPOSES.get(each.lift, purpose) is purpose)
    return clause if len(unless) == len(clause.unless) else replace(clause, unless=unless)


def speaks_to(applies: Applies, question: Question) -> bool:
    """Whether a clause speaks to this kind of message; a sector that is not known is taken to be every sector."""
    message, sender = question.message, question.sender
    return (
        (applies.channels is None or message.channel in applies.channels)
        and (applies.forms is None or message.form in applies.forms)
        and (applies.purposes is None or message.purpose in applies.purposes)
        and (applies.sender_roles is None or sender.role in applies.sender_roles)
        and (applies.sectors is None or sender.sector is None or sender.sector in applies.sectors)
        and (applies.roles is None or question.person.role in applies.roles)
        and (applies.address_kinds is None or message.address_kind in applies.address_kinds)
        and (applies.address_sources is None or message.address_source in applies.address_sources)
    )


def load(folder: Path = PACKS) -> Library:
    """Every ``*.toml`` of a folder. Raises ``PackError`` on the first pack that cannot be read, naming key and reason."""
    return Library(read(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.toml")))


def read(code: str, source: bytes, label: str | None = None) -> Pack:
    """One pack from the bytes of its file, called ``CODE@digest`` unless a ``label`` is given. Raises ``PackError``."""
    if len(source) > FILE_BYTES_MAX:
        raise PackError(code, "", f"is larger than {FILE_BYTES_MAX} bytes")
    try:
        text = source.decode()
        raw = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PackError(code, "", f"is no TOML: {error}") from error
    rules = raw.get("rules")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise PackError(code, "rules", "must be tables, [[rules]]")
    # Rules are read once for each choice of readings; only then are their values the declared types.
    table = converted({**raw, "rules": []}, written.PackTable, code, "")
    label = label or f"{code}@{hashlib.sha256(source).hexdigest()[:DIGEST_CHARS]}"
    context = context_of(code, label, table)
    if not 1 <= len(rules) <= RULES_MAX:
        raise PackError(code, "rules", f"must be 1 to {RULES_MAX}")
    ready = tuple(compile_rule(_dated(rule, table), f"rules[{number}]", context) for number, rule in enumerate(rules))
    _distinct(ready, code)
    return Pack(
        code=code,
        label=label,
        table=table,
        rules=ready,
        duties=tuple(_duty(duty, number, context) for number, duty in enumerate(table.duties)),
        calendars=context.calendars,
        opt_out_words=frozenset(bare(word) for word in table.opt_out_words),
        text=text,
    )


def _dated(rule: Mapping[str, Any], table: written.PackTable) -> Mapping[str, Any]:
    """A rule lasts no longer than its pack: dates that it leaves out are the pack's."""
    dates = {"effective_from": table.effective_from, "effective_to": table.effective_to}
    return {**{key: day for key, day in dates.items() if day is not None}, **rule}


def _distinct(rules: Sequence[Rule], code: str) -> None:
    seen: set[tuple[str, str | None]] = set()
    for rule in rules:
        name = (rule.id, rule.table.clause)
        if name in seen:
            raise PackError(code, rule.where, "an id that is used again needs a clause of its own (clause = …)")
        seen.add(name)


def context_of(code: str, label: str, table: written.PackTable) -> Context:
    """What a pack's rules may name. Raises ``PackError``."""
    for name, reading in table.readings.items():
        unknown = [value for value in (reading.default, *reading.stricter) if value not in reading.values]
        if unknown or len(set(reading.values)) < 2:
            raise PackError(
                code, f"readings.{name}", f"“{unknown[0] if unknown else reading.values}” is no choice of values"
            )
    try:
        groups = _groups(table.channels)
        calendars = {name: _calendar(name, each) for name, each in table.calendars.items()}
        lists: dict[str, Words] = {name: words(name, tuple(each)) for name, each in table.words.items()}
        exemptions = {name: _exemption(name, each, lists) for name, each in table.exemptions.items()}
    except ValueError as error:
        raise PackError(code, "", str(error)) from error
    return Context(
        code=code,
        label=label,
        groups=groups,
        calendars=calendars,
        words=lists,
        exemptions=exemptions,
        readings=table.readings,
    )


def _groups(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[Channel, ...]]:
    for name, members in table.items():
        if name in _CHANNELS or name == "all":
            raise ValueError(f"channels.{name}: a group cannot be called like a channel")
        for member in members:
            if member not in _CHANNELS:
                raise ValueError(f"channels.{name}: “{member}” is no channel; channels: {', '.join(Channel)}")
    return {name: tuple(Channel(member) for member in members) for name, members in table.items()}


def _calendar(name: str, table: written.CalendarTable) -> Calendar:
    calendar = Calendar(
        name=name,
        country=table.country,
        subdivision=table.subdivision,
        categories=tuple(table.categories),
        observed=table.observed,
        added=table.added,
        removed=frozenset(table.removed),
    )
    check(calendar)
    return calendar


def _exemption(name: str, table: written.ExemptionTable, lists: Mapping[str, Words]) -> Exemption:
    for each in table.words_not:
        if each not in lists:
            raise ValueError(
                f"exemptions.{name}: word list “{each}” is not declared; declared: {', '.join(sorted(lists))}"
            )
    return Exemption(
        name=name,
        lift=table.lift,
        words_not=tuple(lists[each] for each in table.words_not),
        purpose=table.purpose,
        within=None if table.within is None else duration(table.within),
        days_max=table.days_max,
        given_to=table.given_to,
    )


def _duty(table: written.DutyTable, number: int, context: Context) -> Duty:
    try:
        spoken(table.says)
        channels = channels_of(table.channels, context)
    except ValueError as error:
        raise PackError(context.code, f"duties[{number}] ({table.id})", str(error)) from error
    return Duty(
        rule=table.id,
        pack=context.label,
        citation=table.cite,
        says=table.says,
        applies=Applies(
            channels=channels,
            purposes=None if table.purposes is None else tuple(table.purposes),
            sender_roles=None if table.sender_roles is None else tuple(table.sender_roles),
            sectors=None if table.sectors is None else tuple(table.sectors),
            roles=None if table.roles is None else tuple(table.roles),
        ),
        until_notice=table.until_notice,
        told=Obligation(rule=table.id, pack=context.label, citation=table.cite, duty=table.says["en"]),
    )
