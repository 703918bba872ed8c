"""Find where a block of a JSON file may end: :class:`chalicelib.reading.blocks.Framing` for JSON.

Blocks end where units do (see :mod:`chalicelib.formats.json.units`). White space between units may be longer
than a record: each ``max_record`` bytes of it are then a unit of their own.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import partial
from operator import sub

from chalicelib.formats.json.envelope import after_records
from chalicelib.formats.json.units import PIECE, Layout, Units, Window, scan, separators, space_end
from chalicelib.reading.blocks import TOO_LARGE, Boundary, FramingError

LOOK_AHEAD = 32  # times the length of records: how far the end of one is looked for
TRAILING = "trailing-content"

UNREADABLE = {
    TOO_LARGE: "The record is larger than the limit. Reading continued after it.",
    TRAILING: "The list of records ends before this text. The text was not read.",
}

_NEVER_ENDS = (
    "The value that begins at byte {} does not end within {} bytes: a brace, a bracket or a quote in it is "
    "never closed, and the rest of the file cannot be separated from it."
)
_CUT_IN_VALUE = "The file ends at byte {}, within the value that begins at byte {}: it was cut short."
_CUT_IN_LIST = {
    Layout.ARRAY: "The file ends at byte {} without the ] that ends the list: it was cut short.",
    Layout.MEMBERS: "The file ends at byte {} without the }} that ends the records: it was cut short.",
}
_FIRST_LOOK = 4096  # bytes beyond the requested offset: few records are longer


@dataclass(frozen=True)
class JsonFraming:
    """Record borders of a JSON file. A record longer than ``max_record`` bytes cannot be read whole."""

    layout: Layout  # the `[` or `{` of a list stands before the data
    max_record: int
    to_end: bool  # the framing will get the end of the file
    path: tuple[str, ...] = ()  # the names of what surrounds the list, from the outermost on
    look_ahead: int = 0
    by_lines: bool = False

    def boundary(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """See :class:`chalicelib.reading.blocks.Framing`.

        Raises FramingError where a value is never closed, and where the file was cut short.
        """
        if len(data) <= at and not final:
            return None
        begin = size = 0
        while (begin := self._after_blanks(data, begin, at)) < at:
            size = size or self._first_look(at - begin)
            window = self._window(data, begin, size, final=final)
            for some in scan(window):
                units = self._until_blank(replace(window, at=begin), some)
                if boundary := self._in_units(begin, units, at):
                    return self._if_certain(data, boundary, final=final)
                if units.ends:
                    begin, size = units.end, 0
                if begin >= at or len(units.ends) < len(some.ends):
                    break
            if size == 0:
                continue
            if window.stop == len(data):
                return self._at_end(window) if final else None
            size = self._wider(window)
        return self._if_certain(data, Boundary(begin), final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`. Records are rejected whole here, not by lines."""
        return data.find(b"\n") + 1 or None

    def _window(self, data: bytes, begin: int, size: int, *, final: bool) -> Window:
        stop = min(begin + size, len(data))
        # a list that reaches the end of the file is closed before it
        ended = final and stop == len(data) and not (self.layout.is_enclosed and self.to_end)
        return Window(data, begin, stop, self.layout, ended)

    def _first_look(self, distance: int) -> int:
        return min(distance + _FIRST_LOOK, PIECE, LOOK_AHEAD * self.max_record)

    def _wider(self, window: Window) -> int:
        """Return the size of the next window after one that held no whole unit."""
        size, max_size = window.stop - window.at, LOOK_AHEAD * self.max_record
        if size == max_size:
            _, start = separators(window, window.at)
            raise FramingError("json-syntax", _NEVER_ENDS.format("{}", f"{max_size:,}"), start)
        return min(4 * size, max_size)

    def _after_blanks(self, data: bytes, begin: int, at: int) -> int:
        """Return where the next units of white space end: all of them, or those that begin before ``at``."""
        blanks = (space_end(data, begin, min(len(data), at + self.max_record)) - begin) // self.max_record
        limit = -((begin - at) // self.max_record)
        return begin + max(min(blanks, limit), 0) * self.max_record

    def _until_blank(self, window: Window, units: Units) -> Units:
        """Return the units before the first that has so much white space before it that some are units."""
        begins = [window.at, *units.ends]
        if max(map(sub, units.starts, begins), default=0) < self.max_record:
            return units
        for index, (begin, start) in enumerate(zip(begins, units.starts, strict=False)):
            if space_end(window.data, begin, start) - begin >= self.max_record:
                return units.first(index)
        return units

    def _in_units(self, begin: int, units: Units, at: int) -> Boundary | None:
        """Find the boundary among whole units; None if they end before ``at``."""
        count = bisect_left(units.ends, at) + 1
        starts, ends = units.starts[:count], units.ends[:count]
        if max(map(sub, ends, starts), default=0) > self.max_record:
            index = next(n for n, length in enumerate(map(sub, ends, starts)) if length > self.max_record)
            begin = ends[index - 1] if index else begin
            separators, length = starts[index] - begin, ends[index] - starts[index]
            if self.layout is Layout.SINGLE:
                return Boundary(begin + separators, code=TOO_LARGE, rest=iter)
            return Boundary(begin, code=TOO_LARGE, separators=separators, length=length)
        if len(ends) == count and self.layout is not Layout.SINGLE:
            return Boundary(ends[-1])
        if units.repeats and units.end >= at:
            return Boundary(at + (units.ends[-1] - at) % units.period)
        if units.closing is None:
            return None
        return Boundary(units.closing, code=TRAILING, rest=partial(after_records, tokens=self.path))

    def _if_certain(self, data: bytes, boundary: Boundary, *, final: bool) -> Boundary | None:
        """Return the boundary; None if the end of a list may be missing after it, as in a truncated file."""
        end = boundary.end + boundary.separators + (boundary.length or 0)
        if boundary.rest or end < len(data) or not (self.layout.is_enclosed and self.to_end):
            return boundary
        if final:
            raise FramingError("truncated-file", _CUT_IN_LIST[self.layout], len(data))
        return None

    def _at_end(self, window: Window) -> Boundary:
        """Return the end of the file, where a window without a whole unit ends. Raises FramingError."""
        _, start = separators(window, window.at)
        if start < window.stop:
            raise FramingError("truncated-file", _CUT_IN_VALUE, window.stop, start)
        if self.layout.is_enclosed and self.to_end:
            raise FramingError("truncated-file", _CUT_IN_LIST[self.layout], window.stop)
        return Boundary(window.stop)
