"""The tokens of people's pages: one attempt's id under a keyed permutation, so that a link is short, opaque and cannot be made up.

An id of 128 bits goes through AES once (a permutation of 128-bit blocks, NIST FIPS 197): 22 characters that tell nothing of
whom, when or by whom, and no second value in the text that a scanner could split off. Whoever guesses has to meet one of the
attempts that exist among 2^128.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

#: Characters of a token: 128 bits in base64url without padding (RFC 4648 section 5).
TOKEN_CHARACTERS: Final = 22
#: Where pages stand below the public address; short, for a text message pays by the character.
PATH: Final = "/p/"

# The secret marks other things too; a key of its own keeps a token of one kind from being taken for another.
_PURPOSE: Final = b"tregua page links v1\x00"


def page_token(secret: bytes, attempt: UUID) -> str:
    """The token of one attempt's page; always the same for the same attempt."""
    block = _cipher(secret).encryptor().update(attempt.bytes)
    return urlsafe_b64encode(block).rstrip(b"=").decode("ascii")


def attempt_of_token(secret: bytes, token: str) -> UUID | None:
    """The attempt that a token names, None when it is not one of ours in its one spelling. Whether it exists is asked elsewhere."""
    if len(token) != TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        block = urlsafe_b64decode(token + "==")
    except ValueError:
        return None
    # Characters that the alphabet does not have are passed over in reading, and the last one holds two bits of nothing.
    if urlsafe_b64encode(block).rstrip(b"=").decode("ascii") != token:
        return None
    attempt = UUID(bytes=_cipher(secret).decryptor().update(block))
    return attempt if attempt.version == 7 else None


def page_url(public_url: str, secret: bytes, attempt: UUID) -> str:
    """The address of one attempt's page."""
    return f"{public_url.rstrip('/')}{PATH}{page_token(secret, attempt)}"


def _cipher(secret: bytes) -> Cipher[ECB]:
    assert secret, "an empty secret hides nothing"
    key = hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    # One block, never two under each other: here the block cipher itself is what is wanted, not a mode for long texts.
    return Cipher(AES(key), ECB())  # noqa: S305
