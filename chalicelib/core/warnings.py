"""Warnings: what Sluice assumed, skipped or repaired when it read a file.

KINDS is the table of codes. `docs/reference/warnings.md` shows it with an example for each code, which a test
runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class WarningKind(NamedTuple):
    """A sentence for readers who do not program, and the option that decides the matter."""

    message: str
    option: str | None = None  # None: no option does


@dataclass(frozen=True, slots=True)
class FileWarning:
    """A warning about a file or a block of it, with the first place that it concerns.

    ``record`` and ``line`` count from 0: within the block for a warning of a block, within the file for one
    of the head. ``offset`` is in bytes of the text.
    """

    code: str  # one of KINDS
    count: int  # how many lines, records or cells it concerns
    offset: int
    example: str  # an excerpt of the first place
    record: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class JobWarning:
    """A warning about a job: the sum over its file, and the first place.

    ``record`` and ``line`` count from 1 in the file. They are None where the warning has none, and while
    earlier blocks are missing. A purge leaves the code and the count.
    """

    code: str  # one of KINDS, or of those of a newer version
    count: int
    offset: int | None
    example: str | None
    record: int | None = None
    line: int | None = None


KINDS: Mapping[str, WarningKind] = {
    # the beginning of a CSV file
    "lines-before-header": WarningKind(
        "The lines before the header were skipped: the lines that follow have more cells.", "skip_lines"
    ),
    "separator-line": WarningKind(
        "The first line names the delimiter. It was skipped: it is not part of the table.", "delimiter"
    ),
    "second-header-line": WarningKind(
        "The line after the header looks like a part of the header, such as a line of units. "
        "It was loaded as a record.",
        "skip_after_header",
    ),
    "header-like-data": WarningKind(
        "The header looks like a record: its cells are values rather than names.", "header"
    ),
    "rejects-file": WarningKind(
        "The file holds rejects of another job. The columns that Sluice had added were dropped, "
        "and the apostrophes that it had put before values were removed."
    ),
    "apostrophes-kept": WarningKind(
        "The upload names a parent job, but the file has none of the columns that Sluice adds to rejects. "
        "So it was read like any other file: apostrophes before values were not removed."
    ),
    "row-names": WarningKind(
        "Every record has one cell more than the header. The first cell was read as the name of the row.",
        "header",
    ),
    "unnamed-column": WarningKind(
        "Every record has more cells than the header. The last columns have no name.", "header"
    ),
    "blank-after-delimiter": WarningKind(
        "A blank follows every delimiter. It was read as a part of the delimiter.", "skip_initial_space"
    ),
    "quotes-are-text": WarningKind(
        "The quotes in this file do not enclose cells. They were kept as text.", "quote"
    ),
    "escape-detected": WarningKind(
        "A backslash before a quote was read as an escape: the quote is text.", "escape"
    ),
    "encoding-detected": WarningKind(
        "The file has no byte-order mark. Its zero bytes show the encoding.", "encoding"
    ),
    "byte-order-assumed": WarningKind(
        "The file has no byte-order mark, and nothing in it shows the order of the bytes. "
        "Sluice assumed that the low byte of each character comes first.",
        "encoding",
    ),
    "mixed-line-endings": WarningKind(
        "The lines of the file end in different ways. Each line ending was accepted."
    ),
    # the records of a CSV file
    "line-ending-in-cell": WarningKind(
        "A line feed or a carriage return by itself was read as text, "
        "because the lines of the file end in both and the next line completes the record."
    ),
    "empty-extra-cells": WarningKind(
        "Records have more cells than the header. The extra cells were empty and were dropped.", "extra_cells"
    ),
    "extra-cells": WarningKind("Records with more cells than the header were rejected.", "extra_cells"),
    "extra-cells-dropped": WarningKind(
        "Records have more cells than the header. The extra cells were dropped, as declared.", "extra_cells"
    ),
    "extra-cells-kept": WarningKind(
        "Records have more cells than the header. The extra cells were kept as extra_1, extra_2 …",
        "extra_cells",
    ),
    "short-rows": WarningKind("Records with fewer cells than the header were rejected.", "short_rows"),
    "short-rows-padded": WarningKind(
        "Records have fewer cells than the header. The missing cells are empty, as declared.", "short_rows"
    ),
    "repeated-header": WarningKind("Lines that repeat the header were skipped."),
    "rejects-of-several-jobs": WarningKind(
        "The file holds rejects of several jobs. All values were read with the options of the first job."
    ),
    "byte-order-mark": WarningKind("Byte-order marks at the beginning of later lines were dropped."),
    "second-table": WarningKind(
        "A line among the records looks like the header of another table. "
        "The records under it were rejected, or may have been loaded under the names of the first table."
    ),
    "rows-in-cell": WarningKind(
        "A quoted cell holds lines that look like records. Perhaps a quote is missing.", "quote"
    ),
    "decimal-not-applied": WarningKind(
        "Values in columns of numbers are not numbers with a decimal comma. They were left unchanged.",
        "decimal",
    ),
    "number-in-text-column": WarningKind(
        "Values look like numbers with a decimal comma, but the beginning of the file does not show their "
        "columns to be numbers. They were left unchanged.",
        "decimal",
    ),
    # NDJSON and JSON
    "json-envelope": WarningKind(
        "The records seem to be inside an envelope, which was loaded as one record.", "records"
    ),
    "commas-between-lines": WarningKind("Commas between the records were skipped."),
    # containers
    "archive-extras": WarningKind(
        "Empty files, and files that an operating system adds to archives, were skipped."
    ),
    "bytes-after-archive": WarningKind(
        "White space or zero bytes after the end of the compressed data were skipped."
    ),
}
