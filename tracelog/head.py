"""The signed head of a trace: its size and root, signed with Ed25519 as a C2SP checkpoint that witnesses can cosign.

Formats: c2sp.org/tlog-checkpoint (the text), c2sp.org/signed-note (the signature line, the key id, the verifier key).
The origin of a tenant's log is ``tregua/<tenant>``, and the key's name is its origin.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tracelog.tree import HASH_BYTES

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 4
NOTE_BYTES_MAX: Final = 16 * 1024
#: C2SP's byte for a plain Ed25519 signature over the note's text.
ED25519: Final = b"\x01"

_ORIGIN = re.compile(r"tregua/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class ForgedError(Exception):
    """The text is not a head that this key signed; the message says what is wrong with it."""


class Signer(Protocol):
    """Whoever holds the signing key: this process, another one, or a key service."""

    @property
    def public_key(self) -> bytes:
        """The Ed25519 public key, 32 bytes (RFC 8032 §5.1.2)."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """The Ed25519 signature over ``message``, 64 bytes."""
        ...


class SeedSigner:
    """A signing key held in this process, made from its 32-byte seed (RFC 8032 §5.1.5)."""

    __slots__ = ("_private", "public_key")

    def __init__(self, seed: bytes) -> None:
        """A ValueError when the seed is not 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed is {SEED_BYTES} bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes, /) -> bytes:
        """The signature over ``message``."""
        return self._private.sign(message)


def derived_seed(secret: bytes, origin: str) -> bytes:
    """The seed of a log's signing key, out of the installation's secret (HKDF-SHA256, RFC 5869).

    The origin is part of the derivation, so a head of one tenant never verifies under the key of another.
    """
    hkdf = HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=b"tregua trace head 1\n" + origin.encode())
    return hkdf.derive(secret)


def origin_of(tenant: str) -> str:
    """``tregua/<tenant>``; a ValueError when the tenant's name cannot stand in a signed note."""
    origin = f"tregua/{tenant}"
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError("a tenant's name is 1 to 100 letters, digits, '.', '_' or '-'")
    return origin


def tenant_of(origin: str) -> str | None:
    """The tenant behind ``origin_of``, or None when it is no origin of ours."""
    return origin.removeprefix("tregua/") if _ORIGIN.fullmatch(origin) else None


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes by which signed notes tell keys apart: ``SHA-256(name || 0x0A || 0x01 || public key)[:4]``."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:KEY_ID_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as auditors pin it (``name+hash+base64``), the form of Go's ``sumdb/note`` and of C2SP witnesses."""
    return f"{name}+{key_id(name, public_key).hex()}+{b64encode(ED25519 + public_key).decode()}"


def pinned_key(text: str) -> bytes:
    """The public key in any form in which somebody pins it: verifier key, 64 hexadecimal digits, base64 or PEM.

    A ValueError when it is none of them, or when a verifier key's hash does not fit its key.
    """
    text = text.strip()
    if "-----BEGIN PUBLIC KEY-----" in text:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        loaded = load_pem_public_key(text.encode())
        if not isinstance(loaded, Ed25519PublicKey):
            raise ValueError("the PEM holds no Ed25519 public key")
        return loaded.public_bytes_raw()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    # Base64 before the verifier key: the letters of 32 bytes may hold two '+', a verifier key is never as short.
    raw = _decoded(text)
    if raw is not None and len(raw) == PUBLIC_KEY_BYTES:
        return raw
    if match := re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+(\S+)", text):
        name, hashed, encoded = match.groups()
        raw = _decoded(encoded)
        if raw is None or len(raw) != 1 + PUBLIC_KEY_BYTES or raw[:1] != ED25519:
            raise ValueError("the verifier key holds no Ed25519 public key")
        if key_id(name, raw[1:]).hex() != hashed:
            raise ValueError("the verifier key's hash does not fit its name and key")
        return raw[1:]
    raise ValueError("not a public key: give a verifier key (name+hash+base64), 64 hexadecimal digits, base64 or PEM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How large a log is and what it holds, as one hash."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """The checkpoint's text, byte for byte what is signed: origin, size and base64 root, each on a line."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head, whose key signed it, and the signature."""

    head: Head
    public_key: bytes
    signature: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        """The key's id under the origin's name, 4 bytes."""
        return key_id(self.head.origin, self.public_key)

    def note(self) -> str:
        """The whole signed note, as witnesses take it."""
        signature = b64encode(self.key_id + self.signature).decode()
        return f"{self.head.text().decode()}\n— {self.head.origin} {signature}\n"

    def holds(self) -> bool:
        """Whether the signature is this key's over this head. It says nothing about whose key that is."""
        return verifies(self.public_key, self.signature, self.head.text())


def sign(head: Head, signer: Signer) -> SignedHead:
    """Sign a head that the caller has recomputed from what is on disk: it is a promise about every entry below it."""
    if len(head.root) != HASH_BYTES or head.size < 0 or tenant_of(head.origin) is None:
        raise ValueError("no head of a log of ours")
    return SignedHead(head=head, public_key=signer.public_key, signature=signer.sign(head.text()))


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is the key's over ``message``; a key or signature of another length verifies nothing."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def opened(note: str, public_key: bytes) -> SignedHead:
    """The head in a signed note, verified under a key that the caller trusts; those of witnesses are passed over.

    Raises ForgedError when the note is malformed, or this key's signature is missing or wrong.
    """
    if len(note.encode()) > NOTE_BYTES_MAX:
        raise ForgedError(f"longer than {NOTE_BYTES_MAX} bytes")
    text, gap, lines = note.rpartition("\n\n")
    parts = text.split("\n")
    if not gap or len(parts) != 3 or not lines.endswith("\n"):
        raise ForgedError("not a checkpoint of three lines, a blank one and signatures")
    origin, size, encoded = parts
    root = _decoded(encoded)
    if tenant_of(origin) is None or _SIZE.fullmatch(size) is None or root is None or len(root) != HASH_BYTES:
        raise ForgedError("the checkpoint's origin, size or root is not readable")
    head = Head(origin=origin, size=int(size), root=root)
    signatures = [signature_of(line) for line in lines[:-1].split("\n")]
    for name, hashed, signature in signatures:
        if name == origin and hashed == key_id(origin, public_key):
            signed = SignedHead(head=head, public_key=public_key, signature=signature)
            if not signed.holds():
                raise ForgedError("the signature does not hold")
            return signed
    raise ForgedError("not signed by this key")


def signature_of(line: str) -> tuple[str, bytes, bytes]:
    """The key's name, its id and the signature in one line of a signed note. Raises ForgedError."""
    match = re.fullmatch(r"— (\S+) (\S+)", line)
    raw = _decoded(match[2]) if match else None
    if match is None or raw is None or len(raw) <= KEY_ID_BYTES:
        raise ForgedError("a signature line is not readable")
    return match[1], raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:]


def _decoded(text: str) -> bytes | None:
    """Standard base64 in its one canonical spelling, or None."""
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None
