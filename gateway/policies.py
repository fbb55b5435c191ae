"""Each tenant's policy: versioned, traced, compiled once per process and version."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from gateway.entries import Scribe
from gateway.refusals import Flaw, Refused
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import Library
from storage import chain, tenancy
from storage.clock import LegalClock
from storage.database import Connection, Database

#: Compiled policies kept; beyond it the oldest are compiled again when needed.
KEPT_MAX: Final = 10_000

EMPTY: Final[dict[str, Any]] = {"sender": {}, "readings": {}, "house_rules": [], "overrides": []}


class Policies:
    """Reads, checks and stores policies."""

    def __init__(self, *, database: Database, clock: LegalClock, law: Library, scribe: Scribe) -> None:
        self._database = database
        self._clock = clock
        self._law = law
        self._scribe = scribe
        self._compiled: dict[tuple[str, int], Policy] = {}

    async def current(self, connection: Connection, tenants: Iterable[str]) -> dict[str, Policy]:
        """The policies in force, as this transaction sees them."""
        versions = await tenancy.policy_versions(connection, sorted(tenants))
        found: dict[str, Policy] = {}
        for tenant, version in versions.items():
            policy = self._compiled.get((tenant, version))
            if policy is None:
                policy = self._compile(await self._document(connection, tenant, version))
                if len(self._compiled) >= KEPT_MAX:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[tenant, version] = policy
            found[tenant] = policy
        return found

    async def get(self, tenant: str) -> dict[str, Any]:
        """What is in force, with its version."""

        async def job(connection: Connection) -> dict[str, Any]:
            version = (await tenancy.policy_versions(connection, [tenant])).get(tenant, 0)
            return {"version": version, **await self._document(connection, tenant, version)}

        return await self._database.read(job)

    async def put(self, tenant: str, body: dict[str, Any]) -> dict[str, Any]:
        """The next version, in force when this returns. Raises Refused."""
        checked = policy_of(body, self._law)
        if not isinstance(checked, Policy):
            raise Refused([Flaw(problem.pointer, problem.why) for problem in checked])
        text = json.dumps(body, sort_keys=True, ensure_ascii=False)

        async def job(connection: Connection) -> int:
            now, _ = await self._clock.now(connection)
            version = await tenancy.put_policy(connection, tenant, text, now)
            facts = {"version": version, "sha256": sha256(text.encode()).hexdigest(), "body": text}
            entry = self._scribe.entry("policy", tenant=tenant, at=now, facts=facts)
            await chain.append(connection, {tenant: [entry]})
            return version

        return {"version": await self._database.run(job), **EMPTY, **body}

    async def _document(self, connection: Connection, tenant: str, version: int) -> dict[str, Any]:
        body = await tenancy.policy(connection, tenant, version) if version else None
        return {**EMPTY, **(json.loads(body) if body is not None else {})}

    def _compile(self, document: dict[str, Any]) -> Policy:
        checked = policy_of(document, self._law)
        if not isinstance(checked, Policy):
            # A pack of this release no longer knows what the tenant chose: no contact until somebody has looked.
            raise Refused([Flaw(problem.pointer, problem.why) for problem in checked])
        return checked
