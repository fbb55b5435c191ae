"""Signed links to notes, for providers that fetch what they play: they name no person and no tenant, and they end.

``/media/{token}``: the note's id, the second at which the link ends, and an HMAC-SHA256 over both cut to 128 bits (RFC 2104
section 5), in base64url. MediaLinks end in real time. What is served is played by machines and must never run in a browser as ours.
"""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web

from storage import media
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway
from storage.media import MediaRow

#: A provider may hold a message for ten hours before it fetches what belongs to it.
LINK_LIFE: Final = timedelta(hours=24)
_SECONDS_BYTES: Final = 5
_MAC_BYTES: Final = 16
_TOKEN_CHARS: Final = 52
_PURPOSE: Final = b"tregua media link v1\x00"

HEADERS: Final = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class MediaLinks:
    """Makes and reads links."""

    def __init__(self, secret: bytes, public_url: str) -> None:
        assert secret, "an empty secret signs nothing"
        self._secret = secret
        self._public_url = public_url.rstrip("/")

    def url(self, identity: UUID, real: datetime, life: timedelta = LINK_LIFE) -> str:
        """Where a note can be fetched until then, for who is told."""
        ends = int((real + life).timestamp())
        told = identity.bytes + ends.to_bytes(_SECONDS_BYTES, "big")
        token = base64.urlsafe_b64encode(told + self._mac(told)).rstrip(b"=").decode()
        return f"{self._public_url}/media/{token}"

    def read(self, token: str, real: datetime) -> UUID | None:
        """The note that a link names; None when it is not ours or has ended. Compares in constant time."""
        if len(token) > _TOKEN_CHARS or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        told, mac = raw[: 16 + _SECONDS_BYTES], raw[16 + _SECONDS_BYTES :]
        # One spelling only: base64 has several for the same bytes.
        spelt = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        if not hmac.compare_digest(self._mac(told), mac) or spelt != token:
            return None
        if int.from_bytes(told[16:], "big") <= real.timestamp():
            return None
        return UUID(bytes=told[:16])

    def _mac(self, told: bytes) -> bytes:
        return hmac.digest(self._secret, _PURPOSE + told, "sha256")[:_MAC_BYTES]


def routes(links: MediaLinks, database: Database, clock: LegalClock) -> list[web.AbstractRouteDef]:
    """The route that serves notes to whoever holds a link."""

    async def serve(request: web.Request) -> web.StreamResponse:
        async def job(connection: Connection) -> MediaRow | None:
            _, real = await clock.now(connection)
            identity = links.read(request.match_info["token"], real)
            return None if identity is None else await media.open_(connection, identity)

        try:
            row = await database.read(job)
        except DatabaseAway:
            return web.Response(status=503, headers={"Retry-After": "2"})
        if row is None or row.body is None or row.kind == "reply":
            return web.Response(status=404, headers=HEADERS)
        return served(request, row)

    # A link is only read; HEAD comes with it.
    return [web.get("/media/{token}", serve)]


def served(request: web.Request, row: MediaRow, *, attachment: bool = False) -> web.Response:
    """The bytes, or the part of them that was asked for (RFC 9110 section 14). ``attachment``: never shown, only saved."""
    body, kind = row.body or b"", row.type or "application/octet-stream"
    disposition = "attachment" if attachment else "inline"
    headers = {
        **HEADERS,
        "Content-Type": kind,
        "Content-Disposition": f'{disposition}; filename="{row.id.hex[-12:]}{_ENDINGS.get(kind, ".bin")}"',
    }
    try:
        asked = request.http_range
        parts = range(len(body))[asked]
    except ValueError:
        parts = range(0)
    if request.headers.get("Range") is None or (len(parts) == len(body) and body):
        return web.Response(body=body, headers=headers)
    if not len(parts):
        return web.Response(status=416, headers={**HEADERS, "Content-Range": f"bytes */{len(body)}"})
    headers["Content-Range"] = f"bytes {parts.start}-{parts.stop - 1}/{len(body)}"
    return web.Response(status=206, body=body[parts.start : parts.stop], headers=headers)


_ENDINGS: Final = {
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/mp4": ".m4a",
    "audio/amr": ".amr",
    "video/mp4": ".mp4",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
}
