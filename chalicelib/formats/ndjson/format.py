"""The NDJSON format as a plug-in."""

from collections.abc import Iterator, Mapping

from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.interface import MOST_JSON, Batch, Detection, Reason
from chalicelib.formats.json.format import json_dialect
from chalicelib.formats.json.units import WHITE, container_end
from chalicelib.formats.ndjson.decode import decode
from chalicelib.formats.ndjson.framing import UNREADABLE, NdjsonFraming
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import Head


class NdjsonFormat:
    """See :class:`chalicelib.formats.interface.FileFormat`."""

    name = Format.NDJSON
    is_flat = False
    empty_record: Reason | None = None
    unreadable: Mapping[str, str] = UNREADABLE

    def recognise(self, head: Head) -> bool:
        """See FileFormat. An object that is whole in its line begins a file of such lines.

        So does one that breaks off where no JSON writer breaks a line, if the next line begins another.
        """
        text = head.text
        if not text.startswith(b"{"):
            return False
        line, _, rest = text.partition(b"\n")
        end = container_end(line, 0, len(line))
        if end is not None:
            return not line[end:].strip(WHITE)
        breaks_off = not line.rstrip(WHITE).endswith((b"{", b"[", b":", b","))
        return breaks_off and rest.lstrip(WHITE).startswith(b"{")

    def read_dialect(self, head: Head, options: Options) -> Detection:  # noqa: ARG002 - options are for CSV
        """See FileFormat."""
        return Detection(json_dialect(Format.NDJSON, head))

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> NdjsonFraming:  # noqa: ARG002
        """See FileFormat."""
        return NdjsonFraming(max_record)

    def can_be_split(self, dialect: Dialect) -> bool:  # noqa: ARG002 - all can
        """See FileFormat."""
        return True

    def max_block_size(self, dialect: Dialect) -> int:  # noqa: ARG002 - the same for all
        """See FileFormat."""
        return MOST_JSON

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:  # noqa: ARG002 - it has no variants
        """See FileFormat."""
        return decode(segment)
