"""An answer in sentences that a person in compliance can file: every rule asked, what was counted, and when it lets go.

The sentences name channels, instants and outcomes, never an address, a text or a person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from consent import exemption, standing
from consent.standing import Word
from gateway.decide import Asked, asked_of, decide, observed, override_of, shadow
from gateway.wording import frame, name, part, told, weekday
from jurisdictions.facts import Facts
from jurisdictions.house import Policy
from jurisdictions.library import Library
from jurisdictions.localtime import NEVER, PAST, dated, local_date, starts_at, where_she_is, zone
from jurisdictions.rule import (
    ALIKE,
    SECONDS_A_DAY,
    Clause,
    Count,
    Counted,
    Gap,
    Happening,
    Hours,
    InStatus,
    Key,
    NeedsConsent,
    NeedsInbound,
    NeedsNotice,
    Period,
    Since,
    Sticky,
    Unit,
)
from throttling import frequency
from vocabulary.event import Contacted, ContactOutcome
from vocabulary.message import Question
from vocabulary.verdict import Answer, Force, Verdict

_DAY: Final = timedelta(days=1)


class Stand(StrEnum):
    """What a rule does to the message: the names of the sentences that say so."""

    BLOCKS = "blocks"
    PASSES = "passes"
    EXEMPT = "exempt"
    SET_ASIDE = "set_aside"
    NOT_IN_FORCE = "not_in_force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule that was asked, its words in the language of the explanation.

    ``counted``: the events that it counts or rests on; ``spans``: the edges of the time in which it counts; ``windows``: the
    hours that it keeps on this day. ``why``: what exempts the message, who set the rule aside, or when it is in force.
    ``until``: the first instant at which this rule alone lets the message pass, None where it names none.
    """

    rule: str
    pack: str
    force: Force
    citation: str
    says: str
    stand: Stand
    why: str | None
    blocks: bool
    observed: str | None
    limit: str | None
    counts: bool
    counted: tuple[str, ...]
    spans: tuple[str, ...]
    windows: tuple[str, ...]
    reading: str | None
    until: datetime | None
    names_hour: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A rule that is not asked like the others: a duty, what is in shadow, and the gateway's own refusals."""

    rule: str
    pack: str
    force: Force | None
    citation: str
    says: str
    observed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer, and every rule that was asked for it in the order of packs and rules. ``asked_for``: about which instant."""

    language: str
    verdict: Verdict
    asked_for: datetime
    channel: str
    purpose: str
    role: str
    zones: tuple[str, ...]
    lines: tuple[Line, ...]
    own: tuple[Told, ...] = ()
    duties: tuple[Told, ...] = ()
    shadow: tuple[Told, ...] = ()


def explain(
    question: Question,
    law: Library,
    policy: Policy | None = None,
    language: str = "en",
    verdict: Verdict | None = None,
) -> Explanation:
    """Why the answer is what it is, in ``en``, ``es`` or ``pt``.

    ``verdict``: the answer that was given, where the gateway added rules of its own; else the law is asked here.
    Raises ValueError for a reading that no pack knows.
    """
    verdict = verdict or decide(question, law, policy)
    known = tuple(each for each in question.person.zones if _is_zone(each))
    question = replace(question, person=replace(question.person, zones=known))
    facts, asked = asked_of(question, law, policy)
    lines = tuple(_line(each, facts, policy, language) for each in asked)
    speaks = _Says(law, language)
    named = {(line.pack, line.rule) for line in lines}
    return Explanation(
        language=language,
        verdict=verdict,
        asked_for=question.now,
        channel=question.message.channel,
        purpose=question.message.purpose,
        role=question.person.role,
        zones=known,
        lines=lines,
        own=tuple(
            Told(
                rule=reason.rule,
                pack=reason.pack,
                force=reason.force,
                citation=told(reason.citation, language),
                says=told(reason.limit, language),
                observed=told(reason.observed, language),
            )
            for reason in verdict.reasons
            if (reason.pack, reason.rule) not in named
        ),
        duties=tuple(
            Told(
                rule=duty.rule,
                pack=duty.pack,
                force=None,
                citation=duty.citation,
                says=speaks.again(duty.pack, duty.duty),
            )
            for duty in verdict.obligations
        ),
        shadow=tuple(
            Told(
                rule=reason.rule,
                pack=reason.pack,
                force=reason.force,
                citation=reason.citation,
                says=speaks.again(reason.pack, reason.limit),
            )
            for reason in shadow(question, law, policy)
        ),
    )


class _Says:
    """What a rule or duty that is known by its English words says in another language."""

    def __init__(self, law: Library, language: str) -> None:
        self._law, self._language = law, language

    def again(self, label: str, english: str) -> str:
        pack = self._law.packs.get(label.partition("@")[0])
        if pack is None or self._language == "en":
            return english
        spoken = [rule.table.says for rule in pack.rules] + [duty.says for duty in pack.duties]
        return next((says.get(self._language, english) for says in spoken if says["en"] == english), english)


def _is_zone(zone_name: str) -> bool:
    try:
        zone(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


# ---- one rule ---------------------------------------------------------------------------------------------------------


def _line(each: Asked, facts: Facts, policy: Policy | None, language: str) -> Line:
    clause, head = each.clause, each.clause.head
    opens = each.after(facts.now)
    blocks = opens > facts.now
    home = _home(facts)
    stand, why = (Stand.BLOCKS, None) if blocks else _stand(clause, facts, policy, language)
    asks = stand in (Stand.BLOCKS, Stand.PASSES)
    return Line(
        rule=head.rule,
        pack=head.pack,
        force=head.force,
        citation=head.citation,
        says=head.says.get(language, head.says["en"]),
        stand=stand,
        why=why,
        blocks=blocks,
        observed=_observed(each, facts, language) if blocks else None,
        limit=_limit(clause, language) if asks else None,
        counts=asks and isinstance(clause.predicate, Count | Gap | Sticky),
        counted=tuple(_counted(clause, facts, language)) if asks else (),
        spans=tuple(_spans(clause, facts, language)) if asks else (),
        windows=tuple(_windows(each, facts, language)),
        reading=clause.reading,
        until=where_she_is(opens, home) if blocks and opens < NEVER and head.names_hour else None,
        names_hour=head.names_hour or opens == NEVER,
    )


def _stand(clause: Clause, facts: Facts, policy: Policy | None, language: str) -> tuple[Stand, str | None]:
    """What a rule that does not block does instead."""
    begins, ends = _in_force(clause, facts)
    if not begins <= facts.now < ends:
        dates = [("begins", clause.begins), ("ends", clause.ends)]
        return Stand.NOT_IN_FORCE, ", ".join(part(word, language, day=day) for word, day in dates if day is not None)
    if policy is not None and policy.overridden.get(clause.head.rule, PAST) > facts.now:
        authority, reason = override_of(policy, clause.head.rule)
        return Stand.SET_ASIDE, frame("authority", language, authority=authority, reason=reason.rstrip("."))
    for each in clause.unless:
        if exemption.lifted_until(each, facts) > facts.now:
            return Stand.EXEMPT, name("lift", each.lift, language)
    return Stand.PASSES, None


def _in_force(clause: Clause, facts: Facts) -> tuple[datetime, datetime]:
    names = facts.zones or ("UTC",)
    return (
        PAST if clause.begins is None else min(starts_at(clause.begins, each) for each in names),
        NEVER if clause.ends is None else max(starts_at(clause.ends + _DAY, each) for each in names),
    )


def _observed(each: Asked, facts: Facts, language: str) -> str:
    if each.clock is None:
        return told(observed(each, facts), language)
    predicate = each.clause.predicate
    table = predicate if isinstance(predicate, Hours) else None
    names = (table.clock,) if table is not None and table.clock is not None else facts.zones
    seen = []
    for there in names:
        at = facts.now.astimezone(zone(there))
        calendar = table.calendar if table is not None else None
        holiday = calendar.holiday(at.date()) if calendar is not None else None
        clock = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
        seen.append(
            f"{weekday(facts.now, there, language)} {clock} {there}" + (f" ({holiday})" if holiday is not None else "")
        )
    return ", ".join(seen)


def _limit(clause: Clause, language: str) -> str | None:
    say = partial(part, language=language)
    match clause.predicate:
        case Count(limit=limit, period=period):
            return say("at_most", number=limit, period=_length(period, language))
        case Gap(period=period):
            return say("apart", period=_length(period, language))
        case Sticky(period=period):
            return say("one_channel", period=_length(period, language))
        case Since(days=days):
            return say("wait", number=days)
        case _:
            return None


def _length(period: Period, language: str) -> str:
    say = partial(part, language=language)
    match period.unit:
        case Unit.DATES:
            return say("date") if period.number == 1 else say("dates", number=period.number)
        case Unit.ISO_WEEK:
            return say("iso_week")
        case Unit.MONTH:
            return say("month")
        case Unit.CLEAR_DAYS:
            return say("clear_days", number=period.number)
        case Unit.ELAPSED:
            minutes = int(period.elapsed.total_seconds() // 60)
            return say("minutes", number=minutes) if minutes % 60 else say("hours", number=minutes // 60)


# ---- the edges of the time that counts --------------------------------------------------------------------------------


def _spans(clause: Clause, facts: Facts, language: str) -> Iterator[str]:
    """From when to when a contact counts today, on the clock of each zone."""
    match clause.predicate:
        case Count(period=period) | Gap(period=period) | Sticky(period=period):
            pass
        case Since(days=days):
            period = Period(unit=Unit.DATES, number=days)
        case _:
            return
    for there in facts.zones:
        begins, ends = _edges(period, facts.now, there)
        yield part("from_to", language, begins=when(begins, there, language), ends=when(ends, there, language))


def _edges(period: Period, now: datetime, there: str) -> tuple[datetime, datetime]:
    if period.unit is Unit.ELAPSED:
        return now - period.elapsed, now
    today = local_date(now, there)
    first, after = today, today + _DAY
    match period.unit:
        case Unit.DATES:
            first = today - _DAY * (period.number - 1)
        case Unit.CLEAR_DAYS:
            first = today - _DAY * period.number
        case Unit.ISO_WEEK:
            first = today - _DAY * today.weekday()
            after = first + 7 * _DAY
        case Unit.MONTH:
            first = today.replace(day=1)
            after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return starts_at(first, there), starts_at(after, there)


def _windows(each: Asked, facts: Facts, language: str) -> Iterator[str]:
    """The hours of this day in each zone."""
    predicate = each.clause.predicate
    if each.clock is None:
        return
    fixed = predicate.clock if isinstance(predicate, Hours) else None
    for there in (fixed,) if fixed is not None else facts.zones:
        day = local_date(facts.now, there)
        found = each.clock.alone(there).windows(day, there)
        spans = [f"{opens.astimezone(zone(there)):%H:%M}-{_closing(closes, there)}" for opens, closes in found]
        if sum(((closes - opens) for opens, closes in found), timedelta()).total_seconds() >= SECONDS_A_DAY:
            spans = [part("unlimited", language)]
        yield f"{weekday(facts.now, there, language)} {day} {there} {' '.join(spans) or part('closed', language)}"


def _closing(closes: datetime, there: str) -> str:
    at = closes.astimezone(zone(there))
    return "24:00" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}"


# ---- what was counted -------------------------------------------------------------------------------------------------


def _counted(clause: Clause, facts: Facts, language: str) -> Iterator[str]:
    """The events that a rule counts, or on which it rests, oldest first."""
    match clause.predicate:
        case Count(what=what, period=period) | Gap(what=what, period=period) | Sticky(what=what, period=period):
            yield from _in_period(what, period, facts, language)
        case Since() as since:
            yield from _since(since, facts, language)
        case NeedsConsent() as needs:
            yield from _consent(needs, facts, language)
        case NeedsNotice(notice=kind):
            for at, notice in facts.notices:
                if notice.notice is kind and notice.person == facts.question.person.person:
                    yield _notice(kind, at, facts, language)
        case NeedsInbound():
            yield from _her_messages(facts, language)
        case InStatus(status=kind) as rule:
            since_when = standing.in_status(facts, kind, kinds=rule.kinds, of_anyone=rule.of_anyone)
            if since_when is not None:
                yield _status(kind, since_when, facts, language)
        case _:
            return


def _in_period(what: Counted, period: Period, facts: Facts, language: str) -> Iterator[str]:
    calls = what.extra_calls
    allowed = standing.extra_calls(calls, facts) if calls is not None and facts.consents else {}
    for debt in _debts(what, facts):
        for at, contact in frequency.counted(what, facts, debt, longest=period.longest, allowed=allowed):
            if frequency.lets_go(at, period, facts.zones) > facts.now:
                yield _event(at, contact, debt, facts, language)


def _since(rule: Since, facts: Facts, language: str) -> Iterator[str]:
    person = facts.question.person.person
    period = Period(unit=Unit.DATES, number=rule.days)

    def counts(at: datetime) -> bool:
        return at <= facts.now < frequency.lets_go(at, period, facts.zones)

    match rule.happening:
        case Happening.CONVERSATION:
            assert rule.what is not None
            for debt in _debts(rule.what, facts):
                for at, contact in frequency.counted(rule.what, facts, debt, longest=_DAY * (rule.days + 3)):
                    if contact.outcome is ContactOutcome.CONVERSATION and counts(at):
                        yield _event(at, contact, debt, facts, language)
            for at, call in facts.calls:
                if call.person == person and call.outcome is ContactOutcome.CONVERSATION and counts(at):
                    yield part("inbound_call", language, when=when(at, _home(facts), language))
        case Happening.STATUS:
            for at, status in facts.statuses:
                if status.status is rule.status and (status.person == person or rule.of_anyone) and counts(at):
                    yield _status(status.status, at, facts, language)
        case Happening.NOTICE:
            for at, notice in facts.notices:
                if notice.notice is rule.notice and notice.person == person and counts(at):
                    yield _notice(notice.notice, at, facts, language)


def _consent(rule: NeedsConsent, facts: Facts, language: str) -> Iterator[str]:
    found = standing.last_word(
        facts,
        purpose=rule.purpose,
        profile=rule.profile,
        instruments=rule.instruments,
        given_to=rule.given_to,
    )
    if found.word is Word.YES:
        profile = found.at == PAST
        yield part(
            "consent_profile" if profile else "consent",
            language,
            when="" if profile else when(found.at, _home(facts), language),
        )


def _her_messages(facts: Facts, language: str) -> Iterator[str]:
    question = facts.question
    wrote = [
        (at, reply)
        for at, reply in facts.replies
        if reply.person == question.person.person and reply.channel in ALIKE[question.message.channel]
    ]
    if wrote:
        at, reply = wrote[-1]
        channel = name("channel", reply.channel, language)
        yield part("reply", language, channel=channel, when=when(at, _home(facts), language))


def _event(at: datetime, contact: Contacted, debt: str | None, facts: Facts, language: str) -> str:
    text = part(
        "event",
        language,
        channel=name("channel", contact.channel, language),
        when=when(at, _home(facts), language),
        outcome=name("outcome", contact.outcome, language),
    )
    if debt is not None:
        text += part("debt", language, debt=debt)
    if contact.person != facts.question.person.person:
        text += part("somebody", language, role=name("role", contact.role, language))
    return text


def _notice(kind: str, at: datetime, facts: Facts, language: str) -> str:
    return part("notice", language, notice=name("notice", kind, language), when=when(at, _home(facts), language))


def _status(kind: str, at: datetime, facts: Facts, language: str) -> str:
    return part("status", language, status=name("status", kind, language), when=when(at, _home(facts), language))


def _debts(what: Counted, facts: Facts) -> Sequence[str | None]:
    debts = facts.question.message.debts if Key.DEBT in what.keys else ()
    return debts or (None,)


def _home(facts: Facts) -> str | None:
    return facts.zones[0] if facts.zones else None


def when(at: datetime, zone_name: str | None, language: str) -> str:
    """``2026-03-10 09:00 America/Bogota (Tuesday)``: the date as every reader of every country reads it."""
    there = zone_name or "UTC"
    if not PAST + _DAY < at < NEVER - _DAY:
        return "-"
    seconds = at.astimezone(zone(there)).strftime(":%S") if at.second else ""
    day, clock, place = dated(at, there).split(" ", 2)
    return f"{day} {clock}{seconds} {place} ({weekday(at, there, language)})"


def _exactly(at: datetime, zones: Sequence[str], language: str) -> str:
    """An instant as the decision itself writes it, with its weekday."""
    there = zones[0] if zones else "UTC"
    return f"{where_she_is(at, there).isoformat()} ({weekday(at, there, language)})"


# ---- sentences --------------------------------------------------------------------------------------------------------


def sentences(explanation: Explanation) -> Iterator[str]:
    """The explanation as complete sentences: the question, the answer, then what each rule said and why."""
    language, verdict = explanation.language, explanation.verdict
    say = partial(frame, language=language)
    zones = explanation.zones
    yield say(
        "asked",
        when=when(verdict.decided_at, zones[0] if zones else None, language),
        channel=name("channel", explanation.channel, language),
        purpose=name("purpose", explanation.purpose, language),
        role=name("role", explanation.role, language),
    )
    if explanation.asked_for != verdict.decided_at:
        yield say("asked_for", when=when(explanation.asked_for, zones[0] if zones else None, language))
    if zones:
        yield say("zones", zones=", ".join(zones))
    for used in verdict.packs:
        yield say("pack", pack=used.pack, because=told(used.because, language))
    if not verdict.packs:
        yield say("no_pack")
    if verdict.answer is Answer.DEFER and verdict.until is not None:
        yield say("defer", until=_exactly(verdict.until, zones, language))
    else:
        yield say("defer_open" if verdict.answer is Answer.DEFER else verdict.answer.value)
    for own in explanation.own:
        yield from _of_our_own(own, language)
    for line in explanation.lines:
        yield from _of_line(line, zones, language)
    for duty in explanation.duties:
        yield say("duty", rule=duty.rule, citation=duty.citation, pack=duty.pack, says=duty.says.rstrip("."))
    for other in explanation.shadow:
        yield say("shadow", rule=other.rule, citation=other.citation, pack=other.pack, says=other.says.rstrip("."))


def _of_our_own(own: Told, language: str) -> Iterator[str]:
    yield frame(
        "blocks",
        language,
        rule=own.rule,
        citation=own.citation,
        force=name("force", own.force or Force.HOUSE, language),
        pack=own.pack,
        says=own.says.rstrip("."),
    )
    if own.observed:
        yield frame("seen", language, rule=own.rule, observed=own.observed)


def _of_line(line: Line, zones: Sequence[str], language: str) -> Iterator[str]:
    say = partial(frame, language=language, rule=line.rule)
    yield say(
        line.stand.value,
        citation=line.citation,
        force=name("force", line.force, language),
        pack=line.pack,
        says=line.says.rstrip("."),
        why=line.why,
    ).rstrip()
    if line.reading is not None:
        yield say("reading", reading=line.reading)
    if line.windows:
        yield say("hours", windows=", ".join(line.windows))
    if line.limit is not None:
        yield say("limit", limit=line.limit)
    for span in line.spans:
        yield say("span", span=span)
    if line.counted:
        yield say("counted" if line.counts else "rests", events="; ".join(line.counted))
    elif line.counts:
        yield say("counted_none")
    if line.observed:
        yield say("seen", observed=line.observed)
    if line.blocks:
        if line.until is not None:
            yield say("until", until=_exactly(line.until, zones, language))
        else:
            yield say("never" if line.names_hour else "no_hour")
