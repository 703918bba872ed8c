"""A block on its way into the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.model import Reject

if TYPE_CHECKING:  # pyarrow is not in the functions' package
    import pyarrow as pa


@dataclass(frozen=True)
class LoadedBlock:
    """A block ready to be written: rows sorted by hash, each hash once, and rejects."""

    no: int
    start: int  # bytes of the text
    end: int  # where the next block begins
    records: int  # in the file, before anything was dropped
    repeated: int  # records whose row another record of this block brings
    rows: "pa.RecordBatch"  # content_hash: binary(32), record: string (canonical JSON)
    rejects: Sequence[Reject] = field(default_factory=tuple)
    source_offset: int | None = None  # of a compressed or transcoded object: how far it had been read
