"""One entry of the trace: what is written down, in which bytes, and the leaf hash that commits to all of it.

The header is canonical JSON (RFC 8785, without its floats) and holds nothing that identifies a person. What does is
sealed in the payload, of which the leaf keeps a digest only, so that erasing it leaves every proof whole.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any, Final
from uuid import UUID

import msgspec

from tracelog.sealed import Sealed

#: The version of the header's shape; a reader refuses what it does not know.
VERSION: Final = 1
HEADER_BYTES_MAX: Final = 64 * 1024
FACTS_DEPTH_MAX: Final = 8
#: RFC 8785 §3.2.2.3: beyond this an integer is not the same in every reader.
INTEGER_MAX: Final = (1 << 53) - 1

#: What a fact may be. Numbers are integers: amounts and ratios are written as strings, which every reader reads alike.
Fact = str | int | bool | None | list["Fact"] | tuple["Fact", ...] | dict[str, "Fact"]

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_LENGTH: Final = Struct(">BI")
_LEAF: Final = 0x00


class UnwritableError(ValueError):
    """A fact that canonical JSON cannot hold, or holds differently for different readers."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A written entry, ready to be appended: the first three are the row, ``sealed`` is the deletable one beside it.

    A Struct where the house has dataclasses: it is made several times a message, five times as fast.
    """

    header: bytes
    payload_digest: bytes | None
    leaf: bytes
    sealed: Sealed | None = None


class Canonical(msgspec.Struct, frozen=True, gc=False):
    """Facts in their canonical form, checked: what several entries say alike is written once."""

    json: msgspec.Raw


class _Tail(msgspec.Struct, frozen=True, gc=False):
    """The end of a header, after the facts."""

    kind: str
    message: str | None
    subject: str | None
    tenant: str
    v: int


class Header(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What stands in a header, its fields in the order of the canonical form (the encoder sorts those of the facts).

    Ids are 32 hexadecimal digits and random: ``entry`` is the entry's own, ``subject`` our name for the person.
    """

    at: str
    entry: str
    facts: dict[str, Any]
    kind: str
    message: str | None
    subject: str | None
    tenant: str
    v: int


def canonical(facts: dict[str, Fact]) -> Canonical:
    """Facts as they stand in a header. Raises UnwritableError for a float, what is too deep or no text."""
    _check(facts.values(), FACTS_DEPTH_MAX)
    try:
        json = _ENCODER.encode(facts)
    except UnicodeEncodeError as error:
        raise UnwritableError("a lone surrogate is no text") from error
    except TypeError as error:
        raise UnwritableError("the name of a fact is text") from error
    if not json.isascii():
        _check_names(facts)
    return Canonical(msgspec.Raw(json))


def written(
    *,
    tenant: str,
    entry: UUID,
    kind: str,
    at: datetime,
    facts: dict[str, Fact] | Canonical,
    subject: UUID | None = None,
    message: UUID | None = None,
    sealed: Sealed | None = None,
) -> Entry:
    """Write an entry down.

    ``entry`` is fresh for every entry (and the one under which ``sealed`` was sealed). The index is not part of it: the
    statement that appends gives it. Raises UnwritableError when a fact is a float, too deep, too large or no text.
    """
    said = facts if isinstance(facts, Canonical) else canonical(facts)
    header = _ENCODER.encode(
        Header(
            instant(at),
            entry.hex,
            said.json,  # type: ignore[arg-type] # what has its form already goes in as it stands
            kind,
            None if message is None else message.hex,
            None if subject is None else subject.hex,
            tenant,
            VERSION,
        )
    )
    if len(header) > HEADER_BYTES_MAX:
        raise UnwritableError(f"a header is at most {HEADER_BYTES_MAX} bytes, this one has {len(header)}")
    digest = None if sealed is None else sealed.digest()
    return Entry(header, digest, leaf_hash(header, digest), sealed)


def agrees(header: bytes, *, tenant: str, kind: str, at: datetime, subject: UUID | None, message: UUID | None) -> bool:
    """Whether the columns beside a header say what it says, by its bytes: the canonical form leaves them one place.

    Columns are there to be found by and stand outside the leaf, so whoever hands rows on compares them.
    """
    tail = _ENCODER.encode(
        _Tail(kind, None if message is None else message.hex, None if subject is None else subject.hex, tenant, VERSION)
    )
    return header.startswith(b'{"at":"%b",' % instant(at).encode()) and header.endswith(b"," + tail[1:])


def leaf_hash(header: bytes, payload_digest: bytes | None) -> bytes:
    """``SHA-256(0x00 || length of header, 4 bytes big-endian || header || payload digest, 32 bytes or none)``.

    The leading zero is the tree's mark of a leaf (RFC 9162 §2.1.1); the length keeps a header without a payload from
    passing for a header 32 bytes shorter with one.
    """
    return sha256(_LENGTH.pack(_LEAF, len(header)) + header + (payload_digest or b"")).digest()


@lru_cache(maxsize=256)  # entries of one transaction share their instant, and writing it out costs more than hashing
def instant(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, always 27 characters; a ValueError when the instant has no offset."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError("an instant without an offset is no instant")
        at = at.astimezone(UTC)
    return at.isoformat("T", "microseconds")[:-6] + "Z"


def refuse_float(text: str) -> Any:
    """For decoders: a number with a fraction or an exponent is no fact."""
    raise ValueError(f"{text} is no integer")


_HEADER: Final = msgspec.json.Decoder(Header, float_hook=refuse_float)


def read_header(header: bytes) -> Header:
    """What a header says; a ValueError that says why, when it is not in the one form in which ``written`` writes it."""
    try:
        read = _HEADER.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the header is not readable: {error}") from error
    if _ENCODER.encode(read) != header:
        raise ValueError("the header is not in canonical form")
    if read.v != VERSION:
        raise ValueError(f"the header is of version {read.v}, this reader knows {VERSION}")
    return read


def _check(facts: Iterable[Any], depth: int) -> None:
    """Refuse what RFC 8785 and RFC 7493 leave to the reader. The likeliest kinds come first: every fact is asked."""
    for fact in facts:
        kind = type(fact)
        if kind is str:
            continue
        if kind is int:
            if not -INTEGER_MAX <= fact <= INTEGER_MAX:
                raise UnwritableError(f"an integer is at most {INTEGER_MAX} in size")
        elif kind is dict or kind is list or kind is tuple:
            if depth == 1:
                raise UnwritableError(f"facts are at most {FACTS_DEPTH_MAX} deep")
            _check(fact.values() if kind is dict else fact, depth - 1)
        elif fact is not None and kind is not bool and not issubclass(kind, StrEnum):
            raise UnwritableError(
                f"a fact is text, an integer, true, false, null, a list or a dict, not {kind.__name__}"
            )


def _check_names(facts: Any) -> None:
    """ASCII names sort alike by bytes and by UTF-16 units, which is what RFC 8785 §3.2.3 asks for."""
    if type(facts) is dict:
        if not all(name.isascii() for name in facts):
            raise UnwritableError("the name of a fact is ASCII text")
        facts = facts.values()
    elif type(facts) is not list and type(facts) is not tuple:
        return
    for fact in facts:
        _check_names(fact)
