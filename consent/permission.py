"""What must be allowed, given or absent before a contact: consent, notices, statuses, registers, places."""

import re
from datetime import date, datetime, timedelta
from typing import Final

from consent.standing import Word, in_status, last_word
from jurisdictions.facts import Facts
from jurisdictions.hold import Hold, denied
from jurisdictions.localtime import NEVER, PAST, dated, in_utc, local_date, starts_at, up_to_second
from jurisdictions.rule import (
    ALIKE,
    SAME_WAY,
    InStatus,
    NeedsConsent,
    NeedsInbound,
    NeedsNotice,
    OnRegister,
    PortfolioFull,
    Withdrawn,
)
from vocabulary.event import Instrument

_YES: Final = Word.YES
_NO: Final = Word.NO


def needs_consent(rule: NeedsConsent, facts: Facts) -> list[Hold]:
    """Blocked for good unless her last word is a yes of the kind that the rule asks for."""
    standing = last_word(
        facts,
        purpose=rule.purpose,
        profile=rule.profile,
        instruments=rule.instruments,
        given_to=rule.given_to,
    )
    if standing.word is _YES:  # nearly always, and nothing is put into words then
        if rule.asked_first and not _turned_to_us(facts, standing.at):
            return [denied("she did not turn to the sender first")]
        return []
    channel = SAME_WAY[facts.question.message.channel]
    what = f"{rule.purpose} by {channel}" if rule.purpose is not None else f"{channel}"
    if standing.word is _NO:
        return [denied(f"consent for {what} withdrawn {dated(standing.at, _home(facts))}")]
    return [denied(f"no consent for {what}")]


def _turned_to_us(facts: Facts, until: datetime) -> bool:
    person = facts.question.person.person
    return any(at <= until and call.person == person for at, call in facts.calls) or any(
        at <= until and reply.person == person for at, reply in facts.replies
    )


def needs_notice(rule: NeedsNotice, facts: Facts) -> list[Hold]:
    """Blocked for good until the notice about every debt named has gone out."""
    question = facts.question
    given: set[str] = set()
    some = False
    for _, notice in facts.notices:
        if (
            notice.notice is rule.notice
            and notice.person == question.person.person
            and (rule.channels is None or notice.channel in rule.channels)
        ):
            some = True
            given.update(notice.debts)
    debts = question.message.debts
    if some and set(debts) <= given:
        return []
    return [denied(f"no {rule.notice} notice on record")]


def needs_inbound(rule: NeedsInbound, facts: Facts) -> list[Hold]:
    """Blocked once it is too long, or never, that she wrote on this channel."""
    wrote = _wrote(facts)
    channel = SAME_WAY[facts.question.message.channel]
    if wrote is None:
        return [denied(f"she has not written on {channel}")]
    if rule.within is None:
        return []
    return [denied(f"she last wrote on {channel} {dated(wrote, _home(facts))}", wrote + rule.within)]


def _wrote(facts: Facts) -> datetime | None:
    """When she last wrote on the question's channel, and not from another number of hers than the one that is written to."""
    message, person = facts.question.message, facts.question.person.person
    return max(
        (
            at
            for at, reply in facts.replies
            if reply.person == person
            and reply.channel in ALIKE[message.channel]
            and message.address in (None, reply.address or message.address)
        ),
        default=None,
    )


def wrote_within(time: timedelta, facts: Facts) -> bool:
    """Whether she wrote there so lately that a message is an answer."""
    wrote = _wrote(facts)
    return wrote is not None and facts.now < wrote + time


#: What a full portfolio is told as: its name, and to how many people it wrote first.
FULL: Final = re.compile(r"portfolio (\S+) wrote to (\d+) people first")


def portfolio_full(rule: PortfolioFull, facts: Facts) -> list[Hold]:
    """Blocked while the portfolio of the way has no room for her, but where she is answered."""
    portfolio = facts.question.portfolio
    if portfolio is None or portfolio.room_from is None:
        return []
    wrote = _wrote(facts)
    begins = PAST if wrote is None else wrote + rule.wrote_within
    ends = up_to_second(in_utc(portfolio.room_from))
    if begins >= ends:
        return []
    return [Hold(ends, f"portfolio {portfolio.name} wrote to {portfolio.people_max} people first", begins)]


def status(rule: InStatus, facts: Facts) -> list[Hold]:
    """Blocked while a status stands on one of the debts named."""
    until = NEVER
    if rule.notice is not None:
        until = _last_instant(rule, facts)
    standing = in_status(facts, rule.status, kinds=rule.kinds, of_anyone=rule.of_anyone, until=until)
    return [] if standing is None else [denied(f"{rule.status} since {dated(standing, _home(facts))}")]


def _last_instant(rule: InStatus, facts: Facts) -> datetime:
    """The end of the time in which a status counts: so many dates after the assumed receipt of the last notice."""
    question = facts.question
    sent = [
        at
        for at, notice in facts.notices
        if notice.notice is rule.notice
        and notice.person == question.person.person
        and (not question.message.debts or set(question.message.debts) & set(notice.debts))
    ]
    if not sent or not facts.zones:
        return NEVER
    ends = []
    for name in facts.zones:
        day = local_date(max(sent), name)
        if rule.calendar is not None:
            day = rule.calendar.working_days_after(day, rule.receipt_days)
        else:
            day += timedelta(days=rule.receipt_days)
        ends.append(starts_at(day + timedelta(days=rule.notice_days + 1), name))
    return max(ends)


def register(rule: OnRegister, facts: Facts) -> list[Hold]:
    """Blocked from the day on which an entry in one of the registers binds, and once a register that was read is stale."""
    question = facts.question
    message = question.message
    holds: list[Hold] = _stale(rule, facts) if rule.age_days_max is not None else []
    since_consent = PAST
    if rule.until_consent and facts.listings:
        standing = last_word(facts, profile=False, instruments=tuple(Instrument))
        since_consent = standing.at if standing.word is Word.YES else PAST
    for at, entry in facts.listings:
        if (
            not rule.names(entry.register)
            or at < since_consent
            or entry.person != question.person.person
            or (entry.channel is not None and entry.channel not in ALIKE[message.channel])
            or (entry.address is not None and message.address is not None and entry.address != message.address)
        ):
            continue
        begins = PAST
        if rule.delay_days or rule.delay_working_days:
            begins = min(
                (_binds(rule, entry.since or local_date(at, name), name) for name in facts.zones), default=PAST
            )
        holds.append(denied(f"on the register {entry.register}", begins))
    return holds


def _stale(rule: OnRegister, facts: Facts) -> list[Hold]:
    """A register that nobody ever read here is the CRM's own affair: what stands on it is told as ``listed``."""
    assert rule.age_days_max is not None
    read: dict[str, tuple[datetime, str]] = {}
    for at, each in facts.registers_read:
        if rule.names(each.register):
            read[each.register.casefold()] = at, each.register
    return [
        denied(
            f"the register {name} was last read {dated(at, _home(facts))}, at most {rule.age_days_max} days may pass",
            at + timedelta(days=rule.age_days_max),
        )
        for at, name in read.values()
    ]


def held_back(facts: Facts) -> list[Hold]:
    """Blocked until the last doubt has passed or somebody has looked."""
    person = facts.question.person.person
    hers = [(at, doubt) for at, doubt in facts.held if doubt.person == person]
    ends = [at for at, doubt in hers if doubt.ended]
    holds = []
    for at, doubt in hers:
        if doubt.until is not None and not doubt.ended:
            until = min([in_utc(doubt.until), *(end for end in ends if end >= at)])
            if until > at:
                holds.append(Hold(until, f"held since {dated(at, _home(facts))}", at))
    return holds


def _binds(rule: OnRegister, since: date, zone_name: str) -> datetime:
    day = since + timedelta(days=rule.delay_days)
    if rule.delay_working_days and rule.calendar is not None:
        day = rule.calendar.working_days_after(since, rule.delay_working_days)
    return starts_at(day, zone_name)


def withdrawn(rule: Withdrawn, facts: Facts) -> list[Hold]:
    """Blocked where her last word on the channel or the address was no."""
    standing = last_word(facts, profile=False, from_creditor=rule.lifted_by_creditor)
    if standing.word is not _NO:
        return []
    channel = SAME_WAY[facts.question.message.channel]
    return [denied(f"{channel} refused {dated(standing.at, _home(facts))}")]


def place_refused(facts: Facts) -> list[Hold]:
    """Blocked at a place that she called inconvenient."""
    question = facts.question
    kind = question.message.address_kind
    if any(
        statement.place is kind and statement.person == question.person.person for _, statement in facts.inconvenient
    ):
        return [denied(f"she refused contact at: {kind}")]
    return []


def stranger(facts: Facts) -> list[Hold]:
    """Blocked at an address that turned out to be somebody else's."""
    if facts.question.message.address in facts.strangers:
        return [denied("the address turned out not to be hers")]
    return []


def _home(facts: Facts) -> str | None:
    return facts.zones[0] if facts.zones else None
