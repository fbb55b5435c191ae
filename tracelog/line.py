"""One line of an export checked against itself, and runs of lines checked wherever there is a processor to spare."""

from binascii import a2b_base64, b2a_base64
from hashlib import sha256
from io import BytesIO
from typing import Final

import msgspec

from tracelog.entry import HEADER_BYTES_MAX, VERSION, Header, leaf_hash, read_header, refuse_float
from tracelog.sealed import NONCE_BYTES, PAYLOAD_BYTES_MAX, TAG_BYTES
from tracelog.tree import HASH_BYTES, perfect_subtrees

#: The longest line that a reader takes: the largest header and the largest payload in base64, and what is around them.
LINE_BYTES_MAX: Final = HEADER_BYTES_MAX + (PAYLOAD_BYTES_MAX + TAG_BYTES) * 4 // 3 + 1024

#: Lines that are handed on together: long enough that handing on costs little, short enough that memory stays small.
BATCH_BYTES: Final = 1024 * 1024


class _Payload(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    ciphertext: str
    nonce: str


class _Line(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An entry's line; fields stand in the order of the canonical form. ``row`` is there only when something is wrong."""

    header: msgspec.Raw
    index: int
    leaf: str
    payload: _Payload | None
    payload_digest: str | None
    row: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Whole(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The same with its header read too, in the order in which all of it is written."""

    header: Header
    index: int
    leaf: str
    payload: _Payload | None
    payload_digest: str | None


_LINE: Final = msgspec.json.Decoder(_Line)
_WHOLE: Final = msgspec.json.Decoder(_Whole, float_hook=refuse_float)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
#: Before the header, and behind it: with no payload and no digest, and what each of these and the index adds.
_BEGIN_BYTES: Final = len('{"header":')
_BEHIND_BYTES: Final = len(',"index":,"leaf":"","payload":null,"payload_digest":null}\n') + HASH_BYTES * 2
_PAYLOAD_BYTES: Final = len('{"ciphertext":"","nonce":""}') - len("null")
_DIGEST_BYTES: Final = HASH_BYTES * 2 + len('""') - len("null")


class Bad(Exception):
    """Why a line is not accepted."""


class Checked(msgspec.Struct, frozen=True, gc=False):
    """What a line says of its entry once all of it holds. ``payload``: None where the entry never had one, else whether it is here."""

    leaf: bytes
    tenant: str
    payload: bool | None


def checked(line: bytes, index: int) -> Checked:
    """One entry's line against itself: everything but where it stands in the tree. Raises Bad."""
    return _whole(line, index) or _explained(line, index)


def _whole(line: bytes, index: int) -> Checked | None:
    """The line read at once and written again, which is half the work; None where not all of it holds."""
    try:
        read = _WHOLE.decode(line)
        if read.index != index or read.header.v != VERSION or _ENCODER.encode(read) + b"\n" != line:
            return None
        payload, digest = read.payload, read.payload_digest
        # The line is the one form of what was read, and all below is ASCII: what stands behind the header is told by its length.
        behind = _BEHIND_BYTES + len(str(index))
        if payload is not None:
            words, nonce = payload.ciphertext, payload.nonce
            behind += _PAYLOAD_BYTES + len(words) + len(nonce)
            ciphertext, once = a2b_base64(words, strict_mode=True), a2b_base64(nonce, strict_mode=True)
            if (
                sha256(once + ciphertext).hexdigest() != digest
                or b2a_base64(ciphertext, newline=False) != words.encode()
                or len(once) != NONCE_BYTES
            ):
                return None
        if digest is None:
            leaf = leaf_hash(line[_BEGIN_BYTES:-behind], None)
        else:
            leaf = leaf_hash(line[_BEGIN_BYTES : -behind - _DIGEST_BYTES], hash_of(digest, "payload digest"))
    except (Bad, ValueError, RecursionError):
        return None
    if leaf.hex() != read.leaf:
        return None
    return Checked(leaf, read.header.tenant, None if digest is None else payload is not None)


def _explained(line: bytes, index: int) -> Checked:
    """The same step by step, with a reason for whatever does not hold. Raises Bad."""
    if line.startswith(b'{"export":'):
        raise Bad("a signed head stands here, and more follows")
    try:
        read = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Bad(f"not readable as an entry: {error}") from None
    if read.index != index:
        raise Bad(f"entry {index} is missing here: the line holds entry {read.index}")
    header = bytes(read.header)
    digest = None if read.payload_digest is None else hash_of(read.payload_digest, "payload digest")
    leaf = leaf_hash(header, digest)
    leaf_hex = leaf.hex()
    if read.leaf != leaf_hex:
        raise Bad("the header or the payload digest is not what the leaf hash commits to")
    payload = read.payload
    if payload is None:
        encoded = b"null"
    else:
        if digest is None:
            raise Bad("a payload stands beside an entry that has none")
        ciphertext, nonce = _base64(payload.ciphertext), _base64(payload.nonce)
        if sha256(nonce + ciphertext).digest() != digest or len(nonce) != NONCE_BYTES:
            raise Bad("the payload is not what the entry commits to")
        encoded = b'{"ciphertext":"%b","nonce":"%b"}' % (
            b2a_base64(ciphertext, newline=False),
            b2a_base64(nonce, newline=False),
        )
    if read.row is not msgspec.UNSET:
        raise Bad(f"the columns in the database contradict the header: {bytes(read.row).decode(errors='replace')}")
    canonical = b'{"header":%b,"index":%d,"leaf":"%b","payload":%b,"payload_digest":%b}\n' % (
        header,
        index,
        leaf_hex.encode(),
        encoded,
        b"null" if read.payload_digest is None else b'"%b"' % read.payload_digest.encode(),
    )
    if line != canonical:
        raise Bad("not the one line that this entry is written as")
    try:
        tenant = read_header(header).tenant
    except ValueError as error:
        raise Bad(str(error)) from None
    return Checked(leaf, tenant, None if digest is None else payload is not None)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A run of lines of one tenant that all hold, whatever stands before them.

    ``first``: the index of the first entry; ``subtrees``: level and root of each perfect subtree that they fill, in order.
    """

    first: int
    entries: int
    tenant: str
    subtrees: tuple[tuple[int, bytes], ...]
    payloads: int
    payloads_absent: int


def piece_of(data: bytes) -> Piece | None:
    """Check whole lines that stand somewhere in an export, in whatever process; None where one is not accepted.

    Which one, and why, whoever goes through them in order says.
    """
    lines = BytesIO(data).readlines()
    try:
        first = _LINE.decode(lines[0]).index
        found = [checked(line, index) for index, line in enumerate(lines, first)]
    except (Bad, IndexError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    tenant = found[0].tenant
    if any(each.tenant != tenant for each in found) or any(len(line) > LINE_BYTES_MAX for line in lines):
        return None
    return Piece(
        first=first,
        entries=len(found),
        tenant=tenant,
        subtrees=tuple(perfect_subtrees(first, [each.leaf for each in found])),
        payloads=sum(each.payload is True for each in found),
        payloads_absent=sum(each.payload is False for each in found),
    )


def hex_of(text: str, what: str) -> bytes:
    """Lower-case hexadecimal, which is how it is written. Raises Bad."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if not raw or raw.hex() != text:
        raise Bad(f"the {what} is not written in hexadecimal")
    return raw


def hash_of(text: str, what: str) -> bytes:
    """A hash in the same form. Raises Bad."""
    raw = hex_of(text, what)
    if len(raw) != HASH_BYTES:
        raise Bad(f"the {what} is {len(raw)} bytes, not {HASH_BYTES}")
    return raw


def _base64(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Bad("the payload is not base64") from None
