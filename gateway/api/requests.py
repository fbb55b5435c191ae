"""What a request is called, and the headers that every answer carries."""

import re
from typing import Final

from aiohttp import web

from vocabulary.ids import new_uuid, shown

REQUEST_ID: Final = web.RequestKey("request_id", str)

#: What a caller may name a request: nothing that could be anything but a name, wherever it is written.
_SAFE = re.compile(r"[A-Za-z0-9_-]{8,64}")


def name(request: web.Request) -> str:
    """The request's id: the caller's own when it is safe to repeat, else a fresh one. Kept with the request."""
    asked = request.headers.get("X-Request-Id")
    request_id = asked if asked is not None and _SAFE.fullmatch(asked) else shown("req", new_uuid())
    request[REQUEST_ID] = request_id
    return request_id


def dress(response: web.StreamResponse, request_id: str) -> None:
    """Put the headers on an answer that has not begun."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Server"] = "tregua"
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"
