"""The trace's rows: appended in the transaction that makes them true, the chain's head locked last."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries, shared
from tracelog.entry import Entry
from vocabulary.values import quickly_made, reading

_SQL = "chain"

#: Rows read at a time by whoever streams a chain.
PAGE: Final = 5_000


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An entry with the columns that it is found by."""

    kind: str
    at: datetime
    entry: Entry = field(repr=False)
    subject: UUID | None = None
    message: UUID | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """An entry as it stands on disk. ``nonce`` and ``ciphertext`` are None where there is no payload or it was erased."""

    idx: int
    kind: str
    at: datetime
    subject: UUID | None
    message: UUID | None
    header: bytes = field(repr=False)
    payload_digest: bytes | None = field(repr=False)
    leaf: bytes
    nonce: bytes | None = field(repr=False)
    ciphertext: bytes | None = field(repr=False)


_whole: Final = reading(TraceRow)
_header: Final = reading(TraceRow, beside=("nonce", "ciphertext"))


async def append(connection: Connection, entries: Mapping[str, Sequence[Written]]) -> None:
    """Append entries per tenant. The last thing a transaction does: the head's row is held until it commits."""
    for tenant in sorted(entries):
        written = entries[tenant]
        if not written:
            continue
        sealed = [w.entry.sealed for w in written]
        await connection.execute(
            queries(_SQL)["append"],
            tenant,
            len(written),
            [w.kind for w in written],
            shared([w.at for w in written]),
            [w.subject for w in written],
            [w.message for w in written],
            [w.entry.header for w in written],
            [w.entry.payload_digest for w in written],
            [w.entry.leaf for w in written],
            [s.nonce if s else None for s in sealed],
            [s.ciphertext if s else None for s in sealed],
        )


async def size(connection: Connection, tenant: str) -> int:
    """How many entries the tenant's chain has."""
    count: int | None = await connection.fetchval(queries(_SQL)["size"], tenant)
    return count or 0


async def rows(connection: Connection, tenant: str, start: int, end: int) -> AsyncIterator[TraceRow]:
    """Entries ``start`` up to but not ``end``, in index order, read page by page."""
    while start < end:
        page = await connection.fetch(queries(_SQL)["rows"], tenant, start, min(end, start + PAGE))
        if not page:
            return
        for row in page:
            yield _whole(row)
        start = page[-1]["idx"] + 1


async def written(connection: Connection, tenant: str, start: int, end: int) -> AsyncIterator[TraceRow]:
    """The same without the sealed words: what recomputing the tree needs."""
    while start < end:
        page = await connection.fetch(queries(_SQL)["written"], tenant, start, min(end, start + PAGE))
        if not page:
            return
        for row in page:
            yield _header(row, None, None)
        start = page[-1]["idx"] + 1


async def page(
    connection: Connection,
    tenant: str,
    *,
    subject: UUID | None,
    message: UUID | None,
    kind: str | None,
    after: int,
    limit: int,
) -> list[TraceRow]:
    """One page of entries after an index, filtered."""
    found = await connection.fetch(queries(_SQL)["page"], tenant, subject, message, kind, after, limit)
    return [_whole(row) for row in found]


async def chains(connection: Connection) -> list[tuple[str, int, int]]:
    """Per tenant: entries on the chain, entries sealed."""
    return [(r["tenant"], r["size"], r["sealed"]) for r in await connection.fetch(queries(_SQL)["chains"])]


async def lock_seal(connection: Connection, tenant: str) -> tuple[int, list[bytes]]:
    """The sealer's own state, held until the transaction ends: size and frontier."""
    row = await connection.fetchrow(queries(_SQL)["lock_seal"], tenant)
    return row["size"], list(row["frontier"])


async def put_seal(
    connection: Connection, tenant: str, count: int, frontier: Sequence[bytes], root: bytes, note: str, at: datetime
) -> None:
    """A new signed head."""
    await connection.execute(queries(_SQL)["put_seal"], tenant, count, list(frontier), root, note, at)


async def head(connection: Connection, tenant: str) -> str | None:
    """The last signed head, as a signed note."""
    note: str | None = await connection.fetchval(queries(_SQL)["head"], tenant)
    return note


async def last_heads(connection: Connection, tenant: str, limit: int) -> list[str]:
    """The last signed heads, as signed notes, the newest first."""
    return [row["note"] for row in await connection.fetch(queries(_SQL)["last_heads"], tenant, limit)]


async def heads(connection: Connection, tenants: Iterable[str]) -> dict[str, str]:
    """The last signed head of each tenant that has one."""
    wanted = list(tenants)
    if not wanted:
        return {}
    return {row["tenant"]: row["note"] for row in await connection.fetch(queries(_SQL)["heads"], wanted)}
