"""What the slots of a worker process do: at which jobs they work, since when, and what they wait for."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.completion import Completion
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import Claim, Job
from chalicelib.core.model import Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.core.workers import SlotReport, SlotWait
from chalicelib.service.ingestion import BlockWriter

_WAIT_ENDS_AFTER = 60.0  # seconds without another failure; two failures may be a pause and a timeout apart

Clock = Callable[[], float]  # seconds


@dataclass
class _Failures:
    """The failures of a slot because of one dependency, without a block between them."""

    dependency: Dependency
    message: str
    first_at: float
    last_at: float


class Work:
    """The work of a slot at one claim."""

    def __init__(self, claim: Claim, clock: Clock) -> None:
        self.job_id, self.owner = claim.job.id, claim.owner
        self._clock = clock
        self._began_at = self._progress_at = clock()
        self._failures: _Failures | None = None

    def goes_on(self) -> bool:
        """Note that the slot has come to a place where it may stop, and return True."""
        self._progress_at = self._clock()
        return True

    def failed(self, dependency: Dependency, message: str) -> None:
        """Note that the dependency was not available, and that the slot will try again."""
        now = self._clock()
        wait = self._current(now)
        first_at = wait.first_at if wait is not None and wait.dependency is dependency else now
        self._failures = _Failures(dependency, message, first_at, now)

    def wrote(self) -> None:
        """Note that a block was written: whatever the slot waited for is available again."""
        self._failures = None
        self._progress_at = self._clock()

    def report(self) -> SlotReport:
        """Return what the slot does at present."""
        now = self._clock()
        wait = self._current(now)
        told = None if wait is None else SlotWait(wait.dependency, wait.message, now - wait.first_at)
        return SlotReport(self.job_id, self.owner, now - self._began_at, now - self._progress_at, told)

    def _current(self, now: float) -> _Failures | None:
        failures = self._failures
        return failures if failures is not None and now - failures.last_at < _WAIT_ENDS_AFTER else None


@dataclass(frozen=True)
class Activity:
    """The work of all slots of this process. Thread-safe."""

    clock: Clock = time.monotonic
    _works: list[Work] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextmanager
    def on(self, claim: Claim) -> Iterator[Work]:
        """Note that a slot works at the claim until the context ends."""
        work = Work(claim, self.clock)
        with self._lock:
            self._works.append(work)
        try:
            yield work
        finally:
            with self._lock:
                self._works.remove(work)

    def waits(self, claim: Claim, error: RetryLater) -> None:
        """Note that work at the claim waits for what the error names."""
        if error.dependency is None:
            return
        for work in self._snapshot():
            if work.owner == claim.owner:
                work.failed(error.dependency, error.told)

    def wrote(self, job_id: UUID) -> None:
        """Note that a block of the job was written."""
        for work in self._snapshot():
            if work.job_id == job_id:
                work.wrote()

    def reports(self) -> list[SlotReport]:
        """Return what each busy slot does at present."""
        return [work.report() for work in self._snapshot()]

    def _snapshot(self) -> list[Work]:
        with self._lock:
            return list(self._works)


@dataclass(frozen=True)
class NotingWriter:
    """Write blocks, and note each of them."""

    writer: BlockWriter
    activity: Activity

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """See BlockWriter."""
        tally = self.writer.write(job, block)
        self.activity.wrote(job.id)
        return tally

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        """See BlockWriter."""
        written = self.writer.write_whole(job, block, warnings)
        self.activity.wrote(job.id)
        return written
