"""What the pace of a way is, as settings say it; who keeps it is ``throttling.pacing``, which is dearer to load."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Sends a second, and how many may go at once after a rest.

    ``account``: ways that name the same one share its pace. ``sender``, ``chat``, ``tenant``: sends a second of each of our
    numbers, to each person, and of each tenant by this way; one at a time.
    """

    per_second: float
    burst: int
    account: str | None = None
    sender: float | None = None
    chat: float | None = None
    tenant: float | None = None

    def lanes(self, way: str, *, tenant: str, chat: str, sender: str | None) -> list["Lane"]:
        """What else one send of a way is paced by. ``chat`` and ``sender`` are told by digests: no number stands in Redis."""
        named = (("tenant", tenant, self.tenant), ("sender", sender, self.sender), ("chat", chat, self.chat))
        return [
            Lane(f"{way}:{kind}:{blake2b(name.encode(), digest_size=12).hexdigest()}", round(MICROSECONDS / rate))
            for kind, name, rate in named
            if rate is not None and name is not None
        ]


@dataclass(frozen=True, slots=True)
class Lane:
    """One sender, person or tenant within a way, and the microseconds from one send to the next."""

    name: str
    interval: int
