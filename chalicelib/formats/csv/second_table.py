"""Find other tables behind the first one: behind a blank line, or under a header in the midst of the records.

Blocks are decoded by themselves, on a grid that does not heed tables. So a second table is rejected only
where the records before it and its own header are in one segment, and as far as that reaches; where they are
not, it is told at best, and where the blank line is the last one of a segment, not even that. A file whose
records are set apart by blank lines is an ordinary file.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib import interruption
from chalicelib.core.model import Dialect
from chalicelib.formats.csv.entries import HEADERS, Listing
from chalicelib.formats.csv.fit import Fitted
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.inner_headers import inner_headers
from chalicelib.formats.csv.values import Kind, kind_of, looks_like_value
from chalicelib.formats.interface import Reason

SECOND_TABLE = "second-table"
REASON = Reason(
    SECOND_TABLE,
    "The record looks like the header of another table, or is below such a line. "
    "Put that table into a separate file.",
)

_LOOK_BACK = 20  # records whose cells are compared
_LOOK_AHEAD = 20  # records whose width is compared
_FEWEST = 2


def find(listing: Listing, data: bytes, dialect: Dialect) -> None:
    """Reject or note the records of other tables that stand behind a blank line.

    The first record after a blank line, or the one behind a title there, looks like a header if its cells are
    distinct words, none of them empty (but at its end) or a value (number, date), and a record follows it at
    once. It begins another table

    - that is rejected, up to the next blank line: if its records have another width than the header and hold
      values, or are several with texts where the records before hold values; or if it holds texts in two or
      more columns, in all of which the records before hold values;
    - that is told and loaded: if that is so in one column; if it holds a text in some column in which the
      record that follows it holds a value; or if its records are several of another width.
    """
    finder = _Finder(listing, data, dialect)
    index = 0
    while index < len(listing.entries) - 1:
        interruption.check()
        index = finder.after(index)


def find_among_rows(listing: Listing, fitted: Fitted, loaded: Sequence[int], dialect: Dialect) -> bool:
    """Reject or note records under headers of other tables that no blank line announces.

    ``loaded`` are the ordinals of the fitted rows. Records are rejected up to a line that repeats the
    header. Returns whether there are any.
    """
    found = inner_headers(dialect).find(fitted)
    if not found:
        return False
    repeated = [ordinal for code in HEADERS for ordinal, _ in listing.notes.get(code, ())]
    noted = {ordinal for ordinal, _ in listing.notes.get(SECOND_TABLE, ())}
    end = 0
    for row, is_certain in found:
        start = loaded[row]
        if start < end or start in noted:
            continue
        end = start + 1
        if is_certain:
            end = min((ordinal for ordinal in repeated if ordinal > start), default=len(listing.entries))
            for entry in listing.entries[start:end]:
                entry.reason = entry.reason or REASON
        listing.notes[SECOND_TABLE] += [(ordinal, None) for ordinal in range(start, end)]
    return any(is_certain for _, is_certain in found)


class _Group(NamedTuple):
    """Records between two blank lines that may be another table."""

    head: Sequence[str]  # the cells of the first one
    rows: Sequence[Sequence[str]]  # the next ones


class _Finder:
    def __init__(self, listing: Listing, data: bytes, dialect: Dialect) -> None:
        self._listing = listing
        self._entries = listing.entries
        self._data = data
        self._encoding = dialect.encoding
        self._grammar = grammar_of(dialect, marks=False)
        self._width = len(dialect.columns)

    def after(self, index: int) -> int:
        """Look for a table that begins at ``index``, and return the record to go on at."""
        entries = self._entries
        following = index + 1
        is_led = entries[index].after_blank or (index > 0 and self._is_title(index - 1))
        if not is_led or entries[index].reason or entries[following].reason or entries[following].after_blank:
            return following
        if not _is_head(self._cells(index)):
            return following
        start = self._start(index)
        end = following
        while end < len(entries) and not entries[end].after_blank:
            end += 1
        rows = [self._cells(row) for row in range(following, min(end, following + _LOOK_AHEAD))]
        group = _Group(self._cells(index), rows)
        before = [
            self._cells(earlier)
            for earlier in range(max(start - _LOOK_BACK, 0), start)
            if entries[earlier].reason is None
        ]
        columns = _spoilt_columns(group, before, self._width)
        is_certain = _is_certain(group, columns, self._width)
        if is_certain:
            for rejected in entries[start:end]:
                rejected.reason = rejected.reason or REASON
        if is_certain or _is_likely(group, columns, before, self._width):
            self._listing.notes[SECOND_TABLE] += [(ordinal, None) for ordinal in range(start, end)]
        return end if is_certain else following

    def _cells(self, index: int) -> list[str]:
        entry = self._entries[index]
        raw = self._grammar.cells(self._data[entry.start : entry.end])
        return [cell.decode(self._encoding, "replace").strip() for cell in raw]

    def _start(self, index: int) -> int:
        """Return the title of a table with its header at ``index``, or that if it has none."""
        title = index - 1
        while title > 0 and not any(self._cells(title)):
            title -= 1
        return title if title >= 0 and self._is_title(title) else index

    def _is_title(self, index: int) -> bool:
        """Return whether the record is a text by itself behind a blank line."""
        if self._width <= _FEWEST or not self._entries[index].after_blank or self._entries[index].reason:
            return False
        cells = self._cells(index)
        return kind_of(cells[0]) is Kind.TEXT and not any(cells[1:])


def _is_head(cells: Sequence[str]) -> bool:
    """Return whether the cells are distinct words, two or more, but for empty ones at the end."""
    words = _without_end(cells)
    are_words = len(words) >= _FEWEST and all(kind_of(word) is Kind.TEXT for word in words)
    return are_words and len(set(words)) == len(words)


def _without_end(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells without the empty ones at the end."""
    filled = max((index for index, cell in enumerate(cells, start=1) if cell), default=0)
    return cells[:filled]


def _spoilt_columns(group: _Group, before: Sequence[Sequence[str]], width: int) -> int:
    """Return how many columns of values the header of the group has a word in, or no cell and no cell below.

    These are the columns in which all records before it that have the table's width, one at least, hold
    values.
    """
    whole = [record for record in before if len(record) == width and any(record)]
    if not whole:
        return 0
    words = len(_without_end(group.head))
    used = max(words, *(len(_without_end(row)) for row in group.rows))
    return sum(
        all(looks_like_value(record[column]) for record in whole)
        for column in range(width)
        if column < words or column >= used
    )


def _is_certain(group: _Group, columns: int, width: int) -> bool:
    if not _has_other_width(group, width):
        return len(group.head) == width and columns >= _FEWEST
    has_values = any(map(looks_like_value, group.rows[0]))
    return has_values or (len(group.rows) >= _FEWEST and columns > 0)


def _is_likely(group: _Group, columns: int, before: Sequence[Sequence[str]], width: int) -> bool:
    if _has_other_width(group, width):
        return len(group.rows) >= _FEWEST
    if len(group.head) != width:
        return False
    is_spoilt = columns > 0 and len(before) >= _FEWEST
    return is_spoilt or (len(group.rows[0]) == width and any(map(looks_like_value, group.rows[0])))


def _has_other_width(group: _Group, width: int) -> bool:
    """Return whether the group has another width than the table, in all its records."""
    own = len(group.head)
    return own != width and all(len(row) == own for row in group.rows)
