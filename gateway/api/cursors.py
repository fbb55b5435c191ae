"""Cursors of lists: the place of the last item, written so that nobody is tempted to make one up.

They carry no secret and grant nothing: a place in a list of the caller's own tenant.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from gateway.api.problems import Problem, Slug
from gateway.refusals import Flaw


def cursor(*place: str | int | datetime | UUID) -> str:
    """The cursor of a place."""
    parts = [_part(part) for part in place]
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def place(text: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The place of a cursor whose parts are of these kinds. Raises Problem when it is not one of ours."""
    if text is None:
        return None
    try:
        parts = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (Base64Error, ValueError, RecursionError):
        _refuse()
    if not isinstance(parts, list) or len(parts) != len(kinds):
        _refuse()
    return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))


def _part(part: str | int | datetime | UUID) -> str | int:
    if isinstance(part, UUID):
        return part.hex
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    return part


def _read(part: Any, kind: type) -> Any:
    try:
        if kind is int and type(part) is int and 0 <= part < 1 << 63:
            return part
        if isinstance(part, str) and "\x00" not in part and part.isascii() and len(part) <= 200:
            if kind is str:
                return part
            if kind is UUID:
                return UUID(hex=part)
            if kind is datetime and (at := datetime.fromisoformat(part)).tzinfo is not None and 1900 <= at.year < 2300:
                return at
    except ValueError:
        _refuse()
    return _refuse()


def _refuse() -> NoReturn:
    raise Problem(
        Slug.INVALID, flaws=[Flaw("/cursor", "Not a cursor that a page before this one gave.")], inside="query"
    )
