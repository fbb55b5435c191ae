"""Which way a message takes: in the operator's order or by weight, past those that rest, are broken or are at their pace."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from math import log
from typing import Any
from uuid import UUID

from adapters.kit.port import Adapter, HasSenders
from gateway.ways.circuits import Circuits
from storage.messages import AttemptRow
from throttling.circuit import Use
from throttling.pace import Lane
from throttling.pacing import Pacer
from vocabulary.channel import Channel
from vocabulary.outcome import Outcome


class Ways:
    """The ways out of one worker. ``ways`` are in the operator's order per channel; ``weights`` share the first choice out."""

    def __init__(
        self,
        *,
        ways: Mapping[Channel, tuple[Adapter, ...]],
        pacer: Pacer,
        circuits: Circuits,
        weights: Mapping[str, int] | None = None,
    ) -> None:
        self._ways = ways
        self._pacer = pacer
        self._circuits = circuits
        self._weights = weights or {}
        self._names = {way.name: way for each in ways.values() for way in each}
        # Asked once and not for every message: whether an object meets a protocol takes a walk through all that it has.
        self._senders = {name: way for name, way in self._names.items() if isinstance(way, HasSenders)}
        self._rests_until: dict[str, float] = {}

    @property
    def rest_seconds(self) -> float | None:
        """Seconds until a way that rests may be used again, None when none rests."""
        now = time.monotonic()
        return min((until - now for until in self._rests_until.values() if until > now), default=None)

    def resting(self) -> list[str]:
        """The channels all of whose ways rest: broken, or used as fast as their providers want."""
        now = time.monotonic()
        return [
            channel.value
            for channel, ways in self._ways.items()
            if ways and all(self._rests_until.get(way.name, 0.0) > now for way in ways)
        ]

    async def grants(self, wanted: int) -> dict[str, int]:
        """How many sends each way may take now; taken before anything is reserved, so that no reservation waits for a pace."""
        granted: dict[str, int] = {}
        for name in self._names:
            if self._rests_until.get(name, 0.0) > time.monotonic():
                granted[name] = 0
                continue
            room, wait = await self._circuits.room(name, wanted)
            if room == 0:
                granted[name] = 0
                self._rests_until[name] = time.monotonic() + wait
                continue
            grant = await self._pacer.take(name, room)
            granted[name] = grant.count
            if grant.count < room:
                self._rests_until[name] = time.monotonic() + grant.wait_seconds
        return granted

    async def give_back(self, granted: Mapping[str, int], unused: Mapping[str, int]) -> None:
        """Hand back what was granted and not used."""
        for name, count in unused.items():
            await self._pacer.give(name, count)
            if count and count == granted[name]:
                await self._circuits.unprobed(name)

    def idle(self, grants: Mapping[str, int]) -> list[str]:
        """The channels on which nothing may be sent now."""
        return [c.value for c, ways in self._ways.items() if ways and not any(grants[way.name] for way in ways)]

    def pick(
        self,
        channel: Channel,
        allowed: Callable[[str], bool],
        message: UUID,
        tried: Sequence[AttemptRow],
        grants: Mapping[str, int],
    ) -> Adapter | None:
        """The way that a message takes next, of those that are allowed: one that may send now before one that may not,
        one that did not fail it before one that did."""
        ways = [way for way in self._ways.get(channel, ()) if allowed(way.name)]
        if not ways:
            return None
        used = [attempt.provider for attempt in tried if attempt.state == "not_sent"]
        ranks = ranked([way.name for way in ways], self._weights, message)
        return min(ways, key=lambda way: (not grants[way.name], used.count(way.name), ranks[way.name]))

    def wait_seconds(self, ways: Iterable[str]) -> float:
        """Seconds until one of these ways may be used."""
        now = time.monotonic()
        return min((max(0.0, self._rests_until.get(name, 0.0) - now) for name in ways), default=0.0)

    def names(self, channel: Channel) -> tuple[str, ...]:
        """The ways of a channel, in the operator's order."""
        return tuple(way.name for way in self._ways.get(channel, ()))

    def lanes(self, way: Adapter, tenant: str, to: str) -> list[Lane]:
        """What else one send is paced by: its sender, its person, its tenant."""
        sending = self._senders.get(way.name)
        sender = None if sending is None else sending.sender(to)
        return self._pacer.lanes(way.name, tenant=tenant, chat=to, sender=sender)

    def reserve(self, lanes: Sequence[Lane]) -> float:
        """Take a turn in every lane, as far as this process knows; else the seconds until they are free."""
        return self._pacer.reserve(lanes) if lanes else 0.0

    async def enter(self, lanes: Sequence[Lane]) -> float:
        """Take the same turns before all workers; else the seconds until they are free."""
        return await self._pacer.enter(lanes) if lanes else 0.0

    def note(self, way: str, outcome: Outcome) -> None:
        """An attempt by a way has ended so."""
        self._circuits.note(way, outcome)


def ranked(names: Sequence[str], weights: Mapping[str, int], message: UUID) -> dict[str, int]:
    """In which order a message prefers its ways: those with a weight share the first place in that proportion, the others
    stand by in the operator's order.

    The same message always prefers the same way, in every process (rendezvous hashing with weights: Schindler, Radoslavov 2005).
    """
    weighted = [name for name in names if weights.get(name, 0) > 0]
    weighted.sort(key=lambda name: -log(_unit(message, name)) / weights[name])
    order = [*weighted, *(name for name in names if name not in weighted)]
    return {name: place for place, name in enumerate(order)}


def _unit(message: UUID, name: str) -> float:
    """A number from just above 0 to 1, the same for the same message and way."""
    drawn = int.from_bytes(sha256(message.bytes + name.encode()).digest()[:8])
    return (drawn + 1) / 2**64


class Board:
    """Shows the state of every way. ``kinds``: of each way its provider's kind."""

    def __init__(
        self,
        *,
        channels: Mapping[Channel, Sequence[str]],
        kinds: Mapping[str, str],
        weights: Mapping[str, int],
        circuits: Circuits,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._channels = channels
        self._kinds = kinds
        self._weights = weights
        self._circuits = circuits
        self._wall = wall

    async def states(self) -> dict[str, Use]:
        """How each way may be used now."""
        now = self._wall()
        return {name: circuit.use(now) for name, circuit in (await self._circuits.all(self._kinds)).items()}

    async def shown(self) -> list[dict[str, Any]]:
        """All of it, in the words of the API."""
        now = self._wall()
        circuits = await self._circuits.all({name for names in self._channels.values() for name in names})
        return [
            {
                "provider": name,
                "channel": channel.value,
                "kind": self._kinds[name],
                "weight": self._weights.get(name),
                "state": circuits[name].use(now).value,
                "wait_seconds": round(circuits[name].wait_seconds(now), 3),
                "recent": [
                    {"at": _instant(told.at), "ending": told.ending, "reason": told.reason}
                    for told in reversed(circuits[name].recent)
                ],
            }
            for channel, names in self._channels.items()
            for name in names
        ]


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
