"""Decode a segment of a JSON file: its records, and any other content in the place of records."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import lt

from chalicelib.formats.interface import Location, Note, Reason, Rejection
from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.members import spliced
from chalicelib.formats.json.parse import NOT_AN_OBJECT
from chalicelib.formats.json.units import NAME, PIECE, WHITE, Layout, Unit, Units, Window, scan, space_end
from chalicelib.reading.blocks import Segment

_SCALAR = re.compile(  # RFC 8259 sections 3 and 6; strings are left to the parser
    rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null"
)
_OBJECT, _ARRAY = b"{", b"["
COMMAS = "commas-between-lines"

_LEADING = Reason("json-syntax", "The list begins with a comma: a value is missing before it.")
_MISSING = Reason("json-syntax", "A comma has no value after it.")
_NO_COMMA = Reason("json-syntax", "There is no comma between this value and the one before it.")
_NO_NAME = Reason("json-syntax", "A name in quotes and a colon are missing before this value.")
_JUNK_BETWEEN = Reason("json-syntax", "This text stands between values and is not a value.")


@dataclass(frozen=True, slots=True)
class _Record:
    """Bytes of a record, or of other content in its place; ``reason``: why they are rejected."""

    start: int  # in the segment
    raw: bytes
    reason: Reason | None = None
    name: bytes = b""  # of the member whose value this is, as JSON
    span: bytes = b""  # the member


def decode(
    segment: Segment, layout: Layout, *, first: bool, passes_commas: bool = True
) -> Iterator[JsonBatch]:
    """Yield the segment's records in batches.

    ``first``: the segment begins where the data of the file does, so no comma is due. ``passes_commas``: a
    comma between values one after another is passed over instead of rejected.
    """
    data, at, size, reader = segment.data, 0, PIECE, Reader()
    while at < len(data):
        stop = min(at + size, len(data))
        units = scan(Window(data, at, stop, layout, ended=stop == len(data)))
        if _are_tidy(units, layout, first=first):
            yield _tidy_batch(segment, units, reader)
        else:
            records = list(_records(data, units, layout, first=first))
            notes: Sequence[Note] = ()
            if passes_commas and layout is Layout.SEQUENCE:
                records, notes = _without_commas(segment, records)
            yield _batch(segment, records, reader, notes)
        if units.closing is not None or stop == len(data):
            return
        size = PIECE if units.ends else size * 4
        at, first = (units.ends[-1], False) if units.ends else (at, first)


def _are_tidy(units: Units, layout: Layout, *, first: bool) -> bool:
    """Return whether the units are containers with commas as they should be, and nothing else."""
    if layout is Layout.MEMBERS:
        return False  # they have names
    commas = [layout.is_enclosed] * len(units.ends)
    if commas and first:
        commas[0] = False
    are_containers = units.starts == units.values and all(map(lt, units.values, units.ends))
    return are_containers and units.commas == commas


def _tidy_batch(segment: Segment, units: Units, reader: Reader) -> JsonBatch:
    raws = [segment.data[start:end] for start, end in zip(units.starts, units.ends, strict=True)]
    table, rest = reader.read(raws)
    arrays = [index for index in rest if raws[index].startswith(_ARRAY)]
    singles = [index for index in rest if not raws[index].startswith(_ARRAY)] if arrays else rest
    rejections = [Rejection(index, *NOT_AN_OBJECT) for index in arrays]

    def offsets() -> list[int]:
        return [segment.offset + start for start in units.starts]

    return JsonBatch(len(raws), table, singles, rejections, raws=raws, offsets=offsets)


def _without_commas(segment: Segment, records: list[_Record]) -> tuple[list[_Record], Sequence[Note]]:
    """Return the records without commas between them, and what was passed over."""
    kept = [record for record in records if record.raw != b","]
    if len(kept) == len(records):
        return records, ()
    first = next(index for index, record in enumerate(records) if record.raw == b",")
    place = Location(segment.offset + records[first].start, b",")
    return kept, [Note(COMMAS, len(records) - len(kept), first, place)]


def _batch(segment: Segment, records: list[_Record], reader: Reader, notes: Sequence[Note]) -> JsonBatch:
    rejections, objects, junk = [], [], []
    for ordinal, record in enumerate(records):
        if record.reason is not None:
            rejections.append(Rejection(ordinal, *record.reason))
        elif record.raw.startswith(_OBJECT):
            objects.append(ordinal)
        else:
            junk.append(ordinal)  # parsing it gives the reason
    table, rest = reader.read([_whole(records[ordinal]) for ordinal in objects])

    def offsets() -> list[int]:
        return [segment.offset + record.start for record in records]

    return JsonBatch(
        len(records),
        table,
        sorted([*junk, *(objects[index] for index in rest)]),
        rejections,
        notes=notes,
        raws=[record.raw for record in records],
        names=[record.name for record in records],
        spans=[record.span or record.raw for record in records],
        offsets=offsets,
    )


def _whole(record: _Record) -> bytes:
    return spliced(record.raw, record.name) if record.name else record.raw


def _records(data: bytes, units: Units, layout: Layout, *, first: bool) -> Iterator[_Record]:
    """Yield the records in the units, and any other content in the place of records."""
    columns = zip(units.commas, units.starts, units.values, units.ends, strict=True)
    for unit in map(Unit._make, columns):
        if layout.is_enclosed and unit.comma is first:
            yield from _misplaced_comma(data, unit, layout)
        if unit.start == unit.end:
            yield _Record(unit.start, b",", _MISSING)
        elif layout is Layout.MEMBERS:
            yield _member(data, unit)
        else:
            yield from _value(data, unit, is_due=unit.comma or first or not layout.is_enclosed)
        first = False


def _value(data: bytes, unit: Unit, *, is_due: bool) -> Iterator[_Record]:
    """Yield the value of a unit, and what stands before it. ``is_due``: a value may stand there."""
    _, start, value, end = unit
    if start < value:
        yield _junk(data, start, value, alone=is_due and value == end)
    if value < end:
        yield _Record(value, data[value:end], NOT_AN_OBJECT if data.startswith(_ARRAY, value) else None)


def _member(data: bytes, unit: Unit) -> _Record:
    """Return the value of a member, with its name."""
    _, start, value, end = unit
    span = data[start:end].rstrip(WHITE)
    name = NAME.match(data, start, value)
    if name is None:
        return _Record(start, span, _NO_NAME)
    raw = data[name.end() : end].rstrip(WHITE)
    if value == end:  # neither an object nor an array
        reason = NOT_AN_OBJECT if _SCALAR.fullmatch(raw) else None
    elif name.end() < value:
        return _Record(start, span, _JUNK_BETWEEN)
    else:
        reason = NOT_AN_OBJECT if raw.startswith(_ARRAY) else None
    return _Record(start, raw, reason, name[1], span)


def _misplaced_comma(data: bytes, unit: Unit, layout: Layout) -> Iterator[_Record]:
    """Yield a reject for a comma that stands before the first value, or is missing before another."""
    if unit.comma:
        start = space_end(data, 0, len(data))
        yield _Record(start, data[start : start + 1], _LEADING)
    elif unit.start == unit.value or layout is Layout.MEMBERS:  # other junk is rejected anyway
        yield _Record(unit.start, data[unit.start : unit.end], _NO_COMMA)


def _junk(data: bytes, start: int, end: int, *, alone: bool) -> _Record:
    """Return the record of text outside containers. ``alone``: it stands where a value may stand."""
    raw = data[start:end].rstrip(WHITE)
    if not alone:
        return _Record(start, raw, _JUNK_BETWEEN)
    return _Record(start, raw, NOT_AN_OBJECT if _SCALAR.fullmatch(raw) else None)
