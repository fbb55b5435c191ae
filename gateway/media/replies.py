"""Fetches what came with replies, after the hook was answered: from its provider, once, sniffed, and kept for the tenant alone.

A job, not a part of the hook: a photograph of five megabytes must not be what keeps a STOP from being heard. What is kept is
only ever handed out as an attachment (``gateway.api.media``).
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import structlog

from adapters.kit.media import HoldsMedia
from adapters.kit.port import Adapter
from gateway.media.recordings import sniffed
from storage import media
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.media import Leased

#: What WhatsApp lets people send; MMS are smaller.
REPLY_BYTES_MAX: Final = 16 * 1024 * 1024
BATCH_MAX: Final = 16
AT_ONCE_MAX: Final = 4
#: Real time. A piece that is being fetched is nobody else's for so long; then it is tried anew.
LEASE: Final = timedelta(minutes=2)
RESTS: Final = (timedelta(seconds=10), timedelta(minutes=2), timedelta(minutes=30), timedelta(hours=6))

log = structlog.get_logger()


class ReplyMedia:
    """Fetches for every way that keeps media. Safe to run in several processes at once."""

    def __init__(self, *, database: Database, clock: LegalClock, adapters: Mapping[str, Adapter]) -> None:
        self._database = database
        self._clock = clock
        self._adapters = adapters

    async def fetch_due(self) -> int:
        """Fetch what waits; how many pieces were tried."""

        async def due(connection: Connection) -> list[Leased]:
            _, real = await self._clock.now(connection)
            return await media.lease(connection, real, real + LEASE, BATCH_MAX)

        leased = await self._database.run(due)
        gate = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(piece: Leased) -> None:
            async with gate:
                await self._fetch(piece)

        # The transaction is over: what follows speaks with the providers.
        await asyncio.gather(*(one(piece) for piece in leased))
        return len(leased)

    async def _fetch(self, piece: Leased) -> None:
        adapter = self._adapters.get(piece.provider)
        if not isinstance(adapter, HoldsMedia):
            await self._database.run(lambda c: media.give_up(c, piece.id, "this way keeps no media"))
            return
        body = await adapter.fetch(piece.source, REPLY_BYTES_MAX)
        if body:
            # What it is called elsewhere does not matter, and is not kept.
            kind, digest = sniffed(body), sha256(body).digest()
            await self._database.run(lambda c: media.keep(c, piece.id, kind, digest, body))
        elif piece.tries > len(RESTS):
            log.info("reply_media.not_fetched", provider=piece.provider, media=piece.id.hex)
            await self._database.run(lambda c: media.give_up(c, piece.id, "not to be had at the provider"))
        else:
            await self._database.run(lambda c: self._later(c, piece))

    async def _later(self, connection: Connection, piece: Leased) -> None:
        _, real = await self._clock.now(connection)
        at: datetime = real + RESTS[piece.tries - 1]
        await media.later(connection, piece.id, at)
