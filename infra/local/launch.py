"""Become a service: a process that outlives its starter and has a record on disk.

Run by path with `python -I`, so only the standard library is importable:

    launch.py RECORD LOG FINGERPRINT COMMAND [ARGUMENT...]

The process that becomes the service writes the record before it does. So a running service always has a
record, even if the starter is killed half-way. Exit status 0: the service's program has begun. Otherwise the
reason is on stderr and nothing runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROC = Path("/proc")


def identity(pid: int) -> str | None:
    """Return an identifier that distinguishes the process from a later one with the same number.

    Return None if the process is not alive. A zombie is not alive, as it holds no port and writes no file. A
    zombie whose threads still run is alive.
    """
    if not (PROC / "self" / "stat").exists():
        return _identity_by_ps(pid)
    try:
        # The name is in brackets and may hold any character. Of the fields after it, the state is the first,
        # the number of threads the 18th, the start time the 20th (proc(5)).
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
    """Write this process's number, identity and fingerprint to `record`, atomically."""
    content = {"pid": os.getpid(), "identity": identity(os.getpid()), "fingerprint": fingerprint}
    half = record.with_suffix(f".{os.getpid()}")
    half.write_text(json.dumps(content))
    half.replace(record)


def become(record: Path, log: Path, fingerprint: str, command: list[str], errors: int) -> None:
    """Turn this process into the service and never return. Write a failure to the pipe `errors`."""
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        write_record(record, fingerprint)
        os.execvp(command[0], command)  # noqa: S606 - closes `errors`, which signals success
    except OSError as error:
        record.unlink(missing_ok=True)
        os.write(errors, str(error).encode())
    finally:
        os._exit(1)


def main(argv: list[str]) -> int:
    """Start the service, wait until its program has begun, and return the exit status."""
    record, log, fingerprint, *command = argv
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        become(Path(record), Path(log), fingerprint, command, writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        reason = pipe.read()
    if reason:
        sys.stderr.write(f"{reason}\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
