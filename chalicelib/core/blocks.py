"""Blocks that are ready for the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.model import Reject
from chalicelib.core.warnings import FileWarning

if TYPE_CHECKING:  # pyarrow is not in the functions' package
    import pyarrow as pa

_REJECT = 64  # bytes of memory that a reject takes beside its record's text


@dataclass(frozen=True)
class PreparedBlock:
    """A block that is ready to be written: rows sorted by hash, each hash once, and rejects."""

    no: int
    start: int  # bytes of the text
    end: int  # where the next block begins
    records: int  # in the file, rejected and repeated ones included
    repeats: int  # records whose row another record of this block has
    rows: "pa.RecordBatch"  # content_hash: binary(32), record: string (canonical JSON)
    rejects: Sequence[Reject] = field(default_factory=tuple)
    source_offset: int | None = None  # bytes read so far of a compressed or transcoded object
    lines: int | None = None  # line endings in it; None under rules 1
    sheet_rows: int | None = None  # in it; None: they are not counted
    warnings: Sequence[FileWarning] = ()  # one for each code
    unstored: int = 0  # records rejected beyond those that ``rejects`` stand for

    @property
    def rejected(self) -> int:
        """The number of records that were rejected."""
        return self.records - self.repeats - len(self.rows)

    @property
    def size(self) -> int:
        """The bytes of memory that it takes, without the encoded rows that a writer makes of it."""
        return int(self.rows.nbytes) + _REJECT * len(self.rejects) + self.end - self.start


@dataclass(frozen=True)
class RejectedBlock:
    """A committed block with rejects, and the numbers in the file before it; None: they are not known."""

    no: int
    start: int  # bytes of the text
    end: int
    rejected: int
    records: int | None
    lines: int | None
    sheet_rows: int | None
