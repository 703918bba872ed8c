"""A block of bytes → what is to be written: identified rows and rejects."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.blocks import LoadedBlock
from chalicelib.core.model import Dialect, Format, Reject
from chalicelib.formats.csv import decode as csv_decode
from chalicelib.formats.csv.decode import Fault
from chalicelib.formats.csv.framing import CsvFraming
from chalicelib.formats.json import framing as json_framing
from chalicelib.formats.json import records as json_records
from chalicelib.formats.json.framing import JsonFraming
from chalicelib.formats.ndjson import records as ndjson
from chalicelib.reading import encodings
from chalicelib.reading.blocks import UNREADABLE, Block, Framing, Segment, Unreadable
from chalicelib.rows import identify
from chalicelib.rows.clean import clean
from chalicelib.rows.rules import Rules
from chalicelib.rows.text import excerpt

_MOST_JSON = 64 << 20  # bytes of canonical JSON that a block may become, at worst
_LEAST_BLOCK = 1 << 15  # bytes
_NO_ROWS = pa.array([], pa.string())

# A segment's canonical records, how many records it had, and its rejects (numbered within the segment)
_Part = tuple[pa.Array, int, list[Reject]]


def framing(dialect: Dialect, max_record: int, *, to_end: bool) -> Framing:
    """Knows where records end in a file of that dialect; ``to_end``: it will see the end of the file."""
    match dialect.format:
        case Format.CSV:
            return CsvFraming(dialect, max_record)
        case Format.NDJSON:
            return ndjson.NdjsonFraming(max_record)
        case Format.JSON:
            return JsonFraming(dialect.array, max_record, to_end)


def block_size(dialect: Dialect) -> int:
    """How large blocks may be, in bytes, so that what they become stays in bounds.

    A cell of one byte, and its delimiter, may become a JSON member with the column's name in it.
    """
    if dialect.format is not Format.CSV:
        return _MOST_JSON
    names = sum(len(name) + 6 for name in dialect.columns)
    return max(_LEAST_BLOCK, _MOST_JSON * 2 * len(dialect.columns) // names)


def transform(block: Block, dialect: Dialect) -> LoadedBlock:
    """Decodes, cleans and identifies the records of a block."""
    if dialect.recoded:  # what was cut is UTF-8
        dialect = replace(dialect, encoding=encodings.UTF8)
    read, messages = _READERS[dialect.format]
    canonical: list[pa.Array] = []
    rejects: list[Reject] = []
    records = 0
    for part in block.parts:
        if isinstance(part, Unreadable):
            rejects.append(Reject(part.code, messages[part.code], records, part.offset, excerpt(part.raw)))
            records += 1
            continue
        rows, count, faults = read(part, dialect)
        canonical.append(rows)
        # the first segment's are numbered already; there may be millions
        rejects += faults if records == 0 else [replace(it, record=records + it.record) for it in faults]
        records += count
    every = canonical[0] if len(canonical) == 1 else pa.concat_arrays([*canonical, _NO_ROWS])
    rows = identify.identify(every)
    return LoadedBlock(
        block.no, block.start, block.end, records, len(every) - len(rows), rows, tuple(rejects)
    )


def _csv_segment(segment: Segment, dialect: Dialect) -> _Part:
    rules = Rules.of(dialect)
    decoded = csv_decode.decode(segment, dialect)
    columns = [clean(column, rules) for column in decoded.columns]
    records = identify.canonical_columns(dialect.columns, columns)
    faults = decoded.faults
    blank = pc.equal(records, "{}")
    if pc.any(blank).as_py():
        faults = faults + [
            Fault(ordinal, "blank-row", "Every cell of this row is empty.")
            for ordinal in decoded.ordinals().filter(blank).to_pylist()
        ]
        records = records.filter(pc.invert(blank))
    return records, decoded.records, _csv_rejects(segment, faults, dialect)


def _csv_rejects(segment: Segment, faults: list[Fault], dialect: Dialect) -> list[Reject]:
    if not faults:
        return []
    faults = sorted(faults, key=lambda fault: fault.ordinal)
    places = csv_decode.locate(segment, [fault.ordinal for fault in faults], dialect)
    return [
        Reject(fault.code, fault.message, fault.ordinal, offset, excerpt(raw), fault.field)
        for fault, (offset, raw) in zip(faults, places, strict=True)
    ]


def _ndjson_segment(segment: Segment, _dialect: Dialect) -> _Part:
    return _json_lines(ndjson.lines(segment))


def _json_segment(segment: Segment, dialect: Dialect) -> _Part:
    first = segment.offset == dialect.data_start
    return _json_lines(json_records.values(segment, array=dialect.array, first=first))


def _json_lines(parts: Iterable[ndjson.Found]) -> _Part:
    canonical: list[pa.Array] = []
    rejects: list[Reject] = []
    count = 0
    for part in parts:
        canonical.append(part.canonical)
        rejects += [
            Reject(line.fault.code, str(line.fault), count + place, line.offset, excerpt(line.raw))
            for place, line in part.faulty
            if line.fault is not None
        ]
        count += part.count
    return pa.concat_arrays([*canonical, _NO_ROWS]), count, rejects


_READERS: Mapping[Format, tuple[Callable[[Segment, Dialect], _Part], Mapping[str, str]]] = {
    Format.CSV: (_csv_segment, UNREADABLE),
    Format.NDJSON: (_ndjson_segment, UNREADABLE),
    Format.JSON: (_json_segment, json_framing.MESSAGES),
}
