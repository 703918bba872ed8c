"""Read an object's beginning once, though several steps of the work on a claim need it."""

from typing import NamedTuple

from chalicelib.core.model import Source
from chalicelib.reading.object_store import ObjectStore


class _Beginning(NamedTuple):
    source: Source
    data: bytes


class KeptBeginning:
    """An ObjectStore that does not ask again for what :meth:`begin` has read. One per claim.

    Of a large object it is forgotten when bytes behind it are read: blocks are read in larger pieces.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._beginning: _Beginning | None = None

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        """See ObjectStore."""
        self._beginning = _Beginning(*self._store.begin(bucket, key, version_id, size))
        return self._beginning

    def is_current(self, source: Source) -> bool:
        """See ObjectStore."""
        return self._store.is_current(source)

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See ObjectStore."""
        return self._store.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        """See ObjectStore."""
        kept = self.kept(source, start, end)
        if kept is not None:
            return kept
        self._beginning = None
        return self._store.read(source, start, end)

    def kept(self, source: Source, start: int, end: int) -> bytes | None:
        """Return bytes ``[start, end)`` of the object if they are here."""
        kept = self._beginning
        is_here = kept is not None and source == kept.source and 0 <= start <= end <= len(kept.data)
        return kept.data[start:end] if kept is not None and is_here else None
