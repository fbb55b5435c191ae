"""What the house is made of: makers that trace what they do, or those that do not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.accept import Acceptor
from gateway.auto import Auto
from gateway.counting import CountingReceiver
from gateway.dispatch import Dispatcher
from gateway.notify import Notifier


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
