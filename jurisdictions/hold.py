"""What a rule says of one message: blocked from one instant to another, and what was seen that made it so."""

from dataclasses import dataclass
from datetime import datetime

from jurisdictions.localtime import NEVER, PAST
from vocabulary.values import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True)
class Hold:
    """Blocked in ``[begins, ends)``; ``ends`` of ``NEVER`` is a denial. ``observed`` names no address and no words of a person."""

    ends: datetime
    observed: str
    begins: datetime = PAST

    def after(self, at: datetime) -> datetime:
        """The first instant at or after one at which this hold does not block."""
        return self.ends if self.begins <= at < self.ends else at


def denied(observed: str, begins: datetime = PAST) -> Hold:
    """A hold that no waiting ends."""
    return Hold(NEVER, observed, begins)
