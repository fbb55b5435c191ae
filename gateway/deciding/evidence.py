"""What a rule looked at, in words: its limit, the edges of the time that it counts in, its hours, and the events themselves.

Channels, instants and outcomes; never an address, a text or a person.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from consent import standing
from consent.standing import Word
from gateway.deciding.asking import Asked
from gateway.deciding.wording import name, part, weekday
from jurisdictions.facts import Facts
from jurisdictions.localtime import NEVER, PAST, dated, local_date, starts_at, zone
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

_DAY: Final = timedelta(days=1)


def limit(clause: Clause, language: str) -> str | None:
    """What a counting rule allows; None for the others, whose own words say it."""
    say = partial(part, language=language)
    match clause.predicate:
        case Count(limit=number, period=period):
            return say("at_most", number=number, period=_length(period, language))
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


def spans(clause: Clause, facts: Facts, language: str) -> Iterator[str]:
    """From when to when a contact counts today, on the clock of each zone."""
    match clause.predicate:
        case Count(period=period) | Gap(period=period) | Sticky(period=period):
            pass
        case Since(days=days):
            period = Period(unit=Unit.DATES, number=days)
        case _:
            return
    for there in facts.zones:
        begins, ends = edges(period, facts.now, there)
        yield part("from_to", language, begins=when(begins, there, language), ends=when(ends, there, language))


def edges(period: Period, now: datetime, there: str) -> tuple[datetime, datetime]:
    """From when to when a contact counts that is made now, on the clock of a zone."""
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


def windows(each: Asked, facts: Facts, language: str) -> Iterator[str]:
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


def counted(clause: Clause, facts: Facts, language: str) -> Iterator[str]:
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
                    yield part("inbound_call", language, when=when(at, home(facts), language))
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
            when="" if profile else when(found.at, home(facts), language),
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
        yield part("reply", language, channel=channel, when=when(at, home(facts), language))


def _event(at: datetime, contact: Contacted, debt: str | None, facts: Facts, language: str) -> str:
    text = part(
        "event",
        language,
        channel=name("channel", contact.channel, language),
        when=when(at, home(facts), language),
        outcome=name("outcome", contact.outcome, language),
    )
    if debt is not None:
        text += part("debt", language, debt=debt)
    if contact.person != facts.question.person.person:
        text += part("somebody", language, role=name("role", contact.role, language))
    return text


def _notice(kind: str, at: datetime, facts: Facts, language: str) -> str:
    return part("notice", language, notice=name("notice", kind, language), when=when(at, home(facts), language))


def _status(kind: str, at: datetime, facts: Facts, language: str) -> str:
    return part("status", language, status=name("status", kind, language), when=when(at, home(facts), language))


def _debts(what: Counted, facts: Facts) -> Sequence[str | None]:
    debts = facts.question.message.debts if Key.DEBT in what.keys else ()
    return debts or (None,)


def home(facts: Facts) -> str | None:
    """The zone in which instants are told: her first one."""
    return facts.zones[0] if facts.zones else None


def when(at: datetime, zone_name: str | None, language: str) -> str:
    """``2026-03-10 09:00 America/Bogota (Tuesday)``: the date as every reader of every country reads it."""
    there = zone_name or "UTC"
    if not PAST + _DAY < at < NEVER - _DAY:
        return "-"
    seconds = at.astimezone(zone(there)).strftime(":%S") if at.second else ""
    day, clock, place = dated(at, there).split(" ", 2)
    return f"{day} {clock}{seconds} {place} ({weekday(at, there, language)})"
