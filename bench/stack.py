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

from bench.access import register
from bench.processes import peak_mib
from chalicelib import settings
from chalicelib.backends.postgres.migrate import migrate
from chalicelib.core.jobs import Instructions, Job
from chalicelib.core.model import Status
from chalicelib.core.tenants import DEFAULT_TENANT
from chalicelib.core.uploads import UploadRequest
from chalicelib.wiring import Services
from infra.local import postgres, scratch
from infra.local.worker import MALLOC
from infra.steps.layout import Layout

CHECKOUT = Path(__file__).parents[1]
TIMEOUT = 3600.0  # seconds
WORKER = ("chalicelib.worker",)
Queue = Literal["sqs", "redis"]

_OF_JOBS = (
    *("job_warnings", "reject_counts", "validation_errors", "ingestion_blocks", "ingestion_ranges"),
    *("job_previews", "rejects_files"),
)
_OWN_DATASET = """
    SELECT own.id FROM tenant_datasets AS own JOIN datasets ON datasets.id = own.dataset_id
    WHERE datasets.name = %s AND own.tenant_id = %s
"""
_DELETE_ROWS = (
    *(
        f"DELETE FROM {table} WHERE job_id IN (SELECT id FROM ingestion_jobs WHERE dataset_id = %s)"  # noqa: S608
        for table in _OF_JOBS
    ),
    "DELETE FROM ingested_data WHERE dataset_id = %s",
)
_DELETE_JOBS = "DELETE FROM ingestion_jobs WHERE dataset_id = %s RETURNING bucket, key, uploaded_at"


@dataclass(frozen=True)
class Stack:
    """The running stack, and the folder for files."""

    env: Mapping[str, str]
    layout: Layout
    folder: Path

    @property
    def data(self) -> Path:
        """Return the folder of the files to load."""
        return self.folder / "data"


@dataclass(frozen=True)
class Run:
    """One file's load by one worker or several."""

    job: Job
    seconds: float  # from a worker's claim of the job to its completion
    peak_mib: float  # the largest worker's peak resident memory

    @property
    def rows(self) -> int:
        """Return the number of records in the file."""
        return self.job.progress.tally.records

    @property
    def rate(self) -> float:
        """Return the rate in thousands of rows a second."""
        return self.rows / self.seconds / 1000


@contextmanager
def database(stack: Stack) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    with scratch.database(stack.env["DATABASE_URL"]) as url:
        migrate(url)
        yield url


def checkpoint(stack: Stack) -> None:
    """Run a CHECKPOINT, so that a measurement does not pay for the writes of the one before."""
    superuser = conninfo.make_conninfo(
        stack.env["DATABASE_URL"], user=postgres.SUPERUSER, dbname=postgres.SUPERUSER
    )
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def ingest(  # noqa: PLR0913 - they differ from measurement to measurement
    stack: Stack,
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
    """Load the file through S3 and a queue by workers of its own. Raises RuntimeError if the job fails.

    With `upload` false the file is not put into S3: the workers read it from elsewhere. `more` are settings.
    """
    with (
        bucket() as name,
        QUEUES[queue](stack) as queue_settings,
        TemporaryDirectory(dir=stack.folder) as health_folder,
    ):
        own = {
            **os.environ,
            **stack.env,
            "DATABASE_URL": url,
            "SLUICE_BUCKET": name,
            "SLUICE_QUEUE_BACKEND": queue,
            **queue_settings,
            **(more or {}),
        }
        services = Services(settings.load(own))
        try:
            request = UploadRequest(path.name, instructions=Instructions(force=force))
            job = register(services, request)
            if upload:
                boto3.client("s3").upload_file(str(path), job.upload.bucket, job.upload.key)
            with ExitStack() as exits:
                started = [
                    exits.enter_context(worker(program, own, Path(health_folder) / f"{number}", stack.folder))
                    for number in range(workers)
                ]
                checkpoint(stack)
                services.sender.send(job.id)
                job = _wait_for_end(services, job.id, started)
                peak = max(peak_mib(process.pid) for process in started)
        finally:
            services.close()
    if job.times.started_at is None or job.times.completed_at is None:
        raise RuntimeError(f"a finished job without times: {job}")
    return Run(job, (job.times.completed_at - job.times.started_at).total_seconds(), peak)


@contextmanager
def bucket() -> Iterator[str]:
    """Yield a bucket that sends no events to the deployed functions, and delete it afterwards."""
    client, name = boto3.client("s3"), f"bench-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        for item in client.list_objects_v2(Bucket=name).get("Contents", []):
            client.delete_object(Bucket=name, Key=item["Key"])
        client.delete_bucket(Bucket=name)


@contextmanager
def sqs_queue(_stack: Stack) -> Iterator[dict[str, str]]:
    """Yield the settings for a fresh SQS queue, and delete it afterwards."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName=f"bench-{uuid4().hex}")["QueueUrl"]
    try:
        yield {"SLUICE_QUEUE_URL": url}
    finally:
        client.delete_queue(QueueUrl=url)


@contextmanager
def redis_queue(stack: Stack) -> Iterator[dict[str, str]]:
    """Yield the settings for a fresh Redis stream, and delete it afterwards."""
    name = f"bench:{uuid4().hex}"
    try:
        yield {"SLUICE_REDIS_STREAM": name}
    finally:
        with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
            client.delete(name)


QUEUES = {"sqs": sqs_queue, "redis": redis_queue}


@contextmanager
def worker(
    program: Sequence[str],
    env: Mapping[str, str],
    health_file: Path,
    folder: Path,
    *,
    checkout: Path = CHECKOUT,
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process of a worker that polls its queue. Raises RuntimeError if it does not start."""
    own = {**env, **MALLOC, "SLUICE_HEALTH_FILE": str(health_file)}
    command = [sys.executable, "-m", *program]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=checkout, env=own, stdout=log, stderr=log)
    try:
        while not health_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the worker did not start: see {folder / 'worker.log'}")
            time.sleep(0.05)
        yield process
    finally:
        process.kill()  # it holds no job, and SIGTERM would have to wait for the end of its long poll
        process.wait()


def _wait_for_end(services: Services, job_id: UUID, workers: Sequence[subprocess.Popen[bytes]]) -> Job:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and all(process.poll() is None for process in workers):
        job = services.jobs.get(job_id)
        if job is not None and job.status.is_terminal:
            if job.status is not Status.COMPLETED:
                raise RuntimeError(f"the job failed: {job.outcome.error}")
            return job
        time.sleep(0.25)
    raise RuntimeError(
        f"the job did not end; the workers' statuses are {[process.poll() for process in workers]}"
    )


def count(url: str) -> int:
    """Return the number of rows in the database."""
    return _query_integer(url, "SELECT count(*) FROM ingested_data")


def stored_bytes(url: str) -> int:
    """Return the bytes of all tables of the database, with their indexes."""
    return _query_integer(
        url,
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
        " WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace",
    )


def fingerprint(url: str) -> int:
    """Return a number that is equal for databases with the same rows and hashes, in any order."""
    return _query_integer(
        url, "SELECT sum(hashtextextended(content_hash::text || record::text, 0)) FROM ingested_data"
    )


def delete_dataset(database_url: str, name: str) -> None:
    """Delete a dataset of the tenant `default` and everything that Postgres and S3 hold of it."""
    with psycopg.connect(database_url) as connection:
        dataset_id = connection.execute(_OWN_DATASET, [name, DEFAULT_TENANT.id]).fetchone()
        if dataset_id is None:
            return
        for statement in _DELETE_ROWS:
            connection.execute(statement.encode(), dataset_id)
        jobs = connection.execute(_DELETE_JOBS, dataset_id).fetchall()
        connection.execute("DELETE FROM tenant_datasets WHERE id = %s", dataset_id)
        connection.execute("DELETE FROM datasets WHERE name = %s", [name])
    for bucket_name, key, uploaded_at in jobs:
        if uploaded_at:
            boto3.client("s3").delete_object(Bucket=bucket_name, Key=key)


def _query_integer(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
