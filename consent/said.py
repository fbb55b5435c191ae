"""What stands of all that a person said, as of any instant: one fold over her statements, today's and any past day's.

Whether she may be contacted is asked of ``consent.standing`` for one channel and address; here is the rest of what she said, which
a page, a campaign or a person who answers her must know.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Final

from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Event,
    Held,
    HoursRequested,
    Inconvenient,
    LanguagePreferred,
    Promised,
    StatusSet,
    ZoneStated,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Her last word on each thing. Tuples hold what stands beside each other, the oldest first."""

    prefers: ChannelPreferred | None = None
    language: str | None = None
    zones: tuple[str, ...] = ()
    call: CallRequested | None = None
    promises: tuple[Promised, ...] = ()
    hours: tuple[HoursRequested, ...] = ()
    inconvenient: tuple[Inconvenient, ...] = ()
    statuses: tuple[StatusSet, ...] = ()
    doubts: tuple[Held, ...] = ()

    def held_until(self, at: datetime) -> datetime | None:
        """Until when nobody may contact her, None when nothing is in doubt at that instant."""
        return max((doubt.until for doubt in self.doubts if doubt.until is not None and doubt.until > at), default=None)


NOTHING: Final = Said()


def said_at(history: Iterable[Event], person: str, at: datetime) -> Said:
    """What stood at an instant of what one person said: the fold of everything up to then, in the order in which it was said.

    At one instant what ends something comes last.
    """
    known = [event for event in history if event.person == person and event.at <= at]
    known.sort(key=lambda event: (event.at, getattr(event, "ended", False)))
    return reduce(after, known, NOTHING)


def after(said: Said, event: Event) -> Said:
    """What stands once one more thing was said."""
    match event:
        case ChannelPreferred():
            return replace(said, prefers=None if event.ended else event)
        case LanguagePreferred():
            return replace(said, language=event.locale)
        case ZoneStated():
            return replace(said, zones=() if event.ended else event.zones)
        case CallRequested():
            return replace(said, call=None if event.ended else event)
        case Promised():
            promises = tuple(each for each in said.promises if not (event.ended and _meant(event.debts, each.debts)))
            return replace(said, promises=promises if event.ended else (*promises, event))
        case HoursRequested():
            return replace(said, hours=(*said.hours, event))
        case Inconvenient():
            return replace(said, inconvenient=(*said.inconvenient, event))
        case StatusSet():
            return replace(said, statuses=_statuses(said.statuses, event))
        case Held():
            return replace(said, doubts=() if event.ended else (*said.doubts, event))
        case _:
            return said


def _meant(ended: tuple[str, ...], stands: tuple[str, ...]) -> bool:
    """Whether what is taken back about some debts (none named: all) is this one."""
    return not ended or (bool(stands) and set(stands) <= set(ended))


def _statuses(standing: tuple[StatusSet, ...], event: StatusSet) -> tuple[StatusSet, ...]:
    if not event.ended:
        return (*standing, event)
    return tuple(
        each
        for each in standing
        if each.status is not event.status
        or (event.debts is not None and (each.debts is None or not set(each.debts) <= set(event.debts)))
        or (event.address is not None and each.address != event.address)
    )
