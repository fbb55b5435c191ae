"""One Valkey of our own on a unix socket, holding nothing that may not be lost."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from sandbox.servers.launch import POLL_SECONDS, Account, NotStarted, clear_away, log_tail, own_folder, stop, tethered

SOCKET: Final = "valkey.sock"
START_SECONDS_MAX: Final = 30.0


def start(program: Path, folder: Path, account: Account, log: Path, address: str) -> subprocess.Popen[bytes]:
    """The server, answering at ``address`` (its socket, by a path short enough to connect to). Raises ``NotStarted``."""
    if not folder.exists():
        own_folder(folder, account)
    clear_away(folder, program.name, signal.SIGKILL)
    folder.joinpath(SOCKET).unlink(missing_ok=True)
    command = [str(program), "--port", "0", "--unixsocket", SOCKET, "--unixsocketperm", "700"]
    command += ["--appendonly", "no", "--save", "", "--daemonize", "no"]
    process = tethered(command, folder=folder, account=account, log=log, death_signal=signal.SIGKILL)
    try:
        _wait_ready(process, address, log)
    except BaseException:
        shut(process)
        raise
    return process


def shut(process: subprocess.Popen[bytes]) -> None:
    """Let it end by itself."""
    stop(process, signal.SIGTERM)


def _wait_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"Valkey ended with {process.returncode} as it started:\n{log_tail(log)}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            try:
                client.connect(address)
                client.sendall(b"PING\r\n")
                if client.recv(16).startswith(b"+PONG"):
                    return
            except OSError:
                pass
        time.sleep(POLL_SECONDS)
    raise NotStarted(f"Valkey was not ready within {START_SECONDS_MAX:.0f} s:\n{log_tail(log)}")
