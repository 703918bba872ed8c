"""The records of a segment, listed one by one."""

from collections import defaultdict
from dataclasses import dataclass, field

from chalicelib.formats.interface import Reason

# notes of lines that were passed over as headers: those of the file itself, and those of other rejects files
REPEATED_HEADER, OTHER_REJECTS = "repeated-header", "rejects-of-several-jobs"
HEADERS = (REPEATED_HEADER, OTHER_REJECTS)

Span = tuple[int, int]  # start and end in the segment, in bytes
Spot = tuple[int, int, int]  # a span, and the number of sheet rows before it in the segment


@dataclass(slots=True)
class Entry:
    """A record in the segment, with the reason to reject it."""

    start: int  # after a byte-order mark
    end: int
    reason: Reason | None = None
    is_joined: bool = False  # line endings in it are text
    after_blank: bool = False  # it follows a blank line, or a record without any value
    sheet_row: int = 0  # how many records and other lines are before it


@dataclass
class Listing:
    """The records of a segment, in order.

    ``notes`` has, by code, the ordinals of the records that each concerns, and the span of the line if it is
    none.
    """

    entries: list[Entry] = field(default_factory=list)
    sheet_rows: int = 0  # records and other lines
    notes: dict[str, list[tuple[int, Span | None]]] = field(default_factory=lambda: defaultdict(list))
    mixed_endings: tuple[int, int, Span] | None = None  # how many lines, and the first: ordinal and span
