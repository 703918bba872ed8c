"""`python -m tests.support.peak SHAPE`: ingest a file of that shape; print the process's peak memory in MiB.

Rows are encoded as Postgres gets them, and dropped.
"""

import contextlib
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace

from bench.processes import peak_mib
from chalicelib.backends.postgres.copy_format import EncodedRows
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import Job, Upload
from chalicelib.core.model import Status, Tally
from chalicelib.memory import return_large_allocations
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.jobs import new_job
from tests.support.workers import ingest, new_ingester

LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as the image sets it
SIZE = 5 << 20  # bytes: more than a block


def columns(count: int) -> bytes:
    """Return a CSV file of so many columns of single digits."""
    line = ",".join("1234567890"[number % 10] for number in range(count)) + "\n"
    head = ",".join(f"c{number}" for number in range(count)) + "\n"
    return (head + line * (SIZE // len(line))).encode()


def distinct() -> bytes:
    """Return a CSV file of short records, all of them different."""
    characters = [chr(code) for code in range(0x30, 0x7F)]
    source = random.Random(1)
    words = [one + two + three for one in characters for two in characters for three in characters]
    source.shuffle(words)
    return ("a\n" + "\n".join(words) + "\n").encode()


SHAPES: dict[str, Callable[[], bytes]] = {
    "columns-60.csv": lambda: columns(60),
    "columns-2600.csv": lambda: columns(2600),
    "digits.csv": lambda: b"a\n" + b"1\n" * (SIZE // 2),
    "distinct.csv": distinct,
    "cells.csv": lambda: b"a,b,c,d,e,f,g,h\n" + b"1,,,,,,,\n" * (SIZE // 9),
    "endings.csv": lambda: b"a,b\n" + b"1,2\n3,4\r\n" * (SIZE // 9),
    "quotes.csv": lambda: b"a,b\n" + b"x,y\n" * 50 + b'"x" y,z\n1,2\n' * (SIZE // 12),
    "objects.json": lambda: b"[" + b"{}," * (SIZE // 3) + b"{}]",
    "objects.ndjson": lambda: b"{}\n" * (SIZE // 3),
}


class Drops(MemoryJobs):
    """A ledger that forgets rows and rejects."""

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """Encode the rows and drop them."""
        for piece in EncodedRows(job, block.rows):
            assert piece
        assert sum(1 for _ in block.rejects) == len(block.rejects)
        rows, repeats = block.rows.slice(0, 0), block.records
        return super().write(job, replace(block, rows=rows, repeats=repeats, rejects=()))


def ingest_and_drop(filename: str, data: bytes) -> Status:
    """Ingest a file as a worker does by default; return the status of its job. Raises JobFailed."""
    jobs = Drops()
    upload = Upload("bucket", f"uploads/default/x/{filename}")
    job = jobs.put(new_job(status=Status.PROCESSING, block_size=4 << 20, filename=filename, upload=upload))
    sizes = {"max_upload": 1 << 30, "max_record": 1 << 20, "read_size": 8 << 20}
    with open(os.devnull, "w") as metrics, contextlib.redirect_stdout(metrics):  # noqa: PTH123
        ingest(job, new_ingester(jobs, MemoryStore(data), **sizes), lambda: True)
    return jobs.jobs[job.id].status


def peak(shape: str) -> float:
    """Ingest a file of the shape; return the peak memory of this process so far, in MiB."""
    return_large_allocations()
    assert ingest_and_drop(shape, SHAPES[shape]()) is Status.COMPLETED
    return peak_mib("self")


if __name__ == "__main__":
    sys.stdout.write(f"{peak(sys.argv[1])}\n")
