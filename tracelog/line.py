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

#: Lines that are read, and handed on, together: long enough that this costs little, short enough that memory stays small.
BATCH_BYTES: Final = 1024 * 1024
#: Lines that are taken apart together: what becomes of more does not stay in a processor's own cache.
_RUN_BYTES: Final = 128 * 1024


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


class _Words(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A payload out of its base64, of which one spelling is written."""

    ciphertext: bytes
    nonce: bytes


class _Whole(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The same with its header read too, in the order in which all of it is written."""

    header: Header
    index: int
    leaf: str
    payload: _Words | None
    payload_digest: str | None


_LINE: Final = msgspec.json.Decoder(_Line)
_WHOLE: Final = msgspec.json.Decoder(_Whole, float_hook=refuse_float)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
#: Before the header, and behind it: with no payload and no digest, and what each of these and the index adds.
_BEGIN_BYTES: Final = len('{"header":')
_BEHIND_BYTES: Final = len(',"index":,"leaf":"","payload":null,"payload_digest":null}\n') + HASH_BYTES * 2
_PAYLOAD_BYTES: Final = len('{"ciphertext":"","nonce":""}') + NONCE_BYTES * 4 // 3 - len("null")
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
    """One line as a run of one; None where not all of it holds."""
    run = _run(line)
    if run is None or run.first != index or len(run.leaves) != 1:
        return None
    return Checked(run.leaves[0], run.tenant, run.payloads > 0 if run.payloads + run.payloads_absent else None)


class _Run(msgspec.Struct, frozen=True, gc=False):
    first: int
    tenant: str
    leaves: list[bytes]
    payloads: int
    payloads_absent: int


def _run(data: bytes) -> _Run | None:
    """Whole lines one after the other, read at once and written again, which is half the work; None where not all of it holds."""
    try:
        read = _WHOLE.decode_lines(data)
        # What comes out the same are lines, each in the one form in which it is written.
        if not read or _ENCODER.encode_lines(read) != data:
            return None
        first, tenant = read[0].index, read[0].header.tenant
        leaves: list[bytes] = []
        begins = payloads = payloads_absent = 0
        for index, row in enumerate(read, first):
            header, payload, digest = row.header, row.payload, row.payload_digest
            if row.index != index or header.v != VERSION or header.tenant != tenant:
                return None
            ends = data.index(b"\n", begins) + 1
            # All that stands behind the header is ASCII: where it ends is told by lengths.
            behind = _BEHIND_BYTES + len(str(index))
            hashed = None
            if payload is not None:
                behind += _PAYLOAD_BYTES + (len(payload.ciphertext) + 2) // 3 * 4
                hashed = sha256(payload.nonce + payload.ciphertext).digest()
                if hashed.hex() != digest or len(payload.nonce) != NONCE_BYTES:
                    return None
                payloads += 1
            elif digest is not None:
                hashed = hash_of(digest, "payload digest")
                payloads_absent += 1
            if hashed is not None:
                behind += _DIGEST_BYTES
            leaf = leaf_hash(data[begins + _BEGIN_BYTES : ends - behind], hashed)
            if leaf.hex() != row.leaf:
                return None
            leaves.append(leaf)
            begins = ends
    except (Bad, ValueError, RecursionError):
        return None
    return _Run(first, tenant, leaves, payloads, payloads_absent)


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
    if len(data) > LINE_BYTES_MAX and any(len(line) > LINE_BYTES_MAX for line in BytesIO(data)):
        return None
    runs: list[_Run] = []
    leaves: list[bytes] = []
    begins = 0
    while begins < len(data) or not runs:
        ends = data.find(b"\n", begins + _RUN_BYTES) + 1 or len(data)
        run = _run(data[begins:ends])
        if run is None or (runs and (run.first, run.tenant) != (runs[0].first + len(leaves), runs[0].tenant)):
            return None
        runs.append(run)
        leaves += run.leaves
        begins = ends
    return Piece(
        first=runs[0].first,
        entries=len(leaves),
        tenant=runs[0].tenant,
        subtrees=tuple(perfect_subtrees(runs[0].first, leaves)),
        payloads=sum(run.payloads for run in runs),
        payloads_absent=sum(run.payloads_absent for run in runs),
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
