"""Print workers."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console

from sluice_cli.api import Page
from sluice_cli.documents.workers import Worker
from sluice_cli.formatting import age
from sluice_cli.render import print_line, print_table

_TITLES = ("WORKER", "STATE", "KIND", "VERSION", "SEEN", "BUSY", "JOBS")


def print_workers(out: Console, pages: Iterable[Page[Worker]]) -> None:
    """Print a table of workers, and below it what jobs are stuck or wait for."""
    workers = [worker for page in pages for worker in page.items]
    if not workers:
        print_line(out, "No workers.")
        return
    now = datetime.now(UTC)
    print_table(out, _TITLES, [_row(worker, now) for worker in workers])
    for worker in workers:
        for job in worker.jobs:
            if job.waits_for:
                print_line(out, f"job {job.job_id} waits: {job.waits_for}")
            elif job.is_stuck:
                print_line(out, f"job {job.job_id} is stuck at worker {worker.name}")


def _row(worker: Worker, now: datetime) -> tuple[str, ...]:
    return (
        worker.name,
        worker.state,
        worker.kind,
        worker.version,
        f"{age(worker.seen_at, now)} ago" if worker.seen_at else "",
        f"{len(worker.jobs)} of {worker.slots}",
        ", ".join(job.job_id for job in worker.jobs),
    )
