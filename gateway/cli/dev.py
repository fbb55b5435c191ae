"""``tregua dev``: the newcomer's whole gateway on one machine, real servers and simulated carriers, one Ctrl-C to end it."""

import asyncio
import ctypes
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.dev_ways import (
    AGGREGATOR,
    BOT_PROVIDER,
    aggregator_account,
    aggregator_lines,
    bot_account,
    bot_lines,
    new_secret,
    new_token,
)
from gateway.cli.dev_web import WEB_PROVIDER, web_account, web_lines
from gateway.cli.dev_whatsapp import WHATSAPP_PROVIDER, whatsapp_account, whatsapp_lines
from gateway.cli.environment import FOLDER, told
from gateway.cli.exits import DOES_NOT_HOLD, fail
from gateway.listening import free_port, listening
from gateway.settings import FILE, Settings, read
from gateway.tenants.opening import create_key, create_tenant
from sandbox.servers import NotStarted, Running, servers
from storage.clock import SandboxClock
from storage.database import Connection, Database
from storage.migrate import migrate

app = typer.Typer()

TENANT: Final = "sandbox"
PROVIDER: Final = "twilio-sandbox"
NUMBER: Final = "+15005550006"
VOICE_PROVIDER: Final = "voice-sandbox"
MAIL_PROVIDER: Final = "mail-sandbox"
MAIL_SENDER: Final = "avisos@tregua.test"
MAIL_DOMAIN: Final = "mail.tregua.test"
SENDER: Final = {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}}
READY_SECONDS_MAX: Final = 60.0
END_SECONDS_MAX: Final = 40.0
#: A process that falls again within this time after its start waits before the next one.
FELL_SECONDS: Final = 2.0
PARTS: Final = ("sandbox", "api", "worker")

_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


@app.command()
def dev(
    part: Annotated[str | None, typer.Option(hidden=True)] = None,
    file: Annotated[Path | None, typer.Option(hidden=True)] = None,
    sms: Annotated[str, typer.Option(metavar="WAY", help=f"What SMS go by: {PROVIDER} or {AGGREGATOR}.")] = PROVIDER,
) -> None:
    """Start PostgreSQL, Valkey, the API, the worker and the sandbox under .tregua, and stop all of them together.

    Example: TREGUA_PORT=8081 tregua dev
    """
    if part is not None and file is not None:
        _part(part, file)
        return
    host, port = os.environ.get("TREGUA_HOST", "127.0.0.1"), os.environ.get("TREGUA_PORT", "8080")
    level = os.environ.get("TREGUA_LOG_LEVEL", "WARNING")
    if sms not in (PROVIDER, AGGREGATOR):
        raise typer.BadParameter(f"is neither {PROVIDER} nor {AGGREGATOR}", param_hint="--sms")
    try:
        with told(), servers(FOLDER) as running:
            _Supervisor(running, host, port, level, sms).run()
    except NotStarted as error:
        fail(DOES_NOT_HOLD, str(error))


class _Supervisor:
    """Starts the parts, starts again what falls, and ends all of them in order."""

    def __init__(self, running: Running, host: str, port: str, level: str, sms: str) -> None:
        self._running = running
        self._settings_file = FOLDER / FILE
        self._stopped = False
        self._parts: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
        _write_settings(self._settings_file, running, host, port, level, sms)
        self.settings = read({}, self._settings_file)
        _try(self.settings.host, self.settings.port)

    def run(self) -> None:
        """Until a signal, or until a server is gone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        key = asyncio.run(_prepare(self.settings))
        try:
            for part in PARTS:
                self._start(part)
            self._await_ready()
            if not self._stopped:
                _greet(self.settings, key)
            while not self._stopped:
                time.sleep(0.2)
                ended = self._running.ended()
                if ended is not None:
                    typer.echo(f"tregua: {ended}", err=True)
                    raise typer.Exit(1)
                self._mend()
        finally:
            self._end()

    def _stop(self, *_: object) -> None:
        self._stopped = True

    def _start(self, part: str) -> None:
        words = [sys.executable, "-m", "gateway.cli.dev", "--part", part, "--file", str(self._settings_file.resolve())]
        process = subprocess.Popen(words, start_new_session=True, preexec_fn=_tied_to(os.getpid()))  # noqa: S603, PLW1509
        self._parts[part] = (process, time.monotonic())

    def _mend(self) -> None:
        for part, (process, since) in list(self._parts.items()):
            if process.poll() is None:
                continue
            if time.monotonic() - since < FELL_SECONDS:
                continue
            typer.echo(f"tregua: the {part} ended with {process.returncode}; starting it again", err=True)
            self._start(part)

    def _await_ready(self) -> None:
        url = f"http://{_reachable(self.settings.host)}:{self.settings.port}/readyz"
        until = time.monotonic() + READY_SECONDS_MAX
        while not self._stopped and time.monotonic() < until:
            for part, (process, _) in self._parts.items():
                if process.poll() is not None:
                    typer.echo(f"tregua: the {part} did not start", err=True)
                    raise typer.Exit(1)
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError, TimeoutError):
                pass
            time.sleep(0.05)
        if not self._stopped:
            typer.echo("tregua: not ready in time", err=True)
            raise typer.Exit(1)

    def _end(self) -> None:
        """Nobody takes anything in any more, then what is in the air lands, then the carriers go."""
        for part in ("api", "worker", "sandbox"):
            if part in self._parts:
                process, _ = self._parts[part]
                if process.poll() is None:
                    process.terminate()
                try:
                    process.wait(END_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _tied_to(parent: int) -> Callable[[], None]:
    """In the child: end when the supervisor is gone, however it went."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def tie() -> None:
        if libc is not None:
            libc.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)
            if os.getppid() != parent:
                os._exit(70)

    return tie


def _try(host: str, port: int) -> None:
    """Bind where the API will listen, and let go. Raises CannotListen before anything else was begun."""
    with listening("PORT= (TREGUA_PORT) or TREGUA_HOST", host, port):
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound


def _write_settings(file: Path, running: Running, host: str, port: str, level: str, sms: str) -> None:
    """What the parts are told; the installation's secret and the carrier's are made once and kept."""
    secret = _kept(FOLDER / "secret", lambda: secrets.token_urlsafe(48))
    token = _kept(FOLDER / "twilio-sandbox.token", lambda: secrets.token_hex(16))
    account = _kept(FOLDER / "twilio-sandbox.account", lambda: "AC" + secrets.token_hex(16))
    carrier, phone, mail_host, mail_door = free_port(), free_port(), free_port(), free_port()
    lines = [
        "# Written by `tregua dev` at each start; change TREGUA_HOST, TREGUA_PORT and TREGUA_LOG_LEVEL instead.",
        f"database_url = {json.dumps(running.database_url)}",
        f"redis_url = {json.dumps(running.redis_url)}",
        f'public_url = "http://{_reachable(host)}:{port}"',
        f"secret_key = {json.dumps(secret)}",
        f"host = {json.dumps(host)}",
        f"port = {json.dumps(port)}",
        f"log_level = {json.dumps(level)}",
        "",
        f"[providers.{PROVIDER}]",
        'kind = "twilio"',
        f"account_sid = {json.dumps(account)}",
        f"auth_token = {json.dumps(token)}",
        f"from = {json.dumps(NUMBER)}",
        f'base_url = "http://127.0.0.1:{carrier}"',
        'prices = { currency = "USD", default = "0.0500", "+57" = "0.0280", "+1" = "0.0079" }',
        "",
        f"[providers.{VOICE_PROVIDER}]",
        'kind = "twilio_voice"',
        f"account_sid = {json.dumps(account)}",
        f"auth_token = {json.dumps(token)}",
        f"from = {json.dumps(NUMBER)}",
        'caller = "Cobranza C1"',
        f'base_url = "http://127.0.0.1:{carrier}"',
        'prices = { currency = "USD", default = "0.0600", "+57" = "0.0450", "+1" = "0.0140" }',
        "",
        f"[providers.{MAIL_PROVIDER}]",
        'kind = "smtp"',
        f'server = "127.0.0.1:{mail_host}"',
        'tls = "none"',
        f'from = "Cobranza C1 <{MAIL_SENDER}>"',
        f'domain = "{MAIL_DOMAIN}"',
        'receipts = "delivery and read"',
        f'listen = "127.0.0.1:{mail_door}"',
        "",
        *bot_lines(
            carrier,
            _kept(FOLDER / "telegram-sandbox.token", new_token),
            _kept(FOLDER / "telegram-sandbox.secret", new_secret),
        ),
        *aggregator_lines(
            carrier,
            _kept(FOLDER / "aggregator-sandbox.token", new_secret),
            _kept(FOLDER / "aggregator-sandbox.hooks", new_secret),
        ),
        *whatsapp_lines(
            carrier,
            _kept(FOLDER / "whatsapp-sandbox.token", new_secret),
            _kept(FOLDER / "whatsapp-sandbox.secret", new_secret),
            _kept(FOLDER / "whatsapp-sandbox.verify", new_secret),
        ),
        *web_lines(carrier, _kept(FOLDER / "web-sandbox.secret", new_secret)),
        "[channels]",
        f'sms = ["{sms}"]',
        f'email = ["{MAIL_PROVIDER}"]',
        f'whatsapp = ["{WHATSAPP_PROVIDER}"]',
        f'telegram = ["{BOT_PROVIDER}"]',
        f'voice = ["{VOICE_PROVIDER}"]',
        f'web = ["{WEB_PROVIDER}"]',
        "",
        "[webhooks]",
        'allow_networks = ["127.0.0.0/8", "::1/128"]',
        "",
        "[sandbox]",
        f'url = "http://127.0.0.1:{phone}"',
        "",
    ]
    _write(file, "\n".join(lines))


def _kept(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        _write(file, make() + "\n")
    return file.read_text("utf-8").strip()


def _write(file: Path, text: str) -> None:
    """Whole or not at all, for the owner's eyes only."""
    beside = file.with_name(file.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    beside.replace(file)


async def _prepare(settings: Settings) -> str:
    """The schema, the tenant and its key; the key as it is shown."""
    await migrate(settings.database_url)
    database = await Database.open(settings.database_url)
    try:
        file = FOLDER / "sandbox.key"
        await create_tenant(database, TENANT, "Sandbox", SENDER)
        standing = file.read_text("utf-8").strip() if file.exists() else None
        key = await create_key(database, TENANT, env="sandbox", scopes=["admin"], label="make run", standing=standing)
        _write(file, key + "\n")
        return key
    finally:
        await database.close()


def _greet(settings: Settings, key: str) -> None:
    url = settings.public_url
    body = {
        "contact": {
            "id": "ana",
            "name": "Ana",
            "role": "debtor",
            "jurisdictions": ["CO"],
            "zones": ["America/Bogota"],
            "addresses": [
                {
                    "channel": "sms",
                    "address": "+573001234567",
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": {"at": "2026-01-05T10:00:00-05:00", "instrument": "separate"},
                }
            ],
        },
        "channel": "sms",
        "purpose": "collection",
        "debts": [{"id": "loan-1"}],
        "content": {"text": "Hola Ana, su cuota está lista para pagar. Responda BAJA para no recibir más mensajes."},
    }
    typer.echo(
        f"""
Tregua runs. Ctrl-C stops all of it; what it keeps stands in {FOLDER}/.

  Console     {url}/console   (it asks for the key below)
  Telephone   {url}/sandbox
  API         {url}/docs

Key of the tenant {TENANT} (also in {FOLDER}/sandbox.key):

  {key}

Send a message on a Tuesday morning in Bogotá (with the clock of {{"real": true}} the law asks what time it is now):

  curl -sSw '\\n' {url}/sandbox/clock -d '{{"now": "2026-11-24T10:00:00-05:00"}}' -H "Content-Type: application/json"
  curl -sSw '\\n' {url}/v1/messages -H "Authorization: Bearer $(cat {FOLDER}/sandbox.key)" \\
    -H "Idempotency-Key: $(date +%s)" -H "Content-Type: application/json" -d '{json.dumps(body, ensure_ascii=False)}'
"""
    )
    sys.stdout.flush()


def _part(part: str, file: Path) -> None:
    """One of the processes that the supervisor starts."""
    from gateway import processes

    process = {"api": _serve, "worker": processes.work}.get(part, _carry)
    with told():
        processes.run(read({}, file), process)


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    from gateway.processes import serve
    from sandbox.mount import mount

    assert settings.sandbox_url is not None
    url = settings.sandbox_url
    await serve(settings, stop, extend=lambda app: mount(app, url))


async def _carry(settings: Settings, stop: asyncio.Event) -> None:
    """The carriers and the telephone, in a process of their own: a provider does not die with the gateway."""
    from urllib.parse import urlsplit

    from aiohttp import web

    from adapters.kit.signing import inbound_url
    from sandbox.app import make_app
    from sandbox.settings import MailAccount, TwilioAccount, VoiceAccount
    from sandbox.settings import Settings as SandboxSettings

    assert settings.sandbox_url is not None
    provider = settings.providers[PROVIDER]
    carrier = urlsplit(provider["base_url"])
    mail = settings.providers[MAIL_PROVIDER]
    mail_host, mail_door = urlsplit(f"//{mail['server']}"), urlsplit(f"//{mail['listen']}")
    clock = _SandboxTime(await Database.open(settings.database_url, connections_max=2))
    app = make_app(
        SandboxSettings(
            directory=FOLDER / "sandbox",
            twilio=TwilioAccount(
                provider=PROVIDER,
                account_sid=provider["account_sid"],
                auth_token=provider["auth_token"],
                number=provider["from"],
                inbound_url=inbound_url(settings.public_url, PROVIDER),
            ),
            voice=VoiceAccount(
                provider=VOICE_PROVIDER,
                account_sid=settings.providers[VOICE_PROVIDER]["account_sid"],
                auth_token=settings.providers[VOICE_PROVIDER]["auth_token"],
                number=settings.providers[VOICE_PROVIDER]["from"],
                inbound_url=inbound_url(settings.public_url, VOICE_PROVIDER),
            ),
            mail=MailAccount(
                provider=MAIL_PROVIDER,
                sender=MAIL_SENDER,
                port=mail_host.port or 0,
                inbound_host=mail_door.hostname or "127.0.0.1",
                inbound_port=mail_door.port or 0,
            ),
            telegram=bot_account(settings.providers[BOT_PROVIDER], settings.public_url),
            aggregators=(aggregator_account(settings.providers[AGGREGATOR], settings.public_url),),
            web=web_account(settings.providers[WEB_PROVIDER]),
            whatsapp=whatsapp_account(settings.providers[WHATSAPP_PROVIDER], settings.public_url),
            host=carrier.hostname or "127.0.0.1",
            carrier_port=carrier.port or 0,
        ),
        clock=clock,
        set_clock=clock.set,
    )
    phone = urlsplit(settings.sandbox_url)
    runner = web.AppRunner(app, access_log=None)
    try:
        with listening("the sandbox's carriers", carrier.hostname or "", carrier.port or 0):
            await runner.setup()
        with listening("[sandbox] url", phone.hostname or "", phone.port or 0):
            await web.TCPSite(runner, phone.hostname, phone.port).start()
        await stop.wait()
    finally:
        await runner.cleanup()
        await clock.close()


class _SandboxTime:
    """The gateway's clock as the sandbox reads and sets it. Meets ``vocabulary.clock.Clock``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = SandboxClock()

    async def now(self) -> datetime:
        """The law's instant."""
        legal, _ = await self._database.read(self._clock.now)
        return legal

    async def set(self, order: dict[str, Any]) -> dict[str, Any]:
        """Obey one order; raises ValueError when it cannot be followed."""

        async def job(connection: Connection) -> datetime:
            if "now" in order:
                await self._clock.set(connection, _instant(order["now"]))
            elif "advance" in order:
                await self._clock.advance(connection, _duration(order["advance"]))
            else:
                await self._clock.reset(connection)
            legal, _ = await self._clock.now(connection)
            return legal

        return {"now": (await self._database.run(job)).astimezone(UTC).isoformat(timespec="milliseconds")}

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if not 2000 <= at.year <= 2100:
        raise ValueError("must lie between the years 2000 and 2100")
    return at


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a duration such as PT1H or P7D")
    parts = {name: float(value) for name, value in match.groupdict().items() if value and name != "sign"}
    by = timedelta(**parts)
    if by > timedelta(days=3660):
        raise ValueError("must not be more than ten years")
    return -by if match["sign"] else by


if __name__ == "__main__":
    app()
