"""The pipeline of a block: text → decoded values → rows and rejects."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib import interruption
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.erased_values import ERASED, TOLD, ErasedValues
from chalicelib.core.model import Dialect, Reject
from chalicelib.core.packed_rejects import PackedRejects
from chalicelib.core.warnings import FileWarning
from chalicelib.formats import format_of
from chalicelib.formats.interface import Batch, FileFormat, Note, Rejection
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
from chalicelib.rows.slices import in_slices
from chalicelib.rows.text import excerpt
from chalicelib.service.erased_rows import erased_field, erased_in_table
from chalicelib.service.lines import Lines
from chalicelib.service.notes import Notes

_MOST_REJECTIONS = 1 << 14  # that are told at once
_ASK_EVERY = 64  # records that are printed one by one
NO_LIMIT = sys.maxsize
_SHORT = 100  # bytes of a record
_MOST_KNOWN = 1000


class Rejected(NamedTuple):
    """A rejected record of a block, with all bytes that the block has of it. See :class:`Reject`."""

    code: str
    message: str
    record: int
    offset: int
    raw: bytes
    field: str | None = None
    line: int | None = None
    sheet_row: int | None = None
    repeats: int = 0  # see Rejection

    def with_excerpt(self) -> Reject:
        """Return the reject as it is stored."""
        return Reject(
            self.code,
            self.message,
            self.record,
            self.offset,
            excerpt(self.raw),
            self.field,
            self.line,
            self.sheet_row,
            self.repeats + 1,
        )


def transform(
    block: Block, dialect: Dialect, *, most_rejects: int = NO_LIMIT, erased: ErasedValues | None = None
) -> PreparedBlock:
    """Decode, normalise, print and identify the records of a block.

    ``most_rejects``: so many rejects are kept at most, the first ones. ``erased``: what was erased from the
    dataset; records that hold it are rejected.

    The file's format decodes segments into batches of values; from there on all formats share one path:
    :class:`_Printer` turns a batch into canonical records and rejects. Both kinds of values that a batch
    holds, tables and single records, arrive there decoded and not yet normalised. That is the one place for a
    check against a schema.
    """
    rejects = PackedRejects()
    kept = RejectRuns(dialect, lambda rejected: rejects.append(rejected.with_excerpt()), most_rejects, erased)
    printed = print_block(block, dialect, kept)
    rows = identify(printed.texts)
    return PreparedBlock(
        block.no,
        block.start,
        block.end,
        printed.records,
        len(printed.texts) - len(rows),
        rows,
        rejects,
        block.source_offset,
        lines=None if dialect.data_line is None else block.lines,
        sheet_rows=printed.sheet_rows,
        warnings=printed.warnings,
        unstored=kept.beyond,
    )


class RejectRuns:
    """Pass the rejects of a block on, in file order; those that follow each other and are alike as one.

    Alike are rows without a value, and the same bytes where a JSON object should begin: there is nothing in
    them to correct. ``most``: so many are passed on at most. Those that hold an ``erased`` value, or may, are
    passed on without their content.
    """

    def __init__(
        self,
        dialect: Dialect,
        pass_on: Callable[[Rejected], None],
        most: int = NO_LIMIT,
        erased: ErasedValues | None = None,
    ) -> None:
        self.erased = erased
        self._encoding = encodings.UTF8 if dialect.transcoded else dialect.encoding
        empty = format_of(dialect).empty_record
        self._empty = empty and empty.code
        self._has_objects = not format_of(dialect).is_flat
        self._pass_on = pass_on
        self._most = most
        self._last: Rejected | None = None
        self._repeats = 0  # of the last one
        self.rejected = 0  # records so far
        self.beyond = 0  # of those: records whose rejects were not passed on

    def add(self, rejected: Rejected) -> None:
        """Add the next reject of the block."""
        records = rejected.repeats + 1
        self.rejected += records
        if self._last is not None and self._is_alike(self._last, rejected):
            self._repeats += records
            return
        self.finish()
        self._last, self._repeats = rejected, rejected.repeats

    def finish(self) -> None:
        """Pass the last run on."""
        if self._last is None:
            return
        if self._most > 0:
            self._most -= 1
            last = self._last if self.erased is None else _emptied(self._last, self.erased, self._encoding)
            self._pass_on(last._replace(repeats=self._repeats) if self._repeats else last)
        else:
            self.beyond += self._repeats + 1
        self._last = None

    def _is_alike(self, last: Rejected, following: Rejected) -> bool:
        if last.code != following.code or following.record != last.record + self._repeats + 1:
            return False
        if last.code == self._empty:
            return True
        return (
            self._has_objects
            and last.raw == following.raw
            and last.message == following.message
            and not last.raw.lstrip().startswith(b"{")
        )


def _emptied(rejected: Rejected, erased: ErasedValues, encoding: str) -> Rejected:
    """Return the reject, without its content if it holds an erased value, or may."""
    text = rejected.raw.decode("utf-8", "backslashreplace")
    if rejected.code != ERASED and not erased.may_be_in(text, encoding):
        return rejected
    field = rejected.field if rejected.code == ERASED else None
    return rejected._replace(code=ERASED, message=TOLD, raw=b"", field=field)


class Printed(NamedTuple):
    """The canonical records and the warnings of a block of ``records`` records."""

    texts: pa.Array
    warnings: Sequence[FileWarning]
    records: int
    sheet_rows: int | None


def print_block(block: Block, dialect: Dialect, rejects: RejectRuns, *, in_order: bool = False) -> Printed:
    """Decode, normalise and print the records of a block.

    ``rejects`` gets those that cannot be printed. ``in_order``: the texts are in file order. Otherwise, those
    of single records may come after the others of their batch.
    """
    advisor = Advisor() if dialect.encoding == encodings.UTF8 else None
    if dialect.transcoded:  # the text is UTF-8
        dialect = replace(dialect, encoding=encodings.UTF8)
    is_first = block.start < dialect.data_start
    rows_before = dialect.data_row if is_first or dialect.data_row is None else 0
    printer = _Printer(format_of(dialect), dialect, rejects, in_order=in_order)
    printed = _print_segments(block.segments, printer, dialect, advisor, rows_before)
    warnings = (*printed.warnings, *block.warnings)
    if rejects.erased is not None:
        warnings = tuple(without_erased(warning, rejects.erased) for warning in warnings)
    return printed._replace(warnings=warnings)


def without_erased(warning: FileWarning, erased: ErasedValues) -> FileWarning:
    """Return the warning, without its example if that may hold an erased value."""
    return replace(warning, example="") if warning.example and erased.may_be_in(warning.example) else warning


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
    notes = Notes()
    records = 0
    for segment in segments:
        interruption.check()
        if isinstance(segment, RejectedRecord):
            message = file_format.unreadable[segment.code]
            printer.rejects.add(
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
            interruption.check()
            printed = printer.print_batch(batch)
            texts += printed.texts
            before = _Before(records, sheet_rows, lines)
            for rejected in _rejects(batch, printed.rejections, before, advisor):
                printer.rejects.add(rejected)
            notes.add(segment, batch, records, printed.notes)
            records += batch.records
            sheet_rows = _sum(sheet_rows, batch.sheet_rows)
    printer.rejects.finish()
    whole_texts = texts[0] if len(texts) == 1 else pa.concat_arrays([*texts, pa.array([], pa.string())])
    return Printed(whole_texts, notes.warnings, records, sheet_rows)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class _PrintedBatch(NamedTuple):
    """The canonical records of a batch, all its rejections by ordinal, and notes beyond the batch's own."""

    texts: Sequence[pa.Array]
    rejections: Sequence[Rejection]
    notes: Sequence[Note]  # one for each code


class _Printer:
    """Print batches of decoded values as canonical records."""

    def __init__(
        self, file_format: FileFormat, dialect: Dialect, rejects: RejectRuns, *, in_order: bool = False
    ) -> None:
        self.rejects = rejects
        self._in_order = in_order
        self._is_flat = file_format.is_flat
        self._empty_record = file_format.empty_record
        self._rules_of = cache(partial(Rules.of, dialect))  # a column

    def print_batch(self, batch: Batch) -> _PrintedBatch:
        """Return the batch's canonical records and rejections, and what was noted.

        A check against a schema belongs here, before values are normalised and printed: it would take the
        table's columns and the single records, and add rejections of its own.
        """
        arrays, places = list[pa.Array](), list[pa.Array]()  # texts, and the ordinals of their records
        rejections = list(batch.rejections)
        notes: list[Note] = []
        if batch.table is not None:
            texts, findings = self._print_table(batch.table)
            notes += _notes(batch, findings)
            ordinals = batch.table_ordinals()
            if self.rejects.erased is not None:
                is_kept, erased = self._erased_in_table(batch.table, ordinals, self.rejects.erased)
                rejections += erased
                ordinals, texts = ordinals.filter(is_kept), texts.filter(is_kept)
            if self._empty_record is not None and pc.any(is_empty := pc.equal(texts, "{}")).as_py():
                is_kept = pc.invert(is_empty)
                runs = _runs(ordinals.filter(is_empty))
                rejections += [Rejection(first, *self._empty_record, repeats=more) for first, more in runs]
                ordinals, texts = ordinals.filter(is_kept), texts.filter(is_kept)
            arrays.append(texts)
            places.append(ordinals)
        if batch.singles:
            printed = dict(_print_singles(batch, rejections))
            if self.rejects.erased is not None:
                fields = {
                    ordinal: erased_field(text, self.rejects.erased) for ordinal, text in printed.items()
                }
                rejections += [Rejection(it, ERASED, TOLD, field) for it, field in fields.items() if field]
                printed = {ordinal: text for ordinal, text in printed.items() if not fields[ordinal]}
            arrays.append(pa.array(printed.values(), pa.string()))
            places.append(pa.array(printed, pa.int64()))
        rejections.sort(key=lambda rejection: rejection.ordinal)
        if self._in_order and len(arrays) > 1:
            arrays = [pa.concat_arrays(arrays).take(pc.array_sort_indices(pa.concat_arrays(places)))]
        return _PrintedBatch(arrays, rejections, notes)

    def _erased_in_table(
        self, table: pa.Table, ordinals: pa.Array, erased: ErasedValues
    ) -> tuple[pa.Array, list[Rejection]]:
        """Return whether each row is to be loaded, and the rejections of the others."""
        is_kept = pa.repeat(pa.scalar(value=True), table.num_rows)
        rejections: list[Rejection] = []
        for field, is_erased in erased_in_table(table, erased, self._finished):
            concerned = ordinals.filter(pc.and_(is_kept, is_erased)).to_pylist()
            rejections += (Rejection(ordinal, ERASED, TOLD, field) for ordinal in concerned)
            is_kept = pc.and_not(is_kept, is_erased)
        return is_kept, rejections

    def _finished(self, name: str, column: pa.Array) -> pa.Array:
        return apply_rules(column, self._rules_of(name)).values if self._is_flat else column

    def _print_table(self, table: pa.Table) -> tuple[pa.Array, list[Finding]]:
        if not self._is_flat:
            return nested.records(table), []
        texts: list[pa.Array] = []
        findings: list[Finding] = []
        names, columns = table.column_names, [whole(column) for column in table.columns]
        start = 0
        for some in in_slices(columns):
            printed, found = self._print_columns(names, some)
            findings += (replace(finding, first=finding.first + start) for finding in found)
            texts.append(printed)
            start += len(printed)
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


def _runs(ordinals: pa.Array) -> Iterator[tuple[int, int]]:
    """Yield the first of each run of successive ordinals, and how many more it has."""
    begins = pc.not_equal(pc.pairwise_diff(ordinals), 1).fill_null(True)  # noqa: FBT003 - the first one
    firsts = ordinals.filter(begins).to_pylist()
    starts = pc.indices_nonzero(begins).to_pylist()
    for first, start, end in zip(firsts, starts, [*starts[1:], len(ordinals)], strict=True):
        yield first, end - start - 1


def _notes(batch: Batch, findings: Sequence[Finding]) -> Iterator[Note]:
    """Yield a note for each code among what was found in columns of the batch's table."""
    if not findings:
        return
    ordinals = batch.table_ordinals()
    for code in sorted({finding.code for finding in findings}):
        alike = [finding for finding in findings if finding.code == code]
        first = min(finding.first for finding in alike)
        yield Note(code, sum(finding.count for finding in alike), ordinals[first].as_py())


def _print_singles(batch: Batch, rejections: list[Rejection]) -> Iterator[tuple[int, str]]:
    """Yield ordinal and text of single records; append a rejection for each that cannot be printed."""
    known: dict[bytes, str | RecordRejected] = {}  # what came of short records: some files repeat them
    for ordinal in interruption.asking(batch.singles, _ASK_EVERY):
        source = batch.source(ordinal)
        printed = None if source is None else known.get(source)
        if printed is None:
            printed = _print_single(batch, ordinal)
            if source is not None and len(source) <= _SHORT and len(known) < _MOST_KNOWN:
                known[source] = printed
        if isinstance(printed, str):
            yield ordinal, printed
        else:
            rejections.append(Rejection(ordinal, printed.code, str(printed), printed.field))


def _print_single(batch: Batch, ordinal: int) -> str | RecordRejected:
    try:
        return canonical.record(batch.value(ordinal))
    except RecordRejected as error:
        return error.with_traceback(None)


class _Before(NamedTuple):
    """The numbers of records and sheet rows in the block before a batch, and the lines of its segment."""

    records: int
    sheet_rows: int | None
    lines: Lines


def _rejects(
    batch: Batch, rejections: Sequence[Rejection], before: _Before, advisor: Advisor | None
) -> Iterator[Rejected]:
    """Yield the rejected records of a batch, some of them at a time: there may be very many."""
    for start in range(0, len(rejections), _MOST_REJECTIONS):
        yield from _some_rejects(batch, rejections[start : start + _MOST_REJECTIONS], before, advisor)


def _some_rejects(
    batch: Batch, rejections: Sequence[Rejection], before: _Before, advisor: Advisor | None
) -> Iterator[Rejected]:
    locations = batch.locate([rejection.ordinal for rejection in rejections])
    rejections = batch.explain(rejections, [location.raw for location in locations])
    both = list(zip(rejections, locations, strict=True))
    if advisor is not None:
        advisor.learn(location.raw for rejection, location in both if rejection.code == "encoding-error")
    for (ordinal, code, message, field, repeats), (offset, raw, row) in interruption.asking(both):
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
            repeats,
        )
