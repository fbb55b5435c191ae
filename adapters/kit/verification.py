"""Whether a hook is the provider's own: signed over its raw body, or with a shared secret from an address that is listed."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from adapters.kit.port import Hook


class Algorithm(StrEnum):
    """What signs: HMAC (RFC 2104). SHA-1 is broken for collisions, not for this (RFC 6151 argues so for MD5 even)."""

    SHA256 = "sha256"
    SHA1 = "sha1"


class Digits(StrEnum):
    """How a signature is written."""

    HEX = "hex"
    HEX_UPPER = "hex_upper"
    BASE64 = "base64"


_HASHES: Final[Mapping[Algorithm, Callable[..., Any]]] = {
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA1: hashlib.sha1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The header carries ``prefix`` and the HMAC of the raw body. Each of ``keys`` is good, so that one can be changed."""

    header: str
    algorithm: Algorithm
    digits: Digits
    prefix: str
    keys: tuple[str, ...] = field(repr=False)

    def genuine(self, hook: Hook) -> bool:
        """Compares in constant time, and with every key whatever the first one says."""
        given = _header(hook, self.header)
        if not given.isascii() or not given.startswith(self.prefix):
            return False
        given = given.removeprefix(self.prefix)
        fits = [hmac.compare_digest(self._signature(key, hook.body), given) for key in self.keys]
        return any(fits)

    def signature(self, body: bytes) -> str:
        """What the header holds for this body."""
        return self.prefix + self._signature(self.keys[0], body)

    def marked(self, url: str) -> str:
        """An address that the provider is handed; a signature needs nothing in it."""
        return url

    def _signature(self, key: str, body: bytes) -> str:
        mac = hmac.new(key.encode(), body, _HASHES[self.algorithm]).digest()
        match self.digits:
            case Digits.HEX:
                return mac.hex()
            case Digits.HEX_UPPER:
                return mac.hex().upper()
            case Digits.BASE64:
                return base64.b64encode(mac).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A secret in a header or in the query, and the networks it may come from: the socket's other end, nothing forwarded."""

    header: str | None
    query: str | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    keys: tuple[str, ...] = field(repr=False)

    def genuine(self, hook: Hook) -> bool:
        """Compares in constant time, and whatever the address is."""
        if self.header is not None:
            given = [_header(hook, self.header)]
        else:
            given = [value for name, value in _query(hook.url) if name == self.query]
        # Said twice it is said by two.
        told = given[0] if len(given) == 1 else ""
        fits = [hmac.compare_digest(key.encode(), told.encode("utf-8", "surrogateescape")) for key in self.keys]
        return any(fits) and self._listed(hook.remote)

    def marked(self, url: str) -> str:
        """An address that the provider is handed, with the secret in its query where that is where it stands."""
        if self.query is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}{quote(self.query, safe='')}={quote(self.keys[0], safe='')}"

    def _listed(self, remote: str | None) -> bool:
        try:
            address = ip_address(remote or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


Guard = Signed | Shared


def _header(hook: Hook, name: str) -> str:
    found = [value for told, value in hook.headers.items() if told.lower() == name.lower()]
    return found[0] if len(found) == 1 else ""


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True, errors="surrogateescape")
    except ValueError:
        return []
