"""What a tenant may ask of the gateway: requests a second and messages a day, counted in Redis for all processes together.

It is the operator's bound on a tenant and no limit of the law: what Redis forgets was given away. Without Redis each process
grants a share by itself, so that an outage neither shuts a tenant out nor lets it pour.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from hashlib import blake2b
from importlib import resources
from typing import Any, Final

from redis.exceptions import RedisError

from storage.tenancy import Limits
from throttling.pacing import SHARE_ALONE

KEY_PREFIX: Final = "tregua:quota:"
MICROSECONDS: Final = 1_000_000
#: After a call that Redis did not answer, a process goes alone for so long: nobody waits for its time-out twice.
ALONE_SECONDS: Final = 5.0
#: A day's count outlives its day by this.
DAY_KEPT_SECONDS: Final = 90_000
#: Tenants that a process remembers while it goes alone.
TENANTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a tenant stands with one of its bounds. ``wait_seconds``: until more is granted; ``reset_seconds``: until all is."""

    name: str
    limit: int
    window_seconds: int
    granted: int
    remaining: int
    wait_seconds: float
    reset_seconds: float


def rate_limit_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers for every bound, and the three that came before them for the nearest."""
    if not standings:
        return {}
    nearest = min(standings, key=lambda each: each.remaining)
    return {
        "RateLimit-Policy": ", ".join(f'"{each.name}";q={each.limit};w={each.window_seconds}' for each in standings),
        "RateLimit": ", ".join(
            f'"{each.name}";r={each.remaining};t={math.ceil(each.reset_seconds)}' for each in standings
        ),
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(math.ceil(nearest.reset_seconds)),
    }


def retry_after(standing: Standing) -> dict[str, str]:
    """When to ask again after a refusal, in whole seconds."""
    return {"Retry-After": str(max(1, math.ceil(standing.wait_seconds)))}


class Quotas:
    """Grants requests and messages. A tenant without bounds is granted everything, and nobody is asked."""

    def __init__(self, redis: Any) -> None:
        self._take_request = redis.register_script(_lua("requests_take"))
        self._take_messages = redis.register_script(_lua("messages_take"))
        self._give_messages = redis.register_script(_lua("messages_give"))
        self._alone_until = 0.0
        self._arrivals: dict[str, int] = {}
        self._had: dict[str, int] = {}

    async def request(self, tenant: str, limits: Limits) -> Standing | None:
        """One request; None: this tenant has no such bound."""
        if limits.requests_per_second is None:
            return None
        burst = limits.requests_burst or max(1, math.ceil(limits.requests_per_second))
        interval = max(1, round(MICROSECONDS / limits.requests_per_second))
        found = await self._asked(self._take_request, _key("requests", tenant), [interval, burst])
        if found is None:
            interval = round(interval / SHARE_ALONE)
            found = self._request_alone(tenant, interval, max(1, int(burst * SHARE_ALONE)))
        passes, left, wait, reset = (int(each) for each in found)
        return Standing(
            name="requests",
            limit=burst,
            window_seconds=max(1, math.ceil(burst / limits.requests_per_second)),
            granted=passes,
            remaining=left,
            wait_seconds=wait / MICROSECONDS,
            reset_seconds=reset / MICROSECONDS,
        )

    async def messages(self, tenant: str, limits: Limits, wanted: int, real: datetime) -> Standing | None:
        """Up to so many messages of the UTC day that ``real`` stands in; None: this tenant has no such bound."""
        quota = limits.messages_per_day
        if quota is None:
            return None
        key = _day(tenant, real)
        found = await self._asked(self._take_messages, key, [quota, wanted, DAY_KEPT_SECONDS])
        if found is None:
            quota_alone = int(quota * SHARE_ALONE)
            had = self._had.get(key, 0)
            granted = max(0, min(wanted, quota_alone - had))
            self._had = {key: had + granted, **{k: v for k, v in list(self._had.items())[-TENANTS_MAX:] if k != key}}
            found = [granted, had + granted + quota - quota_alone]
        granted, had = (int(each) for each in found)
        tomorrow = datetime.combine(real.astimezone(UTC).date() + timedelta(days=1), clock_time(), UTC)
        rest = (tomorrow - real).total_seconds()
        return Standing(
            name="messages",
            limit=quota,
            window_seconds=86_400,
            granted=granted,
            remaining=max(0, quota - had),
            wait_seconds=rest,
            reset_seconds=rest,
        )

    async def give_back(self, tenant: str, limits: Limits, count: int, real: datetime) -> None:
        """Messages that were granted and not accepted anew."""
        if limits.messages_per_day is None or count <= 0:
            return
        key = _day(tenant, real)
        if await self._asked(self._give_messages, key, [count]) is None and key in self._had:
            self._had[key] = max(0, self._had[key] - count)

    async def _asked(self, script: Any, key: str, arguments: list[int]) -> Any:
        """Redis' answer; None while it does not give one."""
        if time.monotonic() < self._alone_until:
            return None
        try:
            return await script(keys=[key], args=arguments)
        except (RedisError, OSError, TimeoutError):
            self._alone_until = time.monotonic() + ALONE_SECONDS
            return None

    def _request_alone(self, tenant: str, interval: int, burst: int) -> tuple[int, int, int, int]:
        now = time.monotonic_ns() // 1000
        room = burst * interval
        arrival = max(self._arrivals.get(tenant, now), now)
        passes = arrival + interval <= now + room
        if passes:
            arrival += interval
            if len(self._arrivals) >= TENANTS_MAX:
                self._arrivals = {name: at for name, at in self._arrivals.items() if at > now}
            self._arrivals[tenant] = arrival
        left = max(0, (now + room - arrival) // interval)
        return int(passes), left, max(0, arrival + interval - now - room), arrival - now


class Allowance:
    """What the request in hand may still spend of its tenant's day. ``told``: how its tenant stands, as the answer will say it."""

    def __init__(self, quotas: Quotas, tenant: str, limits: Limits, real: datetime, told: list[Standing]) -> None:
        self._told = told
        self._quotas = quotas
        self._tenant = tenant
        self._limits = limits
        self._real = real

    async def take(self, wanted: int) -> Standing | None:
        """Up to so many messages; None: as many as one likes."""
        standing = await self._quotas.messages(self._tenant, self._limits, wanted, self._real)
        if standing is not None:
            self._told.append(standing)
        return standing

    async def give_back(self, count: int) -> None:
        """What was not accepted anew."""
        await self._quotas.give_back(self._tenant, self._limits, count, self._real)
        if self._told and count > 0:
            self._told[-1] = replace(self._told[-1], remaining=self._told[-1].remaining + count)


def said(standing: Standing) -> str:
    """A refusal in words."""
    if standing.name == "messages":
        return f"The tenant has had its {standing.limit} messages of today (UTC)."
    return f"The tenant may ask {standing.limit} times in {standing.window_seconds} s."


def _key(kind: str, tenant: str) -> str:
    return f"{KEY_PREFIX}{kind}:{blake2b(tenant.encode(), digest_size=12).hexdigest()}"


def _day(tenant: str, real: datetime) -> str:
    return f"{_key('messages', tenant)}:{real.astimezone(UTC):%Y%m%d}"


def _lua(name: str) -> str:
    return resources.files("gateway.tenants").joinpath(f"lua/{name}.lua").read_text("utf-8")
