"""Listens where a setting says; an address that cannot be had is told by the setting that names it. Finds ports nobody has."""

import errno
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Final

_WHY: Final = {
    errno.EADDRINUSE: "is taken: another process listens there; end that one, or name another address",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "is not for this account: ports below 1024 ask for a privilege",
}

#: Below those that a kernel gives to outgoing connections (Linux from 32,768, ip(7); RFC 6335 §6 from 49,152): one of these is still
#: free when whoever it was found for gets to listen.
PORTS: Final = range(15_000, 32_768)
_begin: Final = secrets.choice(PORTS)
_ports: Final[Iterator[int]] = cycle((*range(_begin, PORTS.stop), *range(PORTS.start, _begin)))


class CannotListen(Exception):
    """Nobody can be heard there; the text says where, why, and which setting names it."""


@contextmanager
def listening(setting: str, host: str, port: int) -> Iterator[None]:
    """Around whatever binds ``host`` and ``port`` because ``setting`` says so. Raises CannotListen."""
    try:
        yield
    except OSError as error:
        unknown = "is no name of a machine" if isinstance(error, socket.gaierror) else "cannot be listened at"
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise CannotListen(f"{setting}: {where} {_WHY.get(error.errno or 0, unknown)}") from None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, another one each time. Raises OSError: there is none."""
    for port in islice(_ports, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(errno.EADDRINUSE, f"every port from {PORTS.start} to {PORTS.stop - 1} is taken")
