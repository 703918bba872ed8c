"""Progress: one line per step, with its name, its result and its duration."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str], None]


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


@contextmanager
def step(report: Report, name: str, announcement: str = "") -> Iterator[Step]:
    """Time a step and report it when it ends. Report the `announcement` of a long step before it begins."""
    began = time.monotonic()
    if announcement:
        report(line(name, announcement))
    current = Step()
    yield current
    report(line(name, current.result, time.monotonic() - began))


def line(name: str, text: str, seconds: float | None = None) -> str:
    """Return `name  text  seconds`, aligned."""
    duration = "" if seconds is None else f"{seconds:6.1f} s"
    return f"  {name:<11}{text:<58}{duration}".rstrip()
