"""Whose turn it is: start-time fair queueing between tenants, so that one with a long queue lengthens its own wait only.

Each tenant has a virtual time that moves on with every send of its own. Who has had least goes first; who comes back after
having had nothing to send starts where the others stand, and can neither save up turns nor be made to catch up.
(Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996.)
"""

from collections.abc import Iterable, Sequence


class Turns:
    """Counts turns. Local to one process: every worker is fair for itself, so all of them are."""

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._now = 0.0

    def order(self, waiting: Iterable[str]) -> list[str]:
        """Those that have something to send, who has had least first."""
        names = sorted(set(waiting))
        stayed = [self._had[name] for name in names if name in self._had]
        self._now = max(self._now, min(stayed, default=self._now))
        self._had = {name: max(self._had.get(name, self._now), self._now) for name in names}
        return sorted(names, key=lambda name: (self._had[name], name))

    def had(self, name: str) -> None:
        """One more send of this tenant."""
        if name in self._had:
            self._had[name] += 1.0


def shares(order: Sequence[str], limit: int) -> dict[str, int]:
    """How many each may send out of ``limit``, in order: the same for all, and who is late in line may have to wait a round."""
    first = order[:limit]
    return {name: -(-limit // len(first)) for name in first} if first else {}


def in_turns(owners: Sequence[str], order: Sequence[str]) -> list[int]:
    """The places of rows, of which each belongs to an owner, so that every owner's first comes before anybody's second."""
    position = {name: place for place, name in enumerate(order)}
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, int]] = []
    for place, name in enumerate(owners):
        seen[name] = seen.get(name, 0) + 1
        ranked.append((seen[name], position.get(name, len(order)), place))
    return [place for _, _, place in sorted(ranked)]
