"""The newcomer's servers: real, durable, private, reachable at any path, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from redis.asyncio import Redis

from sandbox.servers import NotStarted, Running, place, servers
from sandbox.servers.launch import processes_in

START_WARM_SECONDS_MAX = 5.0

HOLD = """
import sys, time
from pathlib import Path
from sandbox.servers import servers
with servers(Path(sys.argv[1])) as running:
    print(running.database_url, running.redis_url, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Those of a newcomer: what all tests share does not wait for the disk."""
    with servers(tmp_path_factory.mktemp("newcomer")) as found:
        yield found


async def said(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def left_in(folder: Path) -> list[int]:
    return processes_in(folder / "postgres", "postgres") + processes_in(folder / "valkey", "valkey-server")


def wait_until_gone(folder: Path, *, seconds_max: float = 10.0) -> None:
    deadline = time.monotonic() + seconds_max
    while left := left_in(folder):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
        ("max_connections", "200"),
    ],
)
async def test_the_database_is_durable_private_and_the_same_everywhere(
    running: Running, setting: str, value: str
) -> None:
    assert await said(running.database_url, f"SELECT current_setting('{setting}')") == value


async def test_neither_server_listens_on_the_network(running: Running) -> None:
    client = Redis.from_url(running.redis_url)
    assert (await client.config_get("port"))["port"] == "0"
    await client.aclose()
    held = {link for pid in running.pids() for link in links(pid)}
    listening = {line.split()[9] for name in ("tcp", "tcp6") for line in sockets(name) if line.split()[3] == "0A"}
    assert held, "no open file of the servers was seen"
    assert not {f"socket:[{inode}]" for inode in listening} & held


def links(pid: int) -> set[str]:
    return {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def sockets(name: str) -> list[str]:
    return Path(f"/proc/net/{name}").read_text().splitlines()[1:]


async def test_what_was_committed_is_there_after_a_restart_and_the_start_is_quick(tmp_path: Path) -> None:
    with servers(tmp_path / "t") as running:
        await said(running.database_url, "CREATE TABLE kept (word text)")
        await said(running.database_url, "INSERT INTO kept VALUES ('hola')")
    begun = time.monotonic()
    with servers(tmp_path / "t") as running:
        assert time.monotonic() - begun < START_WARM_SECONDS_MAX
        assert await said(running.database_url, "SELECT word FROM kept") == "hola"
    assert not left_in(tmp_path / "t")


async def test_the_addresses_stand_in_env_as_lines_a_shell_can_read(tmp_path: Path) -> None:
    with servers(tmp_path) as running:
        shell = ["/bin/sh", "-c", f'. {tmp_path}/env; printf "%s\\n%s\\n" "$TREGUA_DATABASE_URL" "$TREGUA_REDIS_URL"']
        lines = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()
        assert lines == [running.database_url, running.redis_url]
        assert running.redis_url == f"unix://{tmp_path}/valkey/valkey.sock"


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("a path longer than a socket's may be", "d" * 120),
        ("a path with a comma, which separates hosts in a database's URL", "a,b"),
        ("a path with a space and letters beyond ASCII", "la mía #1?"),
    ],
)
async def test_any_path_will_do(tmp_path: Path, claim: str, name: str) -> None:
    folder = tmp_path / name
    with servers(folder) as running:
        outside = Path((folder / place.RECORD).read_text())
        assert await said(running.database_url, "SELECT 1") == 1
        client = redis.asyncio.from_url(running.redis_url)
        assert await client.ping()
        await client.aclose()
        assert place.PLAIN.fullmatch(running.redis_url.removeprefix("unix://")), claim
    assert not outside.exists(), "the short way was left behind"
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "env",
        "postgres",
        "postgres.log",
        "valkey",
        "valkey.log",
    ]


async def test_killing_the_launcher_leaves_no_server_and_the_next_start_goes_on(tmp_path: Path, checkout: Path) -> None:
    folder = tmp_path / ("d" * 120)  # so that a place outside is left behind as well
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)], cwd=checkout, stdout=subprocess.PIPE, text=True
        ) as launcher:
            assert launcher.stdout is not None
            database_url, _ = launcher.stdout.readline().split()
            await said(database_url, "CREATE TABLE IF NOT EXISTS kept (n int)")
            await said(database_url, "INSERT INTO kept VALUES (1)")
            assert len(left_in(folder)) > 2
            launcher.send_signal(signal.SIGKILL)
            launcher.wait()
        wait_until_gone(folder)
        outside = Path((folder / place.RECORD).read_text())
        assert outside.exists()
    with servers(folder) as running:
        assert not outside.exists(), "what the killed run left was not cleared away"
        assert await said(running.database_url, "SELECT count(*) FROM kept") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="not run: missing Linux")
def test_what_make_starts_is_told_when_make_is_killed(tmp_path: Path, checkout: Path) -> None:
    """The line is the Makefile's own; only the program behind it is another, which tells that it was told."""
    written = (checkout / "Makefile").read_text()
    (line,) = [line for line in written.splitlines() if line.startswith("TETHERED :=")]
    here = line.replace(".venv/bin/python", sys.executable).replace("sandbox/", f"{checkout}/sandbox/")
    told = tmp_path / "told"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntrap 'echo told > {told}; exit' TERM\necho ready\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"{here}\nrun:\n\t@A=1 $(TETHERED) ./program\n")
    # Called by another make, make would say that it enters a folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    with subprocess.Popen(["make", "run"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "ready\n"
        make.send_signal(signal.SIGKILL)
        make.wait()
    deadline = time.monotonic() + 5
    while not told.exists():
        assert time.monotonic() < deadline, "the program went on"
        time.sleep(0.01)


async def test_a_process_number_that_was_given_away_does_not_stop_the_start(tmp_path: Path) -> None:
    with servers(tmp_path):
        pass
    # As after a restart of a container, where numbers are small and soon used again: this one is alive and not PostgreSQL.
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        left = tmp_path / "postgres" / name
        left.write_text(f"{os.getpid()}\n/proc/self/cwd\n1\n5432\n.\n\n 1 1\nready\n")
        left.chmod(0o600)
        os.chown(left, (tmp_path / "postgres").stat().st_uid, -1)
    (tmp_path / "valkey" / "valkey.sock").touch()
    with servers(tmp_path) as running:
        assert await said(running.database_url, "SELECT 1") == 1


async def test_a_making_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    begun = tmp_path / "postgres.new"
    begun.mkdir()
    (begun / "PG_VERSION").write_text("18\n")
    with servers(tmp_path) as running:
        assert await said(running.database_url, "SELECT current_database()") == "tregua"
    assert not begun.exists()


def test_two_launchers_never_share_a_folder(tmp_path: Path) -> None:
    with servers(tmp_path), pytest.raises(NotStarted, match="already run by another process"), servers(tmp_path):
        pytest.fail("a second launcher got the folder")


def test_servers_are_refused_to_a_thread_because_they_would_die_with_it(tmp_path: Path) -> None:
    seen: list[Exception] = []

    def run() -> None:
        try:
            with servers(tmp_path):
                pass
        except NotStarted as refused:
            seen.append(refused)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(seen[0])


def test_a_server_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    with servers(tmp_path) as running:
        assert running.ended() is None
        os.kill(processes_in(tmp_path / "valkey", "valkey-server")[0], signal.SIGKILL)
        deadline = time.monotonic() + 5
        while (told := running.ended()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert told.startswith("Valkey ended with -9")


def test_data_of_another_major_version_are_refused_and_kept(tmp_path: Path) -> None:
    with servers(tmp_path):
        pass
    version = tmp_path / "postgres" / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(NotStarted, match="made by PostgreSQL 9"), servers(tmp_path):
        pytest.fail("started on data of another version")
    assert version.exists()


def test_programs_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_BIN_DIR", str(tmp_path))
    with pytest.raises(NotStarted, match="POSTGRES_BIN_DIR"), servers(tmp_path / "t"):
        pytest.fail("started without programs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give anything up")
class TestAsRoot:
    def test_the_servers_run_as_somebody_else_and_nothing_that_was_there_changes(self, tmp_path: Path) -> None:
        above = tmp_path / "closed"
        above.mkdir(mode=0o700)
        folder = above / "checkout" / ".tregua"
        folder.parent.mkdir(mode=0o750)
        before = {path: path.stat() for path in (tmp_path, above, folder.parent)}
        with servers(folder) as running:
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in running.pids()}
            assert owners
            assert 0 not in owners
        for path, was in before.items():
            now = path.stat()
            assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)

    async def test_programs_that_the_account_cannot_reach_are_copied_and_the_copy_removed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sandbox.servers import binaries

        programs = binaries.find()
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o755)
        within = binaries.moved(programs, closed)
        closed.chmod(0o700)
        monkeypatch.setattr(binaries, "find", lambda: within)
        folder = tmp_path / "t"
        with servers(folder) as running:
            outside = Path((folder / place.RECORD).read_text())
            programs_run = {os.readlink(f"/proc/{pid}/exe") for pid in running.pids()}
            assert all(path.startswith(f"{outside}/") for path in programs_run)
            # Functions in a library and the time zones' files come out of the copy as well.
            assert await said(
                running.database_url, "SELECT timezone('America/Bogota', '2026-01-01Z'::timestamptz)::text"
            )
            await said(running.database_url, "CREATE EXTENSION pg_trgm")
        assert not outside.exists()
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_what_an_ordinary_user_began_stays_that_users(self, tmp_path: Path) -> None:
        folder = tmp_path / "t"
        with servers(folder):
            pass
        daemon = 1
        for root, folders, files in os.walk(folder / "postgres"):
            for name in (root, *(f"{root}/{entry}" for entry in (*folders, *files))):
                os.chown(name, daemon, daemon)
        for entry in (folder / "valkey").iterdir():
            entry.unlink()
        (folder / "valkey").rmdir()
        with servers(folder) as running:
            assert {Path(f"/proc/{pid}").stat().st_uid for pid in running.pids()} == {daemon}


async def test_those_that_are_not_to_last_flush_nothing_and_are_gone(tmp_path: Path) -> None:
    with servers(tmp_path, lasting=False, durable=False) as running:
        assert await said(running.database_url, "SHOW fsync") == "off"
        numbers = running.pids()
    log = (tmp_path / "postgres.log").read_text()
    assert "immediate shutdown" in log
    assert "shutdown checkpoint" not in log
    assert [number for number in numbers if Path(f"/proc/{number}").exists()] == []
