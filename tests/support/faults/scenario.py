"""What a test of faults works with: a database and a queue of its own, jobs, workers, and the final check."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
import redis

from chalicelib.backends.postgres.migrate import migrate
from infra.emulator import resources
from infra.local import scratch
from tests.support.faults import workers
from tests.support.faults.checks import AUDIT, check
from tests.support.faults.files import File
from tests.support.faults.workers import ForkServer, Process

LONG = os.environ.get("SLUICE_FAULTS") == "long"
SEED = int(os.environ.get("SLUICE_FAULTS_SEED") or random.SystemRandom().randrange(10**6))
PATIENCE = 1200.0 if LONG else 240.0  # seconds; how long a test waits for something that should happen
BLOCK_SIZE = 8192
FIGURES: Counter[str] = Counter()  # of the whole run, shown at its end
ENDED = ("COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE")

TENANTS = ("default", "acme", "bond")
_PLACES: Sequence[LiteralString] = (
    "INSERT INTO tenants (name) VALUES (%(tenant)s) ON CONFLICT DO NOTHING",
    "INSERT INTO datasets (name) VALUES (%(dataset)s) ON CONFLICT DO NOTHING",
    """
    INSERT INTO tenant_datasets (tenant_id, dataset_id)
    SELECT tenants.id, datasets.id FROM tenants, datasets
    WHERE tenants.name = %(tenant)s AND datasets.name = %(dataset)s AND tenants.id <> 1
    ON CONFLICT DO NOTHING
    """,
)


@dataclass(frozen=True)
class Loading:
    """A file on its way."""

    job: UUID
    file: File
    dataset: str
    tenant: str


@dataclass
class Scenario:
    """The database and the queue of one test, and what it does with them."""

    env: dict[str, str]
    logs: Path
    fork_server: ForkServer
    processes: list[Process] = field(default_factory=list)
    loadings: list[Loading] = field(default_factory=list, repr=False)
    _connection: psycopg.Connection[dict[str, Any]] | None = field(default=None, repr=False)

    # -- jobs

    def put(
        self,
        file: File,
        *,
        dataset: str | None = None,
        tenant: str | None = None,
        block_size: int = BLOCK_SIZE,
    ) -> Loading:
        """Register a job whose file has arrived, without enqueuing it.

        Three tenants take turns, in datasets of the same names. A dataset that is named is the one that an
        earlier file went into.
        """
        number = len(self.loadings)
        if tenant is None:
            others = [it.tenant for it in self.loadings if it.dataset == dataset]
            tenant = others[0] if others else TENANTS[number % len(TENANTS)]
        loading = Loading(uuid4(), file, dataset or f"set-{number // len(TENANTS)}", tenant)
        etag = self.store(loading)
        with psycopg.connect(self.env["DATABASE_URL"]) as connection:
            for statement in _PLACES:
                connection.execute(statement, {"tenant": loading.tenant, "dataset": loading.dataset})
            connection.execute(
                "INSERT INTO ingestion_jobs (id, tenant_id, dataset_id, filename, options, block_size,"
                " bucket, key, force, etag, size, uploaded_at)"
                " SELECT %(job)s, own.tenant_id, own.id, %(name)s, '{}', %(block_size)s, %(bucket)s, %(key)s,"
                " true, %(etag)s, %(size)s, now()"
                " FROM tenant_datasets AS own JOIN datasets ON datasets.id = own.dataset_id"
                " JOIN tenants ON tenants.id = own.tenant_id"
                " WHERE datasets.name = %(dataset)s AND tenants.name = %(tenant)s",
                {
                    **vars(loading),
                    "file": None,
                    "name": file.name,
                    "block_size": block_size,
                    "bucket": resources.BUCKET,
                    "key": key(loading),
                    "etag": etag,
                    "size": len(file.data),
                },
            )
        self.loadings.append(loading)
        return loading

    def store(self, loading: Loading) -> str:
        """Put the file's object into the bucket and return its ETag."""
        client = s3(self.env["AWS_ENDPOINT_URL"])
        answer = client.put_object(Bucket=resources.BUCKET, Key=key(loading), Body=loading.file.data)
        return answer["ETag"].strip('"')

    def enqueue(self, loading: Loading, **lane: str) -> None:
        """Put the job on the queue."""
        env = {**self.env, **lane}
        if env["SLUICE_QUEUE_BACKEND"] == "redis":
            with redis.Redis.from_url(env["REDIS_URL"]) as client:
                client.xadd(env["SLUICE_REDIS_STREAM"], {"job_id": str(loading.job)})
        else:
            sqs(env["AWS_ENDPOINT_URL"]).send_message(
                QueueUrl=env["SLUICE_QUEUE_URL"], MessageBody=f'{{"job_id": "{loading.job}"}}'
            )

    def load(self, file: File, lane: Mapping[str, str] | None = None, **where: Any) -> Loading:
        loading = self.put(file, **where)
        self.enqueue(loading, **(lane or {}))
        return loading

    def lane(self, kind: str) -> dict[str, str]:
        """Another queue for this scenario: the settings that lead to it."""
        return queue_of(self.env, kind)

    def job(self, loading: Loading) -> Mapping[str, Any]:
        """Of the job what is asked for most: its row, and how far the ledger has come."""
        return self.jobs(loading)[0]

    def jobs(self, *loadings: Loading) -> Sequence[Mapping[str, Any]]:
        try:
            return self._jobs([it.job for it in loadings])
        except psycopg.OperationalError:  # the connection was from before an outage
            return self._jobs([it.job for it in loadings])

    def _jobs(self, ids: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self.env["DATABASE_URL"], autocommit=True, row_factory=psycopg.rows.dict_row
            )
        return self._connection.execute(
            "SELECT job.*, (SELECT count(*) FROM ingestion_blocks WHERE job_id = job.id) AS blocks,"
            " ARRAY(SELECT part.lease_owner FROM ingestion_ranges AS part"
            "       WHERE job_id = job.id AND part.lease_owner IS NOT NULL) || job.lease_owner AS owners"
            " FROM ingestion_jobs AS job WHERE id = ANY(%s) ORDER BY number",
            (ids,),
        ).fetchall()

    # -- workers

    def worker(
        self, lane: Mapping[str, str] | None = None, *, fault: str = "", thief: int = 0, **env: str
    ) -> Process:
        """Another worker, started cheaply; ``fault`` and ``thief`` as in `dying_worker.py`."""
        wrong = {"FAULT": fault, "FAULT_THIEF": str(thief or "")}
        self.processes.append(
            self.fork_server.start({**self.env, **wrong, **(lane or {}), **env}, self._log())
        )
        return self.processes[-1]

    def true_worker(self, **env: str) -> Process:
        """Another worker, started as in production."""
        self.processes.append(workers.spawn({**self.env, **env}, self._log()))
        return self.processes[-1]

    def _log(self) -> Path:
        return self.logs / f"worker-{len(self.processes):04}.log"

    def close(self) -> None:
        self.end_workers()
        if self._connection is not None:
            self._connection.close()

    def end_workers(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    # -- waiting and checking

    def until(self, met: Callable[[], Any], what: str) -> Any:
        """Return the value of ``met`` once it is true; fail the test with the logs after `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        while not (found := met()):
            if time.monotonic() > deadline:
                self.fail(f"no success in waiting until {what}")
            time.sleep(0.02)
        return found

    def fail(self, why: str) -> None:
        shown = ("number", "status", "error_code", "blocks", "attempts", "lease_owner", "lease_until")
        state = "\n".join(str([job[name] for name in shown]) for job in self.jobs(*self.loadings))
        newest = sorted(self.logs.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)[-6:]
        said = "\n".join(f"-- {path.name}\n{path.read_text()[-2000:]}" for path in newest)
        pytest.fail(f"seed {SEED}: {why}\n{state}\n{said}")

    def moved(self, loading: Loading, blocks: int) -> None:
        """Wait until that many blocks of the job are in the ledger."""
        self.until(lambda: self.job(loading)["blocks"] >= blocks, f"{blocks} blocks of {loading.job} are in")

    def ended(self, *loadings: Loading) -> Sequence[Mapping[str, Any]]:
        """Wait until the jobs, or all jobs, have ended, and return them."""
        chosen = loadings or tuple(self.loadings)

        def states() -> Sequence[Mapping[str, Any]]:
            jobs = self.jobs(*chosen)
            return jobs if all(job["status"] in ENDED for job in jobs) else ()

        found: Sequence[Mapping[str, Any]] = self.until(states, "all jobs have ended")
        return found

    def check(self) -> None:
        """All files are loaded, exactly."""
        self.ended()
        FIGURES["jobs"] += len(self.loadings)
        with psycopg.connect(self.env["DATABASE_URL"]) as connection:
            FIGURES["rows"] += check(
                connection, [(it.job, (it.tenant, it.dataset), it.file) for it in self.loadings]
            )


s3, sqs = cache(resources.s3), cache(resources.sqs)  # making a client takes a third of a second


def key(loading: Loading) -> str:
    """Where the object is. Not below ``uploads/``, of which a deployed intake would hear."""
    return f"faults/{loading.job}/{loading.file.name}"


@contextmanager
def made(
    stack: Mapping[str, str], template: str, fork_server: ForkServer, logs: Path, queue: str, **changes: str
) -> Iterator[Scenario]:
    """Yield a scenario on a stack, with a copy of the database `template` that is dropped afterwards."""
    with scratch.database(stack["DATABASE_URL"], template) as url:
        env = {
            **stack,
            "DATABASE_URL": url,
            **queue_of(stack, queue),
            "SLUICE_LEASE_SECONDS": "2",
            "SLUICE_VISIBILITY_TIMEOUT": "3",  # more than the lease: a message comes back to a free job
            "SLUICE_MAX_DELIVERIES": "1000",
            "SLUICE_MAX_RECORD_SIZE": "65536",
            "SLUICE_RANGE_SIZE": "32768",
            **changes,
        }
        scenario = Scenario(env, logs, fork_server)
        try:
            yield scenario
        finally:
            scenario.close()


def queue_of(stack: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return the settings of a fresh queue without a dead-letter queue."""
    name, url = f"faults-{uuid4().hex}", ""
    if kind == "sqs":
        url = sqs(stack["AWS_ENDPOINT_URL"]).create_queue(QueueName=name)["QueueUrl"]
    return {
        "SLUICE_QUEUE_BACKEND": kind,
        "SLUICE_QUEUE_URL": url,
        "SLUICE_DEAD_LETTER_QUEUE_URL": "",
        "SLUICE_REDIS_STREAM": name,
    }


@contextmanager
def template_database(url: str) -> Iterator[str]:
    """Yield the name of a migrated database, to copy, that notes each change of a job's status."""
    with scratch.database(url) as own:
        migrate(own)
        with psycopg.connect(own) as connection:
            connection.execute(AUDIT)
        yield own.rpartition("/")[2]
