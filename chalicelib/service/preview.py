"""Make previews: read the beginning of a file as it would be loaded, without storing a row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.jobs import Job
from chalicelib.core.model import Dialect, Gap, Place, Reject, StoredReject
from chalicelib.core.preview import Preview
from chalicelib.core.warnings import FileWarning, JobWarning
from chalicelib.formats import format_of
from chalicelib.formats.interface import Detection
from chalicelib.interruption import Interrupted, interruptible
from chalicelib.reading.blocks import Block, Framing, RejectedRecord, Segment, cut_blocks
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.reading.kept_beginning import KeptBeginning
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import Chunk, ObjectText
from chalicelib.service.ingestion import IngestionLimits, Result
from chalicelib.service.ledger import Ledger
from chalicelib.service.opening import Opener
from chalicelib.service.sureness import sureness
from chalicelib.service.transform import Rejected, RejectRuns, print_block
from chalicelib.telemetry import logger

MOST_RECORDS = 20  # that a preview shows
MOST_REJECTS = 20
MOST_JSON = 256 << 10  # bytes of canonical JSON that it shows: the API's answers are bounded
SIZE = 1 << 16  # bytes of the text whose records are read; the last record may end later
# Cells that are read, about: in a table of thousands of columns, short records have as many as whole ones.
MOST_CELLS = 1 << 19
# Bytes of the text in which the ends of these records are looked for: first in few, as detection does.
_LOOKS = (HEAD_SIZE, 4 << 20)
# Sizes of blocks, in bytes. Where a record does not end within what was read, ever smaller blocks are cut, so
# that the records before it are shown all the same.
_GRIDS = (1 << 14, 1 << 9, 1 << 4, 1)


class Previews(Protocol):
    """Hold the previews of jobs."""

    def store(self, job: Job, preview: Preview) -> None:
        """Store the job's preview and mark the job PREVIEWED.

        Raises JobEnded if the job is not PROCESSING, has another reading, or is to be loaded by now;
        RetryLater.
        """


@dataclass(frozen=True)
class Previewer:
    """Make the previews of jobs."""

    ledger: Ledger
    previews: Previews
    store: ObjectStore
    limits: IngestionLimits

    def preview(self, job: Job, keep_going: Callable[[], bool]) -> Result:
        """Open the job, make its preview, and store it. Returns PREVIEWED or INTERRUPTED.

        Raises JobFailed, JobEnded, RetryLater.
        """
        limits, store = self.limits.text, KeptBeginning(self.store)
        most = self.limits.memory.block_size
        try:
            with interruptible(keep_going):
                erased = self.ledger.erased_values(job) if job.erasures else None
                opener = Opener(self.ledger, store, limits, self.limits.max_upload, most, erased)
                reading, detection = opener.open_to_preview(job)
                text = ObjectText(store, reading.source, reading.dialect, limits, read_size=HEAD_SIZE)
                preview = self._make(job, text, detection, erased)
        except Interrupted:
            return Result.INTERRUPTED
        self.previews.store(replace(job, source=reading.source, reading=reading), preview)
        logger.info("preview stored", extra={"records": preview.read, "rejected": preview.rejected})
        return Result.PREVIEWED

    def _make(self, job: Job, text: ObjectText, detection: Detection, erased: ErasedValues | None) -> Preview:
        dialect, file_format = text.dialect, format_of(text.dialect)
        size = min(SIZE, file_format.max_block_size(dialect))
        stop = (dialect.data_start + size) // _GRIDS[0] * _GRIDS[0]
        most_lines = max(MOST_CELLS // max(len(dialect.columns), 1), MOST_RECORDS)
        for look in _LOOKS:
            beginning = _read(text, look)
            framing = file_format.framing(dialect, self.limits.max_record, to_end=beginning.is_whole)
            block = _whole_records(beginning, stop, dialect, framing, most_lines)
            if beginning.is_whole or block.end >= stop or block.lines >= most_lines:
                break
        rejects: list[Rejected] = []
        runs = RejectRuns(dialect, rejects.append, MOST_REJECTS, erased)
        printed = print_block(block, dialect, runs, in_order=True)
        return Preview(
            records=tuple(_bounded(printed.texts.slice(0, MOST_RECORDS).to_pylist())),
            rejects=tuple(_stored(rejected.with_excerpt()) for rejected in rejects),
            warnings=tuple(map(_warning, printed.warnings)),
            read=printed.records,
            rejected=runs.rejected,
            text_bytes=block.end,
            is_whole=beginning.is_whole and block.end == dialect.data_start + len(beginning.data),
            sure=sureness(job.instructions.options, dialect, detection.warnings, detection.runner_up),
            runner_up=detection.runner_up,
        )


class _Beginning(NamedTuple):
    """The bytes of the text from its first record on."""

    data: bytes
    is_whole: bool  # the text ends with them
    warnings: tuple[FileWarning, ...] = ()  # of the end of the text


def _read(text: ObjectText, size: int) -> _Beginning:
    """Read up to ``size`` bytes of the text from its first record on."""
    start = text.dialect.data_start
    if text.is_plain:
        with closing(text.stream(start, start + size)) as chunks:
            data = b"".join(chunk.data for chunk in chunks)
        return _Beginning(data, start + len(data) >= text.source.size)
    pieces, length = list[bytes](), 0
    with closing(text.stream(start, None)) as chunks:  # without an end: it tells what follows the text
        for chunk in chunks:
            pieces.append(chunk.data)
            length += len(chunk.data)
            if length > size:
                return _Beginning(b"".join(pieces)[:size], is_whole=False)
        return _Beginning(b"".join(pieces), is_whole=True, warnings=chunk.warnings)


class _BytesMissing(Exception):  # noqa: N818 - no error
    """Where a record ends is decided by bytes that were not read."""


def _whole_records(
    beginning: _Beginning, stop: int, dialect: Dialect, framing: Framing, most_lines: int
) -> Block:
    """Return the records that begin before ``stop`` and end in the bytes, in one block.

    There are fewer if they have ``most_lines``, about: a block may hold twice as many.
    """
    segments: list[Segment | RejectedRecord] = []
    warnings: list[FileWarning] = []
    end = lines = 0
    largest = 1 << min(most_lines.bit_length(), _GRIDS[0].bit_length() - 1)  # divides ``stop``, as they do
    for block_size in sorted({min(size, largest) for size in _GRIDS}, reverse=True):
        try:
            for block in _blocks(beginning, Gap(end, stop), block_size, dialect, framing):
                segments += (replace(segment, line=lines + segment.line) for segment in block.segments)
                warnings += block.warnings
                lines += block.lines
                end = block.end
                if lines >= most_lines:
                    break
            break
        except _BytesMissing:
            continue
    return Block(0, 0, end, tuple(segments), lines=lines, warnings=tuple(warnings))


def _blocks(
    beginning: _Beginning, gap: Gap, block_size: int, dialect: Dialect, framing: Framing
) -> Iterator[Block]:
    """Yield the blocks of the gap. Raises _BytesMissing where the bytes do not decide."""

    def chunks() -> Iterator[Chunk]:
        data = beginning.data[max(gap.start - dialect.data_start, 0) :]
        yield Chunk(data, warnings=beginning.warnings)
        if not beginning.is_whole:
            raise _BytesMissing

    return cut_blocks(
        chunks(),
        gap,
        data_start=dialect.data_start,
        data_line=dialect.data_line or 0,
        block_size=block_size,
        framing=framing,
    )


def _bounded(records: Sequence[str]) -> Iterator[str]:
    """Yield the records as far as they have MOST_JSON bytes together."""
    size = 0
    for record in records:
        size += len(record.encode())
        if size > MOST_JSON:
            return
        yield record


def _stored(reject: Reject) -> StoredReject:
    """Return a reject of the file's first block as the register returns those of a loaded file."""
    place = Place(reject.offset, reject.record + 1, _counted(reject.line), _counted(reject.sheet_row))
    cursor = (0, reject.record)
    return StoredReject(cursor, place, reject.field, reject.code, reject.message, reject.raw, reject.count)


def _warning(warning: FileWarning) -> JobWarning:
    """Return a warning of the file's first block as the register returns those of a loaded file."""
    record, line = _counted(warning.record), _counted(warning.line)
    return JobWarning(warning.code, warning.count, warning.offset, warning.example, record, line)


def _counted(number: int | None) -> int | None:
    """Return the number, counted from 1."""
    return None if number is None else number + 1
