"""Payloads sealed under a person's own key: what names a person, kept apart so that it can be erased for good.

AES-256-GCM (NIST SP 800-38D) with a random 12-byte nonce. The person's key is 32 random bytes that the caller keeps
elsewhere; when it and the row are gone nobody can read the payload, and the leaf still commits to its digest.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vocabulary.values import quickly_made

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
PAYLOAD_BYTES_MAX: Final = 2 * 1024 * 1024

_CONTEXT: Final = b"tregua trace payload 1\n"


class UnopenableError(Exception):
    """The payload is not what was sealed under this key for this entry: another key, another entry, or altered."""


@quickly_made
@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed payload: the nonce (12 bytes) and the ciphertext with its tag."""

    nonce: bytes
    ciphertext: bytes = field(repr=False)

    def digest(self) -> bytes:
        """``SHA-256(nonce || ciphertext)``: what the entry's leaf commits to."""
        return sha256(self.nonce + self.ciphertext).digest()


def fresh_key() -> bytes:
    """A person's new key. One key seals at most 2^32 payloads (SP 800-38D §8.3), more than one person can fill."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, payload: bytes, *, tenant: str, entry: UUID) -> Sealed:
    """Seal a payload for one entry; a ValueError when key or payload has the wrong size.

    The entry's id is bound in, not its index: the index is known only inside the statement that appends. A ciphertext
    moved to another entry fails twice: it does not open there, and the other entry's leaf commits to another digest.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a payload is at most {PAYLOAD_BYTES_MAX} bytes")
    nonce = os.urandom(NONCE_BYTES)
    return Sealed(nonce, AESGCM(_key(key)).encrypt(nonce, payload, _bound(tenant, entry)))


def unseal(key: bytes, sealed: Sealed, *, tenant: str, entry: UUID) -> bytes:
    """The payload; raises UnopenableError when it is not the one sealed under this key for this entry."""
    if len(sealed.nonce) != NONCE_BYTES or len(sealed.ciphertext) < TAG_BYTES:
        raise UnopenableError
    try:
        return AESGCM(_key(key)).decrypt(sealed.nonce, sealed.ciphertext, _bound(tenant, entry))
    except InvalidTag:
        raise UnopenableError from None


def _key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a person's key is {KEY_BYTES} bytes")
    return key


def _bound(tenant: str, entry: UUID) -> bytes:
    """The associated data; only the last part varies in length, so no two pairs give the same bytes."""
    return _CONTEXT + entry.bytes + tenant.encode()
