"""A fresh database, bucket and queue for each measurement, on the running stack."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from uuid import UUID, uuid4

import boto3
import psycopg
import redis
from psycopg import conninfo

from chalicelib import settings
from chalicelib.backends.postgres.migrate import migrate
from chalicelib.core.jobs import Job
from chalicelib.core.model import Status
from chalicelib.core.uploads import UploadRequest
from chalicelib.service.uploads import request_upload
from chalicelib.wiring import Services
from infra.local import postgres, scratch
from infra.local.worker import MALLOC
from infra.steps.layout import Layout

CHECKOUT = Path(__file__).parents[1]
PATIENCE = 3600.0  # seconds
WORKER = ("chalicelib.worker",)
Queue = Literal["sqs", "redis"]


@dataclass(frozen=True)
class World:
    """The stack that is measured on, and where files go."""

    env: Mapping[str, str]
    layout: Layout
    folder: Path

    @property
    def data(self) -> Path:
        """Where the files to load are."""
        return self.folder / "data"


@dataclass(frozen=True)
class Run:
    """One file through one worker, or several."""

    job: Job
    seconds: float  # from a worker's taking the job to its completion
    peak_mib: float  # the largest worker's peak resident memory

    @property
    def rows(self) -> int:
        """How many records the file had."""
        return self.job.progress.tally.records

    @property
    def rate(self) -> float:
        """Thousands of rows a second."""
        return self.rows / self.seconds / 1000


@contextmanager
def database(world: World) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    with scratch.database(world.env["DATABASE_URL"]) as url:
        migrate(url)
        yield url


def checkpoint(world: World) -> None:
    """Has Postgres write down what others left to write, so that the next measurement does not pay for it."""
    superuser = conninfo.make_conninfo(
        world.env["DATABASE_URL"], user=postgres.SUPERUSER, dbname=postgres.SUPERUSER
    )
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def ingest(  # noqa: PLR0913 - what differs from measurement to measurement
    world: World,
    url: str,
    path: Path,
    *,
    workers: int = 1,
    program: Sequence[str] = WORKER,
    upload: bool = True,
    queue: Queue = "sqs",
    force: bool = False,
    more: Mapping[str, str] | None = None,
) -> Run:
    """Sends the file through S3 and the queue to workers of its own. Raises RuntimeError if it fails.

    `upload`: whether the workers read it from S3 at all. `more`: settings.
    """
    with (
        bucket() as name,
        QUEUES[queue](world) as queue_settings,
        TemporaryDirectory(dir=world.folder) as place,
    ):
        own = {
            **os.environ,
            **world.env,
            "DATABASE_URL": url,
            "SLUICE_BUCKET": name,
            "SLUICE_QUEUE_BACKEND": queue,
            **queue_settings,
            **(more or {}),
        }
        services = Services(settings.load(own))
        try:
            job = request_upload(UploadRequest(path.name, force=force), services.uploading).job
            if upload:
                boto3.client("s3").upload_file(str(path), job.upload.bucket, job.upload.key)
            with ExitStack() as stack:
                started = [
                    stack.enter_context(worker(program, own, Path(place) / f"{number}", world.folder))
                    for number in range(workers)
                ]
                checkpoint(world)
                services.sender.send(job.id)
                job = _finished(services, job.id, started)
                peak = max(peak_mib(process.pid) for process in started)
        finally:
            services.close()
    if job.times.started_at is None or job.times.completed_at is None:
        raise RuntimeError(f"a finished job without times: {job}")
    return Run(job, (job.times.completed_at - job.times.started_at).total_seconds(), peak)


@contextmanager
def bucket() -> Iterator[str]:
    """A bucket that announces nothing to the deployed functions; gone afterwards, with what is in it."""
    client, name = boto3.client("s3"), f"bench-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        for found in client.list_objects_v2(Bucket=name).get("Contents", []):
            client.delete_object(Bucket=name, Key=found["Key"])
        client.delete_bucket(Bucket=name)


@contextmanager
def sqs_queue(_world: World) -> Iterator[dict[str, str]]:
    """The settings of a queue; gone afterwards."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName=f"bench-{uuid4().hex}")["QueueUrl"]
    try:
        yield {"SLUICE_QUEUE_URL": url}
    finally:
        client.delete_queue(QueueUrl=url)


@contextmanager
def redis_queue(world: World) -> Iterator[dict[str, str]]:
    """The settings of a stream; gone afterwards."""
    name = f"bench:{uuid4().hex}"
    try:
        yield {"SLUICE_REDIS_STREAM": name}
    finally:
        with redis.Redis.from_url(world.env["REDIS_URL"]) as client:
            client.delete(name)


QUEUES = {"sqs": sqs_queue, "redis": redis_queue}


@contextmanager
def worker(
    program: Sequence[str], env: Mapping[str, str], health_file: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker's process, which asks for work by now. Raises RuntimeError."""
    own = {**env, **MALLOC, "SLUICE_HEALTH_FILE": str(health_file)}
    command = [sys.executable, "-m", *program]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=own, stdout=log, stderr=log)
    try:
        while not health_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the worker did not start: see {folder / 'worker.log'}")
            time.sleep(0.05)
        yield process
    finally:
        process.kill()  # it has nothing in hand, and would wait for its question to the queue to be answered
        process.wait()


def _finished(services: Services, job_id: UUID, workers: Sequence[subprocess.Popen[bytes]]) -> Job:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and all(it.poll() is None for it in workers):
        job = services.jobs.get(job_id)
        if job is not None and job.status.is_terminal:
            if job.status is not Status.COMPLETED:
                raise RuntimeError(f"the job failed: {job.outcome.error}")
            return job
        time.sleep(0.25)
    raise RuntimeError(f"the job did not end; the workers' statuses are {[it.poll() for it in workers]}")


def peak_mib(pid: int) -> float:
    """Peak resident set of a running process, from Linux's proc(5): VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc: memory can be measured on Linux only")


def count(url: str) -> int:
    """How many rows the database has."""
    return _asked(url, "SELECT count(*) FROM ingested_data")


def fingerprint(url: str) -> int:
    """Equal for databases with the same records under the same hashes, in whatever order."""
    return _asked(
        url, "SELECT sum(hashtextextended(content_hash::text || record::text, 0)) FROM ingested_data"
    )


def _asked(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
