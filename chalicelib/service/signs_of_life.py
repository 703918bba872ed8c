"""The thread that stores a worker's signs of life."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from chalicelib.core.errors import RetryLater
from chalicelib.core.workers import SignOfLife, WorkerKind
from chalicelib.service.activity import Activity
from chalicelib.service.workers import Workers
from chalicelib.telemetry import logger

_PATIENCE = 5.0  # seconds, for a sign of life that is being stored when the worker ends


@dataclass
class SignsOfLife:
    """Store signs of life from a thread, as a context manager; remove the worker at the end.

    The thread alone shows that the process lives. What the slots do is read from ``activity``, so that a slot
    that hangs shows too. A worker that is away from the database does its work all the same.
    """

    workers: Workers
    activity: Activity
    name: str
    kind: WorkerKind
    version: str
    slots: int
    interval: float  # seconds
    first_after: float = 0  # seconds; a worker that ends before is never registered
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _is_registered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Create the thread."""
        self._thread = threading.Thread(target=self._run, name="signs", daemon=True)
        self._started_at = time.monotonic()

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread, and remove the worker if it was registered."""
        self._stop.set()
        self._thread.join(_PATIENCE)
        if not self._is_registered or self._thread.is_alive():
            return
        try:
            self.workers.remove(self.name)
        except RetryLater as failure:  # it is silent from now on, and forgotten after a day
            logger.warning("worker stays registered", extra={"reason": str(failure)})

    def _run(self) -> None:
        pause, was_stored = self.first_after, True
        while not self._stop.wait(pause):
            pause = self.interval
            try:
                self.workers.renew(self._sign())
                self._is_registered = was_stored = True
            except Exception as error:  # noqa: BLE001 - the next one may be stored
                if was_stored:  # once per outage
                    logger.warning("sign of life not stored", extra={"reason": str(error)})
                was_stored = False

    def _sign(self) -> SignOfLife:
        return SignOfLife(
            name=self.name,
            kind=self.kind,
            version=self.version,
            seconds=time.monotonic() - self._started_at,
            interval=self.interval,
            slots=self.slots,
            jobs=self.activity.reports(),
        )
