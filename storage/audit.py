"""Whom an audit of contact frequency is about, and what was kept from happening to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "audit"
#: Millions of lines to a slow disk, real seconds.
WHOLE_BOOK_SECONDS_MAX: Final = 600.0
#: The whole table is read, and nobody's key is looked up.
_SCANS: Final = "enable_seqscan = on"
#: Making a document is most of the work, and several processes share it. Columns are put into words by the one that hands them out:
#: what others read for it has to be carried there, at more than half the price of all the rest.
_SHARED: Final = ("parallel_setup_cost = 0", "parallel_tuple_cost = 0")
_ALONE: Final = ("max_parallel_workers_per_gather = 0",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How many messages to one person one rule deferred or blocked."""

    subject: UUID
    rule: str
    effect: str
    messages: int


async def contacts(
    connection: Connection,
    tenant: str,
    *,
    contact: str | None,
    jurisdiction: str | None,
    debt: str | None,
    after: str,
    limit: int,
) -> list[str]:
    """A page of people by their ids, after one: those whom the filters leave."""
    rows = await connection.fetch(queries(_SQL)["contacts"], tenant, after, contact, jurisdiction, debt, limit)
    return [row["id"] for row in rows]


async def kept(
    connection: Connection,
    tenant: str,
    out: BinaryIO,
    *,
    jurisdiction: str | None,
    margin_max: int | None,
    rule: str | None = None,
    columns: bool = False,
) -> int:
    """Write what is kept of the whole book in no order, one document a line or as CSV with its header; how many limits there were.

    In a transaction of its own: outside of one a setting is taken back before anything is read under it.
    """
    for setting in (_SCANS, *(_ALONE if columns else _SHARED)):
        await connection.execute(f"SET LOCAL {setting}")
    if await connection.fetchval(queries(_SQL)["scans"]) != "on":
        raise RuntimeError("the whole book is read in a transaction")
    # Documents are the lines as they are: no JSON holds either of these two.
    form = {"header": "true"} if columns else {"delimiter": "\x02", "quote": "\x01"}
    status = await connection.copy_from_query(
        queries(_SQL)["kept_columns" if columns else "kept"],
        tenant,
        jurisdiction,
        margin_max,
        rule,
        output=out,
        timeout=WHOLE_BOOK_SECONDS_MAX,
        format="csv",
        **form,
    )
    return int(status.rpartition(" ")[2])


async def debts_of(connection: Connection, tenant: str, ids: Sequence[str]) -> Mapping[str, list[str]]:
    """The debts of each person: those that name her, and those that contacts with her were about."""
    found: dict[str, list[str]] = {identity: [] for identity in ids}
    for row in await connection.fetch(queries(_SQL)["debts_of"], tenant, list(ids)):
        found[row["contact"]].append(row["debt"])
    return found


async def held(
    connection: Connection, tenant: str, subjects: Iterable[UUID], since: datetime, until: datetime
) -> list[Held]:
    """What rules held back in ``[since, until)``, by person and rule: each message once, as the trace tells it."""
    rows = await connection.fetch(queries(_SQL)["held"], tenant, list(subjects), since, until)
    return [Held(**row) for row in rows]
