"""Find where records end in text whose quotes are all where RFC 4180 has them, column-wise.

That is the fast path: any other text is read by :mod:`chalicelib.formats.csv.scan`.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.model import BLANKS, Dialect
from chalicelib.formats.csv.grammar import CR, LF
from chalicelib.formats.csv.merged import is_like_prose
from chalicelib.formats.csv.octets import bare_cr, equal
from chalicelib.rows.columns import numbers

INNER_PART = 0.9  # of the lines within a cell: if so many are records, a quote is missing

_ENDING = re.compile(rb"\r?\n|\r(?=[^\n])")  # not a CR at the end: a LF may follow


def quotes(data: bytes, dialect: Dialect) -> pa.Array | None:
    """Return the offsets of all quotes, in order (uint64): one opens a cell, the next closes it, and so on.

    Returns None when some quote stands where RFC 4180 has none, and for files with escapes; where there are
    quotes, also for files with comments or blanks as delimiters.
    """
    if dialect.escape:
        return None
    if not dialect.quote or dialect.quote.encode() not in data:
        return pa.array([], pa.uint64())
    if dialect.comment or dialect.delimiter == BLANKS:
        return None
    octets = numbers(data)
    offsets = pc.indices_nonzero(equal(octets, ord(dialect.quote)))
    # The byte before an opening quote, and the one after a closing quote (it may be half of a doubled one).
    # At the ends of the data it is the quote itself.
    alternating = pa.py_buffer(b"\x55" * (len(offsets) // 8 + 1))
    opens = pa.Array.from_buffers(pa.bool_(), len(offsets), [None, alternating])
    outward = pc.if_else(opens, pa.scalar(-1, pa.int64()), pa.scalar(1, pa.int64()))
    places = pc.add(offsets.cast(pa.int64(), safe=False), outward)
    places = pc.min_element_wise(pc.max_element_wise(places, 0), len(data) - 1)
    neighbours = octets.take(places).buffers()[1].to_pybytes()
    borders = (dialect.delimiter + dialect.quote).encode() + b"\n\r"
    return None if neighbours.translate(None, borders) else offsets


def record_spans(data: bytes, dialect: Dialect, ordinals: Sequence[int]) -> list[tuple[int, int]] | None:
    """Return start and end of the records with the given ordinals, which increase.

    Every line ending outside quotes ends a record or a blank line, which is none. Returns None where
    :func:`quotes` does.
    """
    offsets = quotes(data, dialect)
    if offsets is None:
        return None
    text = numbers(data)
    endings = equal(text, LF)
    if CR in data:
        endings = pc.or_(endings, bare_cr(text, at_end=True))
    ends = pc.indices_nonzero(endings)
    if len(offsets):
        before = pc.search_sorted(offsets, ends)  # the number of quotes
        inside = pc.equal(pc.bit_wise_and(before, pa.scalar(1, pa.uint64())), pa.scalar(1, pa.uint64()))
        ends = ends.filter(pc.invert(inside))
    starts = pa.concat_arrays([pa.array([0], pa.int64()), pc.add(ends.cast(pa.int64()), 1)])
    starts = starts.filter(pc.less(starts, len(data)))
    stops = pa.concat_arrays([starts.slice(1), pa.array([len(data)], pa.int64())])
    is_blank = pc.is_in(text.take(starts), pa.array([LF, CR], pa.uint8()))
    indices = pa.array(ordinals, pa.int64())
    bounds = [column.filter(pc.invert(is_blank)).take(indices).to_pylist() for column in (starts, stops)]
    return list(zip(*bounds, strict=True))


def first_end(data: bytes, offsets: Sequence[int], start: int) -> int | None:
    """Return the first end of a record at or after ``start`` (1 or more), given all quotes.

    A CR that is the last byte ends none: a LF may follow.
    """
    at = start - 1
    while ending := _ENDING.search(data, at):
        quotes_before = bisect_left(offsets, ending.end())
        if quotes_before % 2 == 0:
            return ending.end()
        if quotes_before == len(offsets):
            return None
        at = offsets[quotes_before]
    return None


def may_hold_rows(data: bytes, offsets: pa.Array, dialect: Dialect) -> bool:
    """Return whether a quoted cell may hold lines that look like records, given all quotes.

    It does if it holds two line endings or more, and so many delimiters as nearly all lines between need; or
    one line ending, and so many delimiters as two records that share a cell.
    """
    if not len(offsets):
        return False
    first, last = pa.array([0], pa.int64()), pa.array([len(data)], pa.int64())
    bounds = pa.concat_arrays([first, offsets.cast(pa.int64()), last])
    pieces = pa.Array.from_buffers(  # text outside quotes and inside, in turns
        pa.large_binary(), len(bounds) - 1, [None, bounds.buffers()[1], pa.py_buffer(data)]
    )
    alternating = pa.py_buffer(b"\xaa" * (len(pieces) // 8 + 1))
    inside = pieces.filter(pa.Array.from_buffers(pa.bool_(), len(pieces), [None, alternating]))
    buffer = inside.buffers()[2]
    content = b"" if buffer is None else buffer.to_pybytes()
    if b"\n" not in content and b"\r" not in content:
        return False
    delimiter, width = dialect.delimiter.encode(), len(dialect.columns)
    skips = dialect.skip_initial_space
    return any(
        _looks_like_rows(cell, delimiter, width, skips_blanks=skips)
        for cell in _cells(data, offsets.to_pylist())
    )


def _cells(data: bytes, offsets: list[int]) -> Iterator[bytes]:
    """Yield the content of quoted cells, given all quotes. The last may be open."""
    start = offsets[0]
    for closing, opening in zip(offsets[1::2], offsets[2::2], strict=False):
        if opening > closing + 1:  # else both are one character
            yield data[start:closing]
            start = opening
    yield data[start:] if len(offsets) % 2 else data[start : offsets[-1]]


def _looks_like_rows(cell: bytes, delimiter: bytes, width: int, *, skips_blanks: bool) -> bool:
    inner = cell.count(b"\n") + cell.count(b"\r") - cell.count(b"\r\n") - 1
    if inner == 0 and cell.count(delimiter) == width - 1 > 0:
        return not is_like_prose(cell, delimiter, skips_blanks=skips_blanks)
    return inner > 0 and cell.count(delimiter) >= INNER_PART * inner * (width - 1)
