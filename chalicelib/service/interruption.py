"""Read objects for one claim: stop when the work should stop, and ask the store once for a small object."""

from collections.abc import Callable
from typing import NamedTuple

from chalicelib.core.model import Source
from chalicelib.reading.object_store import ObjectStore


class Interrupted(Exception):  # noqa: N818 - no error
    """The work stops here; another attempt continues it."""


class _Beginning(NamedTuple):
    """The first bytes of an object, or all of a small one."""

    source: Source
    data: bytes

    def has(self, source: Source, start: int, end: int) -> bool:
        return source == self.source and 0 <= start <= end <= len(self.data)


class InterruptibleStore:
    """Stop reading when the work should stop: a stream may skip much text before its first block.

    What :meth:`begin` has read is not asked for again. One per claim; threads may share it.
    """

    def __init__(self, store: ObjectStore, keep_going: Callable[[], bool]) -> None:
        self._store = store
        self._keep_going = keep_going
        self._beginning: _Beginning | None = None

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        """See ObjectStore."""
        source, data = self._store.begin(bucket, key, version_id, size)
        self._beginning = _Beginning(source, data)
        return source, data

    def is_current(self, source: Source) -> bool:
        """See ObjectStore."""
        return self._store.is_current(source)

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See ObjectStore."""
        return self._store.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        """See ObjectStore. Raises Interrupted."""
        if not self._keep_going():
            raise Interrupted
        beginning = self._beginning
        if beginning is not None and beginning.has(source, start, end):
            return beginning.data[start:end]
        self._beginning = None  # of a large object: its blocks are read in larger pieces
        return self._store.read(source, start, end)
