"""Decode a segment of a CSV file into a table of strings, and reject the records that do not fit.

Arrow reads clean segments. Python's `csv`, which is the specification, reads any segment that has stray
quotes, NUL characters or broken UTF-8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.arrow import read_table
from chalicelib.formats.csv.rules_1 import records as csv_records
from chalicelib.formats.csv.rules_1.framing import UNTERMINATED
from chalicelib.formats.interface import Batch, Location, Reason, Rejection
from chalicelib.reading import encodings
from chalicelib.reading.blocks import TOO_LARGE, Segment
from chalicelib.rows.columns import numbers

BLANK_ROW = Reason("blank-row", "Every cell of this row is empty.")
UNREADABLE = {
    TOO_LARGE: "This record is larger than records may be, or a quote in it is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
    UNTERMINATED: "A quote in this record is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
}


@dataclass(frozen=True, kw_only=True)
class CsvBatch(Batch):
    """The records of a segment. The table has a column of strings for each of the dialect's columns.

    An empty cell is null.
    """

    segment: Segment
    dialect: Dialect

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """See Batch."""
        return locate(self.segment, ordinals, self.dialect)


def decode(segment: Segment, dialect: Dialect) -> CsvBatch:
    """Decode the segment's records, each of which should have a cell for each of the dialect's columns."""
    if segment.regular and not dialect.escape and not dialect.comment and b"\0" not in segment.data:
        utf8 = encodings.to_utf8(segment.data, dialect.encoding)
        # Arrow would read U+FEFF at the beginning as a byte-order mark; here it is a character
        if utf8 is not None and not utf8.startswith(encodings.byte_order_mark(encodings.UTF8)):
            return _batch(segment, dialect, *_decode_together(utf8, dialect))
    return _batch(segment, dialect, *_decode_one_by_one(segment, dialect))


def _batch(segment: Segment, dialect: Dialect, table: pa.Table, rejections: list[Rejection]) -> CsvBatch:
    records = table.num_rows + len(rejections)
    return CsvBatch(records, table, rejections=rejections, segment=segment, dialect=dialect)


def locate(segment: Segment, ordinals: Sequence[int], dialect: Dialect) -> list[Location]:
    """Return the locations of the segment's records with the given ordinals, which increase."""
    ends = csv_records.regular_ends(segment.data, dialect) if segment.regular else None
    if ends is None:
        rows = [
            row for row in csv_records.read(segment.data, dialect, segment.stretches) if row.cells or row.code
        ]
        spans = [(rows[ordinal].start, rows[ordinal].end) for ordinal in ordinals]
    else:
        spans = _spans(segment.data, ends, ordinals)
    return [Location(segment.offset + start, segment.data[start:end]) for start, end in spans]


def _spans(data: bytes, ends: pa.Array, ordinals: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and end of records in regular data, given the ends of all lines that end one."""
    size = pa.array([len(data)], pa.int64())
    starts = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    starts = starts.filter(pc.less(starts, len(data)))
    stops = pa.concat_arrays([starts.slice(1), size])
    first = numbers(data).take(starts)
    is_blank = pc.is_in(first, pa.array([csv_records.LF, csv_records.CR], pa.uint8()))
    indices = pa.array(ordinals, pa.int64())
    bounds = [column.filter(pc.invert(is_blank)).take(indices).to_pylist() for column in (starts, stops)]
    return list(zip(*bounds, strict=True))


def _ragged(ordinal: int, expected: int, actual: int) -> Rejection:
    code = "missing-cell" if actual < expected else "extra-cell"
    return Rejection(ordinal, code, _ragged_message(expected, actual))


@lru_cache  # a file that is wrong throughout has the same message for every row
def _ragged_message(expected: int, actual: int) -> str:
    cells = "1 cell" if actual == 1 else f"{actual} cells"
    return f"This row has {cells} where the header has {expected}."


def _decode_together(data: bytes, dialect: Dialect) -> tuple[pa.Table, list[Rejection]]:
    names, rejections = dialect.columns, list[Rejection]()

    def on_ragged(row: arrow_csv.InvalidRow) -> str:
        # Arrow counts records from 1 and skips blank lines, as :mod:`records` does
        rejections.append(_ragged(row.number - 1, row.expected_columns, row.actual_columns))
        return "skip"

    if not data.lstrip(b"\r\n"):  # without rows, Arrow raises an error
        return _table([pa.array([], pa.string()) for _ in names], names), rejections
    table = read_table(data, dialect, len(names), on_ragged)
    return table.rename_columns(list(names)), rejections


def _decode_one_by_one(segment: Segment, dialect: Dialect) -> tuple[pa.Table, list[Rejection]]:
    data, expected = segment.data, len(dialect.columns)
    rows: list[list[str | None]] = []
    rejections: list[Rejection] = []
    for row in csv_records.read(data, dialect, segment.stretches):
        if not row.cells and not row.code:
            continue
        ordinal = len(rows) + len(rejections)
        rejection: Rejection | None
        if row.code:
            rejection = Rejection(ordinal, row.code, UNREADABLE[row.code])
        else:
            rejection = _invalid(ordinal, data[row.start : row.end], dialect.encoding)
        if rejection is None and len(row.cells) != expected:
            rejection = _ragged(ordinal, expected, len(row.cells))
        if rejection is not None:
            rejections.append(rejection)
        else:
            rows.append([cell.encode("latin-1").decode(dialect.encoding) or None for cell in row.cells])
    cells = zip(*rows, strict=True) if rows else [()] * expected
    columns = [pa.array(list(column), pa.string()) for column in cells]
    return _table(columns, dialect.columns), rejections


def _table(columns: list[pa.Array], names: Sequence[str]) -> pa.Table:
    return pa.Table.from_arrays(columns, names=list(names))


def _invalid(ordinal: int, raw: bytes, encoding: str) -> Rejection | None:
    if b"\0" in raw:
        return Rejection(ordinal, "nul-character", "This row holds a NUL character, which text cannot hold.")
    if encodings.to_utf8(raw, encoding) is None:
        return Rejection(ordinal, "encoding-error", encodings.invalid_text("This row", encoding))
    return None
