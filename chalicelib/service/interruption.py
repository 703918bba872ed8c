"""Stop reading when the work on a claim should stop."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.model import Source
from chalicelib.reading.object_store import ObjectStore


class Interrupted(Exception):  # noqa: N818 - no error
    """The work stops here; another attempt continues it."""


@dataclass(frozen=True)
class InterruptibleStore:
    """Stop reading when the work should stop: a stream may skip much text before its first block."""

    store: ObjectStore
    keep_going: Callable[[], bool]

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See ObjectStore."""
        return self.store.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        """See ObjectStore. Raises Interrupted."""
        if not self.keep_going():
            raise Interrupted
        return self.store.read(source, start, end)
