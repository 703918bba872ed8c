"""The lease of a busy worker: heartbeats renew it, and the message's visibility with it."""

import math
import threading
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from chalicelib.core.jobs import Claim
from chalicelib.core.messages import Delivery
from chalicelib.service.alarm import Alarm, Call
from chalicelib.service.queue import JobReceiver
from chalicelib.telemetry import logger

_LOOK_SECONDS = 1.0  # how often a worker looks whether it still has its lease: a canceled job ends it


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

    def holds(self, job_id: UUID, *, owner: str) -> bool:
        """Return whether ``renew`` would extend the lease; change nothing."""

    def release(self, job_id: UUID, *, owner: str, without_progress: bool) -> None:
        """End the lease. ``without_progress``: count this attempt against the job, or the range."""


@dataclass
class Heartbeat:
    """Renew a lease and the message's visibility, as a context manager. Times in seconds.

    Between two renewals it looks whether the lease has ended. A claim that lasts until the first look gets a
    thread for that; before, ``alarm`` waits for it.
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
        self._call = self.alarm.after(self.interval / self._looks, self._start)
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
        looks = self._looks  # the last of them is a renewal
        for number in count(1):
            is_renewal = number % looks == 0
            try:
                if not (self._renew() if is_renewal else self._holds()):
                    self._lease_ended.set()
                    return
            except Exception:  # noqa: BLE001 - the next one may succeed; the ledger guards the job meanwhile
                if is_renewal:
                    logger.exception("lease not renewed")
            if self._stop.wait(self.interval / looks):
                return

    @property
    def _looks(self) -> int:
        """Return how many looks there are in an interval."""
        return max(math.ceil(self.interval / _LOOK_SECONDS), 1)

    def _holds(self) -> bool:
        return self.leases.holds(self.delivery.job_id, owner=self.owner)

    def _renew(self) -> bool:
        job_id = self.delivery.job_id
        is_renewed = self.leases.renew(job_id, owner=self.owner, lease_seconds=self.lease_seconds)
        if is_renewed:
            self.receiver.extend(self.delivery)
        return is_renewed
