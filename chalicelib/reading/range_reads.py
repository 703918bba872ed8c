"""Read the bytes of a pinned object ahead, in ranges."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from chalicelib import interruption
from chalicelib.core.model import Source
from chalicelib.reading.kept_beginning import KeptBeginning
from chalicelib.reading.object_store import ObjectStore

READ_SIZE = 8 << 20  # bytes a request: fewer, larger requests are faster, and each is held in memory
AHEAD = 2  # requests
_PATIENCE = 0.5  # seconds without an answer, before it is asked whether to go on


def read_ahead(
    store: ObjectStore, source: Source, start: int, end: int, *, size: int = READ_SIZE
) -> Generator[bytes]:
    """Yield bytes ``[start, end)`` of the object in order, ``size`` bytes a request.

    AHEAD requests are under way at a time. Closing the generator stops reading. Raises Interrupted before
    each piece and while one does not come, and the errors of ``store.read``.
    """
    if isinstance(store, KeptBeginning) and (kept := store.kept(source, start, end)) is not None:
        interruption.check()
        yield kept
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
            yield _result(pending.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(request: Future[bytes]) -> bytes:
    interruption.check()
    while wait([request], _PATIENCE).not_done:
        interruption.check()
    return request.result()
