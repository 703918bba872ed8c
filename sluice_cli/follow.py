"""Watching a job until it ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sluice_cli.documents import PENDING, Job
from sluice_cli.errors import CliError
from sluice_cli.text import duration

_SHORTEST, _USUAL, _LONGEST = 0.1, 1.0, 300.0  # seconds between two looks
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0  # seconds between two tries when there is no answer
_LONG_PENDING = 30.0  # seconds


class JobWatcher(Protocol):
    """Is told how a job goes."""

    def seen(self, job: Job) -> None:
        """The job, as it is now."""

    def note(self, text: str) -> None:
        """Something out of the ordinary happened."""


@dataclass(frozen=True)
class Patience:
    """How long to put up with an API that does not answer, in seconds; and the clock it is taken from."""

    seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def follow(look: Callable[[], Job], watcher: JobWatcher, patience: Patience | None = None) -> Job:
    """Look at the job as often as the server asks to, until it has ended; the ended job.

    Connection errors, 5xx and 429 are tried again until patience runs out; then, and for any other
    refusal at once, what ``look`` raised is raised.
    """
    patience = patience or Patience()
    begun, warned = patience.clock(), False
    while True:
        job = _look(look, watcher, patience)
        watcher.seen(job)
        if job.ended:
            return job
        if job.status == PENDING and not warned and patience.clock() - begun > _LONG_PENDING:
            warned = True
            watcher.note(f"PENDING for {duration(_LONG_PENDING)} now. Is a worker running?")
        patience.sleep(min(max(_USUAL if job.retry_after is None else job.retry_after, _SHORTEST), _LONGEST))


def _look(look: Callable[[], Job], watcher: JobWatcher, patience: Patience) -> Job:
    failed_at: float | None = None
    wait = _FIRST_WAIT
    while True:
        try:
            job = look()
        except CliError as error:
            if not error.transient:
                raise
            if failed_at is None:
                failed_at = patience.clock()
                watcher.note(f"{error.message.rstrip('.')}. Trying again for {duration(patience.seconds)}.")
            if patience.clock() - failed_at >= patience.seconds:
                raise
            patience.sleep(max(wait, min(error.retry_after or 0, _LONGEST_WAIT)))
            wait = min(wait * 2, _LONGEST_WAIT)
        else:
            if failed_at is not None:
                watcher.note("The API answers again.")
            return job
