"""Do tasks in several threads, which all end when one fails or when the user interrupts."""

import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

_JOIN_TIMEOUT = 1.0  # seconds for all threads together to end by themselves

_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 - not an error: the result is no longer needed
    """End a task whose result is no longer needed."""


class Stop:
    """Tell threads that their work is no longer needed."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Ask all threads to end."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped if the threads are to end."""
        if self._event.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as the threads are to end."""
        self._event.wait(seconds)
        self.check()


def in_threads(tasks: Iterable[_T], work: Callable[[_T, Stop], None], *, threads: int) -> None:
    """Call ``work`` for every task, in up to ``threads`` threads. Raises the first error of any of them.

    ``work`` should check its Stop often.
    """
    queue, outcomes, stop = SimpleQueue[_T](), SimpleQueue[BaseException | None](), Stop()
    for task in tasks:
        queue.put(task)
    count = queue.qsize()
    # A thread that waits for S3's answer cannot be woken; a daemon does not keep the program from ending.
    pool = [
        Thread(target=_run_tasks, args=(queue, outcomes, work, stop), daemon=True)
        for _ in range(min(threads, count))
    ]
    try:
        for thread in pool:
            thread.start()
        for _ in range(count):
            if (error := outcomes.get()) is not None:
                raise error
    finally:
        stop.set()
        _join(pool)


def _run_tasks(
    queue: SimpleQueue[_T],
    outcomes: SimpleQueue[BaseException | None],
    work: Callable[[_T, Stop], None],
    stop: Stop,
) -> None:
    while True:
        try:
            stop.check()
            task = queue.get_nowait()
        except (Empty, Stopped):
            return
        try:
            work(task, stop)
        except BaseException as error:  # noqa: BLE001 - in_threads raises it again
            outcomes.put(error)
        else:
            outcomes.put(None)


def _join(pool: Iterable[Thread]) -> None:
    deadline = time.monotonic() + _JOIN_TIMEOUT
    for thread in pool:
        if thread.is_alive():
            thread.join(max(deadline - time.monotonic(), 0))
