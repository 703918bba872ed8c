"""A Sluice of a test's own, whose workers are real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from chalicelib.core.jobs import Instructions, Job
from chalicelib.core.model import Options
from chalicelib.core.uploads import UploadRequest
from chalicelib.wiring import Services
from tests.support.paths import CHECKOUT
from tests.support.principals import OPERATOR, REACH
from tests.support.waiting import wait_for


@dataclass
class Sluice:
    """The services of one test, and what it does with them."""

    env: Mapping[str, str]
    services: Services
    s3: Any
    logs: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _connection: psycopg.Connection[Any] | None = None

    def upload(
        self, data: bytes, *, filename: str = "file.csv", dataset: str = "default", **options: Any
    ) -> UUID:
        """Register a job, store its object and enqueue it, as API and intake do."""
        services = self.services
        request = UploadRequest(filename, dataset, Instructions(options=Options(**options)))
        job = services.of(REACH).uploads.register(request, OPERATOR).job
        self.s3.put_object(Bucket=job.upload.bucket, Key=job.upload.key, Body=data)
        services.sender.send(job.id)
        return job.id

    def start_worker(self, **env: str) -> subprocess.Popen[bytes]:
        log = (self.logs / f"worker-{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "chalicelib.worker"],
            cwd=CHECKOUT,
            env={**os.environ, **self.env, **env},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        self.stop_workers()
        self.services.close()
        if self._connection is not None:
            self._connection.close()

    def stop_workers(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
            worker.wait()

    def job(self, job_id: UUID) -> Job:
        job = self.services.jobs.get(job_id)
        assert job is not None
        return job

    def wait_for(self, job_id: UUID, met: Callable[[Job], bool]) -> Job:
        """Return the job once ``met`` holds; fail the test with the workers' logs after `PATIENCE`."""

        def state() -> str:
            logs = "".join(path.read_text() for path in self.logs.glob("worker-*.log"))
            return f"{self.job(job_id)}\n{logs[-5000:]}"

        def job_that_met() -> Job | None:
            job = self.job(job_id)
            return job if met(job) else None

        job = wait_for(job_that_met, state)
        assert job is not None
        return job

    def finished(self, job_id: UUID) -> Job:
        return self.wait_for(job_id, lambda job: job.status.is_terminal)

    def execute(self, statement: str) -> None:
        self._connected().execute(statement.encode())

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        return self._connected().execute(statement.encode(), parameters).fetchall()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(self.env["DATABASE_URL"], autocommit=True)
        return self._connection


def stored(sluice: Sluice) -> list[tuple[str, str]]:
    return [
        (digest.hex(), json.dumps(record, sort_keys=True))
        for digest, record in sluice.sql(
            "SELECT content_hash, record FROM ingested_data ORDER BY content_hash"
        )
    ]
