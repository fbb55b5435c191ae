"""Spreads what opens at the same instant over the hours that follow, so that 08:00 is not a wall.

A campaign that was handed over at night is deferred, message by message, to the opening of the law. With ``spread_seconds``
each waits a little longer: the same share of the span for the same message, whenever it is asked, and never past closing.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from gateway.deciding.decide import open_until
from gateway.judge import EDGE, Case, Choice, Judge

_WHOLE = 1 << 64


def due_at(judge: Judge, case: Case, choice: Choice, message: UUID, until: datetime) -> datetime:
    """When a deferred message is decided again: at ``until``, or as much later as its share of the spread says."""
    seconds = case.ask.spread_seconds
    if not seconds:
        return until
    question = judge.question(case, choice.channel, choice.address, until)
    span = timedelta(seconds=seconds)
    closes = open_until(question, judge.law, span + EDGE, case.policy)
    if closes is not None:
        # As early before closing as dispatch wants it: later it would be deferred once more, into the next opening.
        span = max(timedelta(), min(span, closes - until - EDGE))
    share = int.from_bytes(sha256(message.bytes).digest()[:8]) / _WHOLE
    return until + span * share
