"""Faults that a tester arms: each strikes a number of messages, or for a number of seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """The words of the contract, section 7."""

    TIMEOUT = "timeout"
    HANG_UP = "hang_up"
    REFUSE_CONNECTION = "refuse_connection"
    SERVER_ERROR = "server_error"
    THROTTLE = "throttle"
    REJECT = "reject"
    DUPLICATE_RECEIPT = "duplicate_receipt"
    REORDER_RECEIPTS = "reorder_receipts"
    LATE_RECEIPT = "late_receipt"
    EARLY_RECEIPT = "early_receipt"
    FORGED_RECEIPT = "forged_receipt"
    DROP_RECEIPT = "drop_receipt"


#: These strike the call that creates a message, one of them at a time, in the order in which they were armed.
OF_CALLS: Final = frozenset({Fault.TIMEOUT, Fault.HANG_UP, Fault.SERVER_ERROR, Fault.THROTTLE, Fault.REJECT})

#: These strike what is told afterwards about one message, all that are armed together.
OF_RECEIPTS: Final = frozenset(
    {
        Fault.DUPLICATE_RECEIPT,
        Fault.REORDER_RECEIPTS,
        Fault.LATE_RECEIPT,
        Fault.EARLY_RECEIPT,
        Fault.FORGED_RECEIPT,
        Fault.DROP_RECEIPT,
    }
)

COUNT_MAX: Final = 1_000_000
SECONDS_MAX: Final = 86_400.0
#: A refused connection cannot be counted, for nothing of it reaches us: each one counted stands for these seconds.
REFUSED_SECONDS_EACH: Final = 2.0


@dataclass(slots=True, kw_only=True)
class Armed:
    """One fault in waiting. ``left`` None: no count; ``until`` None: no end; a ``provider`` of None means each of them."""

    provider: str | None
    fault: Fault
    left: int | None
    until: float | None


class Faults:
    """What is armed. Real time, for providers' time-outs run on real time."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._armed: list[Armed] = []

    def arm(self, provider: str | None, fault: Fault, count: int | None, seconds: float | None) -> Armed:
        """Arm a fault; with neither count nor seconds it strikes once."""
        if count is None and seconds is None:
            count = 1
        if fault is Fault.REFUSE_CONNECTION and seconds is None:
            count, seconds = None, (count or 1) * REFUSED_SECONDS_EACH
        until = None if seconds is None else self._monotonic() + seconds
        armed = Armed(provider=provider, fault=fault, left=count, until=until)
        self._armed.append(armed)
        return armed

    def take_call(self, provider: str) -> Fault | None:
        """The fault that strikes this call, if one does."""
        for armed in self._waiting(provider):
            if armed.fault in OF_CALLS:
                _strike(armed)
                return armed.fault
        return None

    def take_receipts(self, provider: str) -> frozenset[Fault]:
        """The faults that strike what is told about one message."""
        struck: set[Fault] = set()
        for armed in self._waiting(provider):
            if armed.fault in OF_RECEIPTS and armed.fault not in struck:
                _strike(armed)
                struck.add(armed.fault)
        return frozenset(struck)

    def waiting(self) -> list[dict[str, object]]:
        """What is armed, for people to look at."""
        now = self._monotonic()
        return [
            {
                "provider": armed.provider,
                "fault": armed.fault.value,
                "count": armed.left,
                "seconds": None if armed.until is None else round(armed.until - now, 1),
            }
            for armed in self._waiting(None)
        ]

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def _waiting(self, provider: str | None) -> list[Armed]:
        now = self._monotonic()
        self._armed = [
            armed
            for armed in self._armed
            if (armed.left is None or armed.left > 0) and (armed.until is None or armed.until > now)
        ]
        return [armed for armed in self._armed if provider is None or armed.provider in (None, provider)]


def _strike(armed: Armed) -> None:
    if armed.left is not None:
        armed.left -= 1
