"""Which of our numbers a person is written to from: one of her own country where there is one, and always the same."""

from collections.abc import Sequence
from hashlib import sha256

import phonenumbers


def sender_for(senders: Sequence[str], to: str) -> str:
    """The sender for an E.164 number. It stays hers while it stands in the list, whoever else is added or taken away.

    Rendezvous hashing: each person ranks the senders for herself, so a new one takes its share and moves nobody else.
    """
    country = _calling_code(to)
    at_home = [sender for sender in senders if country is not None and _calling_code(sender) == country]
    return max(at_home or senders, key=lambda sender: sha256(f"{to}\n{sender}".encode()).digest())


def _calling_code(number: str) -> int | None:
    try:
        return phonenumbers.parse(number).country_code
    except phonenumbers.NumberParseException:
        # A name or a short code belongs to no country that could be read from it.
        return None
