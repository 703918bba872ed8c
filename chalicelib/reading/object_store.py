"""The port through which objects are read."""

from typing import Protocol

from chalicelib.core.model import Source


class ObjectStore(Protocol):
    """Read objects."""

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        """Return the current object, or the given version of it, with its first ``size`` bytes.

        Raises as :meth:`pin` does.
        """

    def is_current(self, source: Source) -> bool:
        """Return whether the source is still the current object of its key.

        Raises as :meth:`pin` does.
        """

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """Return the current object, or the given version of it.

        Raises JobFailed when it does not exist, RetryLater when the store is not available.
        """

    def read(self, source: Source, start: int, end: int) -> bytes:
        """Return bytes ``[start, end)`` of exactly that object.

        Raises JobFailed when the object was replaced or removed, RetryLater when the store is not available.
        """
