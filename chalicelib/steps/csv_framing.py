"""Where a block of a CSV file may end: :class:`chalicelib.steps.blocks.Framing` for CSV."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.model import Dialect
from chalicelib.steps import csv_records
from chalicelib.steps.blocks import TOO_LARGE, Split, split_lines

UNTERMINATED = "unterminated-quote"


@dataclass(frozen=True)
class CsvFraming:
    """Record borders of a CSV file. A record longer than ``max_record`` bytes cannot be read whole."""

    dialect: Dialect
    max_record: int

    def split(self, data: bytes, at: int, *, final: bool) -> Split | None:
        """See :class:`chalicelib.steps.blocks.Framing`."""
        if len(data) <= at and not final:
            return None
        # every record that begins before `at` ends in this window, or is too large
        window = data[: at + self.max_record + 2]
        final = final and len(window) == len(data)
        if self._is_plain(window):
            return split_lines(window, at, self.max_record, final=final)
        ends = csv_records.regular_ends(window, self.dialect)
        if ends is None:
            return self._by_reading(window, at, final=final)
        return self._by_ends(window, ends, at, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.steps.blocks.Framing`: LF, CRLF or CR."""
        lf = data.find(b"\n")
        cr = data.find(b"\r", 0, lf if lf >= 0 else len(data))
        if cr < 0:
            return lf + 1 if lf >= 0 else None
        if cr + 1 == len(data):
            return None
        return cr + 2 if data[cr + 1] == csv_records.LF else cr + 1

    def _is_plain(self, data: bytes) -> bool:
        """Whether every LF ends a record, and nothing else does."""
        quote, escape = self.dialect.quote.encode(), self.dialect.escape
        return b"\r" not in data and not (quote and quote in data) and not escape

    def _is_open(self, regular: bytes) -> bool:
        quote = self.dialect.quote.encode()
        return bool(quote) and regular.count(quote) % 2 == 1

    def _by_ends(self, data: bytes, ends: pa.Array, at: int, *, final: bool) -> Split | None:
        """Regular text: its record ends are known."""
        last = ends[-1].as_py() if len(ends) else 0
        if final and last < len(data) and not self._is_open(data):
            last = len(data)
            ends = pa.concat_arrays([ends, pa.array([last], pa.int64())])
        starts = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        stops = pa.concat_arrays([ends, pa.array([len(data)], pa.int64())])
        too_long = pc.greater(pc.subtract(stops, starts), self.max_record)
        first = pc.index(pc.and_(too_long, pc.less(starts, at)), True).as_py()
        if first >= 0:
            return Split(starts[first].as_py(), code=TOO_LARGE)
        border = pc.index(pc.greater_equal(ends, at), True).as_py()
        if border >= 0:
            return Split(ends[border].as_py())
        if not final:
            return None
        return Split(last, code=None if last == len(data) else UNTERMINATED)

    def _by_reading(self, data: bytes, at: int, *, final: bool) -> Split | None:
        for row in csv_records.read(data, self.dialect):
            if row.end - row.start > self.max_record:
                return Split(row.start, regular=False, code=TOO_LARGE)
            if row.end == len(data) and not final and (row.open or not data.endswith(b"\n")):
                return None
            if row.open:
                return Split(row.start, regular=False, code=UNTERMINATED)
            if row.end >= at:
                return Split(row.end, regular=False)
        return Split(len(data), regular=False) if final else None
