"""How fast each way may be used: a pace kept in Redis for all workers together, and by each alone at a share when Redis is away.

The one file of this floor that speaks with a server. What it keeps may be lost at any time: a pace is courtesy to a provider and
never a limit of the law.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.exceptions import RedisError

#: Without Redis a worker does not know of the others: it goes at this share of the pace.
SHARE_ALONE: Final = 0.25
KEY_PREFIX: Final = "tregua:pace:"
MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Sends a second, and how many may go at once after a rest."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Granted:
    """How many sends may go now, and how many seconds until one more may."""

    count: int
    wait_seconds: float


class Pacer:
    """Grants sends by way. A way without a pace is granted whatever it wants."""

    def __init__(self, redis: Any, paces: Mapping[str, Pace]) -> None:
        self._paces = paces
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
            count, wait = await self._take(keys=[KEY_PREFIX + way], args=[interval, pace.burst, wanted])
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
            await self._give(keys=[KEY_PREFIX + way], args=[interval, count])
        except (RedisError, OSError, TimeoutError):
            # Lost with Redis: the way rests a little longer than it had to.
            return

    def _take_alone(self, way: str, pace: Pace, wanted: int) -> Granted:
        interval = round(MICROSECONDS / (pace.per_second * SHARE_ALONE))
        burst = max(1, int(pace.burst * SHARE_ALONE))
        now = time.monotonic_ns() // 1000
        arrival = max(self._alone.get(way, now), now)
        count = max(0, min(wanted, (now + burst * interval - arrival) // interval))
        arrival += count * interval
        self._alone[way] = arrival
        return Granted(count, max(0, arrival + interval - now - burst * interval) / MICROSECONDS)


def _lua(name: str) -> str:
    return resources.files("throttling").joinpath(f"lua/{name}.lua").read_text("utf-8")
