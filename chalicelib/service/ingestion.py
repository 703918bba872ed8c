"""Loads what the ledger of a job does not cover. First run, resumption and take-over are the same."""

import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum, auto

from chalicelib import memory
from chalicelib.core.errors import JobFailed, LostClaim
from chalicelib.core.model import Gap, Job, Range, Source, Tally
from chalicelib.core.ports import Claims, JobSender, LoadedBlock, ObjectStore, RecordSink
from chalicelib.formats import format_of
from chalicelib.reading.blocks import Framing, cut_blocks
from chalicelib.reading.compression import Limits
from chalicelib.reading.object_text import ObjectText
from chalicelib.reading.split_points import range_ends
from chalicelib.service.detection import detect_dialect
from chalicelib.service.transform import transform
from chalicelib.telemetry import Metric, logger, measured

_TIDY_AFTER = 4  # blocks


class Result(Enum):
    """What an attempt came to."""

    ENDED = auto()  # the job is done
    PART = auto()  # what was taken of it is done; the rest is left for others, or done by them
    INTERRUPTED = auto()  # it is to be gone on with another time


class Repeated(Exception):  # noqa: N818 - no error
    """Another job, which this names, has loaded the same content."""


class Interrupted(Exception):  # noqa: N818 - no error
    """The work is to stop here, to be gone on with another time."""


@dataclass(frozen=True)
class Watched:
    """An ObjectStore that reads no more once the work is to stop: there may be much to skip first."""

    store: ObjectStore
    keep_going: Callable[[], bool]

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See the port."""
        return self.store.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        """See the port. Raises Interrupted too."""
        if not self.keep_going():
            raise Interrupted
        return self.store.read(source, start, end)


@dataclass(frozen=True)
class Parts:
    """What an ingestion works with. Sizes in bytes."""

    claims: Claims
    store: ObjectStore
    sender: JobSender
    new_sink: Callable[[], RecordSink]
    limits: Limits  # of what comes out of compressed files
    max_upload: int
    max_record: int
    read_size: int  # of one request to the store
    range_size: int  # of the ranges in which large files are shared out; 0: they are not
    loaders: int  # how many blocks may be written at once


def ingest(job: Job, parts: Parts, keep_going: Callable[[], bool]) -> Result:
    """Loads what is missing of what was taken of the job, or shares it out; completes what is whole.

    ``keep_going`` is asked between blocks; what is under way is finished first.
    Raises JobFailed, JobEnded, RetryLater.
    """
    try:
        return _ingest(job, replace(parts, store=Watched(parts.store, keep_going)), keep_going)
    except Repeated as repeated:
        logger.info("the same content was loaded before", extra={"duplicate_of": str(repeated)})
        return Result.ENDED
    except Interrupted:
        return Result.INTERRUPTED


def _ingest(job: Job, parts: Parts, keep_going: Callable[[], bool]) -> Result:
    job, text = _opened(job, parts)
    if job.range is None and (left := _to_share(job, text, parts)):
        _share_out(job, text, left, parts)
        return Result.PART
    total = _fill(job, text, parts, keep_going)
    if job.range is not None:
        parts.claims.finish(job.id, job.range)
        if parts.claims.gaps(job.id, total):
            return Result.PART
    # several workers may find that nothing is missing any more: one of them completes the job
    return Result.ENDED if parts.claims.complete(job.id, total) else Result.PART


def _to_share(job: Job, text: ObjectText, parts: Parts) -> list[Range]:
    """What of the file is to be shared out among workers: large ones are, if they can be begun anywhere.

    Goes on from where another worker had got to at it. A job that is begun anew may have gaps anywhere.
    """
    size, since = text.source.size, job.shared_to
    may_be = text.is_plain and format_of(text.dialect).can_be_split(text.dialect)
    if not may_be or not parts.range_size or since == size:
        return []
    gaps = parts.claims.gaps(job.id, size)
    left = [Range(max(gap.start, since or 0), size if gap.end is None else gap.end) for gap in gaps]
    left = [it for it in left if it.start < it.end]
    is_large = sum(it.end - it.start for it in left) >= 2 * parts.range_size
    return left if is_large or since is not None else []


def _share_out(job: Job, text: ObjectText, left: list[Range], parts: Parts) -> None:
    """Ranges that any worker may take, a message for each. Raises JobEnded.

    The first is announced at once, then as many at a time as there were before: another worker soon has its
    own, and the queue is asked a few times only.
    """
    framing = format_of(text.dialect).framing(text.dialect, parts.max_record, to_end=True)
    since, announced, waiting = job.shared_to, 0, 0
    for stretch in left:
        start = stretch.start
        for end in range_ends(text, stretch, framing, block_size=job.block_size, range_size=parts.range_size):
            parts.claims.share(job, Range(start, end), since=since)
            since = start = end
            waiting += 1
            if waiting > announced:
                parts.sender.send(job.id, copies=waiting)
                announced, waiting = announced + waiting, 0
    parts.claims.share(job, None, since=since)
    if waiting:
        parts.sender.send(job.id, copies=waiting)
    logger.info("shared out")


def _fill(job: Job, text: ObjectText, parts: Parts, keep_going: Callable[[], bool]) -> int:
    """Loads what is missing of what was taken; the size of the whole text. Raises Interrupted."""
    total = text.source.size if text.is_plain else job.text_size
    sink = parts.new_sink()
    before: list[Gap] = []
    while gaps := _within(job.range, parts.claims.gaps(job.id, total)):
        if gaps == before or any(gap.end is not None and gap.start > gap.end for gap in gaps):
            raise JobFailed(
                "ledger-mismatch", f"Bytes {gaps[0].start} to {gaps[0].end} are not accounted for."
            )
        before = gaps
        try:
            for gap in gaps:
                to_end = gap.end in (None, total)
                framing = format_of(text.dialect).framing(text.dialect, parts.max_record, to_end=to_end)
                end = _load(job, _blocks(job, text, gap, framing), sink, parts.loaders, keep_going)
                if gap.end is None:  # the end has been seen
                    total = max(gap.start, end)
                    parts.claims.measure(job, total)
        except LostClaim:  # another worker wrote one of the blocks: see what is left now
            continue
    return 0 if total is None else total


def _within(taken: Range | None, gaps: Sequence[Gap]) -> list[Gap]:
    """The gaps in what was taken; None stands for everything."""
    if taken is None:
        return list(gaps)
    ends = [taken.end if gap.end is None else gap.end for gap in gaps]
    return [
        Gap(max(gap.start, taken.start), min(end, taken.end))
        for gap, end in zip(gaps, ends, strict=True)
        if gap.start < taken.end and end > taken.start
    ]


def _opened(job: Job, parts: Parts) -> tuple[Job, ObjectText]:
    """The job and the text that is read: as fixed by whoever opened it first."""
    if job.source is not None and job.dialect is not None:
        return job, ObjectText(parts.store, job.source, job.dialect, parts.limits, parts.read_size)
    pinned = _pinned(job, parts.store)
    _check_size(job, pinned, parts.max_upload)
    _check_checksum(job, pinned)
    if pinned.checksum is not None and (first := parts.claims.repeated(job, pinned)) is not None:
        raise Repeated(first)
    dialect = detect_dialect(parts.store, pinned, job.format, job.options, parts.limits)
    block_size = min(job.block_size, format_of(dialect).max_block_size(dialect))
    job = parts.claims.open(job, pinned, dialect, block_size)
    if job.source is None or job.dialect is None:
        raise AssertionError(f"job {job.id} was opened and is not open")
    return _opened(job, parts)


def _pinned(job: Job, store: ObjectStore) -> Source:
    """The object that is to be loaded: the version that was announced, where the bucket keeps versions.

    Elsewhere it is what lies there now, unless the job is for just that object: see the intake.
    """
    announced = job.source
    pinned = store.pin(job.bucket, job.key, announced.version_id if announced else None)
    adopted = job.upload.expires_at is None and announced is not None
    if adopted and announced is not None and announced.etag != pinned.etag:
        raise JobFailed("source-changed", "The object was replaced before it was loaded.")
    return pinned


def _check_checksum(job: Job, pinned: Source) -> None:
    """What S3 knows of the object is what the client said of its file. S3 has compared the bytes."""
    if job.upload.sha256 is None:
        return
    if pinned.checksum is None:
        raise JobFailed("checksum-mismatch", "The file came without the SHA-256 that was announced.")
    if b64decode(pinned.checksum).hex() != job.upload.sha256:
        raise JobFailed("checksum-mismatch", "The file's SHA-256 is not the one that was announced.")


def _check_size(job: Job, pinned: Source, most: int) -> None:
    if pinned.size == 0:
        raise JobFailed("empty-file", "The file is empty: it has 0 bytes.")
    announced = job.upload.size
    if announced is not None and announced != pinned.size:
        raise JobFailed("size-mismatch", f"{announced:,} bytes were announced and {pinned.size:,} arrived.")
    if pinned.size > most:
        raise JobFailed("file-too-large", f"The file has {pinned.size:,} bytes; {most:,} are allowed.")


def _blocks(job: Job, text: ObjectText, gap: Gap, framing: Framing) -> Generator[LoadedBlock]:
    """The gap's blocks, ready to be written."""
    dialect = text.dialect
    end = None if gap.end is None else gap.end + framing.look_ahead
    with closing(text.stream(max(gap.start, dialect.data_start), end)) as chunks:
        for block in cut_blocks(
            chunks, gap, data_start=dialect.data_start, block_size=job.block_size, framing=framing
        ):
            yield transform(block, dialect)


def _write(sink: RecordSink, job: Job, block: LoadedBlock) -> Tally:
    began = time.perf_counter()
    tally = sink.load(job, block)
    measured(
        {
            Metric.RECORDS_READ: tally.records,
            Metric.ROWS_INSERTED: tally.inserted,
            Metric.ROWS_DUPLICATE: tally.duplicates,
            Metric.RECORDS_REJECTED: tally.rejected,
            Metric.BYTES_LOADED: block.end - block.start,
            Metric.BLOCK_TIME: (time.perf_counter() - began) * 1000,
        },
        job.id,
    )
    return tally


def _load(
    job: Job,
    blocks: Generator[LoadedBlock],
    sink: RecordSink,
    loaders: int,
    keep_going: Callable[[], bool],
) -> int:
    """Writes the blocks, ``loaders`` at once while the next is prepared; so few blocks are ever held.

    Where the last one ends, 0 without any. Raises Interrupted.
    """
    end = 0
    writing: deque[Future[Tally]] = deque()
    with closing(blocks), ThreadPoolExecutor(loaders, thread_name_prefix="load") as pool:
        for number, block in enumerate(blocks, start=1):
            if not keep_going():
                raise Interrupted
            if number % _TIDY_AFTER == 0:
                memory.give_back_what_is_free()
            while len(writing) >= loaders:
                writing.popleft().result()
            writing.append(pool.submit(_write, sink, job, block))
            end = block.end
        while writing:
            writing.popleft().result()
    return end
