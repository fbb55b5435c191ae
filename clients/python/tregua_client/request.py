"""One request as both clients make it: what is asked, whether asking again is safe, and what an answer means."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import uuid4

import httpx

from tregua_client.errors import GatewayError, Problem

#: Tries of one request, the first one included.
TRIES_MAX: Final = 4
GAP_FIRST_SECONDS: Final = 0.25
GAP_MAX_SECONDS: Final = 20.0
#: What is worth asking again: overloaded, limited, away.
AGAIN: Final = frozenset({429, 502, 503, 504})
_SAFE: Final = frozenset({"GET", "PUT", "DELETE"})
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def fresh_key() -> str:
    """An idempotency key: with it a request may be sent again and is done once."""
    return uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=False)
class Request:
    """What is asked. ``key``: its idempotency key, if it has one. ``reads``: what the body of a good answer is."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    media_type: str = "application/json"
    key: str | None = None
    reads: Literal["json", "bytes", "nothing"] = "json"

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does once: by its method, by its key, or by the key in each item of a batch."""
        return self.method in _SAFE or self.key is not None or self.path == "/v1/messages/batch"

    def build(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """As httpx sends it. Raises ``ValueError`` or ``TypeError`` for what no gateway could read; nothing was asked then."""
        if self.key is not None and _KEY.fullmatch(self.key) is None:
            raise ValueError("an idempotency key is 1 to 255 printable ASCII characters")
        headers = {"Accept": "application/json"}
        content = self.content
        if self.body is not None:
            content = json.dumps(
                self.body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
            ).encode()
        if content is not None:
            headers["Content-Type"] = self.media_type
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        query = {name: _written(value) for name, value in self.query.items() if value is not None}
        return client.build_request(self.method, self.path, params=query, content=content, headers=headers)

    def answered(self, response: httpx.Response) -> Any:
        """What a good answer says. Raises ``Problem`` for any other."""
        if response.is_success:
            if self.reads == "json":
                return response.json()
            return response.content if self.reads == "bytes" else None
        raise Problem.of(response)

    def gap_seconds(
        self, tried: int, response: httpx.Response | None, error: httpx.TransportError | None
    ) -> float | None:
        """How long to wait before asking again, None when it must not be asked again."""
        if tried >= TRIES_MAX:
            return None
        if error is not None:
            # A connection that never was carried nothing; after that only what may be repeated is.
            never = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            if not (never or self.repeatable):
                return None
        elif (
            response is None
            or response.status_code not in AGAIN
            or not (self.repeatable or response.status_code == 429)
        ):
            return None
        asked = _retry_after(response)
        if asked is not None:
            return min(asked, GAP_MAX_SECONDS)
        return random.uniform(0, min(GAP_MAX_SECONDS, GAP_FIRST_SECONDS * 2**tried))  # noqa: S311 - spreads load


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _plain(value) if isinstance(value, date | Decimal) else str(value)


def _plain(value: object) -> str:
    """What JSON has no word for, as the gateway reads it: instants with their offset, days, sums."""
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("an instant needs its offset: give the datetime a tzinfo")
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a sum is a finite number")
        return format(value, "f")  # str() writes 1E+5, which no gateway reads
    raise TypeError(f"a {type(value).__name__} cannot be sent: the body is made of dicts, lists, texts and numbers")


def _retry_after(response: httpx.Response | None) -> float | None:
    told = "" if response is None else response.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else None


__all__ = ["GatewayError", "Request", "fresh_key"]
