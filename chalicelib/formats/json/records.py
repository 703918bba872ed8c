"""What the values of a JSON file hold: the records of a segment, and what stands in the place of records."""

import re
from collections.abc import Iterator
from operator import lt

from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.units import PIECE, WHITE, Unit, Units, Window, scan, space_end
from chalicelib.formats.ndjson.records import Found, Line, found, read
from chalicelib.reading.blocks import Segment
from chalicelib.rows.canonical import Unfit

_SCALAR = re.compile(  # RFC 8259 sections 3 and 6; strings are not worth a look of their own
    rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null"
)
_ARRAY = b"["[0]

_NOUN = "This value"
_LEADING = Unfit("json-syntax", "The list begins with a comma: a value is missing before it.")
_MISSING = Unfit("json-syntax", "A comma has no value after it.")
_NO_COMMA = Unfit("json-syntax", "There is no comma between this value and the one before it.")
_JUNK_BETWEEN = Unfit("json-syntax", "This text stands between values and is none itself.")
_NO_OBJECT = Unfit("not-an-object", f"{_NOUN} is JSON, but not an object in braces {{ }}.")


def values(segment: Segment, *, array: bool, first: bool) -> Iterator[Found]:
    """The segment's records, and what stands in the place of records.

    ``first``: the segment begins where the data of the file does, so no comma is due.
    """
    data, at, size, reader = segment.data, 0, PIECE, Reader()
    while at < len(data):
        stop = min(at + size, len(data))
        units = scan(Window(data, at, stop, array, ended=stop == len(data)))
        if _are_tidy(units, array=array, first=first):
            yield _read_containers(segment, units, reader)
        else:
            yield _read_lines(list(_lines(segment, units, array=array, first=first)), reader)
        if units.closing is not None or stop == len(data):
            return
        size = PIECE if units.ends else size * 4
        at, first = (units.ends[-1], False) if units.ends else (at, first)


def _are_tidy(units: Units, *, array: bool, first: bool) -> bool:
    """Whether they are containers with commas as they should be, and nothing else."""
    commas = [array] * len(units.ends)
    if commas and first:
        commas[0] = False
    are_containers = units.starts == units.values and all(map(lt, units.values, units.ends))
    return are_containers and units.commas == commas


def _read_containers(segment: Segment, units: Units, reader: Reader) -> Found:
    bounds = list(zip(units.starts, units.ends, strict=True))
    canonical, rest = reader.read([segment.data[start:end] for start, end in bounds])
    one_by_one = ((place, _read(_container(segment, *bounds[place]))) for place in rest)
    return found(len(bounds), canonical, one_by_one)


def _read_lines(lines: list[Line], reader: Reader) -> Found:
    unread = [place for place, line in enumerate(lines) if line.fault is None]
    canonical, rest = reader.read([lines[place].raw for place in unread])
    one_by_one = {unread[index] for index in rest}
    left = (
        (place, _read(line))
        for place, line in enumerate(lines)
        if line.fault is not None or place in one_by_one
    )
    return found(len(lines), canonical, left)


def _read(line: Line) -> Line:
    return read(line.offset, line.raw, _NOUN) if line.fault is None else line


def _lines(segment: Segment, units: Units, *, array: bool, first: bool) -> Iterator[Line]:
    """Containers, not read yet, and faults."""
    columns = zip(units.commas, units.starts, units.values, units.ends, strict=True)
    for comma, start, value, end in columns:
        if array and comma is first:
            yield from _comma(segment, Unit(comma, start, value, end))
        if start == end:
            yield Line(segment.offset + start, b",", None, _MISSING)
        if start < value:
            due = comma or first or not array
            yield _junk(segment, start, value, alone=due and value == end)
        if value < end:
            yield _container(segment, value, end)
        first = False


def _comma(segment: Segment, found: Unit) -> Iterator[Line]:
    """The reject for a comma that stands before the first value, or is missing before another."""
    if found.comma:
        place = space_end(segment.data, 0, len(segment.data))
        yield _reject(segment, place, place + 1, _LEADING)
    elif found.start == found.value:  # junk is reported anyway
        yield _reject(segment, found.value, found.end, _NO_COMMA)


def _reject(segment: Segment, start: int, end: int, fault: Unfit) -> Line:
    return Line(segment.offset + start, segment.data[start:end], None, fault)


def _junk(segment: Segment, start: int, end: int, *, alone: bool) -> Line:
    """Strings, numbers, literals, or nothing that is JSON. ``alone``: where a value may stand."""
    offset, raw = segment.offset + start, segment.data[start:end].rstrip(WHITE)
    if not alone:
        return Line(offset, raw, None, _JUNK_BETWEEN)
    return Line(offset, raw, None, _NO_OBJECT) if _SCALAR.fullmatch(raw) else read(offset, raw, _NOUN)


def _container(segment: Segment, start: int, end: int) -> Line:
    """The object, not read yet, or the fault that it is an array."""
    fault = _NO_OBJECT if segment.data[start] == _ARRAY else None
    return Line(segment.offset + start, segment.data[start:end], None, fault)
