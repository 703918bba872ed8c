"""Files of rejected records: the columns that Sluice adds to them, and reading such a file again.

The name of the last column is a marker, which survives a spreadsheet program: it names the job. If the file
has a column `_reason`, `_line` or `_raw` of its own, a number follows the names of all added columns, the
marker's included. So the added columns are found by their names, wherever a person has moved them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.interface import Reason, Rejection
from chalicelib.rows.columns import whole
from chalicelib.rows.formulas import unescape, unescape_column
from chalicelib.rows.text import WHITESPACE, normalise

if TYPE_CHECKING:
    from chalicelib.formats.csv.decode import CsvBatch

WARNING = "rejects-file"
NOT_CORRECTED = Reason(
    "not-corrected",
    "The record has only the text of a rejected record, in column `_raw`. "
    "Fill in its columns from that text, or remove the row.",
)
LARGEST_HEADER = 1 << 20  # bytes: that of a file of rejects is in UTF-8, its quotes are doubled

_REASON, _LINE, _RAW = "_reason", "_line", "_raw"
_MARKER = "_sluice_rejects_of_"
_NAMED = re.compile(rf"{_MARKER}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})((?:_[0-9]+)?)")
_named_in_bytes = re.compile(rb"([\"']?)" + _NAMED.pattern.encode() + rb"([\"']?)")
_DELIMITERS = b",;\t|:^~\x01"
_BEFORE_HEADER = re.compile(rb'(?:"?sep=[^\r\n\w]"?(?:\r\n|\r|\n))?[\r\n]*', re.IGNORECASE)


class AddedColumns(NamedTuple):
    """The names of the columns that a file of rejects has behind those of the table."""

    reason: str
    line: str
    raw: str
    marker: str

    @classmethod
    def named(cls, job_id: str, suffix: str = "") -> "AddedColumns":
        """Return the columns for the rejects of a job."""
        return cls(_REASON + suffix, _LINE + suffix, _RAW + suffix, f"{_MARKER}{job_id}{suffix}")

    @classmethod
    def beside(cls, columns: Sequence[str], job_id: UUID) -> "AddedColumns":
        """Return the columns for the rejects of a job, with names that none of its own columns has."""
        added, number = cls.named(str(job_id)), 1
        while not set(added).isdisjoint(columns):
            number += 1
            added = cls.named(str(job_id), f"_{number}")
        return added


@dataclass(frozen=True)
class Marker:
    """The marker in a header, and how the file was written by Sluice or by a spreadsheet program since."""

    job_id: str
    added: AddedColumns
    delimiter: str
    quote: str

    def options(self, declared: Options) -> Options:
        """Return the options by which to read the file: it shows itself how it is laid out."""
        return replace(
            declared,
            delimiter=self.delimiter,
            quote=self.quote,
            escape="",
            skip_initial_space=False,
            header=True,
            skip_lines=0,
            skip_after_header=0,
            comment=None,
        )


def find_marker(data: bytes, start: int) -> Marker | None:
    """Return the marker in the first record of a file's head from ``start`` on; None if there is none."""
    before = _BEFORE_HEADER.match(data, start)
    start = before.end() if before else start
    stop = start + LARGEST_HEADER
    if data.find(_MARKER.encode(), start, stop) < 0:
        return None
    cells: dict[bytes, frozenset[bytes]] = {}  # by delimiter and quote: the header may hold very many markers
    for named in _named_in_bytes.finditer(data, start, stop):
        quote = named[1] or b'"'
        at = named.start() - 1 if named.start() > start else named.end()
        if not (delimiter := data[at : at + 1]) or delimiter not in _DELIMITERS:
            continue
        name = named[0].removeprefix(named[1]).removesuffix(named[4])
        if (layout := delimiter + quote) not in cells:
            cells[layout] = _first_cells(data, start, delimiter.decode(), quote.decode())
        if name in cells[layout]:
            added = AddedColumns.named(job_id := named[2].decode(), named[3].decode())
            return Marker(job_id, added, delimiter.decode(), quote.decode())
    return None


def marker_among(dialect: Dialect) -> Marker | None:
    """Return the marker among the columns of a file that was detected like any other; None without one.

    A person may have put a title above the header, or blanks around its cells.
    """
    for name in dialect.columns if dialect.header else ():
        if named := _NAMED.fullmatch(name.lower()):
            added = AddedColumns.named(named[1], named[2])
            return Marker(named[1], added._replace(marker=name), dialect.delimiter, dialect.quote)
    return None


def _first_cells(data: bytes, start: int, delimiter: str, quote: str) -> frozenset[bytes]:
    """Return the cells of the first record."""
    grammar = grammar_of(Dialect(Format.CSV, start, delimiter=delimiter, quote=quote))
    record = grammar.last_record.match(data, start, start + LARGEST_HEADER)
    return frozenset(map(bytes.strip, grammar.cells(record[0]) if record else ()))


def as_rejects_file(dialect: Dialect, added: Sequence[str], job_id: str | None) -> Dialect:
    """Return the dialect of a file of rejects. ``added``: names of columns that Sluice may have added.

    Raises JobFailed if the file has no other columns.
    """
    dropped = tuple(name for name in dialect.columns if name in added)
    numeric = dialect.decimal_columns
    if numeric is not None:
        numeric = tuple(name for name in numeric if name not in dropped)
    dialect = replace(dialect, dropped=dropped, escaped=True, rejects_of=job_id, decimal_columns=numeric)
    if not dialect.own_columns:
        raise JobFailed(
            "dialect-unclear",
            "The file has only the columns that Sluice added to rejected records: "
            f"{', '.join(dropped)}. Nothing was loaded. Upload it with the columns of the table.",
        )
    return dialect


def is_marker(name: str) -> bool:
    """Return whether a column's name is a marker."""
    return _NAMED.fullmatch(name.strip().lower()) is not None


def header_cells(cells: Sequence[str], dialect: Dialect) -> list[str]:
    """Return the cells of what may be a header, as those of the dialect's file.

    The marker of other rejects becomes its own: a person may have put several files into one.
    """
    marker = next((name for name in dialect.dropped if _NAMED.fullmatch(name)), None)
    return [marker if marker and _NAMED.fullmatch(cell.strip()) else unescape(cell) for cell in cells]


def restored(batch: "CsvBatch") -> "CsvBatch":
    """Return the batch without the columns that Sluice added, its values as they were.

    Rows that hold a text that is still to be put into columns are rejected.
    """
    table, dialect = batch.table, batch.dialect
    if table is None or not table.num_rows:
        return batch if table is None else replace(batch, table=table.drop_columns(list(dialect.dropped)))
    own = table.drop_columns(list(dialect.dropped))
    names, columns = own.column_names, [unescape_column(whole(column)) for column in own.columns]
    is_left = _are_left(table, dialect)
    if is_left is None:
        return replace(batch, table=pa.Table.from_arrays(columns, names))
    columns = [column.filter(pc.invert(is_left)) for column in columns]
    ordinals = batch.table_ordinals().filter(is_left).to_pylist()
    rejections = [*batch.rejections, *(Rejection(ordinal, *NOT_CORRECTED) for ordinal in ordinals)]
    rejections.sort(key=lambda rejection: rejection.ordinal)
    return replace(batch, table=pa.Table.from_arrays(columns, names), rejections=rejections)


def _are_left(table: pa.Table, dialect: Dialect) -> pa.Array | None:
    """Return which rows hold a text in `_raw` and nothing in their own columns; None: no row does."""
    name = raw_column(dialect)
    if name is None:
        return None
    left = pc.invert(_are_blank(whole(table.column(name))))
    for own in dialect.own_columns:
        if not pc.any(left).as_py():
            return None
        left = pc.and_(left, _are_blank(whole(table.column(own))))
    return left if pc.any(left).as_py() else None


def _are_blank(column: pa.Array) -> pa.Array:
    return pc.equal(pc.utf8_trim(column, characters=WHITESPACE).fill_null(""), "")


def raw_column(dialect: Dialect) -> str | None:
    """Return the name of the dropped column `_raw`; None if the file does not have it."""
    return next((name for name in dialect.dropped if name.startswith(_RAW)), None)


def own_cells(cells: Sequence[str], dialect: Dialect) -> list[str]:
    """Return a record's cells as they were, without those of dropped columns."""
    if not dialect.escaped:
        return list(cells)
    names = [*dialect.columns, *[""] * (len(cells) - len(dialect.columns))]
    return [unescape(cell) for name, cell in zip(names, cells, strict=False) if name not in dialect.dropped]


def is_left(cells: Sequence[str], dialect: Dialect) -> bool:
    """Return whether a record with these cells is one that :data:`NOT_CORRECTED` is about."""
    own = own_cells(cells, dialect)[: len(dialect.own_columns)]
    return bool(normalise(left_text(cells, dialect))) and not any(map(normalise, own))


def left_text(cells: Sequence[str], dialect: Dialect) -> str:
    """Return what a record has in the dropped column `_raw`."""
    name = raw_column(dialect)
    index = dialect.columns.index(name) if name is not None else len(cells)
    return unescape(cells[index]) if index < len(cells) else ""
