"""What may lift a rule for one message: each exemption proved by an event, used up by one, and unsaid by certain words."""

from datetime import datetime
from typing import Final

from consent.standing import Word, last_word, opted_out_at, wrote_from
from jurisdictions.facts import Facts
from jurisdictions.localtime import NEVER, PAST
from jurisdictions.rule import ALIKE, Exemption, Lift
from vocabulary.channel import Channel, Purpose

_NO: Final = PAST


def lifted_until(exemption: Exemption, facts: Facts) -> datetime:
    """Until when the exemption lifts a rule: ``NEVER`` ends it, ``PAST`` means that it does not hold at all."""
    until = _held_until(exemption, facts)
    # Words last: few messages are exempt, and every text would have to be read.
    return _NO if until is not _NO and any(words.struck(facts.text) for words in exemption.words_not) else until


def _held_until(exemption: Exemption, facts: Facts) -> datetime:
    message = facts.question.message
    match exemption.lift:
        case Lift.ANSWER:
            return NEVER if message.reply_to_inbound and _unanswered(facts) else _NO
        case Lift.REQUESTED_INFO:
            return NEVER if message.purpose is Purpose.REQUESTED_INFO and _asked(facts) else _NO
        case Lift.FRAUD_ALERT:
            return NEVER if message.purpose is Purpose.FRAUD_ALERT else _NO
        case Lift.OPTOUT_CONFIRMATION:
            return _confirmable(exemption, facts) if message.purpose is Purpose.OPTOUT_CONFIRMATION else _NO
        case Lift.EXTRA_CALLS:
            raise AssertionError("calls that she allowed are left out of a count; packs say so under excludes")
        case Lift.CONSENT:
            good = last_word(facts, purpose=exemption.purpose, profile=False, given_to=exemption.given_to)
            return NEVER if good.word is Word.YES else _NO
        case Lift.REGISTERED_TEMPLATE:
            return NEVER if message.content.registered_template is True else _NO
        case Lift.USED_ADDRESS:
            good = last_word(facts, profile=False, given_to="sender")
            used = wrote_from(facts, message.channel, message.address)
            return NEVER if used or good.word is Word.YES else _NO


def _unanswered(facts: Facts) -> bool:
    """Whether she wrote on this channel, something else than a word to stop, and had no answer yet."""
    question = facts.question
    ways, person = ALIKE[question.message.channel], question.person.person
    wrote = max(
        (
            at
            for at, reply in facts.replies
            if reply.person == person and reply.channel in ways and not facts.is_opt_out(reply)
        ),
        default=None,
    )
    if question.message.channel in ALIKE[Channel.VOICE]:
        called = max((at for at, call in facts.calls if call.person == person), default=None)
        wrote = max((at for at in (wrote, called) if at is not None), default=None)
    return wrote is not None and not any(
        at >= wrote
        and contact.person == person
        and contact.channel in ways
        and (contact.reply_to_inbound or contact.purpose is Purpose.OPTOUT_CONFIRMATION)
        for at, contact in facts.contacts
    )


def _asked(facts: Facts) -> bool:
    """Whether she turned to us since the last information that was sent because she asked."""
    person = facts.question.person.person
    turned = [at for at, reply in facts.replies if reply.person == person and not facts.is_opt_out(reply)]
    turned += [at for at, call in facts.calls if call.person == person]
    sent = max(
        (
            at
            for at, contact in facts.contacts
            if contact.person == person and contact.purpose is Purpose.REQUESTED_INFO
        ),
        default=PAST,
    )
    return any(at > sent for at in turned)


def _confirmable(exemption: Exemption, facts: Facts) -> datetime:
    """One confirmation of a refusal, within so many minutes of it (12 CFR 1006.14(h)(2)(i); 47 CFR 64.1200(a)(12))."""
    refused = opted_out_at(facts)
    if refused is None or refused > facts.now:
        return _NO
    question = facts.question
    confirmed = any(
        at >= refused
        and contact.person == question.person.person
        and contact.channel in ALIKE[question.message.channel]
        and contact.purpose is Purpose.OPTOUT_CONFIRMATION
        for at, contact in facts.contacts
    )
    if confirmed:
        return _NO
    return NEVER if exemption.within is None else refused + exemption.within
