"""Recordings that a tenant brings for voice notes: sniffed, made into notes at once, and kept by what they were made from."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from gateway.refusals import Flaw, NotThere, Refused
from gateway.speech.booth import NOTE_SECONDS_MAX, Booth, Unavailable, Unfit, available
from storage import media
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.media import MediaRow
from vocabulary.ids import new_uuid, parsed, shown

UPLOAD_BYTES_MAX: Final = 16 * 1024 * 1024
PREFIX: Final = "med"
#: Of one reply: more than any provider here lets a person send at once.
MEDIA_MAX: Final = 10

#: What a caller may say that it sends. What it does send is read off its first bytes.
TOLD: Final = {
    "audio/ogg": "audio/ogg",
    "application/ogg": "audio/ogg",
    "audio/opus": "audio/ogg",
    "audio/mpeg": "audio/mpeg",
    "audio/mp3": "audio/mpeg",
    "audio/wav": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
}

#: How an upload's body is counted in flaws: RFC 6901's pointer to the whole.
WHOLE: Final = ""

SAID: Final = {
    "not_audio": "is not audio that can be played: an OGG, MP3 or WAV file is needed",
    "cut_off": "is cut off: the file ends in the middle",
    "too_long": f"is too long: a voice note has at most {NOTE_SECONDS_MAX:.0f} seconds",
    "too_short": "is too short to be heard: a voice note has at least a fifth of a second",
    "silent": "holds nothing but silence",
}
UNAVAILABLE: Final = "voice notes cannot be made here: the extra `voice` is not installed"
FAILED: Final = "could not be made into a voice note"


@dataclass(frozen=True, slots=True)
class Taken:
    """A recording as it is answered. ``seconds`` are those of sound; ``new`` is False when the same was brought before."""

    id: UUID
    seconds: float
    new: bool


class MediaRoom:
    """Takes recordings in and hands media out, each to its own tenant."""

    def __init__(self, *, database: Database, clock: LegalClock, booth: Booth) -> None:
        self._database = database
        self._clock = clock
        self._booth = booth

    async def take(self, tenant: str, audio: bytes) -> Taken:
        """Make a note of a recording and keep it. Raises Refused, whose flaws name what is wrong with it."""
        kind = sniffed(audio)
        if kind not in ("audio/ogg", "audio/mpeg", "audio/wav"):
            raise Refused([Flaw(WHOLE, SAID["not_audio"])])
        if not available():
            raise Refused([Flaw(WHOLE, UNAVAILABLE)])
        digest = sha256(audio).digest()
        known = await self._database.read(lambda connection: media.same(connection, tenant, "uploaded", digest))
        if known is not None and known.seconds is not None:
            return Taken(known.id, known.seconds, new=False)
        try:
            made = await self._booth.read(audio, kind)
        except Unfit as unfit:
            raise Refused([Flaw(WHOLE, SAID.get(unfit.flaw, FAILED))]) from None
        except Unavailable:
            raise Refused([Flaw(WHOLE, FAILED)]) from None

        async def job(connection: Connection) -> Taken:
            _, real = await self._clock.now(connection)
            return Taken(
                *await media.add(connection, new_uuid(), tenant, "uploaded", digest, made.audio, made.seconds, real)
            )

        return await self._database.run(job)

    async def show(self, tenant: str, identity: str) -> MediaRow:
        """One of a tenant's that is here. Raises NotThere."""
        named = parsed(PREFIX, identity)
        if named is None:
            raise NotThere
        row = await self._database.read(lambda connection: media.get(connection, tenant, named))
        if row is None or row.body is None:
            raise NotThere
        return row


def name_of(identity: UUID) -> str:
    """How a piece of media is named outside."""
    return shown(PREFIX, identity)


def sniffed(body: bytes) -> str:
    """The media type that the first bytes say; ``application/octet-stream`` for everything that is not known here."""
    if body[:4] == b"RIFF" and body[8:12] == b"WAVE":
        return "audio/wav"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:8] == b"ftyp":
        return "audio/mp4" if body[8:11] == b"M4A" else "video/mp4"
    for mark, kind in _MARKS:
        if body.startswith(mark):
            return kind
    # A frame of MPEG audio: eleven bits set, a layer, and neither a rate nor a width that does not exist.
    if len(body) > 4 and body[0] == 0xFF and body[1] & 0xE0 == 0xE0 and body[1] & 0x06 and body[2] & 0xF0 != 0xF0:
        return "audio/mpeg" if body[1] & 0x06 != 0x00 else "application/octet-stream"
    return "application/octet-stream"


_MARKS: Final = (
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
