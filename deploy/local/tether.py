"""Ties a process to the life of the one that starts it, then becomes the command.

``python tether.py PARENT_PID COMMAND...``: when the parent dies, by whatever signal, the kernel
kills the command. A small program of its own and not a ``preexec_fn``: Python code between fork
and exec is unsafe where threads (gRPC's) run.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns: execs, or exits with 127 and the reason on standard error."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # SIGKILL, because nothing would be left to kill a process that takes its time; what the
        # services have acknowledged is durable.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the line above
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
