"""Cuts the byte stream of a file into record-aligned blocks on a fixed grid.

Block *k* holds the records that begin in ``[k·B, (k+1)·B)``, so everyone who cuts a file cuts it alike,
however the bytes arrive. A record that is too large, or whose quote never closes, is set apart (a CSV
record with its first line); reading goes on after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Gap

TOO_LARGE = "record-too-large"
UNTERMINATED = "unterminated-quote"
UNREADABLE = {
    TOO_LARGE: "This record is larger than records may be, or a quote in it is never closed. "
    "Its first line was set apart and reading went on at the next.",
    UNTERMINATED: "A quote in this record is never closed. "
    "Its first line was set apart and reading went on at the next.",
}
EXCERPT = 1000  # bytes kept of a line that was set apart


class Hole(NamedTuple):
    """A line among records ``[start, end)`` that begins a record which cannot be read whole."""

    start: int
    end: int
    code: str


@dataclass(frozen=True)
class Segment:
    """Whole records, from ``offset`` on. ``regular``: no quote stands where RFC 4180 has none."""

    offset: int
    data: bytes
    regular: bool
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A line that begins a record which cannot be read whole."""

    offset: int
    raw: bytes  # its beginning
    code: str


@dataclass(frozen=True)
class Block:
    """A stretch ``[start, end)`` of the file; ``end`` is where the next block begins."""

    no: int
    start: int
    end: int
    parts: tuple[Segment | Unreadable, ...]


@dataclass(frozen=True)
class Split:
    """What a framing found in the bytes it was shown.

    ``code`` None: a record ends at ``end``, the first to do so at or after the wanted place.
    Otherwise the record that begins at ``end`` cannot be read whole; ``code`` says why. ``skip`` bytes
    of it are set apart, or its first line if that is None; ``lead`` bytes of separators come before them.
    ``rest``: all that follows ``end`` in the file is set apart as one, unless it is white space alone.
    """

    end: int
    regular: bool = True
    holes: tuple[Hole, ...] = ()  # lines before ``end`` to be set apart
    code: str | None = None
    skip: int | None = None
    lead: int = 0
    rest: bool = False


class Lost(Exception):  # noqa: N818 - named for what happened to the framing
    """Where records end cannot be told from here on: the job fails.

    ``places`` in the bytes that were shown are put into ``sentence`` as byte offsets in the file.
    """

    def __init__(self, code: str, sentence: str, *places: int) -> None:
        super().__init__(code, sentence, *places)
        self.code = code
        self.sentence = sentence
        self.places = places


class Framing(Protocol):
    """Knows where the records of a format end."""

    @property
    def look_ahead(self) -> int:
        """How many bytes behind a block may decide how it is cut."""

    @property
    def by_lines(self) -> bool:
        """Whether every line ending ends a record, whatever came before."""

    def split(self, data: bytes, at: int, *, final: bool) -> Split | None:
        """``data`` begins where a record begins; ``final``: the file ends where it ends.

        None: more bytes are needed. Raises Lost.
        """

    def line_end(self, data: bytes) -> int | None:
        """The offset after the first line ending of ``data``. None: more bytes are needed."""


class _Stream:
    """The bytes not yet cut, and where in the file they lie."""

    def __init__(self, chunks: Iterator[bytes], offset: int) -> None:
        self._chunks = chunks
        self.offset = offset
        self.data = b""
        self.final = False  # nothing comes after the data at hand

    def more(self) -> None:
        """Reads on by a quarter of the data at hand: who looks at it all again each time stays linear."""
        parts, wanted = [self.data], len(self.data) // 4 + 1
        while wanted > 0 and not self.final:
            chunk = next(self._chunks, None)
            self.final = chunk is None
            parts.append(chunk or b"")
            wanted -= len(parts[-1])
        self.data = b"".join(parts)

    def ended(self) -> bool:
        while not self.data and not self.final:
            self.more()
        return not self.data

    def take(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        self.offset += size
        return taken


def cut(
    chunks: Iterator[bytes], gap: Gap, *, data_start: int, block_size: int, framing: Framing
) -> Iterator[Block]:
    """The blocks of ``gap``. ``chunks``: the file's bytes from ``max(gap.start, data_start)`` on.

    They go ``framing.look_ahead`` bytes beyond the gap's end, so that a block is cut as it was cut before.
    The first block of a file takes what stands before ``data_start`` with it, even if no record follows.
    Raises JobFailed where the framing is lost.
    """
    stream = _Stream(chunks, max(gap.start, data_start))
    start = gap.start
    if start < data_start and stream.ended():
        _split(stream, 1, framing)  # to some formats a file without data is one cut short
    while (gap.end is None or start < gap.end) and (not stream.ended() or start < data_start):
        number = stream.offset // block_size
        parts = tuple(_parts(stream, (number + 1) * block_size, framing))
        yield Block(number, start, stream.offset, parts)
        start = stream.offset


def _parts(stream: _Stream, stop: int, framing: Framing) -> Iterator[Segment | Unreadable]:
    """The parts of the block whose cell of the grid ends at ``stop``; leaves the stream behind them."""
    while stream.offset < stop and not stream.ended():
        split = _split(stream, stop - stream.offset, framing)
        if split is None:
            stream.more()
            continue
        if split.end:
            yield Segment(stream.offset, stream.take(split.end), split.regular, split.holes)
        if split.rest:
            yield from _rest(stream, str(split.code))
        elif split.code is not None:
            yield _set_apart(stream, split, framing)


def _split(stream: _Stream, at: int, framing: Framing) -> Split | None:
    try:
        return framing.split(stream.data, at, final=stream.final)
    except Lost as lost:
        places = (f"{stream.offset + place:,}" for place in lost.places)
        raise JobFailed(lost.code, lost.sentence.format(*places)) from None


def _rest(stream: _Stream, code: str) -> Iterator[Unreadable]:
    """Takes all that is left off the stream, however long, keeping only its beginning."""
    offset, raw = stream.offset, b""
    while not stream.ended():
        data = stream.take(len(stream.data))
        if not raw:
            data = data.lstrip(b" \t\r\n")
            offset = stream.offset - len(data)
        raw = (raw + data)[:EXCERPT]
    if raw:
        yield Unreadable(offset, raw, code)


def _set_apart(stream: _Stream, split: Split, framing: Framing) -> Unreadable:
    """Takes what cannot be read off the stream, however long, keeping only its beginning."""
    stream.take(split.lead)
    offset, raw = stream.offset, b""
    if split.skip is not None:
        return Unreadable(offset, stream.take(split.skip)[:EXCERPT], str(split.code))
    while (end := framing.line_end(stream.data)) is None and not stream.final:
        # the last byte stays: it may be the CR of a CRLF
        raw = (raw + stream.take(max(len(stream.data) - 1, 0)))[:EXCERPT]
        stream.more()
    raw += stream.take(len(stream.data) if end is None else end)
    return Unreadable(offset, raw[:EXCERPT], str(split.code))


def split_lines(data: bytes, at: int, max_record: int, *, final: bool) -> Split | None:
    """:meth:`Framing.split` where every LF ends a record and nothing else does."""
    border = data.find(b"\n", at - 1) + 1
    if not border and final:
        border = len(data)
    start, stop = 0, border or len(data)
    while stop - start > max_record:  # hop from line end to line end, as far as a record may reach
        start, before = data.rfind(b"\n", start, start + max_record) + 1, start
        if not start:
            return Split(before, code=TOO_LARGE)
    return Split(border) if border else None
