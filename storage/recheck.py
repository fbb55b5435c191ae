"""Asks the trace by SQL whether every contact kept to the law: the tables it is laid out in live for one transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "recheck"
#: The whole trace of a tenant is read: a night's work, not a request's. Real seconds.
STATEMENT_SECONDS_MAX: Final = 3_600

_SETTINGS: Final = (
    "enable_seqscan = on",
    "enable_hashjoin = on",
    "enable_mergejoin = on",
    "jit = off",
    "plan_cache_mode = auto",
    "work_mem = '128MB'",
    # Taking headers apart is shared out; the tables that it fills are small in kinds, and a short look at them tells enough.
    "parallel_setup_cost = 0",
    "parallel_tuple_cost = 0",
    "default_statistics_target = 20",
)
_BEFORE_LAW: Final = (
    "until", "entries", "endings", "endings_by_attempt", "contacts", "contacts_by_person", "shapes", "said", "said_by_person", "allowed",
    "allowed_by_person",
)  # fmt: skip
_LAID_OUT: Final = ("recheck_ending", "recheck_contact", "recheck_shape", "recheck_said", "recheck_word")
_FUNCTIONS: Final = (
    "alike", "about", "counting_on", "counting", "speaks_of", "last_word", "lifted", "asked", "pressed", "same_by_what_was_said", "same",
)  # fmt: skip
#: What is looked for, and the kinds of clause of which one must speak to somebody before it is; none: whatever the law.
_CHECKS: Final[Mapping[str, frozenset[str]]] = {
    "hours": frozenset({"hours"}),
    "inconvenient": frozenset({"inconvenient", "place"}),
    "counts": frozenset({"count"}),
    "gaps": frozenset({"gap", "sticky"}),
    "words": frozenset({"consent", "withdrawn"}),
    "bars": frozenset({"barred"}),
    "statuses": frozenset({"status", "since_status"}),
    "conversations": frozenset({"since_conversation"}),
    "notices": frozenset({"notice", "since_notice"}),
    "inbound": frozenset({"inbound"}),
    "strangers": frozenset({"stranger"}),
    "registers": frozenset({"register"}),
    "twice": frozenset(),
    "orphans": frozenset(),
    "nowhere": frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One contact that broke one rule: where it stands in the trace, and what was seen. ``label`` is empty for our own promises."""

    index: int
    at: datetime
    message: UUID | None
    attempt: UUID | None
    label: str
    rule: str
    observed: str


async def policies(connection: Connection, tenant: str) -> list[tuple[datetime, str]]:
    """Every policy of a tenant as the trace tells it, with the instant from which it held."""
    rows = await connection.fetch(queries(_SQL)["policies"], tenant)
    return [(row["at"], row["body"]) for row in rows]


async def lay_out(connection: Connection, tenant: str, since: datetime) -> list[str]:
    """Read the trace of a tenant into tables of this transaction; names the texts of packs that bound its contacts since."""
    # Whole tables are read here, unlike anywhere else: a scan and a join by hashing are right, in more memory than a request has;
    # and compiling these statements takes longer than running them.
    for setting in _SETTINGS:
        await connection.execute(f"SET LOCAL {setting}")
    await connection.execute("SELECT set_config('recheck.since', $1, true)", since.isoformat())
    for name in _BEFORE_LAW:
        statement = queries(_SQL)[name]
        given = (tenant,) if "$1" in statement else ()
        await connection.execute(statement, *given, timeout=STATEMENT_SECONDS_MAX)
    for table in _LAID_OUT:
        await connection.execute(f"ANALYZE {table}")
    return [row["label"] for row in await connection.fetch(queries(_SQL)["labels"])]


async def ask(
    connection: Connection, clauses: Sequence[dict[str, Any]], holidays: Iterable[tuple[str, str, date]]
) -> tuple[int, list[Breach]]:
    """How many contacts were asked about, and every breach in the order of the trace. After ``lay_out``, once a transaction."""
    await connection.execute(queries(_SQL)["law"], json.dumps(clauses))
    days = list(holidays)
    columns = [[day[place] for day in days] for place in range(3)]  # of an empty book too
    await connection.execute(queries(_SQL)["holidays"], *columns)
    for name in ("holidays_by_day", "speaks"):
        await connection.execute(queries(_SQL)[name])
    for table in ("recheck_clause", "recheck_holiday", "recheck_speaks"):
        await connection.execute(f"ANALYZE {table}")
    spoken = await connection.fetch(queries(_SQL)["kinds"])
    if any(row["pooled"] for row in spoken):
        await connection.execute(queries(_SQL)["contacts_by_debt"], timeout=STATEMENT_SECONDS_MAX)
    await connection.execute(queries(_SQL)["close"], timeout=STATEMENT_SECONDS_MAX)
    await connection.execute("ANALYZE recheck_close")
    for name in _FUNCTIONS:
        await connection.execute(queries(_SQL)[name])
    kinds = {row["kind"] for row in spoken}
    found = [
        Breach(
            index=row["idx"],
            at=row["at"],
            message=None if row["message"] is None else UUID(row["message"]),
            attempt=None if row["attempt"] is None else UUID(row["attempt"]),
            label=row["label"],
            rule=row["rule"],
            observed=row["observed"],
        )
        for name, needs in _CHECKS.items()
        if not needs or not needs.isdisjoint(kinds)
        for row in await connection.fetch(queries(_SQL)[name], timeout=STATEMENT_SECONDS_MAX)
    ]
    count: int = await connection.fetchval(queries(_SQL)["contacts_count"])
    return count, sorted(found, key=lambda each: (each.index, each.rule))


async def remember(connection: Connection, tenant: str, since: datetime, contacts: int, breaches: int) -> None:
    """Keep what the last round found, for the metric and the console."""
    await connection.execute(queries(_SQL)["remember"], tenant, since, contacts, breaches)


async def remembered(connection: Connection) -> list[tuple[str, datetime, int, int]]:
    """(tenant, real instant, contacts, breaches) of the last round about each tenant."""
    rows = await connection.fetch(queries(_SQL)["remembered"])
    return [(row["tenant"], row["at"], row["contacts"], row["breaches"]) for row in rows]
