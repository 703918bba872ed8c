"""A fresh database, queue and object for each measurement, on the running stack."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import boto3

from chalicelib import settings
from chalicelib.backends.postgres.migrate import migrate
from chalicelib.flow.requests import UploadRequest
from chalicelib.flow.uploads import request_upload
from chalicelib.model import Job, Status
from chalicelib.wiring import Services
from infra.local import scratch

CHECKOUT = Path(__file__).parents[1]
PATIENCE = 3600.0  # seconds


@dataclass(frozen=True)
class Run:
    """One file through one worker."""

    rows: int
    seconds: float  # from the worker's taking the job to its completion
    peak_mib: float  # the worker process's peak resident memory


@contextmanager
def database(env: Mapping[str, str]) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    with scratch.database(env["DATABASE_URL"]) as url:
        migrate(url)
        yield url


def ingest(env: Mapping[str, str], url: str, path: Path, log: Path) -> Run:
    """Sends the file through S3 and the queue to a worker of its own. Raises RuntimeError if it fails."""
    queue = boto3.client("sqs").create_queue(QueueName=f"bench-{uuid4().hex}")["QueueUrl"]
    own = {**os.environ, **env, "DATABASE_URL": url, "SLUICE_QUEUE_BACKEND": "sqs", "SLUICE_QUEUE_URL": queue}
    services = Services(settings.load(own))
    try:
        job_id = _upload(services, path)
        with log.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "chalicelib.worker"],
                cwd=CHECKOUT,
                env=own,
                stdout=output,
                stderr=output,
            )
        try:
            job = _finished(services, job_id, worker)
            peak = _peak_mib(worker.pid)
        finally:
            worker.terminate()
            worker.wait()
        boto3.client("s3").delete_object(Bucket=job.bucket, Key=job.key)
    finally:
        services.close()
    if job.started_at is None or job.completed_at is None:
        raise RuntimeError(f"a finished job without times: {job}")
    return Run(job.tally.records, (job.completed_at - job.started_at).total_seconds(), peak)


def _upload(services: Services, path: Path) -> UUID:
    job = request_upload(UploadRequest(path.name), services.uploading).job
    boto3.client("s3").upload_file(str(path), job.bucket, job.key)
    services.sender.send(job.id)
    return job.id


def _finished(services: Services, job_id: UUID, worker: subprocess.Popen[bytes]) -> Job:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and worker.poll() is None:
        job = services.jobs.get(job_id)
        if job is not None and job.status.is_terminal:
            if job.status is not Status.COMPLETED:
                raise RuntimeError(f"the job failed: {job.error}")
            return job
        time.sleep(0.25)
    raise RuntimeError(f"the job did not end; the worker's status is {worker.poll()}")


def _peak_mib(pid: int) -> float:
    """Peak resident set of a running process, from Linux's proc(5): VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc: memory can be measured on Linux only")
