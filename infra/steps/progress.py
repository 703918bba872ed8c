"""Progress: one line per step, with its name, its result and its duration; more of a step that takes long."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

Report = Callable[[str], None]
# The moments at which a step that has not ended is reported again.
Ticks = Callable[[Event], Iterator[None]]
TICK_SECONDS = 15.0


def to_terminal(line: str) -> None:
    """Write a line to standard output at once, even into a pipe."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `make down | head` must still stop everything
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def to_nowhere(line: str) -> None:
    """Discard a line."""


class Step:
    """A running step. `result` is the text of its line."""

    def __init__(self) -> None:
        self.result = "done"


def every_15_seconds(ended: Event) -> Iterator[None]:
    """Yield at regular intervals until the step has ended."""
    while not ended.wait(TICK_SECONDS):
        yield


@contextmanager
def step(  # noqa: PLR0913 - the last two are for tests and for steps that began before
    report: Report,
    name: str,
    doing: str,
    note: str | None = None,
    *,
    began: float | None = None,
    ticks: Ticks = every_15_seconds,
) -> Iterator[Step]:
    """Time a step and report it when it ends. While it lasts, report now and then that it is still `doing`.

    A step with a `note`, even an empty one, is also reported before it begins: `doing`, then the note.
    """
    began = time.monotonic() if began is None else began
    if note is not None:
        report(line(name, f"{doing}, {note}" if note else doing))
    current, ended = Step(), Event()

    def tick() -> None:
        for _ in ticks(ended):
            report(line(name, f"still {doing}", time.monotonic() - began))

    ticking = Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield current
    finally:
        ended.set()
        ticking.join()
    report(line(name, current.result, time.monotonic() - began))


def line(name: str, text: str, seconds: float | None = None) -> str:
    """Return `name  text  seconds`, aligned."""
    duration = "" if seconds is None else f"{seconds:6.1f} s"
    return f"  {name:<11}{text:<58}{duration}".rstrip()
