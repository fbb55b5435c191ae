"""The status of a message, and the only moves it may make.

``accepted`` is the instant of acceptance; the first stored status is what the first decision says. From ``sent`` or
``unknown`` on, the status never goes back.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a message stands, in the contract's words."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISPATCHING = "dispatching"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    READ = "read"


#: Waiting to be decided again: what dispatch claims and cancel can still stop.
WAITING: Final[frozenset[Status]] = frozenset({Status.QUEUED, Status.DEFERRED})

_S = Status
MOVES: Final[dict[Status, frozenset[Status]]] = {
    _S.QUEUED: frozenset({_S.DEFERRED, _S.DISPATCHING, _S.BLOCKED, _S.CANCELLED, _S.EXPIRED}),
    _S.DEFERRED: frozenset({_S.QUEUED, _S.DISPATCHING, _S.BLOCKED, _S.CANCELLED, _S.EXPIRED}),
    # The last two only when provably nothing left us; delivery may be told before the send returns.
    _S.DISPATCHING: frozenset(
        {_S.SENT, _S.UNKNOWN, _S.FAILED, _S.DELIVERED, _S.UNDELIVERED, _S.READ, _S.QUEUED, _S.DEFERRED}
    ),
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.READ}),
    _S.UNKNOWN: frozenset({_S.SENT, _S.FAILED, _S.DELIVERED, _S.UNDELIVERED, _S.READ}),
    _S.UNDELIVERED: frozenset({_S.DELIVERED, _S.READ}),
    _S.DELIVERED: frozenset({_S.READ}),
    _S.BLOCKED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.FAILED: frozenset(),
    _S.READ: frozenset(),
}


def may_move(old: Status, new: Status) -> bool:
    """Whether the table allows the move; staying is not a move."""
    return new in MOVES[old]
