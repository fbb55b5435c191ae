"""Which addresses a CRM may name for its events: public https, unless the operator opened a network.

This is the first of two looks: names are resolved, and the answer is looked at again, at every delivery.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

URL_CHARS_MAX = 2048

_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?")
_LOOPBACK = frozenset({"localhost", "localhost."})
#: Names that public DNS never answers, or that mean this machine or its neighbours (RFC 6761, RFC 6762, RFC 9476).
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".alt", ".home.arpa", ".onion")

Network = IPv4Network | IPv6Network


def flaw_of(url: str, allow_networks: Sequence[Network]) -> str | None:
    """Why events may not go to this URL, or None."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return f"A URL of at most {URL_CHARS_MAX} ASCII characters is needed; write other names in Punycode."
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        return "Not a URL."
    if parts.scheme not in ("https", "http") or not host:
        return "An https URL is needed."
    if parts.username is not None or parts.password is not None:
        return "A URL holds no user and password: deliveries are signed instead."
    if parts.fragment or port == 0:
        return "A URL without fragment is needed, on a port that exists."
    address = _address(host)
    if address is None and _numeric(host):
        return "Not an address in its one spelling."
    if address is None and _HOST.fullmatch(host) is None:
        return "Not a host name."
    opened = _opened(host, address, allow_networks)
    if parts.scheme == "http" and not opened:
        return "An https URL is needed; plain http only to networks that the operator has opened."
    if address is not None and not opened and not public(address):
        return "Only public addresses, unless the operator opens a network."
    if address is None and not opened and _private(host):
        return "Only public names, unless the operator opens a network."
    return None


def public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is public unicast, whatever it is wrapped in (IPv4-mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv6Address):
        inner: IPv4Address | None = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            return False
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64 = IPv6Network("64:ff9b::/96")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _numeric(host: str) -> bool:
    """Whether resolvers could read the name as an IPv4 address in another spelling (127.1, 0x7f000001, 017700000001)."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _private(host: str) -> bool:
    return "." not in host.rstrip(".") or host.rstrip(".").endswith(_PRIVATE_SUFFIXES)


def _opened(host: str, address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    if address is not None:
        return any(address in network for network in networks)
    if host in _LOOPBACK:
        return any(network.is_loopback for network in networks)
    # A private name may stand in an opened network; what it resolves to is looked at when something is delivered.
    return bool(networks) and _private(host)
