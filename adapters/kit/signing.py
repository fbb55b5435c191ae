"""Marks in the addresses that we give to providers, so that what comes back names its attempt and cannot be made up."""

import hmac
from functools import lru_cache
from typing import Final
from urllib.parse import quote
from uuid import UUID

#: Bytes of the tag: 128 bits, as RFC 2104 section 5 allows for a truncated HMAC.
MAC_BYTES: Final = 16
WAYS_KEPT_MAX: Final = 256

# The secret signs other things too; this prefix keeps a mark of one kind from being taken for another.
_PURPOSE: Final = b"tregua attempt mark v1\x00"


def attempt_mac(secret: bytes, attempt: UUID) -> str:
    """The mark of one attempt: HMAC-SHA256 cut to 128 bits, 32 hexadecimal digits."""
    assert secret, "an empty secret signs nothing"
    return hmac.digest(secret, _PURPOSE + attempt.bytes, "sha256")[:MAC_BYTES].hex()


def attempt_marked(secret: bytes, attempt_hex: str, mac_hex: str) -> UUID | None:
    """The attempt that ``?a=<hex>&k=<mac>`` names, or None when the mark is not ours. Compares in constant time."""
    if len(attempt_hex) != 32 or not attempt_hex.isascii() or not mac_hex.isascii():
        return None
    try:
        attempt = UUID(hex=attempt_hex)
    except ValueError:
        return None
    # One spelling only: what is kept as the key of a hook must not have twins.
    if attempt.hex != attempt_hex:
        return None
    return attempt if hmac.compare_digest(attempt_mac(secret, attempt), mac_hex) else None


def status_url(public_url: str, provider: str, secret: bytes, attempt: UUID) -> str:
    """Where a provider is asked to report on one attempt; it carries our id even if we never see the provider's."""
    # Hexadecimal digits stand in an address as they are.
    return f"{_hooks(public_url, provider)}/status?a={attempt.hex}&k={attempt_mac(secret, attempt)}"


def inbound_url(public_url: str, provider: str) -> str:
    """Where a provider is told to bring what people write to us."""
    return f"{_hooks(public_url, provider)}/inbound"


@lru_cache(maxsize=WAYS_KEPT_MAX)
def _hooks(public_url: str, provider: str) -> str:
    return f"{public_url.rstrip('/')}/hooks/{quote(provider, safe='')}"
