"""Where the values of a JSON file begin and end, and what they hold. Arrays of records, or just records.

A file is read in units. A unit begins where the one before it ended and is, in an array::

    unit = space [ "," space ] [ junk ] [ container ]

so a comma belongs to the value after it, and a unit without a value is a comma that has none. Between
records that are in no array there are no commas, and junk ends at white space::

    unit = space ( junk | container )

A container is an object or an array: it ends where as many braces and brackets have closed as opened,
outside strings (RFC 8259 section 7), whatever else is wrong inside. Junk is anything else: strings, numbers
and literals too, for none of them is a record. A backslash before a quote or a backslash takes away its
meaning everywhere, not in strings alone: where it is not allowed there is no valid JSON anyway.

Two readers agree: :func:`unit` goes from token to token and is the specification; :func:`regular` finds the
same containers column-wise, as far as nothing stands between them that should not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.steps.blocks import Segment
from chalicelib.steps.canonical import Unfit
from chalicelib.steps.ndjson import Line, read

PIECE = 1 << 20  # bytes that are looked at together

WHITE = b" \t\n\r"  # RFC 8259 section 2
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = re.compile(rb"[ \t\n\r]*+")
_MARK = re.compile(rb'[{}\[\]]|' + _STRING + rb'|\\["\\]|"', re.DOTALL)
_JUNK = {
    array: re.compile(rb'(?:[^"\\{\[' + stops + rb']++|' + _STRING + rb'|\\["\\]?+)*+', re.DOTALL)
    for array, stops in ((True, rb",\]"), (False, rb" \t\n\r"))
}

_QUOTE = 2
_KINDS = bytes({0x7B: 1, 0x5B: 1, 0x7D: 255, 0x5D: 255, 0x22: _QUOTE}.get(byte, 0) for byte in range(256))
_OTHERS = bytes(byte for byte in range(256) if not _KINDS[byte])

_NO_OBJECT = "This value is JSON, but not an object in braces { }."
_LEADING = Unfit("json-syntax", "The list begins with a comma: a value is missing before it.")
_MISSING = Unfit("json-syntax", "There is a comma with no value after it.")
_NO_COMMA = Unfit("json-syntax", "There is no comma between this value and the one before it.")
_JUNK_BEFORE = Unfit("json-syntax", "This text stands between two values and is not JSON.")
_ARRAY = Unfit("not-an-object", _NO_OBJECT)


@dataclass
class Units:
    """Units one after another, as columns of byte offsets."""

    commas: list[int] = field(default_factory=list)  # of the comma, -1 where there is none
    starts: list[int] = field(default_factory=list)  # where white space and comma end
    values: list[int] = field(default_factory=list)  # of the container; the unit's end if it has none
    ends: list[int] = field(default_factory=list)
    closing: int | None = None  # the `]` that ends the array, right after the last unit
    open: bool = False  # a container that is not whole follows


@dataclass(frozen=True)
class Window:
    """Bytes ``[at, stop)`` of ``data``; ``at`` is where a unit begins.

    ``ended``: no unit goes on after ``stop``.
    """

    data: bytes
    at: int
    stop: int
    array: bool
    ended: bool


def scan(window: Window) -> Units:
    """The whole units in the window."""
    units = regular(window.data, window.at, window.stop, array=window.array)
    if not units.open:
        _read_on(window, units)
    return units


def _read_on(window: Window, units: Units) -> None:
    """Adds the units that follow those, one by one."""
    at = units.ends[-1] if units.ends else window.at
    while (found := unit(window, at)) is not None:
        comma, start, value, at = found
        if value < 0:
            units.closing = start
            return
        units.commas.append(comma)
        units.starts.append(start)
        units.values.append(value)
        units.ends.append(at)


def unit(window: Window, at: int) -> tuple[int, int, int, int] | None:
    """The unit that begins at ``at``: its comma, start, value and end, as in :class:`Units`.

    The value of a `]` that ends the array is -1. None: there is none, or it is not whole.
    """
    data, stop = window.data, window.stop
    comma, start = _separators(window, at)
    if start == stop:
        return (comma, start, start, start) if window.ended and comma >= 0 else None
    if window.array and data[start] in b",]":
        closes = data[start] == ord("]") and comma < 0
        return (comma, start, -1, start + 1) if closes else (comma, start, start, start)
    value = _JUNK[window.array].match(data, start, stop).end()  # type: ignore[union-attr] # may be empty
    if value == stop:
        return (comma, start, value, value) if window.ended else None
    if data[value] == ord('"'):
        return None  # a string that is not closed
    if data[value] in b"{[" and (window.array or value == start):
        end = _container_end(data, value, stop)
        return None if end is None else (comma, start, value, end)
    return comma, start, value, value


def _separators(window: Window, at: int) -> tuple[int, int]:
    """The comma after white space from ``at`` on, or -1, and where the white space behind it ends."""
    data, stop = window.data, window.stop
    start = skip_space(data, at, stop)
    if not window.array or start == stop or data[start] != ord(","):
        return -1, start
    return start, skip_space(data, start + 1, stop)


def skip_space(data: bytes, at: int, stop: int) -> int:
    """Where the white space that begins at ``at`` ends, at most ``stop``."""
    return _SPACE.match(data, at, stop).end()  # type: ignore[union-attr] # matches the empty text


def _container_end(data: bytes, at: int, stop: int) -> int | None:
    """The offset after the brace or bracket that closes the one at ``at``."""
    depth = 0
    for mark in _MARK.finditer(data, at, stop):
        token = mark.group()
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if not depth:
                return mark.end()
        elif token == b'"':
            break  # a string that is not closed
    return None


def regular(data: bytes, at: int, stop: int, *, array: bool) -> Units:
    """The units with which ``data[at:stop]`` begins, as long as they are containers, properly separated.

    The first may have a comma before it or none.
    """
    piece = data[at:stop]
    starts, ends = _containers(piece)
    gaps = [piece[end:start] for end, start in zip([0, *ends], starts, strict=False)]
    separator = b"," if array else b""
    wrong = {gap for gap in set(gaps) if gap.strip(WHITE) != separator}
    if gaps and not gaps[0].strip(WHITE):
        wrong.discard(gaps[0])
        wrong.update({gap for gap in gaps[1:] if gap == gaps[0]} if array else ())
    whole = len(ends)
    if wrong:
        whole = min(next(n for n, gap in enumerate(gaps) if gap in wrong and (n or gap.strip(WHITE))), whole)
    return _units(piece, at, starts, ends, gaps, whole, array=array)


def values(segment: Segment, *, array: bool, first: bool) -> Iterator[Line]:
    """The segment's records. ``first``: it is where the file's data begins."""
    raise NotImplementedError
