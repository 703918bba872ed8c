"""The JSON format as a plug-in."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.interface import MOST_JSON, Batch, Detection, Reason, new_dialect
from chalicelib.formats.json.decode import decode
from chalicelib.formats.json.envelope import find_records, tokens_of
from chalicelib.formats.json.framing import UNREADABLE, JsonFraming
from chalicelib.formats.json.hints import envelope_warnings
from chalicelib.formats.json.recognise import are_scalars, is_bracketed_text
from chalicelib.formats.json.units import Layout, array_start
from chalicelib.reading import encodings
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import Head
from chalicelib.reading.lines import count_lines

PASSES_COMMAS = 2  # rules from which commas between records are passed over

_EXTENSIONS = ("json", "geojson")


class JsonFormat:
    """See :class:`chalicelib.formats.interface.FileFormat`."""

    name = Format.JSON
    is_flat = False
    empty_record: Reason | None = None
    unreadable: Mapping[str, str] = UNREADABLE

    def recognise(self, head: Head, options: Options, extension: str) -> bool:
        """See FileFormat. An object that begins a file of one object a line is recognised by NDJSON first."""
        if head.text.startswith((b"[", b"{")):
            is_declared = extension in _EXTENSIONS or options.records is not None
            return is_declared or not is_bracketed_text(head)
        return extension in _EXTENSIONS and are_scalars(head)

    def read_dialect(self, head: Head, options: Options) -> Detection:
        """See FileFormat."""
        dialect = json_dialect(Format.JSON, head)
        if options.records is not None:
            return Detection(dialect, finish=partial(_with_records, dialect, options.records))
        start = array_start(head.data, head.start)
        if start is not None:
            data_line = count_lines(head.data[:start])
            dialect = replace(dialect, array=True, data_start=start, data_line=data_line)
        return Detection(dialect, envelope_warnings(head))

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> JsonFraming:
        """See FileFormat."""
        return JsonFraming(_layout(dialect), max_record, to_end, tokens_of(dialect.records or ""))

    def can_be_split(self, dialect: Dialect) -> bool:  # noqa: ARG002 - none can
        """See FileFormat: whether a byte is within a string depends on all bytes before it."""
        return False

    def max_block_size(self, dialect: Dialect) -> int:  # noqa: ARG002 - the same for all
        """See FileFormat."""
        return MOST_JSON

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        """See FileFormat."""
        first = segment.offset == dialect.data_start
        return decode(segment, _layout(dialect), first=first, passes_commas=dialect.rules >= PASSES_COMMAS)


def _layout(dialect: Dialect) -> Layout:
    if dialect.array:
        return Layout.ARRAY
    if dialect.keyed:
        return Layout.MEMBERS
    return Layout.SEQUENCE if dialect.records is None else Layout.SINGLE


def _with_records(dialect: Dialect, pointer: str, pieces: Iterator[bytes]) -> Dialect:
    """Return the dialect with the place of the records in the text. Raises JobFailed."""
    place = find_records(pieces, dialect.data_start, pointer)
    return replace(
        dialect,
        data_start=place.offset,
        data_line=place.line,
        array=place.layout is Layout.ARRAY,
        keyed=place.layout is Layout.MEMBERS,
        records=pointer,
    )


def json_dialect(name: Format, head: Head) -> Dialect:
    """Return the dialect of a JSON or NDJSON file. JSON is UTF-8, so any other encoding is transcoded."""
    dialect = new_dialect(name, head, head.start)
    return dialect if head.encoding == encodings.UTF8 else replace(dialect, transcoded=True)
