"""What a person's last word is: on a channel, an address, a purpose, and on calls beyond a limit.

Statements are facts with an instant; the last one that covers the case stands, and of two at one instant the refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from jurisdictions.facts import Facts
from jurisdictions.localtime import NEVER, PAST, local_date, starts_at
from jurisdictions.rule import ALIKE, Exemption
from vocabulary.channel import Channel, Purpose
from vocabulary.event import (
    Consented,
    ConsentState,
    ContactOutcome,
    Event,
    Instrument,
    StatusKind,
    ZoneStated,
)
from vocabulary.values import quickly_made

#: What a statement about more calls says in ``grants``.
EXTRA_CALLS: Final = "extra_calls"
_MARKETING: Final = Purpose.MARKETING
_GRANTED: Final = ConsentState.GRANTED


class Word(StrEnum):
    """Her last word on a case."""

    YES = "yes"
    NO = "no"
    SILENT = "silent"


@quickly_made
@dataclass(frozen=True, slots=True)
class Standing:
    """Her last word, and when it was said (``PAST`` when only the profile says so)."""

    word: Word
    at: datetime


# Bound once: a member looked up on its class costs more than what is then compared with it.
_YES: Final = Word.YES
_NO: Final = Word.NO
_LINK: Final = Instrument.LINK
_SILENT: Final = Standing(Word.SILENT, PAST)
_PROFILE: Final = Standing(Word.YES, PAST)


def last_word(
    facts: Facts,
    *,
    purpose: Purpose | None = None,
    profile: bool = True,
    instruments: tuple[Instrument, ...] | None = None,
    given_to: str | None = None,
    from_creditor: bool = True,
) -> Standing:
    """Her last word on the question's channel and address.

    ``purpose``: the yes must be for it (None: for the message's own). ``profile``: what the CRM's profile authorises is a
    yes older than any statement. ``instruments``, ``given_to``: which yes is good enough. ``from_creditor``: a yes that was
    given to the creditor counts.
    """
    question = facts.question
    message, person = question.message, question.person
    standing = _SILENT
    if profile and (person.authorised is None or not person.authorised.isdisjoint(ALIKE[message.channel])):
        standing = _PROFILE
    about = purpose or message.purpose
    for at, said in facts.consents:
        if said.grants is not None or said.person != person.person:
            continue
        if said.state is _GRANTED:
            good = (
                (instruments is None or said.instrument in instruments)
                and (given_to is None or said.given_to == given_to)
                and (from_creditor or said.given_to != "creditor")
                and (purpose is not _MARKETING or said.purpose is _MARKETING)
            )
            if good and _grants(said, facts, about) and _outweighs(said, at, standing):
                standing = Standing(_YES, at)
        elif _refuses(said, facts, about) and at >= standing.at:
            standing = Standing(Word.NO, at)
    # Words to stop, said by themselves, are statements too.
    for at, channel, address in facts.opt_outs:
        if at >= standing.at and channel in ALIKE[message.channel] and _same_address(address, message.address):
            standing = Standing(Word.NO, at)
    if standing.word is _YES and message.address is not None and message.address in facts.strangers:
        return _SILENT  # nobody allows anything for somebody else's address
    return standing


def _outweighs(said: Consented, at: datetime, standing: Standing) -> bool:
    """Whether a yes takes the place of what stands.

    A no is lifted by herself on a channel that is hers (``reply``) or by a CRM that names an instrument; a link that anybody
    may have opened allows nothing. Of a yes and a no at one instant the refusal stands.
    """
    if said.instrument is _LINK:
        return False
    return standing.word is not _NO or (said.instrument is not None and standing.at != at)


def stated_zones(history: Sequence[Event], person: str) -> tuple[str, ...]:
    """The zones that a person said she is in, by her last word on it; empty where she never said."""
    last: ZoneStated | None = None
    for event in history:
        if type(event) is ZoneStated and event.person == person and (last is None or event.at >= last.at):
            last = event
    return () if last is None or last.ended else last.zones


def _same_address(said: str | None, ours: str | None) -> bool:
    return said is None or ours is None or said == ours


def _about(said: Purpose | None, about: Purpose) -> bool:
    """Consent to marketing is for marketing alone; consent to anything else is for everything but marketing."""
    return said is None or said is about or (said is not _MARKETING and about is not _MARKETING)


def _grants(said: Consented, facts: Facts, about: Purpose) -> bool:
    message = facts.question.message
    if not _about(said.purpose, about):
        return False
    if said.debts is not None and not set(message.debts) <= set(said.debts):
        return False
    if said.all:
        return True
    if said.channel is not None and said.channel not in ALIKE[message.channel]:
        return False
    return said.address is None or said.address == message.address


def _refuses(said: Consented, facts: Facts, about: Purpose) -> bool:
    message = facts.question.message
    if not _about(said.purpose, about):
        return False
    if said.debts is not None and message.debts and not set(message.debts) & set(said.debts):
        return False
    if said.all:
        return True
    if said.channel is not None and said.channel not in ALIKE[message.channel]:
        return False
    return _same_address(said.address, message.address)


def extra_calls(exemption: Exemption, facts: Facts) -> dict[str | None, tuple[datetime, datetime]]:
    """Calls that she allowed beyond the limit, by debt: from when to when.

    At most ``days_max`` dates with the day of consent as day 1, ended early by a conversation on that debt or by her word
    (12 CFR 1006.14(b)(3)(i)).
    """
    person = facts.question.person.person
    allowed: dict[str | None, tuple[datetime, datetime]] = {}
    for debt in facts.question.message.debts or (None,):
        span: tuple[datetime, datetime] | None = None
        for at, said in facts.consents:
            if said.person != person or (said.grants != EXTRA_CALLS and said.grants is not None):
                continue
            covers = said.debts is None or debt is None or debt in said.debts
            if not covers:
                continue
            if said.state is not _GRANTED:
                if span is not None and (said.grants == EXTRA_CALLS or _refuses(said, facts, Purpose.COLLECTION)):
                    span = (span[0], min(span[1], at))
            elif said.grants == EXTRA_CALLS and (exemption.given_to is None or said.given_to == exemption.given_to):
                days = min(said.for_days or exemption.days_max or 1, exemption.days_max or 1)
                span = (at, _end_of(at, days, facts))
        if span is not None:
            begins, ends = span
            ends = min([ends, *(at for at in _conversations(facts, debt) if at > begins)])
            if begins < ends:
                allowed[debt] = (begins, ends)
    return allowed


def _end_of(at: datetime, days: int, facts: Facts) -> datetime:
    later = timedelta(days=days)
    # The earliest of the zones: an allowance ends when it may have ended.
    return min((starts_at(local_date(at, name) + later, name) for name in facts.zones), default=at)


def _conversations(facts: Facts, debt: str | None) -> list[datetime]:
    person = facts.question.person.person
    spoken = [
        at
        for at, contact in facts.contacts
        if contact.person == person
        and contact.outcome is ContactOutcome.CONVERSATION
        and (debt is None or not contact.debts or debt in contact.debts)
    ]
    return spoken + [
        at
        for at, call in facts.calls
        if call.person == person
        and call.outcome is ContactOutcome.CONVERSATION
        and (debt is None or not call.debts or debt in call.debts)
    ]


def opted_out_at(facts: Facts) -> datetime | None:
    """When her last refusal of this channel and address was said, if no later yes stands against it."""
    standing = last_word(facts, profile=False)
    return standing.at if standing.word is Word.NO else None


def in_status(
    facts: Facts,
    status: StatusKind,
    *,
    kinds: tuple[str, ...] | None = None,
    of_anyone: bool = False,
    until: datetime = NEVER,
) -> datetime | None:
    """Since when a status stands for one of the debts named (or for all of hers); None when it does not.

    ``until``: only statements up to that instant begin it.
    """
    question = facts.question
    message, person = question.message, question.person.person
    for debt in message.debts or (None,):
        standing: datetime | None = None
        for at, said in facts.statuses:
            if (
                said.status is not status
                or (said.person != person and not of_anyone)
                or (kinds is not None and said.kind not in kinds)
                or (said.debts is not None and debt is not None and debt not in said.debts)
                or not _same_address(said.address, message.address)
            ):
                continue
            if said.ended:
                standing = None
            elif at <= until and standing is None:
                standing = at
        if standing is not None:
            return standing
    return None


def wrote_from(facts: Facts, channel: Channel, address: str | None) -> bool:
    """Whether she ever wrote from that address herself, other than to stop."""
    person = facts.question.person.person
    return any(
        reply.person == person
        and reply.channel in ALIKE[channel]
        and reply.address == address
        and address is not None
        and not facts.is_opt_out(reply)
        for _, reply in facts.replies
    )
