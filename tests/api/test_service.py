"""What operators ask of the process, and how it answers when something is not there: the database, Valkey, a worker, an error of ours."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from gateway.api import routes
from gateway.logs import ALLOWED
from gateway.tenants.opening import create_key
from storage import liveness
from storage.database import Connection
from storage.migrate import migrate
from tests.api.conftest import Surface
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, Town, message, person, town


class Door:
    """Stands between the gateway and PostgreSQL, so that a test can shut it: connections break and new ones are refused."""

    def __init__(self, behind: str, folder: Path) -> None:
        self._behind = behind
        self._path = str(folder / ".s.PGSQL.5432")
        self._server: asyncio.Server | None = None
        self._wires: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def shut(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for wire in list(self._wires):
            wire.transport.abort()
        await self._server.wait_closed()
        self._server = None
        Path(self._path).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._behind)
        self._wires |= {writer, inner_writer}
        await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
        self._wires -= {writer, inner_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def alone(new_database: NewDatabase, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Surface, Door]]:
    """A gateway of the test's own, behind a door."""
    url = await new_database()
    await migrate(url)
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    if not folder.startswith("/"):
        pytest.skip("not run: the database is not behind a unix socket")
    door = Door(f"{folder}/.s.PGSQL.5432", tmp_path)
    await door.open()
    doored = urlunsplit(parts._replace(query=f"host={tmp_path}"))
    async with town(doored, redis_url, tmp_path) as found:
        yield Surface(found, {"admin": found.key}), door
    await door.shut()


async def beat(found: Town) -> None:
    async def job(connection: Connection) -> None:
        await liveness.beat(connection, uuid4(), "worker")

    await found.house.database.run(job)


async def test_a_process_lives_whatever_else_is_away(alone: tuple[Surface, Door]) -> None:
    surface, door = alone
    await door.shut()
    answered = await surface.ask("GET", "/healthz", key=None)
    assert (answered.status, answered.document) == (200, {"status": "ok"})


async def test_it_is_ready_when_database_migrations_and_a_worker_are_there(alone: tuple[Surface, Door]) -> None:
    surface, door = alone

    async def failing() -> list[str]:
        answered = await surface.ask("GET", "/readyz", key=None)
        if answered.status == 200:
            assert answered.document == {"status": "ready", "degraded": []}
            return []
        assert (answered.status, answered.slug) == (503, "not-ready")
        assert "Retry-After" in answered.headers
        missing: list[str] = answered.document["failing"]
        return missing

    assert await failing() == ["worker"]
    await beat(surface.town)
    assert await failing() == []
    await surface.town.rows("UPDATE heartbeat SET at = at - interval '1 minute'")
    assert await failing() == ["worker"]
    await beat(surface.town)
    await surface.town.rows("UPDATE migration SET name = 'x' || name")
    assert await failing() == ["migrations"]
    await surface.town.rows("UPDATE migration SET name = substr(name, 2)")
    assert await failing() == []
    await door.shut()
    assert await failing() == ["database"]
    await door.open()
    assert await failing() == []


async def test_without_valkey_it_is_ready_and_says_what_is_missing(
    alone: tuple[Surface, Door], tmp_path: Path, redis_url: str
) -> None:
    surface, _ = alone
    await beat(surface.town)
    url = surface.town.database_url
    nowhere = f"unix://{tmp_path}/nobody-listens.sock"
    async with town(url, nowhere, tmp_path / "other") as found:
        answered = await Surface(found, {"admin": found.key}).ask("GET", "/readyz", key=None)
    assert (answered.status, answered.document) == (200, {"status": "ready", "degraded": ["redis"]})


async def test_without_the_database_callers_are_told_to_come_back(alone: tuple[Surface, Door]) -> None:
    """And what they sent again under the same key is taken once."""
    surface, door = alone
    body, key = message(person("s-away")), "s-away"
    fresh = await create_key(surface.town.house.database, TENANT, env="test", scopes=["admin"], label="unseen")
    # A key that is still believed, and one that nobody has asked for yet.
    assert (await surface.ask("GET", "/v1/messages")).status == 200
    await door.shut()
    for holder in ("admin", fresh):
        answered = await surface.send(body, idempotency=key, key=holder)
        assert (answered.status, answered.slug) == (503, "database-away")
        assert int(answered.headers["Retry-After"]) > 0
    for path in ("/v1/contacts/s-away", "/v1/trace", "/v1/trace/export", "/v1/webhooks", "/v1/policy"):
        assert (await surface.ask("GET", path)).slug == "database-away"
    await door.open()
    answered = await surface.send(body, idempotency=key)
    assert answered.status == 202
    assert "Idempotent-Replay" not in answered.headers
    assert len(await surface.town.rows("SELECT 1 FROM message")) == 1


async def test_figures_are_prometheus_text_and_name_nobody(surface: Surface) -> None:
    await surface.send(message(person("s-figures", "+573035550001")))
    await surface.ask("GET", "/v1/contacts/s-figures")
    await surface.ask("GET", "/v1/s-nowhere-s-figures")
    answered = await surface.ask("GET", "/metrics", key=None)
    assert answered.headers["Content-Type"].startswith("text/plain")
    text = answered.raw.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    requests = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in families["tregua_http_requests"].samples
        if s.name.endswith("_total")
    }
    assert requests["POST", "/v1/messages", "202"] >= 1
    assert requests["GET", "/v1/contacts/{id}", "200"] >= 1
    assert any(route == "none" and status == "404" for _, route, status in requests)
    assert families["tregua_messages_due"].samples[0].value >= 1
    for word in ("s-figures", "573035550001", TENANT + '"', "gwk_"):
        assert word not in text


async def test_an_error_of_ours_tells_nobody_anything(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "Ana Secreta +573001234567"

    async def fail(self: Any, *arguments: Any) -> Any:
        raise RuntimeError(f"Key (tenant, id)=({secret}) and {arguments!r}")

    monkeypatch.setattr(type(surface.town.house.policies), "get", fail)
    with structlog.testing.capture_logs() as logs:
        answered = await surface.ask("GET", "/v1/policy")
    assert (answered.status, answered.slug) == (500, "internal-error")
    assert secret not in answered.raw.decode()
    assert "RuntimeError" not in answered.raw.decode()
    (logged,) = [log for log in logs if log["event"] == "http.failed"]
    assert logged["request"] == answered.document["instance"]
    assert (logged["error"], logged["route"]) == ("RuntimeError", "/v1/policy")
    assert re.search(r"test_service\.py:\d+", logged["where"])
    assert {"request", "method", "route", "error", "where", "event"} <= ALLOWED, "what is not allowed is not written"
    assert secret not in json.dumps(logs)


async def test_one_tenant_cannot_take_every_place(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "REQUESTS_OPEN_TENANT_MAX", 2)
    answers = await asyncio.gather(*(surface.ask("GET", "/v1/messages") for _ in range(12)))
    others = await surface.ask("GET", "/v1/messages", key="other")
    slugs = {answered.slug for answered in answers}
    assert slugs == {"", "too-many-requests"}
    assert all(a.headers["Retry-After"] for a in answers if a.status == 429)
    assert others.status == 200
    assert (await surface.ask("GET", "/v1/messages")).status == 200


async def test_a_full_process_says_so_before_it_asks_for_the_key(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "REQUESTS_OPEN_MAX", 0)
    answered = await surface.ask("GET", "/v1/messages", key=None)
    assert (answered.status, answered.slug) == (503, "overloaded")
    assert answered.headers["Retry-After"]
    assert (await surface.ask("GET", "/healthz", key=None)).status == 200


async def test_places_are_given_back_whatever_happens(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "REQUESTS_OPEN_TENANT_MAX", 1)
    monkeypatch.setattr(routes, "REQUESTS_OPEN_MAX", 1)
    for _ in range(3):
        for path, status in (("/v1/messages?x=1", 422), ("/v1/contacts/s-nobody", 404), ("/v1/messages", 200)):
            assert (await surface.ask("GET", path)).status == status
        assert (await surface.ask("GET", "/v1/messages", key="nonsense")).status == 401


async def test_answers_are_kept_by_nobody_and_name_no_software(surface: Surface) -> None:
    answered = await surface.ask("GET", "/v1/messages")
    assert answered.headers["Cache-Control"] == "no-store"
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert answered.headers["Server"] == "tregua"
    assert re.fullmatch(r"req_[0-9a-f]{32}", answered.headers["X-Request-Id"])


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json"])
async def test_head_is_answered_as_get_without_its_body(surface: Surface, path: str) -> None:
    answered = await surface.ask("HEAD", path, key=None)
    assert (answered.status, answered.raw) == (200, b"")


def test_a_desk_shows_no_secret(surface: Surface) -> None:
    shown = repr(replace(surface.town.house.settings))
    assert "a secret for tests" not in shown
