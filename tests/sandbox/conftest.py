"""A sandbox in front of the real Twilio adapter and the real intake; whatever passes is held against Twilio's description."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from adapters.kit.signing import inbound_url, status_url
from adapters.kit.testing import loopback_only
from adapters.kit.transport import Answered, Exchange, Transport
from adapters.sms_twilio import TwilioSms
from adapters.sms_twilio import settings as twilio_settings
from sandbox.app import DOOR, make_app
from sandbox.settings import Settings, TwilioAccount
from tests.adapters import twilio_oai
from vocabulary.channel import Channel
from vocabulary.outcome import Outcome, Parcel, Receipt, Reply
from webhooks.intake import routes
from webhooks.port import Ending, InboxAwayError

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "token of the sandbox"
NUMBER = "+15005550006"
SECRET = b"marks attempts"


class Checked(Transport):
    """Our one transport, with every exchange held against Twilio's own description."""

    def __init__(self, **limits: float) -> None:
        super().__init__(**limits)
        self.checked = 0

    async def exchange(self, method: str, url: str, *, headers: Any, body: bytes | None = None) -> Exchange:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        twilio_oai.check_request(method, target, headers.get("Content-Type"), body or b"")
        exchange = await super().exchange(method, url, headers=headers, body=body)
        if isinstance(exchange, Answered):
            assert exchange.body is not None
            told = json.loads(exchange.body)
            if exchange.status < 300:
                twilio_oai.check_answer(method, target, exchange.status, told)
            else:
                assert set(told) == {"code", "message", "more_info", "status"}
                assert told["status"] == exchange.status
        self.checked += 1
        return exchange


@dataclass
class Gateway:
    """What the gateway is to a carrier: an inbox behind the intake, and a clock."""

    received: list[Receipt | Reply] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    away: bool = False
    ahead: timedelta = timedelta()
    clock_away: bool = False

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        if self.away:
            raise InboxAwayError
        self.received.extend(received)

    async def keep_unreadable(self, provider: str, kind: str, raw: bytes, /) -> None:
        raise AssertionError(f"a simulator said something unreadable: {raw!r}")

    def count(self, provider: str, ending: Ending, /) -> None:
        self.endings.append(ending)

    async def now(self) -> datetime:
        if self.clock_away:
            raise ConnectionError("the database is away")
        return datetime.now(UTC) + self.ahead

    async def set_clock(self, order: dict[str, Any]) -> dict[str, Any]:
        if order.get("now") == "1999-01-01T00:00:00Z":
            raise ValueError("is too long ago")
        self.ahead = datetime.fromisoformat(order["now"]) - datetime.now(UTC) if "now" in order else timedelta()
        return {"now": (await self.now()).isoformat()}

    def words(self) -> list[str]:
        return [one.provider_status for one in self.received if isinstance(one, Receipt)]

    def replies(self) -> list[Reply]:
        return [one for one in self.received if isinstance(one, Reply)]


async def until(what: Callable[[], object], seconds: float = 5.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


@dataclass
class Sandboxed:
    gateway: Gateway
    adapter: TwilioSms
    transport: Checked
    client: ClientSession
    settings: Settings
    public: str
    port: int = 0
    carrier_port: int = 0
    runner: web.AppRunner | None = None

    async def start(self, **changed: Any) -> None:
        if changed:
            self.settings = replace(self.settings, **changed)
        app = make_app(self.settings, clock=self.gateway, set_clock=self.gateway.set_clock)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]
        self.carrier_port = app[DOOR].port
        # A restart comes back to the same door.
        self.settings = replace(self.settings, carrier_port=self.carrier_port)

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    def parcel(self, to: str = "+573001230000", text: str = "Hola ñandú €", **more: Any) -> Parcel:
        attempt = uuid4()
        whole = Parcel(
            attempt=attempt,
            channel=Channel.SMS,
            to=to,
            text=text,
            validity_seconds=60,
            status_url=status_url(self.public, "twilio-main", SECRET, attempt),
        )
        return replace(whole, **more)

    async def send(self, to: str = "+573001230000", **more: Any) -> Outcome:
        return await self.adapter.send(self.parcel(to, **more))

    async def post(self, path: str, told: object) -> tuple[int, Any]:
        async with self.client.post(f"http://127.0.0.1:{self.port}{path}", json=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> Any:
        async with self.client.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            assert answer.status == 200
            return await answer.json()

    async def fault(self, fault: str, **more: Any) -> None:
        status, _ = await self.post("/sandbox/faults", {"provider": "twilio-main", "fault": fault, **more})
        assert status == 200


@pytest.fixture
async def sandboxed(tmp_path: Path) -> AsyncIterator[Sandboxed]:
    async with loopback_only(), ClientSession() as client:
        gateway = Gateway()
        house = web.Application()
        runner = web.AppRunner(house, access_log=None)
        ways: dict[str, Any] = {}
        # The public address holds the port, so the port must be known before the routes are made.
        late: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []

        async def hooks(request: web.Request) -> web.StreamResponse:
            return await late[request.path.endswith("inbound")](request)

        house.router.add_post("/hooks/{provider}/{kind}", hooks)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        public = f"http://127.0.0.1:{runner.addresses[0][1]}"
        account = TwilioAccount(
            provider="twilio-main",
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            number=NUMBER,
            inbound_url=inbound_url(public, "twilio-main"),
        )
        settings = Settings(
            directory=tmp_path / "sandbox", twilio=account, late_seconds=0.4, retry_seconds=(0.05, 0.1, 0.2, 0.4)
        )
        transport = Checked(call_seconds=1.5)
        sandboxed = Sandboxed(gateway, None, transport, client, settings, public)  # type: ignore[arg-type]
        await sandboxed.start()
        table = {
            "account_sid": ACCOUNT,
            "auth_token": TOKEN,
            "from": NUMBER,
            "base_url": f"http://127.0.0.1:{sandboxed.carrier_port}",
        }
        sandboxed.adapter = TwilioSms("twilio-main", twilio_settings("twilio-main", table), SECRET, transport)
        ways["twilio-main"] = sandboxed.adapter
        late.extend(route.handler for route in routes(ways, gateway, public, gateway))  # type: ignore[misc]
        yield sandboxed
        await sandboxed.adapter.close()
        await sandboxed.stop()
        await runner.cleanup()
