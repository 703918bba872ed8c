"""Find where the values of a JSON file begin and end: in an array or an object, or one after another.

A file is read in units. A unit begins where the one before it ended. In an array or an object it is::

    unit = space [ "," space ] [ junk ] [ container ]

so a comma belongs to the value after it, and a unit without a value is a comma that no value follows. The
name of an object's member is junk to this module. One after another, junk ends at white space, and a comma is
junk::

    unit = space ( junk | container )

A container is an object or an array: it ends where as many braces and brackets have closed as opened,
outside strings (RFC 8259 section 7), whatever else is wrong inside. Junk is anything else, also strings,
numbers and literals: none of them is a record. A backslash escapes a quote or a backslash everywhere, not in
strings alone: where it is not allowed there is no valid JSON anyway.

Three readers agree: :func:`unit` reads token by token and is the specification; :func:`regular` finds the
same containers column-wise, up to the first unexpected content between them; and where a unit without a
container is repeated, byte by byte, the others are counted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib import interruption
from chalicelib.reading.patterns import repeated
from chalicelib.rows.columns import numbers

PIECE = 1 << 20  # bytes that are scanned together
NEAR = 1 << 11  # bytes: most containers are shorter
_FEWEST = 32  # repeats of a unit that are worth a run

WHITE = b" \t\n\r"  # RFC 8259 section 2
_STRING = rb'"[^"\\]*+' + repeated(rb'\\.[^"\\]*+') + b'"'
_SPACE = re.compile(rb"[ \t\n\r]*+")
_MARK = re.compile(
    rb"(?P<opening>[{\[]++)|(?P<closing>[}\]]++)|" + _STRING + rb'|\\["\\]|(?P<open>")', re.DOTALL
)
NAME = re.compile(rb"(" + _STRING + rb")[ \t\n\r]*+:[ \t\n\r]*+", re.DOTALL)  # of a member
_NEXT_NAME = re.compile(rb"[ \t\n\r]*+(,?+)[ \t\n\r]*+(" + NAME.pattern + rb")", re.DOTALL)
_COMMA, _QUOTE = b',"'

_QUOTE_STEP = 2
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1, b'"': _QUOTE_STEP}
_STEPS = bytes(_STEP.get(bytes([byte]), 0) & 0xFF for byte in range(256))
_NO_STEPS = bytes(byte for byte in range(256) if not _STEPS[byte])


class Layout(Enum):
    """The layout of a file's records. ``closing``: the byte after the last one; None: it is not enclosed."""

    SEQUENCE = (None, rb" \t\n\r")  # values one after another
    SINGLE = (None, b"")  # an object, which may be inside an envelope
    ARRAY = (b"]", rb",\]")  # the items of an array
    MEMBERS = (b"}", rb",\}")  # the values of an object's members

    def __init__(self, closing: bytes | None, stops: bytes) -> None:
        self.closing = None if closing is None else closing[0]
        self.is_enclosed = closing is not None
        self.junk = re.compile(
            repeated(rb'[^"\\{\[' + stops + rb"]++|" + _STRING + rb'|\\["\\]?+'), re.DOTALL
        )


def array_start(head: bytes, at: int) -> int | None:
    """Return where the data of an array that begins at ``at`` begins: after `[` and white space.

    None if no array begins there.
    """
    start = space_end(head, at, len(head))
    return space_end(head, start + 1, len(head)) if head[start : start + 1] == b"[" else None


@dataclass(frozen=True)
class Window:
    """Bytes ``[at, stop)`` of ``data``, in which a unit begins at ``at``."""

    data: bytes
    at: int
    stop: int
    layout: Layout
    ended: bool  # no unit continues after ``stop``


class Unit(NamedTuple):
    """One unit, as byte offsets."""

    comma: bool  # the unit has one
    start: int  # after white space and comma
    value: int  # of the container; the end if there is none; -1 for the byte that ends the layout
    end: int


@dataclass
class Units:
    """Units one after another, as columns."""

    commas: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    closing: int | None = None  # where the layout ends, right after these units
    open: bool = False  # an incomplete container follows
    # So many more units follow, each of ``period`` bytes: those of the last one, which has no container.
    repeats: int = 0
    period: int = 0

    @property
    def end(self) -> int:
        """Return where the last unit ends, of those that are repeated the last one. There must be one."""
        return self.ends[-1] + self.repeats * self.period

    def last(self) -> "Units":
        """Return the last unit, alone."""
        return Units(self.commas[-1:], self.starts[-1:], self.values[-1:], self.ends[-1:])

    def parts(self, most: int) -> Iterator["Units"]:
        """Yield the units, at most so many at a time, without what follows them."""
        for start in range(0, len(self.ends), most):
            part = slice(start, start + most)
            yield Units(self.commas[part], self.starts[part], self.values[part], self.ends[part])

    def first(self, count: int) -> "Units":
        """Return the first ``count`` units."""
        return Units(self.commas[:count], self.starts[:count], self.values[:count], self.ends[:count])


def scan(window: Window) -> Iterator[Units]:
    """Yield the whole units in the window, in runs; only the last one may be closed, open or empty."""
    if window.layout is Layout.SINGLE:
        yield _single(window)
        return
    units = regular(window) if window.stop - window.at <= PIECE else Units()
    if not units.open:
        while _read_on(window, units):
            yield units
            window = replace(window, at=units.end)
            units = Units()
    yield units


def _single(window: Window) -> Units:
    """Return the only unit, after which the layout ends."""
    only = unit(window, window.at)
    if only is None:
        return Units()
    return Units([False], [only.start], [only.value], [only.end], closing=only.end)


def _read_on(window: Window, units: Units) -> bool:
    """Append the units that follow, one by one; return whether one is repeated: then more may follow."""
    at = units.ends[-1] if units.ends else window.at
    while (following := unit(window, at)) is not None:
        interruption.check()
        begin, at = at, following.end
        if following.value < 0:
            units.closing = at
            return False
        units.commas.append(following.comma)
        units.starts.append(following.start)
        units.values.append(following.value)
        units.ends.append(at)
        may_repeat = following.value == at and following.comma is window.layout.is_enclosed
        if may_repeat and (repeats := _repeats(window, begin, at)):
            units.repeats, units.period = repeats, at - begin
            return True
    return False


def _repeats(window: Window, begin: int, end: int) -> int:
    """Return how many units behind the one that lies between the offsets have its bytes; 0 if they are few.

    The last one may go on behind that, so it does not count.
    """
    data, period = window.data, end - begin
    if not data.startswith(data[begin:end], end) or not _is_repeated(window, begin, end, _FEWEST * period):
        return 0
    size = _FEWEST * period  # that are known to be repeated, a multiple of the period
    while _is_repeated(window, begin, end, 2 * size):
        size *= 2
    step = size
    while step > period:
        step = step // period // 2 * period or period
        while _is_repeated(window, begin + size, end + size, step):
            size += step
    return size // period - 1


def _is_repeated(window: Window, begin: int, end: int, size: int) -> bool:
    """Return whether ``size`` bytes at ``end`` are those at ``begin``."""
    data = window.data
    return end + size <= window.stop and data[end : end + size] == data[begin : begin + size]


def unit(window: Window, at: int) -> Unit | None:
    """Return the unit that begins at ``at``; None if there is none or it is incomplete."""
    comma, start = separators(window, at)
    if start == window.stop:
        return Unit(comma, start, start, start) if window.ended and comma else None
    if window.data[start] == window.layout.closing and not comma:
        return Unit(comma, start, -1, start + 1)
    value = _match_end(window.layout.junk, window.data, start, window.stop)
    end = _value_end(window, start, value)
    return None if end is None else Unit(comma, start, value, end)


def _value_end(window: Window, start: int, value: int) -> int | None:
    """Return where a unit ends that has junk from ``start`` to ``value``; None if it is incomplete."""
    if value == window.stop:
        return value if window.ended else None
    if window.data[value] == _QUOTE:
        return None  # a string that is not closed
    if window.data[value] in b"{[" and (window.layout.is_enclosed or value == start):
        return container_end(window.data, value, window.stop)
    return value


def separators(window: Window, at: int) -> tuple[bool, int]:
    """Return whether a comma follows the white space at ``at``, and where the white space after it ends."""
    data, stop = window.data, window.stop
    start = space_end(data, at, stop)
    if not window.layout.is_enclosed or start == stop or data[start] != _COMMA:
        return False, start
    return True, space_end(data, start + 1, stop)


def space_end(data: bytes, at: int, stop: int) -> int:
    """Return where the white space that begins at ``at`` ends."""
    return _match_end(_SPACE, data, at, stop)


def _match_end(pattern: re.Pattern[bytes], data: bytes, at: int, stop: int) -> int:
    match = pattern.match(data, at, stop)
    return match.end() if match else at


def container_end(data: bytes, at: int, stop: int) -> int | None:
    """Return the offset after the brace or bracket that closes the one at ``at``; None without one."""
    near = min(at + NEAR, stop)
    end = _near_end(data, at, near)
    return _far_end(data, at, stop) if end is None and near < stop else end


def _near_end(data: bytes, at: int, stop: int) -> int | None:
    depth = 0
    for mark in _MARK.finditer(data, at, stop):
        kind, length = mark.lastgroup, mark.end() - mark.start()
        if kind == "opening":
            depth += length
        elif kind == "closing":
            if length >= depth:
                return mark.start() + depth
            depth -= length
        elif kind == "open":  # a string that is not closed
            break
    return None


def _far_end(data: bytes, at: int, stop: int) -> int | None:
    nesting, size = Nesting(), NEAR
    while at < stop:
        end = min(at + size, stop)
        if end < stop and ends_in_escape(data[at:end]):
            end += 1
        length = nesting.closed_after(data[at:end])
        if length is not None:
            return at + length
        at, size = end, min(4 * size, PIECE)
    return None


def ends_in_escape(piece: bytes) -> bool:
    """Return whether the character after the piece is an escaped one."""
    return (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1


class Nesting:
    """Follow how deep containers are nested, over consecutive pieces of text."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_inside = False  # a string

    def closed_after(self, piece: bytes) -> int | None:
        """Return the length of the beginning of the piece that closes the outermost container, if it does.

        No piece begins with an escaped character.
        """
        offsets, steps, quotes = steps_outside_strings(piece, inside=self._is_inside)
        depths = pc.add(pc.cumulative_sum(steps.cast(pa.int32())), self._depth)
        closing = pc.index(depths, 0).as_py()
        if closing >= 0:
            length: int = offsets[closing].as_py() + 1
            return length
        if len(depths):
            self._depth = depths[-1].as_py()
        self._is_inside ^= bool(quotes % 2)
        return None


def regular(window: Window) -> Units:
    """Return the first units of the window, up to one that is not a container.

    In an array a container may have a comma before it or none.
    """
    if window.layout is Layout.MEMBERS:
        return _regular_members(window)
    comma, start = separators(window, window.at)
    starts, ends = _containers(window.data, start, window.stop)
    if not starts or starts[0] != start:
        return Units()
    gaps = [window.data[end:begin] for end, begin in zip(ends, starts[1:], strict=False)]
    separators_of = {gap: gap.strip(WHITE) for gap in set(gaps)}
    allowed = (b",", b"") if window.layout.is_enclosed else (b"",)
    wrong = {gap for gap, separator in separators_of.items() if separator not in allowed}
    if wrong:
        until = next(n for n, gap in enumerate(gaps, start=1) if gap in wrong)
        starts, ends = starts[:until], ends[:until]
    whole = starts[: len(ends)]
    commas = [comma, *(bool(separators_of[gap]) for gap in gaps[: len(ends)])][: len(ends)]
    return Units(commas, whole, whole.copy(), ends, open=len(starts) > len(ends))


def _regular_members(window: Window) -> Units:
    """Return the first units of the window, up to one that is not a name with a container."""
    values, ends = _containers(window.data, window.at, window.stop)
    units, before = Units(values=values, ends=ends), window.at
    for index, value in enumerate(values):
        match = _NEXT_NAME.fullmatch(window.data, before, value)
        if match is None:
            return units.first(index)
        units.commas.append(match.start(1) < match.end(1))
        units.starts.append(match.start(2))
        before = ends[index] if index < len(ends) else value
    whole = units.first(len(ends))
    whole.open = len(values) > len(ends)
    return whole


def _containers(data: bytes, at: int, stop: int) -> tuple[list[int], list[int]]:
    """Return where containers start and end. A start without an end is that of an incomplete container.

    Stop before a brace or bracket that closes nothing.
    """
    offsets, steps, _ = steps_outside_strings(data[at:stop])
    offsets = pc.add(offsets.cast(pa.int64()), at)
    depths = pc.cumulative_sum(steps.cast(pa.int32()))
    below = pc.index(depths, -1).as_py()
    if below >= 0:
        offsets, steps, depths = (column.slice(0, below) for column in (offsets, steps, depths))
    starts = offsets.filter(pc.and_(pc.equal(depths, 1), pc.equal(steps, 1)))
    return starts.to_pylist(), pc.add(offsets.filter(pc.equal(depths, 0)), 1).to_pylist()


def steps_outside_strings(piece: bytes, *, inside: bool = False) -> tuple[pa.Array, pa.Array, int]:
    """Return the offsets of braces and brackets outside strings, 1 or -1 for each, and the number of quotes.

    The number may be reduced by multiples of 256. ``inside``: the piece begins within a string, but not at an
    escaped character.
    """
    if b"\\" in piece:  # escaped characters may be masked
        piece = piece.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    offsets = pc.indices_nonzero(numbers(piece.translate(_STEPS)))
    steps = numbers(piece.translate(_STEPS, _NO_STEPS)).view(pa.int8())
    is_quote = pc.equal(steps, _QUOTE_STEP)
    quotes = pc.cumulative_sum(is_quote.cast(pa.uint8()))  # so far; overflows, but stays odd or even
    outside = pc.and_not(pc.equal(pc.bit_wise_and(quotes, 1), int(inside)), is_quote)
    count = quotes[-1].as_py() if len(quotes) else 0
    return offsets.filter(outside), steps.filter(outside), count
