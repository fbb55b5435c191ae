"""Starts what is measured and what measures it, tied to the life of the bench, and speaks with it by lines of JSON."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sandbox.servers.launch import TETHER, log_tail

CHECKOUT: Final = Path(__file__).resolve().parent.parent
END_SECONDS_MAX: Final = 30.0
LINE_BYTES_MAX: Final = 64 * 1024 * 1024


class Fell(Exception):
    """A process of the bench ended by itself; the text holds its last words."""


class Process:
    """One started process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def must_run(self) -> None:
        """Raises Fell when it has ended."""
        if self._process.returncode is not None:
            raise Fell(f"{self.name} ended with {self._process.returncode}:\n{log_tail(self._log)}")

    async def say(self, order: dict[str, Any]) -> None:
        """Write one line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> Any:
        """The next line from it. Raises Fell."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            self.must_run()
        return json.loads(line)

    async def ask(self, order: dict[str, Any]) -> Any:
        """Write a line and read the answer."""
        await self.say(order)
        return await self.hear()

    async def end(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), END_SECONDS_MAX)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


@asynccontextmanager
async def started(name: str, folder: Path, module: str, *words: str) -> AsyncIterator[Process]:
    """``python -m module words`` until the block ends; what it says to standard error goes to a log in ``folder``."""
    log = folder / f"{name}.log"
    # Nobody's settings leak in: what is measured is told everything by its file.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TREGUA_")}
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(signal.SIGTERM)), "-",
            sys.executable, "-m", module, *words,
            cwd=CHECKOUT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
        )  # fmt: skip
    made = Process(name, process, log)
    try:
        yield made
    finally:
        await made.end()
