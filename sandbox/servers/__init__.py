"""A real PostgreSQL and a real Valkey for one checkout: started from wheels, on unix sockets, gone when we are gone.

``with servers(Path(".tregua")) as running: ...`` serves ``tregua dev``, the tests and the bench alike. Data stand under
the folder and survive; nothing outside it is changed, and what has to be outside (see ``place.py``) is removed again.
"""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.servers import postgres, valkey
from sandbox.servers.launch import NotStarted, account_for, fresh_log, log_tail
from sandbox.servers.place import reach

__all__ = ["NotStarted", "Running", "servers"]

ENV_FILE: Final = "env"
POSTGRES_FOLDER: Final = "postgres"
VALKEY_FOLDER: Final = "valkey"


@dataclass(frozen=True, slots=True)
class Running:
    """Where the two servers answer. The database's user is its superuser and owner."""

    database_url: str
    redis_url: str
    _processes: dict[str, subprocess.Popen[bytes]] = field(repr=False)
    _logs: dict[str, Path] = field(repr=False)

    def pids(self) -> tuple[int, ...]:
        """The two processes' numbers."""
        return tuple(process.pid for process in self._processes.values())

    def ended(self) -> str | None:
        """What to tell the user when a server has ended by itself (its name, exit code and last words), else None."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                return f"{name} ended with {process.returncode}:\n{log_tail(self._logs[name])}"
        return None


@contextmanager
def servers(folder: Path, *, lasting: bool = True, durable: bool = True) -> Iterator[Running]:
    """Both servers, ready, until the block ends; their addresses also stand in ``folder/env`` as shell lines.

    Unless they are to be ``lasting`` they end at once and flush nothing: the folder is the caller's to remove. Unless they are to be
    ``durable`` the database does not wait for the disk: what it committed outlives its own death and not the machine's.
    Works as root (the servers then run as ``nobody``) and as an ordinary user, at any path. Call it from the main thread.
    Raises ``NotStarted`` when they cannot start, or when another process runs them on this folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    with ExitStack() as stack:
        stack.enter_context(_held(folder))
        account = account_for(folder / POSTGRES_FOLDER)
        sockets = (f"{POSTGRES_FOLDER}/{postgres.SOCKET}", f"{VALKEY_FOLDER}/{valkey.SOCKET}")
        near = stack.enter_context(reach(folder, sockets, account))
        logs = {name: fresh_log(folder / f"{name}.log") for name in (POSTGRES_FOLDER, VALKEY_FOLDER)}

        data, log = folder / POSTGRES_FOLDER, logs[POSTGRES_FOLDER]
        postgres.make(near.programs.postgres, data, account, log)
        database = postgres.start(near.programs.postgres, data, account, log, durable=durable)
        stack.callback(postgres.shut, database, lasting=lasting)

        address = near.folder / VALKEY_FOLDER / valkey.SOCKET
        cache = valkey.start(near.programs.valkey, folder / VALKEY_FOLDER, account, logs[VALKEY_FOLDER], str(address))
        stack.callback(valkey.shut, cache)

        running = Running(
            database_url=f"postgresql://{postgres.OWNER}@/{postgres.DATABASE}?host={near.folder / POSTGRES_FOLDER}",
            redis_url=f"unix://{address}",
            _processes={"PostgreSQL": database, "Valkey": cache},
            _logs={"PostgreSQL": logs[POSTGRES_FOLDER], "Valkey": logs[VALKEY_FOLDER]},
        )
        _write_env(folder, running)
        yield running


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder is ours alone; the kernel lets go when we die."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(
                f"the servers of {folder} are already run by another process; stop that one first"
            ) from None
        yield
    finally:
        os.close(handle)


def _write_env(folder: Path, running: Running) -> None:
    lines = f"TREGUA_DATABASE_URL={running.database_url}\nTREGUA_REDIS_URL={running.redis_url}\n"
    begun = folder / f"{ENV_FILE}.new"
    begun.unlink(missing_ok=True)
    begun.touch(mode=0o600)
    begun.write_text(lines)
    begun.replace(folder / ENV_FILE)
