"""Decode a segment of a CSV file into a table of strings, and reject the records that do not fit.

Arrow reads text in which every quote is regular. Most segments hold nothing else and are handed to it as
they are. In any other, records are listed one by one first (:mod:`listing`), and Arrow reads those that are
left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from chalicelib.core.model import BLANKS, Dialect
from chalicelib.formats.csv import quotes as csv_quotes
from chalicelib.formats.csv import rejects_file, second_table
from chalicelib.formats.csv.added_cells import legible
from chalicelib.formats.csv.entries import Entry, Listing, Span, Spot
from chalicelib.formats.csv.explain import Explainer
from chalicelib.formats.csv.fit import Fitted, extra_names, fit
from chalicelib.formats.csv.header_lines import HeaderLines
from chalicelib.formats.csv.inner_headers import inner_headers, may_follow_blank_row
from chalicelib.formats.csv.listing import MOST_TOGETHER, list_records, listings
from chalicelib.formats.csv.pieces import BOM
from chalicelib.formats.csv.rewriting import regular_text
from chalicelib.formats.interface import Batch, Location, Note, Reason, Rejection
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Segment
from chalicelib.rows import rules
from chalicelib.rows.canonical import RecordRejected
from chalicelib.rows.columns import content, size, whole
from chalicelib.rows.rules import Rules
from chalicelib.rows.text import normalise

_SMALL = 1 << 16  # bytes: texts that are looked through


@dataclass(frozen=True, kw_only=True)
class CsvBatch(Batch):
    """The records of a segment. The table has a column of strings for each of the dialect's columns.

    An empty cell is null. Singles are records with many more cells than the header.
    """

    segment: Segment
    dialect: Dialect
    spots: Callable[[Sequence[int]], list[Spot]]  # of records by ordinals, which increase
    wide: Mapping[int, list[str]] = field(default_factory=dict)  # cells of singles, by ordinal

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """See Batch."""
        data, offset = self.segment.data, self.segment.offset
        return [Location(offset + start, data[start:end], row) for start, end, row in self.spots(ordinals)]

    def explain(self, rejections: Sequence[Rejection], raws: Sequence[bytes]) -> Sequence[Rejection]:
        """See Batch."""
        if self.dialect.dropped:  # they are being corrected by a person who has read the first explanation
            return rejections
        return Explainer.of(self, self.dialect).explain(rejections, raws)

    def value(self, ordinal: int) -> Mapping[str, Any]:
        """See Batch."""
        cells = self.wide[ordinal]
        if rejects_file.is_left(cells, self.dialect):
            raise RecordRejected(*rejects_file.NOT_CORRECTED)
        extra = extra_names(self.dialect, len(cells) - len(self.dialect.columns))
        names, cells = [*self.dialect.own_columns, *extra], rejects_file.own_cells(cells, self.dialect)
        values = {
            name: rules.apply(normalise(cell), Rules.of(self.dialect, name))
            for name, cell in zip(names, cells, strict=True)
        }
        return {name: value for name, value in values.items() if value}


class _Place(NamedTuple):
    """The segment that a batch is read from, and what is known of it."""

    segment: Segment
    dialect: Dialect
    spots: Callable[[Sequence[int]], list[Spot]]
    sheet_rows: int
    notes: Sequence[Note] = ()


def decode(segment: Segment, dialect: Dialect) -> Iterator[CsvBatch]:
    """Yield the segment's records in batches: one, unless very many records are listed one by one."""
    readable = legible(segment, dialect)
    for batch in _decode(readable, dialect):  # rejects are shown as they came
        yield batch if readable is segment else replace(batch, segment=segment)


def _decode(segment: Segment, dialect: Dialect) -> Iterator[CsvBatch]:
    batch = _ordinary_batch(segment, dialect)
    if batch is not None:
        yield batch
        return
    for listing in listings(segment, dialect):
        yield _decode_listed(segment, listing, dialect)


def _ordinary_batch(segment: Segment, dialect: Dialect) -> CsvBatch | None:
    """Return the batch of a segment that Arrow can read; None if its records must be listed."""
    text = _plain_text(segment, dialect)
    if text is None:
        return None
    fitted = fit(text, dialect)
    if len(fitted.rejected) > MOST_TOGETHER or not _is_ordinary(text, fitted, dialect, segment.quotes):
        return None
    place = _Place(segment, dialect, _spots_of(segment, dialect), fitted.rows)
    return _batch(place, fitted, range(fitted.rows), {})


def _plain_text(segment: Segment, dialect: Dialect) -> bytes | None:
    """Return the segment in UTF-8 if Arrow may read it as it is."""
    data, quote = segment.data, dialect.quote.encode()
    if segment.stretches or dialect.escape or dialect.comment or dialect.delimiter == BLANKS or b"\0" in data:
        return None
    if dialect.skip_initial_space and quote and quote in data:
        return None
    if data.isascii():
        return data
    text = encodings.to_utf8(data, dialect.encoding)
    return None if text is None or BOM in text else text


def _is_ordinary(text: bytes, fitted: Fitted, dialect: Dialect, quotes: int | None) -> bool:
    """Return whether the text holds nothing but rows of one table, with one kind of line ending."""
    if fitted.rejected or fitted.notes:
        has_header = _header_lines(dialect).may_hold(text)
        is_even = _has_one_ending(text) and not _has_blank_line(text) and not has_header
    else:
        is_even = _has_even_lines(text, fitted, dialect, quotes)
    return is_even and not may_follow_blank_row(fitted) and not inner_headers(dialect).find(fitted)


def _has_even_lines(text: bytes, fitted: Fitted, dialect: Dialect, quotes: int | None) -> bool:
    """Return whether the rows account for all bytes of the text, with one kind of line ending.

    What the values, delimiters, quotes and single line endings leave of the text are the CRs of CRLFs and
    blank lines. In a large text, as many CRs as rows are taken for those of the rows.
    """
    quote, table = dialect.quote.encode(), fitted.table
    columns = [whole(column) for column in table.columns] if table.num_rows else []
    is_open = not text.endswith((b"\n", b"\r"))  # the last line
    left = len(text) + is_open - fitted.rows * len(dialect.columns) - sum(map(size, columns))
    if left and quote and quotes != 0:
        values = (content(column) for column in columns)
        left += sum(value.count(quote) for value in values if quote in value)
        left -= text.count(quote) if quotes is None else quotes
    if b"\r" not in text:
        return left == 0
    if left == 0:  # CRs end the rows, LFs do, or both
        return b"\n" not in text or text.count(b"\r") == sum(
            content(column).count(b"\r") for column in columns
        )
    if len(text) > _SMALL:
        return left == fitted.rows - is_open
    return _has_one_ending(text) and not _has_blank_line(text)


def _has_one_ending(text: bytes) -> bool:
    """Return whether all lines of the text end in LF, or all in CRLF."""
    crs = text.count(b"\r")
    return crs == 0 or crs == text.count(b"\r\n") == text.count(b"\n")


def _has_blank_line(text: bytes) -> bool:
    return text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r\n" in text


@lru_cache(maxsize=16)
def _header_lines(dialect: Dialect) -> HeaderLines:
    return HeaderLines(dialect)


def _spots_of(segment: Segment, dialect: Dialect) -> Callable[[Sequence[int]], list[Spot]]:
    """Return a function that finds records in a segment without blank lines, comments and the like."""

    def spots(ordinals: Sequence[int]) -> list[Spot]:
        spans = csv_quotes.record_spans(segment.data, dialect, ordinals)
        if spans is None:
            return _spots_of_entries(list_records(segment, dialect).entries, ordinals)
        return [(start, end, ordinal) for (start, end), ordinal in zip(spans, ordinals, strict=True)]

    return spots


def _spots_of_entries(entries: Sequence[Entry], ordinals: Sequence[int]) -> list[Spot]:
    chosen = (entries[ordinal] for ordinal in ordinals)
    return [(entry.start, entry.end, entry.sheet_row) for entry in chosen]


def _decode_listed(segment: Segment, listing: Listing, dialect: Dialect) -> CsvBatch:
    """Decode records of a segment that have been listed."""
    entries = listing.entries
    loaded, fitted = _fit_listed(segment, entries, dialect)
    if second_table.find_among_rows(listing, fitted, loaded, dialect):
        loaded, fitted = _fit_listed(segment, entries, dialect)
    rejected = {ordinal: entry.reason for ordinal, entry in enumerate(entries) if entry.reason is not None}

    first_places = {code: (len(places), *places[0]) for code, places in listing.notes.items()}
    if listing.mixed_endings is not None:
        first_places["mixed-line-endings"] = listing.mixed_endings
    notes = [
        Note(code, count, ordinal, _location(segment, span))
        for code, (count, ordinal, span) in first_places.items()
    ]
    place = _Place(segment, dialect, partial(_spots_of_entries, entries), listing.sheet_rows, notes)
    return _batch(place, fitted, loaded, rejected)


def _fit_listed(segment: Segment, entries: Sequence[Entry], dialect: Dialect) -> tuple[list[int], Fitted]:
    """Return the ordinals of the records that are not rejected, and the rows that they become."""
    loaded = [ordinal for ordinal, entry in enumerate(entries) if entry.reason is None]
    text, plain = regular_text(segment.data, [entries[ordinal] for ordinal in loaded], dialect)
    utf8 = encodings.to_utf8(text, dialect.encoding)
    if utf8 is None:
        raise ValueError("a record that is not valid in its encoding was not set apart")
    fitted = fit(utf8, plain)
    if fitted.rows != len(loaded):
        raise ValueError(f"{len(loaded):,} records were read as {fitted.rows:,}")
    return loaded, fitted


def _location(segment: Segment, span: Span | None) -> Location | None:
    if span is None:
        return None
    start, end = span
    return Location(segment.offset + start, segment.data[start:end])


def _batch(
    place: _Place, fitted: Fitted, ordinals: Sequence[int], rejected: Mapping[int, Reason]
) -> CsvBatch:
    """Return a batch of rows with the given ordinals, and of the records that were rejected before."""
    reasons = dict(rejected)
    records = fitted.rows + len(reasons)
    reasons.update((ordinals[row], reason) for row, reason in fitted.rejected)
    wide = {ordinals[row]: cells for row, cells in sorted(fitted.wide.items())}
    notes = [Note(code, len(rows), ordinals[rows[0]]) for code, rows in fitted.notes.items()]
    batch = CsvBatch(
        records,
        fitted.table,
        singles=list(wide),
        rejections=[Rejection(ordinal, *reasons[ordinal]) for ordinal in sorted(reasons)],
        notes=[*place.notes, *notes],
        segment=place.segment,
        dialect=place.dialect,
        spots=place.spots,
        sheet_rows=place.sheet_rows,
        wide=wide,
    )
    return rejects_file.restored(batch) if place.dialect.escaped else batch
