"""Settings: environment ``TREGUA_*`` over ``tregua.toml`` over defaults, read once, wrong or unknown names refused."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from gateway.page.settings import PageSettings, Unfit, page_settings
from gateway.ways.portfolio_settings import Tier, portfolio_settings
from throttling.pace import Pace
from vocabulary.channel import SENDABLE, Channel

FILE: Final = "tregua.toml"
SECRET_CHARS_MIN: Final = 32
WEIGHT_MAX: Final = 1_000
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Scalar settings by their names in the environment; in the file they stand at the top, in small letters without prefix.
NAMES: Final = (
    "TREGUA_DATABASE_URL",
    "TREGUA_REDIS_URL",
    "TREGUA_PUBLIC_URL",
    "TREGUA_SECRET_KEY",
    "TREGUA_HOST",
    "TREGUA_PORT",
    "TREGUA_LOG_LEVEL",
)
#: Of those who call the API from this machine (``tregua send``): no business of a server, and no mistake beside one.
CLIENT_NAMES: Final = ("TREGUA_API_URL", "TREGUA_API_KEY")
TABLES: Final = ("providers", "channels", "weights", "pace", "portfolios", "webhooks", "sandbox", "page", "metrics")


class Wrong(ValueError):
    """A setting cannot be used; the text names it and never shows its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one installation is told. ``sandbox_url``: where simulated carriers listen (development only)."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    public_url: str
    secret_key: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    log_level: str = "INFO"
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    channels: Mapping[Channel, tuple[str, ...]] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    paces: Mapping[str, Pace] = field(default_factory=dict)
    #: By way.
    portfolios: Mapping[str, Tier] = field(default_factory=dict)
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    sandbox_url: str | None = None
    page: PageSettings = field(default_factory=PageSettings)
    #: Where a worker shows its figures; without a port nowhere.
    worker_host: str = "127.0.0.1"
    worker_port: int | None = None
    #: Where spans go by OTLP/HTTP; without one none is made.
    traces_url: str | None = None


def _meant(name: str, known: Iterable[str]) -> str:
    """A name, and the known one that it looks like."""
    near = get_close_matches(name, known, 1)
    return f"{name} (is {near[0]} meant?)" if near else name


def read(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read settings; ``file`` may be absent. Raises Wrong."""
    table: dict[str, Any] = {}
    if file is not None and file.exists():
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Wrong(f"{file.name} is not TOML: {error}") from None
    scalars = {name: name.removeprefix("TREGUA_").lower() for name in NAMES}
    unknown = [name for name in environment if name.startswith("TREGUA_") and name not in (*scalars, *CLIENT_NAMES)]
    unknown += [name for name in table if name not in TABLES and name not in scalars.values()]
    if unknown:
        known = ", ".join([*NAMES, *(f"[{name}]" for name in TABLES)])
        meant = [_meant(name, (*NAMES, *TABLES)) for name in sorted(unknown)]
        raise Wrong(f"unknown settings: {', '.join(meant)}. Known are: {known}")
    values: dict[str, str] = {}
    for name, small in scalars.items():
        value = environment.get(name, table.get(small))
        if value is not None and value != "":
            values[small] = str(value)
    needed = [name for name, small in scalars.items() if small in _NEEDED and small not in values]
    if needed:
        raise Wrong(
            f"missing settings: {', '.join(needed)}; set them in the environment or in {FILE} (`tregua dev` needs none)"
        )
    if len(values["secret_key"]) < SECRET_CHARS_MIN:
        raise Wrong(f"TREGUA_SECRET_KEY needs at least {SECRET_CHARS_MIN} characters")
    return Settings(
        database_url=values["database_url"],
        redis_url=_redis_url(values["redis_url"]),
        public_url=_public_url(values["public_url"]),
        secret_key=values["secret_key"],
        host=values.get("host", "127.0.0.1"),
        port=_port(values.get("port", "8080")),
        log_level=_log_level(values.get("log_level", "INFO")),
        providers=_providers(table.get("providers", {})),
        channels=_channels(table.get("channels", {}), table.get("providers", {})),
        weights=_weights(table.get("weights", {}), table.get("channels", {})),
        paces=_paces(table.get("pace", {}), table.get("providers", {})),
        portfolios=_portfolios(table.get("portfolios", {}), table.get("providers", {})),
        allow_networks=_networks(table.get("webhooks", {})),
        sandbox_url=_sandbox(table.get("sandbox", {})),
        page=_page(table.get("page", {})),
        **_metrics(table.get("metrics", {})),
        traces_url=_traces(environment),
    )


_NEEDED: Final = frozenset({"database_url", "redis_url", "public_url", "secret_key"})


def _public_url(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Wrong("TREGUA_PUBLIC_URL must look like https://host or https://host/path")
    return value.rstrip("/")


def _redis_url(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in ("redis", "rediss", "unix"):
        raise Wrong("TREGUA_REDIS_URL must look like redis://host:6379/0, rediss://host or unix:///path")
    return value


def _split(value: str) -> SplitResult | None:
    """The parts of an address, None where it is none: a bracket that is not closed, a port that is no number."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise Wrong("TREGUA_PORT must be a number from 1 to 65535")
    return int(value)


def _log_level(value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        raise Wrong(f"TREGUA_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    return value.upper()


def _providers(table: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(table, dict) or not all(isinstance(value, dict) for value in table.values()):
        raise Wrong("[providers.NAME] must be tables")
    for name, settings in table.items():
        if not isinstance(settings.get("kind"), str):
            raise Wrong(f'[providers.{name}] needs kind = "…"')
        if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 64:
            raise Wrong(f"[providers.{name}]: a provider's name is letters, digits and hyphens")
    return dict(table)


def _channels(table: object, providers: Mapping[str, Any]) -> dict[Channel, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise Wrong("[channels] must be a table")
    found: dict[Channel, tuple[str, ...]] = {}
    for name, ways in table.items():
        if name not in {channel.value for channel in SENDABLE}:
            raise Wrong(f"[channels] {name} is no channel. Known are: {', '.join(sorted(SENDABLE))}")
        if not isinstance(ways, list) or not all(isinstance(way, str) for way in ways):
            raise Wrong(f'[channels] {name} must be a list of providers, as in ["twilio-main"]')
        for way in ways:
            if way not in providers:
                raise Wrong(f"[channels] {name} names {way}, and there is no [providers.{way}]")
        found[Channel(name)] = tuple(dict.fromkeys(ways))
    return found


def _weights(table: object, channels: Mapping[str, Any]) -> dict[str, int]:
    if not isinstance(table, dict):
        raise Wrong("[weights] must be a table of providers")
    used = {way for ways in channels.values() for way in ways}
    for name, weight in table.items():
        if name not in used:
            raise Wrong(f"[weights] names {name}, which stands in no list of [channels]")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= WEIGHT_MAX:
            raise Wrong(f"[weights] {name} must be a whole number from 1 to {WEIGHT_MAX}")
    return dict(table)


def _paces(table: object, providers: Mapping[str, Any]) -> dict[str, Pace]:
    if not isinstance(table, dict):
        raise Wrong("[pace] must be a table of providers")
    found: dict[str, Pace] = {}
    for name, pace in table.items():
        if name not in providers:
            raise Wrong(f"[pace] names {name}, and there is no [providers.{name}]")
        if not isinstance(pace, dict) or set(pace) - {"per_second", "burst", "account", *_LANES}:
            known = ", ".join(["per_second", "burst", "account", *_LANES])
            raise Wrong(f"[pace] {name} must look like {{ per_second = 50, burst = 50 }}. Known are: {known}")
        per_second, burst = pace.get("per_second"), pace.get("burst", 1)
        if (
            isinstance(per_second, bool)
            or not isinstance(per_second, int | float)
            or not 0.001 <= per_second <= 100_000
        ):
            raise Wrong(f"[pace] {name}: per_second must be a number from 0.001 to 100000")
        if isinstance(burst, bool) or not isinstance(burst, int) or not 1 <= burst <= 100_000:
            raise Wrong(f"[pace] {name}: burst must be a whole number from 1 to 100000")
        account = pace.get("account")
        if account is not None and (not isinstance(account, str) or not 0 < len(account) <= 64):
            raise Wrong(f"[pace] {name}: account must be a name of 1 to 64 characters")
        lanes = {lane.removesuffix("_per_second"): _lane(name, lane, pace.get(lane)) for lane in _LANES}
        found[name] = Pace(per_second=float(per_second), burst=burst, account=account, **lanes)
    shared: dict[str, tuple[str, Pace]] = {}
    for name, pace in found.items():
        if pace.account is not None:
            other, same = shared.setdefault(pace.account, (name, pace))
            if (pace.per_second, pace.burst) != (same.per_second, same.burst):
                raise Wrong(f"[pace] {name} and {other} share an account and must name the same per_second and burst")
    return found


_LANES: Final = ("sender_per_second", "chat_per_second", "tenant_per_second")


def _lane(name: str, lane: str, rate: object) -> float | None:
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.001 <= rate <= 100_000:
        raise Wrong(f"[pace] {name}: {lane} must be a number from 0.001 to 100000")
    return float(rate)


def _portfolios(table: object, providers: Mapping[str, Any]) -> dict[str, Tier]:
    try:
        return portfolio_settings(table, providers)
    except Unfit as error:
        raise Wrong(str(error)) from None


def _networks(table: object) -> tuple[IPv4Network | IPv6Network, ...]:
    if not isinstance(table, dict) or set(table) - {"allow_networks"}:
        raise Wrong("[webhooks] knows only allow_networks")
    networks = table.get("allow_networks", [])
    try:
        return tuple(ip_network(network) for network in networks)
    except (ValueError, TypeError):
        raise Wrong('[webhooks] allow_networks must be a list of networks, as in ["10.1.0.0/16"]') from None


def _metrics(table: object) -> dict[str, Any]:
    if not isinstance(table, dict) or set(table) - {"worker_host", "worker_port"}:
        raise Wrong("[metrics] knows only worker_host, worker_port")
    host, port = table.get("worker_host", "127.0.0.1"), table.get("worker_port")
    if not isinstance(host, str) or not host:
        raise Wrong("[metrics] worker_host must be an address to listen on")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535):
        raise Wrong("[metrics] worker_port must be a number from 0 to 65535; 0 takes any")
    return {"worker_host": host, "worker_port": port}


def _traces(environment: Mapping[str, str]) -> str | None:
    """As OpenTelemetry names them: the address for traces, or the one for everything; what else it is told its own SDK reads."""
    traces = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    url = traces or (f"{base.rstrip('/')}/v1/traces" if base else None)
    if url is None or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Wrong("OTEL_EXPORTER_OTLP_ENDPOINT must look like http://collector:4318")
    return url


def _page(table: object) -> PageSettings:
    try:
        return page_settings(table)
    except Unfit as error:
        raise Wrong(str(error)) from None


def _sandbox(table: object) -> str | None:
    if not isinstance(table, dict) or set(table) - {"url"}:
        raise Wrong("[sandbox] knows only url")
    url = table.get("url")
    if url is None:
        return None
    if not isinstance(url, str) or urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Wrong("[sandbox] url must be on loopback: it is for development only")
    return url
