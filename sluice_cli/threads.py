"""Work done in several threads at once, which all end when one of them fails or the user wants it."""

import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

_GRACE = 1.0  # seconds for threads to end by themselves

_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 - no error: nobody waits for the work any more
    """The work is to end where it is."""


class Stop:
    """Tells threads that their work is no longer wanted."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """From now on the work is to end."""
        self._event.set()

    def check(self) -> None:
        """Raises Stopped if the work is to end."""
        if self._event.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as the work is to end."""
        self._event.wait(seconds)
        self.check()


def in_threads(tasks: Iterable[_T], work: Callable[[_T, Stop], None], *, threads: int) -> None:
    """Do ``work`` on every task, in up to so many ``threads``. Raises what is raised first by one of them.

    ``work`` should look at its Stop often.
    """
    waiting, outcomes, stop = SimpleQueue[_T](), SimpleQueue[BaseException | None](), Stop()
    for task in tasks:
        waiting.put(task)
    count = waiting.qsize()
    # A thread that waits for S3's answer cannot be woken; a daemon does not keep the program from ending.
    crew = [
        Thread(target=_serve, args=(waiting, outcomes, work, stop), daemon=True)
        for _ in range(min(threads, count))
    ]
    try:
        for thread in crew:
            thread.start()
        for _ in range(count):
            if (error := outcomes.get()) is not None:
                raise error
    finally:
        stop.set()
        _join(crew)


def _serve(
    waiting: SimpleQueue[_T],
    outcomes: SimpleQueue[BaseException | None],
    work: Callable[[_T, Stop], None],
    stop: Stop,
) -> None:
    while True:
        try:
            stop.check()
            task = waiting.get_nowait()
        except (Empty, Stopped):
            return
        try:
            work(task, stop)
        except BaseException as error:  # noqa: BLE001 - raised again where the work is waited for
            outcomes.put(error)
        else:
            outcomes.put(None)


def _join(crew: Iterable[Thread]) -> None:
    until = time.monotonic() + _GRACE
    for thread in crew:
        if thread.is_alive():
            thread.join(max(until - time.monotonic(), 0))
