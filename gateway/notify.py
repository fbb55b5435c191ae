"""Delivers events to CRMs by Standard Webhooks: signed, in order per contact, retried with growing gaps, then parked.

At least once: the receiver tells repeats apart by ``webhook-id``. Real time throughout; the law's clock has no say here.
"""

import asyncio
import random
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

import aiohttp
import msgspec
from standardwebhooks.webhooks import Webhook

from gateway.answers import instant
from gateway.egress import Egress, Refused
from storage import chain, outbox
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.outbox import Delivery
from vocabulary.ids import shown

BATCH_MAX: Final = 100
AT_ONCE: Final = 32
#: Among how many due deliveries the heads of lines are looked for, to begin with and at the most.
REACH: Final = 4 * BATCH_MAX
REACH_MAX: Final = 20_000
TIMEOUT_SECONDS: Final = 15.0
#: A delivery is leased for longer than it can take, so that no second process repeats it meanwhile.
LEASE_SECONDS: Final = 60.0
GAP_MIN: Final = timedelta(seconds=1)
GAP_FIRST: Final = timedelta(seconds=5)
GAP_MAX: Final = timedelta(hours=10)
GIVE_UP: Final = timedelta(days=3)
ANSWER_BYTES_MAX: Final = 64 * 1024
SIGNERS_KEPT_MAX: Final = 1_024


class Notifier:
    """Empties the outbox. Safe to run in several processes at once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        allow_networks: Sequence[IPv4Network | IPv6Network] = (),
        count: Callable[[str], None] = lambda _ending: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._egress = Egress(allow_networks)
        self._count = count
        self._reach = REACH
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        """Let go of connections."""
        await self._egress.close()

    async def waits(self) -> bool:
        """Whether a delivery is due: one look, without a lease."""

        async def look(connection: Connection) -> bool:
            at = await outbox.next_due(connection)
            return at is not None and at <= (await self._clock.now(connection))[1]

        return await self._database.read(look)

    async def round(self) -> int:
        """Deliver what is due and first in its line; how many were tried."""

        async def lease(connection: Connection) -> tuple[list[Delivery], datetime, dict[str, str]]:
            _, real = await self._clock.now(connection)
            found = await outbox.lease(connection, real, BATCH_MAX, LEASE_SECONDS, self._reach)
            heads = await chain.heads(connection, {delivery.tenant for delivery in found})
            return found, real, {tenant: b64encode(note.encode()).decode() for tenant, note in heads.items()}

        leased, sent_at, checkpoints = await self._database.run(lease)
        # One contact with a long line must not hide the heads of others: look further while few are found.
        self._reach = REACH if len(leased) >= BATCH_MAX // 4 else min(self._reach * 4, REACH_MAX)
        if not leased:
            return 0
        # The leases are committed; no transaction is open while the world is spoken to.
        told = await asyncio.gather(*(self._deliver(delivery, sent_at, checkpoints) for delivery in leased))

        async def store(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await outbox.told(connection, [self._result(d, status, error, real) for d, status, error in told])

        await self._database.run(store)
        for _, status, _ in told:
            self._count("no_answer" if status is None else "taken" if 200 <= status < 300 else "refused")
        return len(leased)

    async def _deliver(
        self, delivery: Delivery, sent_at: datetime, checkpoints: Mapping[str, str]
    ) -> tuple[Delivery, int | None, str | None]:
        body = _body(delivery)
        headers = self._headers(delivery, body, sent_at)
        if delivery.tenant in checkpoints:
            # Every receiver becomes a witness: what it kept shows a trace that is rewritten later.
            headers["tregua-checkpoint"] = checkpoints[delivery.tenant]
        async with self._gate:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    status = await self._egress.post(delivery.url, body.encode(), headers, ANSWER_BYTES_MAX)
            except Refused as error:
                return delivery, None, str(error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                return delivery, None, type(error).__name__
        return delivery, status, None

    def _headers(self, delivery: Delivery, body: str, sent_at: datetime) -> dict[str, str]:
        identity = shown("evt", delivery.event)
        signatures = [_signer(secret).sign(identity, sent_at, body) for secret in delivery.secrets]
        return {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(signatures),
            "user-agent": "tregua-webhooks/1",
        }

    def _result(self, delivery: Delivery, status: int | None, error: str | None, real: datetime) -> Any:
        if status is not None and 200 <= status < 300:
            return delivery.endpoint, delivery.event, "delivered", real, status, None
        gap = min(GAP_MAX, GAP_FIRST * 2 ** min(delivery.tries - 1, 20))
        # Full jitter, so that endpoints which fell together do not rise together; the last try is at the very end.
        end = delivery.first_at + GIVE_UP
        again = min(real + max(GAP_MIN, gap * random.random()), end)  # noqa: S311 - spreads load, guards nothing
        state = "parked" if status == 410 or real >= end else "waiting"
        return delivery.endpoint, delivery.event, state, again, status, error


def _body(delivery: Delivery) -> str:
    return msgspec.json.encode(
        {
            "type": delivery.type,
            "id": shown("evt", delivery.event),
            "occurred_at": instant(delivery.occurred_at, UTC),
            "accepted_at": instant(delivery.first_at, UTC),
            "tenant": delivery.tenant,
            # Told as it is kept: it is not read only to be written again.
            "data": msgspec.Raw(delivery.body.encode()),
        }
    ).decode()


@lru_cache(maxsize=SIGNERS_KEPT_MAX)
def _signer(secret: str) -> Webhook:
    """Endpoints are few, and their events many."""
    return Webhook(secret)
