"""Reads a request's body: bytes within their limits, JSON without its traps, then the type that the route asks for.

What is refused before any field is looked at (400) is what two readers could understand differently: RFC 8259 §4 leaves
repeated names open, §6 the range of numbers, §9 the depth; NaN and Infinity are not JSON at all.
"""

import asyncio
import json
import math
import re
from datetime import date, datetime
from hashlib import sha256
from itertools import accumulate
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.api.flaws import FLAWS_MAX, flaws_of, pointer_of
from gateway.api.problems import Problem, Slug
from gateway.refusals import Flaw, Refused

BODY_BYTES_MAX: Final = 1024 * 1024
BODY_SECONDS_MAX: Final = 10.0
DEPTH_MAX: Final = 32
#: Longest run of digits of an integer: one more than 64 bits need, so that the check below sees every one that is too large.
DIGITS_MAX: Final = 20
INTEGER_MIN: Final = -(1 << 63)
INTEGER_MAX: Final = (1 << 63) - 1
#: Instants outside these years are slips of the pen, and arithmetic on them overflows.
YEAR_MIN: Final = 1900
YEAR_MAX: Final = 2199

# First and cheap questions about the text, whose hits are looked at closely: a string that begins like a far year, and an
# escape that could hide one (digits, the hyphen) or spell what is no text (NUL, halves of surrogate pairs).
_ESCAPE = re.compile(r"\\u(?:00(?:00|3[0-9]|2[dD])|[dD][89a-fA-F])")
_FAR = re.compile(r'"(?:0\d{3}|1[0-8]\d\d|2[2-9]\d\d|[3-9]\d{3})-')
# Matches at every quote, closed or not, and never goes back: so the search over a hostile body stays linear.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")


async def read_body(request: web.Request) -> bytes:
    """The whole body. Raises Problem when it is too large, too slow, encoded, or not said to be JSON."""
    if request.headers.get("Content-Encoding"):
        # A compressed body is inflated before its size is known: a few bytes could cost the loop a second.
        raise Problem(Slug.CONTENT_ENCODING, "Send the body as it is, without Content-Encoding.")
    if request.headers.get("Content-Type") != "application/json" and not _is_json(request):
        raise Problem(Slug.MEDIA_TYPE, "Send Content-Type: application/json, in UTF-8.")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise Problem(Slug.BODY_TOO_LARGE, f"A body is at most {BODY_BYTES_MAX} bytes.")
    try:
        if request.content.is_eof():  # all of it came with the head, as most bodies do: nothing to wait for
            return await request.read()
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.read()
    except TimeoutError:
        raise Problem(Slug.BODY_TOO_SLOW, f"A body arrives within {BODY_SECONDS_MAX:.0f} seconds.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Problem(Slug.BODY_TOO_LARGE, f"A body is at most {BODY_BYTES_MAX} bytes.") from None


def _is_json(request: web.Request) -> bool:
    return request.content_type == "application/json" and (request.charset or "utf-8").lower() in {"utf-8", "utf8"}


def parse(body: bytes) -> tuple[Any, bool]:
    """The JSON value, and whether ``convert`` must look at it closely. Raises Problem (400)."""
    try:
        text = str(body, "utf-8")
    except UnicodeDecodeError as error:
        raise Problem(Slug.JSON, f"The body is not UTF-8 at byte {error.start}: encode it as UTF-8.") from None
    if text.startswith("\ufeff"):
        raise Problem(Slug.JSON, "The body begins with a byte order mark: send UTF-8 without one.")
    if not text.strip():
        raise Problem(Slug.JSON, "The body is empty: send JSON.")
    # As many opening brackets as the limit cannot nest deeper than it.
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX and _depth(body) > DEPTH_MAX:
        raise Problem(Slug.TOO_DEEP, f"Arrays and objects nest at most {DEPTH_MAX} deep.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(Slug.JSON, f"The body is not JSON: {error.msg.removesuffix(' at')} ({where}).") from None
    return value, _FAR.search(text) is not None or ("\\u" in text and _ESCAPE.search(text) is not None)


def parse_at(text: str, start: int) -> tuple[Any, int, bool]:
    """The JSON value that begins at a character, where it ends, and whether ``convert`` must look at it closely.

    Raises Problem for what is JSON and has a trap in it, with ``more["end"]`` saying where it ends; JSONDecodeError or
    RecursionError for what is not readable, after which nothing can be found in the text any more.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except Problem as problem:
        problem.more["end"] = _LENIENT.raw_decode(text, start)[1]
        raise
    if text.count("{", start, end) + text.count("[", start, end) > DEPTH_MAX:
        part = text[start:end].encode("utf-8", "surrogatepass")
        if _depth(part) > DEPTH_MAX:
            more = {"end": end}
            raise Problem(Slug.TOO_DEEP, f"Arrays and objects nest at most {DEPTH_MAX} deep.", more=more)
    closely = _FAR.search(text, start, end) is not None
    if not closely and text.find("\\u", start, end) >= 0:
        closely = _ESCAPE.search(text, start, end) is not None
    return value, end, closely


def convert(value: Any, kind: Any, closely: bool = True) -> Any:
    """The value as the type; raises Refused with every flaw, each at its JSON Pointer.

    ``closely`` also refuses text that PostgreSQL cannot keep (NUL, half a surrogate pair), which JSON can only spell by an
    escape, and instants out of all reason.
    """
    if closely and (found := _unfit(value, "")):
        raise Refused(found[:FLAWS_MAX])
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(flaws_of(value, kind, error)) from None
    if closely and (found := _far(converted, "")):
        raise Refused(found[:FLAWS_MAX])
    return converted


def digest_of(value: Any) -> bytes:
    """SHA-256 of a JSON value, however its members were ordered and spaced."""
    return sha256(_CANONICAL.encode(value)).digest()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Problem(Slug.DUPLICATE_KEY, f"An object holds the name {json.dumps(name[:80])} twice.")
    return members


def _integer(digits: str) -> int:
    if len(digits) <= DIGITS_MAX and INTEGER_MIN <= (number := int(digits)) <= INTEGER_MAX:
        return number
    raise Problem(Slug.NUMBER, "An integer is at most 64 bits; write longer numbers as strings.")


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Problem(Slug.NUMBER, "A number is out of range.")
    return number


def _constant(name: str) -> Any:
    raise Problem(Slug.NUMBER, f"{name} is not a JSON number.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
#: Finds where a value ends, whatever it holds.
_LENIENT: Final = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)


def _depth(body: bytes) -> int:
    brackets = _STRINGS.sub(b"", body).translate(None, delete=_NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _unfit(value: Any, pointer: str) -> list[Flaw]:
    if isinstance(value, str):
        if _UNFIT.search(value):
            return [Flaw(pointer, "Holds a NUL character or half of a surrogate pair, which is no text.")]
    elif isinstance(value, dict):
        found = []
        for name, member in value.items():
            if _UNFIT.search(name):
                found.append(Flaw(pointer, "A name holds a NUL character or half of a surrogate pair."))
            else:
                found += _unfit(member, pointer_of(pointer, name))
        return found
    elif isinstance(value, list):
        return [flaw for index, item in enumerate(value) for flaw in _unfit(item, f"{pointer}/{index}")]
    return []


def _far(value: Any, pointer: str) -> list[Flaw]:
    if isinstance(value, date):  # a datetime is one too
        if not YEAR_MIN <= value.year <= YEAR_MAX:
            what = "An instant" if isinstance(value, datetime) else "A day"
            return [Flaw(pointer, f"{what} lies between the years {YEAR_MIN} and {YEAR_MAX}.")]
    elif isinstance(value, msgspec.Struct):
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return [flaw for name, shown in names for flaw in _far(getattr(value, name), pointer_of(pointer, shown))]
    elif isinstance(value, dict):
        return [flaw for name, member in value.items() for flaw in _far(member, pointer_of(pointer, name))]
    elif isinstance(value, (list, tuple)):
        return [flaw for index, item in enumerate(value) for flaw in _far(item, f"{pointer}/{index}")]
    return []
