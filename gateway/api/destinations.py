"""Which addresses a CRM may name for its events: what can be said before anything is resolved.

``gateway.egress`` looks again at every delivery, at the very address that is connected to; here a mistake is named to the one
who makes it.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from yarl import URL

from gateway.egress import Egress, Refused

URL_CHARS_MAX: Final = 2048

Network = IPv4Network | IPv6Network

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?")
_HOST_CHARS_MAX: Final = 253
#: Names that public DNS never answers, or that mean this machine or its neighbours (RFC 6761, RFC 6762, RFC 8375, RFC 9476).
_PRIVATE_SUFFIXES: Final = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".alt",
    ".home.arpa",
    ".onion",
    ".test",
    ".invalid",
)


def flaw_of(url: str, allow_networks: Sequence[Network]) -> str | None:
    """Why events may not go to this URL, or None."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "Only ASCII without spaces; write other names in Punycode."
    try:
        parsed = URL(url)
        host = (parsed.raw_host or "").lower()
    except ValueError:
        return "Not a URL."
    if parsed.scheme not in ("https", "http") or not host:
        return "An https URL is needed."
    if parsed.user is not None or parsed.password is not None:
        return "A URL holds no user and password: deliveries are signed instead."
    if parsed.raw_fragment or not parsed.port:
        return "A URL without a fragment is needed, on a port that exists."
    named = not _is_address(host)
    if named and (len(host) > _HOST_CHARS_MAX or _HOST.fullmatch(host) is None or _numeric(host)):
        return "Not the name of a host, nor an address in its one spelling."
    try:
        Egress(allow_networks).check(parsed)
    except Refused as error:
        return f"{str(error).capitalize()}."
    if named and not allow_networks and _private(host):
        return "Only names that the public can resolve, unless the operator opens a network."
    if parsed.scheme == "http" and named and not _private(host):
        return "An https URL is needed; plain http only inside a network that the operator has opened."
    return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _numeric(host: str) -> bool:
    """Whether resolvers could read the name as an IPv4 address in another spelling (127.1, 0x7f000001, 017700000001)."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _private(host: str) -> bool:
    name = host.rstrip(".")
    return "." not in name or name.endswith(_PRIVATE_SUFFIXES)
