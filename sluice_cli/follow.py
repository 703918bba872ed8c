"""Follow a job until it ends, through outages of the API."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sluice_cli.documents.jobs import Job
from sluice_cli.errors import CliError
from sluice_cli.formatting import duration

_MIN_POLL, _DEFAULT_POLL, _MAX_POLL = 0.1, 1.0, 300.0  # seconds between two requests
_MIN_BACKOFF, _MAX_BACKOFF = 0.5, 10.0  # seconds between two attempts while there is no answer

_T = TypeVar("_T")


class JobWatcher(Protocol):
    """Show how a job proceeds."""

    def update(self, job: Job) -> None:
        """Show the job's latest state."""

    def note(self, text: str) -> None:
        """Show a sentence about something out of the ordinary."""


@dataclass(frozen=True)
class Timing:
    """For how many seconds an API that does not answer is retried, and the clock."""

    outage_limit: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def follow(get_job: Callable[[], Job], watcher: JobWatcher, timing: Timing | None = None) -> Job:
    """Call ``get_job`` as often as the server asks for, until the job has ended, and return that job.

    Transient errors (connection errors, 5xx, 429) are retried with backoff until the outage limit, then
    raised. Other errors are raised at once.
    """
    timing = timing or Timing()
    while True:
        job = ask_patiently(get_job, watcher.note, timing)
        watcher.update(job)
        if job.ended:
            return job
        poll = _DEFAULT_POLL if job.retry_after is None else job.retry_after
        timing.sleep(min(max(poll, _MIN_POLL), _MAX_POLL))


def ask_patiently(ask: Callable[[], _T], note: Callable[[str], None], timing: Timing | None = None) -> _T:
    """Return what ``ask`` returns. ``note`` is told when the API does not answer, and when it does again.

    Transient errors are retried as those of ``follow`` are.
    """
    timing = timing or Timing()
    failed_at: float | None = None
    backoff = _MIN_BACKOFF
    while True:
        try:
            answer = ask()
        except CliError as error:
            if not error.transient:
                raise
            if failed_at is None:
                failed_at = timing.clock()
                retries = f"Trying again for {duration(timing.outage_limit)}."
                note(f"{error.message.rstrip('.')}. {retries}")
            if timing.clock() - failed_at >= timing.outage_limit:
                raise
            timing.sleep(max(backoff, min(error.retry_after or 0, _MAX_BACKOFF)))
            backoff = min(backoff * 2, _MAX_BACKOFF)
        else:
            if failed_at is not None:
                note("The API answers again.")
            return answer
