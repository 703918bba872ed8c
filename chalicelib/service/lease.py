"""The lease of a busy worker: heartbeats renew it, and the message's visibility with it."""

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from chalicelib.core.jobs import Claim
from chalicelib.core.messages import Delivery
from chalicelib.service.alarm import Alarm, Call
from chalicelib.service.queue import JobReceiver
from chalicelib.telemetry import logger


class Leases(Protocol):
    """Grant leases on jobs, on ranges of jobs that were split, and on rejects files.

    Every method raises RetryLater.
    """

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
        """Claim the job, which becomes PROCESSING or stays UNDOING; of a job that was split, claim a range.

        Of a job that has ended, claim its rejects file, if a client asked for it and it is not made. Return
        None if there is nothing to claim, or if it, or each range, is claimed already.
        """

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        """Extend the lease; return False if another worker has it or the claim is finished."""

    def release(self, job_id: UUID, *, owner: str, without_progress: bool) -> None:
        """End the lease. ``without_progress``: count this attempt against the job, or the range."""


@dataclass
class Heartbeat:
    """Renew a lease and the message's visibility, as a context manager. Times in seconds.

    A claim that lasts for an interval gets a thread for that; before, ``alarm`` waits for it.
    """

    alarm: Alarm
    leases: Leases
    receiver: JobReceiver
    delivery: Delivery
    owner: str
    lease_seconds: float
    interval: float
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _lease_ended: threading.Event = field(default_factory=threading.Event, init=False)
    _call: Call = field(init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def lease_ended(self) -> bool:
        """Whether this worker no longer has the lease."""
        return self._lease_ended.is_set()

    def __enter__(self) -> Self:
        """Start the heartbeat."""
        self._call = self.alarm.after(self.interval, self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat."""
        self.alarm.cancel(self._call)
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._renew():
                    self._lease_ended.set()
                    return
                self.receiver.extend(self.delivery)
            except Exception:  # noqa: BLE001 - the next heartbeat may succeed; the ledger guards the job meanwhile
                logger.exception("lease not renewed")
            self._stop.wait(self.interval)

    def _renew(self) -> bool:
        job_id = self.delivery.job_id
        return self.leases.renew(job_id, owner=self.owner, lease_seconds=self.lease_seconds)
