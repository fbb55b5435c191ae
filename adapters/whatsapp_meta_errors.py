"""What Meta's error codes mean for us: one table, under Meta's address.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes. The same codes come in the
answer to a send and, for what Meta finds out later, in a status ``failed``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What follows from a code.

    ``later``: not taken, and may be taken after a rest of the whole way. ``pair``: so for this one person. ``ours``: our
    account cannot send now, whoever the person is; another way can. ``message``: this message will never be taken so.
    ``uncertain``: Meta does not say whether it was.
    """

    LATER = "later"
    PAIR = "pair"
    OURS = "ours"
    MESSAGE = "message"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """``rest_seconds``: how long to wait at the least before it is tried again."""

    meaning: Meaning
    rest_seconds: float = 0.0
    opted_out: bool = False


def _later(seconds: float) -> Code:
    return Code(meaning=Meaning.LATER, rest_seconds=seconds)


def _ours(seconds: float) -> Code:
    return Code(meaning=Meaning.OURS, rest_seconds=seconds)


_MESSAGE: Final = Code(meaning=Meaning.MESSAGE)
_UNCERTAIN: Final = Code(meaning=Meaning.UNCERTAIN)

MINUTE: Final = 60.0
HOUR: Final = 3_600.0

CODES: Final[Mapping[int, Code]] = {
    # Too much, too fast
    4: _later(MINUTE),  # calls of the app
    80007: _later(MINUTE),  # calls of the WhatsApp Business Account
    130429: _later(1.0),  # messages a second of the number
    131048: _later(HOUR),  # too many of our messages were blocked or reported: the number is held back
    131056: Code(meaning=Meaning.PAIR, rest_seconds=6.0),  # this number to this person: one message in six seconds
    131057: _later(MINUTE),  # the account is being moved to a higher throughput
    # Our account
    0: _ours(MINUTE),  # the token expired or was taken back
    3: _ours(MINUTE),  # the app may not call this
    10: _ours(MINUTE),  # permission was never given, or was taken back
    190: _ours(MINUTE),  # the token expired
    131005: _ours(MINUTE),  # access denied
    368: _ours(HOUR),  # blocked for a while for breaking a policy
    131031: _ours(HOUR),  # locked
    131037: _ours(HOUR),  # the number has no approved name
    131042: _ours(HOUR),  # nobody pays for it
    131045: _ours(HOUR),  # the number is not registered rightly
    133010: _ours(HOUR),  # the number is not registered
    # This person
    131026: _MESSAGE,  # no WhatsApp there that a business can write to; the same number may be good for a call and an SMS
    131050: Code(meaning=Meaning.MESSAGE, opted_out=True),  # she told WhatsApp to stop what we send
    131021: _MESSAGE,  # that is our own number
    131030: _MESSAGE,  # a test number may write to listed people only
    130472: _MESSAGE,  # she is part of an experiment of Meta's
    130497: _MESSAGE,  # this account may not write to her country
    131047: _MESSAGE,  # she last wrote more than 24 hours ago: a template is needed
    131049: _MESSAGE,  # one marketing template too many for her; not to be tried again before a day has passed
    # This message
    33: _MESSAGE,
    100: _MESSAGE,
    131008: _MESSAGE,
    131009: _MESSAGE,
    131051: _MESSAGE,  # no such type of message
    131052: _MESSAGE,  # her media, or ours, could not be fetched
    131053: _MESSAGE,  # our media could not be taken up
    132000: _MESSAGE,  # the template takes another number of values
    132001: _MESSAGE,  # no such template in this language, or not approved
    132005: _MESSAGE,  # the values make the template too long
    132007: _MESSAGE,  # the template breaks a policy
    132012: _MESSAGE,  # a value is of another kind
    132015: _MESSAGE,  # the template is paused for its quality
    132016: _MESSAGE,  # the template is off for good
    132018: _MESSAGE,  # a value holds a line break, a tab or too many spaces
    135000: _MESSAGE,  # something in the parameters, nobody says what
    # Nobody knows
    1: _UNCERTAIN,  # «invalid request or possible server error»
    2: _UNCERTAIN,  # down or overloaded
    131000: _UNCERTAIN,  # something went wrong
    131016: _UNCERTAIN,  # a service is not there for a while
    133004: _UNCERTAIN,  # the server is not there for a while
}

#: 200 to 299 are permissions.
_PERMISSIONS: Final = range(200, 300)


def code_of(number: int) -> Code:
    """What a code means; one that is not known refuses this message and says nothing about the person."""
    if number in _PERMISSIONS:
        return CODES[10]
    return CODES.get(number, _MESSAGE)
