"""How fast each way may be used: a pace kept in Redis for all workers together, and by each alone at a share when Redis is away.

The one file of this floor that speaks with a server. What it keeps may be lost at any time: a pace is courtesy to a provider and
never a limit of the law.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.exceptions import RedisError

from throttling.pace import MICROSECONDS, Lane, Pace

#: Without Redis a worker does not know of the others: it goes at this share of the pace.
SHARE_ALONE: Final = 0.25
KEY_PREFIX: Final = "tregua:pace:"
#: Lanes that a process remembers before it forgets those that are free.
LANES_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class Granted:
    """How many sends may go now, and how many seconds until one more may."""

    count: int
    wait_seconds: float


class Pacer:
    """Grants sends by way. A way without a pace is granted whatever it wants."""

    def __init__(self, redis: Any, paces: Mapping[str, Pace]) -> None:
        self._paces = paces
        self._lanes: dict[str, int] = {}
        self._take = redis.register_script(_lua("gcra_take"))
        self._give = redis.register_script(_lua("gcra_give"))
        self._alone: dict[str, int] = {}

    async def take(self, way: str, wanted: int) -> Granted:
        """Up to ``wanted`` sends."""
        pace = self._paces.get(way)
        if pace is None or wanted <= 0:
            return Granted(max(wanted, 0), 0.0)
        interval = round(MICROSECONDS / pace.per_second)
        try:
            count, wait = await self._take(keys=[_key(way, pace)], args=[interval, pace.burst, wanted])
        except (RedisError, OSError, TimeoutError):
            return self._take_alone(way, pace, wanted)
        return Granted(int(count), int(wait) / MICROSECONDS)

    async def give(self, way: str, count: int) -> None:
        """Hand back sends that were granted and not used."""
        pace = self._paces.get(way)
        if pace is None or count <= 0:
            return
        interval = round(MICROSECONDS / pace.per_second)
        try:
            await self._give(keys=[_key(way, pace)], args=[interval, count])
        except (RedisError, OSError, TimeoutError):
            # Lost with Redis: the way rests a little longer than it had to.
            return

    def lanes(self, way: str, *, tenant: str, chat: str, sender: str | None) -> list[Lane]:
        """The lanes of one send."""
        pace = self._paces.get(way)
        return [] if pace is None else pace.lanes(way, tenant=tenant, chat=chat, sender=sender)

    def reserve(self, lanes: Sequence[Lane]) -> float:
        """Take a turn in every lane, as far as this process knows: 0 when all were free, else seconds until they are, and none
        is taken. Asks nobody, so it may be called with a transaction open."""
        now = _now()
        wait = max((self._lanes.get(lane.name, 0) - now for lane in lanes), default=0)
        if wait > 0:
            return wait / MICROSECONDS
        for lane in lanes:
            self._lanes[lane.name] = now + lane.interval
        if len(self._lanes) > LANES_MAX:
            self._lanes = {name: until for name, until in self._lanes.items() if until > now}
        return 0.0

    async def enter(self, lanes: Sequence[Lane]) -> float:
        """Take the same turns before all workers: 0, or seconds until another one's send has had its span."""
        taken: list[Lane] = []
        try:
            for lane in lanes:
                count, wait = await self._take(keys=[KEY_PREFIX + lane.name], args=[lane.interval, 1, 1])
                if not int(count):
                    self._lanes[lane.name] = _now() + int(wait)
                    for other in taken:
                        await self._give(keys=[KEY_PREFIX + other.name], args=[other.interval, 1])
                    return int(wait) / MICROSECONDS
                taken.append(lane)
        except (RedisError, OSError, TimeoutError):
            # Alone: what this process has reserved is what it goes by.
            return 0.0
        return 0.0

    def _take_alone(self, way: str, pace: Pace, wanted: int) -> Granted:
        interval = round(MICROSECONDS / (pace.per_second * SHARE_ALONE))
        burst = max(1, int(pace.burst * SHARE_ALONE))
        now = time.monotonic_ns() // 1000
        arrival = max(self._alone.get(way, now), now)
        count = max(0, min(wanted, (now + burst * interval - arrival) // interval))
        arrival += count * interval
        self._alone[way] = arrival
        return Granted(count, max(0, arrival + interval - now - burst * interval) / MICROSECONDS)


def _key(way: str, pace: Pace) -> str:
    return KEY_PREFIX + (way if pace.account is None else f"account:{pace.account}")


def _now() -> int:
    return time.monotonic_ns() // 1000


def _lua(name: str) -> str:
    return resources.files("throttling").joinpath(f"lua/{name}.lua").read_text("utf-8")
