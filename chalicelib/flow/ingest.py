"""Loads what the ledger of a job does not cover. First run, resumption and take-over are the same."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from chalicelib.errors import JobFailed, LostClaim
from chalicelib.model import Dialect, Gap, Job, Source, Tally
from chalicelib.ports import Claims, LoadedBlock, ObjectStore, RecordSink
from chalicelib.steps import detect, source
from chalicelib.steps.blocks import cut
from chalicelib.steps.transform import framing, transform


@dataclass(frozen=True)
class Parts:
    """What an ingestion works with. Sizes in bytes."""

    claims: Claims
    store: ObjectStore
    new_sink: Callable[[], RecordSink]
    max_upload: int
    max_record: int
    loaders: int  # how many blocks may be written at once


def ingest(job: Job, parts: Parts, keep_going: Callable[[], bool]) -> bool:
    """Loads the job's missing blocks and completes it. False: ``keep_going`` said no before the end.

    ``keep_going`` is asked between blocks; what is under way is finished first.
    Raises JobFailed, RetryLater.
    """
    pinned, dialect = _opened(job, parts)
    sink = parts.new_sink()
    before: list[Gap] = []
    while gaps := list(parts.claims.gaps(job.id, pinned.size)):
        if gaps == before or any(gap.start > gap.end for gap in gaps):
            raise JobFailed(
                "ledger-mismatch", f"Bytes {gaps[0].start} to {gaps[0].end} are not accounted for."
            )
        before = gaps
        try:
            for gap in gaps:
                with closing(_blocks(job, pinned, dialect, gap, parts)) as blocks:
                    if not _load(job, blocks, sink, parts.loaders, keep_going):
                        return False
        except LostClaim:  # another worker wrote one of the blocks: see what is left now
            continue
    parts.claims.complete(job.id, pinned.size)
    return True


def _opened(job: Job, parts: Parts) -> tuple[Source, Dialect]:
    """What is read and how: as fixed by whoever opened the job first."""
    if job.source is not None and job.dialect is not None:
        return job.source, job.dialect
    pinned = parts.store.pin(job.bucket, job.key)
    _check_size(job, pinned, parts.max_upload)
    dialect = detect.detect(parts.store.read(pinned, 0, min(pinned.size, detect.HEAD)), job.format)
    parts.claims.open(job.id, pinned, dialect)
    return pinned, dialect


def _check_size(job: Job, pinned: Source, most: int) -> None:
    if pinned.size == 0:
        raise JobFailed("empty-file", "The file is empty: it has 0 bytes.")
    if job.declared_size is not None and job.declared_size != pinned.size:
        raise JobFailed(
            "size-mismatch", f"{job.declared_size:,} bytes were announced and {pinned.size:,} arrived."
        )
    if pinned.size > most:
        raise JobFailed("file-too-large", f"The file has {pinned.size:,} bytes; {most:,} are allowed.")


def _blocks(job: Job, pinned: Source, dialect: Dialect, gap: Gap, parts: Parts) -> Generator[LoadedBlock]:
    """The gap's blocks, ready to be written."""
    start = max(gap.start, dialect.data_start)
    with closing(source.chunks(parts.store, pinned, start, gap.end)) as chunks:
        for block in cut(
            chunks,
            gap,
            data_start=dialect.data_start,
            block_size=job.block_size,
            framing=framing(dialect, parts.max_record),
        ):
            yield transform(block, dialect)


def _load(
    job: Job,
    blocks: Iterable[LoadedBlock],
    sink: RecordSink,
    loaders: int,
    keep_going: Callable[[], bool],
) -> bool:
    """Writes the blocks, ``loaders`` at once while the next is prepared; so few blocks are ever held."""
    writing: deque[Future[Tally]] = deque()
    with ThreadPoolExecutor(loaders, thread_name_prefix="load") as pool:
        for block in blocks:
            if not keep_going():
                break
            while len(writing) >= loaders:
                writing.popleft().result()
            writing.append(pool.submit(sink.load, job, block))
        else:
            _finish(writing)
            return True
        _finish(writing)
        return False


def _finish(writing: deque[Future[Tally]]) -> None:
    while writing:
        writing.popleft().result()
