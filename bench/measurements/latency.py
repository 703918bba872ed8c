"""Measure how fast the API answers about a job while a worker loads it, and without that load."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg

from bench import data
from bench.access import key_headers
from bench.figures import Measurement, Table, percentiles, spread
from bench.stack import Stack, delete_dataset

_TIMEOUT = 600.0  # seconds
_MIN_REQUESTS = 50
_KINDS = ("p50", "p95", "p99")
_ABOUT = """\
`GET /jobs/{{id}}` through LocalStack's gateway and the deployed function, by one client that sends the next
request as soon as it has an answer; milliseconds, percentiles of a round and their medians. First while the
stack's own worker loads the job, a narrow CSV file of {rows:,} rows, on the same cores as everything else;
then as many requests when the job is COMPLETED and nothing runs."""


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load the file in each round into a dataset of its own, and delete that afterwards."""
    rows *= 2
    path = data.narrow(stack.data, rows)
    rounds_by_load: dict[str, list[tuple[float, float, float]]] = {"while it loads": [], "without a load": []}
    counts: list[float] = []
    with httpx.Client(headers=key_headers(stack.env), trust_env=False, timeout=_TIMEOUT) as client:
        for number in range(1, rounds + 1):
            with _loading(stack, client, path) as job:
                busy = list(_poll_while(client, job, "PROCESSING"))
                if len(busy) < _MIN_REQUESTS:
                    raise RuntimeError(
                        f"only {len(busy)} answers while the file was loaded: it needs more rows"
                    )
                if (ended := client.get(job).json()["status"]) != "COMPLETED":
                    raise RuntimeError(f"the job is {ended}")
                idle = [_timed(client, job)[0] for _ in busy]
            counts.append(len(busy))
            for name, times in zip(rounds_by_load, (busy, idle), strict=True):
                rounds_by_load[name].append(percentiles(times))
                p50, p95, _ = rounds_by_load[name][-1]
                print(f"  round {number}, {name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)
    columns = {name: list(zip(*each, strict=True)) for name, each in rounds_by_load.items()}
    lines = [[name, spread(counts), *map(spread, each)] for name, each in columns.items()]
    figures = {
        f"{name}: {kind}": list(values)
        for name, each in columns.items()
        for kind, values in zip(_KINDS, each, strict=True)
    }
    table = Table(
        "The API while a file is loaded", _ABOUT.format(rows=rows), ["", "requests", *_KINDS], lines
    )
    return Measurement([table], figures)


@contextmanager
def _loading(stack: Stack, client: httpx.Client, path: Path) -> Iterator[str]:
    """Yield the URL of a job that a worker is loading, and delete its dataset afterwards."""
    api, dataset = stack.env["SLUICE_URL"], f"bench-{uuid4().hex}"
    try:
        response = client.post(f"{api}/uploads", json={"filename": path.name, "dataset": dataset})
        upload = response.raise_for_status().json()
        with path.open("rb") as file:
            length = {"Content-Length": str(path.stat().st_size)}
            sent = httpx.put(  # S3 refuses a signed URL with a key
                upload["upload"]["url"], content=file, headers=length, trust_env=False, timeout=_TIMEOUT
            )
            sent.raise_for_status()
        job = api + upload["links"]["job"]
        for _ in _poll_while(client, job, "PENDING"):
            time.sleep(0.05)
        yield job
    finally:
        delete_dataset(stack.env["DATABASE_URL"], dataset)
        with psycopg.connect(stack.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("VACUUM ingested_data")


def _poll_while(client: httpx.Client, job: str, status: str) -> Iterator[float]:
    """Yield each answer's milliseconds while the job has the status. Raises RuntimeError on a timeout."""
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        elapsed, current = _timed(client, job)
        if current != status:
            return
        yield elapsed
    raise RuntimeError(f"the job is {status} for too long")


def _timed(client: httpx.Client, job: str) -> tuple[float, str]:
    began = time.perf_counter()
    answer = client.get(job)
    elapsed = (time.perf_counter() - began) * 1000
    return elapsed, str(answer.raise_for_status().json()["status"])
