"""Posts to addresses that tenants name, and to nowhere inside: the check is made on the very address that is connected to.

Server-side request forgery is refused where it happens: the resolver stands inside the connector, so a name that answers
differently the second time gains nothing (OWASP API7:2023, ASVS 5.0 1.3.6).
"""

import asyncio
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http import RawResponseMessage
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from adapters.kit.wire import Wire

Network = IPv4Network | IPv6Network

CONNECTIONS_MAX: Final = 64
POST_SECONDS_MAX: Final = 15.0
CONNECT_SECONDS_MAX: Final = 5.0
#: Addresses of tenants' endpoints, looked at once.
CHECKED_MAX: Final = 1_024
PORTS: Final = frozenset({80, 443, 8080, 8443})


class Refused(Exception):
    """The address is not one that the gateway may speak to; the text says why."""


class Egress:
    """The way to tenants' addresses: no redirects, no proxy, no cookies, public addresses only but for ``allowed``."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)
        self._checked = lru_cache(maxsize=CHECKED_MAX)(self._check)
        self._connector: aiohttp.TCPConnector | None = None
        self._wire: Wire | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str], answer_bytes_max: int) -> int:
        """Post once; the status of the answer, of which no more than so many bytes are read. Raises Refused."""
        parsed = self._checked(url)

        async def status(message: RawResponseMessage, payload: aiohttp.StreamReader) -> int:
            # What came along with the status is read, so that the connection may be kept; nobody waits for more.
            if not payload.at_eof():
                await payload.read(answer_bytes_max)
            return message.code

        async with asyncio.timeout(POST_SECONDS_MAX):
            return await self._opened().call("POST", parsed, headers, body, status)

    def _check(self, url: str) -> URL:
        """An address that may be spoken to, as far as its words tell; what it resolves to is seen to at every connection."""
        parsed = URL(url)
        self.check(parsed)
        return parsed

    def check(self, url: URL) -> None:
        """What can be said of an address before it is resolved. Raises Refused."""
        if url.scheme not in ("https", "http") or not url.host:
            raise Refused("only https addresses are delivered to")
        if url.user is not None or url.password is not None:
            raise Refused("an address carries no credentials")
        literal = _literal(url.host)
        inside = literal is not None and self._is_allowed(literal)
        if literal is not None and not inside and not _public(literal):
            raise Refused("not a public address")
        if url.scheme == "http" and not inside and not (self._allowed and literal is None):
            raise Refused("only https addresses are delivered to")
        if url.port not in PORTS and not inside and not (self._allowed and literal is None):
            raise Refused("not a port for webhooks")

    async def close(self) -> None:
        """Let go of connections."""
        connector, self._connector, self._wire = self._connector, None, None
        if connector is not None:
            await connector.close()

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._allowed if network.version == address.version)

    def _opened(self) -> Wire:
        if self._wire is None:
            self._connector = aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, resolver=_Guard(self._allowed), use_dns_cache=False, force_close=False
            )
            self._wire = Wire(self._connector, connect=aiohttp.ClientTimeout(connect=CONNECT_SECONDS_MAX))
        return self._wire


class _Guard(AbstractResolver):
    """Resolves, and hands on nothing unless every answer may be connected to."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            address = ip_address(answer["host"])
            inside = any(address in network for network in self._allowed if network.version == address.version)
            if not inside and not _public(address):
                raise OSError("the name resolves to an address that is not public")
        return answers

    async def close(self) -> None:
        await self._inner.close()


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as, in any spelling that a C library would take for one."""
    try:
        return ip_address(host.split("%", 1)[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is a public unicast one. Of IPv4 wrapped in IPv6, only NAT64's own prefix leads to the public (RFC 6052).

    6to4, Teredo and IPv4-mapped addresses are refused whole: no receiver is reached by them, and where a relay unwraps them is
    not for us to say.
    """
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST or any(address in network for network in _SPECIAL_6):
            return False
    elif any(address in network for network in _SPECIAL_4):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64: Final = IPv6Network("64:ff9b::/96")
#: All that IANA has given out as global unicast; whatever lies outside is local, special or nobody's.
_UNICAST: Final = IPv6Network("2000::/3")
#: https://www.iana.org/assignments/iana-ipv6-special-registry: protocol assignments with Teredo, documentation, 6to4.
_SPECIAL_6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
#: https://www.iana.org/assignments/iana-ipv4-special-registry: what some releases of ``ipaddress`` call global all the same.
_SPECIAL_4: Final = tuple(
    IPv4Network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
)
