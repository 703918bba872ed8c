"""The pipeline of a block: text → decoded values → rows and rejects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.model import Dialect
from chalicelib.core.warnings import FileWarning
from chalicelib.formats import format_of
from chalicelib.formats.interface import Batch, FileFormat, Location, Note, Reason, Rejection, Rejections
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Block, RejectedRecord, Segment
from chalicelib.reading.likely_encodings import Advisor
from chalicelib.rows import canonical, flat, nested
from chalicelib.rows.canonical import RecordRejected
from chalicelib.rows.columns import in_groups, whole
from chalicelib.rows.declared import Finding, apply_rules
from chalicelib.rows.identify import identify
from chalicelib.rows.normalise import normalise_column
from chalicelib.rows.rules import Rules
from chalicelib.service.lines import Lines
from chalicelib.service.notes import Notes
from chalicelib.service.rejected import Excerpts, Rejected, RejectedRecords

# That are printed at once, at most: most blocks are one slice.
MOST_CELLS = 1 << 20
MOST_RECORDS = 1 << 17
_REJECTS_AT_ONCE = 1 << 12


def transform(block: Block, dialect: Dialect) -> PreparedBlock:
    """Decode, normalise, print and identify the records of a block.

    The file's format decodes segments into batches of values; from there on all formats share one path:
    :class:`_Printer` turns a batch into canonical records and rejects. Both kinds of values that a batch
    holds, tables and single records, arrive there decoded and not yet normalised. That is the one place for a
    check against a schema.
    """
    printed = print_block(block, dialect)
    rows = identify(printed.texts)
    return PreparedBlock(
        block.no,
        block.start,
        block.end,
        printed.records,
        len(printed.texts) - len(rows),
        rows,
        Excerpts(printed.rejects),
        block.source_offset,
        lines=None if dialect.data_line is None else block.lines,
        sheet_rows=printed.sheet_rows,
        warnings=(*printed.warnings, *block.warnings),
    )


class Printed(NamedTuple):
    """The canonical records, the rejects and the warnings of a block of ``records`` records."""

    texts: pa.Array
    rejects: RejectedRecords
    warnings: Sequence[FileWarning]
    records: int
    sheet_rows: int | None


def print_block(block: Block, dialect: Dialect, *, in_order: bool = False) -> Printed:
    """Decode, normalise and print the records of a block.

    ``in_order``: the texts are in file order. Otherwise, those of single records may come after the others of
    their batch.
    """
    advisor = Advisor() if dialect.encoding == encodings.UTF8 else None
    if dialect.transcoded:  # the text is UTF-8
        dialect = replace(dialect, encoding=encodings.UTF8)
    is_first = block.start < dialect.data_start
    rows_before = dialect.data_row if is_first or dialect.data_row is None else 0
    printer = _Printer(format_of(dialect), dialect, in_order=in_order)
    return _print_segments(block.segments, printer, dialect, advisor, rows_before)


def _print_segments(
    segments: Sequence[Segment | RejectedRecord],
    printer: "_Printer",
    dialect: Dialect,
    advisor: Advisor | None,
    sheet_rows: int | None,
) -> Printed:
    """Decode and print the segments. On return, the decoded values are free: hashing needs their memory.

    ``sheet_rows`` is the number of those in the block before the segments; None: they are not counted.
    """
    file_format = format_of(dialect)
    texts: list[pa.Array] = []
    rejects = RejectedRecords()
    notes = Notes()
    records = 0
    for segment in segments:
        if isinstance(segment, RejectedRecord):
            message = file_format.unreadable[segment.code]
            rejects.append(
                Rejected(
                    segment.code,
                    message,
                    records,
                    segment.offset,
                    segment.raw,
                    line=segment.line,
                    sheet_row=sheet_rows,
                )
            )
            records += 1
            sheet_rows = _sum(sheet_rows, 1)
            continue
        lines = Lines(segment)
        for batch in file_format.decode(segment, dialect):
            printed = printer.print_batch(batch)
            texts += printed.texts
            before = _Before(records, sheet_rows, lines)
            for rejected in _rejects(batch, printed.rejections, before, advisor):
                rejects.append(rejected)
            notes.add(segment, batch, records, printed.notes)
            records += batch.records
            sheet_rows = _sum(sheet_rows, batch.sheet_rows)
    whole_texts = texts[0] if len(texts) == 1 else pa.concat_arrays([*texts, pa.array([], pa.string())])
    return Printed(whole_texts, rejects, notes.warnings, records, sheet_rows)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class _PrintedBatch(NamedTuple):
    """The canonical records of a batch, all its rejections by ordinal, and notes beyond the batch's own."""

    texts: Sequence[pa.Array]
    rejections: Rejections
    notes: Sequence[Note]  # one for each code


class _Printer:
    """Print batches of decoded values as canonical records."""

    def __init__(self, file_format: FileFormat, dialect: Dialect, *, in_order: bool = False) -> None:
        self._in_order = in_order
        self._is_flat = file_format.is_flat
        self._empty_record = file_format.empty_record
        self._rules_of = cache(partial(Rules.of, dialect))  # a column

    def print_batch(self, batch: Batch) -> _PrintedBatch:
        """Return the batch's canonical records and rejections, and what was noted.

        A check against a schema belongs here, before values are normalised and printed: it would take the
        table's columns and the single records, and add rejections of its own.
        """
        arrays: list[pa.Array] = []
        found = batch.rejections
        rejections = found.copy() if isinstance(found, Rejections) else Rejections(found)
        notes: list[Note] = []
        if batch.table is not None:
            texts, findings = self._print_table(batch.table)
            notes += _notes(batch, findings)
            if self._empty_record is not None and pc.any(is_empty := pc.equal(texts, "{}")).as_py():
                ordinals = batch.table_ordinals().filter(is_empty)
                rejections.extend(chain.from_iterable(_in_pieces(ordinals)), self._empty_record)
                texts = texts.filter(pc.invert(is_empty))
            arrays.append(texts)
        if batch.singles:
            arrays.append(pa.array(_print_singles(batch, rejections), pa.string()))
        rejections.sort()
        if self._in_order and len(arrays) > 1:
            arrays = [_in_order(batch, pa.concat_arrays(arrays), rejections)]
        return _PrintedBatch(arrays, rejections, notes)

    def _print_table(self, table: pa.Table) -> tuple[pa.Array, list[Finding]]:
        if not self._is_flat:
            return nested.records(table), []
        texts: list[pa.Array] = []
        findings: list[Finding] = []
        names, columns = table.column_names, [whole(column) for column in table.columns]
        for start, rows in slices(table.num_rows, table.num_columns):
            some, found = self._print_columns(names, [column.slice(start, rows) for column in columns])
            texts.append(some)
            findings += (replace(finding, first=finding.first + start) for finding in found)
        return texts[0] if len(texts) == 1 else pa.concat_arrays(texts), findings

    def _print_columns(
        self, names: Sequence[str], columns: Sequence[pa.Array]
    ) -> tuple[pa.Array, Iterator[Finding]]:
        applied = [
            apply_rules(column, self._rules_of(name))
            for name, column in zip(names, in_groups(normalise_column, columns), strict=True)
        ]
        found = (column.finding for column in applied if column.finding)
        return flat.records(names, [column.values for column in applied]), found


def slices(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yield where each slice of a table begins, and how many rows it has; at least one.

    Printing a slice takes memory for each of its cells and rows: beside the decoded values and the printed
    texts, a block takes no more than one slice does.
    """
    most = max(1, min(MOST_RECORDS, MOST_CELLS // columns))
    for start in range(0, max(rows, 1), most):
        yield start, min(most, rows - start)


def _in_pieces(column: pa.Array) -> Iterator[list[Any]]:
    """Yield the values of a column for Python, some at once."""
    for start in range(0, len(column), _REJECTS_AT_ONCE):
        yield column.slice(start, _REJECTS_AT_ONCE).to_pylist()


def _in_order(batch: Batch, texts: pa.Array, rejections: Rejections) -> pa.Array:
    """Return the texts of a batch, first those of its table and then those of its singles, in file order."""
    rejected = rejections.ordinals
    ordinals = pa.concat_arrays([batch.table_ordinals(), pa.array(batch.singles, pa.int64())])
    ordinals = ordinals.filter(pc.invert(pc.is_in(ordinals, rejected)))
    return texts.take(pc.array_sort_indices(ordinals))


def _notes(batch: Batch, findings: Sequence[Finding]) -> Iterator[Note]:
    """Yield a note for each code among what was found in columns of the batch's table."""
    if not findings:
        return
    ordinals = batch.table_ordinals()
    for code in sorted({finding.code for finding in findings}):
        alike = [finding for finding in findings if finding.code == code]
        first = min(finding.first for finding in alike)
        yield Note(code, sum(finding.count for finding in alike), ordinals[first].as_py())


def _print_singles(batch: Batch, rejections: Rejections) -> Iterator[str]:
    """Yield the single records that can be printed; add a rejection for each that cannot."""
    for ordinal in batch.singles:
        try:
            text = canonical.record(batch.value(ordinal))
        except RecordRejected as error:
            rejections.add(ordinal, Reason(error.code, str(error), error.field))
        else:
            yield text


class _Before(NamedTuple):
    """The numbers of records and sheet rows in the block before a batch, and the lines of its segment."""

    records: int
    sheet_rows: int | None
    lines: Lines


def _rejects(
    batch: Batch, rejections: Rejections, before: _Before, advisor: Advisor | None
) -> Iterator[Rejected]:
    """Yield the rejected records of a batch. Some are looked at at once: they take much memory so."""
    if advisor is not None:
        pieces = _located(batch, rejections)
        advisor.learn(
            location.raw
            for piece in pieces
            for rejection, location in piece
            if rejection.code == "encoding-error"
        )
    for piece in _located(batch, rejections):
        found, locations = zip(*piece, strict=True)
        explained = batch.explain(found, [location.raw for location in locations])
        for (ordinal, code, message, field), (offset, raw, row) in zip(explained, locations, strict=True):
            if advisor is not None and code == "encoding-error":
                message += advisor.advise(raw)  # noqa: PLW2901 - completed
            yield Rejected(
                code,
                message,
                before.records + ordinal,
                offset,
                raw,
                field,
                before.lines.before(offset),
                _sum(before.sheet_rows, row),
            )


def _located(batch: Batch, rejections: Rejections) -> Iterator[list[tuple[Rejection, Location]]]:
    """Yield rejections and where their records are, some at once."""
    for start in range(0, len(rejections), _REJECTS_AT_ONCE):
        some = list(rejections.between(start, start + _REJECTS_AT_ONCE))
        locations = batch.locate([rejection.ordinal for rejection in some])
        yield list(zip(some, locations, strict=True))
