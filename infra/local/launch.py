"""Become a service: a process of its own that outlives whoever started it, with its record on disk.

Run by path with `python -I` (standard library only; nothing of the checkout is importable then):

    launch.py RECORD LOG FINGERPRINT COMMAND [ARGUMENT...]

The record is written by the very process that becomes the service, before it does. So there is no
moment at which the service runs and nobody knows, even if the starter is killed half-way. Exit
status 0: the service's program has begun. Else the reason is on stderr and nothing runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROC = Path("/proc")


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None if it is not alive.

    A zombie is not alive: it holds no port and writes no file any more. Not so one whose threads
    still run: it is about to end.
    """
    if not (PROC / "self" / "stat").exists():
        return _identity_by_ps(pid)
    try:
        # The process's name, which may hold anything, is in brackets; the state comes next, then
        # the parent; the number of threads is the 18th after the brackets, the start time the 20th.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if ended else f"{boot}:{fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    columns = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    state, _, started = subprocess.run(columns, capture_output=True, text=True, check=False).stdout.partition(
        " "
    )
    return None if not started or state.startswith("Z") else started.strip()


def write_record(record: Path, fingerprint: str) -> None:
    """Say in `record` who this process is, all or nothing."""
    content = {"pid": os.getpid(), "identity": identity(os.getpid()), "fingerprint": fingerprint}
    half = record.with_suffix(f".{os.getpid()}")
    half.write_text(json.dumps(content))
    half.replace(record)


def become(record: Path, log: Path, fingerprint: str, command: list[str], trouble: int) -> None:
    """Turn this process into the service; returns never. Failures go into the pipe `trouble`."""
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        write_record(record, fingerprint)
        os.execvp(command[0], command)  # noqa: S606 - closes `trouble`: that is the sign of success
    except OSError as error:
        record.unlink(missing_ok=True)
        os.write(trouble, str(error).encode())
    finally:
        os._exit(1)


def main(argv: list[str]) -> int:
    """Start the service and wait until its program has begun."""
    record, log, fingerprint, *command = argv
    hear, tell = os.pipe()
    if os.fork() == 0:
        os.close(hear)
        become(Path(record), Path(log), fingerprint, command, tell)
    os.close(tell)
    with os.fdopen(hear) as pipe:
        reason = pipe.read()
    if reason:
        sys.stderr.write(f"{reason}\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
