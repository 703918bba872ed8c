"""A CSV format that notes what marks in a file ask for, to follow notes and warnings on their way."""

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.core.model import Dialect, Options
from chalicelib.core.warnings import FileWarning
from chalicelib.formats.csv.decode import decode
from chalicelib.formats.csv.format import CsvFormat
from chalicelib.formats.interface import Batch, Detection, Location, Note
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import Head

HEAD = FileWarning("header-like-data", 1, 0, "the head", line=0)


class NotingCsv(CsvFormat):
    """Note each record with `odd` in it, and the line of each with `mark`. Records are single lines."""

    def read_dialect(self, head: Head, options: Options) -> Detection:
        return super().read_dialect(head, options)._replace(warnings=[HEAD])

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        lines = segment.data.splitlines(keepends=True)
        odd = [number for number, line in enumerate(lines) if b"odd" in line]
        marked = [number for number, line in enumerate(lines) if b"mark" in line]
        notes = [Note("empty-extra-cells", len(odd), odd[0])] if odd else []
        if marked:
            offset = segment.offset + len(b"".join(lines[: marked[0]]))
            place = Location(offset, lines[marked[0]])
            notes.append(Note("byte-order-mark", len(marked), marked[0], place))
        (batch,) = decode(segment, dialect)
        yield replace(batch, notes=notes)
