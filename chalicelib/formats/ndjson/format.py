"""The NDJSON format as a plug-in."""

from collections.abc import Iterator, Mapping

from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.interface import MOST_JSON, Batch, Detection, Reason
from chalicelib.formats.json.format import PASSES_COMMAS, json_dialect
from chalicelib.formats.json.hints import envelope_warnings
from chalicelib.formats.json.recognise import are_scalars, begins_lines
from chalicelib.formats.ndjson.decode import decode
from chalicelib.formats.ndjson.framing import UNREADABLE, NdjsonFraming
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import Head

_EXTENSIONS = ("jsonl", "ndjson")


class NdjsonFormat:
    """See :class:`chalicelib.formats.interface.FileFormat`."""

    name = Format.NDJSON
    is_flat = False
    empty_record: Reason | None = None
    unreadable: Mapping[str, str] = UNREADABLE

    def recognise(self, head: Head, options: Options, extension: str) -> bool:
        """See FileFormat. Declared records are inside one JSON value."""
        if options.records is not None:
            return False
        by_name = extension in _EXTENSIONS
        return begins_lines(head, of_any_arrays=by_name) or (by_name and are_scalars(head))

    def read_dialect(self, head: Head, options: Options) -> Detection:  # noqa: ARG002 - options are for others
        """See FileFormat."""
        return Detection(json_dialect(Format.NDJSON, head), envelope_warnings(head))

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> NdjsonFraming:  # noqa: ARG002
        """See FileFormat."""
        return NdjsonFraming(max_record)

    def can_be_split(self, dialect: Dialect) -> bool:  # noqa: ARG002 - all can
        """See FileFormat."""
        return True

    def max_block_size(self, dialect: Dialect) -> int:  # noqa: ARG002 - the same for all
        """See FileFormat."""
        return MOST_JSON

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        """See FileFormat."""
        return decode(segment, passes_commas=dialect.rules >= PASSES_COMMAS)
