"""The JSON format as a plug-in."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.interface import MOST_JSON, Batch, Detection, Reason, new_dialect
from chalicelib.formats.json.decode import decode
from chalicelib.formats.json.framing import UNREADABLE, JsonFraming
from chalicelib.formats.json.units import array_start
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import Head
from chalicelib.reading.lines import count_lines


class JsonFormat:
    """See :class:`chalicelib.formats.interface.FileFormat`."""

    name = Format.JSON
    is_flat = False
    empty_record: Reason | None = None
    unreadable: Mapping[str, str] = UNREADABLE

    def recognise(self, head: Head) -> bool:
        """See FileFormat. An object that begins a file of one object a line is recognised by NDJSON first."""
        return head.text.startswith((b"[", b"{"))

    def read_dialect(self, head: Head, options: Options) -> Detection:  # noqa: ARG002 - options are for CSV
        """See FileFormat."""
        start = array_start(head.data, head.start)
        dialect = json_dialect(Format.JSON, head)
        if start is not None:
            data_line = count_lines(head.data[:start])
            dialect = replace(dialect, array=True, data_start=start, data_line=data_line)
        return Detection(dialect)

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> JsonFraming:
        """See FileFormat."""
        return JsonFraming(dialect.array, max_record, to_end)

    def can_be_split(self, dialect: Dialect) -> bool:  # noqa: ARG002 - none can
        """See FileFormat: whether a byte is within a string depends on all bytes before it."""
        return False

    def max_block_size(self, dialect: Dialect) -> int:  # noqa: ARG002 - the same for all
        """See FileFormat."""
        return MOST_JSON

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        """See FileFormat."""
        return decode(segment, array=dialect.array, first=segment.offset == dialect.data_start)


def json_dialect(name: Format, head: Head) -> Dialect:
    """Return the dialect of a JSON or NDJSON file. JSON is UTF-8, so any other encoding is transcoded."""
    dialect = new_dialect(name, head, head.start)
    return dialect if head.encoding == encodings.UTF8 else replace(dialect, transcoded=True)
