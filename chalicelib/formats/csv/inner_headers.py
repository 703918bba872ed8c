"""Find headers of other tables among the rows of a segment: files that were joined have them.

A row is one

- for certain: if most of its cells are names of the table's columns, in another order or beside other names;
- probably: if all its cells are distinct words, though two columns or more held nothing but numbers, dates or
  times before, and another row follows.

Most segments have a column without a letter. A look at that one shows that no row is a header, if every name
has a letter.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib import interruption
from chalicelib.core.model import Dialect
from chalicelib.formats.csv.fit import Fitted
from chalicelib.formats.csv.header import column_names
from chalicelib.formats.csv.values import Kind, kind_of, looks_like_value
from chalicelib.rows.columns import content, size, whole
from chalicelib.rows.text import WHITESPACE

_NO_LETTERS = b"0123456789+-.,:/ %"  # what numbers, dates and times are written with
_BEGINS_A_WORD = r"^[\pZ\t]*[\pL_]"
_FEWEST = 2  # cells that are names, columns that hold values
_BEFORE = 3  # rows that show what columns hold
_LOOK_AROUND = 20  # rows at most that show it
_MOST_TITLES = 2  # rows
_TRIED = 3  # columns in which letters are looked for
_SHOWING = 10  # rows whose cells show what a column holds
_MOST = 100  # rows of a segment that are looked at closely


class InnerHeader(NamedTuple):
    """A row that looks like the header of another table."""

    row: int  # of those that were fitted
    is_certain: bool


class InnerHeaders:
    """Find headers among the rows of tables of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        columns = dialect.columns
        names = [name for number, name in enumerate(columns, start=1) if name != f"column_{number}"]
        self._has_names = dialect.header and len(names) >= _FEWEST
        written = [f"{before}{name}{after}" for name in names for before in ("", " ") for after in ("", " ")]
        self._names = pa.array(written, pa.string())
        self._are_words = all(name.encode().translate(None, _NO_LETTERS) for name in columns)
        self._columns = columns
        self._known = frozenset(names)
        self._width = len(columns)

    def find(self, fitted: Fitted) -> list[InnerHeader]:
        """Return the rows that look like headers, in order. The header itself is one for certain."""
        if self._width < _FEWEST:
            return []
        wide = [row for row, cells in fitted.wide.items() if self._has_names and self._is_named(cells)]
        named, worded = self._find_in(fitted.table) if fitted.table.num_rows else ([], [])
        if not named and not worded and not wide:
            return []
        elsewhere = {row for row, _ in fitted.rejected} | fitted.wide.keys()
        rows = [row for row in range(fitted.rows) if row not in elsewhere]  # those of the table
        certain = {*wide, *(rows[row] for row in named)}
        return [
            InnerHeader(row, row in certain) for row in sorted({*certain, *(rows[row] for row in worded)})
        ]

    def _find_in(self, table: pa.Table) -> tuple[list[int], list[int]]:
        """Return the rows of a table that are headers for certain, and those that probably are."""
        columns = [whole(column) for column in table.columns]
        values = [column for column in columns if _begins_with_digits(column)]
        values.sort(key=size)
        if self._are_words and any(map(_has_no_letters, values[:_TRIED])):
            return [], []
        named = self._named(table, columns, values) if self._has_names else []
        return named, list(self._worded(table, values))

    def _named(self, table: pa.Table, columns: Sequence[pa.Array], values: Sequence[pa.Array]) -> list[int]:
        """Return the rows most of whose cells are names of columns."""
        first = values[0] if values else min(columns, key=size)
        index = next(index for index, column in enumerate(columns) if column is not first)
        found = self._are_names(first)
        if self._columns[index].encode() in content(columns[index]):  # the first's name may be another one
            found = pc.or_(found, self._are_names(columns[index]))
        rows = pc.indices_nonzero(found)
        if not len(rows):
            return []
        chosen = table.take(rows)
        counts = _total([self._are_names(whole(column)).cast(pa.int32()) for column in chosen.columns])
        rows = rows.filter(pc.greater_equal(counts, _FEWEST))
        return [row for row in interruption.asking(rows.to_pylist()) if self._is_named(_cells(table, row))]

    def _is_named(self, cells: Sequence[str]) -> bool:
        """Return whether the cells are the header's, or distinct words that are mostly names of columns."""
        if column_names(cells) == self._columns:
            return True
        words = [cell for cell in cells if cell.strip(WHITESPACE)]
        count = sum(word.strip(WHITESPACE) in self._known for word in words)
        is_most = count >= _FEWEST and 2 * count > max(len(words), self._width)
        return is_most and len(set(words)) == len(words) and all(kind_of(word) is Kind.TEXT for word in words)

    def _are_names(self, column: pa.Array) -> pa.Array:
        return pc.is_in(column, value_set=self._names)

    def _worded(self, table: pa.Table, values: Sequence[pa.Array]) -> Iterator[int]:
        """Yield the rows of words in columns of values, each the first of several such rows."""
        if len(values) < _FEWEST:
            return
        words = _total([_are_words(column).cast(pa.int8()) for column in values])
        empty = _total([column.is_null().cast(pa.int8()) for column in values])
        may_be = pc.and_(pc.greater(words, 0), pc.greater_equal(pc.add(words, empty), _FEWEST))
        start = previous = -1
        for row in pc.indices_nonzero(may_be).to_pylist()[:_MOST]:
            start, previous = (start if row == previous + 1 else row), row
            is_first = row - start <= _MOST_TITLES and start >= _BEFORE and row < table.num_rows - 1
            if is_first and self._is_worded(table, row, start):
                yield row
                start = -1

    def _is_worded(self, table: pa.Table, row: int, start: int) -> bool:
        """Return whether the cells of the row are distinct words, and the rows before hold values there.

        ``start`` is the row at which such rows begin: there may be a title before the header. Cells at the
        end may be empty. Columns in which all rows that follow are empty, too, count as well.
        """
        cells = _cells(table, row)[: self._width]
        words = cells[: max((index for index, cell in enumerate(cells, start=1) if cell), default=0)]
        if any(kind_of(word) is not Kind.TEXT for word in words) or len(set(words)) < len(words):
            return False
        before = [_cells(table, earlier) for earlier in range(max(start - _LOOK_AROUND, 0), start)]
        after = [
            _cells(table, later) for later in range(row + 1, min(row + 1 + _LOOK_AROUND, table.num_rows))
        ]
        valued = [index for index in range(self._width) if _holds_values([cells[index] for cells in before])]
        in_words = sum(index < len(words) for index in valued)
        unused = sum(index >= len(words) and not any(cells[index] for cells in after) for index in valued)
        return in_words > 0 and in_words + (unused if len(after) >= _FEWEST else 0) >= _FEWEST


def may_follow_blank_row(fitted: Fitted) -> bool:
    """Return whether a header, or a title before one, may stand behind a row without any value, at a glance.

    It is all words, and values stand in the table above it or in the row that follows. Rows that are not in
    the table may be anything.
    """
    table = fitted.table
    if not table.num_rows or not all(column.null_count for column in table.columns):
        return False
    columns = [whole(column) for column in table.columns]
    filled = _total([column.is_valid().cast(pa.int32()) for column in columns])
    blank = pc.indices_nonzero(pc.equal(filled, 0))
    if table.num_rows < fitted.rows:
        return len(blank) > 0
    rows = pc.add(blank.cast(pa.int64()), 1)
    rows = rows.filter(pc.less(rows, table.num_rows - 1))
    words = _total([_are_words(column.take(rows)).cast(pa.int32()) for column in columns])
    rows = rows.filter(pc.and_(pc.greater(words, 0), pc.equal(words, filled.take(rows))))
    if not len(rows) or any(map(_begins_with_digits, columns)):
        return len(rows) > 0
    following = table.take(pc.add(rows, 1))
    return any(
        pc.any(pc.match_substring_regex(whole(column), "[0-9]")).as_py() for column in following.columns
    )


@lru_cache(maxsize=16)
def inner_headers(dialect: Dialect) -> InnerHeaders:
    """Return the finder for a dialect."""
    return InnerHeaders(dialect)


def _has_no_letters(column: pa.Array) -> bool:
    """Return whether every row has a value in the column, and none of them a letter."""
    return not column.null_count and not content(column).translate(None, _NO_LETTERS)


def _are_words(column: pa.Array) -> pa.Array:
    """Return for each value whether it begins as a word."""
    return pc.match_substring_regex(column, _BEGINS_A_WORD).fill_null(False)  # noqa: FBT003 - Arrow's way


def _begins_with_digits(column: pa.Array) -> bool:
    """Return whether the first value of the column has a digit and no letters."""
    first = next((cell for cell in column[:_SHOWING].to_pylist() if cell), "")
    left = first.encode().translate(None, _NO_LETTERS)
    return not left and any(char.isdigit() for char in first)


def _holds_values(cells: Sequence[str]) -> bool:
    """Return whether the cells that are not empty, most of them, are values of a type."""
    filled = [cell for cell in cells if kind_of(cell) is not Kind.EMPTY]
    return len(filled) >= max(_BEFORE, len(cells) / 2) and all(map(looks_like_value, filled))


def _total(counts: Sequence[pa.Array]) -> pa.Array:
    total = counts[0]
    for count in counts[1:]:
        total = pc.add(total, count)
    return total


def _cells(table: pa.Table, row: int) -> list[str]:
    return [(column[row].as_py() or "").strip(WHITESPACE) for column in table.columns]
