"""Which of our numbers a person is written to from: one of her own country where there is one, and always the same."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

#: The longest calling code has so many digits, and none begins with another.
_CODE_DIGITS_MAX: Final = 3


def sender_for(senders: Sequence[str], to: str) -> str:
    """The sender for an E.164 number. It stays hers while it stands in the list, whoever else is added or taken away.

    Rendezvous hashing: each person ranks the senders for herself, so a new one takes its share and moves nobody else.
    """
    if len(senders) == 1:
        return senders[0]
    country = _calling_code(to)
    at_home = [sender for sender in senders if country is not None and _calling_code(sender) == country]
    return max(at_home or senders, key=lambda sender: sha256(f"{to}\n{sender}".encode()).digest())


def _calling_code(number: str) -> int | None:
    """The country of an E.164 number; a name or a short code belongs to no country that could be read from it."""
    if not number.startswith("+"):
        return None
    digits = number[1 : 1 + _CODE_DIGITS_MAX]
    for length in range(1, len(digits) + 1):
        if digits[:length].isdecimal() and int(digits[:length]) in COUNTRY_CODE_TO_REGION_CODE:
            return int(digits[:length])
    return None
