"""The gateway's clock as the carriers see it: what they note as the instant of arrival is on the clock that rules the law."""

import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from vocabulary.clock import Clock

#: How long a difference between the two clocks is believed; a clock set through the sandbox is looked at again at once.
BELIEVED_SECONDS: Final = 0.2


class CarriersClock:
    """Real time plus the gateway's difference to it, asked for at most every ``BELIEVED_SECONDS``.

    When the gateway's clock does not answer, the last known difference holds: a carrier has arrivals to note even while
    the gateway's database is away.
    """

    def __init__(self, law: Clock | None) -> None:
        self._law = law
        self._difference = timedelta()
        self._asked_at: float | None = None

    async def now(self) -> datetime:
        """An aware instant in UTC."""
        if self._law is not None and (self._asked_at is None or time.monotonic() - self._asked_at > BELIEVED_SECONDS):
            self._asked_at = time.monotonic()
            # Whatever keeps that clock from answering, the last difference is the best there is.
            with contextlib.suppress(Exception):
                self._difference = await self._law.now() - _real()
        return _real() + self._difference

    def forget(self) -> None:
        """Ask anew the next time."""
        self._asked_at = None


def _real() -> datetime:
    return datetime.now(UTC)
