"""Calls the gateway's hooks as providers do: signed elsewhere, bounded in number, repeated for a while when not taken."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from sandbox.wire import Call, bounded

#: Twilio gives a hook up after 15 s.
HOOK_SECONDS_MAX: Final = 15.0
#: At most so many hooks are on their way at once.
HOOKS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
#: The pauses before each further try, in seconds; about two minutes in all, so that a gateway may be restarted meanwhile.
RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Hooks:
    """A pool of connections to the gateway, and the tasks that still try."""

    def __init__(self, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(HOOKS_MAX)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def post(self, call: Call) -> int | None:
        """One call: its status, or None when nobody answered."""
        status, _ = await self.ask(call)
        return status

    async def ask(self, call: Call) -> tuple[int | None, bytes]:
        """One call: its status, or None when nobody answered, and what was answered."""
        status, _, answered = await self._exchange("POST", call.url, call.body, call.headers)
        return status, answered

    async def get(self, url: str) -> tuple[int | None, str, bytes]:
        """Fetch what a provider plays or shows: the status, the media type and the bytes."""
        return await self._exchange("GET", url, None, {})

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int | None, str, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=HOOK_SECONDS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=HOOKS_MAX, keepalive_timeout=10),
            )
        async with self._room:
            try:
                async with self._session.request(
                    method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response:
                    # What is longer than anything that is meant for us is not looked at.
                    answered = await bounded(response.content, ANSWER_BYTES_MAX) or b""
                    return response.status, response.content_type, answered
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                return None, "", b""

    async def post_until_taken(self, call: Call) -> int | None:
        """Call, and when the answer is not 2xx go on calling in the background; the answer to the first call."""
        status = await self.post(call)
        if not taken(status):
            self.start(self._again(call))
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

    async def _again(self, call: Call) -> None:
        for seconds in self._retry_seconds:
            await asyncio.sleep(seconds)
            if taken(await self.post(call)):
                return


def taken(status: int | None) -> bool:
    """Whether the other side took the hook."""
    return status is not None and 200 <= status < 300
