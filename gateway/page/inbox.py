"""Hears what changes in people's inboxes (LISTEN/NOTIFY of PostgreSQL) and wakes the pages that are open; lost calls cost a reload."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final
from uuid import UUID

import asyncpg
from aiohttp import web

from gateway.ending import end

#: Sent by a trigger of the table ``attempt``; the payload is the person's subject.
INBOX: Final = "tregua_inbox"
AWAY_SECONDS: Final = 2.0


class Bell:
    """One listening connection of a process, and the open pages that it wakes, by subject."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pages: dict[str, set[asyncio.Event]] = {}
        self.closing = False

    @contextlib.contextmanager
    def heard(self, subject: UUID) -> Iterator[asyncio.Event]:
        """Set whenever something in this person's inbox changes, as long as it lasts."""
        news = asyncio.Event()
        self._pages.setdefault(str(subject), set()).add(news)
        try:
            yield news
        finally:
            self._pages[str(subject)].discard(news)
            if not self._pages[str(subject)]:
                del self._pages[str(subject)]

    async def close(self, _app: web.Application) -> None:
        """Wake every open page for the last time, so that nobody waits for them."""
        self.closing = True
        for subject in list(self._pages):
            self._ring(subject)

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Listens while the application runs."""
        listening = asyncio.create_task(self._listen())
        yield
        await end(listening)
        if not listening.cancelled():
            listening.result()

    async def _listen(self) -> None:
        while not self.closing:
            try:
                connection = await asyncpg.connect(self._database_url, server_settings={"role": "tregua_app"})
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(AWAY_SECONDS)
                continue
            gone = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _, gone=gone: gone.set())
                await connection.add_listener(INBOX, lambda *told: self._ring(str(told[-1])))
                # Whatever was missed meanwhile: everybody looks again.
                for subject in list(self._pages):
                    self._ring(subject)
                await gone.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(AWAY_SECONDS)
            finally:
                connection.terminate()

    def _ring(self, subject: str) -> None:
        for news in self._pages.get(subject, ()):
            news.set()
