"""Find the table in the records of a sample: its header, its width, and how the rows lie under the header."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from chalicelib.formats.csv.detection import names
from chalicelib.formats.csv.detection.sample import Record
from chalicelib.formats.csv.values import Kind, kind_of

_MOST_PREAMBLE = 60  # records before the header
_TYPED = 0.8  # of the cells of a column, for the column to have a type
_CONSISTENT = 0.8  # of the records behind a preamble
_PAIR = 2  # columns: a title may look like these
_MOST_LATER = 10  # records of the table's width before its header
_FOOTER = 2  # records behind the table
_ALMOST_ALL = 0.9  # of the rows
_FEWEST = 2  # rows that show how they lie under the header
_MOST_ROWS = 300  # records that are looked at for the types of columns
_NUMBERED = re.compile(r"(\D{0,20})(0|[1-9][0-9]{0,8})")


class Shift(Enum):
    """How the cells of records lie under a header that has fewer."""

    NONE = auto()  # a longer row is an exception
    EMPTY = auto()  # the extra cells are always empty
    ROW_NAMES = auto()  # the first cell names the row
    UNNAMED = auto()  # the last cells have no name
    UNCLEAR = auto()


@dataclass(frozen=True)
class Table:
    """A table in a sample."""

    first: int  # index of its first record
    width: int  # number of its columns
    usual_width: int  # cells that most of its records have
    fit: float  # how well the records keep to the width, 0 to 1
    shift: Shift
    kinds: Sequence[Kind]  # of the columns; TEXT without one type
    is_distinct: bool  # the header has words above columns of values
    rows: Sequence[Record]  # below the header


def find_table(records: Sequence[Record], *, skip_preamble: bool, has_header: bool) -> Table | None:
    """Return the table in the records; None without records."""
    if not records:
        return None
    width = usual = _usual_width(records)
    first = 0
    if skip_preamble and has_header:
        first = _header_index(records, width)
    header = records[first]
    rows = records[first + 1 :] if has_header else records[first:]
    own = len(header.cells)
    shift = Shift.NONE
    if not has_header:
        pass
    elif own > width and not any(header.cells[width:]):
        pass  # the header ends in delimiters, the records do not
    elif own > width:
        width = own
    elif own < width:
        shift = _shift(header, rows, own)
        if shift in (Shift.NONE, Shift.EMPTY):
            width = own
    kinds = column_kinds(rows, width)
    return Table(
        first, width, usual, _fit(rows, width), shift, kinds, _is_distinct(header, kinds, shift), rows
    )


def _usual_width(records: Sequence[Record]) -> int:
    """Return the width that most records have. The first records count less: a preamble may be among them."""
    widths = Counter(len(record.cells) for record in records)
    for record in records[:_MOST_PREAMBLE]:
        if len(record.cells) == 1 and len(widths) > 1:
            widths[1] -= 0.5  # type: ignore[assignment] # titles have one cell
    most = max(widths.values())
    return max(width for width, count in widths.items() if count >= most * 0.95)


def _filled(record: Record) -> int:
    """Return the number of cells up to the last one that is not empty."""
    return max((index for index, cell in enumerate(record.cells, start=1) if cell), default=0)


def _header_index(records: Sequence[Record], width: int) -> int:
    """Return the index of the header: behind lines that are narrower than what follows consistently."""
    named = _named_width(records, width)
    if named <= 1:
        return 0
    first = records[0]
    is_padded = len(first.cells) >= named and _filled(first) == 1 and named > _PAIR
    is_comment = first.cells[0].startswith("#")
    if len(first.cells) >= named and not is_padded and not is_comment:
        return _later_header(records, width)
    for index, record in enumerate(records[1:_MOST_PREAMBLE], start=1):
        if not named <= len(record.cells) <= width or (is_padded and _filled(record) <= named // 2):
            continue
        if is_comment and record.cells[0].startswith("#"):
            continue
        return index if _begins_table(records, index, width) else 0
    return 0


def _later_header(records: Sequence[Record], width: int) -> int:
    """Return the index of a header behind lines that have the table's width, too; 0 if there is none.

    It has words above columns of values, and the lines before it do not hold such values. A line right behind
    one that looks like a header itself may be its second line.
    """
    kinds = column_kinds(records[len(records) // 2 :], width)
    typed = [column for column, kind in enumerate(kinds) if kind not in (Kind.TEXT, Kind.EMPTY)]
    if not typed:
        return 0
    for index, record in enumerate(records[1:_MOST_LATER], start=1):
        if len(record.cells) != width or len(records) - index <= _FEWEST:
            return 0
        found = [(kind_of(record.cells[column]), kinds[column]) for column in typed]
        holds_values = any(own is kind for kind, own in found)
        is_sparse = all(own is Kind.EMPTY for own, _ in found) and _filled(record) > 1
        if holds_values or is_sparse:
            return 0  # a record of the table
        if _is_header_like(record) and all(record.cells):
            is_title = _filled(records[0]) < width or not _is_header_like(records[0])
            is_later = is_title or (index > 1 and not _is_table(records[:index]))
            return index if is_later else 0
    return 0


def _named_width(records: Sequence[Record], width: int) -> int:
    """Return the width without the last columns that are always empty: a header may lack these."""
    wide = [record.cells for record in records if len(record.cells) == width]
    while width > 1 and not any(cells[width - 1] for cells in wide):
        width -= 1
    return width


def _begins_table(records: Sequence[Record], index: int, width: int) -> bool:
    """Return whether the record at ``index`` is the header of a table of that width, behind a preamble."""
    header, rows = records[index], records[index + 1 :]
    passed = max(len(record.cells) for record in records[:index])
    wide = sum(len(row.cells) > min(passed, width - 1) for row in rows)
    footer = _FOOTER if len(rows) > _FOOTER + 1 else 0
    if not rows or not wide or wide < min(_CONSISTENT * len(rows), len(rows) - footer):
        return False
    if not _is_header_like(header) or _is_table(records[:index]):
        return False
    if _differs(header, column_kinds(rows, width)):
        return True
    if sum(len(row.cells) == width for row in rows) < _CONSISTENT * len(rows):
        return False
    if any(cell in row.cells for row in rows for cell in header.cells if cell):
        return False  # a row like the others
    # One cell less: rather a header without a name for one column.
    return width > _PAIR and not (index == 1 and len(records[0].cells) == width - 1)


def _is_table(records: Sequence[Record]) -> bool:
    """Return whether the records are a table of their own: words above values, in all of them."""
    widths = {len(record.cells) for record in records}
    if len(records) <= _FEWEST or len(widths) > 1 or widths == {1}:
        return False
    return _differs(records[0], column_kinds(records[1:], widths.pop()))


def _is_header_like(record: Record) -> bool:
    cells = [cell for cell in record.cells if cell]
    if len(cells) * 2 < len(record.cells) or len(set(cells)) < len(cells):
        return False
    return not any(kind_of(cell) in (Kind.NUMBER, Kind.DATE, Kind.TIME, Kind.EMAIL) for cell in cells)


def column_kinds(rows: Sequence[Record], width: int) -> list[Kind]:
    """Return the kind of each column: the one that most of its cells have."""
    step = max(len(rows) // _MOST_ROWS, 1)
    chosen = [row.cells for row in rows[::step] if len(row.cells) >= width]
    if not chosen:
        return [Kind.TEXT] * width
    return [_column_kind(column) for column in islice(zip(*chosen, strict=False), width)]


def _column_kind(cells: Iterable[str]) -> Kind:
    kinds = [kind for kind in map(kind_of, cells) if kind is not Kind.EMPTY]
    if not kinds:
        return Kind.EMPTY
    if kinds.count(kinds[0]) == len(kinds):  # nearly always
        return kinds[0]
    kind, count = Counter(kinds).most_common(1)[0]
    return kind if count >= _TYPED * len(kinds) else Kind.TEXT


def _differs(header: Record, kinds: Sequence[Kind]) -> bool:
    """Return whether some cell of the header is a word above a column of values."""
    return any(
        cell and kind not in (Kind.TEXT, Kind.EMPTY) and kind_of(cell) is not kind
        for cell, kind in zip(header.cells, kinds, strict=False)
    )


def _is_distinct(header: Record, kinds: Sequence[Kind], shift: Shift) -> bool:
    return _differs(header, kinds[1:] if shift is Shift.ROW_NAMES else kinds)


def _shift(header: Record, rows: Sequence[Record], own: int) -> Shift:
    """Return how the rows, which are wider than the header, lie under it."""
    longer = [row for row in rows if len(row.cells) > own]
    if len(longer) < max(_ALMOST_ALL * len(rows), _FEWEST):
        return Shift.NONE
    if not any(any(row.cells[own:]) for row in longer):
        return Shift.EMPTY
    width = max(Counter(len(row.cells) for row in longer).items(), key=lambda item: item[1])[0]
    chosen = [row for row in longer if len(row.cells) == width]
    kinds = column_kinds(chosen, width)
    ahead, behind = names.matches(header.cells, kinds), names.matches(header.cells, kinds[width - own :])
    may_be_names = width == own + 1 and _are_distinct(chosen)
    if ahead != behind:
        return Shift.UNNAMED if ahead > behind else (Shift.ROW_NAMES if may_be_names else Shift.UNCLEAR)
    if may_be_names and _are_row_names(header, [row.cells for row in chosen]):
        return Shift.ROW_NAMES
    return Shift.UNNAMED if _is_place_clear(header, [row.cells for row in chosen]) else Shift.UNCLEAR


def _are_distinct(rows: Sequence[Record]) -> bool:
    first = [row.cells[0] for row in rows]
    return all(first) and len(set(first)) == len(first)


def _are_row_names(header: Record, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first column is unlike any other, as R and pandas write row names.

    It holds texts beside columns that hold values only, or counts up behind a text as no other column does.
    Bare numbers that count up may be those of a column `id`.
    """
    named = header.cells[0].lower()
    if named in names.IDENTIFIERS:
        return False
    columns = list(zip(*rows, strict=True))
    kinds = [{kind_of(cell) for cell in column} - {Kind.EMPTY} for column in columns]
    if Kind.TEXT in kinds[0] and not any(Kind.TEXT in kind for kind in kinds[1:]):
        return True
    prefix = _counted_prefix(columns[0])
    return bool(prefix) and prefix.strip(" -_.") != named and not any(map(_counted_prefix, columns[1:]))


def _counted_prefix(cells: Sequence[str]) -> str:
    """Return the text before consecutive numbers; empty if the cells are not such numbers."""
    matches = [match for cell in cells if (match := _NUMBERED.fullmatch(cell))]
    numbers = [int(match[2]) for match in matches]
    if len(matches) < len(cells) or numbers != list(range(numbers[0], numbers[0] + len(cells))):
        return ""
    prefixes = {match[1].lower() for match in matches}
    return prefixes.pop() if len(prefixes) == 1 else ""


def _is_place_clear(header: Record, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the header names the first columns: the first holds identifiers and is named so."""
    own = len(header.cells)
    mostly_empty = sum(not any(row[own:]) for row in rows) * 2 > len(rows)
    return mostly_empty or (
        header.cells[0].lower() in names.IDENTIFIERS
        and all(kind_of(row[0]) in (Kind.NUMBER, Kind.CODE) for row in rows)
        and not all(kind_of(row[1]) in (Kind.NUMBER, Kind.CODE) for row in rows)
    )


def _fit(rows: Sequence[Record], width: int) -> float:
    """Return how well the rows keep to the width. A shorter row is half a fit, a longer one less."""
    if not rows:
        return 1.0
    total = 0.0
    for row in rows:
        own = len(row.cells)
        if row.is_irregular:
            total += 0.4 if own == width else 0.1
        elif own == width or (own > width and _filled(row) <= width):
            total += 1
        elif own < width:
            total += 0.5 * own / width if own > 1 else 0
        else:
            total += 0.3 * width / own if width > 1 else 0
    return total / len(rows)
