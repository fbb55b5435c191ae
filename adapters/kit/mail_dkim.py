"""Signs mail: DKIM (RFC 6376), relaxed/relaxed, by RSA (RFC 8301) or Ed25519 (RFC 8463).

The package that everybody uses is published as source only, and what is installed here comes as wheels; what is needed of the
standard to sign fits here. Verifying is the business of whoever receives.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

#: RFC 8301 section 3.2: verifiers do not consider shorter ones.
RSA_BITS_MIN: Final = 1024

#: What is signed where it is there (RFC 6376 section 5.4.1; the last ones, RFC 8058 section 4).
SIGNED: Final = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
    "Disposition-Notification-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
#: Named once more than they are there, so that nobody can put another one before ours (RFC 6376 section 8.15).
SEALED: Final = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type")

_FOLDED: Final = re.compile(rb"\r\n(?=[ \t])")
_SPACE: Final = re.compile(rb"[ \t]+")
_LINE_CHARACTERS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key and where its public half stands: ``<selector>._domainkey.<domain>``."""

    domain: str
    selector: str
    private: Ed25519PrivateKey | RSAPrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """Its name in signatures."""
        return "ed25519-sha256" if isinstance(self.private, Ed25519PrivateKey) else "rsa-sha256"


def private_key(pem: bytes) -> Ed25519PrivateKey | RSAPrivateKey:
    """A key from PEM without a passphrase. Raises ValueError, which says what is wrong and nothing of the key."""
    try:
        found = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must hold a private key in PEM, without a passphrase") from None
    if isinstance(found, Ed25519PrivateKey):
        return found
    if isinstance(found, RSAPrivateKey) and found.key_size >= RSA_BITS_MIN:
        return found
    raise ValueError(f"must hold an Ed25519 key, or an RSA key of {RSA_BITS_MIN} bits or more")


def signed(content: bytes, keys: Sequence[Key], at: int) -> bytes:
    """A mail with a signature by each key before it. ``content`` has CRLF at line ends; ``at``: seconds since 1970."""
    head, _, body = content.partition(b"\r\n\r\n")
    headers = _headers(head)
    names = _named(headers)
    digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
    signatures = b"".join(b"DKIM-Signature: " + _signature(key, headers, names, digest, at) + b"\r\n" for key in keys)
    return signatures + content


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4: spaces at line ends away, runs of them one, empty lines at the end away."""
    lines = [_SPACE.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def relaxed_header(name: bytes, value: bytes) -> bytes:
    """RFC 6376 section 3.4.2: the name small, the value on one line, runs of spaces one."""
    unfolded = _SPACE.sub(b" ", _FOLDED.sub(b"", value)).strip(b" \r\n")
    return name.strip(b" \t").lower() + b":" + unfolded


def digested(headers: Sequence[tuple[bytes, bytes]], names: Sequence[str], signature: bytes) -> bytes:
    """What is signed: the named headers, the last of a name first, then the signature's own header with an empty ``b=``."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        left.setdefault(name.lower(), []).append(value)
    lines = []
    for wanted in (name.lower().encode() for name in names):
        values = left.get(wanted)
        if values:
            lines.append(relaxed_header(wanted, values.pop()) + b"\r\n")
    return b"".join(lines) + relaxed_header(b"dkim-signature", signature)


def _signature(key: Key, headers: Sequence[tuple[bytes, bytes]], names: Sequence[str], digest: str, at: int) -> bytes:
    tags = (
        f"v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n d={key.domain}; s={key.selector};\r\n"
        f" t={at};\r\n h={_folded(':'.join(names))};\r\n bh={digest};\r\n b="
    ).encode("ascii")
    hashed = digested(headers, names, tags)
    if isinstance(key.private, Ed25519PrivateKey):
        # RFC 8463 section 3: the digest is what is signed.
        made = key.private.sign(hashlib.sha256(hashed).digest())
    else:
        made = key.private.sign(hashed, padding.PKCS1v15(), hashes.SHA256())
    return tags + _folded(base64.b64encode(made).decode(), anywhere=True).encode("ascii")


def _named(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    there = {name.lower().decode("latin-1") for name, _ in headers}
    present = [name for name in SIGNED if name.lower() in there]
    return [*present, *SEALED]


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for field_ in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = field_.partition(b":")
        found.append((name, value))
    return found


def _folded(text: str, *, anywhere: bool = False) -> str:
    """Over several lines, where the standard allows white space: within base64 anywhere, else after a colon."""
    if anywhere:
        return "\r\n  ".join(text[start : start + _LINE_CHARACTERS] for start in range(0, len(text), _LINE_CHARACTERS))
    lines, line = [], ""
    for part in text.split(":"):
        if line and len(line) + len(part) >= _LINE_CHARACTERS:
            lines.append(line + ":")
            line = part
        else:
            line = f"{line}:{part}" if line else part
    return "\r\n  ".join([*lines, line])
