"""Parse a record with irregular quotes in the ways in which lenient readers do."""

from bisect import bisect_left
from typing import NamedTuple

from chalicelib.formats.csv.grammar import CR, LF, Grammar


class Parse(NamedTuple):
    """Where a record ends if it is parsed in some way, and how many cells it has."""

    end: int
    cells: int


class LenientParser:
    """Parse records in ``data``.

    ``strict_close``: a quote inside a quoted cell closes it only before a delimiter or a line ending, and is
    text anywhere else. Otherwise it always closes it, and what follows up to the delimiter is text.

    What follows a quote that closes a cell does not depend on where the cell began. So it is read once, and
    parsing from any number of places takes linear time in all.
    """

    def __init__(self, data: bytes, grammar: Grammar, *, strict_close: bool) -> None:
        self._data = data
        self._grammar = grammar
        self._strict_close = strict_close
        self._next = grammar.next_strict_close if strict_close else grammar.next_close
        self._closing: list[int] = []  # the offsets of quotes that may close a cell, in the stretch looked at
        self._first, self._looked_at = 0, -1  # that stretch
        self._none_from = len(data) + 1  # no such quote stands from here on
        self._after: dict[int, Parse | None] = {}  # by closing quote; the cells from the one it closes on

    def end(self, start: int) -> Parse | None:
        """Return the parse of the record at ``start``; None if the data ends first."""
        data, grammar = self._data, self._grammar
        self._look_from(start)
        at, cells = grammar.start(data, start), 0
        path: list[tuple[int, int]] = []  # closing quotes, and the number of cells before each
        found: Parse | None = None
        while True:
            unquoted = grammar.unquoted_prefix.match(data, at)
            if unquoted and unquoted.end() > at:
                cells += grammar.count(data, at, unquoted.end())
                at = unquoted.end()
            opening = grammar.opens(data, at)
            if opening is None:
                last = grammar.unquoted.match(data, at)
                at = last.end() if last else at
                found = self._ended(at, cells + 1)
                break
            closing = self._closing_quote(opening)
            if closing is None:
                break
            if closing in self._after:
                rest = self._after[closing]
                found = None if rest is None else Parse(rest.end, cells + rest.cells)
                break
            path.append((closing, cells))
            at = self._after_cell(closing)
            cells += 1
            if delimiter := grammar.between.match(data, at):
                at = delimiter.end()
                if not grammar.delimiter and (at == len(data) or data[at] in (LF, CR)):
                    found = self._ended(at, cells)
                    break
            else:
                found = self._ended(at, cells)
                break
        for closing, before in path:
            self._after[closing] = None if found is None else Parse(found.end, found.cells - before)
        return found

    def _ended(self, at: int, cells: int) -> Parse | None:
        data = self._data
        if at >= len(data):
            return Parse(len(data), cells)
        return Parse(at + 2 if data.startswith(b"\r\n", at) else at + 1, cells)

    def _after_cell(self, closing: int) -> int:
        """Return where the cell ends that a quote closes."""
        pattern = self._grammar.after_quote if self._strict_close else self._grammar.rest_of_cell
        match = pattern.match(self._data, closing + 1)
        return match.end() if match else closing + 1

    def _closes(self, quote: int) -> bool:
        return not self._strict_close or self._grammar.closes_before.match(self._data, quote + 1) is not None

    def _closing_quote(self, opened: int) -> int | None:
        """Return the quote that closes a cell whose content begins at ``opened``."""
        data, quote = self._data, self._grammar.quote[0]
        at = opened
        while at < len(data) and data[at] == quote:
            at += 1
        if (at - opened) % 2 == 1 and self._closes(at - 1):
            return at - 1
        return self._next_closing(at)

    def first_closing(self, start: int) -> int | None:
        """Return the first quote at or after ``start`` that would close a cell."""
        self._look_from(start)
        return self._next_closing(start)

    def _look_from(self, start: int) -> None:
        """Make ``start`` lie in the stretch that was looked at, or begin there."""
        if not self._first <= start <= self._looked_at:
            self._closing = []
            self._first = self._looked_at = start

    def _next_closing(self, at: int) -> int | None:
        if at >= self._none_from:
            return None
        index = bisect_left(self._closing, at)
        while index == len(self._closing):
            if not self._look_on():
                self._none_from = min(self._none_from, at)
                return None
            index = bisect_left(self._closing, at)
        return self._closing[index]

    def _look_on(self) -> bool:
        """Look for one more quote that may close a cell; return whether there is one."""
        match = self._next.match(self._data, self._looked_at)
        self._looked_at = match.end() if match else len(self._data)
        if match:
            self._closing.append(self._looked_at - 1)
        return match is not None


def count_delimiters(data: bytes, grammar: Grammar, start: int, end: int) -> int:
    """Return how many delimiters stand in ``[start, end)``, whatever the quotes; escaped ones count, too."""
    if grammar.delimiter:
        return data.count(grammar.delimiter, start, end)
    line = data[start:end].rstrip(b" \t\r\n")
    return sum(1 for _ in grammar.between.finditer(line))
