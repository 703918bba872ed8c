"""Find where a block of a CSV file may end: :class:`chalicelib.reading.blocks.Framing` for CSV."""

from bisect import bisect_left
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.model import Dialect
from chalicelib.formats.csv import quotes as csv_quotes
from chalicelib.formats.csv.rules_1 import records as csv_records
from chalicelib.reading.blocks import TOO_LARGE, Boundary, Stretch, line_boundary

UNTERMINATED = "unterminated-quote"

_NEAR = 1 << 16  # bytes: the record that ends a block is seldom longer


@dataclass(frozen=True)
class CsvFraming:
    """Record borders of a CSV file. A record longer than ``max_record`` bytes cannot be read whole."""

    dialect: Dialect
    max_record: int

    @property
    def look_ahead(self) -> int:
        """See :class:`chalicelib.reading.blocks.Framing`: this many bytes show that a record is too large."""
        return self.max_record + 2

    @property
    def by_lines(self) -> bool:
        """See :class:`chalicelib.reading.blocks.Framing`: true if no quote can hold a line ending."""
        return not self.dialect.quote and not self.dialect.escape

    def boundary(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        if len(data) < at + min(_NEAR, self.look_ahead) and not final:
            return None
        at = min(at, len(data))  # a file's last block may be shorter
        if end := self._near_end(data[: at + _NEAR], at):
            return Boundary(end)
        # every record that begins before `at` ends in this window, or is too large
        window = data[: at + self.max_record + 2]
        final = final and len(window) == len(data)
        if self._is_plain(window):
            return line_boundary(window, at, self.max_record, final=final)
        ends = csv_records.regular_ends(window, self.dialect)
        if ends is None:
            return self._by_reading(window, at, final=final)
        return self._by_ends(window, ends, at, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`: LF, CRLF or CR."""
        lf = data.find(b"\n")
        cr = data.find(b"\r", 0, lf if lf >= 0 else len(data))
        if cr < 0:
            return lf + 1 if lf >= 0 else None
        if cr + 1 == len(data):
            return None
        return cr + 2 if data[cr + 1] == csv_records.LF else cr + 1

    def _is_plain(self, data: bytes) -> bool:
        """Return whether every LF ends a record, and nothing else does."""
        quote, escape = self.dialect.quote.encode(), self.dialect.escape
        return b"\r" not in data and not (quote and quote in data) and not escape

    def _is_open(self, regular: bytes) -> bool:
        quote = self.dialect.quote.encode()
        return bool(quote) and regular.count(quote) % 2 == 1

    def _near_end(self, data: bytes, at: int) -> int | None:
        """Return the first record end at or after ``at``, in regular text with short records.

        Hops from record end to record end, half as far as a record may reach. Returns None if that does not
        show that all records on the way can be read whole.
        """
        quotes = csv_records.quotes(data, self.dialect)
        if quotes is None:
            return None
        offsets = memoryview(quotes.buffers()[1]).cast("Q")
        start = 0
        while start < at:
            end = csv_quotes.first_end(data, offsets, min(start + self.max_record // 2 + 1, at))
            if end is None or end - start > self.max_record:
                return None
            start = end
        return start

    def _by_ends(self, data: bytes, ends: pa.Array, at: int, *, final: bool) -> Boundary | None:
        """Find the boundary in regular text, given its record ends."""
        last = ends[-1].as_py() if len(ends) else 0
        if final and last < len(data) and not self._is_open(data):
            last = len(data)
            ends = pa.concat_arrays([ends, pa.array([last], pa.int64())])
        starts = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        stops = pa.concat_arrays([ends, pa.array([len(data)], pa.int64())])
        too_long = pc.greater(pc.subtract(stops, starts), self.max_record)
        first = pc.index(pc.and_(too_long, pc.less(starts, at)), True).as_py()
        if first >= 0:
            return Boundary(starts[first].as_py(), code=TOO_LARGE)
        index = pc.index(pc.greater_equal(ends, at), True).as_py()
        if index >= 0:
            return Boundary(ends[index].as_py())
        if not final:
            return None
        return Boundary(last, code=None if last == len(data) else UNTERMINATED)

    def _by_reading(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """Find the boundary in any text. The time is linear, however many of its lines are rejected."""
        starts = [line.start() for line in csv_records.LINE.finditer(data)] + [len(data)]
        ends = self._record_ends(data, starts, final=final)
        stretches: list[Stretch] = []
        line = 0
        while starts[line] < min(at, len(data)):
            start, end = starts[line], ends[line]
            code = self._code(start, len(data) if end is None else end, is_open=end is None, final=final)
            if end is None and code is None:
                return None
            stop = starts[line + 1] if code else end
            if stop is None or (stop == len(data) and not final and not data.endswith(b"\n")):
                # an incomplete line
                return Boundary(start, regular=False, stretches=tuple(stretches), code=code) if code else None
            if code:
                stretches.append(Stretch(start, stop, code))
            line = bisect_left(starts, stop)
        if starts[line] < at and not final:
            return None
        return Boundary(starts[line], regular=False, stretches=tuple(stretches))

    def _code(self, start: int, end: int, *, is_open: bool, final: bool) -> str | None:
        """Return the code of a record that cannot be read whole; None if it can, or may after more bytes."""
        if end - start > self.max_record:
            return TOO_LARGE
        return UNTERMINATED if is_open and final else None

    def _record_ends(self, data: bytes, starts: list[int], *, final: bool) -> list[int | None]:
        """Return, for each line, where a record that began there would end; None beyond the data."""
        after_line: dict[csv_records.State, int | None] = dict.fromkeys(csv_records.State)
        if final:  # the end of the file ends a record unless a quote is open
            after_line[csv_records.State.CELL] = len(data)
        ends: list[int | None] = [None] * len(starts)
        for line in range(len(starts) - 2, -1, -1):
            stop = starts[line + 1]
            after = csv_records.states_after(data[starts[line] : stop].decode("latin-1"), self.dialect)
            after_line = {
                before: stop if then is csv_records.State.RECORD else after_line[then]
                for before, then in after.items()
            }
            ends[line] = after_line[csv_records.State.RECORD]
        return ends
