"""The export: a tenant's whole trace as NDJSON that anybody can verify offline, one entry a line, the signed head last.

Every line is canonical JSON (sorted names, no spaces, ``\\n`` at its end), so there is one file for one trace and any
other byte is an error. ``docs/trace.md`` describes it for those who write their own verifier.
"""

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO, Final
from uuid import UUID

import msgspec

from tracelog.entry import agrees, instant
from tracelog.head import Head, SignedHead, Signer, origin_of, tenant_of, verifies
from tracelog.line import BATCH_BYTES, LINE_BYTES_MAX, Bad, Piece, checked, hash_of, hex_of
from tracelog.tree import Frontier

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


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


#: Whole lines of an export one after the other, about ``BATCH_BYTES`` of them.
Batch = bytes
#: Whoever checks each batch with ``piece_of``, several at once: the batches again, in order, and what came of each.
Elsewhere = Callable[[Iterable[Batch]], Iterable[tuple[Batch, Piece | None]]]


class _Reader:
    """Goes through an export in order, with the tree's right edge and a running digest for memory."""

    __slots__ = ("digest", "frontier", "payloads", "payloads_absent", "tenant")

    def __init__(self) -> None:
        self.digest = sha256()
        self.frontier = Frontier()
        self.tenant: str | None = None
        self.payloads = 0
        self.payloads_absent = 0

    def entry(self, line: bytes) -> None:
        found = checked(line, self.frontier.size)
        if self.tenant not in (None, found.tenant):
            raise Bad(f"an entry of another tenant: {found.tenant}")
        self.tenant = found.tenant
        self.payloads += found.payload is True
        self.payloads_absent += found.payload is False
        self.frontier.append(found.leaf)
        self.digest.update(line)

    def piece(self, batch: Batch, piece: Piece | None) -> bool:
        """Take in lines that were checked elsewhere; False where they have to be gone through one by one."""
        if piece is None or piece.first != self.frontier.size or self.tenant not in (None, piece.tenant):
            return False
        self.tenant = piece.tenant
        self.payloads += piece.payloads
        self.payloads_absent += piece.payloads_absent
        for level, root in piece.subtrees:
            self.frontier.graft(level, root)
        self.digest.update(batch)
        return True

    def last(self, line: bytes, public_key: bytes | None) -> Holds:
        size = self.frontier.size
        try:
            read = _LAST_LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Bad(f"no signed head: the last line is not readable as one: {error}") from None
        if _ENCODER.encode(read) + b"\n" != line:
            raise Bad("the signed head is not the one line that it is written as")
        tenant = tenant_of(read.origin)
        if tenant is None or (self.tenant is not None and tenant != self.tenant):
            raise Bad(f"the head is of {read.origin}, the entries are of {self.tenant}")
        if read.size != size:
            raise Bad(f"the head covers {read.size} entries, the file holds {size}")
        key, signature = hex_of(read.public_key, "public key"), hex_of(read.signature, "signature")
        signed = SignedHead(
            head=Head(origin=read.origin, size=size, root=hash_of(read.root, "root")),
            public_key=key,
            signature=signature,
        )
        if read.key_id != signed.key_id.hex():
            raise Bad("the key id does not belong to the public key")
        if public_key is not None and key != public_key:
            raise Bad("signed by another key than the one given")
        if not signed.holds():
            raise Bad("the signature does not hold for this origin, size and root")
        if signed.head.root != self.frontier.root():
            raise Bad(
                "the entries do not add up to the signed root: at least one was rewritten together with its leaf hash; "
                "which one, only an older export can show"
            )
        above = self.digest.hexdigest()
        statement = hex_of(read.export.signature, "signature of the export")
        if read.export.sha256 != above or not verifies(key, statement, _statement(signed.head, above)):
            raise Bad(
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


def verify(
    pieces: Iterable[bytes], *, public_key: bytes | None = None, elsewhere: Elsewhere | None = None
) -> Holds | Broken:
    """Check an export, given as its lines with their ``\\n`` or cut anywhere else.

    Nothing is kept but a logarithm of it, and the batches in the air. Without ``public_key`` the file's own key is taken, which shows
    that the file is whole, not whose it is. ``elsewhere`` shares the work out; the answer is the same, for what is not accepted there
    is gone through here line by line.
    """
    reader = _Reader()
    number = 0
    batches = _Batches(pieces)
    for batch, piece in elsewhere(batches) if elsewhere is not None else ((each, None) for each in batches):
        if piece is not None and reader.piece(batch, piece):
            number += piece.entries
            continue
        for line in lines_of(BytesIO(batch)):
            number += 1
            try:
                reader.entry(line)
            except Bad as bad:
                return Broken(line=number, index=reader.frontier.size, why=str(bad))
    number += 1
    last = batches.last
    if not last:
        return Broken(line=number, index=None, why="no signed head: the file is empty")
    index = None
    try:
        if not last.startswith(b'{"header":'):
            return reader.last(last, public_key)
        index = reader.frontier.size
        reader.entry(last)
    except Bad as bad:
        return Broken(line=number, index=index, why=str(bad))
    return Broken(line=number + 1, index=None, why=f"no signed head: the file ends after entry {index}")


def differs(older: Iterable[bytes], newer: Iterable[bytes]) -> int | None:
    """The first entry of an older export, which holds, that a newer one does not have in its place; None where it has all of them.

    It names what one export alone cannot: an entry that was rewritten together with its leaf hash. Words erased since are no
    difference.
    """
    others = iter(newer)
    for index, line in enumerate(older):
        if not line.startswith(b'{"header":'):
            return None
        try:
            if checked(next(others, b""), index).leaf != checked(line, index).leaf:
                return index
        except Bad:
            return index
    return None


class _Batches:
    """Goes once through pieces in batches of whole lines: all but the last line, which is ``last`` when they are through."""

    __slots__ = ("_pieces", "last")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.last = b""

    def __iter__(self) -> Iterator[Batch]:
        held: list[bytes] = []
        size = 0
        for piece in self._pieces:
            held.append(piece)
            size += len(piece)
            if size < BATCH_BYTES:
                continue
            data = b"".join(held)
            # The last line stays behind, whole or not: it may be the file's.
            cut = data.rfind(b"\n", 0, -1) + 1
            if not cut and size > LINE_BYTES_MAX:
                cut = size  # no line is so long: whoever goes through it says so
            if cut:
                yield data[:cut]
            held, size = [data[cut:]], size - cut
        data = b"".join(held)
        cut = len(data) if len(data) > LINE_BYTES_MAX and b"\n" not in data[:-1] else data.rfind(b"\n", 0, -1) + 1
        if cut:
            yield data[:cut]
        self.last = data[cut:]


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """A stream's lines; one that is longer than any export's comes in pieces, none of which is accepted."""
    return iter(partial(stream.readline, LINE_BYTES_MAX), b"")


def blocks_of(stream: BinaryIO) -> Iterator[bytes]:
    """The same bytes in larger pieces, cut wherever it falls."""
    return iter(partial(stream.read, BATCH_BYTES), b"")


def head_of(tenant: str, frontier: Frontier) -> Head:
    """The head to sign over what a frontier was built from."""
    return Head(origin=origin_of(tenant), size=frontier.size, root=frontier.root())


def _statement(head: Head, above: str) -> bytes:
    """What the signer says of an export. Its first line is no origin, so it never passes for a checkpoint."""
    return f"tregua trace export 1\n{head.origin}\n{head.size}\n{above}\n".encode()
