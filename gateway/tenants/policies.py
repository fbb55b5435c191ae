"""Each tenant's policy: versioned, traced, compiled once per process and version."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import structlog

from gateway.entries import Scribe
from gateway.refusals import Flaw, Refused
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import Library
from storage import chain, tenancy
from storage.clock import LegalClock
from storage.database import Connection, Database

#: Compiled policies kept; beyond it the oldest are compiled again when needed.
KEPT_MAX: Final = 10_000

log = structlog.get_logger()

EMPTY: Final[dict[str, Any]] = {"sender": {}, "readings": {}, "house_rules": [], "overrides": [], "caps": []}


class Policies:
    """Reads, checks and stores policies."""

    def __init__(self, *, database: Database, clock: LegalClock, law: Library, scribe: Scribe) -> None:
        self._database = database
        self._clock = clock
        self._law = law
        self._scribe = scribe
        self._compiled: dict[tuple[str, int], Policy] = {}

    async def current(self, connection: Connection, tenants: Iterable[str]) -> "InForce":
        """The policies in force, as this transaction sees them; asking for one that cannot be read raises Refused."""
        versions = await tenancy.policy_versions(connection, sorted(tenants))
        found = InForce()
        for tenant, version in versions.items():
            policy = self._compiled.get((tenant, version))
            if policy is None:
                document = await self._document(connection, tenant, version)
                checked = policy_of(document, self._law)
                if not isinstance(checked, Policy):
                    # A pack of this release no longer knows what the tenant chose: no contact of its own until somebody has
                    # looked, and nobody else is held up.
                    log.error("policy.unreadable", version=version, where=[problem.pointer for problem in checked])
                    found.unreadable[tenant] = [Flaw(problem.pointer, problem.why) for problem in checked]
                    continue
                policy = checked
                if len(self._compiled) >= KEPT_MAX:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[tenant, version] = policy
            found[tenant] = policy
        return found

    async def unreadable(self) -> dict[str, list[Flaw]]:
        """The tenants whose policy in force this release does not understand, with what is wrong with it."""

        async def job(connection: Connection) -> dict[str, list[Flaw]]:
            found = await self.current(connection, await tenancy.with_policy(connection))
            return found.unreadable

        return await self._database.read(job)

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


class InForce(dict[str, Policy]):
    """Policies by tenant. One that cannot be read is not there, and asking for it is refused with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: dict[str, list[Flaw]] = {}

    def __missing__(self, tenant: str) -> Policy:
        flaws = self.unreadable.get(tenant)
        if flaws is None:
            raise KeyError(tenant)
        why = "the tenant's policy is not understood by this release, so nothing is sent: "
        raise Refused([Flaw("", f"{why}{flaw.pointer} {flaw.detail}") for flaw in flaws])
