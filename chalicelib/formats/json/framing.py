"""Where a block of a JSON file may end: :class:`chalicelib.reading.blocks.Framing` for JSON.

Blocks end where units do (see :mod:`chalicelib.formats.json.units`). White space between units may be longer
than a record: as much of it as a record may be long is then a unit of its own.
"""

from bisect import bisect_left
from dataclasses import dataclass
from operator import sub

from chalicelib.formats.json.units import PIECE, Units, Window, scan, separators, space_end
from chalicelib.reading.blocks import TOO_LARGE, Lost, Split

LOOK_AHEAD = 32  # how many times as long as records may be, the end of one is looked for
TRAILING = "trailing-content"

MESSAGES = {
    TOO_LARGE: "This value is larger than records may be. Reading went on after it.",
    TRAILING: "The list ends before this, with ]. Nothing that comes after it was read.",
}

_NEVER_ENDS = (
    "The value that begins at byte {} does not end within {} bytes: a brace, a bracket or a quote in it is "
    "never closed, and what follows cannot be told from it."
)
_CUT_IN_VALUE = "The file ends at byte {}, within the value that begins at byte {}: it was cut short."
_CUT_IN_ARRAY = "The file ends at byte {} without the ] that ends the list: it was cut short."
_FIRST_LOOK = 4096  # bytes beyond the wanted place: few records are longer


@dataclass(frozen=True)
class JsonFraming:
    """Record borders of a JSON file. A record longer than ``max_record`` bytes cannot be read whole."""

    array: bool  # the records are in an array; its `[` stands before the data
    max_record: int
    to_end: bool  # the bytes that are shown go on to the end of the file
    look_ahead: int = 0
    by_lines: bool = False

    def split(self, data: bytes, at: int, *, final: bool) -> Split | None:
        """See :class:`chalicelib.reading.blocks.Framing`.

        Raises Lost where a value is never closed, and where the file was cut short.
        """
        if len(data) <= at and not final:
            return None
        begin = size = 0
        while (begin := self._after_blanks(data, begin, at)) < at:
            size = size or self._first_look(at - begin)
            window = self._window(data, begin, size, final=final)
            units = self._until_blank(window, scan(window))
            if split := self._border(begin, units, at):
                return self._if_certain(data, split, final=final)
            if units.ends:
                begin, size = units.ends[-1], 0
            elif window.stop == len(data):
                return self._at_end(window) if final else None
            else:
                size = self._wider(window)
        return self._if_certain(data, Split(begin), final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`; what is set apart here is no line."""
        return data.find(b"\n") + 1 or None

    def _window(self, data: bytes, begin: int, size: int, *, final: bool) -> Window:
        stop = min(begin + size, len(data))
        # an array that goes on to the end of the file has a `]` before that
        ended = final and stop == len(data) and not (self.array and self.to_end)
        return Window(data, begin, stop, self.array, ended)

    def _first_look(self, wanted: int) -> int:
        return min(wanted + _FIRST_LOOK, PIECE, LOOK_AHEAD * self.max_record)

    def _wider(self, window: Window) -> int:
        """The size of the next window after one that held no whole unit."""
        size, most = window.stop - window.at, LOOK_AHEAD * self.max_record
        if size == most:
            _, start = separators(window, window.at)
            raise Lost("json-syntax", _NEVER_ENDS.format("{}", f"{most:,}"), start)
        return min(4 * size, most)

    def _after_blanks(self, data: bytes, begin: int, at: int) -> int:
        """Where the units of white space alone that come next end, or the first to do so from ``at`` on."""
        blanks = (space_end(data, begin, min(len(data), at + self.max_record)) - begin) // self.max_record
        wanted = -((begin - at) // self.max_record)
        return begin + max(min(blanks, wanted), 0) * self.max_record

    def _until_blank(self, window: Window, units: Units) -> Units:
        """The units before the first that should have been preceded by units of white space alone."""
        begins = [window.at, *units.ends]
        if max(map(sub, units.starts, begins), default=0) < self.max_record:
            return units
        for place, (begin, start) in enumerate(zip(begins, units.starts, strict=False)):
            if space_end(window.data, begin, start) - begin >= self.max_record:
                return units.first(place)
        return units

    def _border(self, begin: int, units: Units, at: int) -> Split | None:
        """The first end at or after ``at``, or what cannot be read before that."""
        count = bisect_left(units.ends, at) + 1
        starts, ends = units.starts[:count], units.ends[:count]
        if max(map(sub, ends, starts), default=0) > self.max_record:
            place = next(n for n, length in enumerate(map(sub, ends, starts)) if length > self.max_record)
            begin = ends[place - 1] if place else begin
            lead = starts[place] - begin
            return Split(begin, code=TOO_LARGE, lead=lead, skip=ends[place] - starts[place])
        if len(ends) == count:
            return Split(ends[-1])
        return None if units.closing is None else Split(units.closing, code=TRAILING, rest=True)

    def _if_certain(self, data: bytes, split: Split, *, final: bool) -> Split | None:
        """None if an array's `]` may still be missing after that, for then the file cannot be completed."""
        end = split.end + split.lead + (split.skip or 0)
        if split.rest or end < len(data) or not (self.array and self.to_end):
            return split
        if final:
            raise Lost("truncated-file", _CUT_IN_ARRAY, len(data))
        return None

    def _at_end(self, window: Window) -> Split:
        """The file ends, and the window with it, without another whole unit."""
        _, start = separators(window, window.at)
        if start < window.stop:
            raise Lost("truncated-file", _CUT_IN_VALUE, window.stop, start)
        if self.array and self.to_end:
            raise Lost("truncated-file", _CUT_IN_ARRAY, window.stop)
        return Split(window.stop)
