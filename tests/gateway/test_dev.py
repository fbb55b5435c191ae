"""What ``make run`` starts, as a newcomer meets it: one process tree, its files, its end, and going on after a restart."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.listening import free_port
from tests.gateway.test_mail import by_mail
from tests.gateway.town import SUNDAY, TUESDAY, message


class Newcomer:
    """Somebody with a checkout, a terminal and curl."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder = folder
        self.checkout = checkout
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> str:
        """``tregua dev``, until it is ready; what it printed."""
        log = self.folder / "said"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TREGUA_")}
        environment |= {"TREGUA_PORT": str(self.port), "PYTHONPATH": str(self.checkout)}
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli.dev", *words],
                cwd=self.folder,
                env=environment,
                stdout=stream,
                stderr=stream,
            )
        for _ in range(600):
            if "Tregua runs" in log.read_text():
                return log.read_text()
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"not ready: {log.read_text()}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``tregua …`` where ``make run`` was started; its exit code and what it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TREGUA_")}
        return subprocess.run(
            [sys.executable, "-c", "from gateway.cli.main import run; run()", *words],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": str(self.checkout), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request with the key of the sandbox."""
        key = (self.folder / ".tregua" / "sandbox.key").read_text().strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def until(self, identity: str, status: str) -> dict[str, Any]:
        """The message with this status."""
        for _ in range(200):
            found: dict[str, Any] = self.call("GET", f"/v1/messages/{identity}")
            if found["status"] == status:
                return found
            time.sleep(0.05)
        raise AssertionError(found)

    def parts(self) -> dict[str, int]:
        """The process ids of the parts, by their names."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if b"--part" in words and str(self.folder).encode() in b" ".join(words):
                    found[words[words.index(b"--part") + 1].decode()] = int(entry.name)
        return found

    def servers(self) -> list[int]:
        """The process ids of servers that work in this folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                    where = str((entry / "cwd").readlink())
                except OSError:
                    continue
                if words and (where.startswith(str(self.folder)) or str(self.folder).encode() in words):
                    found.append(int(entry.name))
        return found


@pytest.fixture
def newcomer(tmp_path: Path, checkout: Path) -> Iterator[Newcomer]:
    found = Newcomer(tmp_path, checkout)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.stop()


@pytest.mark.timeout(240)
def test_it_starts_sends_stops_and_goes_on(newcomer: Newcomer) -> None:
    said = newcomer.start()
    key = (newcomer.folder / ".tregua" / "sandbox.key").read_text().strip()
    assert key in said
    assert (newcomer.folder / ".tregua" / "sandbox.key").stat().st_mode & 0o777 == 0o600
    lines = (newcomer.folder / ".tregua" / "env").read_text()
    assert re.search(r"^TREGUA_DATABASE_URL=\S*postgresql://", lines, re.M)
    assert re.search(r"^TREGUA_REDIS_URL=\S*unix:///", lines, re.M)

    newcomer.call("POST", "/sandbox/clock", {"now": TUESDAY})
    sent = newcomer.call("POST", "/v1/messages", message(), **{"Idempotency-Key": "one"})
    newcomer.until(sent["id"], "delivered")
    arrived = newcomer.call("GET", "/sandbox/messages?to=%2B573001234567")
    assert [line["text"] for line in arrived] == [message()["content"]["text"]]
    mailed = newcomer.call("POST", "/v1/messages", by_mail("berta"), **{"Idempotency-Key": "mail"})
    newcomer.until(mailed["id"], "delivered")
    answer = {"channel": "email", "from": "berta@ejemplo.test", "text": "BAJA"}
    assert newcomer.call("POST", "/sandbox/reply", answer)["hook"] == {"status": 250, "taken": True}
    again = newcomer.call("POST", "/v1/messages", by_mail("berta"), **{"Idempotency-Key": "mail two"})
    assert again["status"] == "blocked"
    newcomer.call("POST", "/sandbox/clock", {"now": SUNDAY})
    waiting = newcomer.call("POST", "/v1/messages", message("ana", debts=["d1"]), **{"Idempotency-Key": "two"})
    assert (waiting["status"], waiting["decision"]["until"]) == ("deferred", "2026-11-23T07:00:00-05:00")

    assert newcomer.stop() == 0
    assert newcomer.servers() == []
    again = newcomer.start()
    assert key in again
    found = newcomer.call("GET", f"/v1/messages/{waiting['id']}")
    assert found["status"] == "deferred"
    assert newcomer.call("GET", "/sandbox/clock")["now"].startswith("2026-11-22"), "a set clock survives a restart"
    newcomer.call("POST", "/sandbox/clock", {"now": "2026-11-25T07:00:00-05:00"})
    newcomer.until(waiting["id"], "delivered")
    assert newcomer.stop(signal.SIGINT) == 0


@pytest.mark.timeout(240)
def test_what_is_killed_leaves_nobody_behind_or_comes_back(newcomer: Newcomer) -> None:
    newcomer.start()
    before = newcomer.parts()
    os.kill(before["worker"], signal.SIGKILL)
    newcomer.call("POST", "/sandbox/clock", {"now": TUESDAY})
    sent = newcomer.call("POST", "/v1/messages", message(), **{"Idempotency-Key": "one"})
    newcomer.until(sent["id"], "delivered")
    assert newcomer.parts()["worker"] != before["worker"]

    newcomer.stop(signal.SIGKILL)
    for _ in range(300):
        if not newcomer.servers():
            break
        time.sleep(0.1)
    assert newcomer.servers() == []
    newcomer.start()
    assert newcomer.call("GET", f"/v1/messages/{sent['id']}")["status"] == "delivered"


@pytest.mark.timeout(60)
def test_a_taken_port_is_said(newcomer: Newcomer) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", newcomer.port))
        taken.listen()
        with pytest.raises(AssertionError, match=rf"tregua: PORT= .*127\.0\.0\.1:{newcomer.port} is taken") as told:
            newcomer.start()
        assert "Traceback" not in str(told.value)
