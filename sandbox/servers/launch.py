"""Starts and stops one server process as an unprivileged account that needs to reach nothing but its own folder."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TETHER: Final = Path(__file__).with_name("tether.py")
STOP_SECONDS_MAX: Final = 15.0
KILL_SECONDS_MAX: Final = 5.0
POLL_SECONDS: Final = 0.005
LOG_TAIL_BYTES_MAX: Final = 4_000
NOBODY_FALLBACK: Final = 65534
COMM_CHARACTERS: Final = 15  # proc(5): the kernel keeps no more of a program's name
ON_LINUX: Final = sys.platform.startswith("linux")

#: How a server names the folder it was started in. The path itself may lead through folders that its account cannot
#: enter (a checkout under ``/root``); this link leads to the folder alone.
OWN_FOLDER: Final = "/proc/self/cwd" if ON_LINUX else "."


class NotStarted(Exception):
    """A server could not be found, prepared or started; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a server runs as."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account:
    """Ourselves, unless we are root: then the owner of what an ordinary user began here, else ``nobody``.

    PostgreSQL refuses to run as root. No user is ever created.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if folder.exists():
        owner = folder.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY_FALLBACK, NOBODY_FALLBACK)
    return Account(nobody.pw_uid, nobody.pw_gid)


def own_folder(folder: Path, account: Account) -> None:
    """Make ``folder``, new and empty, the account's alone."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid)


def fresh_log(path: Path) -> Path:
    """An empty file in the place of an older log, whoever that belonged to."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path


def log_tail(path: Path) -> str:
    """The last lines of a log, for an error's text."""
    try:
        return path.read_bytes()[-LOG_TAIL_BYTES_MAX:].decode(errors="replace").strip()
    except OSError:
        return ""


def tethered(
    command: list[str],
    *,
    folder: Path,
    account: Account,
    log: Path,
    death_signal: int,
    standard_input: bytes | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in ``folder`` as ``account``, to be struck by ``death_signal`` when this process dies.

    On Linux the signal is sent when the *thread* that started it ends, so only the main thread may start servers.
    Raises ``NotStarted`` from any other.
    """
    if threading.current_thread() is not threading.main_thread():
        raise NotStarted("servers must be started from the main thread: they die with the thread that started them")
    wrapped = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(death_signal)]
    wrapped += [f"{account.uid}:{account.gid}", *command]
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own words only
            wrapped,
            cwd=folder,
            # Nothing of ours leaks in: PGDATA, LD_PRELOAD or a locale would change what the server does.
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL if standard_input is None else subprocess.PIPE,
            stdout=out,
            stderr=out,
            # A session of its own: Ctrl-C reaches us alone, and we stop the servers last.
            start_new_session=True,
        )
    if standard_input is not None and process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:  # it ended already: its exit code says so
            process.stdin.write(standard_input)
    return process


def runs_as(account: Account, program: Path) -> bool:
    """Whether the account may execute the program where it stands (a virtual environment under ``/root`` may not be)."""
    if os.geteuid() != 0:
        return os.access(program, os.X_OK)
    try:
        asked = subprocess.run(  # noqa: S603
            [str(program), "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=STOP_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals) -> None:
    """Ask with each signal in turn, wait for the end after each, and kill what still stands."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS_MAX if number is signals[0] else KILL_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            continue
        return


def processes_in(folder: Path, name: str) -> list[int]:
    """Processes called ``name`` whose working directory is ``folder`` (Linux; elsewhere none are found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.joinpath("comm").read_text().strip() == name[:COMM_CHARACTERS] and os.readlink(
                entry / "cwd"
            ) == str(folder):
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def clear_away(folder: Path, name: str, number: signal.Signals) -> None:
    """End what a killed launcher may have left working in ``folder`` and wait until it is gone.

    Called under the folder's lock, so nothing found here can belong to a living launcher.
    """
    deadline = time.monotonic() + STOP_SECONDS_MAX
    told: set[int] = set()
    while left := processes_in(folder, name):
        for pid in left:
            if pid not in told:
                told.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        if time.monotonic() > deadline:
            raise NotStarted(f"{name} (process {left[0]}) of an earlier run still works in {folder} and does not end")
        time.sleep(POLL_SECONDS)


def remove(folder: Path) -> None:
    """Remove a folder of ours with all that is in it, if it is there."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
