"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), shown with a prefix that says what they name."""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from struct import Struct
from typing import Any, Final
from uuid import UUID, SafeUUID

# A message makes four ids and more: filled through its slots, as ``vocabulary.values`` does, one costs a third.
_SLOTS: Final[dict[str, Any]] = {name: UUID.__dict__[name].__set__ for name in ("int", "is_safe")}
_fill_int: Final = _SLOTS["int"]
_fill_is_safe: Final = _SLOTS["is_safe"]
_UNKNOWN: Final = SafeUUID.unknown
#: The random bits of so many ids are drawn at once: asking the kernel costs more than all that is done with them.
DRAWN: Final = 256
_BITS: Final = Struct(">QH")
_drawn: Final[list[Iterator[tuple[Any, ...]]]] = [iter(())]


def _draw() -> tuple[Any, ...]:
    fresh = _BITS.iter_unpack(os.urandom(_BITS.size * DRAWN))
    first = next(fresh)
    _drawn[0] = fresh
    return first


def _forget() -> None:
    """A process that was forked draws its own."""
    _drawn[0] = iter(())


os.register_at_fork(after_in_child=_forget)


def new_uuid() -> UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, 74 random bits. Real time, never the law's clock."""
    milliseconds = time.time_ns() // 1_000_000
    try:
        low, high = next(_drawn[0])  # one step, whichever thread takes it
    except StopIteration:
        low, high = _draw()
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (high & 0xFFF) << 64
    value |= 0b10 << 62
    value |= low & ((1 << 62) - 1)
    made = UUID.__new__(UUID)
    _fill_int(made, value)
    _fill_is_safe(made, _UNKNOWN)
    return made


def first_uuid(since: datetime) -> UUID:
    """The smallest UUIDv7 of an instant of real time: what was made before it sorts below."""
    return UUID(int=max(0, int(since.timestamp() * 1000)) << 80)


def shown(prefix: str, value: UUID) -> str:
    """``msg_0192…``: the prefix and 32 hexadecimal digits."""
    return f"{prefix}_{value.hex}"


def parsed(prefix: str, text: str) -> UUID | None:
    """The UUID behind ``shown``, or None when the text is not one of that kind."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != 32 or tail.lower() != tail:
        return None
    try:
        return UUID(hex=tail)
    except ValueError:
        return None
