"""Asks each clause of a plan about one question: the hours it keeps, or how long it holds the message.

Pure, and in every decision: what can be known from the kinds of thing that happened is worked out once and kept with the plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent import content, exemption, permission, standing
from jurisdictions.facts import Facts
from jurisdictions.hold import Hold, denied
from jurisdictions.house import Policy
from jurisdictions.library import ZONES_MAX, Plan
from jurisdictions.localtime import NEVER, PAST, starts_at
from jurisdictions.rule import (
    Barred,
    Clause,
    Count,
    Exemption,
    Gap,
    Happening,
    HeldBack,
    HerHours,
    Hours,
    InStatus,
    NeedsConsent,
    NeedsInbound,
    NeedsNotice,
    OnRegister,
    PlaceRefused,
    PortfolioFull,
    Predicate,
    Says,
    Since,
    Sticky,
    Stranger,
    Withdrawn,
)
from throttling import frequency, hours
from vocabulary.event import (
    Consented,
    Contacted,
    Held,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Listed,
    NotAssociated,
    NoticeGiven,
    RegisterRead,
    Replied,
    StatusSet,
)


@dataclass(slots=True, eq=False)  # made several times in every decision, where freezing would cost as much as asking
class Asked:
    """One clause asked about one question: the hours it keeps, or how long it holds the message (empty: it lets it pass).

    The clause speaks only within ``[begins, ends)``.
    """

    clause: Clause
    clock: hours.Clock | None
    holds: Sequence[Hold]
    begins: datetime
    ends: datetime

    def blocks(self, at: datetime) -> bool:
        """Whether this clause holds the message at an instant: the same as ``after(at) > at``, and quicker."""
        if self.clock is not None:
            return self.begins <= at < self.ends and self.clock.next_open(at) > at
        for hold in self.holds:  # noqa: SIM110 - in every decision, where any() would cost more than looking
            if hold.begins <= at < hold.ends:
                return True
        return False

    def after(self, at: datetime) -> datetime:
        """The first instant at or after one at which this clause lets the message pass."""
        if self.clock is not None:
            if not self.begins <= at < self.ends:
                return at
            return min(self.clock.next_open(at), self.ends)
        moved = True
        while moved:
            moved = False
            for hold in self.holds:
                later = hold.after(at)
                if later > at:
                    at, moved = later, True
        return at


#: One clause as it is asked about everybody in some zones to whom some kinds of thing happened: the clause and when it is in force;
#: what is found whatever the question; what finds what holds (with neither, every part of the clause must be looked at); and words
#: of which one must be in the text before a clause that looks at nothing else can hold.
_Ask = tuple[
    Clause, Predicate, datetime, datetime, Asked | None, Callable[..., Sequence[Hold]] | None, frozenset[bytes] | None
]


def asked_all(plan: Plan, facts: Facts, policy: Policy | None) -> list[Asked]:
    """Every clause of a plan that can block, now or later, with what it found."""
    key = (facts.zones, facts.kinds)
    asks = plan.kept.get(key)
    if asks is None:
        if len(plan.kept) >= ZONES_MAX:
            plan.kept.clear()
        asks = plan.kept[key] = _asks(plan, facts)
    overridden = policy is not None and policy.overridden
    asked: list[Asked] = []
    now = facts.now
    for clause, predicate, begins, ends, always, find, heads in asks:
        if ends <= now or (heads is not None and heads.isdisjoint(facts.text.words)):
            continue
        if overridden or (always is None and find is None):
            each = asked_one(clause, begins, ends, facts, policy)
            if each is not None:
                asked.append(each)
        elif always is not None:
            asked.append(always)
        else:
            assert find is not None
            holds = find(predicate, facts)
            if holds:
                asked.append(_within(clause, None, holds, begins, ends, now))
    return asked


def _asks(plan: Plan, facts: Facts) -> tuple[_Ask, ...]:
    """The clauses of a plan that can block at all where only such things happened, each ready to be asked."""
    asks: list[_Ask] = []
    for clause, (begins, ends) in zip(plan.clauses, plan.spans(facts.zones), strict=True):
        predicate, applies = clause.predicate, clause.applies
        needs = _needs(predicate)
        if needs is not None and facts.kinds.isdisjoint(needs):
            continue
        always: Asked | None = None
        find = _HOLDS.get(type(predicate))
        if (
            clause.unless
            or clause.past_due_days_max is not None
            or applies.debt_kinds is not None
            or applies.debt_kinds_except is not None
            or begins >= ends
        ):
            find = None
        elif isinstance(predicate, Hours) and HoursRequested not in facts.kinds:
            clock = hours.clock(predicate, facts)
            if clock is None:
                continue
            always = Asked(clause, clock, (), begins, ends)
        heads = _heads(predicate) if isinstance(predicate, Says) else None
        asks.append((clause, predicate, begins, ends, always, find, heads))
    return tuple(asks)


def _heads(rule: Says) -> frozenset[bytes] | None:
    """Words of which one must be in the text before the rule can hold; None where it looks at more than words not to be said."""
    if rule.always or rule.opt_out_notice or rule.states or rule.caller_visible or rule.registered_template:
        return None
    heads = [words.heads for words in rule.never if words.heads is not None]
    return frozenset().union(*heads) if len(heads) == len(rule.never) else None


def _needs(predicate: Predicate) -> frozenset[type] | None:
    """Kinds of event of which one must have happened before a clause can block; None where nothing need have."""
    if isinstance(predicate, Since):
        return _SINCE[predicate.happening]
    if isinstance(predicate, Count) and not predicate.limit:
        return None  # full before anything happened
    return _NEEDS.get(type(predicate))


_SINCE: Final[Mapping[Happening, frozenset[type]]] = {
    Happening.CONVERSATION: frozenset({Contacted, InboundCall}),
    Happening.STATUS: frozenset({StatusSet}),
    Happening.NOTICE: frozenset({NoticeGiven}),
}
_NEEDS: Final[Mapping[type, frozenset[type]]] = {
    HerHours: frozenset({Inconvenient}),
    Count: frozenset({Contacted}),
    Gap: frozenset({Contacted}),
    Sticky: frozenset({Contacted}),
    InStatus: frozenset({StatusSet}),
    OnRegister: frozenset({Listed, RegisterRead}),
    HeldBack: frozenset({Held}),
    Withdrawn: frozenset({Consented, Replied}),
    PlaceRefused: frozenset({Inconvenient}),
    Stranger: frozenset({NotAssociated, StatusSet}),
}


def asked_one(clause: Clause, begins: datetime, ends: datetime, facts: Facts, policy: Policy | None) -> Asked | None:
    """None when the clause can block neither now nor later."""
    predicate = clause.predicate
    kind = type(predicate)
    clock: hours.Clock | None = None
    holds: Sequence[Hold] = ()
    if kind is Hours or kind is HerHours:
        clock = hours.clock(predicate, facts)  # type: ignore[arg-type]
        if clock is None:
            return None
    else:
        holds = _HOLDS[kind](predicate, facts)
        if not holds:
            return None
    applies = clause.applies
    if (applies.debt_kinds is not None or applies.debt_kinds_except is not None) and not _of_kind(clause, facts):
        return None
    if clause.past_due_days_max is not None:
        ends = min(ends, _past_due(clause.past_due_days_max, facts))
    for each in clause.unless:
        begins = max(begins, exemption.lifted_until(each, facts))
    if policy is not None and clause.head.rule in policy.overridden:
        begins = max(begins, policy.overridden[clause.head.rule])
    if ends <= facts.now or begins >= ends:
        return None
    return _within(clause, clock, holds, begins, ends, facts.now)


def _within(
    clause: Clause, clock: hours.Clock | None, holds: Sequence[Hold], begins: datetime, ends: datetime, now: datetime
) -> Asked:
    """What was found, cut to the time within which the clause speaks."""
    if clock is None and (begins > now or ends is not NEVER):
        holds = [
            Hold(min(hold.ends, ends), hold.observed, max(hold.begins, begins))
            for hold in holds
            if hold.begins < ends and begins < hold.ends
        ]
    return Asked(clause, clock, holds, begins, ends)


def _past_due(days: int, facts: Facts) -> datetime:
    """When every debt named is more than so many days past due; day n is the n-th date after the due date."""
    question = facts.question
    ends = PAST
    for debt in question.message.debts:
        known = question.debts.get(debt)
        if known is None or known.due is None:
            return NEVER
        later = known.due + timedelta(days=days + 1)
        ends = max([ends, *(starts_at(later, name) for name in facts.zones)])
    return ends if question.message.debts and facts.zones else NEVER


def _of_kind(clause: Clause, facts: Facts) -> bool:
    question, applies = facts.question, clause.applies
    kinds = [known.kind if (known := question.debts.get(debt)) is not None else None for debt in question.message.debts]
    if applies.debt_kinds is not None:
        return any(kind in applies.debt_kinds for kind in kinds)
    assert applies.debt_kinds_except is not None
    return not kinds or any(kind not in applies.debt_kinds_except for kind in kinds)


def _allowed(calls: Exemption | None, facts: Facts) -> frequency.Allowed:
    return {} if calls is None or not facts.consents else standing.extra_calls(calls, facts)


def _barred(rule: Barred, facts: Facts) -> list[Hold]:
    message = facts.question.message
    shows: dict[str, str] = {
        "role": f"role {facts.question.person.role}",
        "channel": f"channel {message.channel}",
        "address_kind": f"address kind {message.address_kind}",
        "address_source": f"address source {message.address_source}",
    }
    return [denied(shows.get(rule.because, f"purpose {message.purpose}"))]


def _count(rule: Count, facts: Facts) -> list[Hold]:
    return frequency.count(rule, facts, _allowed(rule.what.extra_calls, facts))


def _since(rule: Since, facts: Facts) -> list[Hold]:
    calls = rule.what.extra_calls if rule.what is not None else None
    return frequency.since(rule, facts, _allowed(calls, facts))


_HOLDS: Final[Mapping[type, Callable[..., Sequence[Hold]]]] = {
    Count: _count,
    Gap: frequency.gap,
    Sticky: frequency.sticky,
    Since: _since,
    NeedsConsent: permission.needs_consent,
    NeedsNotice: permission.needs_notice,
    NeedsInbound: permission.needs_inbound,
    InStatus: permission.status,
    OnRegister: permission.register,
    HeldBack: lambda _, facts: permission.held_back(facts),
    Withdrawn: permission.withdrawn,
    PlaceRefused: lambda _, facts: permission.place_refused(facts),
    Stranger: lambda _, facts: permission.stranger(facts),
    PortfolioFull: permission.portfolio_full,
    Says: content.says,
    Barred: _barred,
}
