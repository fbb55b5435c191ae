"""One PostgreSQL of our own: made once, durable, on a unix socket in its own data folder."""

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from sandbox.servers.launch import (
    ON_LINUX,
    OWN_FOLDER,
    POLL_SECONDS,
    Account,
    NotStarted,
    clear_away,
    log_tail,
    own_folder,
    remove,
    stop,
    tethered,
)

OWNER: Final = "tregua_owner"
DATABASE: Final = "tregua"
SOCKET: Final = ".s.PGSQL.5432"
START_SECONDS_MAX: Final = 60.0
MAKE_SECONDS_MAX: Final = 120.0
CONNECTIONS_MAX: Final = 200

#: No TCP; the socket stands in the data folder, which only its owner may enter. Durable, for this is where people try
#: what happens when they pull the plug.
SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "max_connections": str(CONNECTIONS_MAX),
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
}

#: Beside these, where a crash of the machine may take everything: nothing waits for the disk. A killed server keeps what it committed.
FORGETFUL: Final = {"fsync": "off", "full_page_writes": "off"}

READY_LINE: Final = 7  # postmaster.pid, counted from 0: LOCK_FILE_LINE_PM_STATUS of PostgreSQL's miscadmin.h


def make(programs: Path, data: Path, account: Account, log: Path) -> None:
    """The data folder with an empty database in it, if it is not there yet. An interrupted attempt is begun again."""
    if data.exists():
        _must_match(programs, data)
        return
    begun = data.with_name(data.name + ".new")
    clear_away(begun, "postgres", signal.SIGKILL)
    remove(begun)
    own_folder(begun, account)
    options = ["-D", OWN_FOLDER, "-U", OWNER, "--auth-local=trust", "--auth-host=reject"]
    options += ["--encoding=UTF8", "--locale=C", "--data-checksums"]
    _finish([str(programs / "initdb"), *options], begun, account, log, None)
    alone = [str(programs / "postgres"), "--single", "-D", OWN_FOLDER, "postgres"]
    _finish(alone, begun, account, log, f"CREATE DATABASE {DATABASE} OWNER {OWNER}\n".encode())
    begun.rename(data)


def start(programs: Path, data: Path, account: Account, log: Path, *, durable: bool = True) -> subprocess.Popen[bytes]:
    """The postmaster, accepting connections. Raises ``NotStarted`` with the end of its log."""
    # An immediate shutdown: nothing is flushed, everything committed is in the log and comes back at the next start.
    clear_away(data, "postgres", signal.SIGQUIT)
    if ON_LINUX:  # where we have just seen that nobody works here
        # The process number in these may have been given to another program since, which PostgreSQL would take for itself.
        for left in ("postmaster.pid", f"{SOCKET}.lock", SOCKET):
            data.joinpath(left).unlink(missing_ok=True)
    command = [str(programs / "postgres"), "-D", OWN_FOLDER]
    for name, value in (SETTINGS if durable else SETTINGS | FORGETFUL).items():
        command += ["-c", f"{name}={value}"]
    process = tethered(command, folder=data, account=account, log=log, death_signal=signal.SIGQUIT)
    try:
        _wait_ready(process, data, log)
    except BaseException:
        shut(process)
        raise
    return process


def shut(process: subprocess.Popen[bytes], *, lasting: bool = True) -> None:
    """A fast shutdown (open transactions are rolled back), then an immediate one: at once where nothing of it is to last."""
    stop(process, *([signal.SIGINT] if lasting else []), signal.SIGQUIT)


def _wait_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"PostgreSQL ended with {process.returncode} as it started:\n{log_tail(log)}")
        try:
            lines = data.joinpath("postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready":
            return
        time.sleep(POLL_SECONDS)
    raise NotStarted(f"PostgreSQL was not ready within {START_SECONDS_MAX:.0f} s:\n{log_tail(log)}")


def _finish(command: list[str], folder: Path, account: Account, log: Path, words: bytes | None) -> None:
    """Run one program of the making to its end. The stand-alone server ends with 0 even when it refused: its words are read."""
    begins = log.stat().st_size
    process = tethered(
        command, folder=folder, account=account, log=log, death_signal=signal.SIGKILL, standard_input=words
    )
    try:
        code = process.wait(MAKE_SECONDS_MAX)
    except BaseException:
        process.kill()
        process.wait()
        raise
    with log.open("rb") as said:
        said.seek(begins)
        refused = re.search(rb"\b(ERROR|FATAL|PANIC):", said.read())
    if code != 0 or refused:
        raise NotStarted(f"{Path(command[0]).name} ended with {code}:\n{log_tail(log)}")


def _must_match(programs: Path, data: Path) -> None:
    made_by = data.joinpath("PG_VERSION").read_text().strip()
    answer = subprocess.run(  # noqa: S603
        [str(programs / "postgres"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"LC_ALL": "C"},
    ).stdout
    found = re.search(r"\d+", answer)
    if found is None or found.group() != made_by:
        raise NotStarted(
            f"{data} was made by PostgreSQL {made_by}, but {programs} holds {answer.strip()!r}; move the folder away to begin anew"
        )
