"""Remember what was looked up a moment ago."""

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

KNOWN_SECONDS = 10.0  # a key that is revoked, or a tenant that is suspended, may work that much longer
_MOST = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Known(Generic[Key, Value]):
    """Remember the values of keys for a while, and at most so many of them. Safe in several threads.

    The monotonic clock stops while a Lambda function is frozen; the wall clock may be set back. A value is
    forgotten by the one that says so first.
    """

    def __init__(
        self,
        seconds: float = KNOWN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._clocks = clock, wall_clock
        self._values: dict[Key, tuple[Sequence[float], Value]] = {}

    def get(self, key: Key, look_up: Callable[[Key], Value | None]) -> Value | None:
        """Return the value of the key. One that does not exist is looked up each time."""
        now = [clock() for clock in self._clocks]
        found = self._values.get(key)
        if found is not None:
            since, value = found
            if all(its_now - then < self._seconds for its_now, then in zip(now, since, strict=True)):
                return value
        self._values.pop(key, None)
        looked_up = look_up(key)
        if looked_up is not None:
            if len(self._values) >= _MOST:
                self._values.clear()
            self._values[key] = now, looked_up
        return looked_up
