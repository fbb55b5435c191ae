"""An answer in sentences that a person in compliance can file: every rule asked, what was counted, and when it lets go.

The sentences name channels, instants and outcomes, never an address, a text or a person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from consent import exemption
from gateway.deciding import evidence
from gateway.deciding.asking import Asked
from gateway.deciding.decide import asked_of, decide, observed, override_of, shadow
from gateway.deciding.wording import frame, name, part, told, weekday
from jurisdictions.facts import Facts
from jurisdictions.house import Policy
from jurisdictions.library import Library
from jurisdictions.localtime import NEVER, PAST, starts_at, where_she_is, zone
from jurisdictions.rule import (
    Clause,
    Count,
    Gap,
    Hours,
    Sticky,
)
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
    home = evidence.home(facts)
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
        limit=evidence.limit(clause, language) if asks else None,
        counts=asks and isinstance(clause.predicate, Count | Gap | Sticky),
        counted=tuple(evidence.counted(clause, facts, language)) if asks else (),
        spans=tuple(evidence.spans(clause, facts, language)) if asks else (),
        windows=tuple(evidence.windows(each, facts, language)),
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
        when=evidence.when(verdict.decided_at, zones[0] if zones else None, language),
        channel=name("channel", explanation.channel, language),
        purpose=name("purpose", explanation.purpose, language),
        role=name("role", explanation.role, language),
    )
    if explanation.asked_for != verdict.decided_at:
        yield say("asked_for", when=evidence.when(explanation.asked_for, zones[0] if zones else None, language))
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
