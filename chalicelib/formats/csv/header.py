"""The header of a CSV file: its cells, the keys that they become, and what is odd about it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect
from chalicelib.formats.csv.detection.table import Shift, Table
from chalicelib.formats.csv.grammar import LINE_ENDING, Grammar, Problem, grammar_of
from chalicelib.formats.csv.merged import is_like_prose
from chalicelib.formats.csv.rejects_file import LARGEST_HEADER, AddedColumns
from chalicelib.formats.csv.scan import Scanner
from chalicelib.formats.csv.values import Kind, kind_of
from chalicelib.reading import encodings
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.rows import text

MAX_HEADER = 1 << 18  # bytes
MAX_COLUMNS = 10_000

_IN_BRACKETS = re.compile(r"\(.*\)|\[.*\]")
_FEWEST = 2  # records below a line that may be a second header line
_DIGITS = 2  # that a unit or a type such as m2 and char(20) has


def read_header(data: bytes, dialect: Dialect, *, is_rejects_file: bool = False) -> tuple[int, list[str]]:
    """Return where the record at ``dialect.data_start`` ends, and its cells.

    ``is_rejects_file``: it is the header of any other file, as Sluice has written it again.

    Raises JobFailed for one that is too long, has too many cells, cannot be decoded or has irregular quotes.
    """
    start = dialect.data_start
    longest = LARGEST_HEADER if is_rejects_file else MAX_HEADER
    window = data[start : start + longest + 2]
    grammar = grammar_of(dialect)
    is_whole = start + len(window) == len(data) < HEAD_SIZE
    record = (grammar.last_record if is_whole else grammar.record).match(window)
    if record is None or record.end() > longest:
        raise _unreadable(window, grammar)
    cells = grammar.cells(record[0])
    if dialect.header and _swallows_records(record[0], dialect, len(cells)):
        raise JobFailed(
            "unterminated-quote",
            "The header has a quoted cell whose lines look like the header and records. Perhaps a quote is "
            "not closed. Correct the header, or declare with the option `quote` which quotes the file has.",
        )
    _check(record[0], cells, dialect.encoding, MAX_COLUMNS + is_rejects_file * len(AddedColumns._fields))
    return start + record.end(), [cell.decode(dialect.encoding) for cell in cells]


def _swallows_records(record: bytes, dialect: Dialect, width: int) -> bool:
    """Return whether the first and the last line of a header are whole lines of its width.

    That is so if the two quotes around a cell are taken for text. A blank behind a delimiter speaks for a
    text of several lines.
    """
    if width == 1 or not LINE_ENDING.search(record.rstrip(b"\r\n")):
        return False
    grammar = grammar_of(replace(dialect, columns=tuple(map(str, range(width)))))
    scanner = Scanner(record, grammar, len(record), final=True)
    is_text = is_like_prose(record, grammar.delimiter, skips_blanks=grammar.skips_blanks)
    return bool(scanner.lines_in_cell(0, len(record))) and not is_text


def _unreadable(window: bytes, grammar: Grammar) -> JobFailed:
    """Return the reason why no header of at most MAX_HEADER bytes stands at the beginning of the window."""
    ending = LINE_ENDING.search(window)
    in_line = grammar.fault(window, 0, ending.end() if ending else len(window))
    fault = grammar.fault(window, 0, len(window))
    if in_line is not None and in_line.problem is Problem.NOT_CLOSED:
        return JobFailed(
            "unterminated-quote",
            f"The header has a quote in cell {in_line.cell + 1} that is opened and not closed. Close it, "
            "double it if it is text, or declare with the option `quote` which quotes the file has.",
        )
    if fault is None or fault.problem is Problem.NOT_CLOSED:
        return JobFailed(
            "header-too-long", f"The header has more than {MAX_HEADER:,} bytes. Is this a CSV file?"
        )
    return JobFailed(
        "stray-quote",
        f"The header has a quote in the wrong place, in cell {fault.cell + 1}: {fault.problem.value}. "
        "Correct the header, or declare with the option `quote` which quotes the file has.",
    )


def _check(raw: bytes, cells: Sequence[bytes], encoding: str, most: int) -> None:
    if len(cells) > most:
        raise JobFailed("too-many-columns", f"The header has {len(cells):,} columns; {most:,} are allowed.")
    if b"\0" in raw:
        raise JobFailed("nul-character", "The header holds NUL characters: this is not a text file.")
    if encodings.to_utf8(raw, encoding) is None:
        raise JobFailed("encoding-error", encodings.invalid_text("The header", encoding, raw))


def fit(cells: list[str], table: Table) -> list[str]:
    """Return the header's cells, one for each column of the table."""
    missing = [""] * (table.width - len(cells))
    if table.shift is Shift.ROW_NAMES:
        return [*missing, *cells]
    if table.shift is Shift.UNNAMED:
        return [*cells, *missing]
    named = max((index for index, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    return cells[: max(named, table.width)]


def column_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return distinct record keys for header cells, the same for every reader of the file.

    They are normalised. An empty third cell becomes `column_3`; a repeated name gets the suffix `_2`, `_3` …
    """
    names: dict[str, None] = {}
    last: dict[str, int] = {}  # for each repeated name the number that was appended last
    for number, cell in enumerate(cells, start=1):
        base = name = text.normalise(cell) or f"column_{number}"
        while name in names:
            last[base] = last.get(base, 1) + 1
            name = f"{base}_{last[base]}"
        names[name] = None
    return tuple(names)


def has_second_line(header: Sequence[str], table: Table) -> bool:
    """Return whether the record after the header looks like a part of it, such as a line of units.

    It has a word or a sign in most columns whose other records hold values of one type, and a value in none.
    Where no column holds values: names of the header are repeated or empty, and the record's cells, all of
    them words, are unlike all others in most columns.
    """
    rows = table.rows
    if len(rows) <= 1 or len(rows[0].cells) != table.width:
        return False
    if _spans_columns(header) and _is_unlike_others(table):
        return True
    cells = [rows[0].cells[column] for column in _kinds_below(table)]
    if len(cells) == 1 and not _IN_BRACKETS.fullmatch(cells[0]):  # little to go by: a word may be a value
        is_word = _is_unit(cells[0])
        return is_word and len(rows) > _FEWEST and all(kind_of(cell) is Kind.TEXT for cell in rows[0].cells)
    units = sum(map(_is_unit, cells))
    if units >= _FEWEST:
        units += cells.count("-")  # a column without a unit
    return 0 < len(cells) <= units * 2 and all(kind_of(cell) in (Kind.TEXT, Kind.EMPTY) for cell in cells)


def _spans_columns(header: Sequence[str]) -> bool:
    """Return whether names stand above several columns: they are repeated, or left empty behind a name."""
    filled = [cell for cell in header if cell.strip()]
    return len(set(filled)) < len(filled) or "" in [cell.strip() for cell in header[1:]]


def _is_unlike_others(table: Table) -> bool:
    """Return whether the first record is all words, written in another way than the others below it."""
    first, *others = [row.cells for row in table.rows[:50] if len(row.cells) == table.width]
    if len(others) <= _FEWEST or any(kind_of(cell) is not Kind.TEXT for cell in first):
        return False
    columns = list(zip(*others, strict=True))
    unlike = sum(_is_unlike(cell, column) for cell, column in zip(first, columns, strict=True))
    return 2 * unlike > table.width


def _is_unlike(cell: str, others: Sequence[str]) -> bool:
    """Return whether the other cells have in common what this one lacks, such as a capital or a digit."""
    found = [_manner(other) for other in others if other]
    own = _manner(cell)
    return len(found) > _FEWEST and any(
        all(manner[index] is not own[index] for manner in found) for index in range(len(own))
    )


def _manner(cell: str) -> tuple[bool, ...]:
    return cell[:1].isupper(), cell.isupper(), any(map(str.isdigit, cell)), " " in cell


def _kinds_below(table: Table) -> Iterator[int]:
    """Yield the columns whose cells from the second record on are all values of one type."""
    rows = [row for row in table.rows[1:50] if len(row.cells) == table.width]
    for column in range(table.width):
        kinds = {kind_of(row.cells[column]) for row in rows} - {Kind.EMPTY}
        if len(kinds) == 1 and Kind.TEXT not in kinds:
            yield column


def _is_unit(cell: str) -> bool:
    return kind_of(cell) is Kind.TEXT and sum(char.isdigit() for char in cell) <= _DIGITS


def looks_like_data(cells: Sequence[str], table: Table) -> bool:
    """Return whether the header holds values above columns of the same type.

    In a file of one column only numbers and dates count: a list of e-mail addresses has no other header.
    """
    kinds = (Kind.NUMBER, Kind.DATE) if table.width == 1 else tuple(set(Kind) - {Kind.TEXT, Kind.EMPTY})
    return any(
        kind in kinds and kind_of(cell.strip()) is kind
        for cell, kind in zip(cells, table.kinds, strict=False)
    )
