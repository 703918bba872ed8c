"""Send files that are made to cost much, and see what each costs: `docs/reference/costs.md`."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import boto3

from bench.access import REACH, register
from bench.figures import Measurement, Table
from bench.processes import cpu_seconds, peak_mib
from bench.stack import QUEUES, TIMEOUT, WORKER, Stack, bucket, checkpoint, database, stored_bytes, worker
from chalicelib import settings
from chalicelib.core.errors import NotPossible
from chalicelib.core.jobs import Instructions, Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.uploads import UploadRequest
from chalicelib.wiring import Services
from tests.support.kinds import KINDS, Kind, people, size_text

_WARM = people(5000)
_MOST_TEXT = 64 << 20  # bytes: what comes out of a small bomb
_MEASURED = """\
The benchmark sends each file twice to a worker with the default settings, with a fresh database and a
queue in Redis. *Peak* is the peak memory of the worker's process. *CPU* is the CPU time of that process,
and *times* its ratio to the time for as many bytes of the first line. For a bomb, the bytes of its
content count, up to 64 MiB. *Postgres* is the growth of tables and indexes for each byte that was sent.
*Code* is the error of a FAILED job. The benchmark cancels the second job halfway: *cancel* is the time
until the answer, and *free* the time from then on until the worker had loaded another file. Both are
empty if the job had ended before."""


@dataclass(frozen=True)
class Cost:
    """What a file cost. Sizes in bytes, times in seconds."""

    kind: Kind
    sent: int
    content: int  # that was made of: more than was sent if it is a bomb
    code: str | None
    peak_mib: float
    cpu: float
    seconds: float
    stored: int
    cancel: float | None  # until cancel was answered; None: the job had ended before
    freed: float | None  # from then on until the worker had loaded another file


@dataclass
class Client:
    """Uploads files to a worker of its own, and watches it."""

    services: Services
    url: str
    pid: int

    def send(self, kind: Kind, data: bytes) -> UUID:
        """Upload a file and enqueue its job."""
        instructions = Instructions(metadata=kind.labels or None, force=True)
        request = UploadRequest(f"file.{kind.extension}", instructions=instructions)
        job = register(self.services, request)
        boto3.client("s3").put_object(Bucket=job.upload.bucket, Key=job.upload.key, Body=data)
        self.services.sender.send(job.id)
        return job.id

    def job(self, job_id: UUID) -> Job:
        """Return the job."""
        job = self.services.jobs.get(job_id)
        if job is None:
            raise RuntimeError(f"there is no job {job_id}")
        return job

    def ended(self, job_id: UUID) -> Job:
        """Return the job when it has ended. Raises RuntimeError after an hour."""
        deadline = time.monotonic() + TIMEOUT
        while not (job := self.job(job_id)).status.is_terminal:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the job does not end: {job}")
            time.sleep(0.1)
        return job

    def canceled(self, job_id: UUID, after: float) -> float | None:
        """Cancel the job some seconds after it was claimed; return how long the answer took."""
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if job.status.is_terminal:
                return None
            if job.times.started_at is None:
                deadline = time.monotonic() + after
            time.sleep(0.05)
        start = time.monotonic()
        try:
            self.services.of(REACH).job_actions.act(job_id, Action.CANCEL)
        except NotPossible:  # it has just ended
            return None
        return time.monotonic() - start


def cost(stack: Stack, kind: Kind, size: int) -> Cost:
    """Send a file twice, and cancel the second job in the middle of what the first one took."""
    data = kind.make(size)
    with client(stack) as it:
        it.ended(it.send(KINDS[0], _WARM))
        stored, cpu = stored_bytes(it.url), cpu_seconds(it.pid)
        job = it.ended(it.send(kind, data))
        peak, cpu, stored = peak_mib(it.pid), cpu_seconds(it.pid) - cpu, stored_bytes(it.url) - stored
        if job.times.started_at is None or job.times.completed_at is None:
            raise RuntimeError(f"an ended job without times: {job}")
        seconds = (job.times.completed_at - job.times.started_at).total_seconds()
        again = it.send(kind, data)
        answered = it.canceled(again, seconds / 2)
        start = time.monotonic()
        it.ended(it.send(KINDS[0], _WARM + b"1,,,,\n"))
        freed = None if answered is None else time.monotonic() - start
        peak = max(peak, peak_mib(it.pid))
    code = job.outcome.error.code if job.outcome.error else None
    return Cost(kind, len(data), size, code, peak, cpu, seconds, stored, answered, freed)


def measure(stack: Stack, _rounds: int, _rows: int) -> Measurement:
    """Send each file of `tests/support/kinds.py` once: memory and Postgres vary less than rates do."""
    costs: list[Cost] = []
    for kind in KINDS:
        for size in kind.sizes:
            costs.append(cost(stack, kind, size))
            print(f"  {_name(costs[-1])}: {costs[-1].peak_mib:.0f} MiB, {costs[-1].cpu:.2f} s", flush=True)
    usual = costs[0].cpu / costs[0].sent
    heads = ["input", "sent", "before", "peak, MiB", "CPU, s", "times", "time, s", "Postgres", "code"]
    heads += ["cancel, s", "free, s"]
    measured = Table("Measured", _MEASURED, heads, [_measured(it, usual) for it in costs])
    figures = {
        f"{_name(it)}: {figure}": [value]
        for it in costs
        for figure, value in {"MiB": it.peak_mib, "CPU": it.cpu, "seconds": it.seconds}.items()
    }
    return Measurement([measured], figures)


def _name(cost: Cost) -> str:
    """Return what a line is about."""
    return f"{cost.kind.name}, {size_text(cost.sent)}"


def _measured(cost: Cost, usual: float) -> list[str]:
    times = cost.cpu / (usual * max(cost.sent, min(cost.content, _MOST_TEXT)))
    canceled = [f"{it:.1f}" if it is not None else "" for it in (cost.cancel, cost.freed)]
    return [
        cost.kind.name,
        size_text(cost.sent),
        cost.kind.before.get(cost.content, ""),
        f"{cost.peak_mib:.0f}",
        f"{cost.cpu:.1f}",
        f"{times:.1f}",
        f"{cost.seconds:.1f}",
        f"{cost.stored / cost.sent:.1f}",
        f"`{cost.code}`" if cost.code else "",
        *canceled,
    ]


@contextmanager
def client(stack: Stack) -> Iterator[Client]:
    """Yield a client with a fresh database, bucket and queue, and a worker."""
    with ExitStack() as exits:
        url = exits.enter_context(database(stack))
        own = {
            **os.environ,
            **stack.env,
            **exits.enter_context(QUEUES["redis"](stack)),
            "DATABASE_URL": url,
            "SLUICE_BUCKET": exits.enter_context(bucket()),
            "SLUICE_QUEUE_BACKEND": "redis",
        }
        services = Services(settings.load(own))
        exits.callback(services.close)
        health = Path(exits.enter_context(TemporaryDirectory(dir=stack.folder))) / "health"
        process = exits.enter_context(worker(WORKER, own, health, stack.folder))
        checkpoint(stack)
        yield Client(services, url, process.pid)
