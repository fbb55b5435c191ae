"""Becomes a program that dies with whoever asked for it: gives root up, ties the knot, then executes the program.

Run as a script by ``launch.py`` for the servers, and by make for what it starts, because whoever kills make means that too.
Isolated and with the standard library only, so that it starts in a few milliseconds:
``tether.py PARENT_PID DEATH_SIGNAL UID:GID PROGRAM ARGUMENT...``, with ``-`` for an account that stays as it is.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)
PARENT_GONE_EXIT = 70
KEPT = "-"


def main() -> None:
    """Never returns: either this process is the server now, or it has ended."""
    parent_pid, death_signal = int(sys.argv[1]), int(sys.argv[2])
    account, program = sys.argv[3], sys.argv[4:]
    if account != KEPT:
        uid, gid = (int(word) for word in account.split(":"))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.umask(0o077)
    # Python ignores these two, and what is ignored stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if sys.platform.startswith("linux"):
        # After the change of user, which would clear it again.
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent_pid:  # it died before the knot was tied: no signal will come
            os._exit(PARENT_GONE_EXIT)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted here


if __name__ == "__main__":
    main()
