"""The interface behind which each file format stands.

A format recognises its files by their head, says where records end, and decodes segments into values. It
neither normalises nor prints them: that is the same for all formats, see :mod:`chalicelib.rows`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.core.model import RULES, Dialect, Format, Options
from chalicelib.core.preview import RunnerUp
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.blocks import Framing, Segment
from chalicelib.reading.head import Head
from chalicelib.reading.lines import count_lines


class Reason(NamedTuple):
    """A reject's code, its message, and the column or key that it is about.

    The message is for readers who do not program. Where its subject is "The record", the record's place is
    shown instead: see :mod:`chalicelib.core.reject_messages`.
    """

    code: str
    message: str
    field: str | None = None


class Rejection(NamedTuple):
    """A record that a decoder rejected. ``ordinal`` counts the batch's records from 0.

    ``repeats``: so many more records are rejected alike, and stand for themselves nowhere else. They follow
    the first one, whose ordinal and bytes are told, each at once or with one other record between.
    """

    ordinal: int
    code: str
    message: str
    field: str | None = None
    repeats: int = 0


class Location(NamedTuple):
    """The location of a record in the text, its bytes, and the sheet rows before it in its batch."""

    offset: int
    raw: bytes
    sheet_row: int | None = None  # None: the format has no rows


@dataclass(frozen=True, slots=True)
class Note:
    """What a decoder assumed, passed over or repaired in a batch, and how often.

    ``code`` is one of :data:`chalicelib.core.warnings.KINDS`. ``ordinal`` is that of the first record that it
    concerns. If the line is not a record, it is the next record's ordinal, and ``location`` is the line's.
    """

    code: str
    count: int
    ordinal: int
    location: Location | None = None  # None: that of the record


class Detection(NamedTuple):
    """A dialect, and what was assumed in order to find it.

    ``finish``: complete the dialect, where the head does not suffice. It takes the text from ``data_start``
    on, and raises JobFailed. ``runner_up``: the second best reading, where several were weighed.
    """

    dialect: Dialect
    warnings: Sequence[FileWarning] = ()
    finish: Callable[[Iterator[bytes]], Dialect] | None = None
    runner_up: RunnerUp | None = None


@dataclass(frozen=True)
class Batch(ABC):
    """Consecutive records of a segment. Each is a row of the table, a single, or rejected.

    Ordinals count the batch's records from 0.
    """

    records: int
    table: pa.Table | None  # records that were decoded together, in order; None: there are none
    singles: Sequence[int] = ()  # ordinals of records that are decoded one by one, increasing
    rejections: Sequence[Rejection] = field(default_factory=list)  # by ordinal
    notes: Sequence[Note] = ()  # one for each code
    sheet_rows: int | None = None  # records and lines that are none; None: the format has no rows

    def value(self, ordinal: int) -> Mapping[str, Any]:
        """Decode a single record, with every number a Decimal. Raises RecordRejected."""
        raise LookupError(f"record {ordinal} is not a single")

    def source(self, ordinal: int) -> bytes | None:  # noqa: ARG002 - for formats that have one
        """Return bytes that decide on their own what :meth:`value` does; None if there are none."""
        return None

    @abstractmethod
    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """Return the locations of records. ``ordinals`` increase."""

    def explain(self, rejections: Sequence[Rejection], raws: Sequence[bytes]) -> Sequence[Rejection]:
        """Return the rejections, with more to say where the bytes of their records show it."""
        del raws
        return rejections

    def table_ordinals(self) -> pa.Array:
        """Return the ordinal of each row of the table."""
        ordinals = pa.arange(0, self.records)
        others = [*self.singles, *(rejection.ordinal for rejection in self.rejections)]
        if not others:
            return ordinals
        return ordinals.filter(pc.invert(pc.is_in(ordinals, pa.array(others, pa.int64()))))


class FileFormat(Protocol):
    """A file format."""

    @property
    def name(self) -> Format:
        """The format's name in the API and in the database."""

    @property
    def is_flat(self) -> bool:
        """Whether tables hold columns of strings under distinct, normalised names, and nothing nested."""

    @property
    def empty_record(self) -> Reason | None:
        """The reason to reject a record without values; None: such a record is a row like any other."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The messages for records that cannot be read whole, by the codes of the framing."""

    def recognise(self, head: Head, options: Options, extension: str) -> bool:
        """Return whether a file with that head is of this format.

        ``extension``: that of the file's name, in lower case and without its dot; empty if there is none.
        """

    def read_dialect(self, head: Head, options: Options) -> Detection:
        """Detect the file's dialect, as far as the options do not declare it. Raises JobFailed."""

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> Framing:
        """Return the framing of a file. A record longer than ``max_record`` bytes cannot be read whole.

        ``to_end``: the framing will get the end of the file.
        """

    def can_be_split(self, dialect: Dialect) -> bool:
        """Return whether workers may start reading a plain file of this dialect at any record."""

    def max_block_size(self, dialect: Dialect) -> int:
        """Return the largest size of blocks, in bytes, at which the rows of one stay within bounds."""

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        """Yield the records of a segment in batches, in file order."""


MOST_JSON = 64 << 20  # bytes of canonical JSON that a block may become


def new_dialect(name: Format, head: Head, data_start: int) -> Dialect:
    """Return a dialect with the members that all formats have, taken from the head."""
    return Dialect(
        name,
        data_start,
        data_line=count_lines(head.data[:data_start]),
        rules=RULES,
        encoding=head.encoding,
        bom=head.bom,
        transcoded=head.transcoded,
        compression=head.compression,
    )
