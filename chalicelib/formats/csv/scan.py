"""Read the records of a CSV file one after the other, and decide on those that are not regular.

A decision depends on the bytes from the record's start on, at most ``Scanner.look_ahead`` of them, so that
every worker decides alike, however the bytes arrive.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from chalicelib.formats.csv.grammar import LINE_ENDING, Fault, Grammar, Problem
from chalicelib.formats.csv.lenient_parser import LenientParser, Parse, count_delimiters
from chalicelib.formats.csv.merged import are_two_records
from chalicelib.formats.csv.quotes import INNER_PART
from chalicelib.reading.blocks import TOO_LARGE

UNTERMINATED = "unterminated-quote"
STRAY_QUOTE = "stray-quote"
JOINED = "line-ending-in-cell"
ROWS_IN_CELL = "rows-in-cell"

_ENOUGH = 6  # delimiters in their places that show that records begin at a line
_ENOUGH_AT_END = 1  # where they reach to the end of the file
_LONE_ENDINGS = 32  # in one record; a file with more of them ends its lines so
_PER_SINGLE_CELL = 0.25  # what a record of one cell counts for
_INNER_LINES, _INNER_DELIMITERS = 3, 12
_FOLLOWING = 3  # records that are compared with one of two lines


class Unit(NamedTuple):
    """A record, a blank line, a comment, or a stretch that is rejected with ``code``.

    ``end`` is None for a line that goes on beyond the data.
    """

    end: int | None
    code: str | None = None
    note: str | None = None


def look_ahead(max_record: int) -> int:
    """Return how many bytes from the start of a record may decide on it."""
    return furthest_end(max_record) + 2 * max_record + 2


def furthest_end(max_record: int) -> int:
    """Return how far from its start a record that is too large may end for its end to be looked for."""
    return max(max_record, min(32 * max_record, 32 << 20))


class Scanner:
    """Read records in ``data``, which begins where a record begins.

    ``final``: the file ends where the data ends. (It may be that only the data that a worker gets end there:
    no decision on a record that begins in its range reaches that far.)
    """

    def __init__(self, data: bytes, grammar: Grammar, max_record: int, *, final: bool) -> None:
        self._data = data
        self._grammar = grammar
        self._max_record = max_record
        self._final = final
        self._lenient = LenientParser(data, grammar, strict_close=True)
        self._loose = LenientParser(data, grammar, strict_close=False)
        self._clean_ends: dict[int, int | None] = {}
        self._before_quotes = (*(bytes([char]) for char in grammar.delimiter + b"\r\n"), grammar.quote)
        if not grammar.delimiter:
            self._before_quotes += (b" ", b"\t")
        self._group: tuple[int, list[int]] = (0, [])

    def after_simple(self, start: int, stop: int) -> int:
        """Return where the first record from ``start`` on begins that is not simple."""
        end, previous = start, -1
        while end > previous:
            match = self._grammar.inline_records.match(self._data, end, stop)
            previous, end = end, match.end() if match else end
        # the one that reaches beyond ``stop`` is judged like those before it, wherever a block may end
        if end < stop and (last := self._grammar.inline_record.match(self._data, end)):
            end = last.end()
        at = start
        while end - at > self._max_record:  # hop as far as a record may reach
            hop = self._last_line(at, at + self._max_record)
            if hop == at:
                return at
            at = hop
        return end

    def stray_lines(self, start: int, stop: int) -> Iterator[int]:
        """Yield the ends of lines from ``start`` on, before ``stop``, each of which :meth:`unit` rejects.

        Each holds text after a closing quote, and no quote that follows closes a cell, so that none of them
        can go on in the next line.
        """
        pattern = self._grammar.stray_line
        if pattern is None or not (match := pattern.match(self._data, start)):
            return
        closing = self._lenient.first_closing(start)
        closing = len(self._data) + self._max_record if closing is None else closing
        while match and start < stop and self._knows_around(start):
            end = match.end()
            if end - start > self._max_record or start + self._max_record >= closing:
                return
            yield end
            start = end
            match = pattern.match(self._data, start)

    def unit(self, start: int) -> Unit | None:
        """Return the unit that begins at ``start``; None if more bytes are needed."""
        if (end := self._record_end(start)) is None:
            return self._irregular(start) if self._knows_around(start) else None
        if self._grammar.crlf and (joined := self.joined_end(start, end)) != end:
            return None if joined is None else Unit(joined, note=JOINED)
        if end > start + self._max_record:
            return self._too_large(start, end)
        if self._line_end(start, end) in (None, end):
            return self._line(start, end)
        unit = self._spanning(start, end)
        return unit if unit.code else self._inverted(start, unit)

    def joined_end(self, start: int, end: int) -> int | None:
        """Return where a record ends whose first line ending is the one before ``end``, in a file of CRLFs.

        A lone LF or CR is text if what follows it, to the next CRLF, has not the width of a record by
        itself, and both together have. Returns None if more bytes are needed.
        """
        data = self._data
        if data.endswith(b"\r\n", start, end) or not data.endswith((b"\n", b"\r"), start, end):
            return end
        if (end == len(data) and self._final) or self._grammar.is_nothing(data, start, end):
            return end
        if not self._knows(end, self._max_record + 2):
            return None
        crlf, lone = self._lone_endings(end)
        if sum(1 for at in lone if at >= end) > _LONE_ENDINGS or crlf - start > self._max_record:
            return end
        match = self._grammar.joined_record.match(data, start)
        if match is None or match.end() - start > self._max_record or match.end() <= end:
            return end
        rest = self._grammar.joined_record.match(data, end)
        return end if rest is not None and rest.end() - end <= self._max_record else match.end()

    def _lone_endings(self, at: int) -> tuple[int, list[int]]:
        """Return the end of the next CRLF, and the last lone line endings before it."""
        crlf, lone = self._group
        if crlf <= at:
            crlf = self._data.find(b"\r\n", at)
            crlf = len(self._data) if crlf < 0 else crlf
            lone = [match.start() for match in LINE_ENDING.finditer(self._data, at, crlf)][
                -_LONE_ENDINGS - 1 :
            ]
            self._group = crlf, lone
        return crlf, lone

    def _knows(self, start: int, size: int) -> bool:
        return self._final or len(self._data) >= start + size

    def _knows_around(self, start: int) -> bool:
        """Return whether the data reach as far as most decisions on the record at ``start`` look."""
        return self._knows(start, 2 * self._max_record + 2)

    def _record_end(self, start: int) -> int | None:
        pattern = self._grammar.last_record if self._final else self._grammar.record
        match = pattern.match(self._data, start)
        return match.end() if match else None

    def _line_end(self, start: int, stop: int) -> int | None:
        """Return the end of the line at ``start``, which is looked for before ``stop``."""
        match = LINE_ENDING.search(self._data, start, min(stop, len(self._data)))
        if match:
            return match.end()
        return len(self._data) if self._final and stop >= len(self._data) else None

    # Records that are not regular

    def _irregular(self, start: int) -> Unit | None:
        """Decide on a record that is not regular, or not as far as the data reach."""
        limit = start + self._max_record
        if (line_end := self._line_end(start, limit + 2)) is None:
            return Unit(None, TOO_LARGE)
        fault = self._grammar.fault(self._data, start, line_end)
        if fault is None or fault.problem is Problem.NOT_CLOSED:
            whole = self._grammar.fault(self._data, start, len(self._data))
            if whole is None or whole.at > limit:
                return self._too_large(start, None)
        is_open = fault is not None and fault.problem is Problem.NOT_CLOSED
        code = UNTERMINATED if is_open else STRAY_QUOTE
        if line_end == len(self._data):
            return Unit(line_end, code)
        return self._damaged(start, line_end, fault, code)

    def _damaged(self, start: int, line_end: int, fault: Fault | None, code: str) -> Unit:
        """Decide where a record with an irregular quote, or one that is never closed, ends.

        ``line_end`` and ``fault`` are those of its first line. In this order:

        - A parse closes all quotes in the first line: it is rejected, unless another one takes the next
          lines as part of a record of the header's width.
        - The first line looks whole, or complete, and whole records follow, as far as any parse reaches:
          it is rejected.
        - Whole records begin where a parse ends, or at some line within one: what stands before is
          rejected.
        - A parse has the header's width: it is rejected as far as it reaches.
        - Whole records begin further on, at most the size of a record away: what stands before is rejected.
        """
        parses = self._parses(start, line_end)
        ends = sorted({end for end, cells in parses if end > line_end and self._is_full(start, end, cells)})
        ends_in_line = any(end == line_end for end, _ in parses)
        if ends_in_line and not ends:
            return Unit(line_end, STRAY_QUOTE)
        furthest = ends[-1] if ends else line_end
        cells = self._first_line_cells(fault, line_end)
        is_whole = cells >= self._grammar.width
        if (is_whole or ends_in_line) and self._run(line_end, furthest, start):
            return Unit(line_end, code)
        for end in ends[:-1]:
            if self._run(end, furthest, start):
                return Unit(end, STRAY_QUOTE)
        limit = min(start + self._max_record, len(self._data))
        owed = 0 if is_whole else self._grammar.width - cells + 1
        restart = self._restart(start, line_end, furthest if ends else limit, furthest, owed)
        if restart is None and ends:
            return Unit(self._next_whole(furthest, limit), STRAY_QUOTE)
        if restart is None:
            is_last = self._final and limit == len(self._data)
            restart = limit if is_last else self._last_line(line_end, limit)
        return Unit(restart, code)

    def _parses(self, start: int, line_end: int) -> list[Parse]:
        """Return the ways to read a record, each ending where a record may end.

        A parse that closes all quotes in the first line, and has the header's width, is the only one.
        """
        limit = start + self._max_record
        lenient, loose = self._lenient.end(start), self._loose.end(start)
        parses = [parse for parse in (lenient, loose) if parse and parse.end <= limit]
        is_line = any(parse.end == line_end and self._is_full(start, *parse) for parse in parses)
        if is_line and lenient and lenient.end == line_end:
            return [lenient]
        if not is_line and (toggled := self._toggled_end(start, line_end)):
            parses.append(toggled)
        return parses

    def _toggled_end(self, start: int, line_end: int) -> Parse | None:
        """Return how a record is read if every quote opens or closes a cell, wherever it stands.

        None if that is in its first line.
        """
        data, grammar, limit = self._data, self._grammar, start + self._max_record
        if data.count(grammar.quote, start, line_end) % 2 == 0:
            return None
        closing = data.find(grammar.quote, line_end, limit)
        while closing >= 0:
            end = self._line_end(closing, limit)
            if end is None:
                return None
            if data.count(grammar.quote, closing, end) % 2 == 1:
                outside = data[start:end].split(grammar.quote)[::2]
                return Parse(end, 1 + sum(count_delimiters(text, grammar, 0, len(text)) for text in outside))
            closing = data.find(grammar.quote, end, limit)
        return None

    def _is_full(self, start: int, end: int, cells: int) -> bool:
        """Return whether a parse has the header's width, once empty extra cells are dropped."""
        width = self._grammar.width
        if cells <= width:
            return cells == width
        line = self._data[start:end].rstrip(b"\r\n")
        delimiter = self._grammar.delimiter
        last = line.rstrip(delimiter + self._grammar.blanks)
        return bool(delimiter) and cells - line.count(delimiter, len(last)) <= width

    def _first_line_cells(self, fault: Fault | None, line_end: int) -> int:
        """Return how many cells the first line of a record has if the quote that spoils it is text."""
        if fault is None:
            return 0
        return fault.cell + 1 + count_delimiters(self._data, self._grammar, fault.cell_start, line_end)

    def _restart(self, start: int, line: int, stop: int, furthest: int, owed: int) -> int | None:
        """Return the first line in ``[line, stop)`` at which good records begin again.

        ``owed``: the number of cells that the first line of the record lacks, the one that goes on included.
        It is complete at the latest with the first line of so many cells, and good records begin behind that.
        """
        data, width = self._data, self._grammar.width
        while line < stop:
            line_end = self._line_end(line, stop)
            if line_end is None:
                return None
            if owed == width:  # the rest of the record looks like a record
                if count_delimiters(data, self._grammar, line, line_end) + 1 >= width:
                    owed = 0
            elif self._run(line, furthest, start):
                return line
            line = line_end
        return None

    def _last_line(self, line: int, limit: int) -> int:
        """Return the last line start up to ``limit``, which is at or after ``line``."""
        if lf := self._data.rfind(b"\n", line, limit) + 1:
            return lf
        cr = self._data.rfind(b"\r", line, limit)
        if cr >= 0 and self._data.startswith(b"\n", cr + 1):  # the line ends beyond the limit
            cr = self._data.rfind(b"\r", line, cr)
        return max(cr + 1, line)

    def _run(self, line: int, furthest: int, start: int) -> bool:
        """Return whether whole records begin at ``line`` and go on, one after the other, beyond ``furthest``.

        They must be enough, or reach the end of the file. ``start`` is that of the record in question. A line
        in which another quote is left open may stand among them; then there must be enough behind it.
        """
        width, stop = self._grammar.width, start + 2 * self._max_record
        weight = width - 1 if width > 1 else _PER_SINGLE_CELL
        evidence, at = 0.0, line
        while at < furthest or evidence < _ENOUGH:
            if at == len(self._data):
                return evidence >= _ENOUGH_AT_END
            end = self._nothing_end(at)
            if end is None and (end := self._clean_end(at)) is not None:
                evidence += weight
            if end is None:
                end, is_open = self._damaged_line_end(at, stop)
                evidence = 0.0 if is_open else evidence
            if end is None or end > stop or end <= at:
                return False
            at = end
        return True

    def _nothing_end(self, line: int) -> int | None:
        match = self._grammar.nothing.match(self._data, line)
        if match is None or (match.end() == len(self._data) and not self._final):
            return None
        return match.end()

    def _clean_end(self, line: int) -> int | None:
        """Return the end of the record at ``line`` if it is whole and regular, without quotes as text."""
        if line not in self._clean_ends:
            pattern = self._grammar.last_clean_record if self._final else self._grammar.clean_record
            match = pattern.match(self._data, line)
            is_clean = match is not None and match.end() - line <= self._max_record
            self._clean_ends[line] = match.end() if match is not None and is_clean else None
        return self._clean_ends[line]

    def _damaged_line_end(self, line: int, stop: int) -> tuple[int | None, bool]:
        """Return the end of a line that is a damaged record by itself, and whether a quote is open there.

        It plainly ends in its line, or is whole but for a quote that opens in it and is not closed. None if
        neither is so: a regular record that begins there has its quotes closed, perhaps in another line.
        """
        limit = line + self._max_record
        record_end = self._record_end(line)
        line_end = self._line_end(line, limit)
        if record_end is None and (parse := self._lenient.end(line)) is not None:
            is_line = parse.end == (line_end or self._line_end(line, parse.end))
            if is_line and self._is_full(line, *parse):
                return parse.end, False
        if limit > stop or line_end is None or (record_end is not None and record_end <= limit):
            return None, False
        fault = self._grammar.fault(self._data, line, line_end)
        if fault is None or fault.problem is not Problem.NOT_CLOSED:
            return None, False
        is_whole = self._first_line_cells(fault, line_end) == self._grammar.width
        return (line_end, True) if is_whole else (None, False)

    # Records that are regular, but perhaps only by accident

    def _spanning(self, start: int, end: int) -> Unit:
        """Decide on a regular record of several lines: it may be several records and two stray quotes.

        That is so if the first line, the last one and nearly all between them are whole records when the two
        quotes are taken for text. A record of two lines is told if :mod:`merged` finds it to be two.
        """
        width = self._grammar.width
        lines = self.lines_in_cell(start, end) if width > 1 else []
        inner = len(lines) - 1
        if inner < 1:
            return Unit(end, note=ROWS_IN_CELL if lines and self._are_two(start, end) else None)
        clean = sum(self._clean_end(line) == following for line, following in pairwise(lines))
        is_enough = inner >= _INNER_LINES and (width - 1) * inner >= _INNER_DELIMITERS
        if is_enough and clean >= INNER_PART * inner:
            return Unit(lines[0], UNTERMINATED)
        return Unit(end, note=ROWS_IN_CELL if clean == inner else None)

    def _are_two(self, start: int, end: int) -> bool:
        """Return whether a record of two lines is rather two records: see :mod:`merged`."""
        data, grammar, stop = self._data, self._grammar, start + 2 * self._max_record
        if (span := grammar.spanning_cell(data, start)) is None:
            return False
        number, cell_start, cell_end = span
        others: list[bytes] = []
        at = end
        while len(others) < _FOLLOWING and at < stop:
            following = self._record_end(at)
            if following is None or following > stop or following <= at:
                break
            others.append(grammar.raw_cell(data[at:following], number))
            at = following
        span = number, cell_start - start, cell_end - start
        return are_two_records(data[start:end], span, others, grammar)

    def lines_in_cell(self, start: int, end: int) -> list[int]:
        """Return the lines after the first of a regular record, if one quoted cell holds all line endings.

        None are returned unless the first line and the last are whole when the two quotes are taken for text.
        """
        data, grammar, width = self._data, self._grammar, self._grammar.width
        line_end = self._line_end(start, end)
        if line_end is None or (span := grammar.spanning_cell(data, start)) is None:
            return []
        cell, cell_start, cell_end = span
        first = cell + 1 + count_delimiters(data, grammar, cell_start, line_end)
        if first != width or self._line_end(cell_end, end) not in (None, end):
            return []
        lines = [match.end() for match in LINE_ENDING.finditer(data, start, cell_end)]
        last = count_delimiters(data, grammar, lines[-1], cell_end) + grammar.count(data, cell_end, end) + 1
        return lines if last == width else []

    def _inverted(self, start: int, unit: Unit) -> Unit | None:
        """Decide on a regular record of several lines that may end at the first quote of another one.

        Then inside and outside are exchanged in what follows: no whole record follows, and the next quote
        stands where one closes a cell, and none opens.
        """
        data, end, limit = self._data, unit.end or start, start + self._max_record
        if not self._knows_around(start):
            return None
        if self._goes_on(end, limit) or not self._grammar.quote:
            return unit
        closing = next((run for run in self._runs(end, limit) if len(run[0]) % 2 == 1), None)
        if closing is None or data[closing.start() - 1 : closing.start()] in self._before_quotes:
            return unit
        if not self._grammar.closes_before.match(data, closing.end()):
            return unit
        return self._rejected(start, self._line_end(closing.end(), limit), UNTERMINATED) or unit

    def _runs(self, start: int, stop: int) -> Iterator[re.Match[bytes]]:
        """Return the runs of quotes in ``[start, stop)``."""
        quote = self._grammar.quote[0]
        return (
            run for run in self._grammar.quote_runs.finditer(self._data, start, stop) if run[0][0] == quote
        )

    def _line(self, start: int, end: int) -> Unit | None:
        """Decide on a regular record of one line: a quote in it may open a cell of several lines.

        That is so if its quotes are odd in number, no whole record follows, and the record has the header's
        width if each quote opens or closes, wherever it stands.
        """
        quote = self._grammar.quote
        if not quote or self._data.count(quote, start, end) % 2 == 0:
            return Unit(end)
        if not self._knows_around(start):
            return None
        if self._goes_on(end, start + self._max_record) or self._are_whole(start, end):
            return Unit(end)
        toggled = self._toggled_end(start, end)
        if toggled is None or not self._is_full(start, *toggled):
            return Unit(end)
        return self._rejected(start, toggled.end, STRAY_QUOTE) or Unit(end)

    def _are_whole(self, start: int, end: int) -> bool:
        """Return whether a record and the one behind it have the header's width, quotes as text or not."""
        following = self._record_end(end)
        return following is not None and all(
            self._is_full(at, stop, self._grammar.count(self._data, at, stop) + 1)
            for at, stop in ((start, end), (end, following))
        )

    def _goes_on(self, at: int, limit: int) -> bool:
        """Return whether a whole record follows, or ``limit`` or the end of the file, behind blank lines."""
        limit = min(limit, len(self._data))
        while at < limit and (end := self._nothing_end(at)) is not None and end > at:
            at = end
        return at >= limit or self._clean_end(at) is not None

    def _rejected(self, start: int, end: int | None, code: str) -> Unit | None:
        """Return a record as rejected up to ``end``, or up to a line before at which good records begin.

        Lines behind ``end`` are in doubt up to the first whole record.
        """
        limit = start + self._max_record
        line_end = self._line_end(start, limit)
        if end is None or line_end is None:
            return None
        fault = self._grammar.fault(self._data, start, line_end)
        is_whole = self._first_line_cells(fault, line_end) >= self._grammar.width
        if is_whole and self._run(line_end, end, start):
            return Unit(line_end, code)
        if (restart := self._restart(start, line_end, end, end, 0)) is not None:
            return Unit(restart, code)
        return Unit(self._next_whole(end, limit), code)

    def _next_whole(self, line: int, limit: int) -> int:
        """Return the first line from ``line`` on at which a whole record or the end stands."""
        while not self._goes_on(line, limit) and (following := self._line_end(line, limit)) is not None:
            line = following
        return line

    def _too_large(self, start: int, end: int | None) -> Unit | None:
        """Decide on a record that is larger than records may be."""
        data = self._data
        line_end = self._line_end(start, start + self._max_record + 2)
        if line_end is None or line_end == end:
            return Unit(line_end if line_end == end else None, TOO_LARGE)
        if not self._knows(start, look_ahead(self._max_record)):
            return None
        fault = self._grammar.fault(data, start, line_end)
        is_whole = self._first_line_cells(fault, line_end) >= self._grammar.width
        if is_whole and self._run(line_end, line_end, start):
            return Unit(line_end, UNTERMINATED)
        if end is not None and end <= start + furthest_end(self._max_record):
            is_last = end == len(data)
            if is_last or self._run(end, end, end):
                return Unit(end, TOO_LARGE)
        return Unit(line_end, TOO_LARGE)
