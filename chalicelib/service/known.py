"""Remember what was looked up a moment ago."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

KNOWN_SECONDS = 10.0  # a key that is revoked, or a tenant that is suspended, may work that much longer
_MOST = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Known(Generic[Key, Value]):
    """Remember the values of keys for a while, and at most so many of them. Safe in several threads."""

    def __init__(self, seconds: float = KNOWN_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, look_up: Callable[[Key], Value | None]) -> Value | None:
        """Return the value of the key. One that does not exist is looked up each time."""
        now = self._clock()
        found = self._values.get(key)
        if found is not None and now < found[0]:
            return found[1]
        self._values.pop(key, None)
        value = look_up(key)
        if value is not None:
            if len(self._values) >= _MOST:
                self._values.clear()
            self._values[key] = now + self._seconds, value
        return value
