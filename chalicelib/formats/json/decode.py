"""Decode a segment of a JSON file: its records, and any other content in the place of records."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import lt

from chalicelib.formats.interface import Reason, Rejection
from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.parse import not_an_object
from chalicelib.formats.json.units import PIECE, WHITE, Unit, Units, Window, scan, space_end
from chalicelib.reading.blocks import Segment

_SCALAR = re.compile(  # RFC 8259 sections 3 and 6; strings are left to the parser
    rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null"
)
_OBJECT, _ARRAY = b"{", b"["

_NOUN = "This value"
_LEADING = Reason("json-syntax", "The list begins with a comma: a value is missing before it.")
_MISSING = Reason("json-syntax", "A comma has no value after it.")
_NO_COMMA = Reason("json-syntax", "There is no comma between this value and the one before it.")
_JUNK_BETWEEN = Reason("json-syntax", "This text stands between values and is not a value.")
_NO_OBJECT = not_an_object(_NOUN)


@dataclass(frozen=True, slots=True)
class _Record:
    """Bytes of a record, or of other content in its place; ``reason``: why they are rejected."""

    start: int  # in the segment
    raw: bytes
    reason: Reason | None = None


def decode(segment: Segment, *, array: bool, first: bool) -> Iterator[JsonBatch]:
    """Yield the segment's records in batches.

    ``array``: the records are in an array. ``first``: the segment begins where the data of the file does, so
    no comma is due.
    """
    data, at, size, reader = segment.data, 0, PIECE, Reader()
    while at < len(data):
        stop = min(at + size, len(data))
        units = scan(Window(data, at, stop, array, ended=stop == len(data)))
        if _are_tidy(units, array=array, first=first):
            yield _tidy_batch(segment, units, reader)
        else:
            yield _batch(segment, list(_records(data, units, array=array, first=first)), reader)
        if units.closing is not None or stop == len(data):
            return
        size = PIECE if units.ends else size * 4
        at, first = (units.ends[-1], False) if units.ends else (at, first)


def _are_tidy(units: Units, *, array: bool, first: bool) -> bool:
    """Return whether the units are containers with commas as they should be, and nothing else."""
    commas = [array] * len(units.ends)
    if commas and first:
        commas[0] = False
    are_containers = units.starts == units.values and all(map(lt, units.values, units.ends))
    return are_containers and units.commas == commas


def _tidy_batch(segment: Segment, units: Units, reader: Reader) -> JsonBatch:
    raws = [segment.data[start:end] for start, end in zip(units.starts, units.ends, strict=True)]
    table, rest = reader.read(raws)
    arrays = [index for index in rest if raws[index].startswith(_ARRAY)]
    singles = [index for index in rest if not raws[index].startswith(_ARRAY)] if arrays else rest
    rejections = [Rejection(index, *_NO_OBJECT) for index in arrays]

    def offsets() -> list[int]:
        return [segment.offset + start for start in units.starts]

    return JsonBatch(len(raws), table, singles, rejections, raws=raws, offsets=offsets, noun=_NOUN)


def _batch(segment: Segment, records: list[_Record], reader: Reader) -> JsonBatch:
    rejections, objects, junk = [], [], []
    for ordinal, record in enumerate(records):
        if record.reason is not None:
            rejections.append(Rejection(ordinal, *record.reason))
        elif record.raw.startswith(_OBJECT):
            objects.append(ordinal)
        else:
            junk.append(ordinal)  # parsing it gives the reason
    table, rest = reader.read([records[ordinal].raw for ordinal in objects])

    def offsets() -> list[int]:
        return [segment.offset + record.start for record in records]

    return JsonBatch(
        len(records),
        table,
        sorted([*junk, *(objects[index] for index in rest)]),
        rejections,
        raws=[record.raw for record in records],
        offsets=offsets,
        noun=_NOUN,
    )


def _records(data: bytes, units: Units, *, array: bool, first: bool) -> Iterator[_Record]:
    """Yield the records in the units, and any other content in the place of records."""
    columns = zip(units.commas, units.starts, units.values, units.ends, strict=True)
    for comma, start, value, end in columns:
        if array and comma is first:
            yield from _misplaced_comma(data, Unit(comma, start, value, end))
        if start == end:
            yield _Record(start, b",", _MISSING)
        if start < value:
            due = comma or first or not array
            yield _junk(data, start, value, alone=due and value == end)
        if value < end:
            yield _Record(value, data[value:end], _NO_OBJECT if data.startswith(_ARRAY, value) else None)
        first = False


def _misplaced_comma(data: bytes, unit: Unit) -> Iterator[_Record]:
    """Yield a reject for a comma that stands before the first value, or is missing before another."""
    if unit.comma:
        start = space_end(data, 0, len(data))
        yield _Record(start, data[start : start + 1], _LEADING)
    elif unit.start == unit.value:  # junk is rejected anyway
        yield _Record(unit.value, data[unit.value : unit.end], _NO_COMMA)


def _junk(data: bytes, start: int, end: int, *, alone: bool) -> _Record:
    """Return the record of text outside containers. ``alone``: it stands where a value may stand."""
    raw = data[start:end].rstrip(WHITE)
    if not alone:
        return _Record(start, raw, _JUNK_BETWEEN)
    return _Record(start, raw, _NO_OBJECT if _SCALAR.fullmatch(raw) else None)
