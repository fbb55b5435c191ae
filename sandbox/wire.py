"""What goes over the wire between a simulated carrier and the gateway: calls, and bodies that have an end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the gateway's hooks."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


async def bounded(content: aiohttp.StreamReader, bytes_max: int) -> bytes | None:
    """The whole body; None if it is longer."""
    body = b""
    async for part in content.iter_any():
        body += part
        if len(body) > bytes_max:
            return None
    return body
