"""One line a step: what it is, how it ended, how long it took."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str], None]


def to_terminal(line: str) -> None:
    """Show a line now, also when the output is a pipe."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `make down | head` must stop everything all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def to_nowhere(line: str) -> None:
    """For callers that want no output."""


class Step:
    """A step under way; `result` is what its line will say."""

    def __init__(self) -> None:
        self.result = "done"


@contextmanager
def step(report: Report, name: str, announce: str = "") -> Iterator[Step]:
    """Time a step and report it when it is over. `announce` says beforehand what takes long."""
    began = time.monotonic()
    if announce:
        report(line(name, announce))
    current = Step()
    yield current
    report(line(name, current.result, time.monotonic() - began))


def line(name: str, text: str, seconds: float | None = None) -> str:
    """`name  text  seconds`, aligned."""
    took = "" if seconds is None else f"{seconds:6.1f} s"
    return f"  {name:<11}{text:<58}{took}".rstrip()
