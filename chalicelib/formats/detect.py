"""Looks at the head of a file and says how to read all of it, or why it cannot be read."""

import re
from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.csv import records as csv_records
from chalicelib.formats.json import units as json_units
from chalicelib.reading import encodings
from chalicelib.rows import text

HEAD = 1 << 20  # bytes a caller should show
MAX_HEADER = 1 << 18  # bytes
MAX_COLUMNS = 10_000
DELIMITERS = ",;\t|"
_LOOK = 1 << 16  # bytes that are looked at to find the delimiter

_SEPARATOR_LINE = re.compile(rb"sep=([^\r\n\w\"])(?:\r\n|\r|\n)")  # Excel's

_UNREADABLE = (  # (first bytes, sentence)
    (b"\xd0\xcf\x11\xe0", "The file is an Excel workbook. Save the sheet as CSV UTF-8 and upload that."),
    (b"PAR1", "The file is in Parquet format. Upload CSV or JSON."),
    (b"%PDF", "The file is a PDF document. Upload the data as CSV or JSON."),
)


def refuse(head: bytes) -> None:
    """Raises JobFailed for a file whose first bytes say that it cannot be read."""
    for magic, sentence in _UNREADABLE:
        if head.startswith(magic):
            raise JobFailed("unsupported-format", sentence)


def encoding(head: bytes, options: Options) -> tuple[str, int]:
    """The encoding of a file that begins with ``head``, and the length of its byte-order mark.

    As declared, else by the mark, else UTF-8. Raises JobFailed for an unknown one.
    """
    mark = encodings.by_bom(head)
    if options.encoding is None:
        return mark or (encodings.UTF8, 0)
    name = encodings.known(options.encoding)
    if name is None:
        raise JobFailed("unsupported-encoding", f"There is no encoding called {options.encoding!r}.")
    if mark is not None and mark[0].startswith(name):  # utf-16 may be either of the two
        return mark
    return name, 0


def detect(head: bytes, declared: Format | None, options: Options, found: Dialect) -> Dialect:
    """How to read a file whose text begins with ``head`` (at least HEAD bytes, or the whole file).

    ``found`` says what is known so far; ``found.data_start`` is where the text begins, after a byte-order
    mark. Raises JobFailed for a file that cannot be read.
    """
    if len(head) < HEAD and not head[found.data_start :].strip(json_units.WHITE):
        raise JobFailed("empty-file", "The file holds nothing but white space.")
    form = declared or _format(head, found.data_start)
    if form is Format.JSON:
        start = json_units.array_start(head, found.data_start)
        return replace(found, format=form, array=start is not None, data_start=start or found.data_start)
    if form is Format.NDJSON:
        return replace(found, format=form)
    name = encodings.UTF8 if found.recoded else found.encoding
    return replace(_csv(head, replace(found, encoding=name), options), encoding=found.encoding)


def _format(head: bytes, start: int) -> Format:
    """By the first token; an object that is whole in its line begins a file of such lines.

    So does one that breaks off where no writer of JSON breaks a line, if the next line begins another.
    """
    text = head[start:].lstrip(json_units.WHITE)
    if text.startswith(b"["):
        return Format.JSON
    if not text.startswith(b"{"):
        return Format.CSV
    line, _, rest = text.partition(b"\n")
    end = json_units.container_end(line, 0, len(line))
    if end is None:
        breaks_off = not line.rstrip(json_units.WHITE).endswith((b"{", b"[", b":", b","))
        is_line = breaks_off and rest.lstrip(json_units.WHITE).startswith(b"{")
    else:
        is_line = not line[end:].strip(json_units.WHITE)
    return Format.NDJSON if is_line else Format.JSON


def _csv(head: bytes, found: Dialect, options: Options) -> Dialect:
    start, hinted = _skipped(head, found.data_start, options)
    found = replace(
        found,
        quote='"' if options.quote is None else options.quote,
        escape=options.escape,
        comment=options.comment,
        decimal=options.decimal,
        date_order=options.date_order,
        missing_values=options.missing_values,
    )
    found = _with_delimiter(head[start : start + _LOOK], found, options.delimiter or hinted, options.quote)
    end, cells = _first_record(head, start, found)
    if len(cells) > MAX_COLUMNS:
        raise JobFailed(
            "too-many-columns", f"The header has {len(cells):,} columns; {MAX_COLUMNS:,} are allowed."
        )
    if options.header:
        return replace(found, data_start=end, columns=column_names(cells))
    return replace(found, data_start=start, columns=column_names([""] * len(cells)))


def _skipped(head: bytes, start: int, options: Options) -> tuple[int, str | None]:
    """Where the header begins, and the delimiter that a line `sep=;` before it names."""
    lines = head[start:].splitlines(keepends=True)[: options.skip_lines]
    start += sum(map(len, lines))
    if separator := _SEPARATOR_LINE.match(head, start):
        return separator.end(), separator[1].decode("latin-1")
    return start, None


def _with_delimiter(head: bytes, found: Dialect, delimiter: str | None, quote: str | None) -> Dialect:
    """The dialect that fits the head best, of those that nobody has fixed.

    Best is where most records have as many cells as the first, then where they have most cells; single
    quotes count as quotes only where there are no double ones and more of the head fits with them.
    """
    may_be_single = quote is None and b"'" in head and b'"' not in head
    quotes = [found.quote, "'"] if may_be_single else [found.quote]
    candidates = [
        replace(found, delimiter=one, quote=other) for other in quotes for one in delimiter or DELIMITERS
    ]
    return max(candidates, key=lambda candidate: _fit(head, candidate))


def _fit(head: bytes, dialect: Dialect) -> tuple[float, int]:
    rows = [len(row.cells) for row in csv_records.read(head, dialect) if row.cells]
    whole = rows[:-1] or rows if len(head) == _LOOK else rows  # the last one may be cut off
    if not whole or whole[0] == 1:
        return 0.0, 1
    return whole.count(whole[0]) / len(whole), whole[0]


def _first_record(head: bytes, start: int, found: Dialect) -> tuple[int, list[str]]:
    """The first record that is not blank: where it ends, and its cells."""
    for row in csv_records.read(head[start : start + MAX_HEADER + 2], found):
        if row.open or row.end > MAX_HEADER:
            break
        if row.cells:
            raw = head[start + row.start : start + row.end]
            return start + row.end, _decoded(raw, row.cells, found.encoding)
    else:
        raise JobFailed("header-too-long", f"The file begins with {len(head):,} bytes of blank lines.")
    raise JobFailed(
        "header-too-long",
        f"The header has more than {MAX_HEADER:,} bytes, or an open quote. Is this a CSV file?",
    )


def _decoded(raw: bytes, cells: list[str], name: str) -> list[str]:
    if b"\0" in raw:
        raise JobFailed("nul-character", "The header holds NUL characters: this is not a text file.")
    if encodings.to_utf8(raw, name) is None:
        raise JobFailed("encoding-error", encodings.complaint("The header", name))
    return [cell.encode("latin-1").decode(name) for cell in cells]


def column_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Distinct record keys for header cells, the same for every reader of the file.

    Normalised; `column_3` for an empty third one; a name that is taken gets `_2`, `_3` … appended.
    """
    names: dict[str, None] = {}
    last: dict[str, int] = {}  # for each repeated name the number appended last
    for place, cell in enumerate(cells, start=1):
        base = name = text.normalise(cell) or f"column_{place}"
        while name in names:
            last[base] = last.get(base, 1) + 1
            name = f"{base}_{last[base]}"
        names[name] = None
    return tuple(names)
