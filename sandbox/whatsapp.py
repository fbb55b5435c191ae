"""What every WhatsApp business number keeps to, whoever carries it: the day in which free words may answer a person."""

from datetime import datetime, timedelta
from typing import Final

from sandbox.truth import Line, Truth

CHANNEL: Final = "whatsapp"

#: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages: the service window.
WINDOW: Final = timedelta(hours=24)

#: At most so many quick replies stand below a message.
BUTTONS_MAX: Final = 10


def window_open(truth: Truth, provider: str, person: str, now: datetime) -> bool:
    """Whether she wrote to this number within the last day; ``now`` is the gateway's clock, which may have been set back."""
    written = [
        datetime.fromisoformat(line["at"])
        for line in truth.with_person(person)
        if line["type"] == "reply" and line["channel"] == CHANNEL and line["provider"] == provider
    ]
    return any(now - at < WINDOW for at in written)


def pressed(truth: Truth, provider: str, person: str, text: str) -> Line | None:
    """The newest message to her that has a button with these words, if it is the newest of all: then she pressed it."""
    newest: Line | None = None
    for line in truth.with_person(person):
        if line["type"] == "arrived" and line["channel"] == CHANNEL and line["provider"] == provider:
            newest = line
    return newest if newest is not None and text in newest.get("buttons", ()) else None
