"""Decode a segment of an NDJSON file. Each line is a record; blank lines are skipped."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate

from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.reading.blocks import Segment

PIECE = 1 << 21  # bytes that are read together

_NOUN = "This line"


def decode(segment: Segment) -> Iterator[JsonBatch]:
    """Yield the segment's records in batches."""
    data, start, reader = segment.data, 0, Reader()
    while start < len(data):
        end = data.find(b"\n", start + PIECE) + 1 or len(data)
        lines = data[start:end].split(b"\n")
        if not lines[-1]:
            lines.pop()
        yield _batch(lines, segment.offset + start, reader)
        start = end


def _batch(lines: list[bytes], offset: int, reader: Reader) -> JsonBatch:
    table, rest = reader.read(lines)
    blank = {index for index in rest if not lines[index].strip(b" \t\r")}
    indices: Sequence[int] = range(len(lines))
    raws, singles = lines, rest
    if blank:
        indices = [index for index in indices if index not in blank]
        raws = [lines[index] for index in indices]
        ordinals = {index: ordinal for ordinal, index in enumerate(indices)}
        singles = [ordinals[index] for index in rest if index not in blank]
    offsets = partial(_offsets, lines, offset, indices)
    return JsonBatch(len(raws), table, singles, raws=raws, offsets=offsets, noun=_NOUN)


def _offsets(lines: Sequence[bytes], offset: int, indices: Sequence[int]) -> Sequence[int]:
    """Return the offsets of those of the lines."""
    offsets = list(accumulate(map(len, lines), _next_line, initial=offset))
    return [offsets[index] for index in indices]


def _next_line(offset: int, size: int) -> int:
    return offset + size + 1
