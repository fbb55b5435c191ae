"""Fetches what came with a person's message from where her provider keeps it, and from nowhere else.

The address stands in a hook that was signed, and is still not believed: only the provider's own hosts are asked, over https,
at public addresses, with as many redirects as Twilio's media need, and never for more bytes than are wanted. Credentials go
to the configured host alone.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Protocol, runtime_checkable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

FETCH_SECONDS_MAX: Final = 20.0
CONNECT_SECONDS_MAX: Final = 5.0
REDIRECTS_MAX: Final = 2
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@runtime_checkable
class HoldsMedia(Protocol):
    """A way whose provider keeps what people send."""

    async def fetch(self, reference: str, bytes_max: int, /) -> bytes | None:
        """What a reply's ``media`` names; None when it is gone, too long or not to be had now. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where one provider keeps media. ``base_url`` is the configured address; ``domains`` are its others, with what lies below."""

    base_url: str
    domains: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def may_ask(self, url: URL) -> bool:
        """Whether an address is the provider's own."""
        if url.user is not None or url.password is not None or not url.host:
            return False
        if self.is_base(url):
            return True
        if url.scheme != "https" or url.port != 443:
            return False
        host = url.host.lower()
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    def holds(self, reference: str) -> bool:
        """The same of an address as it is written, whatever it is."""
        try:
            url = URL(reference)
            return url.absolute and self.may_ask(url)
        except ValueError:
            return False

    def at(self, reference: str) -> "Store":
        """The same store with credentials for another of its own hosts, where an address of it lies."""
        return replace(self, base_url=str(URL(reference).origin()))

    def is_base(self, url: URL) -> bool:
        """Whether an address is the configured one, which alone is told who we are."""
        base = URL(self.base_url)
        return (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)


async def fetch(store: Store, reference: str, bytes_max: int) -> bytes | None:
    """The bytes at an address of the provider's, None when there are none for us."""
    try:
        if not store.holds(reference):
            return None
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            return await _followed(store, URL(reference), bytes_max)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


async def _followed(store: Store, url: URL, bytes_max: int) -> bytes | None:
    base = URL(store.base_url)
    connector = aiohttp.TCPConnector(resolver=_Public(base.host or ""), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    ) as session:
        for _ in range(REDIRECTS_MAX + 1):
            if not store.may_ask(url):
                return None
            headers = {"Accept-Encoding": "identity", **(store.headers if store.is_base(url) else {})}
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    url = url.join(URL(response.headers.get("Location", "")))
                    continue
                if response.status != 200 or response.headers.get("Content-Encoding", "identity") != "identity":
                    return None
                return await _body(response, bytes_max)
    return None


async def _body(response: aiohttp.ClientResponse, bytes_max: int) -> bytes | None:
    if (response.content_length or 0) > bytes_max:
        return None
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > bytes_max:
            return None
        parts.append(part)
    return b"".join(parts)


class _Public(AbstractResolver):
    """Resolves the provider's names to public addresses only; the configured host may stand anywhere the operator put it."""

    def __init__(self, base_host: str) -> None:
        self._base_host = base_host.lower()
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        if host.lower() != self._base_host and not all(ip_address(answer["host"]).is_global for answer in answers):
            raise OSError("the name resolves to an address that is not public")
        return answers

    async def close(self) -> None:
        await self._inner.close()
