"""What contacts were worth, added up by country, channel and hours: learned again and again from what happened, never from a guess."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from storage.database import Connection
from storage.queries import queries
from vocabulary.ids import first_uuid

_SQL: Final = "auto"
#: Adding up three days of a large house reads millions of rows: a background job's time, real seconds.
LEARN_SECONDS_MAX: Final = 540


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a contact is worth by how it ended, and how long after it an answer is one."""

    delivered: float
    read: float
    answered: float
    promised: float
    answer_within: timedelta
    bucket_hours: int


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One cell. ``bucket``: which part of the day, -1 where no clock is known."""

    tenant: str
    country: str
    channel: str
    bucket: int
    weekend: bool
    tries: float
    gain: float


async def learn(connection: Connection, since: datetime, worth: Worth) -> None:
    """Add up what was reserved since a real instant; in a transaction of its own."""
    # Whole days are read here: a scan and a join by hashing are right.
    for setting in ("hashjoin", "mergejoin"):
        await connection.execute(f"SET LOCAL enable_{setting} = on")
    await connection.execute("SET LOCAL plan_cache_mode = auto")
    await connection.execute(
        queries(_SQL)["learn"],
        first_uuid(since),
        worth.delivered,
        worth.read,
        worth.answered,
        worth.promised,
        worth.answer_within,
        worth.bucket_hours,
        timeout=LEARN_SECONDS_MAX,
    )


async def evidence(connection: Connection, tenants: Iterable[str], since: date) -> list[EvidenceRow]:
    """Everything that stands since a day of the law's clock."""
    rows = await connection.fetch(queries(_SQL)["evidence"], list(tenants), since)
    return [EvidenceRow(*row) for row in rows]


async def forget(connection: Connection, before: date) -> None:
    """Let go of days before this one."""
    await connection.execute(queries(_SQL)["forget"], before)
