"""Read regular CSV text into a table of the header's columns, and fit rows with other numbers of cells."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from chalicelib.core.model import Dialect, ExtraCells, ShortRows
from chalicelib.formats.csv.arrow import read_table
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.pieces import BOM
from chalicelib.formats.csv.values import Kind, kind_of
from chalicelib.formats.interface import Reason
from chalicelib.rows.columns import whole
from chalicelib.rows.text import WHITESPACE

BLANK_ROW = Reason("blank-row", "The record has only empty cells.")

_PEEK = 1 << 12  # bytes at the beginning that show how many cells most rows have
_SHOWING = 50  # rows whose cells show the kind of a column
_FEWEST = 3  # of these
_FEW = 16  # rows of a width: Arrow is called for more of them
_WIDEST = 100  # columns that a table gets in addition
_MOST_SPACE = 64 << 20  # bytes that columns with few values may take


@dataclass
class Fitted:
    """The rows of a text, by their numbers from 0: each is in the table, in ``wide``, or rejected."""

    table: pa.Table
    rows: int
    wide: dict[int, list[str]] = field(default_factory=dict)  # with too many cells for the table
    rejected: list[tuple[int, Reason]] = field(default_factory=list)  # in order
    notes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # rows, by code


def fit(text: bytes, dialect: Dialect) -> Fitted:
    """Read regular text in UTF-8, without escapes and comments. Blank lines are not rows."""
    width = len(dialect.columns)
    if not text.lstrip(b"\r\n"):  # Arrow raises an error
        return Fitted(_table([[] for _ in dialect.columns], dialect.columns), 0)
    usual = _usual_width(text, dialect)
    table, ragged = _read(text, dialect, usual)
    rows = table.num_rows + len(ragged)
    if usual == width and not ragged:
        return Fitted(table.rename_columns(list(dialect.columns)), rows)
    return _Fitting(dialect, rows).fit(table, ragged)


class _Ragged:
    """Rows with one number of cells, and their texts."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.texts: list[str] = []


class _Fitting:
    def __init__(self, dialect: Dialect, rows: int) -> None:
        self._dialect = dialect
        self._width = len(dialect.columns)
        self._grammar = grammar_of(dialect, marks=False)
        self._fitted = Fitted(pa.table({}), rows)
        self._parts: list[tuple[Sequence[int], list[pa.Array]]] = []  # rows, and their columns
        self._singly: list[tuple[int, list[str]]] = []  # rows to be put together
        self._kinds: Mapping[int, Kind] = {}  # of columns whose cells are values of one type

    def fit(self, table: pa.Table, ragged: Mapping[int, tuple[int, str]]) -> Fitted:
        """Fit the rows of the table, which has the usual width, and the ragged ones, given width and text."""
        if table.num_columns == self._width:
            self._kinds = column_kinds(table)
        groups: dict[int, _Ragged] = defaultdict(_Ragged)
        for row, (width, text) in ragged.items():
            groups[width].rows.append(row)
            groups[width].texts.append(text)
        others = (
            [row for row in range(self._fitted.rows) if row not in ragged]
            if ragged
            else range(table.num_rows)
        )
        if others:
            self._add(others, [whole(column) for column in table.columns])
        for width, group in groups.items():
            self._add_group(width, group)
        fitted = self._fitted
        fitted.rejected.sort(key=lambda rejected: rejected[0])
        for rows in fitted.notes.values():
            rows.sort()
        fitted.table = self._joined()
        return fitted

    def _add_group(self, width: int, group: _Ragged) -> None:
        if width < self._width and self._dialect.short_rows is ShortRows.REJECT:
            self._reject_short(group.rows, width, [self._is_blank(text) for text in group.texts])
        elif len(group.rows) < _FEW or width > self._width + _WIDEST:
            for row, text in zip(group.rows, group.texts, strict=True):
                self._add_singly(row, [cell.decode() for cell in self._grammar.cells(text.encode())])
        else:
            table, _ = _read("\n".join(group.texts).encode(), self._dialect, width)
            self._add(group.rows, [whole(column) for column in table.columns])

    def _is_blank(self, text: str) -> bool:
        """Return whether all cells of a row are empty, given its text."""
        if text.strip(self._dialect.delimiter + self._dialect.quote + WHITESPACE):
            return False
        return not any(cell.decode().strip(WHITESPACE) for cell in self._grammar.cells(text.encode()))

    def _add(self, rows: Sequence[int], columns: list[pa.Array]) -> None:
        """Add rows that all have as many cells as there are columns."""
        width, fitted = self._width, self._fitted
        if len(columns) < width:
            if self._dialect.short_rows is ShortRows.REJECT:
                self._reject_short(rows, len(columns), _are_blank(columns))
                return
            is_blank = _are_blank(columns)
            self._note(
                "short-rows-padded", [row for row, blank in zip(rows, is_blank, strict=True) if not blank]
            )
            columns = columns + [pa.nulls(len(rows), pa.string())] * (width - len(columns))
        if len(columns) == width:
            self._parts.append((rows, columns))
            return
        blank = _are_blank(columns)
        empty = [
            is_empty and self._is_in_place(columns, index)
            for index, is_empty in enumerate(_are_blank(columns[width:]))
        ]
        is_empty = pa.array(empty, pa.bool_())
        self._note(
            "empty-extra-cells",
            [row for row, e, b in zip(rows, empty, blank, strict=True) if e and not b],
        )
        kept = [row for row, e in zip(rows, empty, strict=True) if e]
        if kept:
            self._parts.append((kept, [column.filter(is_empty) for column in columns[:width]]))
        longer = [row for row, e in zip(rows, empty, strict=True) if not e]
        if not longer:
            return
        is_longer = pc.invert(is_empty)
        if self._treat_longer(longer, len(columns)):
            if self._dialect.extra_cells is ExtraCells.DROP:
                columns = columns[:width]
            space = fitted.rows * 4 * (len(columns) - width)
            if len(columns) - width > _WIDEST or space > _MOST_SPACE + 64 * len(longer) * (
                len(columns) - width
            ):
                cells = [column.filter(is_longer).fill_null("").to_pylist() for column in columns]
                fitted.wide.update(zip(longer, map(list, zip(*cells, strict=True)), strict=True))
            else:
                self._parts.append((longer, [column.filter(is_longer) for column in columns]))

    def _add_singly(self, row: int, cells: list[str]) -> None:
        """Add a row with any number of cells."""
        width = self._width
        is_blank = not any(cell.strip(WHITESPACE) for cell in cells)
        if len(cells) < width:
            if not is_blank:
                self._note("short-rows-padded", [row])
            cells = cells + [""] * (width - len(cells))
        elif len(cells) > width:
            if not any(cell.strip(WHITESPACE) for cell in cells[width:]) and is_in_place(cells, self._kinds):
                if not is_blank:
                    self._note("empty-extra-cells", [row])
                cells = cells[:width]
            elif not self._treat_longer([row], len(cells)):
                return
            elif self._dialect.extra_cells is ExtraCells.KEEP:
                self._fitted.wide[row] = cells
                return
            else:
                cells = cells[:width]
        self._singly.append((row, cells))

    def _is_in_place(self, columns: Sequence[pa.Array], row: int) -> bool:
        """Return whether the row's cells may be those of their columns: see :func:`is_in_place`."""
        return not self._kinds or is_in_place([column[row].as_py() or "" for column in columns], self._kinds)

    def _treat_longer(self, rows: Sequence[int], cells: int) -> bool:
        """Reject rows with extra cells, or note that they are loaded; return whether they are."""
        treatment = self._dialect.extra_cells
        if treatment is ExtraCells.REJECT:
            self._note("extra-cells", rows)
            reason = ragged_reason(self._width, cells)
            self._fitted.rejected += [(row, reason) for row in rows]
            return False
        self._note("extra-cells-dropped" if treatment is ExtraCells.DROP else "extra-cells-kept", rows)
        return True

    def _reject_short(self, rows: Sequence[int], cells: int, are_blank: Sequence[bool]) -> None:
        """Reject rows with too few cells; one of empty cells is blank, whatever their number."""
        reason = ragged_reason(self._width, cells)
        self._fitted.rejected += [
            (row, BLANK_ROW if is_blank else reason) for row, is_blank in zip(rows, are_blank, strict=True)
        ]
        self._note("short-rows", [row for row, is_blank in zip(rows, are_blank, strict=True) if not is_blank])

    def _note(self, code: str, rows: Sequence[int]) -> None:
        if rows:
            self._fitted.notes[code] += rows

    def _joined(self) -> pa.Table:
        """Return all rows that were added, in order."""
        if self._singly:
            self._singly.sort(key=lambda single: single[0])  # they came by their numbers of cells
            rows = [row for row, _ in self._singly]
            cells = zip(*(row_cells for _, row_cells in self._singly), strict=True)
            self._parts.append(
                (rows, [pa.array([cell or None for cell in column], pa.string()) for column in cells])
            )
        most = max((len(columns) for _, columns in self._parts), default=self._width)
        names = [*self._dialect.columns, *extra_names(self._dialect, most - self._width)]
        if not self._parts:
            return _table([[] for _ in names], names)
        order = [row for rows, _ in self._parts for row in rows]
        columns = [
            pa.concat_arrays(
                [
                    part[index] if index < len(part) else pa.nulls(len(rows), pa.string())
                    for rows, part in self._parts
                ]
            )
            for index in range(most)
        ]
        table = pa.Table.from_arrays(columns, names=names)
        if len(self._parts) == 1:
            return table
        return table.take(pc.sort_indices(pa.array(order, pa.int64()))).combine_chunks()


def extra_names(dialect: Dialect, count: int) -> list[str]:
    """Return the keys of cells that no header cell names: `extra_1`, `extra_2` …, those that are free."""
    taken = set(dialect.columns)
    names: list[str] = []
    for number in range(1, count + 1):
        name, repeat = f"extra_{number}", 1
        while name in taken:
            repeat += 1
            name = f"extra_{number}_{repeat}"
        taken.add(name)
        names.append(name)
    return names


def column_kinds(table: pa.Table) -> dict[int, Kind]:
    """Return the kinds of the columns whose first cells are values of one type."""
    kinds: dict[int, Kind] = {}
    for index, column in enumerate(table.columns):
        found = {kind_of(cell.strip(WHITESPACE)) for cell in column[:_SHOWING].to_pylist() if cell}
        found.discard(Kind.EMPTY)
        if len(found) == 1 and Kind.TEXT not in found and len(column) - column.null_count >= _FEWEST:
            kinds[index] = found.pop()
    return kinds


def is_in_place(cells: Sequence[str], kinds: Mapping[int, Kind]) -> bool:
    """Return whether the cells may be those of their columns, given the kinds of these.

    A record with an extra cell in the middle and an empty one at the end looks like one with an extra empty
    cell, but has its cells in the wrong columns.
    """
    found = ((kind, kind_of(cells[index].strip(WHITESPACE))) for index, kind in kinds.items())
    return all(own in (kind, Kind.EMPTY) for kind, own in found)


@lru_cache  # a file that is wrong throughout has the same message for every row
def ragged_reason(expected: int, actual: int) -> Reason:
    """Return the reason to reject a row with too few or too many cells."""
    cells = "1 cell" if actual == 1 else f"{actual} cells"
    code = "missing-cell" if actual < expected else "extra-cell"
    return Reason(code, f"The record has {cells}; the header has {expected}.")


def _usual_width(text: bytes, dialect: Dialect) -> int:
    """Return the number of cells that most of the first rows have, as far as their delimiters show it.

    Reading the text with that number is faster than to fit each row by itself.
    """
    width = len(dialect.columns)
    end = text.find(b"\n", 0, _PEEK)
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    if text.count(delimiter, 0, max(end, 0)) + 1 == width or end < 0:
        return width
    lines = [
        line for line in text[:_PEEK].split(b"\n")[:-1] if line.strip() and not (quote and quote in line)
    ]
    if not lines:
        return width
    usual, count = Counter(line.count(delimiter) + 1 for line in lines).most_common(1)[0]
    return usual if 2 * count > len(lines) and usual <= width + _WIDEST else width


def _read(text: bytes, dialect: Dialect, width: int) -> tuple[pa.Table, dict[int, tuple[int, str]]]:
    """Return the rows with ``width`` cells; number of cells and text of all others, by their row."""
    ragged: dict[int, tuple[int, str]] = {}

    def on_ragged(row: arrow_csv.InvalidRow) -> str:
        ragged[row.number - 1] = (row.actual_columns, row.text)
        return "skip"

    if text.startswith(BOM):  # Arrow would drop it
        text = b"\n" + text
    table = read_table(text, dialect, width, on_ragged)
    return table, ragged


def _are_blank(columns: Sequence[pa.Array]) -> list[bool]:
    """Return for each row whether all its cells are empty once they are trimmed."""
    blank = pa.array([True] * len(columns[0]), pa.bool_())
    for column in columns:
        trimmed = pc.utf8_trim(column, characters=WHITESPACE)
        blank = pc.and_(blank, pc.equal(trimmed.fill_null(""), ""))
    found: list[bool] = blank.to_pylist()
    return found


def _table(columns: Sequence[Sequence[str]], names: Sequence[str]) -> pa.Table:
    return pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], names=list(names))
