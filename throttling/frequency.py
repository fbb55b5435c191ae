"""How often: counts, distances, the channel of the week and waiting times, each as the instant at which it lets go.

What happened is fixed while a message waits, so a count that is full lets go at one instant: when the oldest contact
that fills it no longer counts, in every zone that the person may be in.
"""

from datetime import date, datetime, timedelta
from typing import Final

from jurisdictions.facts import Facts
from jurisdictions.hold import Hold
from jurisdictions.localtime import NEVER, PAST, dated, local_date, starts_at, up_to_second
from jurisdictions.rule import (
    ALIKE,
    OUTCOMES,
    SAME_WAY,
    SPOKEN,
    Count,
    Counted,
    Gap,
    Happening,
    Key,
    Period,
    Since,
    Sticky,
    Threshold,
    Unit,
)
from vocabulary.event import Contacted, ContactOutcome

#: Consent to more calls, by debt: calls within ``[from, to)`` are hers, and need no room.
Allowed = dict[str | None, tuple[datetime, datetime]]

_NO_ALLOWANCE: Final[Allowed] = {}
_CONVERSATION: Final = ContactOutcome.CONVERSATION
_ATTEMPTED: Final = ContactOutcome.ATTEMPTED
_ENDLESS: Final = timedelta.max
# Bound once: a member looked up on its class costs more than what is then compared with it.
_DEBT: Final = Key.DEBT
_CREDITOR: Final = Key.CREDITOR
_CREDITOR_OR_COLLECTOR: Final = Key.CREDITOR_OR_COLLECTOR
_COLLECTOR: Final = Key.COLLECTOR
_CHANNEL: Final = Key.CHANNEL
_ADDRESS: Final = Key.ADDRESS
_TWO_WAY: Final = Threshold.TWO_WAY
_SPOKE: Final = Threshold.CONVERSATION
_ELAPSED: Final = Unit.ELAPSED
_DATES: Final = Unit.DATES
_ISO_WEEK: Final = Unit.ISO_WEEK
_CLEAR_DAYS: Final = Unit.CLEAR_DAYS


# ---- which contacts ---------------------------------------------------------------------------------------------------


def counted(
    what: Counted,
    facts: Facts,
    debt: str | None = None,
    *,
    longest: timedelta = _ENDLESS,
    allowed: Allowed = _NO_ALLOWANCE,
) -> list[tuple[datetime, Contacted]]:
    """The contacts that a rule counts for one debt (None: whatever the debt), oldest first.

    ``longest``: how far back from the question's instant anything can still matter.
    """
    if not facts.contacts:
        return []
    threshold = what.threshold
    if threshold is _TWO_WAY:
        return _taken_part(_matching(what, OUTCOMES[Threshold.LEFT], facts, debt, longest, allowed), facts)
    found = _matching(what, OUTCOMES[threshold], facts, debt, longest, allowed)
    return [each for each in found if _perhaps_spoken(each[1])] if threshold is _SPOKE else found


def _matching(
    what: Counted,
    outcomes: tuple[ContactOutcome, ...],
    facts: Facts,
    debt: str | None,
    longest: timedelta,
    allowed: Allowed,
) -> list[tuple[datetime, Contacted]]:
    horizon = facts.now - longest if longest is not _ENDLESS else PAST
    if facts.contacts[-1][0] < horizon:
        return []  # the newest of them counts no more
    question = facts.question
    message, sender, person = question.message, question.sender, question.person
    keys = what.keys
    channels = ALIKE[message.channel] if _CHANNEL in keys else what.channels
    creditor = sender.creditor if _CREDITOR in keys else None
    either = _CREDITOR_OR_COLLECTOR in keys
    collector = sender.collector if _COLLECTOR in keys else None
    address = message.address if _ADDRESS in keys else None
    pool = what.pool if what.pool is not None and person.role in what.pool else ()
    by_debt = debt is not None and _DEBT in keys
    her_calls = allowed.get(debt)
    since = _first_conversation(facts, creditor) if what.after_conversation else None
    # Every rule of a gateway comes here with a whole history, so what is the same for all contacts is looked up once.
    her, places, purposes_except, answers = person.person, what.places, what.purposes_except, what.answers
    found: list[tuple[datetime, Contacted]] = []
    for entry in reversed(facts.contacts):
        at, contact = entry
        if at < horizon:
            break
        # Where a fact about the contact is missing, it counts.
        if (
            (channels is not None and contact.channel not in channels)
            or contact.outcome not in outcomes
            or (contact.person != her and contact.role not in pool)
            or (purposes_except and contact.purpose in purposes_except)
            or (creditor is not None and contact.creditor != creditor and contact.creditor is not None)
            or (either and not _same_business(contact, sender.creditor, sender.collector))
            or (collector is not None and contact.collector != collector and contact.collector is not None)
            or (address is not None and contact.address != address and contact.address is not None)
            or (places is not None and contact.address_kind not in places)
            or (by_debt and contact.debts and debt not in contact.debts)
            or (not answers and contact.reply_to_inbound)
            or (her_calls is not None and her_calls[0] <= at < her_calls[1])
            or (since is not None and at <= since)
        ):
            continue
        found.append(entry)
    found.reverse()
    return found


def _same_business(contact: Contacted, creditor: str, collector: str) -> bool:
    return contact.creditor in (creditor, None) or contact.collector in (collector, None)


def _perhaps_spoken(contact: Contacted) -> bool:
    return contact.outcome is _CONVERSATION or (contact.outcome is _ATTEMPTED and contact.channel in SPOKEN)


def _taken_part(contacts: list[tuple[datetime, Contacted]], facts: Facts) -> list[tuple[datetime, Contacted]]:
    """Contacts in which she took part: a conversation, or a message answered before the next one on that channel.

    The next one among those that would count, so that a message which counts nowhere never hides an answer.
    """
    found: list[tuple[datetime, Contacted]] = []
    for place, (at, contact) in enumerate(contacts):
        if _perhaps_spoken(contact):
            found.append((at, contact))
            continue
        way = SAME_WAY[contact.channel]
        until = next((later for later, other in contacts[place + 1 :] if SAME_WAY[other.channel] is way), NEVER)
        if any(
            at < answered <= until and SAME_WAY[reply.channel] is way and reply.person == contact.person
            for answered, reply in facts.replies
        ):
            found.append((at, contact))
    return found


def _first_conversation(facts: Facts, creditor: str | None) -> datetime:
    """The first time they spoke, whoever called; ``NEVER`` when they did not yet."""
    person = facts.question.person.person
    spoken = [
        at
        for at, contact in facts.contacts
        if contact.outcome is _CONVERSATION
        and contact.person == person
        and (creditor is None or contact.creditor in (creditor, None))
    ]
    called = [at for at, call in facts.calls if call.person == person and call.outcome is _CONVERSATION]
    return min(spoken + called, default=NEVER)


# ---- periods ----------------------------------------------------------------------------------------------------------


def lets_go(at: datetime, period: Period, zones: tuple[str, ...]) -> datetime:
    """The first instant at which a contact of ``at`` (UTC) no longer counts, in every zone. ``NEVER`` without a zone."""
    if period.unit is _ELAPSED:
        return up_to_second(at + period.elapsed)
    if not zones:
        return NEVER
    if len(zones) == 1:
        return starts_at(_first_free(local_date(at, zones[0]), period), zones[0])
    return max(starts_at(_first_free(local_date(at, name), period), name) for name in zones)


def _first_free(day: date, period: Period) -> date:
    unit = period.unit
    if unit is _DATES:
        return day + timedelta(days=period.number)
    if unit is _ISO_WEEK:
        return day + timedelta(days=7 - day.weekday())
    if unit is _CLEAR_DAYS:
        return day + timedelta(days=period.number + 1)
    assert unit is Unit.MONTH, "elapsed time has no dates"
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


# ---- rules ------------------------------------------------------------------------------------------------------------


def count(rule: Count, facts: Facts, allowed: Allowed = _NO_ALLOWANCE) -> list[Hold]:
    """At most ``limit``: blocked until the oldest contact that fills it lets go; one hold for each debt that is full."""
    limit = rule.limit
    if limit and _fewer(limit, facts, rule.period.longest):
        return []
    what = rule.what
    debts = facts.question.message.debts if _DEBT in what.keys else ()
    holds: list[Hold] = []
    for debt in debts or (None,):
        found = counted(what, facts, debt, longest=rule.period.longest, allowed=allowed)
        if len(found) < limit:
            continue
        ends = lets_go(found[-limit][0], rule.period, facts.zones) if limit else NEVER
        begins = allowed[debt][1] if debt in allowed else PAST
        if ends > facts.now and ends > begins:
            still = sum(lets_go(at, rule.period, facts.zones) > facts.now for at, _ in found)
            holds.append(Hold(ends, _contacts(still, rule.period), begins))
    return holds


def _fewer(limit: int, facts: Facts, longest: timedelta) -> bool:
    """Whether so few contacts of whatever kind are young enough that no count of some of them reaches a limit."""
    contacts = facts.contacts
    if len(contacts) < limit:
        return True
    return longest is not _ENDLESS and contacts[-limit][0] < facts.now - longest


def _contacts(number: int, period: Period) -> str:
    contacts = "1 contact" if number == 1 else f"{number} contacts"
    match period.unit:
        case Unit.DATES:
            return f"{contacts} today" if period.number == 1 else f"{contacts} in {period.number} days"
        case Unit.ISO_WEEK:
            return f"{contacts} this week"
        case Unit.MONTH:
            return f"{contacts} this month"
        case _:
            return f"{contacts} in {_length(period.elapsed)}"


def _length(elapsed: timedelta) -> str:
    minutes = int(elapsed.total_seconds() // 60)
    return f"{minutes // 60} hours" if minutes % 60 == 0 else f"{minutes} minutes"


def gap(rule: Gap, facts: Facts) -> list[Hold]:
    """At least so long after the last one."""
    if _fewer(1, facts, rule.period.longest):
        return []
    what = rule.what
    debts = facts.question.message.debts if _DEBT in what.keys else ()
    holds: list[Hold] = []
    for debt in debts or (None,):
        found = counted(what, facts, debt, longest=rule.period.longest)
        if not found:
            continue
        ends = lets_go(found[-1][0], rule.period, facts.zones)
        if ends > facts.now:
            holds.append(Hold(ends, f"last contact {dated(found[-1][0], _home(facts))}"))
    return holds


def sticky(rule: Sticky, facts: Facts) -> list[Hold]:
    """Another channel than one that was used in the period: blocked until the last such contact lets go."""
    if _fewer(1, facts, rule.period.longest):
        return []
    way = SAME_WAY[facts.question.message.channel]
    found = counted(rule.what, facts, longest=rule.period.longest)
    others = [each for each in found if SAME_WAY[each[1].channel] is not way]
    if not others:
        return []
    at, contact = others[-1]
    ends = lets_go(at, rule.period, facts.zones)
    if ends <= facts.now:
        return []
    return [Hold(ends, f"{SAME_WAY[contact.channel]} used {dated(at, _home(facts))}")]


def since(rule: Since, facts: Facts, allowed: Allowed = _NO_ALLOWANCE) -> list[Hold]:
    """Nothing for so many dates after an event, whose own date is day 1."""
    match rule.happening:
        case Happening.CONVERSATION:
            return _since_conversation(rule, facts, allowed)
        case Happening.STATUS:
            return _since_status(rule, facts)
        case Happening.NOTICE:
            return _since_notice(rule, facts)


def _held(at: datetime, days: int, facts: Facts, observed: str, begins: datetime = PAST) -> list[Hold]:
    ends = lets_go(at, Period(unit=Unit.DATES, number=days), facts.zones)
    return [Hold(ends, observed, begins)] if ends > facts.now and ends > begins else []


def _since_conversation(rule: Since, facts: Facts, allowed: Allowed) -> list[Hold]:
    what = rule.what
    assert what is not None
    person = facts.question.person.person
    debts = facts.question.message.debts if _DEBT in what.keys else ()
    holds: list[Hold] = []
    for debt in debts or (None,):
        spoken = [
            at
            for at, contact in counted(what, facts, debt, longest=timedelta(days=rule.days + 3))
            if contact.outcome is _CONVERSATION
        ]
        spoken += [
            at
            for at, call in facts.calls
            if call.person == person
            and call.outcome is _CONVERSATION
            and (debt is None or not call.debts or debt in call.debts)
        ]
        if spoken:
            at = max(spoken)
            begins = allowed[debt][1] if debt in allowed else PAST
            holds += _held(at, rule.days, facts, f"conversation {dated(at, _home(facts))}", begins)
    return holds


def _since_status(rule: Since, facts: Facts) -> list[Hold]:
    question = facts.question
    message, person = question.message, question.person.person
    holds: list[Hold] = []
    for debt in message.debts or (None,):
        standing: datetime | None = None
        for at, status in facts.statuses:
            if (
                status.status is not rule.status
                or (status.person != person and not rule.of_anyone)
                or (status.debts is not None and debt is not None and debt not in status.debts)
                or (status.kind is not None and status.kind in rule.kinds_except)
            ):
                continue
            standing = None if status.ended else at
        if standing is not None:
            observed = f"{rule.status} since {dated(standing, _home(facts))}"
            holds += _held(standing, rule.days, facts, observed)
    return holds


def _since_notice(rule: Since, facts: Facts) -> list[Hold]:
    """Waiting begins with the first notice about a debt; without one there is nothing to wait for."""
    question = facts.question
    holds: list[Hold] = []
    for debt in question.message.debts or (None,):
        given = [
            at
            for at, notice in facts.notices
            if notice.notice is rule.notice
            and notice.person == question.person.person
            and (debt is None or debt in notice.debts)
        ]
        if given:
            at = min(given)
            holds += _held(at, rule.days, facts, f"{rule.notice} notice {dated(at, _home(facts))}")
    return holds


def _home(facts: Facts) -> str | None:
    return facts.zones[0] if facts.zones else None
