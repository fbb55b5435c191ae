"""Tenants, their keys and their policies."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.database import Connection
from storage.queries import queries

_SQL = "tenancy"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key as it is kept: never the key, only its digest."""

    id: str
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


async def put_tenant(connection: Connection, tenant: str, name: str, now: datetime) -> bool:
    """Create a tenant and its empty chain; False when it stands already."""
    return bool(await connection.fetchval(queries(_SQL)["put_tenant"], tenant, name, now))


async def put_key(
    connection: Connection, *, key: str, tenant: str, digest: bytes, scopes: list[str], label: str, now: datetime
) -> None:
    """Store a new key's digest."""
    await connection.execute(queries(_SQL)["put_key"], key, tenant, digest, scopes, label, now)


async def key_by_digest(connection: Connection, digest: bytes) -> KeyRow | None:
    """The live key with this digest."""
    row = await connection.fetchrow(queries(_SQL)["key_by_digest"], digest)
    return row and _key(row)


async def keys(connection: Connection, tenant: str) -> list[KeyRow]:
    """A tenant's keys, oldest first."""
    return [_key(row) for row in await connection.fetch(queries(_SQL)["keys"], tenant)]


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


def _key(row: Any) -> KeyRow:
    return KeyRow(
        id=row["id"],
        tenant=row["tenant"],
        scopes=tuple(row["scopes"]),
        label=row["label"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
