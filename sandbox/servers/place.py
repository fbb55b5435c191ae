"""A place outside the folder, for what cannot be inside: programs that the account can execute, and a short way to the sockets."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.servers import binaries
from sandbox.servers.binaries import Programs
from sandbox.servers.launch import Account, NotStarted, remove

SOCKET_PATH_BYTES_MAX: Final = 107  # unix(7): sun_path holds 108, one of them the closing zero
PREFIX: Final = "tregua-"
RECORD: Final = "place"
SHORT_WAY: Final = "at"

#: What stands in a URL as it is, so that every client reads the same path out of it.
PLAIN: Final = re.compile(r"[A-Za-z0-9/._~-]+")


@dataclass(frozen=True, slots=True)
class Reach:
    """The programs where the account can execute them, and the folder by a path that clients can connect under."""

    programs: Programs
    folder: Path


@contextmanager
def reach(folder: Path, sockets: tuple[str, ...], account: Account) -> Iterator[Reach]:
    """Programs and sockets within reach, with a private place in the system's temporary folder only where one is needed.

    The place is removed at the end; one that a killed run left is removed at the next start, by the name that
    ``folder/place`` keeps.
    """
    _remove_recorded(folder)
    programs = binaries.find()
    must_move = binaries.must_move(programs, account)
    if not must_move and _connectable(folder, sockets):
        yield Reach(programs, folder)
        return
    place, programs = _new_place(folder, sockets, programs, account, must_move=must_move)
    try:
        yield Reach(programs, folder if _connectable(folder, sockets) else place / SHORT_WAY)
    finally:
        _remove_recorded(folder)


def _connectable(folder: Path, sockets: tuple[str, ...]) -> bool:
    paths = [folder / name for name in sockets]
    return all(len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX and PLAIN.fullmatch(str(path)) for path in paths)


def _new_place(
    folder: Path, sockets: tuple[str, ...], programs: Programs, account: Account, *, must_move: bool
) -> tuple[Path, Programs]:
    tried = []
    for parent in dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))):  # noqa: S108 - private folders in them
        try:
            place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as refused:
            tried.append(f"{parent}: {refused.strerror}")
            continue
        folder.joinpath(RECORD).write_text(str(place))
        place.joinpath(SHORT_WAY).symlink_to(folder)
        if not _connectable(place / SHORT_WAY, sockets):
            tried.append(f"{parent}: too long for a socket")
        elif not must_move:
            return place, programs
        else:
            place.chmod(0o711)  # the account passes through; nobody looks around
            copies = binaries.moved(programs, place)
            if not binaries.must_move(copies, account):
                return place, copies
            tried.append(f"{parent}: programs cannot be executed there")
        _remove_recorded(folder)
    raise NotStarted(f"no place for the servers' programs and sockets ({'; '.join(tried)}); set TMPDIR to one")


def _remove_recorded(folder: Path) -> None:
    record = folder / RECORD
    try:
        place = Path(record.read_text())
    except FileNotFoundError:
        return
    # Only ever what we made ourselves: the name alone is not enough, for the folder may have been copied from elsewhere.
    if (
        place.name.startswith(PREFIX)
        and place.is_dir()
        and not place.is_symlink()
        and place.stat().st_uid == os.geteuid()
    ):
        way = place / SHORT_WAY
        if way.is_symlink() and os.readlink(way) == str(folder):
            remove(place)
    record.unlink()
