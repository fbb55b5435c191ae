"""Becomes a server that dies with whoever asked for it: gives root up, ties the knot, then executes the program.

Run as a script by ``launch.py``, isolated and with the standard library only, because it must start in a few milliseconds:
``tether.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM ARGUMENT...``
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)
PARENT_GONE_EXIT = 70


def main() -> None:
    """Never returns: either this process is the server now, or it has ended."""
    parent_pid, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    program = sys.argv[5:]
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
