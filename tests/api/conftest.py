"""One gateway for all tests of the surface: real PostgreSQL, real HTTP, keys of every kind, and a second tenant."""

import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from gateway.tenants.keys import Scope
from gateway.tenants.opening import create_key, create_tenant
from storage.migrate import migrate
from tests.api.described import hold
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, Town, town

OTHER_TENANT = "t2"


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: Any
    raw: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.raw)

    @property
    def slug(self) -> str:
        """The problem's name; empty when it is none."""
        if self.headers["Content-Type"] != "application/problem+json":
            return ""
        shown = self.document
        assert shown["status"] == self.status
        assert shown["instance"] == self.headers["X-Request-Id"]
        return shown["type"].removeprefix("/problems/")

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.document.get("errors", [])]


@dataclass
class Surface:
    """The surface, as callers with different keys meet it."""

    town: Town
    keys: dict[str, str] = field(repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "admin",
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """One request; ``key`` is a scope, a tenant's name, None for none, or the key itself."""
        sent = {} if key is None else {"Authorization": f"Bearer {self.keys.get(key, key)}"}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        async with self.town.session.request(
            method, self.town.url + path, data=io.BytesIO(data) if data else data, headers=sent, allow_redirects=False
        ) as answer:
            found = Answered(answer.status, answer.headers, await answer.read())
        hold(method, path, found.status, found.headers.get("Content-Type", ""), found.raw)
        return found

    async def send(self, body: Any, *, idempotency: str | None = None, key: str = "admin") -> Answered:
        """Send a message under a key of its own."""
        headers = {"Idempotency-Key": idempotency or uuid4().hex}
        return await self.ask("POST", "/v1/messages", body, key=key, headers=headers)

    async def pages(self, path: str, *, key: str = "admin") -> list[list[dict[str, Any]]]:
        """Every page of a list, by following ``next``."""
        found: list[list[dict[str, Any]]] = []
        cursor: str | None = ""
        while cursor is not None:
            assert len(found) < 5_000, "a list without end"
            joint = "&" if "?" in path else "?"
            page = (await self.ask("GET", path + (f"{joint}cursor={cursor}" if cursor else ""), key=key)).document
            found.append(page["items"])
            cursor = page["next"]
        return found

    async def stored(self) -> dict[str, int]:
        """How many rows each table holds: what is the same afterwards was not written to."""
        tables = await self.town.rows(
            "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables "
            "WHERE table_schema IN ('tregua', 'vault')"
        )
        names = sorted(row["name"] for row in tables)
        counts = ", ".join(f'(SELECT count(*) FROM {name}) AS "{name}"' for name in names)
        return dict((await self.town.rows(f"SELECT {counts}"))[0])


@pytest.fixture(scope="session")
async def surface(
    new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Surface]:
    url = await new_database()
    await migrate(url)
    async with contextlib.AsyncExitStack() as stack:
        found = await stack.enter_async_context(town(url, redis_url, tmp_path_factory.mktemp("surface")))
        database = found.house.database
        await create_tenant(
            database, OTHER_TENANT, "Other", {"sender": {"role": "creditor", "creditor": "C2", "collector": "A2"}}
        )
        keys = {
            scope.value: await create_key(database, TENANT, env="test", scopes=[scope.value], label=scope.value)
            for scope in Scope
        }
        keys["other"] = await create_key(database, OTHER_TENANT, env="test", scopes=["admin"], label="other")
        yield Surface(found, keys)
