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
    """Renew a lease and the message's visibility from a thread, as a context manager. Times in seconds.

    Between two renewals it looks whether the lease has ended.
    """

    leases: Leases
    receiver: JobReceiver
    delivery: Delivery
    owner: str
    lease_seconds: float
    interval: float
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _lease_ended: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        """Create the thread."""
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @property
    def lease_ended(self) -> bool:
        """Whether this worker no longer has the lease."""
        return self._lease_ended.is_set()

    def __enter__(self) -> Self:
        """Start the heartbeat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        looks = max(math.ceil(self.interval / _LOOK_SECONDS), 1)  # the last of them is a renewal
        for number in count(1):
            if self._stop.wait(self.interval / looks):
                return
            is_renewal = number % looks == 0
            try:
                if not (self._renew() if is_renewal else self._holds()):
                    self._lease_ended.set()
                    return
            except Exception:  # noqa: BLE001 - the next one may succeed; the ledger guards the job meanwhile
                if is_renewal:
                    logger.exception("lease not renewed")

    def _holds(self) -> bool:
        return self.leases.holds(self.delivery.job_id, owner=self.owner)

    def _renew(self) -> bool:
        job_id = self.delivery.job_id
        is_renewed = self.leases.renew(job_id, owner=self.owner, lease_seconds=self.lease_seconds)
        if is_renewed:
            self.receiver.extend(self.delivery)
        return is_renewed
