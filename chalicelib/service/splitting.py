"""Split large files into ranges, so that several workers can load one file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.jobs import Job, Reading
from chalicelib.core.model import Range
from chalicelib.reading.blocks import Framing
from chalicelib.reading.object_text import ObjectText
from chalicelib.reading.split_points import range_ends
from chalicelib.service.ledger import Ledger
from chalicelib.service.queue import JobSender
from chalicelib.telemetry import logger


class Splits(Protocol):
    """Hold the ranges of jobs that were split. Every method raises RetryLater."""

    def add(self, job: Job, file_range: Range, *, since: int | None) -> None:
        """Add a range of the job that any worker may claim.

        Moves ``split_to`` from ``since`` to the range's end. Raises JobEnded if it was not at ``since`` or
        the job has ended or has another reading.
        """

    def close(self, job: Job, *, since: int | None) -> None:
        """Mark the whole file as split. Moves ``split_to`` and raises as :meth:`add` does."""

    def finish(self, job: Job, file_range: Range) -> None:
        """Remove a range, which the ledger covers; do nothing if the job has another reading by now."""


@dataclass(frozen=True)
class Splitter:
    """Split files of at least two ranges."""

    ledger: Ledger
    splits: Splits
    sender: JobSender
    range_size: int  # bytes; 0: files are not split

    def plan(self, job: Job, reading: Reading) -> list[Range]:
        """Return the stretches of the file to split; none if it is small, or was split already.

        Continues where another worker stopped splitting. A job that is retried may have gaps anywhere.
        Raises RetryLater.
        """
        size, since = reading.source.size, reading.split_to
        if not self.range_size or since == size:
            return []
        gaps = self.ledger.gaps(job.id, size)
        stretches = [Range(max(gap.start, since or 0), size if gap.end is None else gap.end) for gap in gaps]
        stretches = [stretch for stretch in stretches if stretch.start < stretch.end]
        is_large = sum(stretch.end - stretch.start for stretch in stretches) >= 2 * self.range_size
        return stretches if is_large or since is not None else []

    def split(self, job: Job, text: ObjectText, framing: Framing, stretches: list[Range]) -> None:
        """Add ranges that any worker may claim, and enqueue a message for each. Raises JobEnded, RetryLater.

        The first message is sent at once, then as many at a time as were sent before: another worker soon has
        a range of its own, and the queue is called only a few times.
        """
        reading = job.reading
        since = reading.split_to if reading else None
        sent_count = pending = 0
        for file_range in self._ranges(job, text, framing, stretches):
            self.splits.add(job, file_range, since=since)
            since = file_range.end
            pending += 1
            if pending > sent_count:
                self.sender.send(job.id, copies=pending)
                sent_count, pending = sent_count + pending, 0
        self.splits.close(job, since=since)
        if pending:
            self.sender.send(job.id, copies=pending)
        logger.info("file split")

    def _ranges(
        self, job: Job, text: ObjectText, framing: Framing, stretches: list[Range]
    ) -> Iterator[Range]:
        for stretch in stretches:
            start = stretch.start
            ends = range_ends(text, stretch, framing, block_size=job.block_size, range_size=self.range_size)
            for end in ends:
                yield Range(start, end)
                start = end
