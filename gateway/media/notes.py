"""Voice notes for what leaves: found by what they were made from, spoken when they are not there, and linked for who fetches.

Meets ``gateway.parcels.Notes``. A note is looked for before it is spoken, here and in PostgreSQL, so that a second use of the
same words costs a query; ``ahead`` speaks what will be due soon, so that at the hour of opening nothing waits for a voice.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
import structlog

from gateway.asks import ContentAsk, StoredAsk, content_for
from gateway.media.links import MediaLinks
from gateway.media.recordings import FAILED, PREFIX, SAID
from gateway.speech.booth import Booth, Unavailable, Unfit, available, voice_for
from storage import media
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.media import MediaRow
from storage.messages import AttemptRow
from vocabulary.ids import new_uuid, parsed
from vocabulary.outcome import Note, NotSent, Rejected

#: Notes kept at hand in one process: a campaign's own, at some 30 KB each.
AT_HAND_MAX: Final = 64
AT_HAND_SECONDS_MAX: Final = 3600.0
#: How much is spoken ahead in one go, and how long before it is due (of the law's time).
AHEAD_MAX: Final = 40
AHEAD: Final = timedelta(minutes=10)
#: Real time. Spoken notes can be spoken again; what a person sent in is hers to have forgotten.
SPOKEN_KEPT: Final = timedelta(days=7)
REPLIES_KEPT: Final = timedelta(days=365)
#: Longer than any message can wait (a year), so that none finds its recording gone.
UPLOADS_KEPT: Final = timedelta(days=400)

#: Another release may speak otherwise: what it speaks is another note.
_MADE_BY: Final = "note v1"

log = structlog.get_logger()


class NoteRoom:
    """Makes notes. Safe for concurrent calls."""

    def __init__(self, *, database: Database, clock: LegalClock, booth: Booth, links: MediaLinks) -> None:
        self._database = database
        self._clock = clock
        self._booth = booth
        self._links = links
        # Each with this process's monotonic clock when the database last heard that it is used.
        self._at_hand: OrderedDict[tuple[str, bytes], tuple[MediaRow, float]] = OrderedDict()
        # Who heard each of them, as far as this process knows; None: several.
        self._heard_by: OrderedDict[UUID, str | None] = OrderedDict()
        self._being_made: dict[tuple[str, bytes], asyncio.Task[MediaRow]] = {}

    async def note_for(
        self, attempt: AttemptRow, content: ContentAsk, locale: str | None, /
    ) -> Note | NotSent | Rejected | None:
        """The note of an attempt; None when only words are there and nobody here can speak them."""
        if content.audio is not None and content.audio.media is not None:
            row = await self._recording(attempt.tenant, content.audio.media)
            if row is None:
                return Rejected(code="note", reason="the recording is not there any more")
        else:
            words = content.text if content.audio is None else content.audio.speech
            if not words or not available():
                return None
            try:
                row = await self.spoken(attempt.tenant, attempt.contact, words, voice_for(locale))
            except Unfit as unfit:
                return Rejected(code="note", reason=f"the text as sound {SAID.get(unfit.flaw, FAILED)}")
            except Unavailable:
                return NotSent(reason="no voice is free")
        assert row.body is not None
        return Note(url=await self._url(row.id), audio=row.body, seconds=row.seconds or 0.0)

    async def spoken(self, tenant: str, contact: str, words: str, voice: str) -> MediaRow:
        """The words as a note, spoken once, whoever hears them. Raises Unfit or Unavailable."""
        row = await self._found(tenant, contact, words, voice)
        if self._heard_by.setdefault(row.id, contact) not in (None, contact):
            # No longer one person's: it does not go when she is erased. It may be that she has been, and it is gone already.
            if not await self._database.run(lambda connection: media.shared(connection, row.id, contact)):
                self._at_hand.pop((tenant, _digest(words, voice)), None)
                del self._heard_by[row.id]
                return await self._found(tenant, contact, words, voice)
            self._heard_by[row.id] = None
        self._heard_by.move_to_end(row.id)
        while len(self._heard_by) > AT_HAND_MAX:
            self._heard_by.popitem(last=False)
        return row

    async def _found(self, tenant: str, contact: str, words: str, voice: str) -> MediaRow:
        digest = _digest(words, voice)
        known = self._at_hand.get((tenant, digest))
        if known is not None and monotonic() - known[1] < AT_HAND_SECONDS_MAX:
            self._at_hand.move_to_end((tenant, digest))
            return known[0]
        making = self._being_made.get((tenant, digest))
        if making is None:
            making = asyncio.create_task(self._made(tenant, contact, words, voice, digest))
            self._being_made[tenant, digest] = making
            making.add_done_callback(lambda task: self._done(tenant, digest, task))
        # Who waits may have to give up before its turn comes; the note is made all the same, for its next try.
        return await asyncio.shield(making)

    async def lying(
        self, connection: Connection, tenant: str, content: ContentAsk, locale: str | None, real: datetime
    ) -> str | None:
        """Where a note that was made already can be heard, for a page that shows its message. Makes and changes nothing."""
        row: MediaRow | None = None
        if content.audio is not None and content.audio.media is not None:
            identity = parsed(PREFIX, content.audio.media)
            found = None if identity is None else await media.get(connection, tenant, identity)
            row = found if found is not None and found.kind == "uploaded" else None
        else:
            words = content.text if content.audio is None else content.audio.speech
            if words:
                row = await media.same(connection, tenant, "spoken", _digest(words, voice_for(locale)))
        return None if row is None else self._links.url(row.id, real)

    async def ahead(self) -> int:
        """Speak what will be due soon and is not there yet; how many were looked at."""
        if not available():
            return 0

        async def due(connection: Connection) -> list[tuple[str, str, StoredAsk, str | None]]:
            legal, _ = await self._clock.now(connection)
            rows = await media.soon_spoken(connection, legal, legal + AHEAD, AHEAD_MAX)
            return [
                (tenant, who, msgspec.json.decode(ask, type=StoredAsk), locale) for tenant, who, ask, locale in rows
            ]

        found = await self._database.read(due)
        for tenant, contact, ask, locale in found:
            for words in dict.fromkeys(_words(ask)):
                try:
                    await self.spoken(tenant, contact, words, voice_for(locale))
                except (Unfit, Unavailable) as error:
                    # Its own turn will say so, where it is answered for.
                    log.info("note.not_ahead", error=type(error).__name__)
        return len(found)

    async def forget(self) -> None:
        """Drop spoken notes and recordings that nobody uses, and what came in with replies long ago."""

        async def job(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await media.forget(connection, real - SPOKEN_KEPT, real - REPLIES_KEPT, real - UPLOADS_KEPT)

        await self._database.run(job)

    async def _recording(self, tenant: str, named: str) -> MediaRow | None:
        identity = parsed(PREFIX, named)
        if identity is None:
            return None
        row = await self._database.read(lambda connection: media.get(connection, tenant, identity))
        if row is None or row.kind != "uploaded" or row.body is None:
            return None
        await self._database.run(lambda connection: self._used(connection, identity))
        return row

    async def _made(self, tenant: str, contact: str, words: str, voice: str, digest: bytes) -> MediaRow:
        row = await self._database.read(lambda connection: media.same(connection, tenant, "spoken", digest))
        if row is None:
            return await self._speak(tenant, contact, words, voice, digest)
        identity = row.id

        async def told(connection: Connection) -> None:
            await self._used(connection, identity)
            await media.shared(connection, identity, contact)

        await self._database.run(told)
        return row

    def _done(self, tenant: str, digest: bytes, making: "asyncio.Task[MediaRow]") -> None:
        del self._being_made[tenant, digest]
        # Asked for here, so that a failure that nobody waited for is not reported as forgotten.
        if making.cancelled() or making.exception() is not None:
            return
        self._at_hand[tenant, digest] = making.result(), monotonic()
        self._at_hand.move_to_end((tenant, digest))
        while len(self._at_hand) > AT_HAND_MAX:
            self._at_hand.popitem(last=False)

    async def _speak(self, tenant: str, contact: str, words: str, voice: str, digest: bytes) -> MediaRow:
        made = await self._booth.speak(words, voice)

        async def job(connection: Connection) -> tuple[UUID, float]:
            _, real = await self._clock.now(connection)
            identity, seconds, _ = await media.add(
                connection, new_uuid(), tenant, "spoken", digest, made.audio, made.seconds, real, contact
            )
            return identity, seconds

        identity, seconds = await self._database.run(job)
        return MediaRow(
            id=identity,
            tenant=tenant,
            kind="spoken",
            state="kept",
            type="audio/ogg",
            seconds=seconds,
            body=made.audio,
        )

    async def _used(self, connection: Connection, identity: UUID) -> None:
        _, real = await self._clock.now(connection)
        await media.used(connection, identity, real)

    async def _url(self, identity: UUID) -> str:
        async def now(connection: Connection) -> datetime:
            return (await self._clock.now(connection))[1]

        return self._links.url(identity, await self._database.read(now))


def _digest(words: str, voice: str) -> bytes:
    """What a spoken note is found by."""
    return sha256(f"{_MADE_BY}\n{voice}\n{words}".encode()).digest()


def _words(ask: StoredAsk) -> list[str]:
    """What of a message would be spoken, on any of its channels; what is filled in per attempt cannot be spoken ahead."""
    found: list[str | None] = []
    for channel in ask.channels:
        content = content_for(ask, channel)
        if content.audio is not None:
            found.append(content.audio.speech)
        elif channel == "voice" or ask.form == "voice_note":
            found.append(content.text)
    return [words for words in found if words and "{{" not in words]
