"""Asks each clause of a plan about one question: the hours it keeps, or how long it holds the message.

Pure, and in every decision: what can be known from the kinds of thing that happened is worked out once and kept with the plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
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
from vocabulary.verdict import PackUsed, Verdict

_FIRST: Final = itemgetter(0)


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

    def open_span(self, at: datetime) -> tuple[datetime, datetime] | None:
        """From when to when around an instant these hours let the message pass; None where they do not."""
        assert self.clock is not None, "asked of hours"
        if at < self.begins:
            return PAST, self.begins
        if at >= self.ends:
            return self.ends, NEVER
        span = self.clock.open_around(at)
        return None if span is None else (max(span[0], self.begins), min(span[1], self.ends))

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


#: One clause as it is asked about everybody in some zones to whom some kinds of thing happened: its place among the others, the
#: clause and when it is in force; what finds what holds (None: every part of the clause must be looked at); and words of which one
#: must be in the text before a clause that looks at nothing else can hold.
_Ask = tuple[
    int,
    Clause,
    Predicate | None,
    datetime,
    datetime,
    Callable[..., Sequence[Hold]] | None,
    frozenset[bytes] | None,
]


class Asks:
    """The clauses of a plan that can block at all where only some kinds of thing happened, each ready to be asked.

    ``always``: hours that are kept whatever the question. ``plain`` and ``worded``: what must be asked each time, the last only where
    one of ``heads`` stands in the text. It is so within ``[begins, ends)``: then none of them has ended, and what has is left out.
    """

    __slots__ = (
        "_open_from",
        "_open_to",
        "_shut_from",
        "_shut_to",
        "_speaking",
        "always",
        "at",
        "begins",
        "clocks_elsewhere",
        "each",
        "ends",
        "heads",
        "places",
        "plain",
        "told",
        "worded",
    )

    def __init__(self, asks: Sequence[_Ask], always: Sequence[tuple[int, Asked]], begins: datetime) -> None:
        kept = [(place, hours.clause, None, hours.begins, hours.ends, None, None) for place, hours in always]
        self.each = sorted([*asks, *kept], key=_FIRST)
        self.plain = tuple(ask for ask in asks if ask[-1] is None)
        self.worded = tuple(ask for ask in asks if ask[-1] is not None)
        self.heads = frozenset[bytes]().union(*[heads for *_, heads in self.worded if heads is not None])
        self.places = tuple(always)
        self.always = tuple(hours for _, hours in always)
        self.clocks_elsewhere = any(isinstance(ask[1].predicate, Hours | HerHours) for ask in asks)
        self.begins, self.ends = begins, min((ask[4] for ask in self.each), default=NEVER)
        self._open_from = self._open_to = self._shut_from = self._shut_to = PAST
        self._speaking: dict[frozenset[bytes], tuple[_Ask, ...]] = {}
        #: The instant of the last question of which nothing was found but these hours; the packs and what was said, if several asked.
        self.at: datetime | None = None
        self.told: tuple[tuple[PackUsed, ...], Verdict] | None = None

    def speaking(self, facts: Facts) -> Sequence[_Ask]:
        """What must be asked of a text: most texts of a house hold the same few of the words that matter."""
        struck = self.heads & facts.text.words
        if not struck:
            return self.plain
        found = self._speaking.get(struck)
        if found is None:
            if len(self._speaking) >= ZONES_MAX:
                self._speaking.clear()
            worded = [ask for ask in self.worded if ask[-1] is not None and not ask[-1].isdisjoint(struck)]
            found = self._speaking[struck] = tuple(sorted([*self.plain, *worded], key=_FIRST))
        return found

    def open(self, at: datetime) -> bool:
        """Whether none of the hours that are always kept blocks at an instant; the next question is nearly always of the same hour."""
        if self._open_from <= at < self._open_to:
            return True
        if self._shut_from <= at < self._shut_to:
            return False
        begins, ends = PAST, NEVER
        for each in self.always:
            span = each.open_span(at)
            if span is None:
                self._shut_from, self._shut_to = at, each.after(at)
                return False
            begins, ends = max(begins, span[0]), min(ends, span[1])
        self._open_from, self._open_to = begins, ends
        return True

    def open_throughout(self, at: datetime, first: datetime, last: datetime) -> bool:
        """Whether none of them blocks from ``first`` to ``last``, as far as one look at ``at`` between them tells."""
        return self.open(at) and self._open_from <= first and last < self._open_to


def open_throughout(plan: Plan, facts: Facts, policy: Policy | None, first: datetime, last: datetime) -> bool:
    """Whether it is known without asking that no hours block from one instant around now to another. False: it is not known."""
    asks: Asks | None = plan.kept.get((facts.zones, facts.kinds))
    if asks is None or asks.clocks_elsewhere or not asks.begins <= first <= last < asks.ends:
        return False
    return not (policy is not None and policy.overridden) and asks.open_throughout(facts.now, first, last)


def asked_all(plan: Plan, facts: Facts, policy: Policy | None) -> Sequence[Asked]:
    """Every clause of a plan that can block, now or later, with what it found, in the plan's order."""
    return asked_now(plan, facts, policy)[0]


def asked_now(plan: Plan, facts: Facts, policy: Policy | None) -> tuple[Sequence[Asked], Sequence[Asked], Asks | None]:
    """The same, those among them that may block now, and the ``Asks`` where nothing was found but the hours that it always keeps.

    None, too, where a notice was given, which may have ended a duty for her alone.
    """
    key, now = (facts.zones, facts.kinds), facts.now
    asks: Asks | None = plan.kept.get(key)
    if asks is None or not asks.begins <= now < asks.ends:
        if len(plan.kept) >= ZONES_MAX:
            plan.kept.clear()
        asks = plan.kept[key] = _asks(plan, facts)
    if policy is not None and policy.overridden:
        asked = _asked_one_by_one(asks, facts, policy)
        return asked, asked, None
    speaking = asks.speaking(facts) if asks.heads else asks.plain
    found: list[tuple[int, Asked]] = []
    for place, clause, predicate, begins, ends, find, _ in speaking:
        if find is None:
            each = asked_one(clause, begins, ends, facts, policy)
            if each is not None:
                found.append((place, each))
        else:
            holds = find(predicate, facts)
            if holds:
                found.append((place, _within(clause, None, holds, begins, ends, now)))
    opened = asks.open(now)
    if not found:
        return asks.always, () if opened else asks.always, None if NoticeGiven in facts.kinds else asks
    suspects = [each for _, each in found]
    if not asks.places:
        return suspects, suspects, None
    found += asks.places
    found.sort(key=_FIRST)
    asked = [each for _, each in found]
    return asked, suspects if opened else asked, None


def _asked_one_by_one(asks: Asks, facts: Facts, policy: Policy) -> list[Asked]:
    """Where some may be set aside each is looked at from the beginning."""
    asked = [
        asked_one(clause, begins, ends, facts, policy)
        for _, clause, _, begins, ends, _, heads in asks.each
        if heads is None or not heads.isdisjoint(facts.text.words)
    ]
    return [each for each in asked if each is not None]


def _asks(plan: Plan, facts: Facts) -> Asks:
    """The clauses of a plan that can block at all where only such things happened, each ready to be asked."""
    asks: list[_Ask] = []
    kept: list[tuple[int, Asked]] = []
    past = PAST
    for place, (clause, (begins, ends)) in enumerate(zip(plan.clauses, plan.spans(facts.zones), strict=True)):
        predicate, applies = clause.predicate, clause.applies
        if ends <= facts.now:
            past = max(past, ends)
            continue
        needs = _needs(predicate)
        if needs is not None and facts.kinds.isdisjoint(needs):
            continue
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
            if clock is not None:
                kept.append((place, Asked(clause, clock, (), begins, ends)))
            continue
        heads = _heads(predicate) if isinstance(predicate, Says) else None
        asks.append((place, clause, predicate, begins, ends, find, heads))
    return Asks(asks, kept, past)


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
