"""A command of ``tregua`` as a process of its own, with the settings of a town or with others."""

import asyncio
import importlib
import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.town import Town

#: Commands are forked from one process that has read everything that they need: a start costs what is the command's own.
_STARTED = multiprocessing.get_context("forkserver")
_STARTED.set_forkserver_preload(["gateway.compose", "gateway.cli.main", __name__])
SECONDS_MAX = 120


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    code: int
    out: str
    err: str


async def tregua(town: Town, *arguments: object, group: str = "policy") -> Ended:
    """Run one command of a group beside the town's API, in a folder that has nothing but settings."""
    settings = town.house.settings
    environment = {
        "TREGUA_DATABASE_URL": settings.database_url,
        "TREGUA_REDIS_URL": settings.redis_url,
        "TREGUA_PUBLIC_URL": settings.public_url,
        "TREGUA_SECRET_KEY": settings.secret_key,
    }
    return await command(group, *arguments, environment=environment, file='[sandbox]\nurl = "http://127.0.0.1:1"\n')


async def command(group: str, *arguments: object, environment: dict[str, str], file: str = "") -> Ended:
    """Run one command until it ends, with nothing of ours in its environment but this, and this ``tregua.toml``."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1", **environment}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tregua.toml").write_text(file)
        process = _STARTED.Process(target=_command, args=(group, list(map(str, arguments)), environment, folder))
        process.start()
        await asyncio.to_thread(process.join, SECONDS_MAX)
        code = process.exitcode
        if code is None:
            process.kill()
        assert code is not None, f"tregua {group} did not end"
        process.close()
        return Ended(code, *((Path(folder) / name).read_text() for name in ("out", "err")))


def _command(group: str, arguments: list[str], environment: dict[str, str], folder: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for name, number in (("out", 1), ("err", 2)):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - they live as long as the process
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    importlib.import_module(f"gateway.cli.{group}").app(arguments, prog_name=f"tregua {group}")
