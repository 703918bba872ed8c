"""Call functions later, all from one thread."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from chalicelib.telemetry import logger


@dataclass(order=True)
class Call:
    """A call that is due at a time; ``function`` is None once it has been made or canceled."""

    due: float  # on the monotonic clock, in seconds
    number: int
    function: Callable[[], None] | None = field(compare=False)


class Alarm:
    """Call functions later. They must be quick: they are called one after another.

    The thread is started with the first one, and stays.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []  # a heap
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, function: Callable[[], None]) -> Call:
        """Call the function in so many seconds, unless the call is canceled before."""
        call = Call(time.monotonic() + seconds, next(self._numbers), function)
        with self._changed:
            heapq.heappush(self._calls, call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
                self._thread.start()
            elif self._calls[0] is call:
                self._changed.notify()
        return call

    def cancel(self, call: Call) -> None:
        """Cancel a call. On return it has been made, or never will be."""
        with self._changed:
            call.function = None  # the thread takes it off the heap when it is due

    def _run(self) -> None:
        with self._changed:
            while True:
                while self._calls and self._calls[0].function is None:
                    heapq.heappop(self._calls)
                seconds = self._calls[0].due - time.monotonic() if self._calls else None
                if seconds is None or seconds > 0:
                    self._changed.wait(seconds)
                    continue
                call = heapq.heappop(self._calls)
                function, call.function = call.function, None
                try:
                    if function is not None:
                        function()
                except Exception:  # noqa: BLE001 - the other calls do not depend on it
                    logger.exception("call failed")
