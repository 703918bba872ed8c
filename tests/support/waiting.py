"""Waiting for a condition, with a patience that only a test that hangs uses up."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 240.0  # seconds
T = TypeVar("T")


def wait_for(
    condition: Callable[[], T], describe: Callable[[], object] = lambda: "", *, pause: float = 0.02
) -> T:
    """Call the condition until it returns something true, and return that.

    ``pause`` is how many seconds go by before each further call: more where a call costs those that are
    waited for. Fails the test, with what `describe` returns, after `PATIENCE` seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, describe()
        time.sleep(pause)
    return value
