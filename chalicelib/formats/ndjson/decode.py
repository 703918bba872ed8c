"""Decode a segment of an NDJSON file. Each line is a record; blank lines are skipped."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import accumulate
from operator import itemgetter

from chalicelib.formats.interface import Location, Note
from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.decode import COMMAS, MOST_UNITS
from chalicelib.reading.blocks import Segment

PIECE = 1 << 21  # bytes that are read together

_BLANKS = b" \t\r"
_COMMA_OR_BLANK = frozenset((b",", b" ", b"\t", b"\r"))
_FIRST, _LAST = itemgetter(slice(1)), itemgetter(slice(-1, None))


def decode(segment: Segment, *, passes_commas: bool = True) -> Iterator[JsonBatch]:
    """Yield the segment's records in batches.

    ``passes_commas``: a comma at the end or the beginning of a line is passed over.
    """
    data, start, reader = segment.data, 0, Reader()
    while start < len(data):
        end = data.find(b"\n", start + PIECE) + 1 or len(data)
        lines = data[start:end].split(b"\n")
        if not lines[-1]:
            lines.pop()
        offset = segment.offset + start
        for first in range(0, len(lines), MOST_UNITS):
            some = lines[first : first + MOST_UNITS]
            yield _batch(some, offset, reader, passes_commas=passes_commas)
            offset += sum(map(len, some)) + len(some)
        start = end


def _batch(lines: list[bytes], offset: int, reader: Reader, *, passes_commas: bool) -> JsonBatch:
    texts = list(map(_without_commas, lines)) if passes_commas and _has_commas(lines) else lines
    table, rest = reader.read(texts)
    blank = {index for index in rest if not texts[index].strip(_BLANKS)}
    indices: Sequence[int] = range(len(lines))
    raws, singles = texts, rest
    if blank:
        indices = [index for index in indices if index not in blank]
        raws = [texts[index] for index in indices]
        ordinals = {index: ordinal for ordinal, index in enumerate(indices)}
        singles = [ordinals[index] for index in rest if index not in blank]
    offsets = partial(_offsets, lines, offset, indices)
    spans = raws if texts is lines else [lines[index] for index in indices]
    notes = () if texts is lines else _notes(lines, texts, offset, blank)
    return JsonBatch(len(raws), table, singles, notes=notes, raws=raws, spans=spans, offsets=offsets)


def _has_commas(lines: Sequence[bytes]) -> bool:
    """Return whether a line begins or ends with a comma, or with a blank that may precede or follow one."""
    return not (
        _COMMA_OR_BLANK.isdisjoint(map(_FIRST, lines)) and _COMMA_OR_BLANK.isdisjoint(map(_LAST, lines))
    )


def _without_commas(line: bytes) -> bytes:
    """Return the line without a comma at its end, and without one at its beginning if anything follows it."""
    text = line.strip(_BLANKS)
    if not text.startswith(b",") and not text.endswith(b","):
        return line
    text = text.removesuffix(b",").rstrip(_BLANKS)
    return text[1:].lstrip(_BLANKS) if text.startswith(b",") and len(text) > 1 else text


def _notes(lines: list[bytes], texts: list[bytes], offset: int, blank: Collection[int]) -> Sequence[Note]:
    """Return what was passed over; ``blank``: the lines that are not records."""
    changed = [index for index, (line, text) in enumerate(zip(lines, texts, strict=True)) if line is not text]
    if not changed:
        return ()
    first = changed[0]
    ordinal = first - sum(index < first for index in blank)
    (place,) = _offsets(lines, offset, [first])
    return [Note(COMMAS, len(changed), ordinal, Location(place, lines[first]))]


def _offsets(lines: Sequence[bytes], offset: int, indices: Sequence[int]) -> Sequence[int]:
    """Return the offsets of those of the lines."""
    offsets = list(accumulate(map(len, lines), _next_line, initial=offset))
    return [offsets[index] for index in indices]


def _next_line(offset: int, size: int) -> int:
    return offset + size + 1
