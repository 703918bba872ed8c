"""Make a job's rejects file: every rejected record whole, cut from the object again.

The ledger says which blocks have rejects. Each of them is read from the pinned object, then cut and
transformed by the code that ingested it. Where that is not possible any more, or does not give as many
rejects as the ledger has, the excerpts that were stored stand for the records.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from chalicelib import interruption, memory
from chalicelib.core.blocks import RejectedBlock
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.errors import JobEnded, JobFailed
from chalicelib.core.jobs import Job, Reading, RejectsSource
from chalicelib.core.model import Dialect, Gap, Place, Reject, WholeReject
from chalicelib.interruption import Interrupted, interruptible
from chalicelib.reading.blocks import Block
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import ObjectText
from chalicelib.service.block_memory import BlockMemory
from chalicelib.service.cutting import cut_text
from chalicelib.service.ingestion import IngestionLimits
from chalicelib.service.object_keys import new_rejects_key
from chalicelib.service.rejects_text import rejects_name, rejects_text
from chalicelib.service.transform import Rejected, RejectRuns, print_block
from chalicelib.telemetry import logger

_RELEASE_MEMORY_AFTER = 4  # blocks
_SEVERAL = 2  # attempts
_NOT_STORED = "too-many-rejects"
_MISSING = "Further rejected records were counted and not stored, and are not in this file (records: {:,})."


class RejectsLedger(Protocol):
    """Hold the wishes for rejects files, and the rejects themselves. Every method raises RetryLater."""

    def begin_in_undo(self, job: Job, *, owner: str) -> int | None:
        """Count an attempt to make the file of a job that ``owner`` undoes; return how many there were.

        What ``owner`` begins again is the same attempt; the release of its lease ends it.
        Return None if it is made, or could not be made, or if ``owner`` does not undo the job any more.
        """

    def erased_values(self, job: Job) -> ErasedValues:
        """Return what was erased from the job's dataset, of which ``job.erasures`` counts how often."""

    def blocks(self, job_id: UUID) -> Sequence[RejectedBlock]:
        """Return the job's blocks with rejects, in file order."""

    def excerpts(self, job_id: UUID, block_no: int) -> Iterator[Reject]:
        """Yield the stored rejects of a block, in file order."""

    def finish(self, job: Job, *, owner: str, key: str, rejects: int, source: RejectsSource) -> bool:
        """Note that the file is made; return False if ``owner`` has no lease to do so."""

    def fail(self, job: Job, *, owner: str, message: str) -> bool:
        """Note why the file could not be made; return False if ``owner`` has no lease to do so."""


class FileBucket(Protocol):
    """Write objects. Every method raises RetryLater."""

    def write(self, key: str, pieces: Iterator[bytes], *, content_type: str) -> None:
        """Write an object of any length, which appears whole or not at all, also if ``pieces`` raises."""

    def remove(self, key: str) -> None:
        """Remove the object, if it is there."""


@dataclass(frozen=True)
class RejectsFileMaker:
    """Make rejects files."""

    ledger: RejectsLedger
    store: ObjectStore
    bucket: FileBucket
    limits: IngestionLimits
    block_memory: BlockMemory  # of all jobs
    max_attempts: int  # the last one of several uses excerpts only: they take little time

    def make(self, job: Job, *, owner: str, attempt: int, keep_going: Callable[[], bool]) -> bool:
        """Make the job's file, in one of several attempts; return False if ``keep_going`` did.

        Raises JobEnded if another worker makes it, or no client wants it any more, and RetryLater.
        """
        if job.reading is None:
            raise AssertionError(f"job {job.id} has rejects and no reading")
        rejects = WholeRejects(
            self.ledger,
            self.store,
            self.limits,
            self.block_memory,
            job.id,
            job.reading,
            only_excerpts=attempt >= max(self.max_attempts, _SEVERAL),
            erased=self.ledger.erased_values(job) if job.erasures else None,
        )
        key = new_rejects_key(job.tenant.name, job.id, job.reading_no, rejects_name(job.reading.dialect))
        is_csv = key.endswith(".csv")
        content_type = "text/csv; charset=utf-8" if is_csv else "application/x-ndjson"
        try:
            with interruptible(keep_going):
                pieces = rejects_text(
                    job, job.reading.dialect, _one_by_one(rejects), longest=self.limits.max_record
                )
                self.bucket.write(key, iter(pieces), content_type=content_type)
        except Interrupted:
            return False
        source = RejectsSource.EXCERPTS if rejects.has_excerpts else RejectsSource.OBJECT
        if not self.ledger.finish(job, owner=owner, key=key, rejects=rejects.count, source=source):
            self.bucket.remove(key)
            raise JobEnded("the rejects file is for another worker, or not wanted any more")
        logger.info("rejects file made", extra={"rejects": rejects.count, "source": source})
        return True

    def make_before_undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        """Make the file of a job that is being undone, unless there is nothing to make or it cannot be made.

        Return False if ``keep_going`` did. Raises as :meth:`make` does.
        """
        if not job.progress.tally.rejected or job.outcome.purged_at or job.outcome.duplicate_of:
            return True
        attempt = self.ledger.begin_in_undo(job, owner=owner)
        if attempt is None:
            return True
        if attempt > self.max_attempts:
            self.fail(job, owner=owner)
            return True
        return self.make(job, owner=owner, attempt=attempt, keep_going=keep_going)

    def fail(self, job: Job, *, owner: str) -> bool:
        """Give the file up; return False if ``owner`` has no lease on it. Raises RetryLater."""
        message = "The rejects file could not be made, for a reason that Sluice does not know."
        has_failed = self.ledger.fail(job, owner=owner, message=message)
        if has_failed:
            logger.error("rejects file not made")
        return has_failed


def _one_by_one(rejects: "WholeRejects") -> Iterator[WholeReject]:
    """Yield the rejects. Raises Interrupted between two blocks."""
    for number, some in enumerate(rejects.by_block(), start=1):
        yield from some
        if number % _RELEASE_MEMORY_AFTER == 0:
            memory.release_free_memory()
        interruption.check()


@dataclass
class WholeRejects:
    """The rejects of a job, with their places, in file order. They are read once."""

    ledger: RejectsLedger
    store: ObjectStore
    limits: IngestionLimits
    block_memory: BlockMemory
    job_id: UUID
    reading: Reading
    only_excerpts: bool = False
    erased: ErasedValues | None = None  # from the job's dataset
    has_excerpts: bool = field(default=False, init=False)
    count: int = field(default=0, init=False)

    def by_block(self) -> Generator[Iterator[WholeReject]]:
        """Yield the rejects of one block after the other. Raises the errors of the store but JobFailed."""
        blocks = self.ledger.blocks(self.job_id)
        text = ObjectText(
            self.store, self.reading.source, self.reading.dialect, self.limits.text, self.limits.read_size
        )
        for run in _runs(blocks, self.limits.read_size) if text.is_plain else [blocks] if blocks else []:
            yield from self._of_run(text, run)

    def _of_run(self, text: ObjectText, run: Sequence[RejectedBlock]) -> Iterator[Iterator[WholeReject]]:
        """Yield the rejects of blocks that are read in one go."""
        done = 0
        if not self.only_excerpts:
            try:
                for block in self._cut(text, run):
                    expected = run[done]
                    if block.no < expected.no:
                        continue  # no record of it was rejected
                    if (block.no, block.start, block.end) != (expected.no, expected.start, expected.end):
                        break
                    done += 1
                    hold = self.block_memory.hold(block.end - block.start)
                    try:
                        # no variable: the rejects of a block are free before the next one is cut
                        yield self._whole(expected, _rejects_of(block, self.reading.dialect, self.erased))
                    finally:
                        hold.release()
                    if done == len(run):
                        break
            except JobFailed as failure:
                logger.warning("the file cannot be read again", extra={"reason": failure.message})
                self.only_excerpts = failure.code.startswith("source-")
        for expected in run[done:]:
            yield self._excerpts(expected)

    def _cut(self, text: ObjectText, run: Sequence[RejectedBlock]) -> Generator[Block]:
        """Cut the text of the run into blocks, as the ingestion did. Raises JobFailed."""
        gap = Gap(run[0].start, run[-1].end)
        total = self.reading.source.size if text.is_plain else self.reading.text_size
        to_end, longest = gap.end == total, self.limits.max_record
        return cut_text(text, self.reading, gap, longest, to_end=to_end, excerpt=longest + 1)

    def _whole(self, block: RejectedBlock, found: Sequence[Rejected]) -> Iterator[WholeReject]:
        """Yield the rejects of a block as they were found, or excerpts if the ledger counts others."""
        if sum(it.repeats + 1 for it in found) != block.rejected:
            yield from self._excerpts(block)
            return
        longest = self.limits.max_record
        for it in found:
            self.count += it.repeats + 1
            place, raw, is_cut = _place(block, it), it.raw[:longest], len(it.raw) > longest
            yield WholeReject(it.code, it.message, it.field, place, raw, is_cut=is_cut, count=it.repeats + 1)

    def _excerpts(self, block: RejectedBlock) -> Iterator[WholeReject]:
        """Yield the rejects of a block as they were stored."""
        self.has_excerpts = True
        missing = block.rejected
        for it in self.ledger.excerpts(self.job_id, block.no):
            self.count += it.count
            missing -= it.count
            place, raw = _place(block, it), it.raw.encode()
            yield WholeReject(it.code, it.message, it.field, place, raw, is_excerpt=True, count=it.count)
        if missing > 0:
            yield WholeReject(_NOT_STORED, _MISSING.format(missing), None, Place(block.start), b"")


def _rejects_of(block: Block, dialect: Dialect, erased: ErasedValues | None) -> Sequence[Rejected]:
    rejects: list[Rejected] = []
    print_block(block, dialect, RejectRuns(dialect, rejects.append, erased=erased))
    return rejects


def _runs(blocks: Sequence[RejectedBlock], nearest: int) -> Iterator[Sequence[RejectedBlock]]:
    """Yield blocks that lie closer together than ``nearest`` bytes: one request costs less than two."""
    start = 0
    for number in range(1, len(blocks) + 1):
        if number == len(blocks) or blocks[number].start - blocks[number - 1].end > nearest:
            yield blocks[start:number]
            start = number


def _place(block: RejectedBlock, reject: Rejected | Reject) -> Place:
    return Place(
        reject.offset,
        _number(block.records, reject.record),
        _number(block.lines, reject.line),
        _number(block.sheet_rows, reject.sheet_row),
    )


def _number(before: int | None, within: int | None) -> int | None:
    """Return a number in the file, from 1, given the count before its block and the number in it, from 0."""
    return None if before is None or within is None else before + within + 1
