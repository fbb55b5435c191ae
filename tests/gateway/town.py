"""A whole gateway in one event loop for tests: real PostgreSQL, real HTTP, the sandbox's carrier, the law's clock at hand."""

import asyncio
import contextlib
import functools
import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
from aiohttp import web

from adapters.kit.signing import inbound_url
from gateway import compose
from gateway.api.app import SERVER
from gateway.cli.dev_ways import AGGREGATOR, aggregator_account, aggregator_lines
from gateway.compose import House, Pace, api, house, worker
from gateway.listening import free_port
from gateway.settings import Settings
from gateway.tenants.opening import create_key, create_tenant
from gateway.worker import Worker
from sandbox.app import DOOR, make_app
from sandbox.settings import MailAccount, MetaAccount, TelegramAccount, TwilioAccount, VoiceAccount, WebAccount
from sandbox.settings import Settings as CarrierSettings
from storage.clock import SandboxClock
from storage.database import Connection
from vocabulary.channel import Channel

# The law is the same for every town of a process, and reading it costs more than anything else of one.
compose.load = functools.cache(compose.load)

PROVIDER = "twilio-test"
MAIL_PROVIDER = "mail-test"
BOT_PROVIDER = "bot-test"
VOICE_PROVIDER = "voice-test"
WEB_PROVIDER = "web-test"
CHAT_PROVIDER = "whatsapp-test"
TENANT = "t1"
NUMBER = "+15005550006"
ANA = "+573001234567"
TUESDAY = "2026-11-24T10:00:00-05:00"
SUNDAY = "2026-11-22T15:04:00-05:00"
AUTHORISED = {"at": "2026-01-05T10:00:00-05:00", "instrument": "separate"}


def person(identity: str = "ana", address: str = ANA, **more: Any) -> dict[str, Any]:
    """A Colombian debtor who authorised SMS."""
    return {
        "id": identity,
        "role": "debtor",
        "jurisdictions": ["CO"],
        "zones": ["America/Bogota"],
        "addresses": [
            {"channel": "sms", "address": address, "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
        ],
        **more,
    }


def number(trial: int, area: int = 300) -> str:
    """A Colombian mobile number for one trial, of those that the simulated carrier delivers to without more."""
    return f"+57{area}{trial:05d}77"


def message(contact: Any = None, **more: Any) -> dict[str, Any]:
    """A collection SMS about one debt."""
    return {
        "contact": contact if contact is not None else person(),
        "channel": "sms",
        "purpose": "collection",
        "debts": [{"id": "d1"}],
        "content": {"text": "Hola Ana, su cuota está lista. Responda BAJA para no recibir más mensajes."},
        **more,
    }


@dataclass
class Town:
    """Everything a test speaks to."""

    house: House
    url: str
    carrier_url: str
    key: str
    session: aiohttp.ClientSession
    database_url: str
    stack: contextlib.AsyncExitStack = field(repr=False)
    workers: list[tuple[Worker, asyncio.Task[None]]] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """One request with the tenant's key: status, JSON, headers."""
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with self.session.request(method, self.url + path, json=body, headers=sent) as answer:
            text = await answer.text()
            try:
                return answer.status, json.loads(text), dict(answer.headers)
            except ValueError:
                return answer.status, text, dict(answer.headers)

    async def send(self, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Send, expecting 202."""
        status, answered, _ = await self.call("POST", "/v1/messages", body, **{"Idempotency-Key": key or uuid4().hex})
        assert status == 202, answered
        assert isinstance(answered, dict)
        return answered

    async def get(self, identity: str) -> dict[str, Any]:
        """One message as it stands."""
        status, answered, _ = await self.call("GET", f"/v1/messages/{identity}")
        assert status == 200, answered
        assert isinstance(answered, dict)
        return answered

    async def until(self, identity: str, *statuses: str, seconds: float = 10.0) -> dict[str, Any]:
        """The message once it has one of these statuses."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            found = await self.get(identity)
            if found["status"] in statuses:
                return found
            assert asyncio.get_running_loop().time() < deadline, (
                f"still {found['status']} instead of {statuses}: {found}"
            )
            await asyncio.sleep(0.02)

    async def set_clock(self, now: str) -> None:
        """The law's clock, as the sandbox sets it."""

        async def job(connection: Connection) -> None:
            await SandboxClock().set(connection, datetime.fromisoformat(now))

        await self.house.database.run(job)

    async def advance(self, by: timedelta) -> None:
        """Move the law's clock."""

        async def job(connection: Connection) -> None:
            await SandboxClock().advance(connection, by)

        await self.house.database.run(job)

    async def arrived(self, to: str | None = None) -> list[dict[str, Any]]:
        """What the carrier delivered to people, oldest first."""
        query = {"to": to} if to else {}
        async with self.session.get(f"{self.carrier_url}/sandbox/messages", params=query) as answer:
            found = await answer.json()
            assert isinstance(found, list)
            return found

    async def reply(self, text: str, sender: str = ANA, channel: str = "sms") -> None:
        """The person answers; returns when our hook has answered."""
        body = {"channel": channel, "from": sender, "text": text}
        async with self.session.post(f"{self.carrier_url}/sandbox/reply", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def fault(self, name: str, **more: Any) -> None:
        """Arm a fault at the carrier."""
        body = {"provider": PROVIDER, "fault": name} | more
        async with self.session.post(f"{self.carrier_url}/sandbox/faults", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def no_faults(self) -> None:
        """Disarm what is armed at every carrier."""
        async with self.session.delete(f"{self.carrier_url}/sandbox/faults") as answer:
            assert answer.status in (200, 204), await answer.text()

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        """Look at the database as its owner."""
        connection = await asyncpg.connect(self.database_url, server_settings={"search_path": "tregua"})
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    def start_worker(self) -> Worker:
        """One more worker in this loop."""
        working = worker(self.house)
        self.workers.append((working, asyncio.create_task(working.run())))
        return working

    async def stop_workers(self) -> None:
        """Let every worker end in good order."""
        for working, _ in self.workers:
            working.stop()
        await asyncio.gather(*(task for _, task in self.workers))
        self.workers.clear()


def settings_for(
    database_url: str, redis_url: str, port: int, carrier_port: int, mail_ports: tuple[int, int] | None = None
) -> Settings:
    """Settings of a gateway whose ways are the simulated carrier and, where its port and our door's are given, a mail host."""
    found = Settings(
        database_url=database_url,
        redis_url=redis_url,
        public_url=f"http://127.0.0.1:{port}",
        secret_key="a secret for tests, of more than thirty-two characters",
        port=port,
        providers={
            PROVIDER: {
                "kind": "twilio",
                "account_sid": "AC" + "0" * 32,
                "auth_token": "token-of-the-test-account",
                "from": NUMBER,
                "base_url": f"http://127.0.0.1:{carrier_port}",
                "prices": {"currency": "USD", "default": "0.05", "+57": "0.0280"},
            }
        },
        channels={Channel.SMS: (PROVIDER,)},
        allow_networks=(ip_network("127.0.0.0/8"),),
        sandbox_url="http://127.0.0.1:1",
    )
    if mail_ports is None:
        return found
    mail = {
        "kind": "smtp",
        "server": f"127.0.0.1:{mail_ports[0]}",
        "tls": "none",
        "from": "Cobranza C1 <avisos@cobranza.test>",
        "domain": "mail.cobranza.test",
        "receipts": "delivery and read",
        "listen": f"127.0.0.1:{mail_ports[1]}",
    }
    return replace(
        found,
        providers={**found.providers, MAIL_PROVIDER: mail},
        channels={**found.channels, Channel.EMAIL: (MAIL_PROVIDER,)},
    )


def with_telegram(found: Settings, carrier_port: int) -> Settings:
    """The same settings with a bot at the simulated carrier."""
    bot = {
        "kind": "telegram",
        "token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "secret": "secret-of-the-test-webhook",
        "bot": "cobranza_c1_bot",
        "base_url": f"http://127.0.0.1:{carrier_port}",
    }
    return replace(
        found,
        providers={**found.providers, BOT_PROVIDER: bot},
        channels={**found.channels, Channel.TELEGRAM: (BOT_PROVIDER,)},
    )


def with_voice(found: Settings, carrier_port: int) -> Settings:
    """The same settings with a number that calls, at the simulated carrier."""
    calls = {
        "kind": "twilio_voice",
        "account_sid": "AC" + "1" * 32,
        "auth_token": "token-of-the-account-that-calls",
        "from": NUMBER,
        "caller": "Cobranza C1",
        "base_url": f"http://127.0.0.1:{carrier_port}",
        "prices": {"currency": "USD", "default": "0.06", "+57": "0.0450"},
    }
    return replace(
        found,
        providers={**found.providers, VOICE_PROVIDER: calls},
        channels={**found.channels, Channel.VOICE: (VOICE_PROVIDER,)},
    )


def with_whatsapp(found: Settings, carrier_port: int) -> Settings:
    """The same settings with a number on WhatsApp, at the simulated carrier."""
    chats = {
        "kind": "whatsapp_meta",
        "phone_number_id": "106540352242922",
        "access_token": "token-of-the-test-app",
        "app_secret": "secret-of-the-test-app",
        "verify_token": "word-of-the-test-greeting",
        "base_url": f"http://127.0.0.1:{carrier_port}",
    }
    return replace(
        found,
        providers={**found.providers, CHAT_PROVIDER: chats},
        channels={**found.channels, Channel.WHATSAPP: (CHAT_PROVIDER,)},
    )


def with_web(found: Settings, carrier_port: int) -> Settings:
    """The same settings with inboxes on people's pages, and their browsers beside the simulated carrier."""
    inbox = {
        "kind": "web_inbox",
        "announce_url": f"http://127.0.0.1:{carrier_port}/web/announce",
        "announce_secret": "secret-of-the-test-announcements",
    }
    return replace(
        found,
        providers={**found.providers, WEB_PROVIDER: inbox},
        channels={**found.channels, Channel.WEB: (WEB_PROVIDER,)},
    )


def with_aggregator(found: Settings, carrier_port: int) -> Settings:
    """The same settings with SMS by an aggregator at the simulated carriers' door, and Twilio behind it in no channel."""
    table = tomllib.loads(
        "\n".join(aggregator_lines(carrier_port, "token-of-the-test-account", "key-of-the-test-hooks"))
    )
    return replace(
        found,
        providers={**found.providers, **table["providers"]},
        channels={**found.channels, Channel.SMS: (AGGREGATOR,)},
    )


def carrier_for(
    settings: Settings, folder: Path, carrier_port: int, mail_ports: tuple[int, int] | None = None
) -> CarrierSettings:
    """The carrier that those settings speak to."""
    provider = settings.providers[PROVIDER]
    mail = mail_ports and MailAccount(
        provider=MAIL_PROVIDER,
        sender="avisos@cobranza.test",
        port=mail_ports[0],
        inbound_host="127.0.0.1",
        inbound_port=mail_ports[1],
    )
    bot = settings.providers.get(BOT_PROVIDER)
    telegram = bot and TelegramAccount(
        provider=BOT_PROVIDER,
        token=bot["token"],
        bot=bot["bot"],
        secret=bot["secret"],
        hook_url=f"{settings.public_url}/hooks/{BOT_PROVIDER}",
    )
    calls = settings.providers.get(VOICE_PROVIDER)
    voice = calls and VoiceAccount(
        provider=VOICE_PROVIDER,
        account_sid=calls["account_sid"],
        auth_token=calls["auth_token"],
        number=NUMBER,
        inbound_url=inbound_url(settings.public_url, VOICE_PROVIDER),
    )
    inbox = settings.providers.get(WEB_PROVIDER)
    browsers = inbox and WebAccount(provider=WEB_PROVIDER, secret=inbox["announce_secret"])
    chats = settings.providers.get(CHAT_PROVIDER)
    whatsapp = chats and MetaAccount(
        provider=CHAT_PROVIDER,
        phone_number_id=chats["phone_number_id"],
        access_token=chats["access_token"],
        app_secret=chats["app_secret"],
        number="+15550783881",
        hook_url=f"{settings.public_url}/hooks/{CHAT_PROVIDER}",
    )
    sms = settings.providers.get(AGGREGATOR)
    return CarrierSettings(
        directory=folder,
        aggregators=(aggregator_account(sms, settings.public_url),) if sms else (),
        whatsapp=whatsapp or None,
        mail=mail or None,
        voice=voice or None,
        telegram=telegram or None,
        web=browsers or None,
        twilio=TwilioAccount(
            provider=PROVIDER,
            account_sid=provider["account_sid"],
            auth_token=provider["auth_token"],
            number=NUMBER,
            inbound_url=inbound_url(settings.public_url, PROVIDER),
        ),
        carrier_port=carrier_port,
    )


class _LawClock:
    def __init__(self, made: House) -> None:
        self._house = made

    async def now(self) -> datetime:
        legal, _ = await self._house.database.read(self._house.clock.now)
        return legal


@contextlib.asynccontextmanager
async def town(
    database_url: str,
    redis_url: str,
    folder: Path,
    *,
    pace: Pace | None = None,
    mail: bool = False,
    telegram: bool = False,
    voice: bool = False,
    inbox: bool = False,
    whatsapp: bool = False,
    aggregator: bool = False,
    traces_url: str | None = None,
) -> AsyncIterator[Town]:
    """A gateway on a migrated database, its API, its carrier, and no worker yet; the clock stands on a Tuesday at ten."""
    port, carrier_port = free_port(), free_port()
    mail_ports = (free_port(), free_port()) if mail else None
    settings = settings_for(database_url, redis_url, port, carrier_port, mail_ports)
    settings = with_telegram(settings, carrier_port) if telegram else settings
    settings = with_aggregator(settings, carrier_port) if aggregator else settings
    settings = with_voice(settings, carrier_port) if voice else settings
    settings = with_web(settings, carrier_port) if inbox else settings
    settings = with_whatsapp(settings, carrier_port) if whatsapp else settings
    settings = replace(settings, traces_url=traces_url)
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(house(settings, pace=pace))
        await create_tenant(
            made.database, TENANT, "Test", {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}}
        )
        key = await create_key(made.database, TENANT, env="test", scopes=["admin"], label="test")
        runner = web.AppRunner(api(made), **SERVER)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        carrier = make_app(carrier_for(settings, folder, carrier_port, mail_ports), clock=_LawClock(made))
        phone = web.AppRunner(carrier, access_log=None)
        await phone.setup()
        stack.push_async_callback(phone.cleanup)
        phone_port = free_port()
        await web.TCPSite(phone, "127.0.0.1", phone_port).start()
        assert carrier[DOOR].port == carrier_port
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = Town(
            house=made,
            url=settings.public_url,
            carrier_url=f"http://127.0.0.1:{phone_port}",
            key=key,
            session=session,
            database_url=database_url,
            stack=stack,
        )
        await found.set_clock(TUESDAY)
        try:
            yield found
        finally:
            await found.stop_workers()
