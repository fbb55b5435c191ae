"""The one port for time: whoever needs an instant of the law asks this and nothing else."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """An aware instant in UTC. In production it is the database's clock, read after the locks."""

    async def now(self) -> datetime:
        """The instant that laws, ``send_at``, ``expires_at`` and ``until`` are compared with."""
        ...
