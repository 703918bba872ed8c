"""Find where a block of a CSV file may end: :class:`chalicelib.reading.blocks.Framing` for CSV."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.model import Dialect
from chalicelib.formats.csv import quotes as csv_quotes
from chalicelib.formats.csv import scan
from chalicelib.formats.csv.grammar import LF, LINE_ENDING, grammar_of
from chalicelib.reading.blocks import NEAR, TOO_LARGE, Boundary, Stretch, line_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class CsvFraming:
    """Record borders of a CSV file. A record longer than ``max_record`` bytes cannot be read whole.

    Text in which all quotes are where RFC 4180 has them, and no cell may hold rows, is cut by looking at
    a few places. Any other is read record by record.
    """

    dialect: Dialect
    max_record: int

    @property
    def look_ahead(self) -> int:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        return self.max_record + 2 if self.by_lines else scan.look_ahead(self.max_record)

    @property
    def by_lines(self) -> bool:
        """See :class:`chalicelib.reading.blocks.Framing`: true if no cell can hold a line ending."""
        return not self.dialect.quote and not self.dialect.escape and not self.dialect.crlf

    def boundary(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """See :class:`chalicelib.reading.blocks.Framing`."""
        if len(data) < at + min(NEAR, self.look_ahead) and not final:
            return None
        at = min(at, len(data))  # a file's last block may be shorter
        if near := self._near_end(data, at):
            return near
        if self._is_plain(window := data[: at + self.max_record + 2]):
            final = final and len(window) == len(data)
            return line_boundary(window, at, self.max_record, final=final)
        return self._by_scanning(data, at, final=final)

    def line_end(self, data: bytes) -> int | None:
        """See :class:`chalicelib.reading.blocks.Framing`: LF, CRLF or CR."""
        lf = data.find(b"\n")
        cr = data.find(b"\r", 0, lf if lf >= 0 else len(data))
        if cr < 0:
            return lf + 1 if lf >= 0 else None
        if cr + 1 == len(data):
            return None
        return cr + 2 if data[cr + 1] == LF else cr + 1

    def _is_plain(self, data: bytes) -> bool:
        """Return whether every LF ends a record, and nothing else does."""
        quote, dialect = self.dialect.quote.encode(), self.dialect
        return b"\r" not in data and not (quote and quote in data) and not dialect.escape and not dialect.crlf

    def _near_end(self, data: bytes, at: int) -> Boundary | None:
        """Find the first record end at or after ``at``, in regular text with short records.

        Hops from record end to record end, half as far as a record may reach. Returns None if that does not
        show that all records on the way can be read whole, or if a cell may hold rows.
        """
        if self.dialect.escape:
            return None
        stop, quote = min(at + NEAR, len(data)), self.dialect.quote.encode()
        offsets: Sequence[int] = ()
        if quote and data.find(quote, 0, stop) >= 0:
            data = data[:stop]
            quotes = csv_quotes.quotes(data, self.dialect)
            if quotes is None or csv_quotes.may_hold_rows(data, quotes, self.dialect):
                return None
            offsets = memoryview(quotes.buffers()[1]).cast("Q")
        start = 0
        while start < at:
            end = csv_quotes.first_end(data, offsets, min(start + self.max_record // 2 + 1, at))
            if end is None or end > stop or end - start > self.max_record:
                return None
            if self.dialect.crlf and not data.endswith(b"\r\n", start, end):  # it may be text
                return None
            start = end
        return Boundary(start, quotes=bisect_left(offsets, start))

    def _by_scanning(self, data: bytes, at: int, *, final: bool) -> Boundary | None:
        """Find the boundary in any text. The time is linear, however many stretches are rejected."""
        scanner = scan.Scanner(data, grammar_of(self.dialect), self.max_record, final=final)
        stretches: list[Stretch] = []
        start = 0
        while start < at:
            start = scanner.after_simple(start, at)
            for end in scanner.stray_lines(start, at):
                stretches.append(Stretch(start, end, scan.STRAY_QUOTE))
                start = end
            if start >= at:
                break
            unit = scanner.unit(start)
            if unit is None:
                return None
            stop = self._line_end(data, start, final=final) if unit.end is None else unit.end
            if stop is None:
                return Boundary(start, regular=False, stretches=tuple(stretches), code=TOO_LARGE)
            if unit.code or unit.note:
                stretches.append(Stretch(start, stop, unit.code, unit.note))
            start = stop
        return Boundary(start, regular=False, stretches=tuple(stretches))

    def _line_end(self, data: bytes, start: int, *, final: bool) -> int | None:
        ending = LINE_ENDING.search(data, start)
        if ending is None:
            return len(data) if final else None
        if ending.end() == len(data) and ending[0] == b"\r" and not final:
            return None
        return ending.end()
