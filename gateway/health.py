"""What is wrong with an installation, in words: each part looked at once, with what to do about it, and no secret in any of it."""

import asyncio
import errno
import json
import shutil
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from gateway.compose import adapters_of
from gateway.settings import Settings, Wrong
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load
from storage import liveness, migrate, tenancy
from storage.database import Connection, Database, DatabaseAway

SECONDS_MAX: Final = 10.0
SKEW_WARN: Final = timedelta(seconds=1)
#: What dispatch reckons with between two clocks.
SKEW_MAX: Final = timedelta(seconds=2)
POSTGRESQL_MIN: Final = 150_000
DISK_FREE_MIN: Final = 1024**3
DISK_SHARE_WARN: Final = 0.10
OVERDUE_WARN: Final = timedelta(minutes=5)

TWILIO: Final = "https://api.twilio.com"
META: Final = "https://graph.facebook.com"
TELEGRAM: Final = "https://api.telegram.org"


class State(StrEnum):
    """How a part stands: it holds, somebody should look, or it does not hold."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Found:
    """One part and what was found. ``part`` is stable, for programs."""

    part: str
    state: State
    said: str


async def look(settings: Settings, now: Callable[[], datetime], folder: Path) -> list[Found]:
    """Look at everything, each part by itself. ``now``: this machine's clock; ``folder``: where its data stands."""
    found = [_secret(settings), _channels(settings), _public_url(settings), _disk(folder)]
    found += await _database(settings, now)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS_MAX)) as session:
        found += await asyncio.gather(
            _redis(settings),
            _api(settings, session),
            *([_traces(settings.traces_url, session)] if settings.traces_url is not None else []),
            *(_provider(name, table, session) for name, table in settings.providers.items()),
        )
    return found


# ---- settings ---------------------------------------------------------------------------------------------------------


def _secret(settings: Settings) -> Found:
    if len(set(settings.secret_key)) < 12:
        return Found(
            "secret key", State.WARN, "TREGUA_SECRET_KEY repeats few characters; make one: openssl rand -base64 48"
        )
    return Found("secret key", State.OK, "long enough, and never shown")


def _channels(settings: Settings) -> Found:
    try:
        adapters_of(settings, b"doctor")
    except Wrong as error:
        return Found("channels", State.FAIL, str(error))
    sending = [channel.value for channel, names in settings.channels.items() if names]
    if not sending:
        return Found("channels", State.FAIL, "no channel has a way: nothing can be sent; see [channels] in tregua.toml")
    return Found("channels", State.OK, f"ways for {', '.join(sorted(sending))}")


def _public_url(settings: Settings) -> Found:
    parts = urlsplit(settings.public_url)
    if settings.sandbox_url is not None:
        return Found("public URL", State.OK, f"{settings.public_url} (sandbox)")
    host = parts.hostname or ""
    if parts.scheme != "https":
        return Found(
            "public URL", State.FAIL, "TREGUA_PUBLIC_URL is not https: providers and people would be told so too"
        )
    if host == "localhost" or _is_private(host):
        return Found("public URL", State.FAIL, f"nobody outside reaches {host}: providers could not call back")
    return Found("public URL", State.OK, settings.public_url)


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _disk(folder: Path) -> Found:
    usage = shutil.disk_usage(folder)
    free = f"{usage.free / 1024**3:.1f} GiB free of {usage.total / 1024**3:.1f}"
    if usage.free < DISK_FREE_MIN:
        return Found("disk", State.FAIL, f"{free}: PostgreSQL stops taking messages when none is left")
    if usage.free < usage.total * DISK_SHARE_WARN:
        return Found("disk", State.WARN, f"{free}: less than a tenth is left")
    return Found("disk", State.OK, free)


# ---- database ---------------------------------------------------------------------------------------------------------


async def _database(settings: Settings, now: Callable[[], datetime]) -> list[Found]:
    try:
        database = await asyncio.wait_for(Database.open(settings.database_url, connections_max=1), SECONDS_MAX)
    except (DatabaseAway, asyncpg.PostgresError, TimeoutError, OSError, ValueError) as error:
        return [Found("database", State.FAIL, why_no_database(error))]
    try:
        found = [await database.read(_version)]
        steps: list[tuple[str, Callable[[Connection], Awaitable[Found]]]] = [
            ("migrations", _migrations),
            ("clock", lambda connection: _clock(connection, now)),
            ("worker", _worker),
            ("queue", _queue),
            ("policies", _policies),
        ]
        for part, step in steps:
            try:
                found.append(await database.read(step))
            except asyncpg.UndefinedTableError:
                found.append(Found(part, State.FAIL, "the schema is missing: run `tregua migrate`"))
            except (DatabaseAway, asyncpg.PostgresError) as error:
                found.append(Found(part, State.FAIL, f"the database refused to answer ({type(error).__name__})"))
        return found
    finally:
        await database.close()


def why_no_database(error: Exception) -> str:
    """What a refusal by PostgreSQL, or its silence, means for whoever set it up, without a word of the address."""
    cause = error.__cause__ or error
    match cause:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return "PostgreSQL refuses the user or the password in TREGUA_DATABASE_URL"
        case asyncpg.InvalidCatalogNameError():
            return "the database named in TREGUA_DATABASE_URL does not exist: create it, then run `tregua migrate`"
        case asyncpg.InvalidParameterValueError() | asyncpg.UndefinedObjectError():
            return "the role tregua_app is not there: run `tregua migrate` as the owner of the schema"
        case asyncpg.UndefinedTableError():
            return "the schema is missing: run `tregua migrate`"
        case asyncpg.InsufficientPrivilegeError():
            return "the user may not act as tregua_app: GRANT tregua_app TO it"
        case ValueError():
            return "TREGUA_DATABASE_URL cannot be read as an address of PostgreSQL"
        case _:
            return (
                "PostgreSQL cannot be reached where TREGUA_DATABASE_URL says: is it running, and is the address right?"
            )


async def _version(connection: Connection) -> Found:
    number = int(await connection.fetchval("SHOW server_version_num"))
    said = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    lazy = [
        name for name in ("fsync", "synchronous_commit", "full_page_writes")
        if await connection.fetchval(f"SHOW {name}") == "off"
    ]  # fmt: skip
    if number < POSTGRESQL_MIN:
        return Found("database", State.FAIL, f"{said} is too old: {POSTGRESQL_MIN // 10_000} or newer is needed")
    if lazy:
        return Found("database", State.FAIL, f"{said} with {' and '.join(lazy)} off: what was accepted could be lost")
    return Found("database", State.OK, said)


async def _migrations(connection: Connection) -> Found:
    missing = sorted(set(migrate.files()) - await liveness.migrations(connection))
    if missing:
        return Found("migrations", State.FAIL, f"missing: {', '.join(missing)}; run `tregua migrate`")
    return Found("migrations", State.OK, "the schema is that of this release")


async def _clock(connection: Connection, now: Callable[[], datetime]) -> Found:
    before = now()
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    after = now()
    skew = theirs - (before + (after - before) / 2)
    seconds = f"{abs(skew).total_seconds():.3f} s"
    if abs(skew) > SKEW_MAX:
        return Found("clock", State.FAIL, f"this machine and the database are {seconds} apart: set both by NTP")
    if abs(skew) > SKEW_WARN:
        return Found("clock", State.WARN, f"this machine and the database are {seconds} apart")
    return Found("clock", State.OK, f"{seconds} apart from the database's")


async def _worker(connection: Connection) -> Found:
    if await liveness.alive(connection, "worker"):
        return Found("worker", State.OK, "a worker beat within the last seconds")
    return Found("worker", State.FAIL, "no worker beats: nothing is sent; start `tregua work`")


async def _policies(connection: Connection) -> Found:
    law = load()
    unreadable: list[str] = []
    tenants = await tenancy.with_policy(connection)
    for tenant, version in (await tenancy.policy_versions(connection, tenants)).items():
        checked = policy_of(json.loads(await tenancy.policy(connection, tenant, version) or "{}"), law)
        if not isinstance(checked, Policy):
            unreadable.append(f"{tenant} ({checked[0].pointer}: {checked[0].why})")
    if unreadable:
        said = f"not understood by this release, so nothing is sent for {', '.join(unreadable[:5])}"
        more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
        return Found("policies", State.FAIL, f"{said}{more}; see `tregua policy show` and put a new version")
    return Found("policies", State.OK, f"{len(tenants):,} in force, all understood")


async def _queue(connection: Connection) -> Found:
    now: datetime = await connection.fetchval(
        "SELECT clock_timestamp() + coalesce((SELECT shift FROM sandbox_clock), interval '0')"
    )
    due, oldest = await liveness.depth(connection, now)
    if oldest is not None and now - oldest > OVERDUE_WARN:
        minutes = int((now - oldest).total_seconds() // 60)
        return Found("queue", State.WARN, f"{due:,} messages are due, the oldest for {minutes} minutes")
    return Found("queue", State.OK, f"{due:,} messages are due")


# ---- what it speaks to ------------------------------------------------------------------------------------------------


async def _redis(settings: Settings) -> Found:
    try:
        cache = redis.asyncio.Redis.from_url(settings.redis_url, socket_timeout=3, socket_connect_timeout=3)
    except ValueError:
        return Found("redis", State.FAIL, "TREGUA_REDIS_URL cannot be read as an address of Redis or Valkey")
    try:
        await cache.ping()
    except (RedisError, OSError, TimeoutError):
        return Found(
            "redis", State.WARN, "cannot be reached: messages still go out, without their paces and live pages"
        )
    finally:
        await cache.aclose()
    return Found("redis", State.OK, "answers")


async def _api(settings: Settings, session: aiohttp.ClientSession) -> Found:
    try:
        async with session.get(f"{settings.public_url}/healthz", allow_redirects=False) as answer:
            body = await answer.content.read(1024)
            ours = answer.status == 200 and b'"status":"ok"' in body.replace(b" ", b"")
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = f"{settings.public_url} does not answer from here ({_why_not(error)}): is `tregua serve` running?"
        return Found("API", State.FAIL, why)
    if not ours:
        return Found("API", State.FAIL, f"{settings.public_url} answers {status}, and it is not this gateway")
    return Found("API", State.OK, f"answers at {settings.public_url}")


async def _traces(url: str, session: aiohttp.ClientSession) -> Found:
    host = urlsplit(url).netloc
    if find_spec("opentelemetry") is None:
        return Found("traces", State.FAIL, "a collector is named, and the packages of the extra otel are not installed")
    try:
        # An export of nothing: every collector takes it.
        async with session.post(url, data=b"", headers={"Content-Type": "application/x-protobuf"}) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Found("traces", State.WARN, f"{host} cannot be reached ({_why_not(error)}): spans are lost")
    if status != 200:
        return Found("traces", State.WARN, f"{host} answers {status} to OTLP over HTTP: spans are lost")
    return Found("traces", State.OK, f"{host} takes them")


@dataclass(frozen=True, slots=True)
class _Question:
    """A call that changes nothing: where, with what, and whether its answer judges the credentials."""

    url: str
    headers: Mapping[str, str]
    judges: bool


def _question(kind: str, table: Mapping[str, Any]) -> _Question | None:
    if kind.startswith("twilio") or kind == "whatsapp_twilio":
        account = str(table.get("account_sid", ""))
        login = aiohttp.encode_basic_auth(account, str(table.get("auth_token", "")))
        url = f"{_base(table, TWILIO)}/2010-04-01/Accounts/{account}.json"
        return _Question(url, {"Authorization": login}, judges=True)
    if kind == "whatsapp_meta":
        version, number = table.get("version", "v23.0"), table.get("phone_number_id", "")
        headers = {"Authorization": f"Bearer {table.get('access_token', '')}"}
        return _Question(f"{_base(table, META)}/{version}/{number}?fields=id", headers, judges=True)
    if kind == "telegram":
        return _Question(f"{_base(table, TELEGRAM)}/bot{table.get('token', '')}/getMe", {}, judges=True)
    base = table.get("base_url")
    return _Question(str(base), {}, judges=False) if base else None


def _base(table: Mapping[str, Any], otherwise: str) -> str:
    return str(table.get("base_url", otherwise)).rstrip("/")


async def _provider(name: str, table: Mapping[str, Any], session: aiohttp.ClientSession) -> Found:
    part, kind = f"provider {name}", str(table["kind"])
    if kind == "smtp":
        return await _mail(part, str(table.get("server", "")))
    question = _question(kind, table)
    if question is None:
        return Found(part, State.OK, "needs nobody outside")
    host = urlsplit(question.url).netloc
    try:
        async with session.get(question.url, headers=question.headers, allow_redirects=False) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Found(part, State.FAIL, f"{host} cannot be reached ({_why_not(error)}): no message leaves by it")
    if question.judges and status in (400, 401, 403):
        return Found(part, State.FAIL, f"{host} refuses the credentials ({status}): they are wrong, or were revoked")
    if status >= 500:
        return Found(part, State.WARN, f"{host} answers {status}: it has a fault of its own right now")
    if question.judges and status == 200:
        return Found(part, State.OK, f"{host} knows the credentials")
    return Found(part, State.OK if not question.judges else State.WARN, f"{host} answers ({status})")


async def _mail(part: str, server: str) -> Found:
    parts = urlsplit(f"//{server}")
    writer = None
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port or 25), SECONDS_MAX)
        greeting = await asyncio.wait_for(reader.readline(), SECONDS_MAX) if parts.port != 465 else b"220"
    except (OSError, TimeoutError, ValueError) as error:
        return Found(part, State.FAIL, f"{server} cannot be reached ({_why_not(error)}): no mail leaves by it")
    finally:
        if writer is not None:
            writer.close()
    if not greeting.startswith(b"220"):
        return Found(part, State.FAIL, f"{server} does not greet as a mail host does")
    return Found(part, State.OK, f"{server} greets")


def _why_not(error: Exception) -> str:
    """Why a connection did not come about, in words; what nobody foresaw by the name of its exception."""
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "its name is not known to DNS here"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its certificate does not hold, or it speaks no TLS"
        case TimeoutError():
            return f"no answer within {SECONDS_MAX:.0f} seconds"
        case OSError() if error.errno == errno.ECONNREFUSED:
            return "nobody listens there"
        case _:
            return type(error).__name__


def holds(found: list[Found]) -> bool:
    """Whether nothing fails."""
    return all(each.state is not State.FAIL for each in found)
