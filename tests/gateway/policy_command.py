"""``tregua policy`` as a process of its own, with the settings of a town."""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.town import Town

ROOT = Path(__file__).parents[2]
_CODE = "import sys; sys.path.insert(0, {root!r}); from gateway.cli.{group} import app; app(prog_name='tregua {group}')"


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    code: int
    out: str
    err: str


async def tregua(town: Town, *arguments: object, group: str = "policy") -> Ended:
    """Run one command of a group beside the town's API, in a folder that has nothing but settings."""
    settings = town.house.settings
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tregua.toml").write_text('[sandbox]\nurl = "http://127.0.0.1:1"\n')
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _CODE.format(root=str(ROOT), group=group),
            *map(str, arguments),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "TREGUA_DATABASE_URL": settings.database_url,
                "TREGUA_REDIS_URL": settings.redis_url,
                "TREGUA_PUBLIC_URL": settings.public_url,
                "TREGUA_SECRET_KEY": settings.secret_key,
            },
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
