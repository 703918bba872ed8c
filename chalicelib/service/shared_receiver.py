"""Take and acknowledge messages for all slots of a worker together: a request for each would cost too much.

A worker asks for more messages than it has free slots only as long as its jobs are short.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from chalicelib.core.messages import Delivery
from chalicelib.service.queue import JobReceiver

MOST = 10  # messages in a request: what SQS allows
_RECENTLY = (
    1.0  # seconds: as many messages as were handled within them are taken before there are slots for them
)


class _Ready(NamedTuple):
    """A message that waits for a slot, and when it was received, on the monotonic clock."""

    delivery: Delivery
    since: float


class SharedReceiver:
    """Receive messages for all slots of a worker. Implement :class:`chalicelib.service.queue.JobReceiver`.

    One slot at a time asks the queue, for all that wait. ``check_database`` is called before, unless a job
    has ended a moment ago; it raises RetryLater. A message that finds no slot within ``keep_seconds`` is
    given back. Acknowledgements are collected; if the worker dies before they are sent, the messages are
    redelivered for jobs that have ended, which costs a look at each.
    """

    def __init__(
        self, receiver: JobReceiver, check_database: Callable[[], None], *, keep_seconds: float
    ) -> None:
        self.max_deliveries = receiver.max_deliveries
        self._receiver = receiver
        self._check_database = check_database
        self._keep_seconds = keep_seconds
        self._asking = threading.Lock()
        self._lock = threading.Lock()  # of what follows
        self._ready: deque[_Ready] = deque()
        self._handled: deque[Delivery] = deque()  # and not yet acknowledged
        self._times: deque[float] = deque(maxlen=MOST)  # when the latest messages were handled
        self._waiting = 0  # slots
        self._answers = 0  # of the queue

    def receive(self, *, limit: int = 1, wait_seconds: float) -> Sequence[Delivery]:
        """Return up to ``limit`` messages. Raises RetryLater.

        Returns nothing when the wait is over, or when another slot's was.
        """
        with self._waits():
            answers = self._answers
            with self._asking:
                if not self._ready and self._answers == answers:
                    self._ask(wait_seconds)
                with self._lock:
                    return [self._ready.popleft().delivery for _ in range(min(limit, len(self._ready)))]

    def acknowledge(self, *deliveries: Delivery) -> None:
        """Remove the messages soon, with others. Raises RetryLater."""
        with self._lock:
            self._handled.extend(deliveries)
            self._times.extend(time.monotonic() for _ in deliveries)
            is_full = len(self._handled) >= MOST
        if is_full:
            self._acknowledge_handled()

    def extend(self, delivery: Delivery) -> None:
        """See the port."""
        self._receiver.extend(delivery)

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """See the port."""
        self._receiver.retry(delivery, delay_seconds=delay_seconds)

    def tend(self, *, is_stopping: bool = False) -> None:
        """Acknowledge what was handled, and give back what has waited for too long, or everything.

        To be called now and then: the slots may be busy. Raises RetryLater.
        """
        self._acknowledge_handled()
        since = time.monotonic() - (0 if is_stopping else self._keep_seconds)
        while (ready := self._take_older(since)) is not None:
            self._receiver.retry(ready.delivery, delay_seconds=0)

    def close(self) -> None:
        """Leave the queue. Raises RetryLater."""
        self.tend(is_stopping=True)
        self._receiver.close()

    @contextmanager
    def _waits(self) -> Iterator[None]:
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _ask(self, wait_seconds: float) -> None:
        self._acknowledge_handled()
        recent = self._recently_handled()
        if not recent:
            self._check_database()  # a message received during an outage would only use up a delivery
        limit = min(self._waiting + recent, MOST)
        try:
            deliveries = self._receiver.receive(limit=limit, wait_seconds=wait_seconds)
        finally:
            self._answers += 1
        now = time.monotonic()
        with self._lock:
            self._ready.extend(_Ready(delivery, now) for delivery in deliveries)

    def _recently_handled(self) -> int:
        since = time.monotonic() - _RECENTLY
        with self._lock:
            return sum(moment > since for moment in self._times)

    def _acknowledge_handled(self) -> None:
        with self._lock:
            handled, self._handled = self._handled, deque()
        while handled:
            first = [handled.popleft() for _ in range(min(MOST, len(handled)))]
            self._receiver.acknowledge(*first)

    def _take_older(self, since: float) -> _Ready | None:
        with self._lock:
            return self._ready.popleft() if self._ready and self._ready[0].since <= since else None
