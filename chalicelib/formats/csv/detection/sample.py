"""Lines of a CSV file's head, split into records under a hypothesis about delimiter, quote and escape.

For detection only: rows are made by :mod:`chalicelib.formats.csv.decode`. A record whose quotes are irregular
is counted, and read as if it had none, so that one damaged record does not swallow the records behind it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from chalicelib import interruption
from chalicelib.core.model import BLANKS
from chalicelib.reading.patterns import repeated

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BLANKS = re.compile(r"[ \t]+")
MOST_LINES = 1 << 15  # that are looked at
_MOST_LINES_IN_CELL = 40  # of a quoted cell in the head
_MOST_IRREGULAR = 50  # records, if they are more than a quarter: then no other is looked at closely
_MOST_FAILURES = 20  # cells that never close, before every such cell is taken for irregular


class Line(NamedTuple):
    """A line of the head without its ending, and where it lies in bytes."""

    text: str
    start: int
    stop: int  # before the line ending
    end: int  # after it


class Record(NamedTuple):
    """A record under a hypothesis."""

    line: int  # index of its first line
    lines: int  # how many lines it has
    cells: Sequence[str]  # without quotes and white space around them
    is_irregular: bool = False
    enclosed: int = 0  # cells that quotes enclose


@dataclass
class Parsed:
    """The records of a sample under a hypothesis, and how its quotes fit."""

    records: list[Record] = field(default_factory=list)
    enclosed: int = 0  # cells that quotes enclose
    needed: int = 0  # of these, cells that hold a delimiter, a quote or a line ending
    indented: int = 0  # of these, cells with blanks before the opening quote
    divided: int = 0  # cells behind a delimiter, in records with quotes
    blank_led: int = 0  # of these, cells that begin with a blank
    loose: int = 0  # records with quotes within cells that no quotes enclose
    unescaped: int = 0  # cells that quotes enclose, with a quote in them that is not escaped
    followed: int = 0  # cells that begin with a quote, have text behind another one, and do not end with one
    unclosed: int = 0  # cells that begin with their only quote
    runs: int = 0  # records with runs of blanks, if blanks divide cells
    irregular: int = 0  # records
    escapes: int = 0  # escaped quotes, delimiters and escapes

    @property
    def encloses(self) -> bool:
        """Whether quotes enclose any cell."""
        return self.enclosed + self.unescaped > 0


def lines_of(  # noqa: PLR0913 - a part of the data, and how to read it
    data: bytes, start: int, end: int, encoding: str, *, is_whole: bool, most: int = MOST_LINES
) -> list[Line]:
    """Return the first lines of ``data[start:end]``; the last one only if it is whole or the file ends there.

    Bytes that are not valid in the encoding become U+FFFD.
    """
    lines = [
        Line(match[1].decode(encoding, "replace"), match.start(), match.end(1), match.end())
        for match in islice(_LINE.finditer(data, start, end), most)
        if match.end() > match.start()
    ]
    if lines and not is_whole and not data[lines[-1].start : lines[-1].end].endswith((b"\n", b"\r")):
        lines.pop()
    return lines


@lru_cache(maxsize=128)
def _cell_pattern(delimiter: str, quote: str, escape: str) -> re.Pattern[str]:
    """Return a pattern of one cell with what ends it, for lines whose quotes are regular."""
    stop = r"[ \t]+" if delimiter == BLANKS else re.escape(delimiter)
    one = r" \t" if delimiter == BLANKS else re.escape(delimiter)
    blank = r"" if delimiter in (BLANKS, " ") else (r" *" if delimiter == "\t" else r"[ \t]*")
    mark, back = re.escape(quote), re.escape(escape)
    inner = repeated(rf"[^{mark}{back}]++|{mark}{mark}" + (rf"|{back}[\s\S]" if escape else ""))
    plain = repeated(rf"[^{one}{back}]++|{back}.") if escape else rf"[^{one}]*+"
    first = rf"(?:[^{one}{mark}{back}]|{back}.)" if escape else rf"[^{one}{mark}]"
    if not quote:
        return re.compile(rf"({plain})({stop}|\Z)")
    return re.compile(rf"({blank}{mark}{inner}{mark}{blank}|(?!{blank}{mark}){first}{plain}|)({stop}|\Z)")


class Parser:
    """Split lines into records under one hypothesis."""

    def __init__(self, delimiter: str, quote: str, escape: str) -> None:
        self._delimiter = delimiter
        self._char = " " if delimiter == BLANKS else delimiter
        self._quote = quote
        self._escape = escape
        self._pattern = _cell_pattern(delimiter, quote, escape)
        self._failures = 0

    def parse(self, lines: Sequence[Line]) -> Parsed:
        """Return the records in the lines, without blank ones."""
        parsed = Parsed()
        index = 0
        while index < len(lines):
            interruption.check()
            text = lines[index].text
            count = 1
            if text.strip(" \t"):
                record = self._record(lines, index, parsed)
                parsed.records.append(record)
                count = record.lines
            index += count
        return parsed

    def split(self, text: str) -> list[str]:
        """Split a line at its delimiters, whatever its quotes."""
        if self._delimiter == BLANKS:
            return _BLANKS.split(text.strip(" \t"))
        return text.split(self._delimiter)

    def _record(self, lines: Sequence[Line], index: int, parsed: Parsed) -> Record:
        text = lines[index].text
        if self._delimiter == BLANKS:
            parsed.runs += "  " in text.strip(" \t") or "\t" in text
        has_quote = self._quote and self._quote in text
        if not has_quote and not (self._escape and self._escape in text):
            return Record(index, 1, [cell.strip(" \t") for cell in self.split(text)])
        enclosed = parsed.enclosed
        is_hopeless = parsed.irregular > _MOST_IRREGULAR and 4 * parsed.irregular > len(parsed.records)
        cells = None if is_hopeless else self._regular(text, parsed)
        if cells is not None:
            return Record(index, 1, cells, enclosed=parsed.enclosed - enclosed)
        if is_hopeless:
            parsed.irregular += 1
            return Record(index, 1, self.split(text), is_irregular=True)
        if has_quote and self._failures < _MOST_FAILURES and self._is_open(text):
            for stop in range(index + 2, min(index + _MOST_LINES_IN_CELL, len(lines)) + 1):
                if self._quote not in lines[stop - 1].text:
                    continue
                cells = self._regular("\n".join(line.text for line in lines[index:stop]), parsed)
                if cells is not None:
                    return Record(index, stop - index, cells, enclosed=parsed.enclosed - enclosed)
            self._failures += 1
        parsed.irregular += 1
        return Record(index, 1, self._irregular(text, parsed), is_irregular=True)

    def _regular(self, text: str, parsed: Parsed) -> list[str] | None:
        """Return the cells of a record, counted in ``parsed``; None if its quotes are irregular."""
        if self._delimiter == BLANKS:
            text = text.strip(" \t")
        cells: list[str] = []
        end = 0
        enclosed = needed = indented = blank_led = 0
        is_loose = False
        for match in self._pattern.finditer(text):
            if match.start() != end:
                return None
            cell, stop = match.groups()
            end = match.end()
            bare = cell.strip(" \t")
            blank_led += cell[:1] == " " and match.start() > 0
            if self._quote and bare.startswith(self._quote):
                indented += cell[0] != self._quote
                bare = bare[1:-1]
                enclosed += 1
                needed += "\n" in bare or self._char in bare or self._quote in bare
            elif self._quote and self._quote in bare:
                is_loose = True
            cells.append(bare)
            if not stop:
                break
        if end != len(text):
            return None
        parsed.enclosed += enclosed
        parsed.needed += needed
        parsed.indented += indented
        parsed.divided += len(cells) - 1
        parsed.blank_led += blank_led
        parsed.loose += is_loose
        if self._escape:
            parsed.escapes += sum(
                text.count(self._escape + char) for char in (self._quote, self._char) if char
            )
        return cells

    def _is_open(self, text: str) -> bool:
        """Return whether an odd number of quotes stands in the line: a cell may go on in the next."""
        marks = text.count(self._quote)
        if self._escape:
            marks -= text.count(self._escape + self._quote)
        return marks % 2 == 1

    def _irregular(self, text: str, parsed: Parsed) -> list[str]:
        cells = [cell.strip(" \t") for cell in self.split(text)]
        for cell in cells:
            begins, ends = cell.startswith(self._quote), cell.endswith(self._quote)
            if self._quote and len(cell) > 1 and begins and ends:
                if self._quote in cell[1:-1]:
                    parsed.unescaped += 1
                else:
                    parsed.enclosed += 1
            elif self._quote and begins:
                is_closed = self._quote in cell[1:]
                parsed.followed += is_closed
                parsed.unclosed += not is_closed
        return cells
