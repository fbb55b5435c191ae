"""What a request is called, and the headers that every answer carries."""

import os
import re
from itertools import count
from typing import Final

from aiohttp import web

REQUEST_ID: Final = web.RequestKey("request_id", str)

#: What a caller may name a request: nothing that could be anything but a name, wherever it is written.
_SAFE = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Namer:
    """Names requests: unique by 80 random bits of this process and a count, which costs a tenth of a random name each."""

    def __init__(self) -> None:
        self._process = os.urandom(10).hex()
        self._count = count(1)

    def name(self, request: web.Request) -> str:
        """The request's id: the caller's own when it is safe to repeat, else a fresh one. Kept with the request."""
        asked = request.headers.get("X-Request-Id")
        if asked is not None and _SAFE.fullmatch(asked):
            request_id = asked
        else:
            request_id = f"req_{self._process}{next(self._count):012x}"
        request[REQUEST_ID] = request_id
        return request_id


def dress(response: web.StreamResponse, request_id: str) -> None:
    """Put the headers on an answer that has not begun."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Server"] = "tregua"
    headers.setdefault("Cache-Control", "no-store")
