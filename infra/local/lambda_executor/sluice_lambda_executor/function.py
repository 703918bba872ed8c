"""The program of an execution environment: it becomes `awslambdaric`.

    function.py PARENT_PID HANDLER

The process dies with LocalStack, however LocalStack ends. On Linux the kernel kills it; elsewhere
`awslambdaric` ends when it next asks LocalStack for an invocation.
"""

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Arrange to be killed when the parent ends, and exit if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent has ended")


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    # As on AWS, the function's folder is the first entry of the path. This file's folder is not on it.
    sys.path.insert(0, str(Path.cwd()))
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
