"""Asks providers what they billed: some time after a send, and again later for what had no price yet; stored once for each attempt."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from adapters.kit.port import Adapter, Bills
from storage import costs
from storage.clock import LegalClock
from storage.costs import Unbilled
from storage.database import Connection, Database
from vocabulary.ids import first_uuid
from vocabulary.outcome import CannotTell

log = structlog.get_logger()

PERIOD_SECONDS: Final = 300
#: How old a send is when its price is asked for, real time; what has none then is asked for again at the next age, and after
#: the last one stays what was expected.
AGES: Final = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=26), timedelta(days=5))
#: How far back a provider is asked that was never asked before.
BACK_MAX: Final = timedelta(days=7)
#: Sends of one question, and questions of one turn and age; what is asked and stored by then stays, if a turn is cut. A provider's
#: list is read from its newest down to them for each question, so that many small ones would read it again and again.
BATCH_MAX: Final = 2_000
BATCHES_MAX: Final = 50


class Biller:
    """Settles attempts by what providers bill. Safe to run in several processes at once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        adapters: Mapping[str, Adapter],
        ages: Sequence[timedelta] = AGES,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ways = {name: way for name, way in adapters.items() if isinstance(way, Bills)}
        self._ages = tuple(ages)

    async def ask(self) -> int:
        """Ask every provider that can tell; how many attempts were settled."""
        settled = 0
        for name, way in self._ways.items():
            for turn, age in enumerate(self._ages):
                for _ in range(BATCHES_MAX):
                    more, stored = await self._batch(name, way, turn, age)
                    settled += stored
                    if not more:
                        break
        return settled

    async def _batch(self, name: str, way: Bills, turn: int, age: timedelta) -> tuple[bool, int]:
        """Whether there may be more, and how many were settled."""

        async def due(connection: Connection) -> tuple[list[Unbilled], UUID]:
            _, real = await self._clock.now(connection)
            after = await costs.asked_up_to(connection, name, turn) or first_uuid(real - age - BACK_MAX)
            before = first_uuid(real - age)
            return await costs.unbilled(connection, name, after, before, BATCH_MAX), before

        waiting, before = await self._database.read(due)
        # No transaction is open here: this speaks with the provider.
        told = await way.billed({each.provider_id: each.begun_at for each in waiting}) if waiting else {}
        if isinstance(told, CannotTell):
            log.warning("bills.cannot_tell", provider=name, reason=told.reason)
            return False, 0
        bills: dict[UUID, tuple[Decimal, str]] = {
            each.id: (bill.amount, bill.currency)
            for each in waiting
            if (bill := told.get(each.provider_id)) is not None
        }
        more = len(waiting) == BATCH_MAX
        reached = waiting[-1].id if more else before

        async def store(connection: Connection) -> int:
            _, real = await self._clock.now(connection)
            stored = await costs.settle_bills(connection, bills, real) if bills else 0
            await costs.asked(connection, name, turn, reached)
            return stored

        return more, await self._database.run(store)
