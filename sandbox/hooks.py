"""Calls the gateway's hooks as providers do: signed elsewhere, bounded in number, repeated for a while when not taken."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

#: Twilio gives a hook up after 15 s.
HOOK_SECONDS_MAX: Final = 15.0
#: At most so many hooks are on their way at once.
HOOKS_MAX: Final = 64
#: The pauses before each further try, in seconds; about two minutes in all, so that a gateway may be restarted meanwhile.
RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Hooks:
    """A pool of connections to the gateway, and the tasks that still try."""

    def __init__(self, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(HOOKS_MAX)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """One call: its status, or None when nobody answered."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=HOOK_SECONDS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=HOOKS_MAX, keepalive_timeout=10),
            )
        async with self._room:
            try:
                async with self._session.post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response:
                    return response.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                return None

    async def post_until_taken(self, url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Call, and when the answer is not 2xx go on calling in the background; the answer to the first call."""
        status = await self.post(url, body, headers)
        if not taken(status):
            self.start(self._again(url, body, headers))
        return status

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something that ends with this object."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop trying."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _again(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        for seconds in self._retry_seconds:
            await asyncio.sleep(seconds)
            if taken(await self.post(url, body, headers)):
                return


def taken(status: int | None) -> bool:
    """Whether the other side took the hook."""
    return status is not None and 200 <= status < 300
