"""Reads providers' own lists of what people sent: a hook that was lost takes no stop with it.

Every five minutes, over a span that overlaps the one before, from where the last reading ended however long ago that was; what a
hook had told already is known by the provider's id and changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from adapters.kit.port import Adapter, Pulls
from storage import hooks
from storage.clock import LegalClock
from storage.database import Connection, Database
from vocabulary.outcome import CannotTell, Receipt, Reply

log = structlog.get_logger()

PERIOD_SECONDS: Final = 300
#: Spans overlap by a whole period, for what a provider lists late.
OVERLAP: Final = timedelta(seconds=PERIOD_SECONDS)
#: Further back nobody looks, after however long a pause.
BACK_MAX: Final = timedelta(days=7)


class Inbox(Protocol):
    """Where hooks are kept."""

    async def put(self, provider: str, received: tuple[Receipt | Reply, ...], raw: bytes, /) -> None:
        """Keep everything; a repeat changes nothing."""
        ...


class Puller:
    """Pulls from every way that can list."""

    def __init__(self, *, database: Database, clock: LegalClock, inbox: Inbox, adapters: Mapping[str, Adapter]) -> None:
        self._database = database
        self._clock = clock
        self._inbox = inbox
        self._adapters = {name: way for name, way in adapters.items() if isinstance(way, Pulls)}

    async def pull(self) -> int:
        """Read every list once; how many messages stood in them."""
        return sum([await self._pull(name, way) for name, way in self._adapters.items()])

    async def _pull(self, name: str, way: Pulls) -> int:
        async def span(connection: Connection) -> tuple[datetime, datetime]:
            _, real = await self._clock.now(connection)
            before = await hooks.pulled_until(connection, name) or real - OVERLAP
            return max(min(before, real) - OVERLAP, real - BACK_MAX), real

        since, until = await self._database.read(span)
        # No transaction is open here: this speaks with the provider.
        found = await way.pulled(since, until)
        if isinstance(found, CannotTell):
            log.warning("pull.cannot_tell", provider=name, reason=found.reason)
            return 0
        for reply in found:
            await self._inbox.put(name, (reply,), b"pulled")
        # Only what is kept counts as read.
        await self._database.run(lambda connection: hooks.pulled(connection, name, until))
        return len(found)
