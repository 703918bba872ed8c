"""Files and records: sources, dialects, ranges, rejects, tallies. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """The status of a job; :mod:`chalicelib.core.lifecycle` has the transitions."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    PREVIEWED = "PREVIEWED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    UNDOING = "UNDOING"
    UNDONE = "UNDONE"

    @property
    def is_terminal(self) -> bool:
        """Whether no worker has anything to do for a job in this status until a client acts on the job."""
        return self not in (Status.PENDING, Status.PROCESSING, Status.UNDOING)


class Format(StrEnum):
    """File formats that Sluice reads."""

    CSV = "csv"
    NDJSON = "ndjson"  # one object per line
    JSON = "json"  # one array of objects, or objects one after another, over any lines

    @property
    def is_table(self) -> bool:
        """Whether its files have rows and columns, as a spreadsheet has."""
        return self is Format.CSV


@dataclass(frozen=True)
class Source:
    """The object that a job reads, pinned: an object that was replaced has another ``etag``."""

    bucket: str
    key: str
    etag: str
    size: int  # bytes
    version_id: str | None = None
    # The SHA-256 that S3 verified, in base64; of a multipart upload, the hash of its parts' checksums.
    checksum: str | None = None
    modified_at: datetime | None = field(default=None, compare=False)  # None: the source is from an event


BLANKS = "blanks"  # as a delimiter: runs of spaces and tabs
RULES = (
    2  # the rules by which files are read today; `docs/reference/reading.md` lists what each number changed
)


class ShortRows(StrEnum):
    """The treatment of CSV records with fewer cells than the header."""

    REJECT = "reject"
    PAD = "pad"  # the missing cells are empty


class ExtraCells(StrEnum):
    """The treatment of CSV records with more cells than the header, unless all extra cells are empty."""

    REJECT = "reject"
    DROP = "drop"
    KEEP = "keep"  # as `extra_1`, `extra_2` …


@dataclass(frozen=True)
class Options:
    """Declarations of a client about its file. What is None is not declared: detected, or a default."""

    delimiter: str | None = None  # a character, or BLANKS
    quote: str | None = None  # empty: there are no quotes
    escape: str | None = None  # empty: there are no escapes
    skip_initial_space: bool | None = None  # blanks after a delimiter belong to the delimiter
    encoding: str | None = None  # a name that Python knows
    header: bool | None = None  # None: the first line is the header
    skip_lines: int | None = None
    skip_after_header: int = 0  # lines
    comment: str | None = None  # the first character of lines to ignore
    short_rows: ShortRows = ShortRows.REJECT
    extra_cells: ExtraCells = ExtraCells.REJECT
    # those about values are None, so that one that is declared counts before that of a parent job
    decimal: str | None = None
    date_order: str | None = None  # DMY, MDY or YMD
    missing_values: tuple[str, ...] | None = None
    records: str | None = None  # JSON only: the path of the list of records in the file (RFC 6901)


@dataclass(frozen=True)
class Dialect:
    """The dialect of a file, sufficient to read any block of it without the head."""

    format: Format
    data_start: int  # byte offset of the first record, after a byte-order mark and the header
    data_line: int | None = None  # the number of lines before that; None under rules 1
    rules: int = 1  # by which the file is read
    encoding: str = "utf-8"
    bom: bool = False
    transcoded: bool = False  # to UTF-8 before it is cut: offsets are those of the UTF-8
    compression: str | None = None
    # JSON only
    array: bool = False  # the records are in an array
    records: str | None = None  # the path of the list or object that holds the records (RFC 6901)
    keyed: bool = False  # the records are the values of an object's members
    # CSV only
    data_row: int | None = None  # the number of sheet rows before ``data_start``; None: they are not counted
    columns: tuple[str, ...] = ()  # the record keys, in file order
    header: bool = True  # the file names its columns
    delimiter: str = ","  # a character, or BLANKS
    quote: str = '"'  # empty: there are no quotes
    escape: str | None = None
    skip_initial_space: bool = False
    crlf: bool = False  # lines end in CRLF, and a LF or CR by itself may be text
    comment: str | None = None
    short_rows: ShortRows = ShortRows.REJECT
    extra_cells: ExtraCells = ExtraCells.REJECT
    decimal: str = "."
    decimal_columns: tuple[str, ...] | None = None  # to which ``decimal`` applies; None: to all
    date_order: str | None = None
    missing_values: tuple[str, ...] = ()
    # a file of rejects that Sluice made
    dropped: tuple[str, ...] = ()  # those of the columns that it added, which are not loaded
    escaped: bool = False  # its values bear the escape of :mod:`chalicelib.rows.formulas`
    rejects_of: str | None = None  # the id of the job that rejected them, as the file names it

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The record keys of columns that are loaded, in file order."""
        return tuple(name for name in self.columns if name not in self.dropped)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the fields that apply to the dialect's format."""
        return (*_DIALECT_MEMBERS, *_FORMAT_MEMBERS.get(self.format, ()))


_DIALECT_MEMBERS = (
    *("format", "data_start", "data_line", "rules", "encoding", "bom", "transcoded", "compression"),
)
_FORMAT_MEMBERS: Mapping[Format, tuple[str, ...]] = {  # of formats that have more
    Format.CSV: (
        *("data_row", "columns", "header", "delimiter", "quote", "escape", "skip_initial_space", "crlf"),
        *("comment",),
        *("short_rows", "extra_cells", "decimal", "decimal_columns", "date_order", "missing_values"),
        *("dropped", "escaped", "rejects_of"),
    ),
    Format.NDJSON: (),
    Format.JSON: ("array", "records", "keyed"),
}


@dataclass(frozen=True)
class Gap:
    """A stretch of the text that the ledger does not cover, in bytes. It begins where a record begins."""

    start: int
    end: int | None  # None: the end of the text, which is not known yet


@dataclass(frozen=True)
class Range:
    """A stretch of the text, in bytes, that begins and ends at record borders."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)  # a bad file has millions of them
class Reject:
    """A record that was not loaded, with the reason; or ``count`` of them that are alike, the first one told.

    ``record``, ``line`` and ``sheet_row`` count from 0 within its block. ``sheet_row`` is the row in a
    spreadsheet program, where blank lines count; None: the file has no rows.
    """

    code: str
    message: str  # a sentence for readers who do not program
    record: int
    offset: int  # of the record's first byte in the file
    raw: str  # an excerpt of the record, unchanged
    field: str | None = None
    line: int | None = None
    sheet_row: int | None = None
    count: int = 1


@dataclass(frozen=True)
class Tally:
    """The counts of a block or a job: ``records = inserted + duplicates + rejected``."""

    records: int = 0
    inserted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unstored: int = 0  # of those rejected: they are beyond the limit for rejects that are stored


@dataclass(frozen=True)
class Place:
    """The place of a record in its file. All but the offset count from 1.

    The numbers are prefix sums over the ledger, so they are None while earlier blocks are missing. ``line``
    is None too in jobs of an earlier version, and ``sheet_row`` there and in a file without rows.
    """

    offset: int  # bytes
    record: int | None = None  # among the records, rejected ones included
    line: int | None = None  # as a text editor counts
    sheet_row: int | None = None  # as a spreadsheet program counts


@dataclass(frozen=True)
class RejectCount:
    """The number of a job's rejects with one code and one field; place and message of the first."""

    code: str
    field: str | None
    count: int
    first: Place | None = None  # None: the rejects have been removed
    message: str | None = None
    alike: int = 1  # records that the first one stands for


@dataclass(frozen=True)
class StoredReject:
    """A reject as stored."""

    cursor: tuple[int, int]  # block number, record within the block
    place: Place  # of the first one
    field: str | None
    code: str
    message: str
    raw: str
    count: int = 1  # records that it stands for


@dataclass(frozen=True, slots=True)
class WholeReject:
    """A rejected record, whole, with its place in the file."""

    code: str
    message: str
    field: str | None
    place: Place
    raw: bytes  # its bytes in the text, with its line ending; is_cut: the first of too many
    is_cut: bool = False
    is_excerpt: bool = False  # only an excerpt was kept: the object is gone
    count: int = 1  # records that it stands for
