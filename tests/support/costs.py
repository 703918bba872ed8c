"""`python -m tests.support.costs SEED SIZE`: ingest hostile files, and print what each of them costs.

One JSON object a line: the file's name and size, the status and the code with which its job ended, CPU
seconds, and the peak memory of the process in MiB (Linux). An ordinary file comes first, to compare with.
Rows are encoded as Postgres gets them, and dropped.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.processes import peak_mib
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Status
from chalicelib.memory import return_large_allocations
from tests.support.hostile_files import HostileFile, hostile_files
from tests.support.peak import ingest_and_drop

ORDINARY = "ordinary"


def ordinary(size: int) -> HostileFile:
    """Return a file as people have them."""
    line = "{0},name {0},name{0}@example.org,2025-01-{1:02},{0}.50\n"
    lines = [line.format(number, number % 28 + 1) for number in range(size // 50)]
    return HostileFile(ORDINARY, "csv", ("id,name,email,day,amount\n" + "".join(lines)).encode())


def cost(file: HostileFile) -> dict[str, object]:
    """Ingest a file, and return what that costs."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak is what is resident now
    start = time.process_time()
    code = None
    try:
        status = ingest_and_drop(f"file.{file.extension}", file.data)
    except JobFailed as failure:
        status, code = Status.FAILED, failure.code
    seconds = time.process_time() - start
    return {
        "name": file.name,
        "size": len(file.data),
        "status": status.value,
        "code": code,
        "cpu": seconds,
        "peak": peak_mib("self"),
    }


def costs(seed: int, size: int) -> Iterator[dict[str, object]]:
    """Yield the costs of the ordinary file, and of the hostile ones."""
    return_large_allocations()
    cost(ordinary(1000))  # imports, and what is made once
    yield cost(ordinary(size))
    yield from map(cost, hostile_files(seed, size))


if __name__ == "__main__":
    for told in costs(int(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(told), flush=True)  # noqa: T201 - it is a command
