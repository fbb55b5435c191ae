"""The export: a tenant's whole trace as NDJSON that anybody can verify offline, one entry a line, the signed head last.

Every line is canonical JSON (sorted names, no spaces, ``\\n`` at its end), so there is one file for one trace and any
other byte is an error. ``docs/trace.md`` describes it for those who write their own verifier.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import BinaryIO, Final
from uuid import UUID

import msgspec

from tracelog.entry import HEADER_BYTES_MAX, agrees, instant, leaf_hash, read_header
from tracelog.head import Head, SignedHead, Signer, origin_of, tenant_of, verifies
from tracelog.sealed import NONCE_BYTES, PAYLOAD_BYTES_MAX, TAG_BYTES
from tracelog.tree import HASH_BYTES, Frontier

#: The longest line that a reader takes: the largest header and the largest payload in base64, and what is around them.
LINE_BYTES_MAX: Final = HEADER_BYTES_MAX + (PAYLOAD_BYTES_MAX + TAG_BYTES) * 4 // 3 + 1024

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


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


class _Export(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    sha256: str
    signature: str


class _LastLine(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    export: _Export
    key_id: str
    origin: str
    public_key: str
    root: str
    signature: str
    size: int


_LINE: Final = msgspec.json.Decoder(_Line)
_LAST_LINE: Final = msgspec.json.Decoder(_LastLine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Everything in the export is what was signed. ``pinned`` is False when the key is only the file's own word."""

    origin: str
    size: int
    root: bytes
    key_id: bytes
    public_key: bytes
    pinned: bool
    payloads: int
    payloads_absent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first thing that is wrong: the line (from 1), the entry's index where it is one, and why."""

    line: int
    index: int | None
    why: str


class Writer:
    """Writes an export as a stream: each row's line in index order, then the last line.

    What is on disk is written as it is, wrong or not: the reader is the one who says so.
    """

    __slots__ = ("_digest", "_tenant")

    def __init__(self, tenant: str) -> None:
        """For the trace of one tenant."""
        self._tenant = tenant
        self._digest = sha256()

    def line(
        self,
        index: int,
        *,
        kind: str,
        at: datetime,
        subject: UUID | None,
        message: UUID | None,
        header: bytes,
        payload_digest: bytes | None,
        leaf: bytes,
        nonce: bytes | None = None,
        ciphertext: bytes | None = None,
    ) -> bytes:
        """One row's line. A payload that was erased, or is not to be handed out, is left None: the proof holds either way.

        Columns that contradict their header are added as ``row``, which no reader accepts.
        """
        parts = [b'{"header":', header, b',"index":%d,"leaf":"' % index, leaf.hex().encode()]
        if nonce is None and ciphertext is None:
            parts.append(b'","payload":null,"payload_digest":')
        else:
            parts += [b'","payload":{"ciphertext":"', b2a_base64(ciphertext or b"", newline=False)]
            parts += [b'","nonce":"', b2a_base64(nonce or b"", newline=False), b'"},"payload_digest":']
        parts.append(b"null" if payload_digest is None else b'"%b"' % payload_digest.hex().encode())
        if not agrees(header, tenant=self._tenant, kind=kind, at=at, subject=subject, message=message):
            row = {"at": instant(at), "kind": kind, "message": message, "subject": subject, "tenant": self._tenant}
            parts += [b',"row":', _ENCODER.encode(row)]
        parts.append(b"}\n")
        line = b"".join(parts)
        self._digest.update(line)
        return line

    def last_line(self, signed: SignedHead, signer: Signer) -> bytes:
        """The signed head, with the signer's word for the bytes above it, so that a payload taken out later shows."""
        above = self._digest.hexdigest()
        head = signed.head
        last = _LastLine(
            export=_Export(sha256=above, signature=signer.sign(_statement(head, above)).hex()),
            key_id=signed.key_id.hex(),
            origin=head.origin,
            public_key=signed.public_key.hex(),
            root=head.root.hex(),
            signature=signed.signature.hex(),
            size=head.size,
        )
        return _ENCODER.encode(last) + b"\n"


class _Bad(Exception):
    """Why a line is not accepted."""


class _Reader:
    """Goes through an export line by line, with the tree's right edge and a running digest for memory."""

    __slots__ = ("digest", "frontier", "payloads", "payloads_absent", "tenant")

    def __init__(self) -> None:
        self.digest = sha256()
        self.frontier = Frontier()
        self.tenant: str | None = None
        self.payloads = 0
        self.payloads_absent = 0

    def entry(self, line: bytes) -> None:
        index = self.frontier.size
        if line.startswith(b'{"export":'):
            raise _Bad("a signed head stands here, and more follows")
        try:
            read = _LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _Bad(f"not readable as an entry: {error}") from None
        if read.index != index:
            raise _Bad(f"entry {index} is missing here: the line holds entry {read.index}")
        header = bytes(read.header)
        digest = None if read.payload_digest is None else _hash(read.payload_digest, "payload digest")
        leaf = leaf_hash(header, digest)
        leaf_hex = leaf.hex()
        if read.leaf != leaf_hex:
            raise _Bad("the header or the payload digest is not what the leaf hash commits to")
        payload = read.payload
        if payload is None:
            encoded = b"null"
            self.payloads_absent += digest is not None
        else:
            if digest is None:
                raise _Bad("a payload stands beside an entry that has none")
            ciphertext, nonce = _base64(payload.ciphertext), _base64(payload.nonce)
            if sha256(nonce + ciphertext).digest() != digest or len(nonce) != NONCE_BYTES:
                raise _Bad("the payload is not what the entry commits to")
            encoded = b'{"ciphertext":"%b","nonce":"%b"}' % (
                b2a_base64(ciphertext, newline=False),
                b2a_base64(nonce, newline=False),
            )
            self.payloads += 1
        if read.row is not msgspec.UNSET:
            raise _Bad(f"the columns in the database contradict the header: {bytes(read.row).decode(errors='replace')}")
        canonical = b'{"header":%b,"index":%d,"leaf":"%b","payload":%b,"payload_digest":%b}\n' % (
            header,
            index,
            leaf_hex.encode(),
            encoded,
            b"null" if read.payload_digest is None else b'"%b"' % read.payload_digest.encode(),
        )
        if line != canonical:
            raise _Bad("not the one line that this entry is written as")
        try:
            tenant = read_header(header).tenant
        except ValueError as error:
            raise _Bad(str(error)) from None
        if self.tenant is None:
            self.tenant = tenant
        elif tenant != self.tenant:
            raise _Bad(f"an entry of another tenant: {tenant}")
        self.frontier.append(leaf)
        self.digest.update(line)

    def last(self, line: bytes, public_key: bytes | None) -> Holds:
        size = self.frontier.size
        try:
            read = _LAST_LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _Bad(f"no signed head: the last line is not readable as one: {error}") from None
        if _ENCODER.encode(read) + b"\n" != line:
            raise _Bad("the signed head is not the one line that it is written as")
        tenant = tenant_of(read.origin)
        if tenant is None or (self.tenant is not None and tenant != self.tenant):
            raise _Bad(f"the head is of {read.origin}, the entries are of {self.tenant}")
        if read.size != size:
            raise _Bad(f"the head covers {read.size} entries, the file holds {size}")
        key, signature = _hex(read.public_key, "public key"), _hex(read.signature, "signature")
        signed = SignedHead(
            head=Head(origin=read.origin, size=size, root=_hash(read.root, "root")), public_key=key, signature=signature
        )
        if read.key_id != signed.key_id.hex():
            raise _Bad("the key id does not belong to the public key")
        if public_key is not None and key != public_key:
            raise _Bad("signed by another key than the one given")
        if not signed.holds():
            raise _Bad("the signature does not hold for this origin, size and root")
        if signed.head.root != self.frontier.root():
            raise _Bad(
                "the entries do not add up to the signed root: at least one was rewritten together with its leaf hash; "
                "which one, only an older export can show"
            )
        above = self.digest.hexdigest()
        statement = _hex(read.export.signature, "signature of the export")
        if read.export.sha256 != above or not verifies(key, statement, _statement(signed.head, above)):
            raise _Bad(
                "every entry holds, but these are not the lines that were exported: a payload was taken out or put back"
            )
        return Holds(
            origin=read.origin,
            size=size,
            root=signed.head.root,
            key_id=signed.key_id,
            public_key=key,
            pinned=public_key is not None,
            payloads=self.payloads,
            payloads_absent=self.payloads_absent,
        )


def verify(lines: Iterable[bytes], *, public_key: bytes | None = None) -> Holds | Broken:
    """Check an export, given as its lines with their ``\\n``; nothing is kept but a logarithm of it.

    Without ``public_key`` the file's own key is taken, which shows that the file is whole, not whose it is.
    """
    reader = _Reader()
    number = 0
    previous: bytes | None = None
    for line in lines:
        if previous is not None:
            number += 1
            try:
                reader.entry(previous)
            except _Bad as bad:
                return Broken(line=number, index=reader.frontier.size, why=str(bad))
        previous = line
    number += 1
    if previous is None:
        return Broken(line=number, index=None, why="no signed head: the file is empty")
    index = None
    try:
        if not previous.startswith(b'{"header":'):
            return reader.last(previous, public_key)
        index = reader.frontier.size
        reader.entry(previous)
    except _Bad as bad:
        return Broken(line=number, index=index, why=str(bad))
    return Broken(line=number + 1, index=None, why=f"no signed head: the file ends after entry {index}")


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """A stream's lines; one that is longer than any export's comes in pieces, none of which is accepted."""
    return iter(partial(stream.readline, LINE_BYTES_MAX), b"")


def head_of(tenant: str, frontier: Frontier) -> Head:
    """The head to sign over what a frontier was built from."""
    return Head(origin=origin_of(tenant), size=frontier.size, root=frontier.root())


def _statement(head: Head, above: str) -> bytes:
    """What the signer says of an export. Its first line is no origin, so it never passes for a checkpoint."""
    return f"tregua trace export 1\n{head.origin}\n{head.size}\n{above}\n".encode()


def _hex(text: str, what: str) -> bytes:
    """Lower-case hexadecimal, which is how it is written."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if not raw or raw.hex() != text:
        raise _Bad(f"the {what} is not written in hexadecimal")
    return raw


def _hash(text: str, what: str) -> bytes:
    raw = _hex(text, what)
    if len(raw) != HASH_BYTES:
        raise _Bad(f"the {what} is {len(raw)} bytes, not {HASH_BYTES}")
    return raw


def _base64(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        raise _Bad("the payload is not base64") from None
