"""Cut the text of a file into blocks of whole records, on a fixed grid.

Block *k* holds the records that begin in ``[k·B, (k+1)·B)``, so every worker cuts a file at the same
offsets, however the bytes arrive. What cannot be read as a record (too large, a quote that never closes …) is
rejected undecoded, and reading continues after it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from chalicelib import interruption
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Gap
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.lines import count_lines
from chalicelib.reading.object_text import Chunk

TOO_LARGE = "record-too-large"
EXCERPT = 1000  # bytes kept of a record that cannot be read whole

NEAR = 1 << 16  # bytes beyond a block: the record that ends it is seldom longer
_NOTHING = memoryview(b"")


class Stretch(NamedTuple):
    """A stretch ``[start, end)`` within a segment on which the framing decided.

    With a ``code``, it is rejected as one record: it cannot be read. Without one, it is one record, and
    ``note`` says what was assumed: one of :data:`chalicelib.core.warnings.KINDS`.
    """

    start: int
    end: int
    code: str | None
    note: str | None = None


@dataclass(frozen=True)
class Segment:
    """Whole records, from ``offset`` on."""

    offset: int  # in the text
    data: bytes
    regular: bool  # every quote opens or closes a cell (RFC 4180)
    stretches: tuple[Stretch, ...] = ()  # in order
    quotes: int | None = None  # how many there are, if the framing counted them
    line: int = 0  # in which it begins, counted from 0 in the block


@dataclass(frozen=True)
class RejectedRecord:
    """A record that cannot be read whole; ``raw`` is the beginning of it, up to a size."""

    offset: int  # in the text
    raw: bytes
    code: str
    line: int = 0  # see Segment


@dataclass(frozen=True)
class Block:
    """The records in ``[start, end)`` of the text; the next block begins at ``end``.

    ``lines`` is the number of line endings in it. A CRLF between two blocks belongs to the second.
    """

    no: int
    start: int
    end: int
    segments: tuple[Segment | RejectedRecord, ...]
    source_offset: int | None = None  # see Chunk
    lines: int = 0
    warnings: tuple[FileWarning, ...] = ()  # of the last block of a text: see Chunk


# Take the pieces of the rest of a file; yield those that belong to no record, from some byte on. May raise
# FramingError, with offsets that count from the beginning of the first piece.
Rest = Callable[[Iterator[bytes]], Iterator[bytes]]


@dataclass(frozen=True)
class Boundary:
    """The end of whole records in the data of a framing.

    Without a ``code``, a record ends at ``end``, and no earlier one ends at or after the requested offset.
    With a ``code``, the record that begins at ``end``, after ``separators`` bytes, cannot be read whole:
    ``length`` bytes of it are rejected, or its first line if that is None. With ``rest``, no other record
    follows: of the rest of the file, what that yields is rejected as one record, unless it is white space.
    """

    end: int
    regular: bool = True  # see Segment
    stretches: tuple[Stretch, ...] = ()  # before ``end``, in order
    quotes: int | None = None  # before ``end``
    code: str | None = None
    length: int | None = None
    separators: int = 0
    rest: Rest | None = None


class FramingError(Exception):
    """Record borders cannot be found from here on: the job fails.

    ``sentence`` has a placeholder for each of the ``offsets``, which count from the beginning of the data.
    """

    def __init__(self, code: str, sentence: str, *offsets: int) -> None:
        super().__init__(code, sentence, *offsets)
        self.code = code
        self.sentence = sentence
        self.offsets = offsets


class Framing(Protocol):
    """The rule that says where records end in a format."""

    @property
    def look_ahead(self) -> int:
        """The number of bytes after a block that may decide how it is cut."""

    @property
    def by_lines(self) -> bool:
        """Whether every line ending ends a record, whatever precedes it."""

    def boundary(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """Find the first record end at or after ``at``, or the first record that cannot be read whole.

        ``data`` begins where a record begins; ``final``: the file ends where ``data`` ends. Returns None if
        more bytes are needed. Raises FramingError.
        """

    def line_end(self, data: bytes) -> int | None:
        """Return the offset after the first line ending of ``data``; None if more bytes are needed."""


class _Window:
    """The bytes that were read and not yet cut, and their place: offset in the text, line in the block."""

    def __init__(self, chunks: Iterator[Chunk], offset: int, line: int) -> None:
        self._chunks = chunks
        self.offset = offset
        self.line = line
        self.source_offset: int | None = None  # of the last chunk
        self.warnings: tuple[FileWarning, ...] = ()  # of the last chunk
        self.data = b""
        self._rest = _NOTHING  # of the last chunk: it follows the data
        self.final = False  # the text ends where the data ends

    def fill(self, size: int) -> None:
        """Grow the data to ``size`` bytes, or to the end of the text."""
        missing = size - len(self.data)
        if missing <= 0:
            return
        pieces = [memoryview(self.data)]
        while missing > 0 and not self.final:
            if not self._rest:
                self._read()
            piece, self._rest = self._rest[:missing], self._rest[missing:] or _NOTHING
            pieces.append(piece)
            missing -= len(piece)
        self.data = b"".join(pieces)

    def grow(self) -> None:
        """Grow the data by a quarter: scanning it from its beginning each time still takes linear time."""
        self.fill(max(len(self.data) // 4 * 5 + 1, NEAR))

    def _read(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self.final = True
            return
        self._rest = memoryview(chunk.data)
        self.source_offset = chunk.source_offset
        self.warnings = chunk.warnings

    def is_at_end(self) -> bool:
        """Return whether the text has no more bytes, after reading on if no data is left."""
        if not self.data:
            self.grow()
        return not self.data

    def take(self, size: int) -> bytes:
        """Remove the first ``size`` bytes and return them."""
        data, self.data = self.data[:size], self.data[size:]
        self.offset += size
        self.line += count_lines(data)
        if data.endswith(b"\r") and not self.is_at_end() and self.data.startswith(b"\n"):
            self.line -= 1  # the line ends with the LF
        return data

    def take_all(self) -> Iterator[bytes]:
        """Remove the bytes of the text to its end and yield them in pieces."""
        while not self.is_at_end():
            yield self.take(len(self.data))


def cut_blocks(  # noqa: PLR0913 - what the text is, and what is to be cut from it
    chunks: Iterator[Chunk],
    gap: Gap,
    *,
    data_start: int,
    data_line: int = 0,
    block_size: int,
    framing: Framing,
    excerpt: int = EXCERPT,
) -> Iterator[Block]:
    """Yield the blocks of ``gap``. ``chunks`` hold the text from ``max(gap.start, data_start)`` on.

    They reach ``framing.look_ahead`` bytes beyond the gap's end, so that every worker cuts the same blocks.
    The first block of a file includes the bytes before ``data_start``, which have ``data_line`` line endings,
    even if no record follows. ``excerpt``: bytes kept of a record that cannot be read whole. Raises JobFailed
    for a FramingError.
    """
    window = _Window(chunks, max(gap.start, data_start), data_line if gap.start < data_start else 0)
    start = gap.start
    if start < data_start and window.is_at_end():
        _boundary(window, 1, framing)  # for some formats a file without data is truncated
    while (gap.end is None or start < gap.end) and (not window.is_at_end() or start < data_start):
        number = window.offset // block_size
        segments = tuple(_segments(window, (number + 1) * block_size, framing, excerpt))
        # The last block is known as such even if the text ends with it: it carries the warnings.
        warnings = window.warnings if window.is_at_end() else ()
        told = tuple(replace(warning, offset=window.offset) for warning in warnings)
        yield Block(number, start, window.offset, segments, window.source_offset, window.line, told)
        start, window.line = window.offset, 0


def _segments(
    window: _Window, stop: int, framing: Framing, excerpt: int
) -> Iterator[Segment | RejectedRecord]:
    """Take the block that ends at or after ``stop``, the next line of the grid, off the window."""
    while window.offset < stop and not window.is_at_end():
        interruption.check()
        window.fill(stop - window.offset + NEAR)
        boundary = _boundary(window, stop - window.offset, framing)
        if boundary is None:
            window.grow()
            continue
        if boundary.end:
            offset, line = window.offset, window.line
            data = window.take(boundary.end)
            yield Segment(offset, data, boundary.regular, boundary.stretches, boundary.quotes, line)
        if boundary.rest is not None:
            yield from _reject_to_end(window, boundary.rest, str(boundary.code), excerpt)
        elif boundary.code is not None:
            yield _reject(window, boundary, framing, excerpt)


def _boundary(window: _Window, at: int, framing: Framing) -> Boundary | None:
    try:
        return framing.boundary(window.data, at, final=window.final)
    except FramingError as error:
        raise _failure(error, window.offset) from None


def _failure(error: FramingError, begin: int) -> JobFailed:
    """Return the failure of the job; ``begin``: the offset from which those of the error count."""
    return JobFailed(error.code, error.sentence.format(*(f"{begin + offset:,}" for offset in error.offsets)))


def _reject_to_end(window: _Window, rest: Rest, code: str, excerpt: int) -> Iterator[RejectedRecord]:
    """Take the rest of the text off the window, however long; see Boundary."""
    begin = offset = window.offset
    line, raw = window.line, b""
    try:
        for piece in rest(window.take_all()):
            if raw:
                raw += piece[: max(excerpt - len(raw), 0)]
            elif raw := piece.lstrip(b" \t\r\n"):
                offset = window.offset - len(raw)
                line = window.line - count_lines(raw)
                raw = raw[:excerpt]
    except FramingError as error:
        raise _failure(error, begin) from None
    if raw:
        yield RejectedRecord(offset, raw, code, line)


def _reject(window: _Window, boundary: Boundary, framing: Framing, excerpt: int) -> RejectedRecord:
    """Take a record that cannot be read whole off the window, however long."""
    window.take(boundary.separators)
    offset, line, raw = window.offset, window.line, b""
    if boundary.length is not None:
        return RejectedRecord(offset, window.take(boundary.length)[:excerpt], str(boundary.code), line)
    while (end := framing.line_end(window.data)) is None and not window.final:
        # the last byte stays: it may be the CR of a CRLF
        raw = (raw + window.take(max(len(window.data) - 1, 0)))[:excerpt]
        window.grow()
    raw += window.take(len(window.data) if end is None else end)
    return RejectedRecord(offset, raw[:excerpt], str(boundary.code), line)


def line_boundary(data: bytes, at: int, max_record: int, *, final: bool) -> Boundary | None:
    """Find the boundary as :meth:`Framing.boundary` does, in a format where only LF ends a record."""
    end = data.find(b"\n", at - 1) + 1
    if not end and final:
        end = len(data)
    start, stop = 0, end or len(data)
    while stop - start > max_record:  # hop from line end to line end, as far as a record may reach
        start, before = data.rfind(b"\n", start, start + max_record) + 1, start
        if not start:
            return Boundary(before, code=TOO_LARGE)
    return Boundary(end) if end else None
