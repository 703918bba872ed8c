"""The workers that are registered in a stack's database, in lines for people."""

from collections.abc import Iterator

import psycopg

from chalicelib.backends.postgres.database import Pool
from chalicelib.backends.postgres.workers import PostgresWorkers
from chalicelib.core.errors import RetryLater
from chalicelib.core.workers import Worker

_MOST = 20


def worker_lines(database_url: str) -> list[str]:
    """Return lines about the newest workers: their state, and what each slot works at."""
    pool = Pool(database_url, size=1)
    try:
        workers = PostgresWorkers(pool).list(limit=_MOST, before=None)
    except (RetryLater, psycopg.Error) as error:  # Postgres does not run, or is not migrated
        return [f"not known: {str(error).splitlines()[0]}"]
    finally:
        pool.close()
    return [text for worker in workers for text in _lines(worker)] or ["none is registered"]


def _lines(worker: Worker) -> Iterator[str]:
    yield (
        f"{worker.name}: {worker.state}, seen {worker.unseen_seconds:.0f} s ago,"
        f" {len(worker.jobs)} of {worker.slots} slots busy"
    )
    for work in worker.jobs:
        if work.wait is not None:
            state = f"waits since {work.wait.since:%H:%M:%S}: {work.wait.message}"
        elif worker.is_stuck_at(work):
            state = f"stuck since {work.progress_at:%H:%M:%S}"
        else:
            state = f"since {work.since:%H:%M:%S}"
        yield f"  job {work.job_id}, {state}"
