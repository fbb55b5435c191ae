"""What a witness does with a new head: see that the trace only grew since the last one, and put its own name under it.

Formats: c2sp.org/tlog-cosignature (cosignature/v1: what is signed, the key id's byte 0x04, the timestamp before the signature).
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tracelog.head import (
    KEY_ID_BYTES,
    PUBLIC_KEY_BYTES,
    ForgedError,
    SeedSigner,
    SignedHead,
    signature_of,
    verifies,
)
from tracelog.tree import grew

COSIGNATURE: Final = b"\x04"
TIMESTAMP_BYTES: Final = 8
NAME_CHARS_MAX: Final = 100


class ShrunkError(Exception):
    """The trace is not what the witness saw before with more behind it; the message says how it differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Whoever vouches: a name without spaces or plus signs, and a key of her own."""

    name: str
    signer: SeedSigner

    def __post_init__(self) -> None:
        """A ValueError when the name cannot stand in a signed note."""
        if not self.name or any(letter.isspace() or letter == "+" for letter in self.name):
            raise ValueError("a witness's name has neither spaces nor '+'")

    @property
    def key_id(self) -> bytes:
        """``SHA-256(name || 0x0A || 0x04 || public key)[:4]``."""
        return _key_id(self.name, self.signer.public_key)

    @property
    def verifier_key(self) -> str:
        """The key as others pin it."""
        return verifier_key(self.name, self.signer.public_key)

    def line(self, head: SignedHead, at_seconds: int) -> str:
        """The cosignature line under a head seen at a Unix time in seconds."""
        signature = self.signer.sign(_statement(head, at_seconds))
        raw = self.key_id + at_seconds.to_bytes(TIMESTAMP_BYTES, "big") + signature
        return f"— {self.name} {b64encode(raw).decode()}\n"


def verifier_key(name: str, public_key: bytes) -> str:
    """A witness's key as others pin it (``name+hash+base64``)."""
    return f"{name}+{_key_id(name, public_key).hex()}+{b64encode(COSIGNATURE + public_key).decode()}"


def witness_key(text: str) -> tuple[str, bytes]:
    """Name and public key out of a witness's verifier key (``name+hash+base64``). A ValueError says what is wrong with it."""
    name, _, rest = text.strip().partition("+")
    hashed, _, encoded = rest.partition("+")
    try:
        raw = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable() or " " in name:
        raise ValueError("a verifier key is NAME+HASH+BASE64, without spaces")
    if len(raw) != 1 + PUBLIC_KEY_BYTES or raw[:1] != COSIGNATURE:
        raise ValueError("the verifier key holds no key for cosignatures (Ed25519 after the byte 0x04)")
    if _key_id(name, raw[1:]).hex() != hashed:
        raise ValueError("the verifier key's hash does not fit its name and key")
    return name, raw[1:]


def cosignature_in(note: str, head: SignedHead, name: str, public_key: bytes) -> tuple[int, str]:
    """When a witness saw a head (Unix seconds), and the line by which she says so in a note. Raises ForgedError."""
    for line in note.rpartition("\n\n")[2].splitlines():
        signed_by, hashed, rest = signature_of(line)
        if signed_by == name and hashed == _key_id(name, public_key):
            at_seconds = cosigned(head, name, public_key, hashed + rest)
            if at_seconds is None:
                raise ForgedError("the cosignature does not hold")
            return at_seconds, line + "\n"
    raise ForgedError("this witness has not signed it")


def cosigned(head: SignedHead, name: str, public_key: bytes, raw: bytes) -> int | None:
    """When a witness saw a head (Unix seconds), out of the bytes of its line; None when the cosignature does not hold."""
    key_id, timestamp = raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES : KEY_ID_BYTES + TIMESTAMP_BYTES]
    if key_id != _key_id(name, public_key):
        return None
    at_seconds = int.from_bytes(timestamp, "big")
    whole = len(timestamp) == TIMESTAMP_BYTES
    held = whole and verifies(public_key, raw[KEY_ID_BYTES + TIMESTAMP_BYTES :], _statement(head, at_seconds))
    return at_seconds if held else None


def observed(before: SignedHead | None, now: SignedHead, proof: Sequence[bytes]) -> None:
    """Accept a new head after the last one that was seen, both verified already. Raises ShrunkError."""
    if before is None:
        return
    old, new = before.head, now.head
    if new.origin != old.origin:
        raise ShrunkError(f"it is another trace: {new.origin}, not {old.origin}")
    if now.public_key != before.public_key:
        raise ShrunkError("it is signed by another key than before")
    if new.size < old.size:
        raise ShrunkError(f"it was cut back: {new.size} entries, and {old.size} were seen")
    if new.size == old.size and new.root != old.root:
        raise ShrunkError(f"it was rewritten: another root over the same {old.size} entries")
    if not grew(old.size, old.root, new.size, new.root, proof):
        raise ShrunkError(f"it was rewritten: {new.size} entries do not begin with the {old.size} that were seen")


def _key_id(name: str, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + COSIGNATURE + public_key).digest()[:KEY_ID_BYTES]


def _statement(head: SignedHead, at_seconds: int) -> bytes:
    return f"cosignature/v1\ntime {at_seconds}\n".encode() + head.head.text()
