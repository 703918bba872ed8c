"""Decode a segment of a JSON file: its records, and any other content in the place of records."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, groupby
from operator import add, lt, not_

from chalicelib.formats.interface import Location, Note, Reason, Rejection
from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.members import spliced
from chalicelib.formats.json.parse import NOT_AN_OBJECT, parse_record
from chalicelib.formats.json.units import NAME, PIECE, WHITE, Layout, Unit, Units, Window, scan, space_end
from chalicelib.reading.blocks import Segment
from chalicelib.rows.canonical import RecordRejected

_SCALAR = re.compile(  # RFC 8259 sections 3 and 6; strings are left to the parser
    rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null"
)
_OBJECT, _ARRAY = b"{", b"["
MOST_UNITS = 1 << 16  # that are decoded together
COMMAS = "commas-between-lines"

_LEADING = Reason("json-syntax", "The list begins with a comma: a value is missing before it.")
_MISSING = Reason("json-syntax", "A comma has no value after it.")
_NO_COMMA = Reason("json-syntax", "There is no comma between this value and the one before it.")
_BESIDE = 2  # between the ordinals of two commas that are missing, with a value between them
_NONE = -_BESIDE - 1  # the ordinal of none: no other is beside it
_NO_NAME = Reason("json-syntax", "A name in quotes and a colon are missing before this value.")
_JUNK_BETWEEN = Reason("json-syntax", "This text is between values, but is not a value.")


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
    data, at, size = segment.data, 0, PIECE
    decoder = _Decoder(segment, layout, passes_commas)
    while at < len(data):
        stop = min(at + size, len(data))
        size *= 4
        for units in scan(Window(data, at, stop, layout, ended=stop == len(data))):
            for part in units.parts(MOST_UNITS):
                yield decoder.batch(part, first=first)
                first = False
            if units.repeats:
                yield decoder.repeats(units)
            if units.ends:
                at, size = units.end, PIECE
            if units.closing is not None:
                return
        if stop == len(data):
            return


class _Decoder:
    """Decode units of a segment. See :func:`decode`."""

    def __init__(self, segment: Segment, layout: Layout, passes_commas: bool) -> None:  # noqa: FBT001
        self._segment = segment
        self._layout = layout
        self._passes_commas = passes_commas and layout is Layout.SEQUENCE
        self._reader = Reader()

    def batch(self, units: Units, *, first: bool) -> JsonBatch:
        """Return the batch of units, without those that are repeats."""
        if _are_tidy(units, self._layout, first=first):
            return _tidy_batch(self._segment, units, self._reader)
        begins_with_comma = first and units.commas[0]
        if self._layout is Layout.ARRAY and _are_containers(units) and not begins_with_comma:
            return _batch_without_commas(self._segment, units, self._reader, first=first)
        records = list(_records(self._segment.data, units, self._layout, first=first))
        notes: Sequence[Note] = ()
        if self._passes_commas:
            records, notes = _without_commas(self._segment, records)
        return _batch(self._segment, records, self._reader, notes)

    def repeats(self, units: Units) -> JsonBatch:
        """Return the batch of the repeats of the last unit, which differ in nothing but their places."""
        (record,) = _records(self._segment.data, units.last(), self._layout, first=False)
        place = self._segment.offset + record.start + units.period
        raw = record.span or record.raw

        def offsets() -> list[int]:
            return [place]

        if self._passes_commas and record.raw == b",":
            notes = [Note(COMMAS, units.repeats, 0, Location(place, raw))]
            return JsonBatch(0, None, notes=notes, raws=[raw], offsets=offsets)
        reason = record.reason or _reason(record.raw)
        rejections = [Rejection(0, *reason, repeats=units.repeats - 1)]
        return JsonBatch(units.repeats, None, (), rejections, raws=[raw], offsets=offsets)


def _are_tidy(units: Units, layout: Layout, *, first: bool) -> bool:
    """Return whether the units are containers with commas as they should be, and nothing else."""
    if layout is Layout.MEMBERS:
        return False  # they have names
    commas = [layout.is_enclosed] * len(units.ends)
    if commas and first:
        commas[0] = False
    return _are_containers(units) and units.commas == commas


def _are_containers(units: Units) -> bool:
    return units.starts == units.values and all(map(lt, units.values, units.ends))


def _tidy_batch(segment: Segment, units: Units, reader: Reader) -> JsonBatch:
    raws = [segment.data[start:end] for start, end in zip(units.starts, units.ends, strict=True)]
    table, rest = reader.read(raws)
    arrays = [index for index in rest if raws[index].startswith(_ARRAY)]
    singles = [index for index in rest if not raws[index].startswith(_ARRAY)] if arrays else rest
    rejections = [Rejection(index, *NOT_AN_OBJECT) for index in arrays]

    def offsets() -> list[int]:
        return [segment.offset + start for start in units.starts]

    return JsonBatch(len(raws), table, singles, rejections, raws=raws, offsets=offsets)


def _batch_without_commas(segment: Segment, units: Units, reader: Reader, *, first: bool) -> JsonBatch:
    """Return the batch of containers in an array, of which some have no comma before them.

    Those that follow each other are one rejection.
    """
    raws = [segment.data[start:end] for start, end in zip(units.starts, units.ends, strict=True)]
    missing = list(map(not_, units.commas))
    missing[0] &= not first
    ordinals = list(
        map(add, accumulate(missing), count())
    )  # the rejection of a comma stands before its value
    table, rest = reader.read(raws)
    arrays = {index for index in rest if raws[index].startswith(_ARRAY)}
    rejections = list[Rejection]()
    start = 0
    for is_missing, some in groupby(missing):
        length = sum(1 for _ in some)
        if is_missing:
            rejections.append(Rejection(ordinals[start] - 1, *_NO_COMMA, repeats=length - 1))
        start += length
    before = -1
    for index in sorted(arrays):
        repeats_last = index == before + 1 and index > 0 and raws[index] == raws[before]
        if repeats_last and before in arrays and missing[index] == missing[before]:
            rejections[-1] = rejections[-1]._replace(repeats=rejections[-1].repeats + 1)
        else:
            rejections.append(Rejection(ordinals[index], *NOT_AN_OBJECT))
        before = index

    def offsets() -> list[int]:
        return [segment.offset + start for start in units.starts]

    return JsonBatch(
        len(raws) + sum(missing),
        table,
        [ordinals[index] for index in rest if index not in arrays],
        sorted(rejections),
        raws=raws,
        offsets=offsets,
        ordinals=ordinals,
        objects=[ordinal for index, ordinal in enumerate(ordinals) if index not in arrays],
    )


def _reason(raw: bytes) -> Reason:
    """Return the reason to reject what is not an object."""
    try:
        parse_record(raw)
    except RecordRejected as error:
        return Reason(error.code, str(error), error.field)
    raise AssertionError("what has no brace is not an object")


def _without_commas(segment: Segment, records: list[_Record]) -> tuple[list[_Record], Sequence[Note]]:
    """Return the records without commas between them, and what was passed over."""
    kept = [record for record in records if record.raw != b","]
    if len(kept) == len(records):
        return records, ()
    first = next(index for index, record in enumerate(records) if record.raw == b",")
    place = Location(segment.offset + records[first].start, b",")
    return kept, [Note(COMMAS, len(records) - len(kept), first, place)]


def _batch(segment: Segment, records: list[_Record], reader: Reader, notes: Sequence[Note]) -> JsonBatch:
    rejections, objects, junk = list[Rejection](), list[int](), list[int]()
    last = _NONE  # the ordinal of the last comma that is missing
    for ordinal, record in enumerate(records):
        if record.reason is _NO_COMMA and last == ordinal - _BESIDE:
            rejections[-1] = rejections[-1]._replace(repeats=rejections[-1].repeats + 1)
            last = ordinal
        elif record.reason is not None:
            rejections.append(Rejection(ordinal, *record.reason))
            last = ordinal if record.reason is _NO_COMMA else _NONE
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
        objects=sorted([*junk, *objects]),
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
