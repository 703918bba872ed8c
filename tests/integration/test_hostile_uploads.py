"""A worker outlives whatever is uploaded, and every job ends with a code. `make fuzz` uploads more files."""

import os
import random
from collections.abc import Callable

from bench.processes import peak_mib
from chalicelib import settings
from chalicelib.core.model import Status
from tests.support.costs import LARGE_PAGES
from tests.support.examples import many
from tests.support.hostile_files import hostile_files, random_bytes, random_structure
from tests.support.waiting import wait_for
from tests.support.worker_processes import Sluice

COUNT = many(200)  # files of either kind
SIZE = 10_000  # bytes


def test_a_worker_outlives_hostile_files(make_sluice: Callable[..., Sluice]) -> None:
    drawn = 1 if "CI" in os.environ else random.randrange(1 << 32)  # in CI, every run has the same files
    seed = int(os.environ.get("SLUICE_FAULTS_SEED") or drawn)
    sluice = make_sluice("redis", SLUICE_WORKER_JOBS="4")
    files = [
        *random_bytes(seed, COUNT, SIZE),
        *random_structure(seed, COUNT, SIZE),
        *hostile_files(seed, many(1 << 16)),
    ]
    names = {sluice.upload(it.data, filename=f"{n}.{it.extension}"): it.name for n, it in enumerate(files)}
    worker = sluice.start_worker(**LARGE_PAGES)

    def all_ended() -> bool:
        assert worker.poll() is None, f"the worker has ended (seed {seed})"
        unended = sluice.sql("SELECT id FROM ingestion_jobs WHERE completed_at IS NULL LIMIT 1")
        return not unended

    wait_for(all_ended, pause=0.2)

    for job_id, name in names.items():
        job = sluice.job(job_id)
        code = job.outcome.error and job.outcome.error.code
        assert job.status in (Status.COMPLETED, Status.FAILED), (seed, name, job)
        assert (code is None) == (job.status is Status.COMPLETED), (seed, name, job)
        assert code not in ("internal-error", "retries-exhausted", "ledger-mismatch"), (seed, name, code)
        tally = job.progress.tally
        assert tally.records == tally.inserted + tally.duplicates + tally.rejected, (seed, name, tally)
    assert peak_mib(worker.pid) * (1 << 20) < settings.load({}).memory_budget, seed
