"""Newline-delimited JSON: where its records end, and what they hold. One line, one record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.formats.json.columns import Reader
from chalicelib.reading.blocks import Segment, Split, split_lines
from chalicelib.rows.canonical import Unfit, parse, record

PIECE = 1 << 21  # bytes that are looked at together


@dataclass(frozen=True)
class NdjsonFraming:
    """Every LF ends a record: JSON text holds none but as white space."""

    max_record: int
    look_ahead: int = 0
    by_lines: bool = True

    def split(self, data: bytes, at: int, *, final: bool) -> Split | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        if len(data) <= at and not final:
            return None
        return split_lines(data, at, self.max_record, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        return data.find(b"\n") + 1 or None


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a segment: canonical JSON, or why there is none."""

    offset: int  # in the file
    raw: bytes
    canonical: str | None
    fault: Unfit | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Records that follow one another."""

    count: int
    canonical: pa.Array  # of those that are sound, in order
    faulty: list[tuple[int, Line]]  # the others, each with its place among all


def lines(segment: Segment) -> Iterator[Found]:
    """The segment's records; blank lines are none."""
    data, start, reader = segment.data, 0, Reader()
    while start < len(data):
        end = data.find(b"\n", start + PIECE) + 1 or len(data)
        raws = data[start:end].split(b"\n")
        if not raws[-1]:
            raws.pop()
        canonical, rest = reader.read(raws)
        offsets = list(accumulate(map(len, raws), _next_line, initial=segment.offset + start)) if rest else []
        yield found(len(raws), canonical, ((place, _line(offsets[place], raws[place])) for place in rest))
        start = end


def _next_line(offset: int, size: int) -> int:
    return offset + size + 1


def _line(offset: int, raw: bytes) -> Line | None:
    return read(offset, raw, "This line") if raw.strip(b" \t\r") else None


def found(count: int, canonical: pa.Array, rest: Iterable[tuple[int, Line | None]]) -> Found:
    """Puts records that were read together and the rest, which were read one by one, in order.

    Each of the rest with its place among ``count``; None: there is no record.
    """
    none, places, sound, faulty = 0, set(), {}, []
    for place, line in rest:
        places.add(place)
        if line is None:
            none += 1
        elif line.fault is None:
            sound[place] = line.canonical
        else:
            faulty.append((place - none, line))
    if sound:
        order = [place for place in range(count) if place not in places] + list(sound)
        canonical = pa.concat_arrays([canonical, pa.array(sound.values(), pa.string())])
        canonical = canonical.take(pc.array_sort_indices(pa.array(order, pa.int64())))
    return Found(count - none, canonical, faulty)


def read(offset: int, raw: bytes, noun: str) -> Line:
    """The record in ``raw``, which messages call ``noun``."""
    try:
        return Line(offset, raw, _record(raw, noun))
    except Unfit as fault:
        # a new one: that which was raised holds on to the parser's state
        return Line(offset, raw, None, Unfit(fault.code, str(fault)))


def _record(raw: bytes, noun: str) -> str:
    if b"\0" in raw:
        raise Unfit("nul-character", f"{noun} holds a NUL character, which text cannot hold.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unfit(
            "encoding-error", f"{noun} is not valid UTF-8; was the file saved in another encoding?"
        ) from None
    value = parse(text.strip(" \t\r"), noun)
    if not isinstance(value, dict):
        raise Unfit("not-an-object", f"{noun} is JSON, but not an object in braces {{ }}.")
    return record(value)
