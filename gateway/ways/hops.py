"""What is left to try of a message: its channels in order, each until it has failed, and addresses that are none passed over.

The next channel follows ``failed`` and ``undelivered``, never ``unknown`` (docs/decisions/0005-next-channel-after-undelivered.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from gateway.judge import Case
from storage.messages import AttemptRow, MessageRow
from storage.people import ContactRow
from vocabulary.channel import Channel
from vocabulary.event import Event, Replied
from vocabulary.values import changed

#: Tries on one channel that provably did not leave, before the next one in her order is taken.
TRIES_BEFORE_NEXT: Final = 6
#: The same where there is no other: some hours, for a provider that is away comes back.
TRIES_MAX: Final = 20

#: How attempts end after which something else may be tried. Every other one has reached her, or may have.
_FAILED: Final = frozenset({"rejected", "undelivered"})
_OVER: Final = _FAILED | {"not_sent"}


class _Addressed(msgspec.Struct, frozen=True):
    address: str | None = None


_ADDRESSED: Final = msgspec.json.Decoder(_Addressed)


def address_of(row: MessageRow) -> str | None:
    """The address that a message was asked for, if any."""
    return _ADDRESSED.decode(row.ask).address


def may_hop(tried: Sequence[AttemptRow]) -> bool:
    """Whether every attempt so far is known not to have reached her."""
    return all(attempt.state in _OVER for attempt in tried)


def with_tried(case: Case, tried: Sequence[AttemptRow], accepted_at: datetime) -> Case | None:
    """The case of a message once some was tried: the channels that are left, and where she answered; None where none is left."""
    ask = case.ask
    left = channels_left(ask.channels, tried, case.contact, ask.address)
    if not left:
        return None
    answered = answered_on(case.history, case.contact.id, accepted_at) if len(ask.channels) > 1 else None
    # Where she answered on a channel that was not asked for, only what was sent already, and did not reach her, minds.
    hops = any(attempt.state == "undelivered" for attempt in tried)
    return changed(
        case,
        ask=ask if left == ask.channels else msgspec.structs.replace(ask, channels=left),
        answered_on=answered if hops or answered in ask.channels else None,
        tried=any(attempt.state != "not_sent" for attempt in tried),
    )


def channels_left(
    channels: Sequence[str], tried: Sequence[AttemptRow], contact: ContactRow, address: str | None = None
) -> list[str]:
    """The channels on which a message may still be tried, in her order. ``address``: the one it was asked for, if any."""
    tries_max = TRIES_BEFORE_NEXT if len(channels) > 1 else TRIES_MAX
    return [
        channel
        for channel in channels
        if not _is_spent([attempt for attempt in tried if attempt.channel == channel], contact, address, tries_max)
    ]


def _is_spent(tried: Sequence[AttemptRow], contact: ContactRow, address: str | None, tries_max: int) -> bool:
    if sum(1 for attempt in tried if attempt.state == "not_sent" and not attempt.excused) >= tries_max:
        return True
    failed = [attempt for attempt in tried if attempt.state in _FAILED]
    if not failed:
        return False
    rows = contact.on(failed[0].channel)
    invalid = {row.address for row in rows if row.invalid_at is not None}
    if any(attempt.address not in invalid for attempt in failed):
        return True
    # What failed were addresses that are none: the channel is not spent while she has another there.
    return not any(row.invalid_at is None and address in (None, row.address) for row in rows)


def known_at(tried: Sequence[AttemptRow], at: datetime, *, deciding: bool) -> list[AttemptRow]:
    """The attempts that there were at an instant, as they stood then. ``deciding``: their message was decided again just then.

    Nothing is decided again before what was tried is over: what is known to have reached her by now was undelivered at that time.
    """
    return [replace(each, state=_state_at(each, at, deciding)) for each in tried if each.reserved_at < at]


def _state_at(attempt: AttemptRow, at: datetime, deciding: bool) -> str:
    if deciding:
        return attempt.state if attempt.state in _OVER else "undelivered"
    return attempt.state if attempt.settled_at is not None and attempt.settled_at <= at else "dispatching"


def answered_on(history: Iterable[Event], person: str, since: datetime) -> Channel | None:
    """The channel of the last reply of hers since then: where she answers, she is to be spoken with."""
    last: Channel | None = None
    for event in history:
        if isinstance(event, Replied) and event.person == person and event.at >= since:
            last = event.channel
    return last
