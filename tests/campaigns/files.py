"""What a process holds open, by kind: whoever grows says what of."""

import os
import socket
import stat
from collections import Counter


def held() -> Counter[str]:
    """This process' open files: of connections how many ends of each kind, by the server's place; of others their number."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            mode = os.fstat(int(name)).st_mode
            found[_end(int(name)) if stat.S_ISSOCK(mode) else "no connection"] += 1
        except OSError:  # closed meanwhile
            continue
    return found


def _end(number: int) -> str:
    with socket.socket(fileno=os.dup(number)) as one:
        mine = one.getsockname()
        try:
            theirs = one.getpeername()
        except OSError:
            return "listening"
        if one.family == socket.AF_UNIX:
            return f"from {_last(mine)}" if mine else f"to {_last(theirs)}"
        return "TCP"


def _last(place: str | bytes) -> str:
    return os.path.basename(os.fsdecode(place)) or "a pair"
