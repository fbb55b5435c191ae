"""Whether a way may be used: closed while it works, open when it does not, then one probe at a time until it works again.

Pure: an instant and what happened go in, a state comes out. Instants are seconds of some clock that all who share the state
read; a few seconds between their clocks do no harm. What is kept may be lost: then every way is tried afresh.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

#: Endings are forgotten by halves.
HALF_LIFE_SECONDS: Final = 15.0
#: So many bad endings, and at least this share of all, open a way.
BAD_MIN: Final = 5.0
BAD_SHARE: Final = 0.5
OPEN_SECONDS: Final = 5.0
OPEN_SECONDS_MAX: Final = 300.0
#: A provider that refuses our credentials is asked again much later: only the operator can mend that.
REFUSED_SECONDS: Final = 60.0
REFUSED_SECONDS_MAX: Final = 3_600.0
REST_SECONDS: Final = 1.0
REST_SECONDS_MAX: Final = 3_600.0
#: A probe whose ending nobody tells is given up after this.
PROBE_SECONDS: Final = 60.0
RECENT_MAX: Final = 20
REASON_CHARACTERS_MAX: Final = 200


class Use(StrEnum):
    """How a way may be used now. ``RESTING``: it works, and its provider asked for a pause."""

    CLOSED = "closed"
    RESTING = "resting"
    OPEN = "open"
    PROBING = "probing"


class Ending(StrEnum):
    """What a call says of its way. ``BAD``: no answer, or none that can be read. ``REFUSED``: the provider refuses us, not the message."""

    GOOD = "good"
    BAD = "bad"
    PACED = "paced"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One ending, as it is shown: no person is in it."""

    at: float
    ending: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of one way."""

    good: float = 0.0
    bad: float = 0.0
    counted_at: float = 0.0
    #: Not to be used before; and whether that is trouble or courtesy.
    until: float = 0.0
    trouble: bool = False
    #: Times that it was opened without working in between.
    openings: int = 0
    probing_until: float = 0.0
    recent: tuple[Told, ...] = ()

    def use(self, now: float) -> Use:
        """How it may be used."""
        if self.until > now:
            return Use.OPEN if self.trouble else Use.RESTING
        return Use.PROBING if self.trouble else Use.CLOSED

    def wait_seconds(self, now: float) -> float:
        """Seconds until it may be used again, 0 when it may."""
        if self.use(now) is Use.PROBING:
            return max(0.0, self.probing_until - now)
        return max(0.0, self.until - now)

    def probe(self, now: float) -> "Circuit":
        """Somebody is about to try it: nobody else does meanwhile."""
        return replace(self, probing_until=now + PROBE_SECONDS)

    def unprobed(self) -> "Circuit":
        """Nobody tried it after all."""
        return replace(self, probing_until=0.0)

    def after(self, ending: Ending, now: float, *, seconds: float | None = None, told: Told | None = None) -> "Circuit":
        """What is known after one more ending. ``seconds``: how long the provider wants to be left alone."""
        faded = 0.5 ** (max(0.0, now - self.counted_at) / HALF_LIFE_SECONDS) if self.counted_at else 0.0
        found = replace(self, good=self.good * faded, bad=self.bad * faded, counted_at=now)
        if told is not None:
            found = replace(found, recent=(*self.recent, told)[-RECENT_MAX:])
        match ending:
            case Ending.GOOD:
                if self.trouble and self.until <= now:
                    return replace(found, good=1.0, bad=0.0, trouble=False, until=0.0, openings=0, probing_until=0.0)
                return replace(found, good=found.good + 1.0)
            case Ending.PACED:
                # It answered, so it works; a longer rest that stands already stays, and trouble is not mended by it.
                rest = min(REST_SECONDS if seconds is None else max(seconds, 0.0), REST_SECONDS_MAX)
                return replace(found, until=max(self.until, now + rest), probing_until=0.0)
            case Ending.REFUSED:
                return found._opened(now, REFUSED_SECONDS if seconds is None else seconds, REFUSED_SECONDS_MAX)
            case Ending.BAD:
                found = replace(found, bad=found.bad + 1.0)
                if self.trouble and self.until > now:
                    # Calls that were in the air when it opened say nothing new.
                    return found
                worn = found.bad >= BAD_MIN and found.bad >= BAD_SHARE * (found.good + found.bad)
                return found._opened(now, OPEN_SECONDS, OPEN_SECONDS_MAX) if self.trouble or worn else found

    def _opened(self, now: float, seconds: float, seconds_max: float) -> "Circuit":
        if self.trouble and self.until > now:
            return self
        rest = min(seconds * 2.0 ** min(self.openings, 16), seconds_max)
        return replace(self, until=now + rest, trouble=True, openings=self.openings + 1, probing_until=0.0)
