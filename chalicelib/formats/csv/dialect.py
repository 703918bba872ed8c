"""Detect the dialect of a CSV file: delimiter, quotes, and the columns that its header names."""

import re
from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.csv.rules_1 import records as csv_records
from chalicelib.formats.interface import Detection, new_dialect
from chalicelib.reading import encodings
from chalicelib.reading.head import Head
from chalicelib.reading.lines import count_lines
from chalicelib.rows import text

MAX_HEADER = 1 << 18  # bytes
MAX_COLUMNS = 10_000
DELIMITERS = ",;\t|"

_LOOK = 1 << 16  # bytes from which delimiter and quotes are detected
_SEPARATOR_LINE = re.compile(rb"sep=([^\r\n\w\"])(?:\r\n|\r|\n)")  # Excel's


def detect(head: Head, options: Options) -> Detection:
    """Return the dialect of a CSV file with that head. Options override detection.

    Raises JobFailed for a header that is too long, has too many columns or cannot be decoded.
    """
    start, separator = _after_skipped_lines(head, options)
    dialect = replace(
        new_dialect(Format.CSV, head, start),
        encoding=head.text_encoding,
        quote='"' if options.quote is None else options.quote,
        escape=options.escape,
        comment=options.comment,
        decimal=options.decimal,
        date_order=options.date_order,
        missing_values=options.missing_values,
    )
    sample = head.data[start : start + _LOOK]
    dialect = _with_delimiter(sample, dialect, options.delimiter or separator, options.quote)
    end, cells = _first_record(head.data, dialect)
    if len(cells) > MAX_COLUMNS:
        raise JobFailed(
            "too-many-columns", f"The header has {len(cells):,} columns; {MAX_COLUMNS:,} are allowed."
        )
    if options.header is not False:
        dialect = replace(dialect, data_start=end, columns=column_names(cells))
    else:
        dialect = replace(dialect, columns=column_names([""] * len(cells)))
    data_line = count_lines(head.data[: dialect.data_start])
    return Detection(replace(dialect, data_line=data_line, encoding=head.encoding))


def _after_skipped_lines(head: Head, options: Options) -> tuple[int, str | None]:
    """Return where the header begins, and the delimiter that a line `sep=;` before it names."""
    start = head.start
    lines = head.data[start:].splitlines(keepends=True)[: options.skip_lines or 0]
    start += sum(map(len, lines))
    if separator := _SEPARATOR_LINE.match(head.data, start):
        return separator.end(), separator[1].decode("latin-1")
    return start, None


def _with_delimiter(sample: bytes, dialect: Dialect, delimiter: str | None, quote: str | None) -> Dialect:
    """Return the dialect with the delimiter and the quote that fit the sample best.

    The best fit is the one where most records have as many cells as the first, then the one with most cells.
    Single quotes count as quotes only where there are no double ones and more of the sample fits with them.
    """
    may_be_single = quote is None and b"'" in sample and b'"' not in sample
    quotes = [dialect.quote, "'"] if may_be_single else [dialect.quote]
    candidates = [
        replace(dialect, delimiter=candidate, quote=mark)
        for mark in quotes
        for candidate in delimiter or DELIMITERS
    ]
    return max(candidates, key=lambda candidate: _fit(sample, candidate))


def _fit(sample: bytes, dialect: Dialect) -> tuple[float, int]:
    sizes = [len(row.cells) for row in csv_records.read(sample, dialect) if row.cells]
    complete = sizes[:-1] or sizes if len(sample) == _LOOK else sizes  # the last record may be incomplete
    if not complete or complete[0] == 1:
        return 0.0, 1
    return complete.count(complete[0]) / len(complete), complete[0]


def _first_record(data: bytes, dialect: Dialect) -> tuple[int, list[str]]:
    """Return where the first record that is not blank ends, and its cells."""
    start = dialect.data_start
    for row in csv_records.read(data[start : start + MAX_HEADER + 2], dialect):
        if row.open or row.end > MAX_HEADER:
            break
        if row.cells:
            raw = data[start + row.start : start + row.end]
            return start + row.end, _decode_cells(raw, row.cells, dialect.encoding)
    else:
        raise JobFailed("header-too-long", f"The file begins with {len(data):,} bytes of blank lines.")
    raise JobFailed(
        "header-too-long",
        f"The header has more than {MAX_HEADER:,} bytes, or an open quote. Is this a CSV file?",
    )


def _decode_cells(raw: bytes, cells: list[str], encoding: str) -> list[str]:
    if b"\0" in raw:
        raise JobFailed("nul-character", "The header holds NUL characters: this is not a text file.")
    if encodings.to_utf8(raw, encoding) is None:
        raise JobFailed("encoding-error", encodings.invalid_text("The header", encoding))
    return [cell.encode("latin-1").decode(encoding) for cell in cells]


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
