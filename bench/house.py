"""The gateway as it is measured: its API and its worker as real processes, on settings in a file, spoken to over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.outside import ACCOUNT, CRM_PATH, NUMBER, TOKEN
from bench.processes import Process, started
from gateway.listening import free_port
from gateway.settings import Settings, read

TENANT: Final = "bench"
PROVIDER: Final = "twilio-bench"
READY_SECONDS_MAX: Final = 60.0
#: What a CRM wants to know at the end of a message: one event each, none for the steps before.
FINAL_TYPES: Final = (
    "message.delivered",
    "message.read",
    "message.undelivered",
    "message.failed",
    "message.blocked",
    "message.expired",
    "message.cancelled",
    "message.unknown",
)


class NotStarted(Exception):
    """The gateway did not become ready."""


def write_settings(file: Path, *, database_url: str, redis_url: str, port: int, carrier_port: int) -> None:
    """A settings file for the gateway, whose only way out is the bench's carrier."""
    lines = [
        f"database_url = {json.dumps(database_url)}",
        f"redis_url = {json.dumps(redis_url)}",
        f'public_url = "http://127.0.0.1:{port}"',
        'secret_key = "the secret of the bench, which guards nothing at all"',
        f'port = "{port}"',
        'log_level = "WARNING"',
        f"[providers.{PROVIDER}]",
        'kind = "twilio"',
        f'account_sid = "{ACCOUNT}"',
        f'auth_token = "{TOKEN}"',
        f'from = "{NUMBER}"',
        f'base_url = "http://127.0.0.1:{carrier_port}"',
        'prices = { currency = "USD", default = "0.0500", "+57" = "0.0280" }',
        "[channels]",
        f'sms = ["{PROVIDER}"]',
        "[webhooks]",
        'allow_networks = ["127.0.0.0/8"]',
        # Nothing listens there: with it the law's clock is the sandbox's, which can be set.
        "[sandbox]",
        'url = "http://127.0.0.1:1"',
    ]
    file.write_text("\n".join(lines) + "\n")


def settings_of(file: Path) -> Settings:
    """What the file says, whatever the environment says."""
    return read({}, file)


@dataclass(frozen=True, slots=True)
class House:
    """A running gateway."""

    port: int
    key: str = field(repr=False)
    api: Process
    worker: Process
    session: aiohttp.ClientSession

    def url(self, path: str) -> str:
        """An address of the API."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the JSON of its answer, which must be a success."""
        async with self.session.request(method, self.url(path), json=body) as answer:
            if answer.status >= 300:
                raise NotStarted(f"{method} {path} answered {answer.status}: {await answer.text()}")
            return await answer.json()

    async def download(self, path: str, file: Path) -> str | None:
        """Keep an answer as it comes; what went wrong, if anything did."""
        try:
            async with self.session.get(self.url(path)) as answer:
                if answer.status != 200:
                    return f"{path} answered {answer.status}: {(await answer.text())[:300]}"
                with file.open("wb") as out:
                    async for part in answer.content.iter_any():
                        out.write(part)
        except aiohttp.ClientError as error:
            return f"{path} broke off: {type(error).__name__}"
        return None


@asynccontextmanager
async def running(
    folder: Path, *, database_url: str, redis_url: str, key: str, carrier_port: int, profiles: Path | None = None
) -> AsyncIterator[House]:
    """The gateway, ready, until the block ends. ``profiles``: a folder to leave the processes' profiles in."""
    port = free_port()
    file = folder / "tregua.toml"
    write_settings(file, database_url=database_url, redis_url=redis_url, port=port, carrier_port=carrier_port)
    async with AsyncExitStack() as stack:
        parts = {}
        for part in ("api", "worker"):
            words = [part, str(file)] + ([] if profiles is None else [str(profiles / f"{part}.prof")])
            parts[part] = await stack.enter_async_context(started(part, folder, "bench.part", *words))
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}))
        house = House(port, key, parts["api"], parts["worker"], session)
        await _await_ready(house)
        yield house


async def register_crm(house: House, crm_port: int) -> str:
    """Name the CRM's endpoint; the secret that signs what is sent there."""
    asked = {"url": f"http://127.0.0.1:{crm_port}{CRM_PATH}", "types": list(FINAL_TYPES)}
    secret: str = (await house.call("POST", "/v1/webhooks", asked))["secret"]
    return secret


async def _await_ready(house: House) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
    while True:
        house.api.must_run()
        house.worker.must_run()
        try:
            async with house.session.get(house.url("/readyz")) as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        if asyncio.get_running_loop().time() > deadline:
            raise NotStarted("the gateway is not ready in time")
        await asyncio.sleep(0.05)
