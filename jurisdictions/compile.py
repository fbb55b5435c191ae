"""From a rule as it is written to ready clauses, one set for every choice of the readings it depends on."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfoNotFoundError

import msgspec

from jurisdictions import written
from jurisdictions.calendars import Calendar
from jurisdictions.localtime import zone
from jurisdictions.rule import (
    ALIKE,
    SECONDS_A_DAY,
    Applies,
    Asked,
    Barred,
    Clause,
    Count,
    Counted,
    Exemption,
    Gap,
    Happening,
    Head,
    HeldBack,
    HerHours,
    Hours,
    InStatus,
    Lift,
    NeedsConsent,
    NeedsInbound,
    NeedsNotice,
    OnHoliday,
    OnRegister,
    Period,
    PlaceRefused,
    PortfolioFull,
    Predicate,
    Says,
    Since,
    Sticky,
    Stranger,
    Threshold,
    Unit,
    Window,
    Withdrawn,
)
from jurisdictions.words import Words
from vocabulary.channel import Channel, Purpose, Role
from vocabulary.event import Weekday

#: Choices of readings that one rule may depend on.
VARIANTS_MAX: Final = 64

#: In which languages a rule may speak; English always.
LANGUAGES: Final = ("en", "es", "pt")

PREDICATES: Final = ("hours", "count", "gap", "sticky", "since", "requires", "forbids", "content")

_WINDOW: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_SPAN: Final = re.compile(r"(\d+) (minutes?|hours?|days?|dates?|clear days)")
_DAYS: Final = {day.value: number for number, day in enumerate(Weekday)}
_DATE_UNITS: Final = {"date": Unit.DATES, "dates": Unit.DATES, "clear days": Unit.CLEAR_DAYS}
_SECONDS: Final = {"minute": 60, "hour": 3600, "day": SECONDS_A_DAY}

_CHANNELS: Final = frozenset(channel.value for channel in Channel)

T = TypeVar("T")


class PackError(ValueError):
    """A pack or house rule that cannot be read: which, where in it, and why."""

    def __init__(self, pack: str, where: str, why: str) -> None:
        super().__init__(f"pack {pack}, {where}: {why}" if where else f"pack {pack}: {why}")
        self.pack, self.where, self.why = pack, where, why


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Context:
    """What the rules of one pack may name."""

    code: str
    label: str
    groups: Mapping[str, tuple[Channel, ...]]
    calendars: Mapping[str, Calendar]
    words: Mapping[str, Words]
    exemptions: Mapping[str, Exemption]
    readings: Mapping[str, written.Reading]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One clause as written, under every choice of the readings it depends on; None where a choice switches it off."""

    id: str
    where: str
    table: written.RuleTable
    depends_on: tuple[str, ...]
    variants: Mapping[tuple[str, ...], Clause | None]

    def under(self, readings: Mapping[str, str]) -> Clause | None:
        """The clause under these readings (every one that it depends on must be among them)."""
        return self.variants[tuple(readings[name] for name in self.depends_on)]


def converted(raw: object, kind: type[T], pack: str, where: str) -> T:
    """A table as its declared type; an unknown key, a wrong value or a bad date raises ``PackError`` naming it."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at ")
        place = path.strip("`").removeprefix("$").removeprefix(".").strip("`")
        raise PackError(pack, f"{where}.{place}".strip(".") if place else where, why.rstrip(".")) from None


def compile_rule(raw: Mapping[str, Any], where: str, context: Context) -> Rule:
    """One rule table as ready clauses. Raises ``PackError`` with the key, the rule and the reason."""
    where = f"{where} ({raw['id']})" if isinstance(raw.get("id"), str) else where
    named = sorted({*_readings_named(raw), *(raw["only_if"] if isinstance(raw.get("only_if"), dict) else ())})
    for name in named:
        if name not in context.readings:
            raise PackError(
                context.code, where, f"reading “{name}” is not declared; declared: {_list(context.readings)}"
            )
    choices = [context.readings[name].values for name in named]
    variants: dict[tuple[str, ...], Clause | None] = {}
    table: written.RuleTable | None = None
    for chosen in itertools.islice(itertools.product(*choices), VARIANTS_MAX + 1):
        if len(variants) == VARIANTS_MAX:
            raise PackError(context.code, where, f"depends on more than {VARIANTS_MAX} choices of readings")
        values = dict(zip(named, chosen, strict=True))
        table = converted(_substituted(raw, values, where, context.code), written.RuleTable, context.code, where)
        try:
            variants[chosen] = _clause(table, values, context)
        except PackError:
            raise
        except (ValueError, KeyError) as error:
            raise PackError(context.code, where, str(error)) from error
    assert table is not None, "a product over nothing still yields once"
    return Rule(id=table.id, where=where, table=table, depends_on=tuple(named), variants=variants)


def _readings_named(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reading"), str):
            yield value["reading"]
        for inner in value.values():
            yield from _readings_named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _readings_named(inner)


def _substituted(value: object, values: Mapping[str, str], where: str, pack: str) -> object:
    if isinstance(value, dict):
        if "reading" in value:
            name, choice = value["reading"], {key: each for key, each in value.items() if key != "reading"}
            if values[name] not in choice:
                raise PackError(
                    pack, where, f"reading “{name}” has the value “{values[name]}”, which is given no meaning"
                )
            return _substituted(choice[values[name]], values, where, pack)
        return {key: _substituted(each, values, where, pack) for key, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each, values, where, pack) for each in value]
    return value


def _list(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _clause(table: written.RuleTable, values: Mapping[str, str], context: Context) -> Clause | None:
    for name, wanted in table.only_if.items():
        if wanted not in context.readings[name].values:
            raise ValueError(f"only_if: reading “{name}” has no value “{wanted}”")
    given = [name for name in PREDICATES if getattr(table, name) is not None]
    if len(given) != 1:
        raise ValueError(f"needs exactly one of {', '.join(PREDICATES)}; has {', '.join(given) or 'none'}")
    spoken(table.says)
    predicate = _PREDICATE[given[0]](table, context)
    applies = _applies(table, predicate, context)
    unless = tuple(_named(context.exemptions, name, "exemption") for name in table.unless)
    for exemption in unless:
        if exemption.lift is Lift.EXTRA_CALLS:
            raise ValueError(f"unless: “{exemption.name}” belongs under excludes of a count or a waiting time")
    if any(values[name] != wanted for name, wanted in table.only_if.items()) or predicate is None:
        return None
    return Clause(
        head=Head(
            rule=table.id,
            pack=context.label,
            code=context.code,
            force=table.force,
            citation=table.cite,
            says=table.says,
            names_hour=table.names_hour,
        ),
        applies=applies,
        predicate=predicate,
        unless=unless,
        reading=", ".join(f"{name}={value}" for name, value in values.items()) or None,
        begins=table.effective_from,
        ends=table.effective_to,
        past_due_days_max=table.past_due_days_max,
        shadow=table.status == "shadow",
    )


def spoken(says: Mapping[str, str]) -> None:
    """Raises ValueError unless a rule's sentence is there in English, and in no language that is not known."""
    unknown = [language for language in says if language not in LANGUAGES]
    if unknown or "en" not in says:
        raise ValueError(
            f"says: {f'no language “{unknown[0]}”' if unknown else 'the English sentence (en) is missing'}"
        )


def _named(among: Mapping[str, T], name: str, what: str) -> T:
    if name not in among:
        raise ValueError(f"{what} “{name}” is not declared; declared: {_list(among)}")
    return among[name]


def channels_of(names: Sequence[str] | None, context: Context) -> tuple[Channel, ...] | None:
    """Channels and the pack's own groups by name; ``all`` or nothing named is None. Raises ValueError on an unknown name."""
    if names is None or list(names) == ["all"]:
        return None
    found: list[Channel] = []
    for name in names:
        if name in context.groups:
            found.extend(context.groups[name])
        elif name in _CHANNELS:
            found.append(Channel(name))
        else:
            raise ValueError(f"“{name}” is neither a channel nor a group; groups: {_list(context.groups)}")
    return tuple(dict.fromkeys(found))


def _applies(table: written.RuleTable, predicate: Predicate | None, context: Context) -> Applies:
    forbids = table.forbids
    if table.roles is not None and table.roles_except is not None:
        raise ValueError("roles and roles_except exclude each other")
    if table.purposes is not None and table.purposes_except is not None:
        raise ValueError("purposes and purposes_except exclude each other")
    roles = table.roles if table.roles_except is None else [r for r in _ALL_ROLES if r not in table.roles_except]
    purposes = (
        table.purposes
        if table.purposes_except is None
        else [purpose for purpose in _ALL_PURPOSES if purpose not in table.purposes_except]
    )
    kinds, sources = table.address_kinds, None
    if forbids is not None and isinstance(predicate, Barred):
        roles = forbids.roles if forbids.roles is not None else roles
        kinds = forbids.address_kinds if forbids.address_kinds is not None else kinds
        sources = forbids.address_sources
    return Applies(
        channels=channels_of(table.channels, context),
        forms=_tuple(table.forms),
        purposes=_tuple(purposes),
        sender_roles=_tuple(table.sender_roles),
        sectors=_tuple(table.sectors),
        roles=_tuple(roles),
        address_kinds=_tuple(kinds),
        address_sources=_tuple(sources),
        debt_kinds=_tuple(table.debt_kinds),
        debt_kinds_except=_tuple(table.debt_kinds_except),
    )


def _tuple(values: Sequence[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)


_ALL_ROLES: Final = tuple(Role)
_ALL_PURPOSES: Final = tuple(Purpose)


# ---- predicates -------------------------------------------------------------------------------------------------------


def _hours(table: written.RuleTable, context: Context) -> Predicate:
    hours = table.hours
    assert hours is not None
    days: list[tuple[Window, ...] | None] = [() if hours.unlisted == "closed" else None] * 7
    seen: set[int] = set()
    for name, text in hours.open.items():
        for day in _days(name):
            if day in seen:
                raise ValueError(f"hours.open: a day of “{name}” is named twice")
            seen.add(day)
            days[day] = windows(text)
    if hours.holidays is not OnHoliday.IGNORED and hours.calendar is None:
        raise ValueError("hours.holidays needs a calendar")
    if hours.clock is not None:
        try:
            zone(hours.clock)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"hours.clock: “{hours.clock}” is no time zone") from error
    asked = hours.asked
    return Hours(
        days=tuple(days),
        calendar=None if hours.calendar is None else _named(context.calendars, hours.calendar, "calendar"),
        holidays=hours.holidays,
        closing_inside=hours.closing == "inside",
        clock=hours.clock,
        asked=None
        if asked is None
        else Asked(mode=asked.mode, instruments=_tuple(asked.instruments), after_contract=asked.after_contract),
    )


def _days(name: str) -> range | tuple[int, ...]:
    first, _, last = name.partition("-")
    if first not in _DAYS or (last and last not in _DAYS):
        raise ValueError(f"hours.open: “{name}” is no day; days: {', '.join(_DAYS)}, or Mon-Fri")
    if not last:
        return (_DAYS[first],)
    if _DAYS[last] <= _DAYS[first]:
        raise ValueError(f"hours.open: “{name}” runs backwards")
    return range(_DAYS[first], _DAYS[last] + 1)


def windows(text: str) -> tuple[Window, ...]:
    """``07:00-19:00`` as seconds after midnight; ``all``, ``closed``, several with a space. Raises ValueError."""
    if text == "closed":
        return ()
    if text == "all":
        return ((0, SECONDS_A_DAY),)
    found: list[Window] = []
    for piece in text.split():
        match = _WINDOW.fullmatch(piece)
        if match is None:
            raise ValueError(f"hours: “{piece}” is not like 07:00-19:00")
        a, b, c, d = (int(each) for each in match.groups())
        opens, closes = a * 3600 + b * 60, c * 3600 + d * 60
        if not opens < closes <= SECONDS_A_DAY or (found and opens < found[-1][1]):
            raise ValueError(f"hours: “{text}” is not in order")
        found.append((opens, closes))
    return tuple(found)


def _period(text: str, units: tuple[Unit, ...]) -> Period:
    period: Period | None = None
    if text == "iso week":
        period = Period(unit=Unit.ISO_WEEK, longest=timedelta(days=9))
    elif text == "calendar month":
        period = Period(unit=Unit.MONTH, longest=timedelta(days=33))
    elif match := _SPAN.fullmatch(text):
        number, unit = int(match[1]), match[2]
        if unit in _DATE_UNITS and number:
            period = Period(unit=_DATE_UNITS[unit], number=number, longest=timedelta(days=number + 3))
        elif number:
            elapsed = timedelta(seconds=number * _SECONDS[unit.removesuffix("s")])
            period = Period(unit=Unit.ELAPSED, elapsed=elapsed, longest=elapsed + timedelta(seconds=1))
    if period is None or period.unit not in units:
        raise ValueError(f"period “{text}” is not one of: 7 dates, iso week, calendar month, 168 hours, 2 clear days")
    return period


def duration(text: str) -> timedelta:
    """``5 minutes`` or ``24 hours`` as elapsed time. Raises ValueError."""
    return _period(text, (Unit.ELAPSED,)).elapsed


_COUNT_UNITS: Final = (Unit.DATES, Unit.ISO_WEEK, Unit.MONTH, Unit.ELAPSED)


def _of(table: written.RuleTable, of: Sequence[str] | None, context: Context) -> tuple[Channel, ...] | None:
    return channels_of(of if of is not None else table.channels, context)


def _count(table: written.RuleTable, context: Context) -> Predicate:
    count = table.count
    assert count is not None
    what = Counted(
        channels=_of(table, count.of, context),
        threshold=count.counts,
        keys=tuple(count.by),
        pool=_tuple(count.pool),
        purposes_except=tuple(count.purposes_except),
        places=_tuple(count.places),
        answers=count.answers,
        after_conversation=count.after_conversation,
        extra_calls=_extra_calls(count.excludes, context),
    )
    return Count(what=what, limit=count.limit, period=_period(count.period, _COUNT_UNITS))


def _extra_calls(name: str | None, context: Context) -> Exemption | None:
    if name is None:
        return None
    found = _named(context.exemptions, name, "exemption")
    if found.lift is not Lift.EXTRA_CALLS:
        raise ValueError(f"excludes: “{name}” is no consent to more calls")
    return found


def _gap(table: written.RuleTable, context: Context) -> Predicate | None:
    gap = table.gap
    assert gap is not None
    if gap.period == "none":
        return None
    what = Counted(
        channels=_of(table, gap.of, context),
        threshold=gap.counts,
        keys=tuple(gap.by),
        purposes_except=tuple(gap.purposes_except),
        answers=gap.answers,
    )
    return Gap(what=what, period=_period(gap.period, (Unit.ELAPSED, Unit.CLEAR_DAYS, Unit.DATES)))


def _sticky(table: written.RuleTable, context: Context) -> Predicate:
    sticky = table.sticky
    assert sticky is not None
    what = Counted(
        channels=_of(table, sticky.of, context),
        threshold=sticky.counts,
        keys=tuple(sticky.by),
        purposes_except=tuple(sticky.purposes_except),
    )
    return Sticky(what=what, period=_period(sticky.period, _COUNT_UNITS))


def _since(table: written.RuleTable, context: Context) -> Predicate:
    since = table.since
    assert since is not None
    needed = {Happening.STATUS: since.status, Happening.NOTICE: since.notice, Happening.CONVERSATION: True}[since.event]
    if needed is None:
        raise ValueError(f"since: the event “{since.event}” needs its kind ({since.event} = …)")
    what = Counted(
        channels=_of(table, since.of, context),
        threshold=Threshold.CONVERSATION,
        keys=tuple(since.by),
        extra_calls=_extra_calls(since.excludes, context),
    )
    return Since(
        happening=since.event,
        days=since.days,
        what=what if since.event is Happening.CONVERSATION else None,
        status=since.status,
        kinds_except=tuple(since.kinds_except),
        of_anyone=since.of_anyone,
        notice=since.notice,
    )


def _requires(table: written.RuleTable, context: Context) -> Predicate:
    needs = table.requires
    assert needs is not None
    if sum(need is not None for need in (needs.consent, needs.notice, needs.inbound)) != 1:
        raise ValueError("requires needs exactly one of consent, notice, inbound")
    if needs.notice is not None:
        return NeedsNotice(notice=needs.notice.notice, channels=channels_of(needs.notice.channels, context))
    if needs.inbound is not None:
        within = needs.inbound.within
        return NeedsInbound(within=None if within is None else duration(within))
    consent = needs.consent
    assert consent is not None
    return NeedsConsent(
        profile=consent.profile,
        purpose=consent.purpose,
        instruments=_tuple(consent.instruments),
        given_to=consent.given_to,
        asked_first=consent.asked_first,
    )


def _forbids(table: written.RuleTable, context: Context) -> Predicate:
    bans = table.forbids
    assert bans is not None
    found: list[Predicate] = []
    if bans.always:
        found.append(Barred(because="channel" if table.channels else "message"))
    if bans.roles is not None:
        found.append(Barred(because="role"))
    if bans.address_kinds is not None:
        found.append(Barred(because="address_kind"))
    if bans.address_sources is not None:
        found.append(Barred(because="address_source"))
    if bans.status is not None:
        status = bans.status
        found.append(
            InStatus(
                status=status.status,
                kinds=_tuple(status.kinds),
                of_anyone=status.of_anyone,
                notice=status.notice,
                notice_days=status.notice_days,
                receipt_days=status.receipt_days,
                calendar=None if status.calendar is None else _named(context.calendars, status.calendar, "calendar"),
            )
        )
    if bans.register is not None:
        register = bans.register
        found.append(
            OnRegister(
                registers=tuple(name.casefold() for name in register.names),
                delay_days=register.delay_days,
                delay_working_days=register.delay_working_days,
                calendar=None
                if register.calendar is None
                else _named(context.calendars, register.calendar, "calendar"),
                age_days_max=register.age_days_max,
                until_consent=register.until_consent,
            )
        )
        if register.delay_working_days and register.calendar is None:
            raise ValueError("register.delay_working_days needs a calendar")
    if bans.withdrawn:
        found.append(Withdrawn(lifted_by_creditor=bans.creditor_may_restore))
    if bans.inconvenient_place:
        found.append(PlaceRefused())
    if bans.inconvenient_time:
        found.append(HerHours())
    if bans.stranger:
        found.append(Stranger())
    if bans.held:
        found.append(HeldBack())
    if bans.portfolio is not None:
        people_in, wrote_within = duration(bans.portfolio.people_in), duration(bans.portfolio.wrote_within)
        found.append(PortfolioFull(people_in=people_in, wrote_within=wrote_within))
    if len(found) != 1:
        raise ValueError("forbids needs exactly one ban")
    return found[0]


def _content(table: written.RuleTable, context: Context) -> Predicate:
    content = table.content
    assert content is not None
    says = Says(
        never=tuple(_named(context.words, name, "word list") for name in content.never),
        always=tuple(_named(context.words, name, "word list") for name in content.always),
        opt_out_notice=content.opt_out_notice,
        states=tuple(content.states),
        first_by=_tuple(content.first_by),
        caller_visible=content.caller_visible,
        registered_template=content.registered_template,
    )
    if not (says.never or says.always or says.opt_out_notice or says.states or says.caller_visible) and not (
        says.registered_template
    ):
        raise ValueError("content asks for nothing")
    if says.opt_out_notice and not says.always:
        raise ValueError("content.opt_out_notice needs the words by which it is known (always)")
    return says


_PREDICATE: Final = {
    "hours": _hours,
    "count": _count,
    "gap": _gap,
    "sticky": _sticky,
    "since": _since,
    "requires": _requires,
    "forbids": _forbids,
    "content": _content,
}

assert set(_PREDICATE) == set(PREDICATES)
assert set(ALIKE) == set(Channel)
