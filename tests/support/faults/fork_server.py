"""Starts workers by forking, from a process that has everything imported: milliseconds each, not a second.

Otherwise they are what `python dying_worker.py` is: processes of their own that build everything themselves.
Orders come as JSON lines, each answered by one: ``{"start": environment, "log": path}`` by a process id,
``{"poll": pid}`` by its exit status as `subprocess` gives it, null while it runs.
"""

import json
import os
import sys
from typing import Any

import boto3

import chalicelib.backends.redis_streams  # noqa: F401 - so that children need not import it
from tests.support.faults import dying_worker


def main() -> None:
    for service in ("s3", "sqs"):
        boto3.client(service)  # reads botocore's descriptions of them
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        if "start" in order:
            answer: Any = _start(order["start"], order["log"])
        else:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _start(env: dict[str, str], log: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, target in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
            os.dup2(target, number)
        os.environ.clear()
        os.environ.update(env)
        status = dying_worker.main()
        sys.stdout.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
