"""Makes tenants and keys: what an operator does once, and the newcomer's machine at each start."""

import json
from datetime import datetime
from typing import Any

from gateway.keys import digest_of, fresh
from storage import tenancy
from storage.clock import DatabaseClock
from storage.database import Connection, Database


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
    database: Database, tenant: str, *, env: str, scopes: list[str], label: str, standing: str | None = None
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
            connection, key=key.id, tenant=tenant, digest=key.digest, scopes=scopes, label=label, now=now
        )
        return key.text

    return await database.run(job)
