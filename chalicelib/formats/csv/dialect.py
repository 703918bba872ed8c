"""Detect the dialect of a CSV file from its head, and tell what was assumed."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.model import BLANKS, Dialect, Format, Options
from chalicelib.core.warnings import FileWarning
from chalicelib.formats.csv import rejects_file
from chalicelib.formats.csv.detection.choice import Choice, choose
from chalicelib.formats.csv.detection.decimals import MAX_RECORDS, decimal_columns
from chalicelib.formats.csv.detection.evidence import Hypothesis
from chalicelib.formats.csv.detection.sample import Line, Parser, lines_of
from chalicelib.formats.csv.detection.table import Shift
from chalicelib.formats.csv.grammar import ending_of, grammar_of
from chalicelib.formats.csv.header import column_names, fit, has_second_line, looks_like_data, read_header
from chalicelib.formats.interface import Detection, new_dialect
from chalicelib.reading.head import HEAD_SIZE, Head
from chalicelib.reading.lines import count_lines
from chalicelib.rows import text
from chalicelib.rows.formulas import unescape

_SEPARATOR_LINE = re.compile(rb'"?sep=([^\r\n\w"])"?(?:\r\n|\r|\n)', re.IGNORECASE)  # Excel's
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ALMOST_ALL = 0.9  # of the delimiters
_SHIFTS = {Shift.ROW_NAMES: "row-names", Shift.UNNAMED: "unnamed-column"}


def detect(head: Head, options: Options) -> Detection:
    """Return the dialect of a CSV file with that head, and what was assumed. Options override detection.

    Raises JobFailed `dialect-unclear` if the head does not show one hypothesis, and for a header that is too
    long, has too many columns or cannot be decoded.
    """
    marker = rejects_file.find_marker(head.data, head.start)
    if marker is not None:
        return _detect(head, marker.options(options), marker)[0]
    detection, header = _detect(head, options, None)
    marker = rejects_file.marker_among(detection.dialect)
    if marker is None:
        return detection
    own = replace(marker.options(options), skip_initial_space=True)  # values are trimmed in any case
    return _detect(head, own, marker, start=header)[0]


def _detect(
    head: Head, options: Options, marker: rejects_file.Marker | None, *, start: int | None = None
) -> tuple[Detection, int]:
    """Return the dialect with what was assumed, and where the header begins.

    ``marker``: that of a rejects file. ``start``: where the table begins, if that is known.
    """
    separator = None
    if start is None:
        start, separator = _after_skipped_lines(head, options)
    choice = choose(head, start, options, separator[1].decode("latin-1") if separator else None)
    dialect = _dialect(head, options, choice)
    header = dialect.data_start
    end, cells = read_header(head.data, dialect, is_rejects_file=marker is not None)
    if marker is not None:
        cells = [unescape(cell) for cell in cells]
    table = choice.hypothesis.table
    if dialect.header:
        cells = fit(cells, table)
        dialect = replace(dialect, data_start=_skip_lines(head.data, end, options.skip_after_header))
    else:
        cells = [""] * max(len(cells), table.width)
    dialect = replace(
        dialect,
        columns=column_names(cells),
        data_line=count_lines(head.data[: dialect.data_start]),
        data_row=_count_rows(head.data[: dialect.data_start], head.start, dialect),
    )
    if options.decimal == ",":
        rows = _first_rows(head, dialect, choice.hypothesis)
        if marker is not None:
            rows = [[unescape(cell) for cell in row] for row in rows]
        numeric = decimal_columns(rows, dialect.columns, dialect.missing_values)
        dialect = replace(dialect, decimal_columns=numeric)
    dialect = replace(dialect, encoding=head.encoding)
    teller = _Teller(head.data, choice)
    if marker is not None:
        dialect = rejects_file.as_rejects_file(dialect, marker.added, marker.job_id)
        teller.tell(rejects_file.WARNING, 1, header, head.data[header:end])
        return Detection(dialect, tuple(teller.warnings)), header
    if separator is not None:
        teller.tell("separator-line", 1, separator.start(), separator[0])
    teller.tell_of_the_beginning(start)
    teller.tell_of_quotes(options, dialect)
    if dialect.header:
        teller.tell_of_the_header(options, cells, header, end)
    return Detection(dialect, tuple(teller.warnings), runner_up=choice.runner_up), header


def _after_skipped_lines(head: Head, options: Options) -> tuple[int, re.Match[bytes] | None]:
    """Return where the table may begin, and the line `sep=;` before it, which names the delimiter."""
    start = _skip_lines(head.data, head.start, options.skip_lines or 0)
    separator = _SEPARATOR_LINE.match(head.data, start)
    return (separator.end() if separator else start), separator


def _skip_lines(data: bytes, start: int, count: int) -> int:
    """Return the offset behind so many lines."""
    for _ in range(count):
        line = _LINE.match(data, start)
        start = line.end() if line else start
    return start


def _count_rows(data: bytes, start: int, dialect: Dialect) -> int:
    """Return the number of sheet rows from ``start`` on: records, blank lines and lines of other kinds."""
    match_record, rows = grammar_of(dialect).last_record.match, 0
    while start < len(data):
        record = match_record(data, start)
        if record is None or record.end() == start:
            record = _LINE.match(data, start)
        start = record.end() if record else len(data)
        rows += 1
    return rows


def _dialect(head: Head, options: Options, choice: Choice) -> Dialect:
    """Return the dialect but for the columns; ``data_start`` is that of the header."""
    hypothesis = choice.hypothesis
    first = choice.lines[hypothesis.parsed.records[hypothesis.table.first].line]
    skips_blanks = options.skip_initial_space
    if skips_blanks is None:
        skips_blanks = _has_blanks_after_delimiters(choice)
    return replace(
        new_dialect(Format.CSV, head, first.start),
        encoding=head.text_encoding,
        header=options.header is not False,
        delimiter=hypothesis.delimiter,
        quote=hypothesis.quote,
        escape=hypothesis.escape or None,
        skip_initial_space=skips_blanks,
        crlf=_ends_in_crlf(head.data, choice.lines),
        comment=options.comment,
        short_rows=options.short_rows,
        extra_cells=options.extra_cells,
        decimal=options.decimal or Dialect.decimal,
        date_order=options.date_order,
        missing_values=options.missing_values or (),
    )


def _first_rows(head: Head, dialect: Dialect, hypothesis: Hypothesis) -> list[list[str]]:
    """Return the cells of the head's first records, as many as decide which columns hold numbers."""
    is_whole = len(head.data) < HEAD_SIZE
    lines = lines_of(
        head.data, dialect.data_start, len(head.data), dialect.encoding, is_whole=is_whole, most=MAX_RECORDS
    )
    parsed = Parser(hypothesis.delimiter, hypothesis.quote, hypothesis.escape).parse(lines)
    return [list(record.cells) for record in parsed.records]


def _has_blanks_after_delimiters(choice: Choice) -> bool:
    """Return whether a blank follows every delimiter, before quotes as well: it belongs to the delimiter."""
    delimiter, quote, parsed = choice.hypothesis.delimiter, choice.hypothesis.quote, choice.hypothesis.parsed
    if delimiter in (BLANKS, " ") or not parsed.indented:
        return False
    lines = [choice.lines[record.line].text for record in parsed.records]
    plain = "\n".join(line for line in lines if quote not in line)
    divided = parsed.divided + plain.count(delimiter)
    led = parsed.blank_led + plain.count(f"{delimiter} ")
    return led >= _ALMOST_ALL * divided


def _ends_in_crlf(data: bytes, lines: Sequence[Line]) -> bool:
    """Return whether most lines end in CRLF."""
    endings = [data[line.stop : line.end] for line in lines]
    return endings.count(b"\r\n") * 2 > sum(map(bool, endings))


def _ends_otherwise(header: bytes, endings: Counter[bytes]) -> bool:
    """Return whether most records have another line ending than the header."""
    return bool(endings) and endings.most_common(1)[0][0] != ending_of(header)


class _Teller:
    """Tell what was assumed about the beginning of a file."""

    def __init__(self, data: bytes, choice: Choice) -> None:
        self.warnings: list[FileWarning] = []
        self._data = data
        self._choice = choice
        self._records = choice.hypothesis.parsed.records
        self._table = choice.hypothesis.table

    def tell(self, code: str, count: int, offset: int, example: bytes) -> None:
        """Add a warning. ``example`` begins at ``offset``."""
        line = count_lines(self._data[:offset])
        self.warnings.append(FileWarning(code, count, offset, text.excerpt(example), line=line))

    def tell_of_the_beginning(self, start: int) -> None:
        """Tell of lines between ``start`` and the header."""
        lines = self._choice.lines
        header = self._records[self._table.first].line
        passed = [line for line in lines[:header] if line.start >= start and line.text.strip(" \t")]
        if passed:
            self.tell(
                "lines-before-header",
                len(passed),
                passed[0].start,
                self._data[passed[0].start : passed[-1].end],
            )

    def tell_of_quotes(self, options: Options, dialect: Dialect) -> None:
        """Tell of quotes that are text, of escapes, and of blanks before quotes."""
        if not dialect.quote and options.quote is None:
            self._tell_lines("quotes-are-text", '"')
        if dialect.escape and options.escape is None:
            self._tell_lines("escape-detected", dialect.escape)
        if dialect.skip_initial_space and options.skip_initial_space is None:
            self._tell_lines("blank-after-delimiter", f"{dialect.delimiter} ")

    def tell_of_the_header(self, options: Options, cells: Sequence[str], start: int, end: int) -> None:
        """Tell what is odd about the header, which lies between ``start`` and ``end``."""
        if _ends_otherwise(self._data[start:end], self._endings()):
            self.tell("mixed-line-endings", 1, start, self._data[start:end])
        if code := _SHIFTS.get(self._table.shift):
            first = self._choice.lines[self._table.rows[0].line]
            self.tell(code, len(self._table.rows), first.start, self._data[first.start : first.end])
        if options.header is None and looks_like_data(cells, self._table):
            self.tell("header-like-data", 1, start, self._data[start:end])
        if not options.skip_after_header and has_second_line(cells, self._table):
            first = self._choice.lines[self._table.rows[0].line]
            self.tell("second-header-line", 1, first.start, self._data[first.start : first.end])

    def _endings(self) -> Counter[bytes]:
        """Return how often each line ending stands behind a record."""
        last = (self._choice.lines[row.line + row.lines - 1] for row in self._table.rows)
        return Counter(self._data[line.stop : line.end] for line in last if line.end > line.stop)

    def _tell_lines(self, code: str, piece: str) -> None:
        """Tell of the sample's lines that hold the piece of text."""
        holding = [line for line in self._choice.lines if piece in line.text]
        if holding:
            first = holding[0]
            self.tell(code, len(holding), first.start, self._data[first.start : first.end])
