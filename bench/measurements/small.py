"""Load many files of ten rows, uploaded beforehand, with the worker of this checkout and an earlier one."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import boto3
import psycopg
import redis

from bench import earlier
from bench.access import register
from bench.figures import Measurement, Table, ratios, spread
from bench.processes import cpu_seconds
from bench.requests import counting
from bench.stack import (
    CHECKOUT,
    QUEUES,
    TIMEOUT,
    WORKER,
    Queue,
    Stack,
    bucket,
    checkpoint,
    database,
    worker,
)
from chalicelib import settings
from chalicelib.core.uploads import UploadRequest
from chalicelib.wiring import Services

BEFORE = "2c266c7"  # the last commit in which a small job cost as much as a large one's overhead
_SLOTS = "8"
_ROWS = 10
_COUNTED = 100  # jobs of the run in which requests are counted
_REDIS_COMMANDS = ("evalsha", "xreadgroup")  # what a worker sends; the others are called by its scripts
_ABOUT = """\
{jobs:,} CSV files of {rows} rows, uploaded and enqueued beforehand, each a job of its own; one worker with
{slots} slots. Jobs a second, from the first claim to the last completion, and the milliseconds of CPU that
the worker's process uses for a job. *before* is the worker of commit {before}, run in turn with this one on
the same stack. LocalStack, Postgres and Redis share the cores. Transactions, requests to S3 and to the queue
(SQS's requests, or Redis's commands) are counted in a run of {counted} jobs that is not timed."""


class Run(NamedTuple):
    """What one worker did with all jobs."""

    rate: float  # jobs a second
    cpu: float  # milliseconds a job
    transactions: float  # a job
    s3: float = 0  # requests a job
    queue: float = 0  # requests a job


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load with the worker of the earlier commit and with this one in turn, each into a fresh database."""
    jobs = max(rows // 1000, 100)
    before = earlier.checkout(BEFORE, stack.folder)
    checkouts = {"now": CHECKOUT} if before is None else {"before": before, "now": CHECKOUT}
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    queues: tuple[Queue, ...] = ("redis", "sqs")
    for queue in queues:
        counted = {name: _run(stack, path, queue, _COUNTED, counts=True) for name, path in checkouts.items()}
        runs: dict[str, list[Run]] = {name: [] for name in checkouts}
        for number in range(1, rounds + 1):
            for name, path in checkouts.items():
                runs[name].append(_run(stack, path, queue, jobs))
                rate, cpu = runs[name][-1][:2]
                print(f"  {queue}, round {number}, {name}: {rate:.1f} jobs/s, {cpu:.1f} ms each", flush=True)
        for name, made in runs.items():
            rates, cpus = [run.rate for run in made], [run.cpu for run in made]
            figures |= {f"{queue}, {name}: jobs/s": rates, f"{queue}, {name}: CPU, ms": cpus}
            first = runs[next(iter(checkouts))]
            faster = spread(ratios(rates, [run.rate for run in first]), 2)
            cheaper = spread(ratios(cpus, [run.cpu for run in first]), 2)
            requests = [f"{it:.1f}" for it in counted[name][2:]]
            lines.append([f"{queue}, {name}", spread(rates, 1), faster, spread(cpus, 1), cheaper, *requests])
    about = _ABOUT.format(jobs=jobs, rows=_ROWS, slots=_SLOTS, before=BEFORE, counted=_COUNTED)
    heads = ["", "jobs/s", "ratio", "CPU, ms/job", "ratio", "transactions/job", "S3/job", "queue/job"]
    return Measurement([Table("Many small files", about, heads, lines)], figures)


def _run(stack: Stack, checkout: Path, queue: Queue, jobs: int, *, counts: bool = False) -> Run:
    """Load the jobs with a worker of the checkout. Raises RuntimeError if one fails."""
    with ExitStack() as exits:
        url = exits.enter_context(database(stack))
        name = exits.enter_context(bucket())
        queue_settings = exits.enter_context(QUEUES[queue](stack))
        env = {
            **os.environ,
            **stack.env,
            **queue_settings,
            "DATABASE_URL": url,
            "SLUICE_BUCKET": name,
            "SLUICE_QUEUE_BACKEND": queue,
            "SLUICE_WORKER_JOBS": _SLOTS,
        }
        _enqueue(env, jobs)
        checkpoint(stack)
        proxy = None
        if counts:
            proxy = exits.enter_context(counting(env["AWS_ENDPOINT_URL"]))
            addresses = ("AWS_ENDPOINT_URL", "SLUICE_QUEUE_URL")
            env |= {key: proxy.through(env[key]) for key in addresses if key in env}
        connection = exits.enter_context(psycopg.connect(url, autocommit=True))
        begun = _transactions(connection)
        commands = _commands(stack)
        with _worker(stack, checkout, env) as pid:
            cpu = cpu_seconds(pid)
            looks = _wait(connection, jobs)
            cpu = cpu_seconds(pid) - cpu
        requests = (proxy.counts["s3"], proxy.counts["sqs"]) if proxy else (0, 0)
        asked = _commands(stack) - commands if queue == "redis" else requests[1]
        time.sleep(2)  # Postgres counts the transactions of a connection when it has ended
        transactions = _transactions(connection) - begun - looks
        return Run(
            jobs / _seconds(connection),
            1000 * cpu / jobs,
            transactions / jobs,
            requests[0] / jobs,
            asked / jobs,
        )


def _enqueue(env: Mapping[str, str], jobs: int) -> None:
    """Upload files with rows of their own, and enqueue their jobs."""
    services, s3 = Services(settings.load(env)), boto3.client("s3")
    try:
        for number in range(jobs):
            body = _file(number)
            job = register(services, UploadRequest(f"{number}.csv", size=len(body)))
            s3.put_object(Bucket=job.upload.bucket, Key=job.upload.key, Body=body)
            services.sender.send(job.id)
    finally:
        services.close()


def _file(number: int) -> bytes:
    rows = (
        f"{_ROWS * number + row},name {row},City {number % 7},{row * 1.5},2024-01-{row + 1:02}\n"
        for row in range(_ROWS)
    )
    return f"id,name,city,amount,day\n{''.join(rows)}".encode()


@contextmanager
def _worker(stack: Stack, checkout: Path, env: Mapping[str, str]) -> Iterator[int]:
    with (
        TemporaryDirectory(dir=stack.folder) as health,
        worker(WORKER, env, Path(health) / "health", stack.folder, checkout=checkout) as process,
    ):
        yield process.pid


def _wait(connection: psycopg.Connection[tuple[int]], jobs: int) -> int:
    """Wait until all jobs have ended; return how often that was looked at."""
    deadline, looks = time.monotonic() + TIMEOUT, 0
    while time.monotonic() < deadline:
        looks += 1
        if _integer(connection, "SELECT count(*) FROM ingestion_jobs WHERE completed_at IS NOT NULL") == jobs:
            break
        time.sleep(0.1)
    if _integer(connection, "SELECT count(*) FROM ingested_data") != jobs * _ROWS:
        raise RuntimeError("not every row was loaded")
    return looks + 1


def _seconds(connection: psycopg.Connection[tuple[int]]) -> float:
    took = "SELECT extract(epoch FROM max(completed_at) - min(started_at)) * 1000000 FROM ingestion_jobs"
    return _integer(connection, took) / 1e6


def _transactions(connection: psycopg.Connection[tuple[int]]) -> int:
    """Return how many transactions there were in the database, as far as Postgres has counted them."""
    return _integer(
        connection,
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
    )


def _integer(connection: psycopg.Connection[tuple[int]], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _commands(stack: Stack) -> int:
    """Return how many of a worker's commands Redis has answered."""
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        told = client.info("commandstats")
    return sum(told.get(f"cmdstat_{name}", {}).get("calls", 0) for name in _REDIS_COMMANDS)
