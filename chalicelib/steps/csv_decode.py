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

from chalicelib.steps import csv_records
from chalicelib.steps.blocks import Segment


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


def decode(segment: Segment, names: Sequence[str], delimiter: str) -> Decoded:
    """Reads the segment's records, each of which should have a cell for each of ``names``."""
    data = segment.data
    if segment.regular and b"\0" not in data and _is_utf8(data):
        return _decode_columns(data, names, delimiter)
    return _decode_records(data, names, delimiter)


def locate(segment: Segment, ordinals: Sequence[int], delimiter: str) -> list[tuple[int, bytes]]:
    """For each ordinal, in increasing order, the record's offset in the file and its bytes."""
    ends = csv_records.regular_ends(segment.data, delimiter) if segment.regular else None
    if ends is None:
        rows = [row for row in csv_records.read(segment.data, delimiter) if row.cells]
        spans = [(rows[ordinal].start, rows[ordinal].end) for ordinal in ordinals]
    else:
        spans = _spans(segment.data, ends, ordinals)
    return [(segment.offset + start, segment.data[start:end]) for start, end in spans]


def _spans(data: bytes, ends: pa.Array, ordinals: Sequence[int]) -> list[tuple[int, int]]:
    size = pa.array([len(data)], pa.int64())
    starts = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    starts = starts.filter(pc.less(starts, len(data)))
    stops = pa.concat_arrays([starts.slice(1), size])
    first = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)]).take(starts)
    blank = pc.is_in(first, pa.array([csv_records.LF, csv_records.CR], pa.uint8()))
    wanted = pa.array(ordinals, pa.int64())
    found = [column.filter(pc.invert(blank)).take(wanted).to_pylist() for column in (starts, stops)]
    return list(zip(*found, strict=True))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ragged(ordinal: int, expected: int, actual: int) -> Fault:
    code = "missing-cell" if actual < expected else "extra-cell"
    return Fault(ordinal, code, _ragged_message(expected, actual))


@lru_cache  # a file that is wrong throughout says the same of every row
def _ragged_message(expected: int, actual: int) -> str:
    cells = "1 cell" if actual == 1 else f"{actual} cells"
    return f"This row has {cells} where the header has {expected}."


def _decode_columns(data: bytes, names: Sequence[str], delimiter: str) -> Decoded:
    faults: list[Fault] = []

    def on_ragged(row: arrow_csv.InvalidRow) -> str:
        # Arrow counts records from 1 and passes over blank lines, as we do
        faults.append(_ragged(row.number - 1, row.expected_columns, row.actual_columns))
        return "skip"

    keys = [str(place) for place in range(len(names))]
    if not data.strip(b"\r\n"):  # Arrow has an error for no rows at all
        return Decoded([pa.array([], pa.string()) for _ in names], 0)
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=keys, use_threads=False, block_size=min(len(data) + 1, 2**31 - 1)
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=on_ragged
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()),
            check_utf8=False,  # checked for the whole segment
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    columns = [column.combine_chunks() for column in table.columns]
    return Decoded(columns, table.num_rows + len(faults), faults)


def _decode_records(data: bytes, names: Sequence[str], delimiter: str) -> Decoded:
    rows: list[list[str | None]] = []
    faults: list[Fault] = []
    for row in csv_records.read(data, delimiter):
        if not row.cells:
            continue
        ordinal = len(rows) + len(faults)
        fault = _unreadable(ordinal, data[row.start : row.end]) or (
            _ragged(ordinal, len(names), len(row.cells)) if len(row.cells) != len(names) else None
        )
        if fault is not None:
            faults.append(fault)
        else:
            rows.append([cell.encode("latin-1").decode() or None for cell in row.cells])
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    columns = [pa.array(list(column), pa.string()) for column in cells]
    return Decoded(columns, len(rows) + len(faults), faults)


def _unreadable(ordinal: int, raw: bytes) -> Fault | None:
    if b"\0" in raw:
        return Fault(ordinal, "nul-character", "This row holds a NUL character, which text cannot hold.")
    if not _is_utf8(raw):
        return Fault(
            ordinal, "encoding-error", "This row is not valid UTF-8; was the file saved in another encoding?"
        )
    return None
