"""The grammar of CSV records under rules 2, as patterns over bytes.

A record is one or more cells between delimiters, and a line ending (LF, CRLF or CR). It is *regular* if

- a quote opens at the beginning of a cell (``skip_initial_space``: after blanks). Inside, a quote is doubled or
  escaped. The closing quote stands before a delimiter, a line ending or the end; blanks may stand between;
- in any other cell, the first character that is not a blank is no quote. Quotes further on are text.

An escape before a quote, a delimiter, a line ending or itself makes that text and is removed; before any other
character it is text itself. With the delimiter BLANKS, runs of spaces and tabs stand between cells, and those at
both ends of a line do not count. A line that begins with the comment character, and a blank line, are no
records. A byte-order mark at the beginning of a record is no part of it.

Every reader agrees on what a regular record holds, once its cells are trimmed. All offsets are bytes: structure is
ASCII. No pattern can backtrack into a cell, so each takes time in proportion to what it matches.
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from chalicelib.core.model import BLANKS, Dialect, ExtraCells, ShortRows
from chalicelib.reading import encodings

LF, CR = b"\n\r"
BOM = b"\xef\xbb\xbf"
LINE_ENDING = re.compile(rb"\r\n|\n|\r")


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
        is_blanks = dialect.delimiter == BLANKS
        self.width = len(dialect.columns)
        self.crlf = dialect.crlf
        self.quote = dialect.quote.encode()
        escape = (dialect.escape or "").encode()
        self.escape = b"" if escape == self.quote else escape
        self.comment = (dialect.comment or "").encode()
        self.delimiter = b"" if is_blanks else dialect.delimiter.encode()
        self.has_mark = marks and (dialect.transcoded or dialect.encoding == encodings.UTF8)
        self.blanks = b" \t".replace(self.delimiter or b"-", b"")  # that are no delimiters

        delimiters = b" \\t" if is_blanks else _in_class(self.delimiter)
        between = b"[ \\t]++" if is_blanks else re.escape(self.delimiter)
        blank = b"[" + self.blanks.replace(b"\t", b"\\t") + b"]*+" if self.blanks else b""
        after_quote = b"" if is_blanks else blank
        mark = b"(?:" + BOM + b")?+" if self.has_mark else b""
        special, whole_escape, inline_escape = b"", b"", b""
        if self.escape:
            special = _in_class(self.escape)
            targets = b"[" + delimiters + _in_class(self.quote) + special
            whole_escape = re.escape(self.escape) + b"(?:\\r\\n|" + targets + b"\\r\\n])?+"
            inline_escape = re.escape(self.escape) + targets + b"]?+(?![\\r\\n])"

        def text(excluded: bytes, escapes: bytes, least: bytes) -> bytes:
            plain = b"[^" + excluded + special + b"]"
            if not escapes:
                return plain + (b"++" if least else b"*+")
            return b"(?:" + plain + b"++|" + escapes + b")" + (b"++" if least else b"*+")

        least = b"1" if is_blanks else b""
        no_quote = b"" if not self.quote else b"(?!" + blank + re.escape(self.quote) + b")"
        unquoted = no_quote + text(delimiters + b"\\r\\n", whole_escape, least)
        inline_unquoted = no_quote + text(delimiters + b"\\r\\n", inline_escape, least)
        joined_unquoted = (
            no_quote + b"(?:" + text(delimiters + b"\\r\\n", whole_escape, b"1") + b"|\\n|\\r(?!\\n))*+"
        )
        clean_unquoted = text(delimiters + b"\\r\\n" + _in_class(self.quote), whole_escape, least)
        cell, inline, joined, clean = unquoted, inline_unquoted, joined_unquoted, clean_unquoted
        if self.quote:
            quote = re.escape(self.quote)
            before = blank if dialect.skip_initial_space else b""

            def quoted(excluded: bytes, escapes: bytes) -> bytes:
                body = b"(?:[^" + excluded + _in_class(self.quote) + special + b"]++|" + quote + quote
                return (
                    before
                    + quote
                    + body
                    + (b"|" + escapes if escapes else b"")
                    + b")*+"
                    + quote
                    + after_quote
                )

            whole = quoted(b"", whole_escape)
            cell = b"(?:" + whole + b"|" + unquoted + b")"
            inline = b"(?:" + quoted(b"\\r\\n", inline_escape) + b"|" + inline_unquoted + b")"
            joined = b"(?:" + whole + b"|" + joined_unquoted + b")"
            clean = b"(?:" + whole + b"|" + clean_unquoted + b")"
            body = b"((?:[^" + _in_class(self.quote) + special + b"]++|" + quote + quote
            body += (b"|" + whole_escape if escape else b"") + b")*+)"
            self._opening = re.compile(blank + quote)
            self._may_open = re.compile(before + quote)
            self._rest_of_quoted = re.compile(body + quote + after_quote)
            self._cell = re.compile(
                b"(?:" + before + quote + body + quote + after_quote + b"|(" + joined_unquoted + b"))"
                b"(" + between + b"|(?=[\\r\\n])|\\Z)",
            )
        else:
            self._cell = re.compile(b"((?!))?(" + joined_unquoted + b")(" + between + b"|(?=[\\r\\n])|\\Z)")
        indent = b"[ \\t]*+" if is_blanks else b""
        tail = b"[ \\t]*+" if is_blanks else b""

        def cells(one: bytes, more: bytes = b"*+") -> bytes:
            return one + b"(?:" + between + one + b")" + more + tail

        def line(content: bytes) -> bytes:
            if is_blanks:
                content = b"(?:" + content + b")?+"
            if self.comment:
                mark_of_comment = re.escape(self.comment)
                content = (
                    b"(?:"
                    + mark_of_comment
                    + b"[^\\r\\n]*+|(?!"
                    + mark_of_comment
                    + b")"
                    + indent
                    + content
                    + b")"
                )
            else:
                content = indent + content
            return mark + content

        ending = b"(?:\\r?\\n|\\r(?=[^\\n]))"  # not a CR at the end: a LF may follow
        any_line = line(cells(cell))
        self.record = re.compile(any_line + ending)
        self.last_record = re.compile(any_line + b"(?:\\r\\n|\\n|\\r|\\Z)")
        least_cells, most_cells = self._clean_widths(dialect)
        bounds = b"{%d,%s}+" % (least_cells - 1, b"" if most_cells is None else b"%d" % (most_cells - 1))
        blank_cells = b"" if is_blanks else b"(?:" + re.escape(self.delimiter) + blank + b")*+"
        inline_ending = b"\\r\\n" if self.crlf else ending
        plain_line = b"[^\\r\\n" + _in_class(self.quote) + special + b"]*+"
        inline_clean = text(delimiters + b"\\r\\n" + _in_class(self.quote), inline_escape, least)
        if self.quote:
            inline_clean = b"(?:" + quoted(b"\\r\\n", inline_escape) + b"|" + inline_clean + b")"
        whole_line = line(cells(inline_clean, b"{%d}+" % (max(self.width, 1) - 1)) + blank_cells)
        self.inline_records = re.compile(
            b"(?:" + plain_line + inline_ending + b"|" + whole_line + inline_ending + b")*+"
        )
        self._clean = indent + clean + b"(?:" + between + clean + b")" + bounds + blank_cells + tail
        self.clean_record = re.compile(mark + self._clean + ending)
        self.last_clean_record = re.compile(mark + self._clean + b"(?:\\r\\n|\\n|\\r|\\Z)")
        joined_full = cells(joined, b"{%d}+" % (max(self.width, 1) - 1)) + blank_cells
        self.joined_record = re.compile(mark + joined_full + b"(?:\\r\\n|\\Z)")
        self.nothing = re.compile(
            mark + indent + (b"(?:" + re.escape(self.comment) + b"[^\\r\\n]*+)?+" if self.comment else b"")
            + b"(?:\\r\\n|\\n|\\r|\\Z)"
        )  # fmt: skip
        self._prefix = re.compile(mark + indent + b"(?:" + cell + between + b")*+")
        self._inline_prefix = re.compile(mark + indent + b"(?:" + inline + between + b")*+")
        self._start = re.compile(mark + indent)
        self.between = re.compile(between)
        self.unquoted_prefix = re.compile(b"(?:" + unquoted + between + b")*+")
        self.unquoted = re.compile(unquoted if not is_blanks else b"(?:" + unquoted + b")?+" + tail)
        self.after_quote = re.compile(after_quote)
        self.closes_before = re.compile(after_quote + b"(?:" + between + b"|[\\r\\n]|\\Z)")
        self.rest_of_cell = re.compile(text(delimiters + b"\\r\\n", whole_escape, b""))
        self.quote_runs = re.compile(
            (re.escape(self.escape) + b"(?s:.)|" if self.escape else b"")
            + b"(?:"
            + re.escape(self.quote)
            + b")++"
        )
        self._escaped: re.Pattern[bytes] | None = None
        if self.escape:
            pair = re.escape(self.escape) + b"(\\r\\n|" + targets + b"\\r\\n])"
            self._escaped = re.compile(pair)
            doubled = b"|(" + re.escape(self.quote) + b")" + re.escape(self.quote) if self.quote else b""
            self._quoted_pairs = re.compile(pair + doubled)

    def _clean_widths(self, dialect: Dialect) -> tuple[int, int | None]:
        """Return the least and the largest number of cells of records that are loaded; None: there is no limit.

        A record of one cell shows nothing where the header has more.
        """
        least = min(2, self.width) if dialect.short_rows is ShortRows.PAD else self.width
        return max(least, 1), max(self.width, 1) if dialect.extra_cells is ExtraCells.REJECT else None

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
        match = self._prefix.match(data, start, stop)
        cell_start = match.end() if match else start
        cell = self.count(data, start, cell_start)
        after = self.opens(data, cell_start)
        if after is None:
            return None
        quote = after - 1
        if not self._may_open.match(data, cell_start):
            return Fault(Problem.BLANK_BEFORE_QUOTE, cell, cell_start, quote, quote)
        closed = self._rest_of_quoted.match(data, after, stop)
        if closed is None:
            return Fault(Problem.NOT_CLOSED, cell, cell_start, quote, stop)
        return Fault(Problem.TEXT_AFTER_QUOTE, cell, cell_start, quote, closed.end())

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
        found = []
        for quoted, body, text, delimiter in self._cells(record, self.start(record, 0), end):
            if quoted:
                found.append(self._quoted_text(body))
            elif not self.delimiter and not text and not delimiter:
                break  # the blanks at the end of a line
            else:
                found.append(self._escaped.sub(rb"\1", text) if self._escaped else text)
        return found or [b""]

    def _quoted_text(self, body: bytes) -> bytes:
        if self._escaped is None:
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


def _in_class(char: bytes) -> bytes:
    """Return a character as a member of a character class, escaped."""
    return (
        re.escape(char)
        if char.isalnum() or char.isspace()
        else b"".join(b"\\" + bytes([byte]) for byte in char)
    )


@lru_cache(maxsize=64)
def grammar_of(dialect: Dialect, *, marks: bool = True) -> Grammar:
    """Return the patterns of a dialect. Without ``marks``, byte-order marks are text: they were dropped before."""
    return Grammar(dialect, marks=marks)
