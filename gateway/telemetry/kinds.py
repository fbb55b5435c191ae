"""Which of the house's makers trace what they do: none while no collector is named, and then nothing is imported for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.accept import Acceptor
from gateway.auto import Auto
from gateway.counting import CountingReceiver
from gateway.dispatch import Dispatcher
from gateway.notify import Notifier
from gateway.settings import Wrong


def _untraced(_app: web.Application) -> None:
    """Requests make no spans."""


def _nothing() -> None:
    """Nothing is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What ``compose`` makes the house of. ``close`` sends what waits, and blocks meanwhile."""

    acceptor: type[Acceptor] = Acceptor
    auto: type[Auto] = Auto
    dispatcher: type[Dispatcher] = Dispatcher
    receiver: type[CountingReceiver] = CountingReceiver
    notifier: type[Notifier] = Notifier
    requests: Callable[[web.Application], Any] = _untraced
    close: Callable[[], None] = _nothing


def makers_for(traces_url: str | None) -> Kinds:
    """Those that trace to a collector's address for OTLP/HTTP, or none that does. Raises Wrong without the packages for it."""
    if traces_url is None:
        return Kinds()
    try:
        from gateway.telemetry.spans import traced
    except ImportError:
        raise Wrong(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages of the extra otel are not installed"
        ) from None
    return traced(traces_url)
