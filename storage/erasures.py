"""Taking a person's data away, as rows: what is wiped, the keyed digests that stay, and what keeps her from being erased."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jurisdictions.built_in import ERASED
from storage.database import Connection
from storage.people import ContactRow, Key
from storage.queries import queries
from vocabulary.event import Event, Listed

_SQL = "erasures"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """Why a person's data must stay, and until when (None: until somebody says otherwise)."""

    reason: str = field(repr=False)
    until: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRow:
    """One request. The receipt names nobody."""

    id: UUID
    subject: UUID
    why: str
    state: str
    asked_at: datetime
    done_at: datetime | None
    receipt: dict[str, Any]


async def messages_of(connection: Connection, tenant: str, contact: str) -> list[UUID]:
    """Every message of a person, to be locked before she is."""
    return [row["id"] for row in await connection.fetch(queries(_SQL)["messages_of"], tenant, contact)]


async def marks_of(connection: Connection, tenant: str, contact: str) -> list[tuple[UUID, str, str | None]]:
    """Her attempts: ours, the provider, and what the provider calls them."""
    rows = await connection.fetch(queries(_SQL)["marks_of"], tenant, contact)
    return [(row["id"], row["provider"], row["provider_id"]) for row in rows]


async def suppress(
    connection: Connection, contact: ContactRow, at: datetime, elsewhere: Sequence[tuple[str, str]] = ()
) -> int:
    """Keep the digests of her addresses, so that nobody writes there again; others who use one already are spared.

    ``elsewhere``: further (tenant, endpoint) pairs. How many digests were kept.
    """
    endpoints = sorted({address.endpoint for address in contact.addresses})
    rows = await connection.fetch(queries(_SQL)["spared"], contact.tenant, contact.id, endpoints)
    spared = {row["endpoint"]: ",".join(str(subject) for subject in row["subjects"]) for row in rows}
    pairs = [(contact.tenant, endpoint) for endpoint in endpoints]
    pairs += [pair for pair in elsewhere if pair not in pairs]
    await connection.execute(
        queries(_SQL)["suppress"],
        [tenant for tenant, _ in pairs],
        [endpoint for _, endpoint in pairs],
        [spared.get(endpoint, "") if tenant == contact.tenant else "" for tenant, endpoint in pairs],
        at,
    )
    return len(pairs)


async def suppressed(connection: Connection, shared: Sequence[tuple[Key, str]]) -> dict[Key, list[Event]]:
    """Of people by their endpoints: those that were somebody's who had herself erased."""
    found: dict[Key, list[Event]] = {}
    if not shared:
        return found
    rows = await connection.fetch(
        queries(_SQL)["suppressed"], [k[0] for k, _ in shared], [k[1] for k, _ in shared], [e for _, e in shared]
    )
    for row in rows:
        key = row["tenant"], row["contact"]
        entry = Listed(at=row["at"], register=ERASED, address=row["endpoint"], person=key[1])
        found.setdefault(key, []).append(entry)
    return found


async def begin(
    connection: Connection,
    identity: UUID,
    contact: ContactRow,
    *,
    why: str,
    at: datetime,
    receipt: Mapping[str, Any],
    done: bool,
) -> None:
    """Note a request, done at once or waiting for what is in the air."""
    await connection.execute(
        queries(_SQL)["begin"],
        identity,
        contact.tenant,
        contact.subject,
        None if done else contact.id,
        why,
        "done" if done else "waiting",
        at,
        at if done else None,
        json.dumps(dict(receipt)),
    )


async def finish(connection: Connection, identity: UUID, at: datetime, receipt: Mapping[str, Any]) -> None:
    """A request that waited is done."""
    await connection.execute(queries(_SQL)["finish"], identity, at, json.dumps(dict(receipt)))


async def waiting(connection: Connection, limit: int, now: datetime) -> list[tuple[UUID, Key]]:
    """Requests that wait, the oldest first, but for those of people who are held."""
    rows = await connection.fetch(queries(_SQL)["waiting"], limit, now)
    return [(row["id"], (row["tenant"], row["contact"])) for row in rows]


async def waiting_of(connection: Connection, key: Key) -> tuple[UUID, str, datetime] | None:
    """The request of a person that waits: its id, why, and when it was asked."""
    row = await connection.fetchrow(queries(_SQL)["waiting_of"], *key)
    return None if row is None else (row["id"], row["why"], row["asked_at"])


async def shown(connection: Connection, tenant: str, identity: UUID) -> ErasureRow | None:
    """One request of a tenant's."""
    row = await connection.fetchrow(queries(_SQL)["shown"], tenant, identity)
    if row is None:
        return None
    return ErasureRow(
        id=row["id"],
        subject=row["subject"],
        why=row["why"],
        state=row["state"],
        asked_at=row["asked_at"],
        done_at=row["done_at"],
        receipt=json.loads(row["receipt"]),
    )


async def mark(connection: Connection, digests: Iterable[str], real: datetime) -> None:
    """Remember by digest what providers may still tell of."""
    await connection.execute(queries(_SQL)["mark"], sorted(set(digests)), real)


async def marked(connection: Connection, digests: Iterable[str]) -> bool:
    """Whether a provider speaks of something that was erased."""
    return bool(await connection.fetchval(queries(_SQL)["marked"], list(digests)))


async def forget(connection: Connection, before: datetime) -> None:
    """Drop marks and hooks that nobody could place from before an instant of real time."""
    await connection.execute(queries(_SQL)["forget_marks"], before)
    await connection.execute(queries(_SQL)["forget_kept"], before)


async def hold(connection: Connection, key: Key, reason: str, until: datetime | None, at: datetime) -> None:
    """From now on nobody erases her."""
    await connection.execute(queries(_SQL)["hold"], *key, reason, until, at)


async def release(connection: Connection, key: Key) -> bool:
    """No longer; whether there was a hold."""
    return await connection.fetchval(queries(_SQL)["release"], *key) is not None


async def held(connection: Connection, key: Key, at: datetime) -> HoldRow | None:
    """The hold that stands at an instant."""
    row = await connection.fetchrow(queries(_SQL)["held"], *key, at)
    return None if row is None else HoldRow(reason=row["reason"], until=row["until"], at=row["at"])


#: In this order: what names her first, then what hangs on her, the person last.
_WIPES: Final = (
    ("deliveries", "wipe_deliveries"),
    ("events_told", "wipe_events"),
    ("media", "wipe_media"),
    ("debts", "wipe_debts"),
    ("ties", "wipe_ties"),
    ("attempts", "wipe_attempts"),
    ("messages", "wipe_messages"),
    ("statements", "wipe_statements"),
    ("addresses", "wipe_addresses"),
    ("contacts", "wipe_contact"),
)


async def wipe(
    connection: Connection, contact: ContactRow, spellings: Sequence[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Take away everything that names a person, and the key of what quotes her; the caller holds every lock of hers.

    ``spellings``: how her addresses may stand in hooks that were kept raw. Works as ``tregua_eraser``, whom alone the database
    lets do this. How much of each kind went, and the (channel, address) pairs that strangers had told us to stop.
    """
    count: dict[str, int] = {}
    named = queries(_SQL)
    await connection.execute(named["as_eraser"])
    count["payloads"] = _rows(await connection.execute(named["wipe_payloads"], contact.tenant, contact.subject))
    count["keys"] = _rows(await connection.execute(named["wipe_key"], contact.subject))
    count["hooks"] = _rows(await connection.execute(named["wipe_kept"], list(spellings)))
    stops = await connection.fetch(
        named["wipe_stops"], [a.channel for a in contact.addresses], [a.address for a in contact.addresses]
    )
    endpoints = [address.endpoint for address in contact.addresses]
    await connection.execute(named["wipe_invalid"], contact.tenant, endpoints, contact.id)
    for kind, query in _WIPES:
        count[kind] = _rows(await connection.execute(named[query], contact.tenant, contact.id))
    await connection.execute(named["as_before"])
    return count, [(row["channel"], row["address"]) for row in stops]


async def has_said(connection: Connection, key: Key, words: Iterable[str]) -> bool:
    """Whether any statement of a person's has one of these as its state or status."""
    return bool(await connection.fetchval(queries(_SQL)["has_said"], *key, sorted(words)))


async def outlived(
    connection: Connection, before: datetime, after: Key, now: datetime, limit: int
) -> list[tuple[Key, datetime]]:
    """People of whom nothing was heard since, in key order from ``after`` on, with the last that was."""
    rows = await connection.fetch(queries(_SQL)["outlived"], before, *after, now, limit)
    return [((row["tenant"], row["id"]), row["at"]) for row in rows]


def _rows(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
