"""Load the gaps in a job's ledger. A first run, a resumed run and a takeover use the same code."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

from chalicelib import interruption, memory
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import MAX_REJECTS, BeyondLimit
from chalicelib.core.completion import Completion
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.errors import BlockAlreadyCommitted, JobFailed, TooManyRejects
from chalicelib.core.jobs import Claim, Job, Reading
from chalicelib.core.memory_budget import MemoryBudget
from chalicelib.core.model import Gap, Range, Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.formats import format_of
from chalicelib.interruption import Interrupted, interruptible
from chalicelib.reading.blocks import Block, Framing
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.kept_beginning import KeptBeginning
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import ObjectText
from chalicelib.service.block_memory import BlockMemory, Hold
from chalicelib.service.cutting import cut_text
from chalicelib.service.ledger import Ledger
from chalicelib.service.opening import DuplicateFile, Opener
from chalicelib.service.queue import JobSender
from chalicelib.service.splitting import Splits, Splitter
from chalicelib.service.transform import transform
from chalicelib.telemetry import Metric, emit_metrics, logger

_RELEASE_MEMORY_AFTER = 4  # blocks


class BlockWriter(Protocol):
    """Write the blocks of one job."""

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """Write rows, rejects and the ledger's row in one transaction; return the tally.

        Raises BlockAlreadyCommitted when the ledger has that block, JobEnded when the job is no longer
        PROCESSING or has another reading, RetryLater when writing may succeed later.
        """

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        """Open the job, write the only block of its text, and complete it, all in one transaction.

        Does what `Ledger.open`, :meth:`write` and `Ledger.complete` do one after another, and raises what
        they raise. The job's reading is the one to fix, ``warnings`` are those of its detection. Return None,
        with nothing written, if another worker has opened the job.
        """


class Result(Enum):
    """The result of an attempt at a claim."""

    JOB_ENDED = auto()
    JOB_FAILED = auto()  # at its end: every record was rejected, or too many
    ROLLING_BACK = auto()  # the same, and another claim undoes the job
    CLAIM_DONE = auto()  # the rest of the job is for other claims
    INTERRUPTED = auto()  # another attempt continues the work
    PREVIEWED = auto()  # the job waits for its client


_RESULTS = {
    Completion.COMPLETED: Result.JOB_ENDED,
    Completion.FAILED: Result.JOB_FAILED,
    Completion.ROLLING_BACK: Result.ROLLING_BACK,
    Completion.ENDED_BEFORE: Result.CLAIM_DONE,
}


@dataclass(frozen=True)
class IngestionLimits:
    """The bounds of an ingestion. Sizes in bytes."""

    text: DecompressionLimits  # of decompressed text
    max_upload: int
    max_record: int
    read_size: int  # of one request to the store
    range_size: int  # of the ranges that large files are split into; 0: they are not split
    loaders: int  # how many blocks may be written at once
    memory: MemoryBudget
    max_rejects: int = MAX_REJECTS  # that are stored for a job


@dataclass(frozen=True)
class Ingester:
    """Ingest the files of claims."""

    ledger: Ledger
    splits: Splits
    store: ObjectStore
    sender: JobSender
    new_writer: Callable[[], BlockWriter]
    limits: IngestionLimits
    block_memory: BlockMemory  # of all jobs

    def ingest(self, claim: Claim, keep_going: Callable[[], bool]) -> Result:
        """Load the gaps of the claim, or split it; complete the job once the ledger is complete.

        ``keep_going`` is asked between blocks and within them, see :mod:`chalicelib.interruption`; blocks
        that are being written are finished first. Raises JobFailed, JobEnded, TooManyRejects, RetryLater.
        """
        ingester = replace(self, store=KeptBeginning(self.store))
        most = self.limits.memory.block_size
        try:
            with interruptible(keep_going):
                job = claim.job
                erased = self.ledger.erased_values(job) if job.erasures else None
                opener = Opener(
                    self.ledger, ingester.store, self.limits.text, self.limits.max_upload, most, erased
                )
                opening = opener.look(claim)
                if opening.is_new:
                    ingestion = Ingestion(ingester, claim, opening.reading, erased)
                    if (result := ingestion.run_whole(opening.warnings)) is not None:
                        return result
                reading = opener.fix(job, opening)
                return Ingestion(ingester, claim, reading, erased).run()
        except DuplicateFile as duplicate:
            logger.info("the same content was loaded before", extra={"duplicate_of": str(duplicate)})
            return Result.JOB_ENDED
        except Interrupted:
            return Result.INTERRUPTED


class Ingestion:
    """The ingestion of one claim of an open job."""

    def __init__(
        self,
        ingester: Ingester,
        claim: Claim,
        reading: Reading,
        erased: ErasedValues | None = None,  # from the job's dataset
    ) -> None:
        self._erased = erased
        self._ingester = ingester
        self._limits = ingester.limits
        self._ledger = ingester.ledger
        self._range = claim.range
        self.job = replace(claim.job, source=reading.source, block_size=reading.block_size, reading=reading)
        self._reading = reading
        self._text = ObjectText(
            ingester.store, reading.source, reading.dialect, ingester.limits.text, ingester.limits.read_size
        )

    def run(self) -> Result:
        """Run the ingestion. See :meth:`Ingester.ingest`."""
        if self.job.progress.tally.unstored:  # a worker may have died between a block and the check
            self._check_limit()
        self._check_budget()
        if self._range is None and self._split():
            return Result.CLAIM_DONE
        total = self._fill()
        if self._range is not None:
            self._ingester.splits.finish(self.job, self._range)
            if self._ledger.gaps(self.job.id, total):
                return Result.CLAIM_DONE
        self._check_unchanged()
        # Several workers may find that nothing is missing any more: one of them completes the job.
        return _RESULTS[self._ledger.complete(self.job, total)]

    def run_whole(self, warnings: Sequence[FileWarning]) -> Result | None:
        """Load a file that is one block and that no worker has opened, in one transaction.

        ``warnings`` are those of its detection. Returns None, with nothing done, if it is no such file, or
        fails: :meth:`run` loads it then, or fails with its reading stored.
        """
        if self._reading.source.size > self._reading.block_size:
            return None
        size = min(self._reading.block_size, self._text_size() or self._reading.block_size)
        hold = self._ingester.block_memory.hold(size)
        try:
            return self._run_whole(warnings)
        finally:
            hold.release()

    def _run_whole(self, warnings: Sequence[FileWarning]) -> Result | None:
        try:
            block = self._only_block()
            if block is None:
                return None
            self._check_unchanged()
        except JobFailed:
            return None
        interruption.check()
        start = time.perf_counter()
        text_size = None if self._text.is_plain else block.end
        job = replace(self.job, reading=replace(self._reading, text_size=text_size))
        written = self._ingester.new_writer().write_whole(job, block, warnings)
        if written is None:
            return None
        completion, tally = written
        self._tell(tally, block, start)
        return _RESULTS[completion]

    def _only_block(self) -> PreparedBlock | None:
        """Return the block that is the whole text; None if there are more, or none."""
        size = self._text_size()
        blocks = cut_text(self._text, self._reading, Gap(0, size), self._limits.max_record, to_end=True)
        with closing(blocks):
            first, second = next(blocks, None), next(blocks, None)
        if first is None or second is not None or size not in (None, first.end):
            return None
        return self._transform(first)

    def _transform(self, block: Block) -> PreparedBlock:
        most = self._limits.max_rejects
        return transform(block, self._reading.dialect, most_rejects=most, erased=self._erased)

    def _check_unchanged(self) -> None:
        """Raise JobFailed if the object has been replaced: its newer content would never be read.

        Where the bucket keeps versions, the newer one is a job of its own. An object that is missing now was
        read to its end before.
        """
        source = self._reading.source
        if source.version_id is not None:
            return
        try:
            is_current = self._text.store.is_current(source)
        except JobFailed as failure:
            if failure.code == "source-missing":
                return
            raise
        if not is_current:
            raise JobFailed("source-changed", "The object was replaced while it was being loaded.")

    def _split(self) -> bool:
        """Split the file among workers if it is large; return whether it was split."""
        dialect = self._reading.dialect
        if not self._text.is_plain or not format_of(dialect).can_be_split(dialect):
            return False
        splitter = Splitter(
            self._ledger, self._ingester.splits, self._ingester.sender, self._limits.range_size
        )
        stretches = splitter.plan(self.job, self._reading)
        if stretches:
            splitter.split(self.job, self._text, self._framing(to_end=True), stretches)
        return bool(stretches)

    def _framing(self, *, to_end: bool) -> Framing:
        dialect = self._reading.dialect
        return format_of(dialect).framing(dialect, self._limits.max_record, to_end=to_end)

    def _fill(self) -> int:
        """Load the gaps of the claim; return the size of the whole text, in bytes."""
        total = self._text_size()
        writer = self._ingester.new_writer()
        previous: list[Gap] = []
        while gaps := _within(self._range, self._ledger.gaps(self.job.id, total)):
            if gaps == previous or any(gap.end is not None and gap.start > gap.end for gap in gaps):
                raise JobFailed(
                    "ledger-mismatch", f"Bytes {gaps[0].start} to {gaps[0].end} are not accounted for."
                )
            previous = gaps
            try:
                for gap in gaps:
                    end = self._load(gap, writer, to_end=gap.end in (None, total))
                    if gap.end is None:  # the end of the text has been read
                        total = max(gap.start, end)
                        self._ledger.measure(self.job, total)
            except BlockAlreadyCommitted:  # by another worker: read the gaps again
                continue
        return 0 if total is None else total

    def _load(self, gap: Gap, writer: BlockWriter, *, to_end: bool) -> int:
        """Write the gap's blocks, several at once while the next is prepared: memory holds only a few.

        Return where the last one ends, 0 without any.
        """
        end = 0
        writing: deque[Future[None]] = deque()
        loaders = self._limits.loaders
        blocks = self._blocks(gap, to_end=to_end)
        with closing(blocks), ThreadPoolExecutor(loaders, thread_name_prefix="load") as pool:
            for number, (block, hold) in enumerate(blocks, start=1):
                interruption.check()
                if number % _RELEASE_MEMORY_AFTER == 0:
                    memory.release_free_memory()
                while len(writing) >= loaders:  # backpressure
                    writing.popleft().result()
                writing.append(pool.submit(copy_context().run, self._write, writer, block, hold))
                end = block.end
                del block  # it is free once it is written
            while writing:
                writing.popleft().result()
        return end

    def _write(self, writer: BlockWriter, block: PreparedBlock, hold: Hold) -> None:
        """Write the block. Raises TooManyRejects if the job has too many rejects then."""
        start = time.perf_counter()
        try:
            tally = writer.write(self.job, block)
        finally:
            hold.release()
        self._tell(tally, block, start)
        if tally.unstored:
            self._check_limit()
        self._check_budget()

    def _tell(self, tally: Tally, block: PreparedBlock, start: float) -> None:
        """Write the metrics of a committed block, whose writing began at ``start``."""
        emit_metrics(
            {
                Metric.RECORDS_READ: tally.records,
                Metric.ROWS_INSERTED: tally.inserted,
                Metric.ROWS_DUPLICATE: tally.duplicates,
                Metric.RECORDS_REJECTED: tally.rejected,
                Metric.BYTES_LOADED: block.end - block.start,
                Metric.BLOCK_TIME: (time.perf_counter() - start) * 1000,
            },
            self.job.id,
        )

    def _check_limit(self) -> None:
        """Raise TooManyRejects unless the job counts rejects on that are not stored."""
        if self.job.instructions.rejects_beyond_limit is BeyondLimit.FAIL:
            raise TooManyRejects(f"job {self.job.id} has more rejects than are stored")

    def _check_budget(self) -> None:
        """Raise TooManyRejects if the committed blocks of all workers exceed the job's budget.

        It is checked after each block, when that is committed: of several at once, the last one sees all. And
        before the first: a worker may have died between its block and the check.
        """
        budget = self.job.instructions.max_rejects
        if budget is not None and budget.is_exceeded(self._ledger.tally(self.job.id)):
            raise TooManyRejects(f"the budget of job {self.job.id} is exceeded")

    def _text_size(self) -> int | None:
        """Return the size of the text, in bytes; None while its end has not been read."""
        return self._reading.source.size if self._text.is_plain else self._reading.text_size

    def _blocks(self, gap: Gap, *, to_end: bool) -> Generator[tuple[PreparedBlock, Hold]]:
        """Yield the gap's blocks, ready to be written, each with the memory that is held for it.

        That of a block which is not going to be written is free when the generator is closed.
        """
        blocks = cut_text(self._text, self._reading, gap, self._limits.max_record, to_end=to_end)
        with closing(blocks):
            for block in blocks:
                hold = self._ingester.block_memory.hold(block.end - block.start)
                try:
                    prepared = self._transform(block)
                    hold.resize(prepared.size)
                    yield prepared, hold
                    del prepared  # it is free once it is written
                except BaseException:  # it will not be written
                    hold.release()
                    raise


def _within(claim_range: Range | None, gaps: Sequence[Gap]) -> list[Gap]:
    """Return the gaps, cut to the range of a claim; None stands for the whole file."""
    if claim_range is None:
        return list(gaps)
    ends = [claim_range.end if gap.end is None else gap.end for gap in gaps]
    return [
        Gap(max(gap.start, claim_range.start), min(end, claim_range.end))
        for gap, end in zip(gaps, ends, strict=True)
        if gap.start < claim_range.end and end > claim_range.start
    ]
