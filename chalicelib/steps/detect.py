"""Looks at the head of a file and says how to read all of it, or why it cannot be read."""

import re
from collections.abc import Sequence

from chalicelib.errors import JobFailed
from chalicelib.model import Dialect, Format
from chalicelib.steps import csv_records, text

HEAD = 1 << 20  # bytes a caller should show
MAX_HEADER = 1 << 18  # bytes
MAX_COLUMNS = 10_000
DELIMITERS = ",;\t|"

_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (  # (first bytes, code, sentence)
    (b"\xff\xfe", "unsupported-encoding", "The file is in UTF-16. Save it as UTF-8 and upload it again."),
    (b"\xfe\xff", "unsupported-encoding", "The file is in UTF-16. Save it as UTF-8 and upload it again."),
    (b"\x1f\x8b", "unsupported-compression", "The file is gzip-compressed. Upload it uncompressed."),
    (b"\x28\xb5\x2f\xfd", "unsupported-compression", "The file is zstd-compressed. Upload it uncompressed."),
    (b"BZh", "unsupported-compression", "The file is bzip2-compressed. Upload it uncompressed."),
    (b"\xfd7zXZ\0", "unsupported-compression", "The file is xz-compressed. Upload it uncompressed."),
    (
        b"PK\x03\x04",
        "unsupported-format",
        "The file is a zip archive or an Excel workbook. Save the sheet as CSV UTF-8 and upload that.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "unsupported-format",
        "The file is an Excel workbook. Save the sheet as CSV UTF-8 and upload that.",
    ),
    (b"PAR1", "unsupported-format", "The file is in Parquet format. Upload CSV or NDJSON."),
)


def detect(head: bytes, declared: Format | None) -> Dialect:
    """How to read a file that begins with ``head`` (at least HEAD bytes, or the whole file).

    Raises JobFailed for a file that cannot be read.
    """
    for magic, code, sentence in _UNREADABLE:
        if head.startswith(magic):
            raise JobFailed(code, sentence)
    start = len(_BOM) if head.startswith(_BOM) else 0
    first = head[start:].lstrip()[:1]
    if declared is None and first == b"[":
        raise JobFailed(
            "unsupported-format",
            "The file is one JSON array. Upload it as NDJSON: one object a line, no brackets or commas.",
        )
    form = declared or (Format.NDJSON if first == b"{" else Format.CSV)
    if form is Format.NDJSON:
        return Dialect(form, data_start=start, bom=start > 0)
    return _csv(head, start)


def _csv(head: bytes, start: int) -> Dialect:
    end, header = _header(head, start)
    delimiter = _delimiter(header)
    (row,) = csv_records.read(header, delimiter)
    try:
        cells = [cell.encode("latin-1").decode() for cell in row.cells]
    except UnicodeDecodeError:
        raise JobFailed(
            "encoding-error", "The header is not valid UTF-8. Save the file as UTF-8 and upload it again."
        ) from None
    if len(cells) > MAX_COLUMNS:
        raise JobFailed(
            "too-many-columns", f"The header has {len(cells):,} columns; {MAX_COLUMNS:,} are allowed."
        )
    if "\0" in header.decode():
        raise JobFailed("nul-character", "The header holds NUL characters: this is not a text file.")
    return Dialect(
        Format.CSV, data_start=end, columns=column_names(cells), bom=start > 0, delimiter=delimiter
    )


def _header(head: bytes, start: int) -> tuple[int, bytes]:
    """The first record that is not blank: where it ends, and its bytes."""
    for row in csv_records.read(head[start : start + MAX_HEADER + 2], ","):
        if row.open or row.end > MAX_HEADER:
            break
        if row.cells:
            return start + row.end, head[start + row.start : start + row.end]
    else:
        raise JobFailed("empty-file", "The file holds nothing but blank lines, not even a header.")
    raise JobFailed(
        "header-too-long",
        f"The header has more than {MAX_HEADER:,} bytes, or an open quote. Is this a CSV file?",
    )


def _delimiter(header: bytes) -> str:
    """The delimiter that the header holds most of outside quotes; the comma if it holds none."""
    bare = re.sub(rb'"[^"]*"', b"", header)
    return max(DELIMITERS, key=lambda delimiter: bare.count(delimiter.encode()))


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
