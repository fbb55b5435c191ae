"""Readings of JSON bodies and refusals as RFC 9457 problems, in the shapes that the gateway itself answers with."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aiohttp import web

BODY_BYTES_MAX: Final = 64 * 1024

#: ISO 8601 as the contract writes it (``PT1H``); weeks stand alone, months and years have no fixed length.
_DURATION: Final = re.compile(r"-?P(?=.)(?:\d{1,4}W|(?:\d{1,5}D)?(?:T(?=.)(?:\d{1,6}H)?(?:\d{1,7}M)?(?:\d{1,9}S)?)?)")


class Problem(Exception):
    """Ends a request with ``application/problem+json``."""

    def __init__(self, status: int, slug: str, title: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(title)
        self.status = status
        self.slug = slug
        self.title = title
        self.errors = errors

    def response(self) -> web.Response:
        """Its body, with a JSON Pointer (RFC 6901) for each thing that is wrong."""
        told: dict[str, Any] = {"type": f"/problems/{self.slug}", "title": self.title, "status": self.status}
        if self.errors:
            told["detail"] = ": ".join(part for part in self.errors[0] if part)
            told["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in self.errors]
        return web.Response(body=json.dumps(told).encode(), status=self.status, content_type="application/problem+json")


def wrong(pointer: str, detail: str) -> Problem:
    """Readable, but wrong."""
    return Problem(422, "invalid", "The request is readable, but something in it is wrong", ((pointer, detail),))


async def body(request: web.Request, known: frozenset[str]) -> dict[str, Any]:
    """The body as an object with no other fields than the known ones; raises ``Problem`` 400, 413 or 422."""
    raw = b""
    async for part in request.content.iter_any():
        raw += part
        if len(raw) > BODY_BYTES_MAX:
            raise Problem(413, "too-large", "The body is too large")
    try:
        read = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_never)
    except (ValueError, RecursionError):
        raise Problem(400, "unreadable", "The body is not readable JSON") from None
    if not isinstance(read, dict):
        raise wrong("", "must be an object")
    unknown = tuple(("/" + _escaped(name), "is not known here") for name in read if name not in known)
    if unknown:
        raise Problem(422, "invalid", "The request is readable, but something in it is wrong", unknown)
    return read


def text(read: Mapping[str, Any], name: str, characters_max: int) -> str:
    """A text that must be there and not be empty."""
    value = read.get(name)
    if not isinstance(value, str) or not value.strip():
        raise wrong(f"/{name}", "must be a text that is not empty")
    if len(value) > characters_max:
        raise wrong(f"/{name}", f"must not be longer than {characters_max} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(f"/{name}", "holds half of a surrogate pair") from None
    return value


def count_or_none(read: Mapping[str, Any], name: str, most: int) -> int | None:
    """A whole number from one on, or nothing."""
    value = read.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise wrong(f"/{name}", f"must be a whole number from 1 to {most}")
    return value


def seconds_or_none(read: Mapping[str, Any], name: str, most: float) -> float | None:
    """A number of seconds above zero, or nothing."""
    value = read.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= most:
        raise wrong(f"/{name}", f"must be a number above 0 and not above {most:g}")
    return float(value)


def clock_order(read: Mapping[str, Any]) -> dict[str, Any]:
    """Exactly one of ``now`` (RFC 3339 with an offset), ``advance`` (an ISO 8601 duration) and ``real: true``."""
    given = [name for name in ("now", "advance", "real") if read.get(name) is not None]
    if len(given) != 1:
        raise wrong("", "must hold exactly one of now, advance and real")
    name = given[0]
    value = read[name]
    if name == "now" and not _instant_with_offset(value):
        raise wrong("/now", "must be an RFC 3339 instant with an offset, such as 2026-11-23T07:00:00-05:00")
    if name == "advance" and not (isinstance(value, str) and _DURATION.fullmatch(value)):
        raise wrong("/advance", "must be an ISO 8601 duration of weeks, days, hours, minutes or seconds, such as PT1H")
    if name == "real" and value is not True:
        raise wrong("/real", "must be true")
    return {name: value}


def _instant_with_offset(value: object) -> bool:
    if not isinstance(value, str) or "T" not in value.upper():
        return False
    try:
        return datetime.fromisoformat(value).utcoffset() is not None
    except ValueError:
        return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key stands twice")
    return read


def _never(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
