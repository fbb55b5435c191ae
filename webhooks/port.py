"""What the intake asks of the house: a place that keeps what providers tell, and a counter of how their calls ended."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from vocabulary.outcome import Receipt, Reply


class InboxAwayError(Exception):
    """Nothing can be kept now (the database is away): answered 503, so that the provider calls again."""


class Inbox(Protocol):
    """Keeps what was received. Both calls return after the commit and raise ``InboxAwayError`` when there is none."""

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        """Keep what a genuine hook of ``provider`` (the operator's name) said. A repeat of a key changes nothing."""
        ...

    async def keep_unreadable(self, provider: str, kind: str, raw: bytes, /) -> None:
        """Keep a genuine hook that could not be read, as it came, where the operator sees it."""
        ...


class Ending(StrEnum):
    """How one call of a provider ended."""

    KEPT = "kept"
    UNREADABLE = "unreadable"
    FORGED = "forged"
    REFUSED = "refused"
    AWAY = "away"


class Counter(Protocol):
    """Counts endings; forged calls leave no other trace."""

    def count(self, provider: str, ending: Ending, /) -> None:
        """One more call for a configured ``provider`` ended so."""
        ...
