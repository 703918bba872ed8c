"""The grammar of CSV records under rules 2, as patterns over bytes.

A record is one or more cells between delimiters, and a line ending (LF, CRLF or CR). It is *regular* if

- a quote opens at the beginning of a cell (``skip_initial_space``: after blanks). Inside, a quote is doubled
  or escaped. The closing quote stands before a delimiter, a line ending or the end; blanks may stand between;
- in any other cell, the first character that is not a blank is not a quote. Quotes further on are text.

An escape before a quote, a delimiter, a line ending or itself makes that text and is removed; before any
other character it is text itself. With the delimiter BLANKS, runs of spaces and tabs stand between cells,
and those at both ends of a line do not count. A line that begins with the comment character, and a blank
line, are not records. A byte-order mark at the beginning of a record is not part of it.

Every reader agrees on what a regular record holds, once its cells are trimmed. All offsets are bytes:
structure is ASCII. No pattern can backtrack into a cell, so each takes time in proportion to what it matches.
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from chalicelib.core.model import Dialect, ExtraCells, ShortRows
from chalicelib.formats.csv.pieces import ENDING, LAST_ENDING, Pieces
from chalicelib.reading import encodings
from chalicelib.reading.patterns import repeated

LF, CR = b"\n\r"
LINE_ENDING = re.compile(rb"\r\n|\n|\r")


MOST_ROUNDS = 4096  # records that one match of ``inline_records`` may take


class Problem(Enum):
    """The reason why a record is not regular."""

    NOT_CLOSED = "not closed"  # a quote is still open where the data ends
    TEXT_AFTER_QUOTE = "text after a closing quote"
    BLANK_BEFORE_QUOTE = "a blank before a quote"


class Fault(NamedTuple):
    """The place where a record stops being regular."""

    problem: Problem
    cell: int  # counts from 0
    cell_start: int
    quote: int  # the offset of the quote that opens the cell
    at: int  # the offset of the first byte that cannot stand there


class Grammar:
    """The patterns of a dialect. Those that match whole records match from where a record begins."""

    def __init__(self, dialect: Dialect, *, marks: bool = True) -> None:
        self.width = len(dialect.columns)
        self.crlf = dialect.crlf
        self.has_mark = marks and (dialect.transcoded or dialect.encoding == encodings.UTF8)
        pieces = Pieces(dialect, has_mark=self.has_mark)
        self.quote = pieces.quote_char
        self.escape = pieces.escape_char
        self.comment = pieces.comment_char
        self.delimiter = pieces.delimiter_char  # empty: blanks
        self.blanks = pieces.blank_chars  # that are not delimiters
        self.skips_blanks = dialect.skip_initial_space  # behind a delimiter
        self._compile_records(pieces)
        self._compile_clean_records(pieces, dialect)
        self._compile_parts(pieces)

    def _compile_records(self, pieces: Pieces) -> None:
        """Compile the patterns of whole records. Only the last of a file ends without a line ending."""
        cells = pieces.line(pieces.row(pieces.cell()))
        self.record = re.compile(cells + ENDING)
        self.last_record = re.compile(cells + LAST_ENDING)
        self.nothing = re.compile(pieces.line(b"") + LAST_ENDING)
        # one after the other, as long as each ends in its first line and holds no quotes, or has the header's
        # width and all its quotes around cells, or has the width and is followed by another one
        ending = rb"\r\n" if self.crlf else ENDING
        bare = rb"[^\r\n" + pieces.specials + b"]*+" + ending
        widths = (self.width, self.width)
        whole = pieces.line(pieces.row(pieces.cell(inline=True, text_quotes=False), widths)) + ending
        quoting = pieces.line(pieces.row(pieces.cell(inline=True), widths)) + ending
        simple = bare + b"|" + whole + b"|" + quoting + b"(?=" + quoting + b")"
        self.inline_record = re.compile(simple)
        self.inline_records = re.compile(repeated(simple, f"{{,{MOST_ROUNDS}}}"))
        # a line that is not regular, in which each quoted cell is closed, and no other cell holds a quote
        self.stray_line: re.Pattern[bytes] | None = None
        if self.quote and self.delimiter and not self.escape and not self.comment and not self.crlf:
            regular = pieces.line(pieces.row(pieces.cell(inline=True))) + ENDING
            self.stray_line = re.compile(
                b"(?!" + regular + b")" + pieces.start + pieces.row(pieces.loose_cell()) + ENDING
            )

    def _compile_clean_records(self, pieces: Pieces, dialect: Dialect) -> None:
        """Compile the patterns of records that are loaded and hold no quote in a cell that is not quoted.

        A record of one cell shows nothing where the header has more.
        """
        width = max(self.width, 1)
        least = min(2, width) if dialect.short_rows is ShortRows.PAD else width
        most = width if dialect.extra_cells is ExtraCells.REJECT else None
        clean = pieces.start + pieces.row(pieces.cell(text_quotes=False), (least, most))
        self.clean_record = re.compile(clean + ENDING)
        self.last_clean_record = re.compile(clean + LAST_ENDING)
        joined = pieces.start + pieces.row(pieces.cell(joined=True), (width, width))
        self.joined_record = re.compile(joined + rb"(?:\r\n|\Z)")

    def _compile_parts(self, pieces: Pieces) -> None:
        """Compile the patterns of parts of records."""
        text = pieces.text()
        self.between = re.compile(pieces.between)
        self.unquoted_prefix = re.compile(repeated(pieces.no_quote + text + pieces.between))
        self.unquoted = re.compile(repeated(pieces.no_quote + text, "?") + pieces.outer_blanks)
        self.after_quote = re.compile(pieces.after_quote)
        self.closes_before = re.compile(pieces.after_quote + b"(?:" + pieces.between + rb"|[\r\n]|\Z)")
        self.rest_of_cell = re.compile(repeated(text, "?"))
        escaped = pieces.escape + b"(?s:.)|" if pieces.escape else b""
        self.quote_runs = re.compile(escaped + repeated(pieces.quote or b"(?!)", "+"))
        # up to the first run of quotes that may close a cell: all of it are doubled quotes but the last one
        pair = repeated(pieces.quote + pieces.quote) + pieces.quote if pieces.quote else b"(?!)"
        other = b"[^" + pieces.specials + b"]++" if pieces.specials else b"(?!)"
        single = pair + b"(?!" + (pieces.quote or b"(?!)") + b")"
        no_close = repeated(pieces.quote + pieces.quote, "+") + b"(?!" + (pieces.quote or b"(?!)") + b")"
        closes = b"(?=" + pieces.after_quote + b"(?:" + pieces.between + rb"|[\r\n]|\Z))"
        skipped = other + b"|" + escaped + no_close
        self.next_close = re.compile(repeated(skipped) + single)
        self.next_strict_close = re.compile(
            repeated(skipped + b"|" + single + closes.replace(b"(?=", b"(?!", 1)) + single
        )
        self._start = re.compile(pieces.start)
        prefix = pieces.start + repeated(pieces.cell() + pieces.between)
        inline = pieces.cell(inline=True)
        self._inline_prefix = re.compile(pieces.start + repeated(inline + pieces.between))
        quote = pieces.quote or b"(?!)"
        self._opening = re.compile(pieces.blank + quote)
        self._may_open = re.compile(pieces.before_quote + quote)
        self._rest_of_quoted = re.compile(pieces.body() + quote + pieces.after_quote)
        # regular cells, the quote that opens the next one, and what follows up to the quote that closes it
        self._irregular = re.compile(
            b"(" + prefix + b")(" + pieces.blank + quote + b")"
            + b"(" + pieces.body() + quote + pieces.after_quote + b")?"
        )  # fmt: skip
        self._cell = re.compile(
            b"(?:" + pieces.before_quote + quote + b"(" + pieces.body() + b")" + quote + pieces.after_quote
            + b"|(" + pieces.cell(joined=self.crlf, quoted=False) + b"))"
            + b"(" + pieces.between + rb"|(?=[\r\n])|\Z)"
        )  # fmt: skip
        pair = pieces.escape_pair
        self._escaped = re.compile(pair) if pair else None
        self._quoted_pairs = re.compile(pair + b"|(" + quote + b")" + quote) if pair else None

    def start(self, data: bytes, at: int) -> int:
        """Return where the first cell of the record at ``at`` begins, after a byte-order mark."""
        match = self._start.match(data, at)
        return match.end() if match else at

    def is_nothing(self, data: bytes, start: int, end: int) -> bool:
        """Return whether the lines ``[start, end)`` hold no record: a blank line or a comment."""
        match = self.nothing.match(data, start, end)
        return match is not None and match.end() == end

    def opens(self, data: bytes, at: int) -> int | None:
        """Return the offset after the quote that opens the cell at ``at``, blanks before it or not."""
        if not self.quote:
            return None
        match = self._opening.match(data, at)
        return match.end() if match else None

    def fault(self, data: bytes, start: int, stop: int) -> Fault | None:
        """Return where a record that does not match stops being regular; None: it is only not complete."""
        match = self._irregular.match(data, start, stop)
        if match is None:
            return None
        cell_start, after, closed = match.end(1), match.end(2), match.end(3)
        cell = self.count(data, start, cell_start) if cell_start > start else 0
        quote = after - 1
        if cell_start < quote and not self.skips_blanks:
            return Fault(Problem.BLANK_BEFORE_QUOTE, cell, cell_start, quote, quote)
        if closed < 0:
            return Fault(Problem.NOT_CLOSED, cell, cell_start, quote, stop)
        return Fault(Problem.TEXT_AFTER_QUOTE, cell, cell_start, quote, closed)

    def spanning_cell(self, data: bytes, start: int) -> tuple[int, int, int] | None:
        """Return number (from 0), start and end of the first cell of a record that holds a line ending.

        None if that is not a quoted one. The end is that after the closing quote and blanks.
        """
        match = self._inline_prefix.match(data, start)
        cell_start = match.end() if match else start
        if not self.quote or not (opening := self._may_open.match(data, cell_start)):
            return None
        closed = self._rest_of_quoted.match(data, opening.end())
        if closed is None:
            return None
        return self.count(data, start, cell_start), cell_start, closed.end()

    def count(self, data: bytes, start: int, end: int) -> int:
        """Return how many cells and delimiters stand in ``[start, end)``, which ends after a delimiter."""
        if self.delimiter and not self.escape and (not self.quote or data.find(self.quote, start, end) < 0):
            return data.count(self.delimiter, start, end)
        return sum(1 for cell in self._cells(data, self.start(data, start), end) if cell[3])

    def cells(self, record: bytes) -> list[bytes]:
        """Return the cells of a regular record, in which lone line endings may be text."""
        end = len(record)
        if record.endswith(b"\r\n"):
            end -= 2
        elif record.endswith((b"\n", b"\r")):
            end -= 1
        if self.escape and (end - len(record[:end].rstrip(self.escape))) % 2 == 1:
            end = len(record)  # the line ending is escaped, and the file ends there
        start = self.start(record, 0)
        if self._is_plain(record, start, end):
            return record[start:end].split(self.delimiter)
        found = []
        for quoted, body, text, delimiter in self._cells(record, start, end):
            if quoted:
                found.append(self._quoted_text(body))
            elif not self.delimiter and not text and not delimiter:
                break  # the blanks at the end of a line
            else:
                found.append(self._escaped.sub(rb"\1", text) if self._escaped else text)
        return found or [b""]

    def _is_plain(self, data: bytes, start: int, end: int) -> bool:
        """Return whether ``[start, end)`` is a line in which each delimiter divides cells."""
        if self.escape or not self.delimiter or (self.quote and data.find(self.quote, start, end) >= 0):
            return False
        return data.find(b"\n", start, end) < 0 and data.find(b"\r", start, end) < 0

    def cell_spans(self, record: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each cell of a regular record begins, and ends with its delimiter."""
        start = self.start(record, 0)
        while match := self._cell.match(record, start):
            yield start, match.end()
            if not match[3]:
                return
            start = match.end()

    def raw_cell(self, record: bytes, number: int) -> bytes:
        """Return what a cell of a regular record holds between its quotes; empty without such a cell."""
        cells = islice(self._cells(record, self.start(record, 0), len(record)), number, None)
        _, body, text, _ = next(cells, (False, b"", b"", b""))
        return body or text

    def _quoted_text(self, body: bytes) -> bytes:
        if self._quoted_pairs is None:
            return body.replace(self.quote * 2, self.quote)
        return self._quoted_pairs.sub(rb"\1\2", body)

    def _cells(self, data: bytes, start: int, end: int) -> Iterator[tuple[bool, bytes, bytes, bytes]]:
        """Yield for each cell whether it is quoted, its content in or without quotes, and its delimiter."""
        while match := self._cell.match(data, start, end):
            body, text, delimiter = match.groups()
            yield body is not None, body or b"", text or b"", delimiter
            if not delimiter:
                return
            start = match.end()


def ending_of(line: bytes) -> bytes:
    """Return the line ending at the end: CRLF, LF, CR or none."""
    if line.endswith(b"\n"):
        return b"\r\n" if line.endswith(b"\r\n") else b"\n"
    return b"\r" if line.endswith(b"\r") else b""


@lru_cache(maxsize=64)
def grammar_of(dialect: Dialect, *, marks: bool = True) -> Grammar:
    """Return the patterns of a dialect. Without ``marks``, byte-order marks are text."""
    return Grammar(dialect, marks=marks)
