"""The decision: every rule asked, the strictest answer, and the earliest instant that satisfies all of them together.

Pure: the same question under the same packs has the same answer, whenever and wherever it is asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from gateway.deciding.asking import Asked, Asks, asked_all, asked_now, asked_one, open_throughout
from jurisdictions.built_in import HOUSE
from jurisdictions.calendars import Calendar
from jurisdictions.facts import Facts, facts_of
from jurisdictions.house import Policy
from jurisdictions.library import Library, Plan
from jurisdictions.localtime import HORIZON, NEVER, PAST, local_date, shown, where_she_is, zone
from jurisdictions.rule import Clause, Hours
from vocabulary.event import Contacted, NoticeGiven
from vocabulary.message import Question
from vocabulary.verdict import Answer, Force, Obligation, Reason, SetAside, Verdict

_ALLOW: Final = Answer.ALLOW
_DENY: Final = Answer.DENY
NO_ZONE: Final = "HOUSE-NOZONE"
NO_PACK: Final = "HOUSE-NOPACK"


def decide(question: Question, law: Library, policy: Policy | None = None) -> Verdict:
    """Whether this message may go now; if not, every rule that blocks it, and when it may.

    ``policy``: a tenant's readings, house rules and overrides. Raises ValueError for a reading that no pack knows.
    """
    if policy is None:
        return _decided(question, law.plan(question), None)
    question = _under(question, policy)
    verdict = _decided(question, law.plan(question, policy.asked or policy.rules), policy)
    if verdict.answer is not _DENY:
        kept = policy.keeping(question.history)
        if kept is not None:
            return _decided(question, law.plan(question, kept), policy)
    return verdict


def _decided(question: Question, plan: Plan, policy: Policy | None) -> Verdict:
    facts = Facts(question, plan.opt_out_words)
    asked, suspects, house, alike = _ask(plan, facts, policy)
    packs = plan.used(question.packs)
    if alike is not None:
        # Nothing was found but hours that everybody keeps in these zones: what is said hangs on the instant and the packs alone, and
        # whoever is decided in the same transaction is told the same. It is kept from the second one on: most are alone.
        if alike.at is not question.now:
            alike.at, alike.told, alike = question.now, None, None
        elif alike.told is not None and alike.told[0] is packs:
            return alike.told[1]
    now = facts.now
    blocking = [each for each in suspects if each.blocks(now)]
    duties = _duties(plan, facts) if plan.duties else ()
    set_aside = _set_aside(plan, facts, policy) if policy is not None and policy.overridden else ()
    if not blocking and not house:
        verdict = Verdict(answer=_ALLOW, decided_at=question.now, packs=packs, obligations=duties, set_aside=set_aside)
        if alike is not None:
            alike.told = packs, verdict
        return verdict
    opens, last = _fixpoint(asked, now)
    unnamed = any(not each.clause.head.names_hour for each in last)
    reasons = house + _reasons(blocking, asked, facts, opens, last)
    if house or opens is None:
        answer, until = _DENY, None
        # What makes waiting useless may begin to block only later.
        reasons += _reasons([each for each in last if each not in blocking], asked, facts) if not house else ()
    else:
        answer, until = Answer.DEFER, None if unnamed else where_she_is(opens, _home(facts))
    verdict = Verdict(
        answer=answer,
        decided_at=question.now,
        until=until,
        packs=packs,
        reasons=reasons,
        obligations=duties,
        set_aside=set_aside,
    )
    if alike is not None:
        alike.told = packs, verdict
    return verdict


def open_until(question: Question, law: Library, horizon: timedelta, policy: Policy | None = None) -> datetime | None:
    """The first instant after now at which hours or inconvenient times would begin to block; None when none within ``horizon``."""
    return open_around(question, law, timedelta(), horizon, policy)[1]


def open_around(
    question: Question, law: Library, before: timedelta, horizon: timedelta, policy: Policy | None = None
) -> tuple[datetime | None, datetime | None]:
    """When hours or inconvenient times ceased to block, and when they begin to.

    The first is None when all were open ``before`` now already, the second when none shuts within ``horizon``.
    """
    question = _under(question, policy)
    plan = _plan(question, law, policy)
    facts = facts_of(question, plan.opt_out_words)
    first, last = facts.now - before, facts.now + horizon
    if open_throughout(plan, facts, policy, first, last):
        return None, None  # as nearly always in the middle of a day
    opened: list[datetime] = []
    shuts: list[datetime] = []
    for each in asked_all(plan, facts, policy):
        if each.clock is not None and each.begins <= last:
            since = max(first, each.begins)
            opens = each.clock.next_open(since)
            if since < opens <= facts.now:
                opened.append(opens)
            shut = each.clock.next_shut(max(facts.now, each.begins), min(last, each.ends))
            if shut is not None and shut < each.ends:
                shuts.append(shut)
    return max(opened, default=None), min(shuts, default=None)


def taken_late(question: Question) -> Question:
    """The same question with every contact that may still arrive taken at the last instant at which it can."""
    if not any(type(event) is Contacted and event.latest is not None for event in question.history):
        return question
    return replace(
        question,
        history=tuple(
            replace(event, at=event.latest, latest=None)
            if type(event) is Contacted and event.latest is not None and event.latest > event.at
            else event
            for event in question.history
        ),
    )


def shadow(question: Question, law: Library, policy: Policy | None = None) -> tuple[Reason, ...]:
    """What bills, drafts and doubtful rules would have said: never part of a decision."""
    question = _under(question, policy)
    plan = law.plan(question, shadow=True)
    facts = facts_of(question, plan.opt_out_words)
    asked = asked_all(plan, facts, None)
    return _reasons([each for each in asked if each.after(facts.now) > facts.now], asked, facts)


def asked_of(question: Question, law: Library, policy: Policy | None = None) -> tuple[Facts, list[Asked]]:
    """Every clause that speaks to a question with what it found, for explaining; passing ones have nothing that holds."""
    question = _under(question, policy)
    plan = _plan(question, law, policy)
    facts = facts_of(question, plan.opt_out_words)
    return facts, [
        (asked_one(clause, begins, ends, facts, policy) if ends > facts.now else None)
        or Asked(clause, None, (), begins, ends)
        for clause, (begins, ends) in zip(plan.clauses, plan.spans(facts.zones), strict=True)
    ]


def spoken_to(question: Question, law: Library, policy: Policy | None = None) -> tuple[Facts, tuple[Clause, ...]]:
    """Every clause that speaks to a question, none of them asked: for whoever looks at what they count, and not whether they hold."""
    question = _under(question, policy)
    plan = _plan(question, law, policy)
    return facts_of(question, plan.opt_out_words), plan.clauses


# ---- asking -----------------------------------------------------------------------------------------------------------


def _under(question: Question, policy: Policy | None) -> Question:
    if policy is None or not policy.readings:
        return question
    return replace(question, readings={**policy.readings, **question.readings})


def _plan(question: Question, law: Library, policy: Policy | None) -> Plan:
    """The plan by which ``decide`` answers this question: with what she asked for, unless the law by itself denies."""
    if policy is None:
        return law.plan(question)
    plan = law.plan(question, policy.asked or policy.rules)
    kept = policy.keeping(question.history)
    if kept is None or _decided(question, plan, policy).answer is _DENY:
        return plan
    return law.plan(question, kept)


def _ask(
    plan: Plan, facts: Facts, policy: Policy | None
) -> tuple[Sequence[Asked], Sequence[Asked], tuple[Reason, ...], Asks | None]:
    """What was asked, what of it may block now, the house's own refusals, and what all share (as ``asked_now``)."""
    house: tuple[Reason, ...] = ()
    if plan.missing or not plan.in_force(facts.now.date()):
        observed = f"no pack for {', '.join(plan.missing)}" if plan.missing else "no pack of law in force"
        house = (_house(NO_PACK, observed, "the law that binds must be known"),)
    unknown = _unknown(facts.zones)
    if unknown or not facts.zones:
        observed = f"unknown zone {', '.join(unknown)}" if unknown else "no zone known"
        house = (*house, _house(NO_ZONE, observed, "the clock of the person must be known"))
        facts.zones = tuple(name for name in facts.zones if name not in unknown)
    asked, suspects, alike = asked_now(plan, facts, policy)
    return asked, suspects, house, None if house else alike


@lru_cache(maxsize=1024)
def _unknown(zones: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in zones if not _is_zone(name))


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _house(rule: str, observed: str, limit: str) -> Reason:
    return Reason(
        rule=rule,
        pack=HOUSE,
        force=Force.HOUSE,
        citation="house rule",
        effect=Answer.DENY,
        until=None,
        observed=observed,
        limit=limit,
    )


def _set_aside(plan: Plan, facts: Facts, policy: Policy) -> tuple[SetAside, ...]:
    """Rules that would block now and do not, because the tenant overrode them."""
    now = facts.now
    found: dict[tuple[str, str], SetAside] = {}
    for clause, (begins, ends) in zip(plan.clauses, plan.spans(facts.zones), strict=True):
        head = clause.head
        if ends > now and policy.overridden.get(head.rule, PAST) > now:
            each = asked_one(clause, begins, ends, facts, None)
            if each is not None and each.after(now) > now:
                authority, _ = override_of(policy, head.rule)
                found.setdefault((head.code, head.rule), SetAside(rule=head.rule, pack=head.pack, authority=authority))
    return tuple(found.values())


def override_of(policy: Policy, rule: str) -> tuple[str, str]:
    """Who overrode a rule and why, in the policy's own words; the last override of a rule is the one that holds."""
    for each in reversed(policy.document.get("overrides") or []):
        if each["rule"] == rule:
            return each["authority"], each["reason"]
    return "", ""


# ---- answering --------------------------------------------------------------------------------------------------------


def _fixpoint(asked: Sequence[Asked], now: datetime) -> tuple[datetime | None, list[Asked]]:
    """The least instant that every clause lets pass, and the clauses that moved it; None with those that never do.

    Each step goes to the first instant that some blocking clause allows, never past one that all allow, so the first
    instant at which nothing moves is the least one.
    """
    last = now + HORIZON
    at = now
    movers: list[Asked] = []
    passing = 0
    while passing < len(asked):
        for each in asked:
            later = each.after(at)
            if later is not at and later > at:
                if each not in movers:
                    movers.append(each)
                if later > last:
                    # Either this one never opens, or those that moved the instant are never open together.
                    return None, [each] if later == NEVER else movers
                at, passing = later, 0
            passing += 1
            if passing == len(asked):
                break  # each of them lets this instant pass, the one that moved last among them
    return at, movers


def _reasons(
    blocking: Sequence[Asked],
    asked: Sequence[Asked],
    facts: Facts,
    together: datetime | None = None,
    movers: Sequence[Asked] = (),
) -> tuple[Reason, ...]:
    """One reason a rule, in the order of packs and rules; several clauses of one rule are told as one.

    ``together``: the least instant that all of ``asked`` allow, where it is known, and the clauses that moved it there.
    """
    if len(blocking) == 1:
        return (_reason(blocking, asked, facts, together, movers),)
    by_rule: dict[tuple[str, str], list[Asked]] = {}
    for each in blocking:
        by_rule.setdefault((each.clause.head.code, each.clause.head.rule), []).append(each)
    return tuple([_reason(clauses, asked, facts, together, movers) for clauses in by_rule.values()])


def _reason(
    clauses: Sequence[Asked],
    asked: Sequence[Asked],
    facts: Facts,
    together: datetime | None,
    movers: Sequence[Asked],
) -> Reason:
    alone: list[Asked] = list(clauses)
    if clauses[0].clock is not None or (len(clauses) > 1 and any(each.clock is not None for each in clauses)):
        # The hours of one pack are one clock, whatever their articles: Sunday's rule reopens on Monday at seven.
        code = clauses[0].clause.head.code
        alone += [
            each for each in asked if each.clock is not None and each.clause.head.code == code and each not in alone
        ]
    opens: datetime | None
    worst = clauses[0]
    if together is not None and (movers == alone or all(each in alone for each in movers)):
        # None but this rule's moved the instant: each step was the first that one of them allows, so they end where all do.
        opens = together
    else:
        opens, last = _fixpoint(alone, facts.now)
        if opens is None:
            worst = next((each for each in clauses if each in last), worst)
    head = worst.clause.head
    return Reason(
        rule=head.rule,
        pack=head.pack,
        force=head.force,
        citation=head.citation,
        effect=Answer.DENY if opens is None else Answer.DEFER,
        until=where_she_is(opens, _home(facts)) if opens is not None and head.names_hour else None,
        observed=observed(worst, facts),
        limit=head.says["en"],
        reading=worst.clause.reading,
    )


def observed(each: Asked, facts: Facts) -> str:
    """What the clause saw: a local time, a count, a state; never an address or words of a person."""
    if each.clock is None:
        held = [hold for hold in each.holds if hold.after(facts.now) > facts.now]
        return "; ".join(dict.fromkeys(hold.observed for hold in held or each.holds))
    predicate = each.clause.predicate
    fixed = predicate.clock if isinstance(predicate, Hours) else None
    names = (fixed,) if fixed is not None else facts.zones
    if len(names) == 1:
        calendar = predicate.calendar if isinstance(predicate, Hours) else None
        return shown(facts.now, names[0]) if calendar is None else _on_the_day(calendar, facts.now, names[0])
    if len(names) > 1:
        names = tuple(name for name in names if each.clock.alone(name).next_open(facts.now) > facts.now) or names[:1]
    return ", ".join(shown(facts.now, name) + _holiday(predicate, facts, name) for name in names)


@lru_cache(maxsize=1024)  # calendars are few, and what is decided together shares its instant
def _on_the_day(calendar: Calendar, now: datetime, name: str) -> str:
    holiday = calendar.holiday(local_date(now, name))
    return shown(now, name) + (f" ({holiday})" if holiday is not None else "")


def _holiday(predicate: object, facts: Facts, name: str) -> str:
    if not isinstance(predicate, Hours) or predicate.calendar is None:
        return ""
    holiday = predicate.calendar.holiday(local_date(facts.now, name))
    return f" ({holiday})" if holiday is not None else ""


def _duties(plan: Plan, facts: Facts) -> tuple[Obligation, ...]:
    if NoticeGiven not in facts.kinds:
        return plan.obligations
    given = {notice.notice.value for _, notice in facts.notices}
    return tuple(duty.told for duty in plan.duties if duty.until_notice not in given)


def _home(facts: Facts) -> str | None:
    return facts.zones[0] if facts.zones else None
