"""How long a text may be where a provider takes one message and no more: never cut, never sent in pieces, so refused at the door.

Telegram: https://core.telegram.org/bots/api#sendmessage; WhatsApp: the text object of its Cloud API. Both say 4,096 characters;
Telegram counts UTF-16 code units, the narrower reading, and so does this file.
"""

from typing import Final

from vocabulary.channel import Channel

UNITS_MAX: Final = {Channel.TELEGRAM: 4_096, Channel.WHATSAPP: 4_096}


def too_long(channel: Channel, text: str) -> str | None:
    """What is wrong with the length of a text on a channel; None where it fits or nothing is known."""
    most = UNITS_MAX.get(channel)
    if most is None or len(text.encode("utf-16-le", "surrogatepass")) // 2 <= most:
        return None
    return f"is longer than the {most} characters that {channel.value} takes in one message"
