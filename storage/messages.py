"""Messages, their idempotency keys and their attempts, as rows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Self
from uuid import UUID

from storage.database import Connection
from storage.people import Key
from storage.queries import queries, shared
from vocabulary.values import quickly_made, reading

_SQL = "messages"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message as it is kept; ``ask``, ``decision`` and ``decisions`` are JSON texts."""

    id: UUID
    tenant: str
    contact: str
    status: str
    channels: tuple[str, ...]
    channel: str
    ask: str = field(repr=False)
    decision: str
    decisions: str
    due_at: datetime
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    resolution: str | None = None
    first: str | None = field(default=None, repr=False)
    hop: bool = False

    @property
    def waits(self) -> bool:
        """Whether it will be decided again: not sent yet, or undelivered with a channel left."""
        return self.hop or self.status in ("queued", "deferred")

    def as_accepted(self) -> Self:
        """The message as it was answered first: what a repeated request is told again."""
        first = json.loads(self.first) if self.first is not None else None
        decision = first["decision"] if first else json.loads(self.decision)
        return replace(
            self,
            status={"allow": "queued", "defer": "deferred", "deny": "blocked"}[decision["outcome"]],
            channel=first["channel"] if first else self.channel,
            decision=json.dumps(decision),
            decisions=json.dumps(first["decisions"]) if first else self.decisions,
            updated_at=self.created_at,
            resolution=None,
            hop=False,
        )


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One reserved attempt. Instants are the law's but for ``deadline``, ``begun_at`` and ``lookup_at``, which are real."""

    id: UUID
    tenant: str
    message: UUID
    contact: str
    n: int
    provider: str
    channel: str
    address: str = field(repr=False)
    state: str
    validity_seconds: int
    reserved_at: datetime
    latest: datetime
    deadline: datetime
    begun_at: datetime
    provider_id: str | None = None
    provider_status: str | None = None
    reason: str | None = None
    segments: int | None = None
    lookups: int = 0
    excused: bool = False
    settled_at: datetime | None = None
    #: What it was expected to cost, what it cost after all where that was told, and the budgets it counts under.
    expected: Decimal | None = None
    expected_segments: int | None = None
    currency: str | None = None
    actual: Decimal | None = None
    booked: tuple[str, ...] = ()


async def take_keys(connection: Connection, keys: Sequence[tuple[str, str, bytes, UUID]], real: datetime) -> set[Key]:
    """Claim idempotency keys ``(tenant, key, digest, message)``; the ones returned are new and ours.

    A key that another open transaction holds makes this wait for that one's end, hence the order.
    """
    rows = sorted(keys)
    taken = await connection.fetch(
        queries(_SQL)["take_keys"],
        [r[0] for r in rows],
        [r[1] for r in rows],
        [r[2] for r in rows],
        [r[3] for r in rows],
        real,
    )
    return {(row["tenant"], row["key"]) for row in taken}


async def drop_keys(connection: Connection, keys: Iterable[Key]) -> None:
    """Let go of keys claimed in this same transaction, whose messages were refused."""
    named = list(keys)
    if named:
        await connection.execute(queries(_SQL)["drop_keys"], [k[0] for k in named], [k[1] for k in named])


async def keys(connection: Connection, named: Iterable[Key]) -> dict[Key, tuple[bytes, UUID]]:
    """What stands behind idempotency keys: the digest of the body and the message."""
    wanted = sorted(set(named))
    if not wanted:
        return {}
    rows = await connection.fetch(queries(_SQL)["keys"], [k[0] for k in wanted], [k[1] for k in wanted])
    return {(row["tenant"], row["key"]): (row["digest"], row["message"]) for row in rows}


async def add(connection: Connection, rows: Sequence[MessageRow]) -> None:
    """Insert accepted messages and ring the bell for whoever dispatches."""
    if not rows:
        return
    await connection.execute(
        queries(_SQL)["add"],
        [r.id for r in rows],
        shared([r.tenant for r in rows]),
        [r.contact for r in rows],
        shared([r.status for r in rows]),
        shared([",".join(r.channels) for r in rows]),
        shared([r.channel for r in rows]),
        [r.ask for r in rows],
        shared([r.decision for r in rows]),
        shared([r.decisions for r in rows]),
        shared([r.due_at for r in rows]),
        shared([r.expires_at for r in rows]),
        shared([r.created_at for r in rows]),
    )


async def ring(connection: Connection) -> None:
    """Tell dispatchers that something became due; heard when this transaction commits."""
    await connection.execute(queries(_SQL)["ring"])


async def tenants_due(connection: Connection, now: datetime) -> list[str]:
    """The tenants of which something is due."""
    return [row["tenant"] for row in await connection.fetch(queries(_SQL)["tenants_due"], now)]


async def claim_due(
    connection: Connection,
    now: datetime,
    limit: int,
    shares: Mapping[str, int],
    resting: Iterable[str] = (),
    held: Iterable[UUID] = (),
) -> list[MessageRow]:
    """Lock up to ``limit`` waiting messages that are due or past their end, skipping what somebody else holds.

    ``shares``: how many of each tenant at the most, in the order of their turns. ``resting``: channels whose ways have to
    rest; what waits for them is left where it is. ``held``: what this transaction has claimed already.
    """
    rows = await connection.fetch(
        queries(_SQL)["claim_due"], now, limit, list(resting), list(shares), list(shares.values()), list(held)
    )
    return [_message(row) for row in rows]


async def next_due(connection: Connection, resting: Iterable[str] = ()) -> datetime | None:
    """When the next waiting message is due (or ends), by the law's clock, resting channels aside."""
    at: datetime | None = await connection.fetchval(queries(_SQL)["next_due"], list(resting))
    return at


async def decide(
    connection: Connection,
    rows: Sequence[tuple[UUID, str, str, str, str, datetime]],
    now: datetime,
) -> None:
    """Store fresh decisions ``(id, status, channel, decision, decisions, due_at)`` of messages locked here."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(queries(_SQL)["decide"], *columns, now)


async def move(
    connection: Connection, rows: Sequence[tuple[UUID, str, str | None, datetime | None]], now: datetime
) -> None:
    """Set ``(id, status, resolution, due_at)`` of messages locked here; a due_at of None is left as it stands."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(queries(_SQL)["move"], *columns, now)


async def hop(connection: Connection, rows: Sequence[tuple[UUID, bool, datetime | None]]) -> None:
    """Set of undelivered messages locked here ``(id, whether the next channel is waited for, due_at)``; only they can wait so."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(queries(_SQL)["hop"], *columns)


async def excuse(connection: Connection, attempts_: Sequence[UUID]) -> None:
    """Do not count these attempts against their messages."""
    if attempts_:
        await connection.execute(queries(_SQL)["excuse"], list(attempts_))


async def lock(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, MessageRow]:
    """Hold messages, in id order, until the transaction ends."""
    rows = await connection.fetch(queries(_SQL)["lock"], sorted(set(ids)))
    return {row["id"]: _message(row) for row in rows}


async def get(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, MessageRow]:
    """Messages by id."""
    rows = await connection.fetch(queries(_SQL)["get"], list(ids))
    return {row["id"]: _message(row) for row in rows}


async def listed(
    connection: Connection,
    tenant: str,
    *,
    contact: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    before: UUID | None,
    limit: int,
) -> list[MessageRow]:
    """A tenant's messages, newest first."""
    rows = await connection.fetch(queries(_SQL)["listed"], tenant, contact, status, since, until, before, limit)
    return [_message(row) for row in rows]


async def add_attempts(connection: Connection, rows: Sequence[AttemptRow]) -> None:
    """Insert reserved attempts."""
    if not rows:
        return
    await connection.execute(
        queries(_SQL)["add_attempts"],
        [r.id for r in rows],
        [r.tenant for r in rows],
        [r.message for r in rows],
        [r.contact for r in rows],
        [r.n for r in rows],
        [r.provider for r in rows],
        [r.channel for r in rows],
        [r.address for r in rows],
        [r.validity_seconds for r in rows],
        [r.reserved_at for r in rows],
        [r.latest for r in rows],
        [r.deadline for r in rows],
        [r.begun_at for r in rows],
        [r.expected for r in rows],
        [r.expected_segments for r in rows],
        [r.currency for r in rows],
        [",".join(r.booked) for r in rows],
    )


async def attempts(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, AttemptRow]:
    """Attempts by id."""
    rows = await connection.fetch(queries(_SQL)["attempts"], list(ids))
    return {row["id"]: _attempt(row) for row in rows}


async def messages_of(connection: Connection, attempts_: Iterable[UUID]) -> dict[UUID, UUID]:
    """The message of each attempt; that never changes, so it may be read before anything is locked."""
    rows = await connection.fetch(queries(_SQL)["messages_of"], list(attempts_))
    return {row["id"]: row["message"] for row in rows}


async def attempts_of(connection: Connection, messages: Iterable[UUID]) -> dict[UUID, list[AttemptRow]]:
    """The attempts of messages, first one first."""
    found: dict[UUID, list[AttemptRow]] = {}
    for row in await connection.fetch(queries(_SQL)["attempts_of"], list(messages)):
        found.setdefault(row["message"], []).append(_attempt(row))
    return found


async def attempts_by_provider_id(connection: Connection, provider: str, ids: Iterable[str]) -> dict[str, UUID]:
    """Which attempts a provider's ids belong to, as far as known."""
    rows = await connection.fetch(queries(_SQL)["attempts_by_provider_id"], provider, list(ids))
    return {row["provider_id"]: row["id"] for row in rows}


async def settle_attempts(
    connection: Connection,
    rows: Sequence[tuple[UUID, str, str | None, str | None, str | None, int | None, datetime | None]],
    now: datetime,
) -> None:
    """Set ``(id, state, provider_id, provider_status, reason, segments, lookup_at)``; None leaves what stands, but for lookup_at."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(queries(_SQL)["settle_attempts"], *columns, now)


async def overdue_attempts(connection: Connection, real: datetime, limit: int) -> list[UUID]:
    """Attempts whose deadline has passed and whose ending nobody told."""
    rows = await connection.fetch(queries(_SQL)["overdue_attempts"], real, limit)
    return [row["id"] for row in rows]


async def lookups_due(connection: Connection, real: datetime, limit: int) -> list[tuple[AttemptRow, str]]:
    """Unknown attempts to look up now, with the ask of their messages; leased by moving ``lookup_at``."""
    rows = await connection.fetch(queries(_SQL)["lookups_due"], real, limit)
    return [(_attempt(row), row["ask"]) for row in rows]


async def absent_since(connection: Connection, attempt: UUID, real: datetime | None) -> datetime | None:
    """Since when the provider's list does not show an attempt; ``real`` notes that it did not just now."""
    at: datetime | None = await connection.fetchval(queries(_SQL)["absent_since"], attempt, real)
    return at


async def look_up_at(connection: Connection, attempt: UUID, at: datetime | None) -> None:
    """When to ask the provider about an attempt next; None: not again."""
    await connection.execute(queries(_SQL)["look_up_at"], attempt, at)


async def forget_keys(connection: Connection, before: datetime) -> None:
    """Drop idempotency keys older than an instant of real time."""
    await connection.execute(queries(_SQL)["forget_keys"], before)


async def taken_provider_ids(connection: Connection, provider: str, tenant: str, since: datetime) -> frozenset[str]:
    """Provider ids that belong to attempts already, so that a look-up cannot claim another's."""
    rows = await connection.fetch(queries(_SQL)["taken_provider_ids"], provider, tenant, since)
    return frozenset(row["provider_id"] for row in rows)


async def open_contacts(connection: Connection, keys_: Iterable[Key]) -> set[Key]:
    """Which of these people have an attempt in the air."""
    wanted = sorted(set(keys_))
    rows = await connection.fetch(queries(_SQL)["open_contacts"], [k[0] for k in wanted], [k[1] for k in wanted])
    return {(row["tenant"], row["contact"]) for row in rows}


async def waiting_of(connection: Connection, keys_: Iterable[Key]) -> list[UUID]:
    """The messages that wait for these people."""
    wanted = sorted(set(keys_))
    if not wanted:
        return []
    rows = await connection.fetch(queries(_SQL)["waiting_of"], [k[0] for k in wanted], [k[1] for k in wanted])
    return [row["id"] for row in rows]


async def last_spoken_to(connection: Connection, keys_: Iterable[Key], channel: str, address: str) -> dict[Key, str]:
    """Of these people: the ask of the last message that went to an address, the one spoken to last first."""
    wanted = list(keys_)
    rows = await connection.fetch(
        queries(_SQL)["last_spoken_to"], [k[0] for k in wanted], [k[1] for k in wanted], channel, address
    )
    return {(row["tenant"], row["contact"]): row["ask"] for row in rows}


_message: Final = reading(MessageRow, made={"channels": tuple})
_attempt: Final = reading(AttemptRow, made={"booked": tuple})
