"""A segment of a CSV file → one Arrow array of strings a column, and the records that do not fit.

Clean segments are read by Arrow. Python's `csv`, which is the specification, reads any segment that has
stray quotes, NUL characters or broken UTF-8.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from chalicelib.core.model import Dialect
from chalicelib.formats.csv import records as csv_records
from chalicelib.reading import encodings
from chalicelib.reading.blocks import UNREADABLE, Segment
from chalicelib.rows.columns import numbers, whole


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record was not read. ``ordinal`` counts the segment's records from 0."""

    ordinal: int
    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True)
class Decoded:
    """The cells of a segment; an empty cell is null. All columns have the same length."""

    columns: list[pa.Array]  # strings, in the order of the header
    records: int  # in the segment: rows and faults
    faults: list[Fault] = field(default_factory=list)

    def ordinals(self) -> pa.Array:
        """For each row the ordinal of its record."""
        every = pa.arange(0, self.records)
        if not self.faults:
            return every
        bad = pa.array([fault.ordinal for fault in self.faults], pa.int64())
        return every.filter(pc.invert(pc.is_in(every, bad)))


def decode(segment: Segment, dialect: Dialect) -> Decoded:
    """Reads the segment's records, each of which should have a cell for each of the dialect's columns."""
    if segment.regular and not dialect.escape and not dialect.comment and b"\0" not in segment.data:
        utf8 = encodings.to_utf8(segment.data, dialect.encoding)
        # Arrow would take U+FEFF at the beginning for a byte-order mark; here it is a character
        if utf8 is not None and not utf8.startswith(encodings.mark(encodings.UTF8)):
            return _decode_columns(utf8, dialect)
    return _decode_records(segment, dialect)


def locate(segment: Segment, ordinals: Sequence[int], dialect: Dialect) -> list[tuple[int, bytes]]:
    """For each ordinal, in increasing order, the record's offset in the file and its bytes."""
    ends = csv_records.regular_ends(segment.data, dialect) if segment.regular else None
    if ends is None:
        read = csv_records.read(segment.data, dialect, segment.holes)
        rows = [row for row in read if row.cells or row.code]
        spans = [(rows[ordinal].start, rows[ordinal].end) for ordinal in ordinals]
    else:
        spans = _spans(segment.data, ends, ordinals)
    return [(segment.offset + start, segment.data[start:end]) for start, end in spans]


def _spans(data: bytes, ends: pa.Array, ordinals: Sequence[int]) -> list[tuple[int, int]]:
    size = pa.array([len(data)], pa.int64())
    starts = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    starts = starts.filter(pc.less(starts, len(data)))
    stops = pa.concat_arrays([starts.slice(1), size])
    first = numbers(data).take(starts)
    blank = pc.is_in(first, pa.array([csv_records.LF, csv_records.CR], pa.uint8()))
    wanted = pa.array(ordinals, pa.int64())
    found = [column.filter(pc.invert(blank)).take(wanted).to_pylist() for column in (starts, stops)]
    return list(zip(*found, strict=True))


def _ragged(ordinal: int, expected: int, actual: int) -> Fault:
    code = "missing-cell" if actual < expected else "extra-cell"
    return Fault(ordinal, code, _ragged_message(expected, actual))


@lru_cache  # a file that is wrong throughout says the same of every row
def _ragged_message(expected: int, actual: int) -> str:
    cells = "1 cell" if actual == 1 else f"{actual} cells"
    return f"This row has {cells} where the header has {expected}."


def _decode_columns(data: bytes, dialect: Dialect) -> Decoded:
    names, faults = dialect.columns, list[Fault]()

    def on_ragged(row: arrow_csv.InvalidRow) -> str:
        # Arrow counts records from 1 and passes over blank lines, as we do
        faults.append(_ragged(row.number - 1, row.expected_columns, row.actual_columns))
        return "skip"

    keys = [str(place) for place in range(len(names))]
    if not data.lstrip(b"\r\n"):  # Arrow has an error for no rows at all
        return Decoded([pa.array([], pa.string()) for _ in names], 0)
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=keys, use_threads=False, block_size=min(len(data) + 1, 2**31 - 1)
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=True,
            invalid_row_handler=on_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()),
            check_utf8=False,  # checked for the whole segment
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    return Decoded([whole(column) for column in table.columns], table.num_rows + len(faults), faults)


def _decode_records(segment: Segment, dialect: Dialect) -> Decoded:
    data, expected = segment.data, len(dialect.columns)
    rows: list[list[str | None]] = []
    faults: list[Fault] = []
    for row in csv_records.read(data, dialect, segment.holes):
        if not row.cells and not row.code:
            continue
        ordinal = len(rows) + len(faults)
        fault: Fault | None
        if row.code:
            fault = Fault(ordinal, row.code, UNREADABLE[row.code])
        else:
            fault = _unreadable(ordinal, data[row.start : row.end], dialect.encoding)
        if fault is None and len(row.cells) != expected:
            fault = _ragged(ordinal, expected, len(row.cells))
        if fault is not None:
            faults.append(fault)
        else:
            rows.append([cell.encode("latin-1").decode(dialect.encoding) or None for cell in row.cells])
    cells = zip(*rows, strict=True) if rows else [()] * expected
    columns = [pa.array(list(column), pa.string()) for column in cells]
    return Decoded(columns, len(rows) + len(faults), faults)


def _unreadable(ordinal: int, raw: bytes, encoding: str) -> Fault | None:
    if b"\0" in raw:
        return Fault(ordinal, "nul-character", "This row holds a NUL character, which text cannot hold.")
    if encodings.to_utf8(raw, encoding) is None:
        return Fault(ordinal, "encoding-error", encodings.complaint("This row", encoding))
    return None
