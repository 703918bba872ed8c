"""Find where CSV records begin and end.

Two readers agree: :func:`read` is Python's own `csv` and therefore the specification; :func:`regular_ends`
finds the same borders column-wise, in text in which every quote opens or closes a cell (RFC 4180), and
declines any other. All offsets are bytes. Structure is ASCII, so bytes are read as Latin-1 and cells
keep their bytes whatever their encoding.
"""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.octets import bare_cr, equal
from chalicelib.reading.blocks import Stretch
from chalicelib.rows.columns import numbers

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # records are bounded before they are parsed

LF, CR = b"\n\r"

LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True)
class Row:
    """One record as `csv` reads it, or a blank line (no cells)."""

    start: int
    end: int  # after the line ending
    cells: list[str]  # Latin-1
    open: bool = False  # its last quote was still open when the data ended
    code: str | None = None  # of a rejected line


def read(data: bytes, dialect: Dialect, stretches: Sequence[Stretch] = ()) -> Iterator[Row]:
    """Yield every record of ``data``, which begins where a record begins; also blank and comment lines."""
    start = 0
    for line in stretches:
        yield from _read(data, dialect, start, line.start)
        yield Row(line.start, line.end, [], code=line.code)
        start = line.end
    yield from _read(data, dialect, start, len(data))


def _read(data: bytes, dialect: Dialect, start: int, stop: int) -> Iterator[Row]:
    comment = dialect.comment.encode() if dialect.comment else None
    line_end = start  # the end of the last line that csv was given
    at_start = True  # of a record

    def lines() -> Iterator[str]:
        nonlocal line_end, at_start
        for line in LINE.finditer(data, start, stop):
            line_end = line.end()
            is_comment = at_start and comment is not None and data.startswith(comment, line.start())
            at_start = False
            yield "\n" if is_comment else line.group().decode("latin-1")
        # Blank lines after the end: a record that has ended takes none of them, one whose last line ending
        # was escaped takes one, an open quote takes both.
        for blank in (1, 2):
            line_end = stop + blank
            yield "\n"

    begin = start
    for cells in csv.reader(lines(), **_parameters(dialect)):
        if begin == stop:
            return  # a blank line of our own
        at_start = True
        end = min(line_end, stop)
        yield Row(begin, end, cells, open=line_end > stop + 1)
        begin = end


class State(StrEnum):
    """The state of `csv` at the beginning of a line."""

    RECORD = "record"
    QUOTE = "quote"  # in a quoted cell
    CELL = "cell"  # in a cell without quotes, after an escaped line ending


def states_after(line: str, dialect: Dialect) -> dict[State, State]:
    """Return, for each state in which the line may begin, the state in which the next line begins."""
    special = [char for char in (dialect.quote, dialect.escape) if char]
    if not any(char in line for char in special):
        return {State.RECORD: State.RECORD, State.QUOTE: State.QUOTE, State.CELL: State.RECORD}
    letter = next(char for char in "abcde" if char not in (dialect.delimiter, dialect.quote, dialect.escape))
    prefixes = {State.RECORD: "", State.QUOTE: dialect.quote, State.CELL: letter}
    after = {state: _state_after(prefix + line, dialect) for state, prefix in prefixes.items()}
    if dialect.comment and line.startswith(dialect.comment):
        after[State.RECORD] = State.RECORD
    return after


def _state_after(line: str, dialect: Dialect) -> State:
    """Append two blank lines: a record that has ended takes none, an unquoted cell one, a quoted two."""
    reader = csv.reader([line, "\n", "\n"], **_parameters(dialect))
    next(reader)
    return {1: State.RECORD, 2: State.CELL}.get(reader.line_num, State.QUOTE)


def _parameters(dialect: Dialect) -> dict[str, Any]:
    """Return the dialect as arguments of :func:`csv.reader`."""
    return {
        "delimiter": dialect.delimiter,
        "quotechar": dialect.quote or None,
        "quoting": csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        "doublequote": True,
        "escapechar": dialect.escape,
        "strict": False,
    }


def quotes(data: bytes, dialect: Dialect) -> pa.Array | None:
    """Return the offsets of all quotes, in order (uint64): one opens a cell, the next closes it, and so on.

    Returns None when some quote stands where RFC 4180 has none, and for files with escapes or comments: then
    only :func:`read` can interpret it.
    """
    if dialect.escape or dialect.comment:
        return None
    if not dialect.quote or dialect.quote.encode() not in data:
        return pa.array([], pa.uint64())
    quote = ord(dialect.quote)
    offsets = pc.indices_nonzero(equal(numbers(data), quote))
    # The byte before an opening quote, and the one after a closing quote (it may be half of a doubled one).
    alternating = pa.py_buffer(b"\x55" * (len(offsets) // 8 + 1))
    opens = pa.Array.from_buffers(pa.bool_(), len(offsets), [None, alternating])
    outward = pc.if_else(opens, pa.scalar(0, pa.uint64()), pa.scalar(2, pa.uint64()))
    neighbours = numbers(b"\n" + data + b"\n").take(pc.add(offsets, outward))
    borders = [equal(neighbours, char) for char in (ord(dialect.delimiter), quote, LF, CR)]
    return offsets if pc.all(reduce(pc.or_, borders)).as_py() else None


def regular_ends(data: bytes, dialect: Dialect) -> pa.Array | None:
    """Return the offset after each line ending that ends a record or a blank line, in order (int64).

    Returns None where :func:`quotes` does. A CR that is the last byte does not count: a LF may follow.
    """
    offsets = quotes(data, dialect)
    if offsets is None:
        return None
    text = numbers(data)
    endings = equal(text, LF)
    if CR in data:
        endings = pc.or_(endings, bare_cr(text, at_end=False))
    ends = pc.indices_nonzero(endings)
    before = pc.search_sorted(offsets, ends)  # the number of quotes
    inside = pc.equal(pc.bit_wise_and(before, pa.scalar(1, pa.uint64())), pa.scalar(1, pa.uint64()))
    return pc.add(ends.filter(pc.invert(inside)).cast(pa.int64()), 1)
