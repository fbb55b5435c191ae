"""One release of the gateway in a folder of its own, its API and its worker as processes of theirs.

The same few lines run against an old release and this one, so they use only what both have.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Run inside a release's own folder with its own packages; the order comes as the only argument.
PROGRAM = """
import asyncio, json, sys
from dataclasses import replace
from functools import partial

order = json.loads(sys.argv[1])
what = order["what"]

if order.get("flawed"):
    from contextlib import ExitStack
    from tests.campaigns.mutants import armed
    flaws = ExitStack()
    flaws.enter_context(armed())

def settings():
    from tests.gateway.town import settings_for
    found = settings_for(order["database_url"], order["redis_url"], order["port"], order["carrier_port"])
    return replace(found, public_url=order["public_url"], log_level="WARNING")

if what == "migrate":
    from storage.migrate import migrate
    applied = asyncio.run(migrate(order["database_url"], **order["more"]))
    print(json.dumps(applied))
elif what == "tenant":
    from gateway.compose import house
    try:
        from gateway.tenants.opening import create_key, create_tenant
    except ImportError:  # of one piece in releases before it became a room
        from gateway.tenants import create_key, create_tenant
    async def make():
        async with house(settings()) as made:
            await create_tenant(made.database, order["tenant"], "Test", order["policy"])
            return await create_key(made.database, order["tenant"], env="test", scopes=["admin"], label="test")
    print(json.dumps(asyncio.run(make())))
elif what == "serve":
    from gateway.processes import run, serve
    run(settings(), serve)
else:
    from gateway.processes import run, work
    from tests.gateway.zygote import PACE
    run(settings(), partial(work, pace=PACE))
"""

#: What ``PROGRAM`` takes from a release.
PARTS = "import gateway.processes, gateway.tenants, storage.migrate, tests.gateway.zygote"

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 90.0


def earlier(checkout: Path, steps: int, folder: Path) -> Path | None:
    """The release before the ``steps`` newest migrations came, in ``folder``; None where the clone does not reach so far back.

    A commit in the middle of a change may not run: then the one before the migration that came earlier is taken.
    """
    came = _git(checkout, "log", "--diff-filter=A", "--format=%H", "--", "storage/migrations").decode().split()
    for migration in came[steps - 1 :]:
        if not _git(checkout, "rev-parse", "--verify", "--quiet", f"{migration}^"):
            return None
        folder.mkdir()
        packed = _git(checkout, "archive", "--format=tar", f"{migration}^")
        subprocess.run(["tar", "x"], cwd=folder, input=packed, check=True)
        if not subprocess.run([sys.executable, "-c", PARTS], cwd=folder, capture_output=True).returncode:
            return folder
        shutil.rmtree(folder)
    return None


def reaches_back(checkout: Path) -> bool:
    """Whether this is a clone with its whole history: in one an older release must be found."""
    return _git(checkout, "rev-parse", "--is-shallow-repository").strip() == b"false"


def _git(checkout: Path, *words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=checkout, capture_output=True).stdout


@dataclass
class Release:
    """A folder with a release and what its processes are told."""

    folder: Path
    order: dict[str, Any] = field(repr=False)
    log: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def ask(self, what: str, **more: Any) -> Any:
        """Something that ends by itself; what it printed."""
        process = await self._start(what, more, asyncio.subprocess.PIPE)
        said, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
        assert process.returncode == 0, self.log.read_text()[-3000:]
        return json.loads(said)

    async def start(self, what: str, **more: Any) -> None:
        """A process that goes on until ``stop``."""
        self.processes.append(await self._start(what, more, asyncio.subprocess.DEVNULL))

    async def stop(self) -> None:
        """SIGTERM to all of them; each ends in good order."""
        assert all(process.returncode is None for process in self.processes), self.log.read_text()[-3000:]
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            code = await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
            assert code == 0, (code, self.log.read_text()[-3000:])
        self.processes.clear()

    def kill(self) -> None:
        """Whatever is left of it."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()

    async def _start(self, what: str, more: dict[str, Any], out: int) -> asyncio.subprocess.Process:
        order = json.dumps({**self.order, **more, "what": what})
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, order, cwd=self.folder, stdout=out, stderr=log
            )


class Front:
    """What stands before the gateways: each connection goes to the next of those that are in."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turn = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One caller."""
        for _ in range(len(self.ports)):
            self._turn += 1
            try:
                theirs, to_server = await asyncio.open_connection("127.0.0.1", self.ports[self._turn % len(self.ports)])
                break
            except OSError:
                continue
        else:
            writer.transport.abort()
            return
        ways = {asyncio.create_task(_hand_on(reader, to_server)), asyncio.create_task(_hand_on(theirs, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            to_server.transport.abort()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while said := await reader.read(65_536):
        writer.write(said)
        await writer.drain()
