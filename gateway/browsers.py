"""What the two doors for people share, her page and the console: forms read whole and bounded, pages, streams, and a pace a minute."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp_sse import EventSourceResponse

#: Links or addresses whose counts are kept at once; the one that was used longest ago is forgotten first.
COUNTED_MAX: Final = 10_000
#: Of the name of one of them, in characters.
NAME_CHARS_MAX: Final = 64


class PerMinute:
    """So many uses of one link or address in a minute, refilled as time goes by (a token bucket), for those used last."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> bool:
        """Whether one more is allowed now."""
        name, now = name[:NAME_CHARS_MAX], time.monotonic()
        left, since = self._left.pop(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / 60.0)
        allowed = left >= 1.0
        self._left[name] = (left - 1.0 if allowed else left, now)
        if len(self._left) > COUNTED_MAX:
            self._left.popitem(last=False)
        return allowed


class Stream(EventSourceResponse):
    """Server-sent events that nobody keeps a copy of."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.headers["Cache-Control"] = "no-store"


async def form_pairs(
    request: web.Request, *, bytes_max: int, seconds_max: float, fields_max: int
) -> list[tuple[str, str]] | None:
    """The fields of a form in order; None when the body is none, encoded, too long, too slow, or of too many fields."""
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(seconds_max):
            async for part in request.content.iter_any():
                body += part
                if len(body) > bytes_max:
                    return None
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=fields_max)
    except (TimeoutError, ConnectionError, web.RequestPayloadError, ValueError):
        return None  # ValueError: not ASCII, not UTF-8 behind the escapes, or too many


def has_left(request: web.Request) -> bool:
    """Whether nobody reads any more what is written to this request."""
    return request.transport is None or request.transport.is_closing()


def first_spoken(request: web.Request, languages: Sequence[str]) -> str:
    """The first of a browser's languages that is among these, else the first of these."""
    for part in request.headers.get("Accept-Language", "")[:200].split(","):
        if part.strip()[:2].lower() in languages:
            return part.strip()[:2].lower()
    return languages[0]


def html_page(html: str, status: int, headers: Mapping[str, str]) -> web.Response:
    """A page; half of a surrogate pair in it becomes a question mark."""
    return web.Response(
        body=html.encode("utf-8", "replace"), status=status, content_type="text/html", charset="utf-8", headers=headers
    )
