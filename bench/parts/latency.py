"""The API's answers about a job while the job is loaded, and without a load beside it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg

from bench import data
from bench.figures import Measured, Table, percentiles, spread
from bench.functions import forget
from bench.world import World

_PATIENCE = 600.0  # seconds
_LEAST = 50  # requests
_KINDS = ("p50", "p95", "p99")
_ABOUT = """\
`GET /jobs/{{id}}` through LocalStack's gateway and the deployed function, one client that asks again as soon
as it is answered; milliseconds, percentiles of a round and their medians. First while the stack's own worker
loads the job, a narrow CSV file of {rows:,} rows, on the same cores as everything else; then as often when it
is done and nothing runs."""


def measure(place: World, rounds: int, rows: int) -> Measured:
    """Each round loads the file anew into a dataset of its own, which is removed afterwards."""
    rows *= 2
    path = data.narrow(place.data, rows)
    found: dict[str, list[tuple[float, float, float]]] = {"while it loads": [], "without a load": []}
    counts: list[float] = []
    with httpx.Client(trust_env=False, timeout=_PATIENCE) as client:
        for number in range(1, rounds + 1):
            with _loading(place, client, path) as job:
                busy = list(_asked_while(client, job, "PROCESSING"))
                if len(busy) < _LEAST:
                    raise RuntimeError(
                        f"only {len(busy)} answers while the file was loaded: more rows, please"
                    )
                if (ended := client.get(job).json()["status"]) != "COMPLETED":
                    raise RuntimeError(f"the job is {ended}")
                idle = [_timed(client, job)[0] for _ in busy]
            counts.append(len(busy))
            for name, times in zip(found, (busy, idle), strict=True):
                found[name].append(percentiles(times))
                p50, p95, _ = found[name][-1]
                print(f"  round {number}, {name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)
    columns = {name: list(zip(*each, strict=True)) for name, each in found.items()}
    lines = [[name, spread(counts), *(spread(it) for it in each)] for name, each in columns.items()]
    figures = {
        f"{name}: {kind}": list(it)
        for name, each in columns.items()
        for kind, it in zip(_KINDS, each, strict=True)
    }
    table = Table(
        "The API while a file is loaded", _ABOUT.format(rows=rows), ["", "requests", *_KINDS], lines
    )
    return Measured([table], figures)


@contextmanager
def _loading(place: World, client: httpx.Client, path: Path) -> Iterator[str]:
    """The address of a job that is being loaded; what it loads is gone afterwards."""
    api, dataset = place.env["SLUICE_URL"], f"bench-{uuid4().hex}"
    try:
        asked = client.post(f"{api}/uploads", json={"filename": path.name, "dataset": dataset})
        ticket = asked.raise_for_status().json()
        with path.open("rb") as file:
            length = {"Content-Length": str(path.stat().st_size)}
            client.put(ticket["upload"]["url"], content=file, headers=length).raise_for_status()
        job = api + ticket["links"]["job"]
        for _ in _asked_while(client, job, "PENDING"):
            time.sleep(0.05)
        yield job
    finally:
        forget(place.env["DATABASE_URL"], dataset)
        with psycopg.connect(place.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("VACUUM ingested_data")


def _asked_while(client: httpx.Client, job: str, status: str) -> Iterator[float]:
    """Milliseconds of each answer that says that status, until one says another."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        elapsed, told = _timed(client, job)
        if told != status:
            return
        yield elapsed
    raise RuntimeError(f"the job is {status} for too long")


def _timed(client: httpx.Client, job: str) -> tuple[float, str]:
    began = time.perf_counter()
    answer = client.get(job)
    elapsed = (time.perf_counter() - began) * 1000
    return elapsed, str(answer.raise_for_status().json()["status"])
