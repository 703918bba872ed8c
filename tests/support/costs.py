"""`python -m tests.support.costs hostile SEED SIZE`, or `kinds`: ingest files, and print what each costs.

One JSON object a line. Rows and rejects are encoded as Postgres gets them, and dropped.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bench.processes import peak_mib
from chalicelib import settings
from chalicelib.backends.postgres.copy_format import EncodedRows
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.errors import JobFailed, TooManyRejects
from chalicelib.core.jobs import Instructions, Job, Upload
from chalicelib.core.memory_budget import MemoryBudget
from chalicelib.core.model import Status, Tally
from chalicelib.memory import return_large_allocations
from chalicelib.reading.compression import DecompressionLimits
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.hostile_files import HostileFile, hostile_files
from tests.support.jobs import new_job
from tests.support.kinds import KINDS, people
from tests.support.workers import ingest, new_ingester

LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as the image sets it
ORDINARY = "ordinary"
BUDGET = settings.load({}).memory_budget / (1 << 20)  # MiB


@dataclass(frozen=True)
class Cost:
    """What a file cost the process. Sizes in bytes, ``cpu`` in seconds, ``peak`` in MiB (Linux)."""

    name: str
    size: int
    status: str
    code: str | None
    cpu: float
    peak: float
    given: int  # to the database, as rows and rejects


@dataclass
class Drops(MemoryJobs):
    """A ledger that forgets rows and rejects, and counts their bytes."""

    given: int = field(default=0)

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """Encode the rows and drop them."""
        self.given += sum(map(len, EncodedRows(job, block.rows)))
        self.given += sum(len(it.message) + len(it.raw) for it in block.rejects)
        rows, repeats = block.rows.slice(0, 0), block.records
        return super().write(job, replace(block, rows=rows, repeats=repeats, rejects=()))


def cost(file: HostileFile, labels: Mapping[str, str] | None = None) -> Cost:
    """Ingest a file as a worker does by default, and return what that costs."""
    jobs, chosen = Drops(), settings.load({})
    job = jobs.put(
        new_job(
            status=Status.PROCESSING,
            block_size=chosen.block_size,
            filename=f"file.{file.extension}",
            upload=Upload("bucket", f"uploads/default/x/file.{file.extension}"),
            instructions=Instructions(metadata=labels),
        )
    )
    ingester = new_ingester(
        jobs,
        MemoryStore(file.data),
        text=DecompressionLimits(
            size=chosen.max_text_size, ratio=chosen.max_ratio, seconds=chosen.max_decompression_seconds
        ),
        max_upload=chosen.max_upload_size,
        max_record=chosen.max_record_size,
        read_size=min(chosen.read_size, MemoryBudget(chosen.memory_budget).read_size),
        memory=MemoryBudget(chosen.memory_budget),
    )
    code = None
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak is what is resident now
    start = time.process_time()
    with open(os.devnull, "w") as metrics, contextlib.redirect_stdout(metrics):  # noqa: PTH123
        try:
            ingest(job, ingester, lambda: True)
        except JobFailed as failure:
            code = failure.code
        except TooManyRejects:
            code = "too-many-rejects"
    cpu = time.process_time() - start
    ended = jobs.jobs[job.id]
    if ended.outcome.error:
        code = ended.outcome.error.code
    status = Status.FAILED if code else ended.status
    return Cost(file.name, len(file.data), status.value, code, cpu, peak_mib("self"), jobs.given)


def of_hostile_files(seed: int, size: int) -> Iterator[Cost]:
    """Yield the costs of the ordinary file, and of the hostile ones."""
    yield cost(HostileFile(ORDINARY, "csv", people(size)))
    yield from map(cost, hostile_files(seed, size))


def of_kinds() -> Iterator[Cost]:
    """Yield what each kind costs, in a quarter of the small size and in that."""
    for kind in KINDS:
        for size in (kind.small // 4, kind.small):
            yield cost(HostileFile(kind.name, kind.extension, kind.make(size)), kind.labels)


def told(*arguments: object) -> list[Cost]:
    """Return what this command tells, in a fresh process."""
    command = [sys.executable, "-m", "tests.support.costs", *map(str, arguments)]
    environment = os.environ | LARGE_PAGES
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [Cost(**json.loads(line)) for line in output.splitlines() if line.startswith('{"name"')]


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    return_large_allocations()
    cost(HostileFile(ORDINARY, "csv", people(1000)))  # imports, and what is made once
    costs = of_kinds() if arguments == ["kinds"] else of_hostile_files(*map(int, arguments[1:]))
    for it in costs:
        print(json.dumps(asdict(it)), flush=True)  # noqa: T201 - it is a command


if __name__ == "__main__":
    main(sys.argv[1:])
