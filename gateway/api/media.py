"""Recordings for voice notes are brought here, and what came in with replies is taken away: bytes, never shown by us."""

import asyncio
from typing import Final

from aiohttp import web
from msgspec import Struct

from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Route, answer
from gateway.media.links import served
from gateway.media.recordings import TOLD, UPLOAD_BYTES_MAX, name_of
from gateway.tenants.keys import Scope

BODY_SECONDS_MAX: Final = 60.0


class MediaTaken(Struct, frozen=True):
    """A recording as it was taken: what `audio.media` of a message names, and its length in seconds."""

    id: str
    type: str
    seconds: float


async def take(call: Call) -> web.StreamResponse:
    """Make a voice note of a recording."""
    taken = await call.desk.media.take(call.tenant, await _body(call.request))
    told = {"id": name_of(taken.id), "type": "audio/ogg", "seconds": round(taken.seconds, 3)}
    return answer(told, 201 if taken.new else 200)


async def hand_out(call: Call) -> web.StreamResponse:
    """The bytes, or the part of them that was asked for, to be saved."""
    row = await call.desk.media.show(call.tenant, call.path("id"))
    response = served(call.request, row, attachment=True)
    if response.status == 416:
        raise Problem(
            Slug.RANGE,
            f"It has {len(row.body or b'')} bytes.",
            headers={"Content-Range": response.headers["Content-Range"]},
        )
    return response


async def _body(request: web.Request) -> bytes:
    """The whole upload, never more of it than is taken. Raises Problem."""
    if request.headers.get("Content-Encoding"):
        raise Problem(Slug.CONTENT_ENCODING, "Send the file as it is, without Content-Encoding.")
    if request.content_type not in TOLD:
        raise Problem(Slug.MEDIA_TYPE, "Send audio/ogg, audio/mpeg or audio/wav.")
    if (request.content_length or 0) > UPLOAD_BYTES_MAX:
        raise Problem(Slug.BODY_TOO_LARGE, f"A recording is at most {UPLOAD_BYTES_MAX} bytes.")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for part in request.content.iter_any():
                size += len(part)
                if size > UPLOAD_BYTES_MAX:
                    raise Problem(Slug.BODY_TOO_LARGE, f"A recording is at most {UPLOAD_BYTES_MAX} bytes.")
                parts.append(part)
    except TimeoutError:
        raise Problem(Slug.BODY_TOO_SLOW, f"A recording arrives within {BODY_SECONDS_MAX:.0f} seconds.") from None
    return b"".join(parts)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/media",
        handler=take,
        name="takeMedia",
        tag="Media",
        summary="Bring a recording for voice notes",
        description="OGG (Opus, Vorbis), MP3 or WAV of at most 16 MB, told by what it is and not by what it is called. It is made "
        "into a voice note at once: mono, evened in loudness, of at most three minutes. The same recording has the same id.",
        scope=Scope.SEND,
        bytes_of=("audio/ogg", "audio/mpeg", "audio/wav"),
        answers={201: MediaTaken, 200: MediaTaken},
    ),
    Route(
        method="GET",
        path="/v1/media/{id}",
        handler=hand_out,
        name="showMedia",
        tag="Media",
        summary="Take a recording, or what came in with a reply",
        description="As an attachment, under the type that its first bytes say: what people send in is never shown by this origin. "
        "Ranges are served.",
        scope=Scope.READ,
        answers={200: bytes, 206: bytes},
        media_type="*/*",
        problems=(Slug.NOT_FOUND, Slug.RANGE),
    ),
)
