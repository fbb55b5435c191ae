"""What leaves: a reserved attempt becomes a parcel, with its note made and its link filled in, between the commit and the call.

No transaction is open here. Notes and links are made elsewhere and meet the two ports below without being imported.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from adapters.kit.signing import status_url
from gateway.asks import ContentAsk, StoredAsk, content_for, registered_for
from storage.messages import AttemptRow
from vocabulary.channel import Channel, Form
from vocabulary.outcome import Note, NotSent, Parcel, Registered, Rejected
from vocabulary.values import quickly_made

#: Where it stands, the person's own signed link is put; never unasked.
LINK: Final = "{{link}}"

#: Channels that have no other way to say a text.
_SPOKEN: Final = frozenset({Channel.VOICE})


class Notes(Protocol):
    """Makes voice notes. Safe to call concurrently."""

    async def note_for(
        self, attempt: AttemptRow, content: ContentAsk, locale: str | None, /
    ) -> Note | NotSent | Rejected | None:
        """The note of ``content.audio``, or of ``content.text`` spoken in ``locale``.

        ``NotSent``: not now, tried again later. ``Rejected`` or None: never (the file is gone, there is no voice).
        """
        ...


class Links(Protocol):
    """Makes signed links."""

    def filled(self, text: str, /, *, tenant: str, contact: str, message: UUID, attempt: UUID) -> str:
        """``text`` with ``{{link}}`` replaced. The same arguments give the same text, for what is lost is looked up by it."""
        ...


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one attempt carries, as it was accepted. ``locale`` is the person's."""

    content: ContentAsk = field(repr=False)
    form: Form = Form.TEXT
    registered: Registered | None = field(default=None, repr=False)
    locale: str | None = None


def load_of(ask: StoredAsk, channel: str, locale: str | None, way: str | None = None) -> Load:
    """What a message carries on a channel, by a way."""
    return Load(
        content=content_for(ask, channel),
        form=ask.form,
        registered=registered_for(ask, channel, way),
        locale=locale,
    )


class Packer:
    """Makes parcels. Without ``notes`` a recorded message is rejected and a text goes out as text, whoever speaks it."""

    def __init__(
        self, *, public_url: str, mark_secret: bytes, notes: Notes | None = None, links: Links | None = None
    ) -> None:
        self._public_url = public_url
        self._mark_secret = mark_secret
        self._notes = notes
        self._links = links

    async def parcel(self, attempt: AttemptRow, load: Load, seconds_max: float) -> Parcel | NotSent | Rejected:
        """The parcel of one reserved attempt, made within so many seconds; or why there is none, which nobody has seen."""
        content = load.content
        text = self.words(attempt, content)
        note: Note | None = None
        if _is_spoken(attempt, load):
            made = await self._note(attempt, load, text, seconds_max)
            if isinstance(made, NotSent | Rejected):
                return made
            note = made
        return Parcel(
            attempt=attempt.id,
            channel=Channel(attempt.channel),
            to=attempt.address,
            text=text,
            subject=self._filled(attempt, content.subject),
            html=self._filled(attempt, content.html),
            note=note,
            template=load.registered,
            validity_seconds=attempt.validity_seconds,
            status_url=status_url(self._public_url, attempt.provider, self._mark_secret, attempt.id),
            locale=load.locale,
        )

    def words(self, attempt: AttemptRow, content: ContentAsk) -> str:
        """The whole message in words as it left or leaves; empty for a recording."""
        text = content.text
        if text is None and content.audio is not None:
            text = content.audio.speech
        return self._filled(attempt, text) or ""

    def _filled(self, attempt: AttemptRow, text: str | None) -> str | None:
        if text is None or LINK not in text or self._links is None:
            return text
        return self._links.filled(
            text, tenant=attempt.tenant, contact=attempt.contact, message=attempt.message, attempt=attempt.id
        )

    async def _note(
        self, attempt: AttemptRow, load: Load, text: str, seconds_max: float
    ) -> Note | NotSent | Rejected | None:
        if self._notes is None:
            # A text that is to be heard may still be spoken by the provider; a recording cannot.
            return None if text else Rejected(code="note", reason="nothing here makes voice notes")
        try:
            async with asyncio.timeout(seconds_max):
                made = await self._notes.note_for(attempt, load.content, load.locale)
        except TimeoutError:
            return NotSent(reason="the voice note was not ready in time")
        if made is None and attempt.channel in _SPOKEN and text:
            # Nobody here has a voice: the provider speaks it.
            return None
        return made or Rejected(code="note", reason="the voice note cannot be made")


def _is_spoken(attempt: AttemptRow, load: Load) -> bool:
    return load.content.audio is not None or load.form is Form.VOICE_NOTE or attempt.channel in _SPOKEN
