"""Read the bytes of a pinned object ahead, in ranges."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

from chalicelib.core.model import Source
from chalicelib.reading.object_store import ObjectStore

READ_SIZE = 8 << 20  # bytes a request: fewer, larger requests are faster, and each is held in memory
AHEAD = 2  # requests


def read_ahead(
    store: ObjectStore, source: Source, start: int, end: int, *, size: int = READ_SIZE
) -> Generator[bytes]:
    """Yield bytes ``[start, end)`` of the object in order, ``size`` bytes a request.

    AHEAD requests are under way at a time. Closing the generator stops reading. Raises the errors of
    ``store.read``.
    """
    if end - start <= size:  # nothing to read ahead
        if start < end:
            yield store.read(source, start, end)
        return
    pending: deque[Future[bytes]] = deque()
    starts = iter(range(start, end, size))
    pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="range")
    try:
        while True:
            while len(pending) < AHEAD and (at := next(starts, None)) is not None:
                pending.append(pool.submit(store.read, source, at, min(at + size, end)))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
