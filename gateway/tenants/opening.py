"""Makes tenants and keys: what an operator does once, and the newcomer's machine at each start."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.tenants.keys import digest_of, fresh
from storage import tenancy
from storage.clock import DatabaseClock
from storage.database import Connection, Database
from storage.tenancy import KeyRow


async def create_tenant(database: Database, tenant: str, name: str, policy: dict[str, Any] | None = None) -> bool:
    """Make a tenant with its first policy; False when it stands already, and then nothing is changed."""

    async def job(connection: Connection) -> bool:
        now, _ = await DatabaseClock().now(connection)
        made = await tenancy.put_tenant(connection, tenant, name, now)
        if made and policy:
            await tenancy.put_policy(connection, tenant, json.dumps(policy), now)
        return made

    return await database.run(job)


async def create_key(
    database: Database,
    tenant: str,
    *,
    env: str,
    scopes: list[str],
    label: str,
    standing: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new key, to be shown once; or ``standing``, when that one still opens this tenant's door."""

    async def job(connection: Connection) -> str:
        now: datetime
        now, _ = await DatabaseClock().now(connection)
        digest = digest_of(standing) if standing else None
        if standing and digest is not None:
            row = await tenancy.key_by_digest(connection, digest)
            if row is not None and row.tenant == tenant:
                return standing
        key = fresh(env)
        await tenancy.put_key(
            connection,
            key=key.id,
            tenant=tenant,
            digest=key.digest,
            scopes=scopes,
            label=label,
            now=now,
            expires_at=expires_at,
        )
        return key.text

    return await database.run(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A key that took over. ``text`` is shown once; the one before it opens until ``old_until`` (real time)."""

    key: KeyRow
    text: str = field(repr=False)
    old: str
    old_until: datetime


async def rotate_key(
    database: Database, key: str, *, env: str, overlap: timedelta, tenant: str | None = None
) -> Rotated | None:
    """A key of the same scopes beside one that lives, and both open for ``overlap``; None when no such key lives.

    No more than two live beside each other: the one that the old one took over from ends now.
    """

    async def job(connection: Connection) -> Rotated | None:
        _, real = await DatabaseClock().now(connection)
        old = await tenancy.live_key(connection, key, real)
        if old is None or tenant not in (None, old.tenant):
            return None
        if old.follows is not None:
            await tenancy.revoke_key(connection, old.follows, real)
        made = fresh(env)
        await tenancy.put_key(
            connection,
            key=made.id,
            tenant=old.tenant,
            digest=made.digest,
            scopes=list(old.scopes),
            label=old.label,
            now=real,
            follows=old.id,
        )
        until = min(old.expires_at or real + overlap, real + overlap)
        await tenancy.end_key(connection, old.id, until)
        row = await tenancy.live_key(connection, made.id, real)
        assert row is not None
        return Rotated(key=row, text=made.text, old=old.id, old_until=until)

    return await database.run(job)
