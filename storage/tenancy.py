"""Tenants, their keys and their policies."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from storage.database import Connection
from storage.queries import queries

_SQL = "tenancy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the operator lets a tenant ask for; None: unbounded. ``requests_burst``: how many requests at once after a rest."""

    requests_per_second: float | None = None
    requests_burst: int | None = None
    messages_per_day: int | None = None


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key as it is kept: never the key, only its digest. Instants are real time.

    ``seconds_left`` and ``limits`` are known of a key that was looked up by its digest: until it expires, and its tenant's.
    """

    id: str
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None = None
    follows: str | None = None
    seconds_left: float | None = None
    limits: Limits = NO_LIMITS


async def put_tenant(connection: Connection, tenant: str, name: str, now: datetime) -> bool:
    """Create a tenant and its empty chain; False when it stands already."""
    return bool(await connection.fetchval(queries(_SQL)["put_tenant"], tenant, name, now))


async def put_key(
    connection: Connection,
    *,
    key: str,
    tenant: str,
    digest: bytes,
    scopes: list[str],
    label: str,
    now: datetime,
    expires_at: datetime | None = None,
    follows: str | None = None,
) -> None:
    """Store a new key's digest."""
    await connection.execute(queries(_SQL)["put_key"], key, tenant, digest, scopes, label, now, expires_at, follows)


async def live_key(connection: Connection, key: str, real: datetime) -> KeyRow | None:
    """The key with this id, held until the transaction ends, if it opens anything still."""
    row = await connection.fetchrow(queries(_SQL)["live_key"], key, real)
    return row and key_row(row)


async def end_key(connection: Connection, key: str, at: datetime) -> None:
    """Let a key open nothing from an instant of real time on, or from an earlier one that was set before."""
    await connection.execute(queries(_SQL)["end_key"], key, at)


async def put_limits(connection: Connection, tenant: str, limits: Limits) -> bool:
    """What a tenant may ask for from now on; False when there is no such tenant."""
    return bool(
        await connection.fetchval(
            queries(_SQL)["put_limits"],
            tenant,
            limits.requests_per_second,
            limits.requests_burst,
            limits.messages_per_day,
        )
    )


async def limits(connection: Connection, tenant: str) -> Limits | None:
    """What a tenant may ask for; None when there is no such tenant."""
    row = await connection.fetchrow(queries(_SQL)["limits"], tenant)
    return row and Limits(**row)


async def key_by_digest(connection: Connection, digest: bytes) -> KeyRow | None:
    """The live key with this digest."""
    row = await connection.fetchrow(queries(_SQL)["key_by_digest"], digest)
    if row is None:
        return None
    bounds = Limits(
        requests_per_second=row["requests_per_second"],
        requests_burst=row["requests_burst"],
        messages_per_day=row["messages_per_day"],
    )
    left = row["seconds_left"]
    return replace(
        key_row(row),
        seconds_left=None if left is None else float(left),
        limits=NO_LIMITS if bounds == NO_LIMITS else bounds,
    )


async def keys(connection: Connection, tenant: str) -> list[KeyRow]:
    """A tenant's keys, oldest first."""
    return [key_row(row) for row in await connection.fetch(queries(_SQL)["keys"], tenant)]


async def revoke_key(connection: Connection, key: str, now: datetime) -> bool:
    """End a key; False when there is none that lives."""
    return bool(await connection.fetchval(queries(_SQL)["revoke_key"], key, now))


async def touch_keys(connection: Connection, used: dict[str, datetime]) -> None:
    """When keys were last used."""
    if used:
        await connection.execute(queries(_SQL)["touch_keys"], list(used), list(used.values()))


async def names(connection: Connection, tenants: list[str]) -> dict[str, str]:
    """What tenants call themselves to people."""
    return {row["id"]: row["name"] for row in await connection.fetch(queries(_SQL)["names"], tenants)}


async def policy_versions(connection: Connection, tenants: list[str]) -> dict[str, int]:
    """The version of the policy that is in force, per tenant; 0 is the empty one."""
    rows = await connection.fetch(queries(_SQL)["policy_versions"], tenants)
    return {row["id"]: row["policy_version"] for row in rows}


async def with_policy(connection: Connection) -> list[str]:
    """The tenants that have a policy in force."""
    return [row["id"] for row in await connection.fetch(queries(_SQL)["with_policy"])]


async def policy(connection: Connection, tenant: str, version: int) -> str | None:
    """A policy's body, as JSON."""
    body: str | None = await connection.fetchval(queries(_SQL)["policy"], tenant, version)
    return body


async def put_policy(connection: Connection, tenant: str, body: str, now: datetime) -> int:
    """Store a new policy and put it in force; its version."""
    version: int = await connection.fetchval(queries(_SQL)["put_policy"], tenant, body, now)
    return version


def key_row(row: Any) -> KeyRow:
    """A key as it stands in a row."""
    return KeyRow(
        id=row["id"],
        tenant=row["tenant"],
        scopes=tuple(row["scopes"]),
        label=row["label"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        follows=row["follows"],
    )
