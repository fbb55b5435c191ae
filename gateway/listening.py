"""Listens where a setting says; an address that cannot be had is told by the setting that names it."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_WHY: Final = {
    errno.EADDRINUSE: "is taken: another process listens there; end that one, or name another address",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "is not for this account: ports below 1024 ask for a privilege",
}


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
