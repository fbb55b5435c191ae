"""What a message that is to be heard must be: a recording that is there, or words that a voice here can say in time."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from gateway.asks import MessageAsk
from gateway.media.recordings import PREFIX, UNAVAILABLE
from gateway.refusals import Flaw
from gateway.speech.booth import NOTE_SECONDS_MAX, available
from storage import media
from storage.database import Connection
from vocabulary.channel import Channel, Form
from vocabulary.ids import parsed

#: The slowest of our voices says so many characters a second; what is longer than this is refused before it is spoken.
CHARS_A_SECOND: Final = 14
SPEECH_CHARS_MAX: Final = int(NOTE_SECONDS_MAX * CHARS_A_SECOND)

TOO_LONG: Final = (
    f"is too long to be spoken: a voice note has at most {NOTE_SECONDS_MAX:.0f} seconds, "
    f"some {SPEECH_CHARS_MAX} characters"
)
UNSPEAKABLE: Final = "a link cannot be spoken"

Recordings = Mapping[tuple[str, UUID], float]


async def recordings(connection: Connection, asks: Iterable[tuple[str, MessageAsk]]) -> Recordings:
    """Which of the recordings that a batch names are there."""
    named = [(tenant, parsed(PREFIX, ask.content.audio.media)) for tenant, ask in asks if ask.content.audio is not None
             and ask.content.audio.media is not None]  # fmt: skip
    return await media.known(connection, [(tenant, identity) for tenant, identity in named if identity is not None])


def audio_flaws(tenant: str, ask: MessageAsk, channels: Iterable[Channel], there: Recordings) -> list[Flaw]:
    """What is wrong with a message's sound. A call speaks a text by the provider's own voice where there is none here."""
    content = ask.content
    flaws: list[Flaw] = []
    if content.audio is not None and content.audio.media is not None:
        identity = parsed(PREFIX, content.audio.media)
        if identity is None or (tenant, identity) not in there:
            flaws.append(Flaw("/content/audio/media", "there is no recording with this id"))
    if content.audio is not None and content.audio.speech is not None:
        flaws += _spoken("/content/audio/speech", content.audio.speech)
        if not available():
            flaws.append(Flaw("/content/audio/speech", UNAVAILABLE))
    if content.text is not None and (ask.form is Form.VOICE_NOTE or Channel.VOICE in set(channels)):
        flaws += _spoken("/content/text", content.text)
        if ask.form is Form.VOICE_NOTE and not available():
            flaws.append(Flaw("/content/text", UNAVAILABLE))
    return flaws


def _spoken(pointer: str, words: str) -> list[Flaw]:
    if not any(character.isalnum() for character in words):
        return [Flaw(pointer, "holds nothing that could be spoken")]
    if "{{link}}" in words:
        return [Flaw(pointer, UNSPEAKABLE)]
    return [Flaw(pointer, TOO_LONG)] if len(words) > SPEECH_CHARS_MAX else []
